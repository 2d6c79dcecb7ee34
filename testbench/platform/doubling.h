// A parameter, doubled: what a scenario gives before and after, in LT and AT.
#pragma once

#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_result.h"

namespace iommu::test {

struct Doubling {
  std::vector<std::string> common;  ///< settings besides the parameter
  const char* parameter;
  const char* value;
  const char* doubled;
  const char* what;  ///< JSON pointer; what the result does not have is 0
  double before;
  double after;
};

/// Runs each case twice in both modes and compares with its literals.
inline void check_doubled(const std::string& scenario, const std::vector<Doubling>& cases) {
  for (const Doubling& c : cases) {
    for (const std::string mode : {"lt", "at"}) {
      INFO(c.parameter << " in " << mode);
      const auto measured = [&](const std::string& value) {
        std::vector<std::string> overrides = c.common;
        overrides.push_back(std::string(c.parameter) + "=" + value);
        overrides.push_back("mode=" + mode);
        const ScenarioResult result(scenario, overrides);
        CHECK(result.count("/stage_sum_mismatches") == 0);
        CHECK(result.count("/faults") == 0);
        return result.has(c.what) ? result.number(c.what) : 0.0;
      };
      CHECK(measured(c.value) == c.before);
      CHECK(measured(c.doubled) == c.after);
    }
  }
}

}  // namespace iommu::test
