// A driver's state-change callback that records what it is told.
#pragma once

#include <functional>
#include <vector>

#include "testbench/api/fake_machine.h"

namespace fake {

struct StateChangeRecorder {
  struct Call {
    ULONG present_fields;
    ULONG types;
    const void* thread;
    unsigned locks_held;
  };
  explicit StateChangeRecorder(Machine& the_machine) : machine(the_machine) {}

  static VOID callback(PIOMMU_INTERFACE_STATE_CHANGE change, PVOID context) {
    auto* self = static_cast<StateChangeRecorder*>(context);
    ++self->running;
    self->calls.push_back({change->PresentFields.AsULONG, change->AvailableDomainTypes,
                           self->machine.host.current_thread(), self->machine.host.locks_held});
    if (self->then) self->then();
    --self->running;
  }

  NTSTATUS enroll(PIOMMU_DMA_DEVICE device, ULONG fields = 1) {
    IOMMU_INTERFACE_STATE_CHANGE_FIELDS wanted{};
    wanted.AsULONG = fields;
    return machine.v2().RegisterInterfaceStateChangeCallback(callback, this, device, &wanted);
  }
  NTSTATUS withdraw(PIOMMU_DMA_DEVICE device) {
    return machine.v2().UnregisterInterfaceStateChangeCallback(callback, device);
  }

  Machine& machine;
  std::vector<Call> calls;
  std::function<void()> then;  // within the callback
  unsigned running = 0;
};

}  // namespace fake
