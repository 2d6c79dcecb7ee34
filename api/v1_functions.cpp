// The functions that only version 1 of the interface has.
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::create_domain(BOOLEAN, PIOMMU_DMA_DOMAIN*) { return absent("CreateDomain"); }

NTSTATUS System::attach_device(PIOMMU_DMA_DOMAIN, PDEVICE_OBJECT, ULONG, ULONG) { return absent("AttachDevice"); }

NTSTATUS System::detach_device(PIOMMU_DMA_DOMAIN, PDEVICE_OBJECT, ULONG) { return absent("DetachDevice"); }

NTSTATUS System::map_logical_range(PIOMMU_DMA_DOMAIN, ULONG, PMDL, ULONGLONG) { return absent("MapLogicalRange"); }

NTSTATUS System::map_identity_range(PIOMMU_DMA_DOMAIN, ULONG, PMDL) { return absent("MapIdentityRange"); }

NTSTATUS System::unmap_identity_range(PIOMMU_DMA_DOMAIN, PMDL) { return absent("UnmapIdentityRange"); }

NTSTATUS System::set_device_fault_reporting(PDEVICE_OBJECT, ULONG, BOOLEAN, PDEVICE_FAULT_CONFIGURATION) {
  return absent("SetDeviceFaultReporting");
}

}  // namespace iommu::api
