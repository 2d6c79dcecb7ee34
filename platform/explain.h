// Runs a function of the IOMMU interface on the platform and writes down what it does to the hardware.
//
// What it does: for each situation of the function (explain_cases.h) a machine of its own and one run. What it does not do: show anything
// (explain_report.h).
#pragma once

#include "platform/explanation.h"

namespace iommu::platform {

/// @param config    a scenario with at least one device, whose machine is used; the first device's driver is what calls
/// @param function  a member of version 2 of the interface, or kOpenFunction
/// Throws ConfigError when the machine can't be built. Replaces the kernel's simulation context by a new one, so nothing else may be
/// elaborated or running.
[[nodiscard]] Explanation explain(const Config& config, const std::string& function);

}  // namespace iommu::platform
