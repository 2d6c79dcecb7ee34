#include "platform/explain_command.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "platform/command_line.h"
#include "platform/explain_report.h"
#include "platform/result_writer.h"
#include "platform/suggest.h"

namespace iommu::platform {

namespace {

// One IOMMU with its defaults, and a device that nobody starts.
constexpr const char* kScenario = R"(
[iommu.0]

[device.device0]
kind = "generator"
mapping = "none"
count = 1
)";

/// What can be explained, in the order of the page.
std::vector<std::string> known_functions() {
  std::vector<std::string> names = {"IoGetIommuInterfaceEx"};
  for (std::size_t i = 0; i < api::kV2Functions; ++i)
    names.push_back(api::function_name(static_cast<api::Function>(i)));
  return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Config scenario(const std::vector<std::string>& overrides) { return load_config_text(kScenario, "explain", overrides); }

}  // namespace

std::string function_problem(const std::string& name) {
  const std::vector<std::string> known = known_functions();
  if (contains(known, name)) return "";
  for (std::size_t i = api::kV2Functions; i < api::kFunctions; ++i) {
    if (name != api::function_name(static_cast<api::Function>(i))) continue;
    return name + " belongs to version 1 of the interface; version 2 has " + name + "Ex";
  }
  std::string problem = "unknown function \"" + name + "\"" + did_you_mean(name, known) + "; allowed:";
  for (const std::string& function : known) problem += " " + function;
  return problem;
}

int explain_function(const std::string& name, const std::vector<std::string>& overrides, bool json,
                     const Explainer& explainer) {
  const Explanation explanation = explainer(scenario(overrides), name);
  std::cout << (json ? to_json_text(explanation_as_json(explanation)) : explanation_as_text(explanation));
  return kExitOk;
}

int explain_all(const std::vector<std::string>& overrides, const Explainer& explainer) {
  const Config config = scenario(overrides);
  std::vector<Explanation> explanations;
  for (const std::string& name : known_functions()) explanations.push_back(explainer(config, name));
  std::cout << explanations_as_markdown(explanations, overrides);
  return kExitOk;
}

}  // namespace iommu::platform
