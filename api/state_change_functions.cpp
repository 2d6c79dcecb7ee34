// RegisterInterfaceStateChangeCallback, UnregisterInterfaceStateChangeCallback (OP-25, OP-26).
#include <algorithm>

#include "api/lock_guard.h"
#include "api/system.h"

namespace iommu::api {

namespace {

/// Fields that version 2 knows.
constexpr ULONG kKnownFields = 1u;  // AvailableDomainTypes

}  // namespace

// The lock belongs to this callback alone: it keeps deliveries in order, and Unregister waits for it. No other lock is
// held, so that the callback may call the interface.
void System::deliver(StateChangeRegistration& registration, ULONG available_types) {
  const LockGuard lock(*registration.delivery);
  if (registration.gone) return;
  const void* thread = description_.host->current_thread();
  in_callback_.push_back(thread);
  IOMMU_INTERFACE_STATE_CHANGE change{};
  change.PresentFields = registration.fields;
  change.AvailableDomainTypes = available_types;
  registration.callback(&change, registration.context);
  in_callback_.erase(std::find(in_callback_.begin(), in_callback_.end(), thread));
}

bool System::inside_callback(const char* function, const std::string& object) const {
  const void* thread = description_.host->current_thread();
  if (std::find(in_callback_.begin(), in_callback_.end(), thread) == in_callback_.end()) return false;
  report(Severity::Warning, function, object, "is called from within a state-change callback");
  return true;
}

NTSTATUS System::register_interface_state_change_callback(PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK callback,
                                                          PVOID context, PIOMMU_DMA_DEVICE dma_device,
                                                          PIOMMU_INTERFACE_STATE_CHANGE_FIELDS state_fields) {
  constexpr const char* kFunction = "RegisterInterfaceStateChangeCallback";
  if (callback == nullptr) {
    report(Severity::Warning, kFunction, "callback", "parameter 1 is NULL");
    return STATUS_INVALID_PARAMETER_1;
  }
  const std::shared_ptr<DeviceToken> device = find_device(kFunction, 3, dma_device);
  if (!device) return STATUS_INVALID_PARAMETER_3;
  if (state_fields == nullptr || (state_fields->AsULONG & kKnownFields) == 0) return STATUS_INVALID_PARAMETER_4;
  if (inside_callback(kFunction, device->name)) return STATUS_UNSUCCESSFUL;
  if (device->state_change) return STATUS_UNSUCCESSFUL;
  auto registration = std::make_shared<StateChangeRegistration>();
  registration->callback = callback;
  registration->context = context;
  registration->fields.AsULONG = state_fields->AsULONG & kKnownFields;
  registration->delivery = description_.host->make_mutex();
  registration->announced_types = available_domain_types(*device->requester);
  // Nothing else can be delivered before this: a change that comes from now on is queued behind it.
  device->state_change = registration;
  deliver(*registration, registration->announced_types);
  return STATUS_SUCCESS;
}

NTSTATUS System::unregister_interface_state_change_callback(PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK callback,
                                                            PIOMMU_DMA_DEVICE dma_device) {
  constexpr const char* kFunction = "UnregisterInterfaceStateChangeCallback";
  const std::shared_ptr<DeviceToken> device = find_device(kFunction, 2, dma_device);
  if (!device) return STATUS_INVALID_PARAMETER_2;
  if (inside_callback(kFunction, device->name)) return STATUS_UNSUCCESSFUL;
  const std::shared_ptr<StateChangeRegistration> registration = device->state_change;
  if (!registration || registration->callback != callback) return STATUS_UNSUCCESSFUL;
  device->state_change.reset();
  // Waits for a callback that runs; what is queued behind it is dropped.
  const LockGuard lock(*registration->delivery);
  registration->gone = true;
  return STATUS_SUCCESS;
}

}  // namespace iommu::api
