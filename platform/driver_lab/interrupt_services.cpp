#include "platform/driver_lab/interrupt_services.h"

#include <algorithm>

#include "platform/driver_lab/kernel.h"

namespace iommu::platform::lab {

NTSTATUS InterruptServices::connect(IO_CONNECT_INTERRUPT_PARAMETERS& parameters, DriverImage* image) {
  if (parameters.Version != CONNECT_MESSAGE_BASED) return STATUS_NOT_SUPPORTED;
  IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS& wanted = parameters.MessageBased;
  const auto device = kernel_.devices.device_index(wanted.PhysicalDeviceObject);
  if (!device || wanted.MessageServiceRoutine == nullptr || wanted.ConnectionContext.Generic == nullptr) {
    return STATUS_INVALID_PARAMETER;
  }
  const bool taken = std::any_of(connections_.begin(), connections_.end(), [&](const _KINTERRUPT& other) {
    return other.pdo == wanted.PhysicalDeviceObject && other.connected;
  });
  if (taken) return STATUS_INVALID_PARAMETER;
  _KINTERRUPT& interrupt = connections_.emplace_back();
  interrupt.routine = wanted.MessageServiceRoutine;
  interrupt.context = wanted.ServiceContext;
  interrupt.lock = wanted.SpinLock;
  interrupt.pdo = wanted.PhysicalDeviceObject;
  interrupt.image = image;
  interrupt.vector = kernel_.machine.devices[*device].vector;
  interrupt.table.UnifiedIrql = kDeviceLevel;
  interrupt.table.MessageCount = 1;
  IO_INTERRUPT_MESSAGE_INFO_ENTRY& message = interrupt.table.MessageInfo[0];
  message.MessageAddress.QuadPart = static_cast<LONGLONG>(sim::Host::kInterruptBase);
  message.MessageData = interrupt.vector;
  message.TargetProcessorSet = 1;
  message.InterruptObject = &interrupt;
  message.Vector = interrupt.vector;
  message.Irql = kDeviceLevel;
  message.Mode = Latched;
  message.Polarity = InterruptPolarityUnknown;
  kernel_.machine.host->on_interrupt(interrupt.vector, [this, &interrupt] { serve(interrupt); });
  *wanted.ConnectionContext.InterruptMessageTable = &interrupt.table;
  return STATUS_SUCCESS;
}

void InterruptServices::serve(_KINTERRUPT& interrupt) {
  interrupt.running = true;
  if (interrupt.lock != nullptr) kernel_.threads.acquire(interrupt.lock);
  const KIRQL before = kernel_.threads.raise(kDeviceLevel);
  interrupt.routine(&interrupt, interrupt.context, 0);
  kernel_.threads.lower(before);
  if (interrupt.lock != nullptr) kernel_.threads.release(interrupt.lock, interrupt.image);
  interrupt.running = false;
  returned_.notify(sc_core::SC_ZERO_TIME);
}

void InterruptServices::disconnect(const IO_DISCONNECT_INTERRUPT_PARAMETERS& parameters, DriverImage* image) {
  const auto found = std::find_if(connections_.begin(), connections_.end(), [&](const _KINTERRUPT& interrupt) {
    return &interrupt.table == parameters.ConnectionContext.InterruptMessageTable && interrupt.connected;
  });
  if (parameters.Version != CONNECT_MESSAGE_BASED || found == connections_.end()) {
    kernel_.report(api::Severity::Warning, "IoDisconnectInterruptEx", image,
                   "is called for an interrupt that is not connected");
    return;
  }
  disconnect(found);
}

bool InterruptServices::disconnect(PDEVICE_OBJECT pdo) {
  const auto found = std::find_if(connections_.begin(), connections_.end(), [&](const _KINTERRUPT& interrupt) {
    return interrupt.pdo == pdo && interrupt.connected;
  });
  if (found == connections_.end()) return false;
  disconnect(found);
  return true;
}

void InterruptServices::disconnect(std::list<_KINTERRUPT>::iterator interrupt) {
  interrupt->connected = false;
  kernel_.machine.host->on_interrupt(interrupt->vector, {});
  while (interrupt->running) sc_core::wait(returned_);
  connections_.erase(interrupt);
}

std::string InterruptServices::leaks(const DriverImage& image) const {
  const auto count = std::count_if(connections_.begin(), connections_.end(),
                                   [&](const _KINTERRUPT& interrupt) { return interrupt.image == &image; });
  return count == 0 ? "" : std::to_string(count) + (count == 1 ? " connected interrupt" : " connected interrupts");
}

}  // namespace iommu::platform::lab
