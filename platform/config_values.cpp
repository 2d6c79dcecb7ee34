#include "platform/config_values.h"

#include <map>
#include <type_traits>

#include "platform/config_fields.h"

namespace iommu::platform {

namespace {

template <class T>
Value to_value(const Parameter& parameter, const T& field) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(parameter.choices.at(static_cast<std::size_t>(field)));
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, double>) {
    return field;
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<std::uint64_t>(field);
  } else if constexpr (std::is_same_v<T, NetworkAddress>) {
    return field.text;
  } else if constexpr (std::is_same_v<T, InputFile>) {
    return field.shown;
  } else {
    return field;  // text and lists
  }
}

}  // namespace

std::vector<ConfigValue> values_of(const Config& config) {
  std::vector<ConfigValue> values;
  std::map<std::string, std::string> choices;  // key -> value, of what conditions look at
  visit_config(config, [&](const std::string& key, const auto& field) {
    ConfigValue entry;
    entry.key = key;
    entry.parameter = find_parameter(key);
    entry.value = to_value(*entry.parameter, field);
    const bool named = entry.parameter->type == ValueType::Choice || entry.parameter->type == ValueType::File;
    if (named) choices[key] = std::get<std::string>(entry.value);
    if (entry.parameter->type == ValueType::Unsigned || entry.parameter->type == ValueType::Size) {
      choices[key] = std::to_string(std::get<std::uint64_t>(entry.value));
    }
    values.push_back(std::move(entry));
  });
  for (ConfigValue& entry : values) {
    for (const Condition& condition : entry.parameter->conditions) {
      const std::string key = condition.full_key(entry.key);
      if ((choices.at(key) == condition.value) != condition.other) continue;
      entry.applies = false;
      entry.unmet_key = key;
      entry.unmet_wish = condition_wish(condition);
      entry.unmet_found = choices.at(key);
      break;
    }
    // Where the default is "none" there is nothing to write.
    if (entry.parameter->computed == "none" && std::get<std::string>(entry.value).empty()) entry.applies = false;
  }
  return values;
}

}  // namespace iommu::platform
