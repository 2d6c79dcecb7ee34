// The driver of a generator: maps its window as the scenario says, lets it run, takes everything down.
//
// What it does: see above, and fills the window with known bytes where the generator compares them. What it does not do: touch the window
// while the generator runs.
#pragma once

#include "platform/device_driver.h"

namespace iommu::platform {

class GeneratorDriver final : public DeviceDriver {
 public:
  /// Throws ConfigError when memory has no room for the window.
  GeneratorDriver(Machine& machine, std::size_t index);

  [[nodiscard]] std::uint64_t work_done() const override { return device().generator->ended(); }
  [[nodiscard]] std::uint64_t work_total() const override { return device().config->generator.count; }
  void add_results(nlohmann::ordered_json& of_master, nlohmann::ordered_json& payload) const override;

 private:
  void work() override;
  void unmap_window() override;

  core::Address window_ = 0;  // host physical
  IOMMU_DMA_LOGICAL_ADDRESS logical_ = 0;
  bool mapped_ = false;
};

}  // namespace iommu::platform
