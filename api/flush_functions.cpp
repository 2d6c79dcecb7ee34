// FlushDomain, FlushDomainByVaList (OP-12, OP-13).
#include <algorithm>
#include <cstring>

#include "api/lock_guard.h"
#include "api/system.h"

namespace iommu::api {

namespace {

constexpr std::uint64_t kWholeSpacePages = std::uint64_t{1} << 45;  // of the widest table
/// Lists of more pages than this are flushed by one invalidation of the whole domain.
constexpr ULONG kMostPages = 64;

}  // namespace

NTSTATUS System::flush_whole(Domain& domain) {
  NTSTATUS result = STATUS_SUCCESS;
  for (const Domain::Attachment& attachment : domain.attachments) {
    const NTSTATUS status = drivers_[attachment.unit]->invalidate(attachment.domain_id, 0, kWholeSpacePages, false);
    if (!NT_SUCCESS(status)) result = status;
  }
  return result;
}

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
  return flush_whole(*domain);
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
  if (number > kMostPages || !in_space) return flush_whole(*domain);
  NTSTATUS result = STATUS_SUCCESS;
  for (std::size_t i = 0; i < pages.size();) {
    const std::uint64_t first = pages[i];
    std::uint64_t count = 1;
    while (++i < pages.size() && pages[i] <= first + count) count = pages[i] - first + 1;
    for (const Domain::Attachment& attachment : domain->attachments) {
      const NTSTATUS status =
          drivers_[attachment.unit]->invalidate(attachment.domain_id, first, count, last_level != FALSE);
      if (!NT_SUCCESS(status)) result = status;
    }
  }
  return result;
}

}  // namespace iommu::api
