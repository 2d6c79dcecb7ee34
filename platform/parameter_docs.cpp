#include "platform/parameter_docs.h"

#include <nlohmann/json.hpp>

#include "platform/parameters.h"
#include "platform/units.h"

namespace iommu::platform {

namespace {

using Json = nlohmann::ordered_json;

std::string default_text(const Parameter& parameter) {
  if (parameter.required) return "required";
  return std::string(parameter.fallback.empty() ? parameter.computed : parameter.fallback);
}

/// "only for kind = "nic"", or nothing. What must be empty reads "no driver".
std::string condition_text(const Parameter& parameter) {
  std::string result;
  for (const Condition& condition : parameter.conditions) {
    const std::string_view key = condition.name();
    const bool none = condition.value.empty() && !condition.other;
    result += result.empty() ? "only for " : ", ";
    result += none ? "no " + std::string(key) : std::string(key) + " " + condition_wish(condition);
  }
  return result;
}

/// The table's part that a parameter is documented in.
std::string section_of(const Parameter& parameter) {
  const std::vector<std::string> parts = split_key(parameter.name);
  if (parts.size() == 1) return "top level";
  if (parts.front() == "event") return "[[event]]";
  return "[" + parts.front() + (parts[1] == "*" ? ".NAME]" : "]");
}

std::string section_intro(const std::string& section) {
  if (section == "[iommu.NAME]") {
    return "One table for each IOMMU. A scenario without any has `[iommu.0]` with all defaults.";
  }
  if (section == "[device.NAME]") return "One table for each device; at least one.";
  if (section == "[[event]]") {
    return "Things that system software does at a given time. The `[[event]]` tables of a file replace those of its "
           "base.";
  }
  return "";
}

std::string escape_markdown(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '|' || c == '*') result += '\\';
    result += c;
  }
  return result;
}

constexpr const char* kFileRules =
    R"(- `base` (text or an array of text, at the top level) names files, relative to the file that it stands in, whose keys hold
  wherever the file itself says nothing; of several, the later one wins. A base `presets/NAME.toml` that is not there is looked
  for in `presets` beside the program: the machines of `configs/presets`, from any folder.
- The order is default, bases, file, `--set KEY=VALUE`: the later one wins, key by key. A key that is for some kind of device
  only is refused on another kind, unless what it depends on was changed by a later file or `--set`: then it is dropped.
- Sizes are integers (bytes) or text with a unit: B, KiB, MiB, GiB, TiB. Durations are numbers (ns) or text with a unit: ps, ns,
  us, ms, s. Frequencies are numbers (MHz) or text with a unit: Hz, kHz, MHz, GHz.
- Names of devices and IOMMUs have letters, digits, `_` and `-` only. Devices are set up in the order of the file.
- `[expect]` says what must hold of the result. Its keys are paths into `result.json`, dotted or nested; a value is a literal
  (equal) or `{ min = ..., max = ... }` (inclusive, one of them is enough) or `{ equal = ... }`. A wish that does not hold makes
  the run exit with 1, a path that the result does not have with 2.
)";

Json value_schema(const Parameter& parameter) {
  const Json text{{"type", "string"}};
  switch (parameter.type) {
    case ValueType::Bool:
      return {{"type", "boolean"}};
    case ValueType::Unsigned:
      if (!parameter.allowed.empty()) return {{"enum", parameter.allowed}};
      return {{"type", "integer"}, {"minimum", parameter.minimum}, {"maximum", parameter.maximum}};
    case ValueType::Address:
      return {{"type", "integer"}, {"minimum", parameter.minimum}, {"maximum", parameter.maximum}};
    case ValueType::Number:
      return {{"type", "number"}, {"minimum", parameter.minimum}, {"maximum", parameter.maximum}};
    case ValueType::Duration:
    case ValueType::Frequency:
      return {{"type", {"number", "string"}}, {"minimum", parameter.minimum}, {"maximum", parameter.maximum}};
    case ValueType::Size:
      return {{"type", {"integer", "string"}}, {"minimum", parameter.minimum}, {"maximum", parameter.maximum}};
    case ValueType::Choice:
      return {{"enum", parameter.choices}};
    case ValueType::UnsignedList:
      return {{"type", "array"}, {"items", {{"enum", parameter.allowed}}}, {"minItems", 1}, {"uniqueItems", true}};
    case ValueType::Requester:
      return {{"type", "string"}, {"pattern", "^[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7]$"}};
    case ValueType::File:
      return {{"type", "string"}, {"minLength", 1}};
    case ValueType::String:
    case ValueType::NetworkAddress:
      break;
  }
  return text;
}

