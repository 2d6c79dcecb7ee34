// AttachDeviceEx, DetachDeviceEx.
#include <algorithm>

#include "api/lock_guard.h"
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::attach_device_ex(PIOMMU_DMA_DOMAIN domain_handle, PIOMMU_DMA_DEVICE dma_device) {
  constexpr const char* kFunction = "AttachDeviceEx";
  const std::shared_ptr<Domain> domain = find_domain(kFunction, 1, domain_handle);
  if (!domain) return STATUS_INVALID_PARAMETER_1;
  const std::shared_ptr<DeviceToken> device = find_device(kFunction, 2, dma_device);
  if (!device) return STATUS_INVALID_PARAMETER_2;
  enter_requester(kFunction, *device->requester, device->name);
  const NTSTATUS status = lost(kFunction, *device) ? STATUS_INVALID_PARAMETER_2
                                                   : attach_locked(kFunction, domain, *device->requester, device);
  leave_requester(*device->requester);
  return status;
}

NTSTATUS System::attach_locked(const char* function, const std::shared_ptr<Domain>& domain, Requester& requester,
                               const std::shared_ptr<DeviceToken>& device) {
  const LockGuard lock(*domain->mutex);
  if (lost(function, *domain)) return STATUS_INVALID_PARAMETER_1;
  if (requester.domain) return STATUS_INVALID_PARAMETER;
  const std::size_t unit = *requester.pdo.unit;
  RemappingDriver& driver = *drivers_[unit];
  if ((available_domain_types(requester) >> domain->type & 1u) == 0) return STATUS_ACCESS_DENIED;
  const bool pass_through = domain->type == DomainTypePassThrough;

  auto attachment = std::find_if(domain->attachments.begin(), domain->attachments.end(),
                                 [&](const Domain::Attachment& other) { return other.unit == unit; });
  const bool first_on_unit = attachment == domain->attachments.end();
  const std::optional<std::uint16_t> domain_id =
      first_on_unit ? driver.acquire_domain_id() : std::optional<std::uint16_t>(attachment->domain_id);
  if (!domain_id) return STATUS_INSUFFICIENT_RESOURCES;
  AddressSpaceBinding binding{*domain_id, pass_through, 0, 0};
  if (domain->table) {
    binding.root = domain->table->root();
    binding.levels = domain->table->levels();
  }
  const NTSTATUS status = driver.attach(requester.pdo.requester_ids, binding);
  if (!NT_SUCCESS(status)) {
    if (first_on_unit) driver.release_domain_id(*domain_id);
    return status;
  }
  if (first_on_unit) attachment = domain->attachments.insert(attachment, {unit, *domain_id, 0});
  ++attachment->devices;
  requester.domain = domain;
  requester.attached_by = device;
  return STATUS_SUCCESS;
}

NTSTATUS System::detach_device_ex(PIOMMU_DMA_DEVICE dma_device) {
  constexpr const char* kFunction = "DetachDeviceEx";
  const std::shared_ptr<DeviceToken> device = find_device(kFunction, 1, dma_device);
  if (!device) return STATUS_INVALID_PARAMETER_1;
  enter_requester(kFunction, *device->requester, device->name);
  const bool attached = !lost(kFunction, *device) && device->requester->attached_by == device;
  const NTSTATUS status = attached ? detach_locked(*device->requester) : STATUS_INVALID_PARAMETER_1;
  leave_requester(*device->requester);
  if (NT_SUCCESS(status)) faults_.wait_for_handler(*device->requester);
  return status;
}

NTSTATUS System::detach_locked(Requester& requester) {
  const std::shared_ptr<Domain> domain = requester.domain;
  {
    const LockGuard lock(*domain->mutex);
    const std::size_t unit = *requester.pdo.unit;
    const NTSTATUS status = drivers_[unit]->detach(requester.pdo.requester_ids);
    if (!NT_SUCCESS(status)) return status;
    const auto attachment = std::find_if(domain->attachments.begin(), domain->attachments.end(),
                                         [&](const Domain::Attachment& other) { return other.unit == unit; });
    if (--attachment->devices == 0) {
      drivers_[unit]->release_domain_id(attachment->domain_id);
      domain->attachments.erase(attachment);
    }
    requester.domain.reset();
    requester.attached_by.reset();
  }
  faults_.switch_off(requester);
  return STATUS_SUCCESS;
}

}  // namespace iommu::api
