// MapLogicalRangeEx, UnmapLogicalRange.
#include <algorithm>

#include "api/lock_guard.h"
#include "api/system.h"
#include "api/text.h"

namespace iommu::api {

namespace {

constexpr std::uint64_t kPageMask = core::kPageBytes - 1;
constexpr std::uint64_t kAllPages = std::uint64_t{1} << (64 - core::kPageShift);

std::uint64_t count_pages(const std::vector<PageRun>& runs) {
  std::uint64_t pages = 0;
  for (const PageRun& run : runs) pages += run.pages;
  return pages;
}

void append(std::vector<PageRun>& runs, std::uint64_t page) {
  if (!runs.empty() && runs.back().first_page + runs.back().pages == page) {
    ++runs.back().pages;
  } else {
    runs.push_back({page, 1});
  }
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

// OP-16. The pages of a descriptor, in order; false when it is malformed or leaves the physical address space.
bool System::describe_physical(const IOMMU_MAP_PHYSICAL_ADDRESS* description, std::vector<PageRun>& runs) const {
  if (description == nullptr) return false;
  const std::uint64_t physical_pages = std::uint64_t{1} << (platform_.output_bits - core::kPageShift);
  switch (description->MapType) {
    case MapPhysicalAddressTypeContiguousRange: {
      const auto base = static_cast<std::uint64_t>(description->ContiguousRange.Base.QuadPart);
      const std::uint64_t size = description->ContiguousRange.Size;
      if (((base | size) & kPageMask) != 0 || size == 0) return false;
      runs.push_back({base >> core::kPageShift, size >> core::kPageShift});
      return runs[0].first_page < physical_pages && runs[0].pages <= physical_pages - runs[0].first_page;
    }
    case MapPhysicalAddressTypeMdl:
    case MapPhysicalAddressTypePfn:
      break;
    default:
      return false;
  }
  const PFN_NUMBER* frames = nullptr;
  std::uint64_t count = 0;
  if (description->MapType == MapPhysicalAddressTypeMdl) {
    // Only the first MDL of a chain counts.
    MDL* mdl = description->Mdl.Mdl;
    if (mdl == nullptr || BYTE_OFFSET(MmGetMdlVirtualAddress(mdl)) != 0 || MmGetMdlByteOffset(mdl) != 0) return false;
    if (mdl->ByteCount == 0 || (mdl->ByteCount & kPageMask) != 0) return false;
    frames = MmGetMdlPfnArray(mdl);
    count = ADDRESS_AND_SIZE_TO_SPAN_PAGES(MmGetMdlVirtualAddress(mdl), mdl->ByteCount);
  } else {
    frames = description->PfnArray.PageFrame;
    count = description->PfnArray.NumberOfPages;
    if (frames == nullptr || count == 0) return false;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (frames[i] >= physical_pages) return false;
    append(runs, frames[i]);
  }
  return true;
}

NTSTATUS System::map_logical_range_ex(PIOMMU_DMA_DOMAIN domain_handle, ULONG permissions,
                                      PIOMMU_MAP_PHYSICAL_ADDRESS physical_address_to_map,
                                      PIOMMU_DMA_LOGICAL_ADDRESS explicit_logical_address,
                                      PIOMMU_DMA_LOGICAL_ADDRESS min_logical_address,
                                      PIOMMU_DMA_LOGICAL_ADDRESS max_logical_address,
                                      PIOMMU_DMA_LOGICAL_ADDRESS logical_address_out) {
  constexpr const char* kFunction = "MapLogicalRangeEx";
  const std::shared_ptr<Domain> domain = find_domain(kFunction, 1, domain_handle);
  if (!domain || domain->type != DomainTypeTranslate) return STATUS_INVALID_PARAMETER_1;
  if ((permissions & ~ULONG{IOMMU_ACCESS_READ | IOMMU_ACCESS_WRITE}) != 0) return STATUS_INVALID_PARAMETER_2;
  std::vector<PageRun> runs;
  if (!describe_physical(physical_address_to_map, runs)) return STATUS_INVALID_PARAMETER_3;
  const std::uint64_t pages = count_pages(runs);
  LogicalSpace& space = *domain->space;
  const bool is_explicit = explicit_logical_address != nullptr;
  const std::uint64_t address = is_explicit ? *explicit_logical_address : 0;
  if (is_explicit && ((address & kPageMask) != 0 || !space.contains(address >> core::kPageShift, pages))) {
    return STATUS_INVALID_PARAMETER_4;
  }
  if (missing(kFunction, 7, logical_address_out)) return STATUS_INVALID_PARAMETER_7;
  if (is_explicit == space.has_allocator()) return STATUS_NOT_SUPPORTED;
  const bool bounded = min_logical_address != nullptr || max_logical_address != nullptr;
  std::uint64_t min_page = 0;
  std::uint64_t max_page = 0;
  if (!is_explicit && !bound_pages(min_logical_address, max_logical_address, min_page, max_page)) {
    return STATUS_INVALID_PARAMETER_MIX;
  }

  const LockGuard lock(*domain->mutex);
  if (lost(kFunction, *domain)) return STATUS_INVALID_PARAMETER_1;
  std::uint64_t first_page = address >> core::kPageShift;
  if (is_explicit) {
    if (space.overlaps(first_page, pages)) {
      explain_overlap(kFunction, *domain, first_page, pages);
      return STATUS_RESOURCE_IN_USE;
    }
    space.claim(first_page, pages);
  } else {
    const std::optional<std::uint64_t> chosen = space.allocate(pages, min_page, max_page);
    if (!chosen) return bounded ? STATUS_INVALID_PARAMETER_MIX : STATUS_INSUFFICIENT_RESOURCES;
    first_page = *chosen;
  }
  if (!domain->table->map(first_page, runs, static_cast<core::Permissions>(permissions))) {
    if (is_explicit) {
      space.release(first_page, pages);
    } else {
      space.cancel(first_page);
    }
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  if (const NTSTATUS status = publish(*domain, first_page, pages); !NT_SUCCESS(status)) return status;
  *logical_address_out = first_page << core::kPageShift;
  return STATUS_SUCCESS;
}

// A driver that has mapped nothing there will wonder.
void System::explain_overlap(const char* function, const Domain& domain, std::uint64_t first_page,
                             std::uint64_t pages) const {
  for (const UntranslatedRange& range : platform_.untranslated) {
    if (first_page >= range.first_page + range.pages || range.first_page >= first_page + pages) continue;
    report(Severity::Warning, function, domain.name,
           "the range touches " + hex(range.first_page << core::kPageShift) + " to " +
               hex(((range.first_page + range.pages) << core::kPageShift) - 1) + ", which hardware never translates");
  }
}

NTSTATUS System::publish(Domain& domain, std::uint64_t first_page, std::uint64_t pages) {
  for (const Domain::Attachment& attachment : domain.attachments) {
    const NTSTATUS status = drivers_[attachment.unit]->publish(attachment.domain_id, first_page, pages);
    if (NT_SUCCESS(status)) continue;
    // A unit that does not answer: what was mapped goes again, as far as the others are concerned.
    (void)unmap_range(domain, first_page, pages);
    return status;
  }
  return STATUS_SUCCESS;
}

NTSTATUS System::unmap_logical_range(PIOMMU_DMA_DOMAIN domain_handle, ULONGLONG logical_address,
                                     ULONGLONG number_of_pages) {
  constexpr const char* kFunction = "UnmapLogicalRange";
  const std::shared_ptr<Domain> domain = find_domain(kFunction, 1, domain_handle);
  if (!domain || domain->type != DomainTypeTranslate) return STATUS_INVALID_PARAMETER_1;
  if ((logical_address & kPageMask) != 0) return STATUS_INVALID_PARAMETER_2;
  const std::uint64_t first_page = logical_address >> core::kPageShift;
  if (number_of_pages == 0 || number_of_pages > kAllPages - first_page) return STATUS_INVALID_PARAMETER_3;
  const LockGuard lock(*domain->mutex);
  if (lost(kFunction, *domain)) return STATUS_INVALID_PARAMETER_1;
  if (!domain->space->all_owned(first_page, number_of_pages, LogicalSpace::Owner::Mapping)) {
    return STATUS_INVALID_PARAMETER;
  }
  return unmap_range(*domain, first_page, number_of_pages);
}

// The order matters: entries, caches, then addresses and tables are free for another use (OP-12).
NTSTATUS System::unmap_range(Domain& domain, std::uint64_t first_page, std::uint64_t pages) {
  const std::optional<PageTable::Removal> removal = domain.table->unmap(first_page, pages);
  if (!removal) return STATUS_INSUFFICIENT_RESOURCES;
  NTSTATUS result = STATUS_SUCCESS;
  for (const Domain::Attachment& attachment : domain.attachments) {
    const NTSTATUS status = drivers_[attachment.unit]->invalidate(attachment.domain_id, removal->first_page,
                                                                  removal->pages, removal->leaf_only);
    if (!NT_SUCCESS(status)) result = status;
  }
  // A unit that did not answer may still use the old translations: their addresses and tables stay taken.
  if (!NT_SUCCESS(result)) return result;
  for (const core::Address frame : removal->tables) description_.frames->free(frame);
  domain.space->release(first_page, pages);
  return STATUS_SUCCESS;
}

}  // namespace iommu::api
