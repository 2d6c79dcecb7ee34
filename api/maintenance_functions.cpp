// What no function of the interface does: what an operator, a test, or system software beside it does to a running
// system.
#include "api/lock_guard.h"
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::invalidate_all() {
  NTSTATUS status = start();
  for (const auto& driver : drivers_) {
    if (NT_SUCCESS(status)) status = driver->invalidate_all();
  }
  return status;
}

NTSTATUS System::invalidate_device(PIOMMU_DMA_DEVICE dma_device) {
  const std::shared_ptr<DeviceToken> device = find_device("invalidate_device", 1, dma_device);
  if (!device) return STATUS_INVALID_PARAMETER_1;
  const std::shared_ptr<Domain> domain = device->requester->domain;
  if (!domain) return STATUS_SUCCESS;  // nothing of it is cached
  const LockGuard lock(*domain->mutex);
  for (const Domain::Attachment& attachment : domain->attachments) {
    if (attachment.unit != *device->requester->pdo.unit) continue;
    return drivers_[attachment.unit]->invalidate(attachment.domain_id, 0, kWholeSpacePages, false);
  }
  return STATUS_SUCCESS;
}

RemappingDriver* System::remapping_driver(PDEVICE_OBJECT physical_device_object) {
  const Requester* requester = find_requester(physical_device_object);
  if (requester == nullptr || !requester->pdo.unit || !NT_SUCCESS(start())) return nullptr;
  return drivers_[*requester->pdo.unit].get();
}

}  // namespace iommu::api
