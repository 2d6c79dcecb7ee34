// A scenario's result without the program: its text goes through the public functions that the program uses.
//
// What it does: load, elaborate, run, complete the result. What it does not do: write files, evaluate expectations.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "platform/result_writer.h"
#include "platform/simulation.h"
#include "testbench/platform/new_simulation.h"

namespace iommu::test {

/// Numbers of a result, as what follows looks at them.
class ScenarioResult {
 public:
  explicit ScenarioResult(const std::string& text, const std::vector<std::string>& overrides = {}) {
    struct Silent : iommu::platform::ProgressSink {
      void progress(double, std::uint64_t, std::uint64_t) override {}
    } silent;
    new_simulation();
    const auto config = iommu::platform::load_config_text(text, "s.toml", overrides);
    const auto simulation = iommu::platform::Simulation::elaborate(config);
    json_ = iommu::platform::complete_result(config, simulation->run(silent));
  }

  /// The value at a JSON pointer such as "/masters/a/requests"; throws when there is none.
  [[nodiscard]] const nlohmann::ordered_json& at(const std::string& pointer) const {
    return json_.at(nlohmann::ordered_json::json_pointer(pointer));
  }
  [[nodiscard]] double number(const std::string& pointer) const { return at(pointer).get<double>(); }
  [[nodiscard]] std::uint64_t count(const std::string& pointer) const { return at(pointer).get<std::uint64_t>(); }
  [[nodiscard]] bool has(const std::string& pointer) const {
    return json_.contains(nlohmann::ordered_json::json_pointer(pointer));
  }

 private:
  nlohmann::ordered_json json_;
};

}  // namespace iommu::test
