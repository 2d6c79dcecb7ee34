// ReserveLogicalAddressRange, FreeReservedLogicalAddressRange, MapReservedLogicalRange, UnmapReservedLogicalRange.
//
// The last two are the hot path: they allocate no memory, neither frames nor of the host, unless a caller's mistake has
// to be reported. They may poll the hardware.
#include "api/lock_guard.h"
#include "api/map_arguments.h"
#include "api/system.h"

namespace iommu::api {

std::shared_ptr<ReservedRange> System::find_token(const char* function, PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token) {
  HandleState state = HandleState::Good;
  std::shared_ptr<ReservedRange> range = tokens_.find(token, state);
  if (range == nullptr) report_handle(function, 1, "token", state);
  return range;
}

NTSTATUS System::reserve_logical_address_range(PIOMMU_DMA_DOMAIN domain_handle, SIZE_T size,
                                               PIOMMU_DMA_LOGICAL_ADDRESS explicit_logical_address,
                                               PIOMMU_DMA_LOGICAL_ADDRESS min_logical_address,
                                               PIOMMU_DMA_LOGICAL_ADDRESS max_logical_address,
                                               PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN* token) {
  constexpr const char* kFunction = "ReserveLogicalAddressRange";
  const std::shared_ptr<Domain> domain = find_domain(kFunction, 1, domain_handle);
  if (!domain || domain->type != DomainTypeTranslate) return STATUS_INVALID_PARAMETER_1;
  if (size == 0 || (size & kPageMask) != 0) return STATUS_INVALID_PARAMETER_2;
  const std::uint64_t pages = size >> core::kPageShift;
  if (!Placement::fits(*domain->space, explicit_logical_address, pages)) return STATUS_INVALID_PARAMETER_3;
  if (missing(kFunction, 6, token)) return STATUS_INVALID_PARAMETER_6;
  Placement placement;
  NTSTATUS status =
      Placement::read(*domain->space, explicit_logical_address, min_logical_address, max_logical_address, placement);
  if (!NT_SUCCESS(status)) return status;

  const LockGuard lock(*domain->mutex);
  if (lost(kFunction, *domain)) return STATUS_INVALID_PARAMETER_1;
  std::uint64_t first_page = 0;
  status = claim_range(kFunction, *domain, pages, placement, LogicalSpace::Owner::Token, first_page);
  if (!NT_SUCCESS(status)) return status;
  // Nothing becomes reachable: what hardware has cached of the range stays true until something is mapped.
  if (!domain->table->pin(first_page, pages)) {
    return_claim(*domain, first_page, pages);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  auto range = std::make_shared<ReservedRange>();
  range->token.LogicalAddressBase = first_page << core::kPageShift;
  range->token.Size = size;
  range->name = "token " + std::to_string(++tokens_made_);
  range->domain = domain;
  range->first_page = first_page;
  range->segments = SegmentMap(pages);
  ++domain->tokens;
  *token = tokens_.insert(std::move(range));
  return STATUS_SUCCESS;
}

NTSTATUS System::free_reserved_logical_address_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token) {
  constexpr const char* kFunction = "FreeReservedLogicalAddressRange";
  const std::shared_ptr<ReservedRange> range = find_token(kFunction, token);
  if (!range) return STATUS_INVALID_PARAMETER_1;
  const std::shared_ptr<Domain> domain = range->domain;
  const LockGuard lock(*domain->mutex);
  if (range->state != ReservedRange::State::Live) {
    report(Severity::Warning, kFunction, range->name, "was freed by another thread while this call waited for it");
    return STATUS_INVALID_PARAMETER_1;
  }
  if (range->segments.mapped_pages() != 0) return STATUS_RESOURCE_IN_USE;
  return free_locked(*range);
}

// In the order of unmap_ranges(): tables, caches, then frames and addresses are free for another use.
NTSTATUS System::free_locked(ReservedRange& range) {
  range.state = ReservedRange::State::Freeing;
  Domain& domain = *range.domain;
  const std::uint64_t pages = range.segments.pages();
  const PageTable::Removal removal = domain.table->unpin(range.first_page, pages);
  NTSTATUS status = STATUS_SUCCESS;
  if (!removal.leaf_only) status = finish_removal(domain, removal);
  // Behind a unit that does not answer, addresses and tables stay taken; the token is gone all the same.
  if (NT_SUCCESS(status)) domain.space->release(range.first_page, pages);
  --domain.tokens;
  tokens_.retire(range);
  return status;
}

NTSTATUS System::map_reserved_logical_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token, SIZE_T offset, ULONG permissions,
                                            PIOMMU_MAP_PHYSICAL_ADDRESS physical_address_to_map,
                                            PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT mapped_segment) {
  constexpr const char* kFunction = "MapReservedLogicalRange";
  const std::shared_ptr<ReservedRange> range = find_token(kFunction, token);
  if (!range) return STATUS_INVALID_PARAMETER_1;
  if (range->state != ReservedRange::State::Live) return STATUS_UNSUCCESSFUL;
  const std::uint64_t first = offset >> core::kPageShift;
  if ((offset & kPageMask) != 0 || first >= range->segments.pages()) return STATUS_INVALID_PARAMETER_2;
  if ((permissions & kReservedPermissions) != 0) return STATUS_INVALID_PARAMETER_3;
  const std::optional<PhysicalPages> physical = physical_pages(physical_address_to_map);
  if (!physical || physical->count() > range->segments.pages() - first) return STATUS_INVALID_PARAMETER_4;
  if (missing(kFunction, 5, mapped_segment)) return STATUS_INVALID_PARAMETER_5;

  const std::shared_ptr<Domain> domain = range->domain;
  const LockGuard lock(*domain->mutex);
  if (range->state != ReservedRange::State::Live) return STATUS_UNSUCCESSFUL;
  if (!range->segments.is_free(first, physical->count())) return STATUS_RESOURCE_IN_USE;
  const NTSTATUS status = map_segment(*range, first, *physical, static_cast<core::Permissions>(permissions));
  if (!NT_SUCCESS(status)) return status;
  *mapped_segment = {token, offset, physical->count() << core::kPageShift};
  return STATUS_SUCCESS;
}

