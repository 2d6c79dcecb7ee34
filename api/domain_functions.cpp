// CreateDomainEx, DeleteDomain, ConfigureDomain.
#include <algorithm>
#include <map>

#include "api/lock_guard.h"
#include "api/system.h"

namespace iommu::api {

namespace {

/// The width that an allocator configuration asks for (OP-3); 0 when there is to be no allocator, nothing when the
/// configuration is wrong.
std::optional<unsigned> allocator_width(IOMMU_DMA_DOMAIN_TYPE type, const IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG* config) {
  if (config == nullptr || config->LogicalAllocatorType == IommuDmaLogicalAllocatorNone) return 0;
  if (config->LogicalAllocatorType != IommuDmaLogicalAllocatorBuddy) return std::nullopt;
  const ULONG width = config->BuddyAllocatorConfig.AddressWidth;
  if (width < BuddyAllocator::kMinWidthBits || width > BuddyAllocator::kMaxWidthBits) return std::nullopt;
  if (type != DomainTypeTranslate) return std::nullopt;
  return width;
}

/// Copies the list (OP-3); false when a region is unaligned, empty, overflows, or overlaps another one. A list that
/// runs in a circle overlaps itself.
bool copy_regions(const IOMMU_DMA_RESERVED_REGION* list, std::vector<IOMMU_DMA_RESERVED_REGION>& copy) {
  std::map<std::uint64_t, std::uint64_t> taken;  // first page -> end
  for (const IOMMU_DMA_RESERVED_REGION* region = list; region != nullptr; region = region->RegionNext) {
    const std::uint64_t first = region->Base >> core::kPageShift;
    if ((region->Base & kPageMask) != 0 || region->NumberOfPages == 0) return false;
    if (region->NumberOfPages > kAllPages - first) return false;
    const std::uint64_t end = first + region->NumberOfPages;
    const auto next = taken.upper_bound(first);
    if (next != taken.end() && next->first < end) return false;
    if (next != taken.begin() && std::prev(next)->second > first) return false;
    taken[first] = end;
    copy.push_back(*region);
  }
  return true;
}

}  // namespace

// The shallowest table that covers the width, or the deepest one, whose width then bounds the space.
System::DomainShape System::shape_for(unsigned wanted_bits) const {
  DomainShape shape;
  shape.width_bits = std::min({wanted_bits, platform_.input_bits, description_.policy.max_logical_width_bits});
  const auto reach = [](unsigned levels) { return core::kPageShift + 9 * levels; };
  for (unsigned levels = 1; levels <= core::kMaxLevels; ++levels) {
    if ((platform_.levels_mask >> levels & 1u) == 0) continue;
    shape.levels = levels;
    if (reach(levels) >= shape.width_bits) break;
  }
  shape.width_bits = std::min(shape.width_bits, reach(shape.levels));
  return shape;
}

NTSTATUS System::create_domain_ex(IOMMU_DMA_DOMAIN_TYPE domain_type, IOMMU_DMA_DOMAIN_CREATION_FLAGS flags,
                                  PIOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG allocator_config,
                                  PIOMMU_DMA_RESERVED_REGION reserved_regions, PIOMMU_DMA_DOMAIN* domain_out) {
  constexpr const char* kFunction = "CreateDomainEx";
  if (domain_out != nullptr) *domain_out = nullptr;
  if (domain_type < 0 || domain_type >= DomainTypeMax) return STATUS_INVALID_PARAMETER_1;
  if (flags.AsUlonglong != 0) return STATUS_INVALID_PARAMETER_2;
  const std::optional<unsigned> width = allocator_width(domain_type, allocator_config);
  if (!width) return STATUS_INVALID_PARAMETER_3;
  const bool with_allocator = *width != 0;
  const DomainShape shape = shape_for(with_allocator ? *width : platform_.input_bits);
  std::vector<IOMMU_DMA_RESERVED_REGION> regions;
  if (!copy_regions(reserved_regions, regions)) return STATUS_INVALID_PARAMETER_4;
  if (domain_type == DomainTypeTranslate) {
    for (const IOMMU_DMA_RESERVED_REGION& region : regions) {
      // An identity mapping must be a physical address, too.
      const unsigned bits = region.ShouldMap ? std::min(shape.width_bits, platform_.output_bits) : shape.width_bits;
      const std::uint64_t last = region.Base + (region.NumberOfPages << core::kPageShift) - 1;
      if (last > core::low_mask(bits)) return STATUS_INVALID_PARAMETER_4;
    }
  }
  if (missing(kFunction, 5, domain_out)) return STATUS_INVALID_PARAMETER_5;
  if (domain_type == DomainTypeUnmanaged || domain_type == DomainTypeTranslateS1) return STATUS_NOT_SUPPORTED;
  if (domain_type == DomainTypePassThrough && !platform_.pass_through) return STATUS_NOT_SUPPORTED;
  if (domains_.full()) return STATUS_INSUFFICIENT_RESOURCES;

  auto domain = std::make_shared<Domain>();
  domain->type = domain_type;
  domain->mutex = description_.host->make_mutex();
  if (domain_type == DomainTypeTranslate) {
    const NTSTATUS status = build_space(*domain, shape, with_allocator, regions);
    if (!NT_SUCCESS(status)) return status;
  }
  // Building lets time pass: another thread may have taken the last place.
  if (domains_.full()) {
    if (domain->table) domain->table->release();
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  domain->name = "domain " + std::to_string(++domains_made_);
  *domain_out = domains_.insert(domain, serial_);
  domain->handle = *domain_out;
  return STATUS_SUCCESS;
}

NTSTATUS System::build_space(Domain& domain, const DomainShape& shape, bool with_allocator,
                             const std::vector<IOMMU_DMA_RESERVED_REGION>& regions) {
  domain.space = std::make_unique<LogicalSpace>(shape.width_bits, with_allocator);
  for (const IOMMU_DMA_RESERVED_REGION& region : regions) {
    if (!domain.space->reserve(region.Base >> core::kPageShift, region.NumberOfPages))
      return STATUS_INVALID_PARAMETER_4;
  }
  // What hardware does not translate is of no use to anybody; a region of the caller may cover part of it.
  for (const UntranslatedRange& range : platform_.untranslated) {
    for (std::uint64_t page = range.first_page; page < range.first_page + range.pages; ++page) {
      std::uint64_t end = page;
      while (end < range.first_page + range.pages && domain.space->contains(end, 1) &&
             !domain.space->overlaps(end, 1)) {
        ++end;
      }
      if (end != page && !domain.space->reserve(page, end - page)) return STATUS_UNSUCCESSFUL;
      page = end;
    }
  }
  domain.table = PageTable::create({platform_.format, shape.levels, platform_.max_leaf_level}, *description_.memory,
                                   *description_.frames);
  if (!domain.table) return STATUS_INSUFFICIENT_RESOURCES;
  for (const IOMMU_DMA_RESERVED_REGION& region : regions) {
    if (!region.ShouldMap) continue;
    const std::uint64_t first = region.Base >> core::kPageShift;
    if (!domain.table->map(first, {{first, region.NumberOfPages}}, core::Permissions::ReadWrite)) {
      domain.table->release();
      return STATUS_INSUFFICIENT_RESOURCES;
    }
  }
  return STATUS_SUCCESS;
}

NTSTATUS System::delete_domain(PIOMMU_DMA_DOMAIN domain_handle) {
  constexpr const char* kFunction = "DeleteDomain";
  const std::shared_ptr<Domain> domain = find_domain(kFunction, 1, domain_handle);
  if (!domain) return STATUS_INVALID_PARAMETER_1;
  const LockGuard lock(*domain->mutex);
  if (lost(kFunction, *domain)) return STATUS_INVALID_PARAMETER_1;
  if (const std::string holds = holders(*domain); !holds.empty()) {
    report(Severity::Warning, kFunction, domain->name, "can't be deleted yet: " + holds);
    return STATUS_RESOURCE_IN_USE;
  }
  domain->deleted = true;
  domains_.erase(domain_handle);
  // Mappings that are left go with the tables (OP-8).
  if (domain->table) domain->table->release();
  return STATUS_SUCCESS;
}

// Only domains whose tables the caller manages can be configured, and this architecture offers none (OP-5): whatever the
// configuration says, the domain is of the wrong type.
NTSTATUS System::configure_domain(PIOMMU_DMA_DOMAIN domain_handle, PDOMAIN_CONFIGURATION) {
  (void)find_domain("ConfigureDomain", 1, domain_handle);
  return STATUS_INVALID_PARAMETER_1;
}

}  // namespace iommu::api
