// The command `iommu-vp explain`.
//
// What it does: checks the function's name, makes the scenario that functions run in, prints explanations. What it does not do: parse
// arguments (command_line.cpp), run the machine (explain.h).
#pragma once

#include <string>
#include <vector>

#include "platform/explanation.h"

namespace iommu::platform {

/// Why there is no function of this name to explain, in words for the user; empty when there is one.
[[nodiscard]] std::string function_problem(const std::string& name);

/// Prints one function and returns an exit code. Throws ConfigError for wrong overrides.
[[nodiscard]] int explain_function(const std::string& name, const std::vector<std::string>& overrides, bool json,
                                   const Explainer& explainer);
/// Prints the page of all functions (docs/v2-to-registers.md).
[[nodiscard]] int explain_all(const std::vector<std::string>& overrides, const Explainer& explainer);

}  // namespace iommu::platform