Json parameter_schema(const Parameter& parameter) {
  Json result = value_schema(parameter);
  std::string description(parameter.meaning);
  if (!parameter.unit.empty()) description += " Unit: " + std::string(parameter.unit) + ".";
  const std::string condition = condition_text(parameter);
  if (!condition.empty()) description += " (" + condition + ")";
  result["description"] = description;
  if (!parameter.fallback.empty()) {
    result["default"] = std::visit([](const auto& value) -> Json { return value; }, default_value(parameter));
  }
  return result;
}

/// The schema of the table below `node`, made when it is not there.
Json& table_schema(Json& node) {
  if (node.is_null()) node = {{"type", "object"}, {"additionalProperties", false}};
  return node;
}

}  // namespace

std::string parameters_as_text() {
  std::string result;
  std::string section;
  for (const Parameter& parameter : parameter_table()) {
    if (section_of(parameter) != section) {
      section = section_of(parameter);
      result += (result.empty() ? "" : "\n") + section + "\n";
    }
    result += "  " + std::string(parameter.name) + "\n      " + std::string(parameter.meaning) + "\n      " +
              allowed_text(parameter);
    if (!parameter.unit.empty() && allowed_text(parameter).rfind(parameter.unit, 0) != 0) {
      result += " (" + std::string(parameter.unit) + ")";
    }
    result += "; " + (parameter.required ? "required" : "default: " + default_text(parameter));
    const std::string condition = condition_text(parameter);
    result += condition.empty() ? "\n" : "; " + condition + "\n";
  }
  return result + "\n[expect] and base are explained by \"iommu-vp params --markdown\".\n";
}

std::string parameters_as_markdown() {
  std::string result =
      "# Parameters of a scenario file\n\n"
      "Made by `iommu-vp params --markdown` from the parameter table of the program; a test compares it.\n\n";
  result += kFileRules;
  std::string section;
  for (const Parameter& parameter : parameter_table()) {
    if (section_of(parameter) != section) {
      section = section_of(parameter);
      result += "\n## " + (section.front() == '[' ? "`" + section + "`" : section) + "\n\n";
      const std::string intro = section_intro(section);
      if (!intro.empty()) result += intro + "\n\n";
      result += "| key | allowed | unit | default | meaning |\n|---|---|---|---|---|\n";
    }
    const std::string condition = condition_text(parameter);
    const std::string fallback = default_text(parameter);
    result += "| `" + std::string(parameter.name) + "` | " + escape_markdown(allowed_text(parameter)) + " | " +
              std::string(parameter.unit) + " | " + (parameter.fallback.empty() ? fallback : "`" + fallback + "`") +
              " | " + escape_markdown(parameter.meaning) +
              (condition.empty() ? "" : " (" + escape_markdown(condition) + ")") + " |\n";
  }
  return result;
}

std::string parameters_as_json_schema() {
  Json schema{{"$schema", "http://json-schema.org/draft-07/schema#"},
              {"title", "IOMMU-VP scenario"},
              {"type", "object"},
              {"additionalProperties", false}};
  schema["properties"]["base"] = {{"type", {"string", "array"}},
                                  {"items", {{"type", "string"}}},
                                  {"description", "Files whose keys hold where this one says nothing."}};
  for (const Parameter& parameter : parameter_table()) {
    const std::vector<std::string> parts = split_key(parameter.name);
    Json* node = &schema;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool last = i + 1 == parts.size();
      if (parts[i] != "*") {
        node = &(*node)["properties"][parts[i]];
      } else if (parts.front() == "event") {
        (*node)["type"] = "array";
        node = &(*node)["items"];
      } else {
        (*node)["type"] = "object";
        node = &(*node)["patternProperties"]["^[A-Za-z0-9_-]+$"];
      }
      const bool group_of_instances = !last && parts[i + 1] == "*";
      if (last) {
        *node = parameter_schema(parameter);
      } else if (group_of_instances) {
        if (node->is_null() && parts.front() != "event") *node = {{"type", "object"}, {"additionalProperties", false}};
      } else {
        table_schema(*node);
      }
    }
  }
  schema["properties"]["event"]["items"]["required"] = {"at_ns", "action"};
  schema["properties"]["expect"] = {{"type", "object"},
                                    {"description", "Paths into result.json and what must hold of them."}};
  return schema.dump(2) + "\n";
}

}  // namespace iommu::platform
