// MapIdentityRangeEx, UnmapIdentityRangeEx.
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::map_identity_range_ex(PIOMMU_DMA_DOMAIN, ULONG, PIOMMU_MAP_PHYSICAL_ADDRESS) {
  return absent("MapIdentityRangeEx");
}

NTSTATUS System::unmap_identity_range_ex(PIOMMU_DMA_DOMAIN, PIOMMU_MAP_PHYSICAL_ADDRESS) {
  return absent("UnmapIdentityRangeEx");
}

}  // namespace iommu::api
