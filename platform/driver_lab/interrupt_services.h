// Message-signaled interrupts of loaded drivers.
//
// What it does: connects a driver's routine to its device's vector at the modeled host, at device level on the host's
// interrupt thread. What it does not do: program the device; the driver writes the message's address and data there.
#pragma once

#include <list>
#include <string>
#include <systemc>

#include "api/wdm.h"
#include "models/tlm/host.h"

namespace iommu::platform::lab {
class DriverImage;
}

/// A connection; a driver sees its address only.
struct _KINTERRUPT {
  PKMESSAGE_SERVICE_ROUTINE routine = nullptr;
  PVOID context = nullptr;
  PKSPIN_LOCK lock = nullptr;
  PDEVICE_OBJECT pdo = nullptr;
  iommu::platform::lab::DriverImage* image = nullptr;
  std::uint8_t vector = 0;
  bool running = false;
  bool connected = true;
  IO_INTERRUPT_MESSAGE_INFO table{};
};

namespace iommu::platform::lab {

class Kernel;

class InterruptServices {
 public:
  static constexpr KIRQL kDeviceLevel = 5;

  explicit InterruptServices(Kernel& kernel) : kernel_(kernel) {}
  InterruptServices(const InterruptServices&) = delete;
  InterruptServices& operator=(const InterruptServices&) = delete;

  NTSTATUS connect(IO_CONNECT_INTERRUPT_PARAMETERS& parameters, DriverImage* image);
  void disconnect(const IO_DISCONNECT_INTERRUPT_PARAMETERS& parameters, DriverImage* image);
  /// For a device that has lost its driver; true when there was a connection.
  bool disconnect(PDEVICE_OBJECT pdo);

  [[nodiscard]] std::string leaks(const DriverImage& image) const;

 private:
  void serve(_KINTERRUPT& interrupt);
  void disconnect(std::list<_KINTERRUPT>::iterator interrupt);

  Kernel& kernel_;
  std::list<_KINTERRUPT> connections_;
  sc_core::sc_event returned_;
};

}  // namespace iommu::platform::lab
