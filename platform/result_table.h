// A result as a table for the terminal.
//
// Does: lay out stages, outcomes, masters and counters within 100 columns. Does not: measure, write files, colour.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace iommu::platform {

/// The whole report. Stages that never took place and counters that are 0 are left out.
[[nodiscard]] std::string to_table(const nlohmann::ordered_json& result);

}  // namespace iommu::platform
