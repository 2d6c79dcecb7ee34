// Explanations for readers: text for the terminal, JSON, and the page of all functions.
//
// What it does: lays them out. What it does not do: run anything.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "platform/explanation.h"

namespace iommu::platform {

/// What `iommu-vp explain FUNCTION` prints: per situation the accesses with their times, and the sums.
[[nodiscard]] std::string explanation_as_text(const Explanation& explanation);
/// The same as JSON: { function, calls: [{ situation, set_up, status, simulated_ns, registers, memory, transactions }] }.
[[nodiscard]] nlohmann::ordered_json explanation_as_json(const Explanation& explanation);
/// docs/v2-to-registers.md. `overrides` are the settings that differ from the defaults.
[[nodiscard]] std::string explanations_as_markdown(const std::vector<Explanation>& explanations,
                                                   const std::vector<std::string>& overrides);

}  // namespace iommu::platform
