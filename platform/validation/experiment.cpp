#include "platform/validation/experiment.h"

#include <nlohmann/json.hpp>

namespace iommu::platform::validation {

namespace {

/// Null when there is no such member. Names in results have no dots.
const nlohmann::ordered_json* find(const nlohmann::ordered_json& result, std::string_view path) {
  const nlohmann::ordered_json* node = &result;
  while (!path.empty()) {
    const std::size_t dot = path.find('.');
    const std::string key(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    if (!node->is_object()) return nullptr;
    const auto found = node->find(key);
    if (found == node->end()) return nullptr;
    node = &*found;
  }
  return node;
}

}  // namespace

double Results::number(std::string_view path, std::size_t run) const {
  const nlohmann::ordered_json* found = find(*results_.at(run), path);
  if (found == nullptr || !found->is_number()) {
    throw MissingResult("the result has no number \"" + std::string(path) + "\"");
  }
  return found->get<double>();
}

Measure value_of(std::string path, double factor) {
  return [path = std::move(path), factor](const Results& results) { return results.number(path) * factor; };
}

Measure gbit_per_s(double factor) { return value_of("masters.dma.gbit_per_s", factor); }

Measure difference_of(std::string path) {
  return [path = std::move(path)](const Results& results) { return results.number(path, 0) - results.number(path, 1); };
}

Measure ratio_of(std::string path) {
  return [path = std::move(path)](const Results& results) { return results.number(path, 0) / results.number(path, 1); };
}

Tolerance absolute(double width) { return {Tolerance::Kind::Absolute, width, {}, {}}; }
Tolerance percent(double width) { return {Tolerance::Kind::Percent, width, {}, {}}; }
Tolerance between(double from, double to) { return {Tolerance::Kind::Range, 0, from, to}; }
Tolerance at_least(double from) { return {Tolerance::Kind::Range, 0, from, {}}; }
Tolerance at_most(double to) { return {Tolerance::Kind::Range, 0, {}, to}; }

Axis no_axis() { return {}; }
Axis bytes_axis(std::string label) { return {std::move(label), Axis::Scale::Log2, Axis::Ticks::Bytes}; }

}  // namespace iommu::platform::validation
