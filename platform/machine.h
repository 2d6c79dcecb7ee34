// The modeled machine: host, bus, memory, IOMMUs and devices, built from a scenario and bound together.
//
// What it does: owns the modules and the system software's view of them (api::System). What it does not do: run, drive devices
// (device_driver.h), report (results.h).
//
//   host --+                +-- memory           (all of it but a hole below 4 GiB)
//          +----- bus ------+-- IOMMU registers
//   device -- IOMMU --+     +-- device registers
//     walker, structures    +-- interrupt messages -> host
//   (a PCI Express link between device and IOMMU where the scenario has one)
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/system.h"
#include "models/tlm/bus.h"
#include "models/tlm/dma_master.h"
#include "models/tlm/host.h"
#include "models/tlm/memory.h"
#include "models/tlm/nic.h"
#include "models/tlm/page_stream.h"
#include "models/tlm/pcie_link.h"
#include "models/tlm/translation_unit.h"
#include "models/vtd/front_end.h"
#include "platform/config.h"
#include "platform/interface_monitor.h"
#include "platform/physical_frames.h"

namespace iommu::platform {

namespace lab {
class Kernel;
}

/// A host that knows the system software that runs on it.
class PlatformHost : public sim::Host {
 public:
  using sim::Host::Host;
  api::System* system = nullptr;
  lab::Kernel* kernel = nullptr;  ///< there when the scenario loads drivers
};

/// One IOMMU with its parts.
struct IommuInstance {
  const IommuConfig* config = nullptr;
  std::unique_ptr<sim::Iotlb> iotlb;
  std::unique_ptr<sim::PageTableWalker> walker;
  std::unique_ptr<sim::TranslationUnit> unit;
  const vtd::FrontEnd* front_end = nullptr;  ///< owned by the unit
};

/// One device; exactly one of `generator`, `nic` and `stream` is there.
struct DeviceInstance {
  const DeviceConfig* config = nullptr;
  std::unique_ptr<sim::DmaMaster> generator;
  std::unique_ptr<sim::Nic> nic;
  std::unique_ptr<sim::PageStream> stream;
  std::unique_ptr<sim::PcieLink> link;  ///< may be null
  core::Address registers = 0;          ///< NIC: of its register window
  std::uint8_t vector = 0;              ///< NIC: of its interrupt
  /// Where its DMA goes out.
  [[nodiscard]] sim::DmaPort& port() const {
    return generator != nullptr ? generator->port : nic != nullptr ? nic->port : stream->port;
  }
  [[nodiscard]] const sim::DmaStatistics& statistics() const { return port().statistics; }
};

/// Physical address width of the machine is each IOMMU's `host_address_bits`.
class Machine {
 public:
  /// `config` outlives the machine. Throws ConfigError when the parts don't fit together.
  explicit Machine(const Config& config);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const Config& config;
  PhysicalFrames frames;
  std::unique_ptr<sim::Bus> bus;
  std::unique_ptr<sim::Memory> memory;
  std::unique_ptr<PlatformHost> host;
  std::vector<IommuInstance> iommus;
  std::vector<DeviceInstance> devices;
  InterfaceMonitor monitor;  ///< of the calls of `system`
  std::unique_ptr<api::System> system;
  std::vector<api::Diagnostic> diagnostics;  ///< of system software, in order

  /// The counters of bus, memory and IOMMUs begin anew; devices and system software have their own.
  void restart_counters();
  /// Has `callback` called whenever they do.
  void on_restart(std::function<void()> callback) { on_restart_.push_back(std::move(callback)); }
  /// Some device has a warm-up that is not over.
  [[nodiscard]] bool warming_up() const { return warming_up_ != 0; }
  /// When they last did.
  [[nodiscard]] core::Tick counted_from() const { return counted_from_; }

  /// Memory as system software reaches it.
  [[nodiscard]] api::MemoryPort& memory_port() const;
  /// What a driver passes to CreateDevice for device number `index`.
  [[nodiscard]] PDEVICE_OBJECT pdo(std::size_t index) const;

 private:
  class Ports;
  void build_iommu(const IommuConfig& iommu);
  void build_device(const DeviceConfig& device);
  void connect_dma(DeviceInstance& device, sim::TranslationUnit& unit);
  void build_system();
  void expect_warm_up();

  core::Tick counted_from_ = 0;
  std::size_t warming_up_ = 0;  // devices
  std::vector<std::function<void()>> on_restart_;
  std::unique_ptr<Ports> ports_;
};

/// The capabilities that a scenario's IOMMU has.
[[nodiscard]] vtd::Capabilities capabilities_of(const IommuConfig& config);

}  // namespace iommu::platform
