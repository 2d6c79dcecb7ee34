// The measured part of a result: from counters and histograms of the modules to JSON.
//
// What it does: collects what every module counted, in nanoseconds and plain numbers. What it does not do: measure, print, write files.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "platform/device_driver.h"

namespace iommu::platform {

/// result_writer.h says which members there are. `end` is the simulated time that counts as the run's length.
[[nodiscard]] nlohmann::ordered_json measured_part(const Machine& machine,
                                                   const std::vector<std::unique_ptr<DeviceDriver>>& drivers,
                                                   core::Tick end);

}  // namespace iommu::platform
