// All experiments there are.
//
// What it does: list them, find them by name. What it does not do: define them (v<number>_*.cpp, one function each).
#pragma once

#include <string>
#include <vector>

#include "platform/validation/experiment.h"

namespace iommu::platform::validation {

[[nodiscard]] Experiment serial_latency(Form form);          ///< V1
[[nodiscard]] Experiment superpages(Form form);              ///< V2
[[nodiscard]] Experiment pcie_link_rates(Form form);         ///< V3
[[nodiscard]] Experiment one_walk_per_superpage(Form form);  ///< V4
[[nodiscard]] Experiment read_bandwidth(Form form);          ///< V5
[[nodiscard]] Experiment write_bandwidth(Form form);         ///< V6
[[nodiscard]] Experiment strict_protection(Form form);       ///< V7
[[nodiscard]] Experiment iotlb_wall(Form form);              ///< V9
[[nodiscard]] Experiment invalidation_policy(Form form);     ///< V10

/// All of them, in the order of their numbers.
[[nodiscard]] std::vector<Experiment> all_experiments(Form form);

}  // namespace iommu::platform::validation
