#include "platform/expectations.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "platform/suggest.h"
#include "platform/units.h"

namespace iommu::platform {

namespace {

using Json = nlohmann::ordered_json;

std::string expected_text(const ExpectedValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&value)) return number_text(*number);
  return quote(std::get<std::string>(value));
}

std::string found_text(const Json& value) {
  if (value.is_number_float()) return number_text(value.get<double>());
  if (value.is_string()) return quote(value.get<std::string>());
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  return value.dump();
}

/// Exact for integers, also beyond 2^53.
bool equals(const ExpectedValue& wanted, const Json& found) {
  if (const auto* flag = std::get_if<bool>(&wanted)) return found.is_boolean() && found.get<bool>() == *flag;
  if (const auto* text = std::get_if<std::string>(&wanted))
    return found.is_string() && found.get<std::string>() == *text;
  if (!found.is_number()) return false;
  if (const auto* integer = std::get_if<std::int64_t>(&wanted)) {
    if (found.is_number_unsigned())
      return *integer >= 0 && found.get<std::uint64_t>() == static_cast<std::uint64_t>(*integer);
    if (found.is_number_integer()) return found.get<std::int64_t>() == *integer;
    return found.get<double>() == static_cast<double>(*integer);
  }
  return found.get<double>() == std::get<double>(wanted);
}

bool holds(const Expectation& expectation, const Json& found) {
  if (expectation.equal) return equals(*expectation.equal, found);
  if (!found.is_number()) return false;
  const auto value = found.get<double>();
  return (!expectation.min || value >= *expectation.min) && (!expectation.max || value <= *expectation.max);
}

/// Element of an object by key or of an array by index; null when there is none.
const Json* child(const Json& node, const std::string& key) {
  if (node.is_object()) {
    const auto found = node.find(key);
    return found == node.end() ? nullptr : &*found;
  }
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  if (!node.is_array() || error != std::errc{} || end != key.data() + key.size() || index >= node.size())
    return nullptr;
  return &node[index];
}

void collect_paths(const Json& node, const std::string& prefix, std::vector<std::string>& paths) {
  if (!node.is_structured()) {
    paths.push_back(prefix);
    return;
  }
  std::size_t index = 0;
  for (const auto& item : node.items()) {
    const std::string key = node.is_array() ? std::to_string(index++) : item.key();
    collect_paths(item.value(), prefix.empty() ? key : prefix + "." + key, paths);
  }
}

}  // namespace

std::string Expectation::path_text() const {
  std::string result;
  for (const std::string& part : path) result += (result.empty() ? "" : ".") + part;
  return result;
}

std::string Expectation::wanted_text() const {
  if (equal) return expected_text(*equal);
  std::string result;
  if (min) result = "at least " + number_text(*min);
  if (max) result += (min ? " and at most " : "at most ") + number_text(*max);
  return result;
}

ExpectationReport evaluate(const std::vector<Expectation>& expectations, const nlohmann::ordered_json& result) {
  ExpectationReport report;
  for (const Expectation& expectation : expectations) {
    const Json* found = &result;
    for (const std::string& part : expectation.path) {
      found = child(*found, part);
      if (found == nullptr) break;
    }
    const std::string path = expectation.path_text();
    if (found == nullptr) {
      std::vector<std::string> paths;
      collect_paths(result, "", paths);
      report.unknown.emplace_back(ConfigError(expectation.where, "expect." + path + ": the result has no \"" + path +
                                                                     "\"" + did_you_mean(path, paths))
                                      .what());
    } else if (found->is_structured()) {
      report.unknown.emplace_back(ConfigError(expectation.where, "expect." + path + ": \"" + path + "\" is " +
                                                                     found_text(*found) + " in the result, not a value")
                                      .what());
    } else if (!holds(expectation, *found)) {
      report.violations.emplace_back(
          ConfigError(expectation.where, "expected " + path + " " + (expectation.equal ? "= " : "") +
                                             expectation.wanted_text() + ", found " + found_text(*found))
              .what());
    }
  }
  return report;
}

}  // namespace iommu::platform
