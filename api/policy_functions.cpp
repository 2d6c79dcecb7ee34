// Which domain types a device may use now: DMA Guard and the opt-in of drivers (OP-27, sheet section 5).
//
//   Translate    the driver has opted into remapping
//   PassThrough  the unit has it, and DMA Guard does not block the device: it blocks external devices always, while the
//                screen is locked, or never, as its policy says
#include "api/system.h"

namespace iommu::api {

ULONG System::available_domain_types(const Requester& requester) const {
  const PdoDescription& pdo = requester.pdo;
  const DmaGuard& guard = description_.policy.dma_guard;
  const bool opted_in = pdo.opt_in == RemappingOptIn::Yes || (pdo.opt_in == RemappingOptIn::IfExternal && pdo.external);
  const bool blocking = guard.policy == EnumerationPolicy::BlockAlways ||
                        (guard.policy == EnumerationPolicy::BlockUntilUnlock && guard.screen_locked);
  const bool blocked = guard.enabled && pdo.external && blocking;
  ULONG types = 0;
  if (opted_in) types |= 1u << DomainTypeTranslate;
  if (drivers_[*pdo.unit]->features().pass_through && !blocked) types |= 1u << DomainTypePassThrough;
  return types;
}

// Attachments stay (OP-11): drivers are told, and find out when they attach again.
void System::announce_changes() {
  devices_.for_each([&](const DeviceToken& device) {
    const std::shared_ptr<StateChangeRegistration>& registration = device.state_change;
    if (!registration) return;
    const ULONG types = available_domain_types(*device.requester);
    if (types == registration->announced_types) return;
    registration->announced_types = types;
    description_.host->queue_work([this, registration, types] { deliver(*registration, types); });
  });
}

void System::set_screen_locked(bool locked) {
  description_.policy.dma_guard.screen_locked = locked;
  announce_changes();
}

void System::set_external(PDEVICE_OBJECT physical_device_object, bool external) {
  Requester* requester = find_requester(physical_device_object);
  if (requester == nullptr) return;
  requester->pdo.external = external;
  announce_changes();
}

void System::set_opt_in(PDEVICE_OBJECT physical_device_object, RemappingOptIn opt_in) {
  Requester* requester = find_requester(physical_device_object);
  if (requester == nullptr) return;
  requester->pdo.opt_in = opt_in;
  announce_changes();
}

}  // namespace iommu::api
