// CreateDevice, DeleteDevice, QueryAvailableDomainTypes.
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::create_device(PDEVICE_OBJECT device_object, PIOMMU_DEVICE_CREATION_CONFIGURATION device_config,
                               PIOMMU_DMA_DEVICE* dma_device_out) {
  constexpr const char* kFunction = "CreateDevice";
  Requester* found = find_requester(device_object);
  if (found == nullptr) {
    report(
        Severity::Warning, kFunction, "device object",
        device_object == nullptr ? "parameter 1 is NULL" : "parameter 1 is no physical device object of this system");
    return STATUS_INVALID_PARAMETER;
  }
  Requester& requester = *found;
  if (!requester.pdo.unit) return STATUS_NOT_FOUND;
  if (device_config != nullptr) return STATUS_INVALID_PARAMETER_2;
  if (missing(kFunction, 3, dma_device_out)) return STATUS_INVALID_PARAMETER_3;
  if (requester.pdo.requester_ids.empty()) {
    report(Severity::Error, kFunction, "device " + requester.pdo.name, "the bus driver gives no requester id for it");
    return STATUS_UNSUCCESSFUL;
  }
  if (devices_.full()) return STATUS_INSUFFICIENT_RESOURCES;
  auto device = std::make_shared<DeviceToken>();
  device->name = "device " + requester.pdo.name;
  device->requester = &requester;
  *dma_device_out = devices_.insert(std::move(device), serial_);
  return STATUS_SUCCESS;
}

NTSTATUS System::delete_device(PIOMMU_DMA_DEVICE dma_device) {
  constexpr const char* kFunction = "DeleteDevice";
  const std::shared_ptr<DeviceToken> device = find_device(kFunction, 1, dma_device);
  if (!device) return STATUS_INVALID_PARAMETER_1;
  Requester& requester = *device->requester;
  enter_requester(kFunction, requester, device->name);
  NTSTATUS status = STATUS_SUCCESS;
  if (lost(kFunction, *device)) {
    status = STATUS_INVALID_PARAMETER_1;
  } else if (requester.attached_by == device) {
    status = STATUS_RESOURCE_IN_USE;
  } else if (device->state_change) {
    report(Severity::Warning, kFunction, device->name, "its state-change callback is still registered");
    status = STATUS_RESOURCE_IN_USE;
  } else {
    device->deleted = true;
    devices_.erase(dma_device);
  }
  leave_requester(requester);
  return status;
}

void System::query_available_domain_types(PIOMMU_DMA_DEVICE dma_device, PULONG available_domains) {
  constexpr const char* kFunction = "QueryAvailableDomainTypes";
  if (available_domains == nullptr) return;
  *available_domains = 0;
  const std::shared_ptr<DeviceToken> device = find_device(kFunction, 1, dma_device);
  if (!device) return;
  *available_domains = available_domain_types(*device->requester);
}

}  // namespace iommu::api
