// What runs on the modeled host for one device: the part of a driver that this simulator needs.
//
// What it does: a common face for the drivers of generators and NICs, and what they share: device token, domain, attachment through the IOMMU
// interface. What it does not do: reach the IOMMU in any other way.
#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>

#include "platform/machine.h"

namespace iommu::platform {

class DeviceDriver {
 public:
  DeviceDriver(Machine& machine, std::size_t index);
  virtual ~DeviceDriver() = default;

  /// The driver's life, on a host thread: brings the device up, works, takes it down.
  void run();
  [[nodiscard]] bool finished() const { return finished_; }
  [[nodiscard]] core::Tick finished_at() const { return finished_at_; }

  /// The user's mistake that has shown only now and ended the driver's life.
  [[nodiscard]] const std::optional<ConfigError>& failure() const { return failure_; }

  /// A timed change of the scenario, on a host thread. Detaching, attaching and unmapping act on what the driver has; when it has nothing (yet
  /// or any more), a diagnostic says so.
  void apply(EventAction action);

  [[nodiscard]] const DeviceInstance& device() const { return machine_.devices[index_]; }
  [[nodiscard]] virtual std::uint64_t work_done() const = 0;
  [[nodiscard]] virtual std::uint64_t work_total() const = 0;
  /// What the driver and its device found in the data that moved, and further counters of the device.
  virtual void add_results(nlohmann::ordered_json& of_master, nlohmann::ordered_json& payload) const = 0;
  /// What its state-change callback and its fault handler were told.
  void add_callback_results(nlohmann::ordered_json& of_master) const;

 protected:
  virtual void work() = 0;
  virtual void unmap_window() = 0;
  /// The device is taken out of its slot.
  virtual void take_out();

  /// Token, domain of `type` and attachment; false (and reported) when something fails.
  bool bring_up(IOMMU_DMA_DOMAIN_TYPE type);
  void take_down();
  bool attach(IOMMU_DMA_DOMAIN_TYPE type);
  /// Maps a contiguous physical range; false (and reported) when it fails.
  bool map(core::Address physical, std::uint64_t bytes, ULONG permissions, IOMMU_DMA_LOGICAL_ADDRESS& logical);
  [[nodiscard]] static IOMMU_MAP_PHYSICAL_ADDRESS contiguous(core::Address physical, std::uint64_t bytes);
  [[nodiscard]] PIOMMU_DMA_DOMAIN domain() const { return domain_; }
  bool unmap(IOMMU_DMA_LOGICAL_ADDRESS logical, std::uint64_t bytes);
  /// True when the call succeeded; reports a failure otherwise.
  bool check(NTSTATUS status, const char* function);
  void note(const std::string& message);
  void fail(ConfigError error) { failure_ = std::move(error); }
  [[nodiscard]] PlatformHost& host() const { return *machine_.host; }

  Machine& machine_;
  std::size_t index_;
  DMA_IOMMU_INTERFACE_EX interface_{};

 private:
  static VOID state_changed(PIOMMU_INTERFACE_STATE_CHANGE change, PVOID context);
  static VOID fault_handler(PVOID context, PFAULT_INFORMATION information);
  void report_faults();

  PIOMMU_DMA_DEVICE token_ = nullptr;
  PIOMMU_DMA_DOMAIN domain_ = nullptr;
  bool attached_ = false;
  bool registered_ = false;  // for state changes
  std::uint64_t state_changes_ = 0;
  ULONG available_types_ = 0;  // as last told
  sc_core::sc_event types_changed_;
  std::array<std::uint64_t, MaxFaultType> faults_by_type_{};  // as the handler was told
  bool finished_ = false;
  core::Tick finished_at_ = 0;
  std::optional<ConfigError> failure_;
};

}  // namespace iommu::platform
