// MapLogicalRangeEx, UnmapLogicalRange.
#include "api/lock_guard.h"
#include "api/map_arguments.h"
#include "api/system.h"
#include "api/text.h"

namespace iommu::api {

std::optional<PhysicalPages> System::physical_pages(const IOMMU_MAP_PHYSICAL_ADDRESS* description) const {
  return PhysicalPages::of(description, std::uint64_t{1} << (platform_.output_bits - core::kPageShift));
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
  if ((permissions & kReservedPermissions) != 0) return STATUS_INVALID_PARAMETER_2;
  const std::optional<PhysicalPages> physical = physical_pages(physical_address_to_map);
  if (!physical) return STATUS_INVALID_PARAMETER_3;
  const std::uint64_t pages = physical->count();
  if (!Placement::fits(*domain->space, explicit_logical_address, pages)) return STATUS_INVALID_PARAMETER_4;
  if (missing(kFunction, 7, logical_address_out)) return STATUS_INVALID_PARAMETER_7;
  Placement placement;
  NTSTATUS status =
      Placement::read(*domain->space, explicit_logical_address, min_logical_address, max_logical_address, placement);
  if (!NT_SUCCESS(status)) return status;
  const std::optional<PageRun> single = physical->single_run();
  std::vector<PageRun> runs;
  if (!single) {
    physical->for_each_run([&](const PageRun& run) {
      runs.push_back(run);
      return true;
    });
  }

  const LockGuard lock(*domain->mutex);
  if (lost(kFunction, *domain)) return STATUS_INVALID_PARAMETER_1;
  std::uint64_t first_page = 0;
  status = claim_range(kFunction, *domain, pages, placement, LogicalSpace::Owner::Mapping, first_page);
  if (!NT_SUCCESS(status)) return status;
  const auto allowed = static_cast<core::Permissions>(permissions);
  const bool mapped =
      single ? domain->table->map(first_page, *single, allowed) : domain->table->map(first_page, runs, allowed);
  if (!mapped) {
    return_claim(*domain, first_page, pages);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  status = publish(*domain, first_page, pages);
  if (!NT_SUCCESS(status)) {
    // A unit that does not answer: what was mapped goes again, as far as the others are concerned.
    (void)unmap_ranges(*domain, {{first_page, pages}});
    return status;
  }
  *logical_address_out = first_page << core::kPageShift;
  return STATUS_SUCCESS;
}

NTSTATUS System::claim_range(const char* function, Domain& domain, std::uint64_t pages, const Placement& placement,
                             LogicalSpace::Owner owner, std::uint64_t& first_page) {
  LogicalSpace& space = *domain.space;
  if (placement.is_explicit) {
    first_page = placement.first_page;
    if (space.overlaps(first_page, pages)) {
      explain_overlap(function, domain, first_page, pages);
      return STATUS_RESOURCE_IN_USE;
    }
    space.claim(first_page, pages, owner);
    return STATUS_SUCCESS;
  }
  const std::optional<std::uint64_t> chosen = space.allocate(pages, placement.min_page, placement.max_page, owner);
  if (!chosen) return placement.bounded ? STATUS_INVALID_PARAMETER_MIX : STATUS_INSUFFICIENT_RESOURCES;
  first_page = *chosen;
  return STATUS_SUCCESS;
}

// As if the latest claim_range() had not been.
void System::return_claim(Domain& domain, std::uint64_t first_page, std::uint64_t pages) {
  if (domain.space->has_allocator()) {
    domain.space->cancel(first_page);
  } else {
    domain.space->release(first_page, pages);
  }
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

NTSTATUS System::publish(const Domain& domain, std::uint64_t first_page, std::uint64_t pages) {
  for (const Domain::Attachment& attachment : domain.attachments) {
    const NTSTATUS status = drivers_[attachment.unit]->publish(attachment.domain_id, first_page, pages);
    if (!NT_SUCCESS(status)) return status;
  }
  return STATUS_SUCCESS;
}

// On every unit, also behind one that does not answer.
NTSTATUS System::invalidate(const Domain& domain, std::uint64_t first_page, std::uint64_t pages, bool leaf_only) {
  NTSTATUS result = STATUS_SUCCESS;
  for (const Domain::Attachment& attachment : domain.attachments) {
    const NTSTATUS status = drivers_[attachment.unit]->invalidate(attachment.domain_id, first_page, pages, leaf_only);
    if (!NT_SUCCESS(status)) result = status;
  }
  return result;
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
  return unmap_ranges(*domain, {{first_page, number_of_pages}});
}

// The order matters: entries, caches, then tables and (by the caller) addresses are free for another use (OP-12). A
// unit that does not answer may still use the old translations: their tables and addresses stay taken.
NTSTATUS System::finish_removal(const Domain& domain, const PageTable::Removal& removal) {
  const NTSTATUS status = invalidate(domain, removal.first_page, removal.pages, removal.leaf_only);
  if (!NT_SUCCESS(status)) return status;
  for (const core::Address frame : removal.tables) description_.frames->free(frame);
  return STATUS_SUCCESS;
}

NTSTATUS System::unmap_ranges(Domain& domain, const std::vector<PageRange>& ranges) {
  const std::optional<PageTable::Removal> removal = domain.table->unmap(ranges);
  if (!removal) return STATUS_INSUFFICIENT_RESOURCES;
  const NTSTATUS status = finish_removal(domain, *removal);
  if (!NT_SUCCESS(status)) return status;
  for (const PageRange& range : ranges) domain.space->release(range.first_page, range.pages);
  return STATUS_SUCCESS;
}

}  // namespace iommu::api
