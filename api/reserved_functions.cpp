// ReserveLogicalAddressRange, FreeReservedLogicalAddressRange, MapReservedLogicalRange, UnmapReservedLogicalRange.
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::reserve_logical_address_range(PIOMMU_DMA_DOMAIN, SIZE_T, PIOMMU_DMA_LOGICAL_ADDRESS,
                                               PIOMMU_DMA_LOGICAL_ADDRESS, PIOMMU_DMA_LOGICAL_ADDRESS,
                                               PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN*) {
  return absent("ReserveLogicalAddressRange");
}

NTSTATUS System::free_reserved_logical_address_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN) {
  return absent("FreeReservedLogicalAddressRange");
}

NTSTATUS System::map_reserved_logical_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN, SIZE_T, ULONG,
                                            PIOMMU_MAP_PHYSICAL_ADDRESS,
                                            PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT) {
  return absent("MapReservedLogicalRange");
}

NTSTATUS System::unmap_reserved_logical_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT) {
  return absent("UnmapReservedLogicalRange");
}

}  // namespace iommu::api
