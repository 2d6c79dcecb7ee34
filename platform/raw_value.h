// A value as it stands in a scenario file or behind --set, before anybody knows which parameter it is for.
//
// Does: hold what was written and where. Does not: know TOML's syntax (scenario_source.cpp) or parameters
// (parameters.h).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "platform/config_error.h"

namespace iommu::platform {

/// Stands for what no parameter takes: dates, times, tables.
struct OtherValue {};

struct RawValue {
  std::variant<OtherValue, bool, std::int64_t, double, std::string, std::vector<RawValue>> data;
  std::string kind;  ///< for messages, with its article: "an integer"
  std::string text;  ///< for messages, as TOML: "\"lt\""
  Location where;
};

}  // namespace iommu::platform
