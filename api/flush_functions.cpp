// FlushDomain, FlushDomainByVaList (OP-12, OP-13).
#include <algorithm>
#include <cstring>

#include "api/lock_guard.h"
#include "api/system.h"

namespace iommu::api {

namespace {

/// Lists of more pages than this are flushed by one invalidation of the whole domain.
constexpr ULONG kMostPages = RemappingDriver::kMostRanges;

}  // namespace

void System::note_flush(const char* function, Domain& domain) const {
  if (domain.flush_noted) return;
  domain.flush_noted = true;
  report(Severity::Note, function, domain.name,
         "Windows documents it for domains whose page tables the caller manages, and no others");
}

NTSTATUS System::flush_domain(PIOMMU_DMA_DOMAIN domain_handle) {
  constexpr const char* kFunction = "FlushDomain";
  const std::shared_ptr<Domain> domain = find_domain(kFunction, 1, domain_handle);
  if (!domain || !modeled()) return STATUS_INVALID_PARAMETER_1;
  const LockGuard lock(*domain->mutex);
  if (lost(kFunction, *domain)) return STATUS_INVALID_PARAMETER_1;
  note_flush(kFunction, *domain);
  return invalidate(*domain, 0, kWholeSpacePages, false);
}

NTSTATUS System::flush_domain_by_va_list(PIOMMU_DMA_DOMAIN domain_handle, BOOLEAN last_level, ULONG number,
                                         PVOID va_list) {
  constexpr const char* kFunction = "FlushDomainByVaList";
  const std::shared_ptr<Domain> domain = find_domain(kFunction, 1, domain_handle);
  if (!domain || !modeled()) return STATUS_INVALID_PARAMETER_1;
  if (number == 0) return STATUS_SUCCESS;
  if (va_list == nullptr) return STATUS_INVALID_PARAMETER_4;
  // The list may lie anywhere, at any alignment.
  std::vector<std::uint64_t> pages(std::min(number, kMostPages));
  std::memcpy(pages.data(), va_list, pages.size() * sizeof pages[0]);
  for (std::uint64_t& page : pages) page >>= core::kPageShift;
  std::sort(pages.begin(), pages.end());

  const LockGuard lock(*domain->mutex);
  if (lost(kFunction, *domain)) return STATUS_INVALID_PARAMETER_1;
  note_flush(kFunction, *domain);
  const bool in_space = domain->space && domain->space->contains(pages.back(), 1);
  if (number > kMostPages || !in_space) return invalidate(*domain, 0, kWholeSpacePages, false);
  std::vector<PageRange> ranges;
  for (const std::uint64_t page : pages) {
    const bool continues = !ranges.empty() && page <= ranges.back().first_page + ranges.back().pages;
    if (!continues) ranges.push_back({page, 0});
    ranges.back().pages = page - ranges.back().first_page + 1;
  }
  NTSTATUS result = STATUS_SUCCESS;
  for (const Domain::Attachment& attachment : domain->attachments) {
    const NTSTATUS status = drivers_[attachment.unit]->invalidate(attachment.domain_id, ranges, last_level != FALSE);
    if (!NT_SUCCESS(status)) result = status;
  }
  return result;
}

}  // namespace iommu::api
