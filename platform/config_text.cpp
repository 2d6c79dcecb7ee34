// Config as TOML and JSON.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "platform/config_values.h"
#include "platform/units.h"

namespace iommu::platform {

namespace {

using Json = nlohmann::ordered_json;

/// "[memory]", "[iommu.0]" or "[[event]]" for a dotted key, and what is left of the key; no header for a key at the
/// top.
std::pair<std::string, std::string> header_and_rest(const std::string& key) {
  const std::size_t first = key.find('.');
  if (first == std::string::npos) return {"", key};
  const std::string group = key.substr(0, first);
  if (!is_instance_group(group)) return {"[" + group + "]", key.substr(first + 1)};
  const std::size_t second = key.find('.', first + 1);
  const std::string header = group == "event" ? "[[event]]" : "[" + key.substr(0, second) + "]";
  return {header, key.substr(second + 1)};
}

/// A key of [expect], quoted where TOML asks for it.
std::string toml_path(const std::vector<std::string>& path) {
  std::string result;
  for (const std::string& part : path) {
    const bool bare = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
    });
    result += (result.empty() ? "" : ".") + (bare ? part : quote(part));
  }
  return result;
}

std::string toml_literal(const ExpectedValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* text = std::get_if<std::string>(&value)) return quote(*text);
  const std::string number = number_text(std::get<double>(value));
  return number.find('.') == std::string::npos && number != "nan" ? number + ".0" : number;
}

std::string toml_wish(const Expectation& expectation) {
  if (expectation.equal) return toml_literal(*expectation.equal);
  std::string result = "{ ";
  if (expectation.min) result += "min = " + number_text(*expectation.min);
  if (expectation.max) result += (expectation.min ? ", max = " : "max = ") + number_text(*expectation.max);
  return result + " }";
}

Json json_value(const ConfigValue& entry) {
  if (entry.parameter->type == ValueType::Requester) {
    return requester_text(static_cast<std::uint16_t>(std::get<std::uint64_t>(entry.value)));
  }
  if (entry.parameter->type == ValueType::File) {
    const std::filesystem::path path = std::get<std::string>(entry.value);
    return path.is_absolute() ? path.filename().generic_string() : path.generic_string();
  }
  return std::visit([](const auto& value) -> Json { return value; }, entry.value);
}

Json json_wish(const Expectation& expectation) {
  if (expectation.equal) return std::visit([](const auto& value) -> Json { return value; }, *expectation.equal);
  Json result = Json::object();
  if (expectation.min) result["min"] = *expectation.min;
  if (expectation.max) result["max"] = *expectation.max;
  return result;
}

}  // namespace

std::string Config::to_toml() const {
  std::string result;
  std::string last_header;
  std::string last_instance;
  for (const ConfigValue& entry : values_of(*this)) {
    if (!entry.applies) continue;
    const auto [header, rest] = header_and_rest(entry.key);
    const std::string instance = entry.key.substr(0, entry.key.size() - rest.size());
    if (header != last_header || (header == "[[event]]" && instance != last_instance)) result += "\n" + header + "\n";
    last_header = header;
    last_instance = instance;
    result += rest + " = " + value_text(*entry.parameter, entry.value) + "\n";
  }
  if (!expectations.empty()) result += "\n[expect]\n";
  for (const Expectation& expectation : expectations) {
    result += toml_path(expectation.path) + " = " + toml_wish(expectation) + "\n";
  }
  return result;
}

Json Config::to_json() const {
  Json result = Json::object();
  for (const ConfigValue& entry : values_of(*this)) {
    if (!entry.applies) continue;
    Json* node = &result;
    const std::vector<std::string> parts = split_key(entry.key);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i == 1 && parts.front() == "event") {
        const std::size_t index = std::stoul(parts[i]);
        if (node->is_null()) *node = Json::array();
        while (node->size() <= index) node->push_back(Json::object());
        node = &(*node)[index];
      } else {
        node = &(*node)[parts[i]];
      }
    }
    *node = json_value(entry);
  }
  for (const Expectation& expectation : expectations)
    result["expect"][expectation.path_text()] = json_wish(expectation);
  return result;
}

}  // namespace iommu::platform
