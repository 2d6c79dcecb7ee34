// SetDeviceFaultReportingEx.
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::set_device_fault_reporting_ex(PIOMMU_DMA_DEVICE, ULONG, BOOLEAN, PDEVICE_FAULT_CONFIGURATION) {
  return absent("SetDeviceFaultReportingEx");
}

}  // namespace iommu::api