NTSTATUS System::map_segment(ReservedRange& range, std::uint64_t first, const PhysicalPages& physical,
                             core::Permissions permissions) {
  Domain& domain = *range.domain;
  const std::uint64_t first_page = range.first_page + first;
  const std::uint64_t pages = physical.count();
  std::uint64_t page = first_page;
  physical.for_each_run([&](const PageRun& run) {
    domain.table->map_pinned(page, run, permissions);
    page += run.pages;
    return true;
  });
  range.segments.add(first, pages);
  const NTSTATUS status = publish(domain, first_page, pages);
  if (NT_SUCCESS(status)) return status;
  // A unit that does not answer: what was mapped goes again, as far as the others are concerned. The pages stay taken
  // when it may use them.
  domain.table->unmap_pinned(first_page, pages);
  if (NT_SUCCESS(invalidate(domain, first_page, pages, true))) range.segments.remove(first, pages);
  return status;
}

NTSTATUS System::unmap_reserved_logical_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT mapped_segment) {
  constexpr const char* kFunction = "UnmapReservedLogicalRange";
  if (missing(kFunction, 1, mapped_segment)) return STATUS_INVALID_PARAMETER_1;
  const IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT segment = *mapped_segment;
  // What a successful call leaves behind.
  if (segment.OwningToken == nullptr) return STATUS_INVALID_PARAMETER;
  HandleState state = HandleState::Good;
  const std::shared_ptr<ReservedRange> range = tokens_.find(segment.OwningToken, state);
  if (!range) {
    report(Severity::Warning, kFunction, "segment",
           state == HandleState::Stale ? "OwningToken was freed before" : "OwningToken is no token of this system");
    return STATUS_INVALID_PARAMETER;
  }
  if (((segment.Offset | segment.Size) & kPageMask) != 0) return STATUS_INVALID_PARAMETER;
  const std::uint64_t first = segment.Offset >> core::kPageShift;
  const std::uint64_t pages = segment.Size >> core::kPageShift;

  const std::shared_ptr<Domain> domain = range->domain;
  const LockGuard lock(*domain->mutex);
  if (!range->segments.is_segment(first, pages)) return STATUS_INVALID_PARAMETER;
  domain->table->unmap_pinned(range->first_page + first, pages);
  const NTSTATUS status = invalidate(*domain, range->first_page + first, pages, true);
  // A unit that does not answer may still use the pages: they stay taken.
  if (!NT_SUCCESS(status)) return status;
  range->segments.remove(first, pages);
  *mapped_segment = {};
  return STATUS_SUCCESS;
}

}  // namespace iommu::api
