#include "api/map_arguments.h"

namespace iommu::api {

namespace {

/// The frames of an MDL of whole pages; null when it is none. Only the first MDL of a chain counts.
const PFN_NUMBER* frames_of(MDL* mdl, std::uint64_t& count) {
  if (mdl == nullptr || BYTE_OFFSET(MmGetMdlVirtualAddress(mdl)) != 0 || MmGetMdlByteOffset(mdl) != 0) return nullptr;
  if (mdl->ByteCount == 0 || (mdl->ByteCount & kPageMask) != 0) return nullptr;
  count = ADDRESS_AND_SIZE_TO_SPAN_PAGES(MmGetMdlVirtualAddress(mdl), mdl->ByteCount);
  return MmGetMdlPfnArray(mdl);
}

/// The whole pages inside [min, max]; false when there is none (OP-19).
bool bound_pages(const ULONGLONG* min, const ULONGLONG* max, std::uint64_t& first, std::uint64_t& last) {
  first = 0;
  last = kAllPages - 1;
  if (min != nullptr) first = (*min >> core::kPageShift) + ((*min & kPageMask) != 0 ? 1 : 0);
  if (max != nullptr && *max != ~std::uint64_t{0}) {
    const std::uint64_t end = (*max + 1) >> core::kPageShift;
    if (end == 0) return false;
    last = end - 1;
  }
  return first <= last;
}

}  // namespace

std::optional<PhysicalPages> PhysicalPages::of(const IOMMU_MAP_PHYSICAL_ADDRESS* description, std::uint64_t limit) {
  if (description == nullptr) return std::nullopt;
  const PFN_NUMBER* frames = nullptr;
  std::uint64_t count = 0;
  switch (description->MapType) {
    case MapPhysicalAddressTypeContiguousRange: {
      const auto base = static_cast<std::uint64_t>(description->ContiguousRange.Base.QuadPart);
      const std::uint64_t size = description->ContiguousRange.Size;
      if (((base | size) & kPageMask) != 0 || size == 0) return std::nullopt;
      const std::uint64_t first = base >> core::kPageShift;
      count = size >> core::kPageShift;
      if (first >= limit || count > limit - first) return std::nullopt;
      return PhysicalPages(nullptr, first, count);
    }
    case MapPhysicalAddressTypeMdl:
      frames = frames_of(description->Mdl.Mdl, count);
      break;
    case MapPhysicalAddressTypePfn:
      frames = description->PfnArray.PageFrame;
      count = description->PfnArray.NumberOfPages;
      break;
    default:
      return std::nullopt;
  }
  if (frames == nullptr || count == 0) return std::nullopt;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (frames[i] >= limit) return std::nullopt;
  }
  return PhysicalPages(frames, 0, count);
}

NTSTATUS Placement::read(const LogicalSpace& space, const ULONGLONG* explicit_address, const ULONGLONG* min,
                         const ULONGLONG* max, Placement& placement) {
  placement.is_explicit = explicit_address != nullptr;
  if (placement.is_explicit == space.has_allocator()) return STATUS_NOT_SUPPORTED;
  if (placement.is_explicit) {
    placement.first_page = *explicit_address >> core::kPageShift;
    return STATUS_SUCCESS;
  }
  placement.bounded = min != nullptr || max != nullptr;
  return bound_pages(min, max, placement.min_page, placement.max_page) ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_MIX;
}

}  // namespace iommu::api
