// SetDeviceFaultReportingEx (sheet 3.15, 3.24, OP-22).
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::set_device_fault_reporting_ex(PIOMMU_DMA_DEVICE dma_device, ULONG input_mapping_id_base,
                                               BOOLEAN enable, PDEVICE_FAULT_CONFIGURATION fault_config) {
  constexpr const char* kFunction = "SetDeviceFaultReportingEx";
  if (!modeled()) return STATUS_NOT_IMPLEMENTED;
  const std::shared_ptr<DeviceToken> device = find_device(kFunction, 1, dma_device);
  if (!device) return STATUS_INVALID_PARAMETER_1;
  return set_fault_reporting(kFunction, *device->requester, device, input_mapping_id_base, enable, fault_config);
}

NTSTATUS System::set_fault_reporting(const char* function, Requester& requester,
                                     const std::shared_ptr<DeviceToken>& token, ULONG input_mapping_id_base,
                                     BOOLEAN enable, const DEVICE_FAULT_CONFIGURATION* fault_config) {
  enter_requester(function, requester, "device " + requester.pdo.name);
  const NTSTATUS status =
      set_fault_reporting_locked(function, requester, token, input_mapping_id_base, enable, fault_config);
  leave_requester(requester);
  // The former handler and its context are not in use any more when the driver hears of it. The requester's mutex is free
  // again: a handler that runs may call the interface.
  if (NT_SUCCESS(status)) faults_.wait_for_handler(requester);
  return status;
}

NTSTATUS System::set_fault_reporting_locked(const char* function, Requester& requester,
                                            const std::shared_ptr<DeviceToken>& token, ULONG input_mapping_id_base,
                                            BOOLEAN enable, const DEVICE_FAULT_CONFIGURATION* fault_config) {
  if (token && lost(function, *token)) return STATUS_INVALID_PARAMETER_1;
  if (!requester.domain || requester.attached_by != token) return STATUS_INVALID_PARAMETER_1;
  if (input_mapping_id_base != 0) return STATUS_INVALID_PARAMETER_2;
  if (enable == FALSE) {
    faults_.switch_off(requester);
    return STATUS_SUCCESS;
  }
  if (fault_config == nullptr || fault_config->FaultHandler == nullptr) return STATUS_INVALID_PARAMETER_4;
  return faults_.switch_on(requester, fault_config->FaultHandler, fault_config->FaultContext);
}

}  // namespace iommu::api
