// MapIdentityRangeEx, UnmapIdentityRangeEx.
#include <algorithm>

#include "api/lock_guard.h"
#include "api/map_arguments.h"
#include "api/system.h"

namespace iommu::api {

namespace {

/// The stretches of a descriptor in ascending order, those that touch made one. False when a page comes twice.
bool ascending(const PhysicalPages& physical, std::vector<PageRange>& ranges) {
  physical.for_each_run([&](const PageRun& run) {
    ranges.push_back({run.first_page, run.pages});
    return true;
  });
  std::sort(ranges.begin(), ranges.end(),
            [](const PageRange& a, const PageRange& b) { return a.first_page < b.first_page; });
  std::size_t last = 0;
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    const std::uint64_t end = ranges[last].first_page + ranges[last].pages;
    if (ranges[i].first_page < end) return false;
    if (ranges[i].first_page == end) {
      ranges[last].pages += ranges[i].pages;
    } else {
      ranges[++last] = ranges[i];
    }
  }
  ranges.resize(last + 1);
  return true;
}

bool maps_identity(const Domain& domain) {
  return domain.type == DomainTypeTranslate || domain.type == DomainTypePassThrough;
}

/// True when every page is a logical address of the domain, too; in a PassThrough domain each one is.
bool inside(const Domain& domain, const PhysicalPages& physical) {
  if (!domain.space) return true;
  return physical.for_each_run([&](const PageRun& run) { return domain.space->contains(run.first_page, run.pages); });
}

}  // namespace

NTSTATUS System::map_identity_range_ex(PIOMMU_DMA_DOMAIN domain_handle, ULONG permissions,
                                       PIOMMU_MAP_PHYSICAL_ADDRESS physical_address_to_map) {
  constexpr const char* kFunction = "MapIdentityRangeEx";
  const std::shared_ptr<Domain> domain = find_domain(kFunction, 1, domain_handle);
  if (!domain || !maps_identity(*domain)) return STATUS_INVALID_PARAMETER_1;
  if ((permissions & kReservedPermissions) != 0) return STATUS_INVALID_PARAMETER_2;
  const std::optional<PhysicalPages> physical = physical_pages(physical_address_to_map);
  if (!physical || !inside(*domain, *physical)) return STATUS_INVALID_PARAMETER_3;
  if (domain->type == DomainTypePassThrough) return STATUS_SUCCESS;
  if (domain->space->has_allocator()) return STATUS_NOT_SUPPORTED;
  std::vector<PageRange> ranges;
  if (!ascending(*physical, ranges)) return STATUS_RESOURCE_IN_USE;
  std::vector<MapPiece> pieces;
  for (const PageRange& range : ranges) pieces.push_back({range.first_page, {range.first_page, range.pages}});

  const LockGuard lock(*domain->mutex);
  if (lost(kFunction, *domain)) return STATUS_INVALID_PARAMETER_1;
  LogicalSpace& space = *domain->space;
  for (const PageRange& range : ranges) {
    if (!space.overlaps(range.first_page, range.pages)) continue;
    explain_overlap(kFunction, *domain, range.first_page, range.pages);
    return STATUS_RESOURCE_IN_USE;
  }
  if (!domain->table->map(pieces, static_cast<core::Permissions>(permissions))) return STATUS_INSUFFICIENT_RESOURCES;
  for (const PageRange& range : ranges) space.claim(range.first_page, range.pages, LogicalSpace::Owner::Identity);
  // One range around all of them is made visible at once.
  const std::uint64_t end = ranges.back().first_page + ranges.back().pages;
  const NTSTATUS status = publish(*domain, ranges.front().first_page, end - ranges.front().first_page);
  // A unit that does not answer: what was mapped goes again, as far as the others are concerned.
  if (!NT_SUCCESS(status)) (void)unmap_ranges(*domain, ranges);
  return status;
}

NTSTATUS System::unmap_identity_range_ex(PIOMMU_DMA_DOMAIN domain_handle,
                                         PIOMMU_MAP_PHYSICAL_ADDRESS mapped_physical_address) {
  constexpr const char* kFunction = "UnmapIdentityRangeEx";
  const std::shared_ptr<Domain> domain = find_domain(kFunction, 1, domain_handle);
  if (!domain || !maps_identity(*domain)) return STATUS_INVALID_PARAMETER_1;
  const std::optional<PhysicalPages> physical = physical_pages(mapped_physical_address);
  if (!physical || !inside(*domain, *physical)) return STATUS_INVALID_PARAMETER_2;
  if (domain->type == DomainTypePassThrough) return STATUS_SUCCESS;
  if (domain->space->has_allocator()) return STATUS_NOT_SUPPORTED;
  std::vector<PageRange> ranges;
  // A page that comes twice is not mapped any more when it comes again.
  if (!ascending(*physical, ranges)) return STATUS_INVALID_PARAMETER;

  const LockGuard lock(*domain->mutex);
  if (lost(kFunction, *domain)) return STATUS_INVALID_PARAMETER_1;
  const auto mapped = [&](const PageRange& range) {
    return domain->space->all_owned(range.first_page, range.pages, LogicalSpace::Owner::Identity);
  };
  if (!std::all_of(ranges.begin(), ranges.end(), mapped)) return STATUS_INVALID_PARAMETER;
  return unmap_ranges(*domain, ranges);
}

}  // namespace iommu::api
