// What a scenario's [expect] table says about its result, and whether it holds.
//
// Does: compare literals and bounds with values of result.json. Does not: read TOML (scenario_source.cpp) or decide
// exit codes.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "platform/config_error.h"

namespace iommu::platform {

using ExpectedValue = std::variant<bool, std::int64_t, double, std::string>;

/// One line of [expect]: `path = value` or `path = { min = a, max = b, equal = c }`; bounds are inclusive, at least one
/// is there.
struct Expectation {
  std::vector<std::string> path;  ///< keys from the top of result.json; array elements by index
  std::optional<ExpectedValue> equal;
  std::optional<double> min;
  std::optional<double> max;
  Location where;

  [[nodiscard]] std::string path_text() const;    ///< "latency.p99_ns"
  [[nodiscard]] std::string wanted_text() const;  ///< "at least 1 and at most 900"

  friend bool operator==(const Expectation& a, const Expectation& b) {
    return a.path == b.path && a.equal == b.equal && a.min == b.min && a.max == b.max;
  }
};

/// Outcome of all expectations, in their order.
struct ExpectationReport {
  std::vector<std::string> violations;  ///< "file:line:column: expected latency.p99_ns at most 900, found 1234.5"
  std::vector<std::string> unknown;     ///< paths that the result does not have, or whose value can't be compared
};

/// Evaluates against a result exactly as it is written to result.json.
[[nodiscard]] ExpectationReport evaluate(const std::vector<Expectation>& expectations,
                                         const nlohmann::ordered_json& result);

}  // namespace iommu::platform
