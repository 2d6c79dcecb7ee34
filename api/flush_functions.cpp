// FlushDomain, FlushDomainByVaList.
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::flush_domain(PIOMMU_DMA_DOMAIN) { return absent("FlushDomain"); }

NTSTATUS System::flush_domain_by_va_list(PIOMMU_DMA_DOMAIN, BOOLEAN, ULONG, PVOID) {
  return absent("FlushDomainByVaList");
}

}  // namespace iommu::api
