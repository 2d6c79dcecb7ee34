// RegisterInterfaceStateChangeCallback, UnregisterInterfaceStateChangeCallback.
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::register_interface_state_change_callback(PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK, PVOID,
                                                          PIOMMU_DMA_DEVICE, PIOMMU_INTERFACE_STATE_CHANGE_FIELDS) {
  return absent("RegisterInterfaceStateChangeCallback");
}

NTSTATUS System::unregister_interface_state_change_callback(PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK, PIOMMU_DMA_DEVICE) {
  return absent("UnregisterInterfaceStateChangeCallback");
}

}  // namespace iommu::api
