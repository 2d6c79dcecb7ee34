#include "platform/parameters.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "platform/network_address.h"
#include "platform/suggest.h"
#include "platform/toml_reader.h"
#include "platform/units.h"

namespace iommu::platform {

namespace {

[[noreturn]] void refuse(const Parameter& parameter, const std::string& key, const RawValue& raw,
                         const std::string& what) {
  throw ConfigError(raw.where, key + " = " + raw.text + ": " + what + "; allowed: " + allowed_text(parameter));
}

[[noreturn]] void wrong_type(const Parameter& parameter, const std::string& key, const RawValue& raw) {
  refuse(parameter, key, raw, "wrong type, " + raw.kind);
}

/// "a, b or c".
std::string join_alternatives(const std::vector<std::string>& words) {
  std::string result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) result += i + 1 == words.size() ? " or " : ", ";
    result += words[i];
  }
  return result;
}

std::string allowed_integers(const Parameter& parameter) {
  std::vector<std::string> words;
  for (const unsigned value : parameter.allowed) words.push_back(std::to_string(value));
  return join_alternatives(words);
}

std::uint64_t parse_integer(const Parameter& parameter, const std::string& key, const RawValue& raw) {
  const auto* integer = std::get_if<std::int64_t>(&raw.data);
  if (integer == nullptr) wrong_type(parameter, key, raw);
  const auto value = static_cast<std::uint64_t>(*integer);
  if (*integer < 0 || value < parameter.minimum || value > parameter.maximum)
    refuse(parameter, key, raw, "out of range");
  if (!parameter.allowed.empty() &&
      std::find(parameter.allowed.begin(), parameter.allowed.end(), value) == parameter.allowed.end()) {
    refuse(parameter, key, raw, "unknown value");
  }
  return value;
}

std::uint64_t parse_size_value(const Parameter& parameter, const std::string& key, const RawValue& raw) {
  const auto* text = std::get_if<std::string>(&raw.data);
  if (text == nullptr) return parse_integer(parameter, key, raw);
  const std::optional<std::uint64_t> value = parse_size(*text);
  if (!value) refuse(parameter, key, raw, "malformed");
  if (*value < parameter.minimum || *value > parameter.maximum) refuse(parameter, key, raw, "out of range");
  return *value;
}

bool is_whole_picoseconds(double ns) {
  const double ps = ns * 1000;
  return std::fabs(ps - std::round(ps)) <= std::max(1e-6, ps * 0x1p-51);
}

double parse_real(const Parameter& parameter, const std::string& key, const RawValue& raw) {
  double value = 0;
  if (const auto* integer = std::get_if<std::int64_t>(&raw.data)) {
    value = static_cast<double>(*integer);
  } else if (const auto* number = std::get_if<double>(&raw.data)) {
    value = *number;
  } else if (const auto* text = std::get_if<std::string>(&raw.data);
             text != nullptr && parameter.type != ValueType::Number) {
    const std::optional<double> parsed =
        parameter.type == ValueType::Duration ? parse_duration_ns(*text) : parse_frequency_mhz(*text);
    if (!parsed) refuse(parameter, key, raw, "malformed");
    value = *parsed;
  } else {
    wrong_type(parameter, key, raw);
  }
  // Written so that nan is out of range too.
  if (!(value >= static_cast<double>(parameter.minimum) && value <= static_cast<double>(parameter.maximum))) {
    refuse(parameter, key, raw, "out of range");
  }
  if (parameter.type == ValueType::Duration && !is_whole_picoseconds(value)) {
    refuse(parameter, key, raw, "finer than a picosecond");
  }
  return value == 0 ? 0.0 : value;  // no -0
}

std::vector<unsigned> parse_list(const Parameter& parameter, const std::string& key, const RawValue& raw) {
  const auto* array = std::get_if<std::vector<RawValue>>(&raw.data);
  if (array == nullptr) wrong_type(parameter, key, raw);
  std::vector<unsigned> result;
  for (const RawValue& element : *array) {
    const auto* integer = std::get_if<std::int64_t>(&element.data);
    if (integer == nullptr) wrong_type(parameter, key, element);
    const auto known = std::find_if(parameter.allowed.begin(), parameter.allowed.end(),
                                    [&](unsigned value) { return static_cast<std::int64_t>(value) == *integer; });
    if (known == parameter.allowed.end()) refuse(parameter, key, element, "unknown value");
    if (std::find(result.begin(), result.end(), *known) != result.end())
      refuse(parameter, key, raw, "the same value twice");
    result.push_back(*known);
  }
  if (result.empty()) refuse(parameter, key, raw, "empty");
  std::sort(result.begin(), result.end());
  return result;
}

std::optional<std::uint64_t> parse_requester(std::string_view text) {
  // Exactly "bb:dd.f": the form that lspci and everybody after it prints.
  if (text.size() != 7 || text[2] != ':' || text[5] != '.') return std::nullopt;
  const auto digit = [&](std::size_t i) -> unsigned {
    const char c = text[i];
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
    return 99;
  };
  for (const std::size_t i : {0U, 1U, 3U, 4U, 6U}) {
    if (digit(i) == 99) return std::nullopt;
  }
  const unsigned bus = digit(0) * 16 + digit(1);
  const unsigned device = digit(3) * 16 + digit(4);
  const unsigned function = digit(6);
  if (device > 31 || function > 7) return std::nullopt;
  return bus << 8 | device << 3 | function;
}

const std::string& text_of(const Parameter& parameter, const std::string& key, const RawValue& raw) {
  const auto* text = std::get_if<std::string>(&raw.data);
  if (text == nullptr) wrong_type(parameter, key, raw);
  return *text;
}

Value parse_choice(const Parameter& parameter, const std::string& key, const RawValue& raw) {
  const std::string& text = text_of(parameter, key, raw);
  if (std::find(parameter.choices.begin(), parameter.choices.end(), text) != parameter.choices.end()) return text;
  throw ConfigError(raw.where, key + " = " + raw.text + ": unknown value; allowed: " + allowed_text(parameter) +
                                   did_you_mean(text, {parameter.choices.begin(), parameter.choices.end()}));
}

/// "iommu.*.iotlb.ways" of "iommu.0.iotlb.ways"; in names of parameters '*' stands for the second part only.
std::string with_any_instance(std::string_view key) {
  const std::size_t first = key.find('.');
  if (first == std::string_view::npos) return std::string(key);
  const std::size_t second = key.find('.', first + 1);
  std::string result = std::string(key.substr(0, first + 1)) + "*";
  if (second != std::string_view::npos) result += key.substr(second);
  return result;
}

// Scenarios of many devices ask for each of their keys several times.
template <class Map>
auto find_key(const Map& by_name, std::string_view key) {
  const auto found = by_name.find(key);
  return found != by_name.end() ? found : by_name.find(with_any_instance(key));
}

}  // namespace

std::vector<std::string> split_key(std::string_view key) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t dot = key.find('.', begin);
    parts.emplace_back(key.substr(begin, dot == std::string_view::npos ? dot : dot - begin));
    if (dot == std::string_view::npos) return parts;
    begin = dot + 1;
  }
}

bool is_instance_group(std::string_view name) {
  return std::any_of(parameter_table().begin(), parameter_table().end(), [&](const Parameter& parameter) {
    return parameter.name.substr(0, name.size()) == name && parameter.name.substr(name.size(), 3) == ".*.";
  });
}

const Parameter* find_parameter(std::string_view key) {
  static const std::unordered_map<std::string_view, const Parameter*> by_name = [] {
    std::unordered_map<std::string_view, const Parameter*> all;
    for (const Parameter& parameter : parameter_table()) all.emplace(parameter.name, &parameter);
    return all;
  }();
  const auto found = find_key(by_name, key);
  return found == by_name.end() ? nullptr : found->second;
}

bool is_parameter_table(std::string_view key) {
  static const std::unordered_set<std::string_view> tables = [] {
    std::unordered_set<std::string_view> all;
    for (const Parameter& parameter : parameter_table()) {
      for (std::size_t dot = parameter.name.find('.'); dot != std::string_view::npos;
           dot = parameter.name.find('.', dot + 1)) {
        all.insert(parameter.name.substr(0, dot));
      }
    }
    return all;
  }();
  return find_key(tables, key) != tables.end();
}

std::string suggest_key(std::string_view key) {
  const std::vector<std::string> wanted = split_key(key);
  std::vector<std::string> candidates{"expect", "base"};
  std::vector<std::string> same_last_part;
  for (const Parameter& parameter : parameter_table()) {
    std::vector<std::string> parts = split_key(parameter.name);
    std::string candidate;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i] == "*") parts[i] = i < wanted.size() ? wanted[i] : "NAME";
      candidate += (i == 0 ? "" : ".") + parts[i];
      if (i + 1 < parts.size()) candidates.push_back(candidate);
    }
    candidates.push_back(candidate);
    if (parts.back() == wanted.back()) same_last_part.push_back(candidate);
  }
  const std::string near = did_you_mean(key, candidates);
  if (!near.empty()) return near;
  if (!same_last_part.empty()) return "; did you mean \"" + same_last_part.front() + "\"?";
  return "; \"iommu-vp params\" lists all keys";
}

Value parse_value(const Parameter& parameter, const std::string& key, const RawValue& raw) {
  switch (parameter.type) {
    case ValueType::Bool: {
      const auto* value = std::get_if<bool>(&raw.data);
      if (value == nullptr) wrong_type(parameter, key, raw);
      return *value;
    }
    case ValueType::Unsigned:
    case ValueType::Address:
      return parse_integer(parameter, key, raw);
    case ValueType::Size:
      return parse_size_value(parameter, key, raw);
    case ValueType::Number:
    case ValueType::Duration:
    case ValueType::Frequency:
      return parse_real(parameter, key, raw);
    case ValueType::Choice:
      return parse_choice(parameter, key, raw);
    case ValueType::UnsignedList:
      return parse_list(parameter, key, raw);
    case ValueType::Requester: {
      const std::optional<std::uint64_t> value = parse_requester(text_of(parameter, key, raw));
      if (!value) refuse(parameter, key, raw, "malformed");
      return *value;
    }
    case ValueType::NetworkAddress:
      if (!parse_network_address(text_of(parameter, key, raw))) refuse(parameter, key, raw, "malformed");
      return text_of(parameter, key, raw);
    case ValueType::File:
      if (text_of(parameter, key, raw).empty()) refuse(parameter, key, raw, "empty");
      return text_of(parameter, key, raw);
    case ValueType::String:
      break;
  }
  return text_of(parameter, key, raw);
}

Value default_value(const Parameter& parameter) {
  const Location nowhere{"default of " + std::string(parameter.name), 0, 0};
  return parse_value(parameter, std::string(parameter.name), parse_toml_value(parameter.fallback, nowhere).value());
}

std::string Condition::full_key(std::string_view of_parameter) const {
  if (key.front() == '/') return std::string(name());
  std::string_view table = of_parameter.substr(0, of_parameter.rfind('.'));
  if (key.substr(0, 3) == "../") table = table.substr(0, table.rfind('.'));
  return std::string(table) + "." + std::string(name());
}

std::string_view Condition::name() const { return key.substr(key.rfind('/') + 1); }

std::string condition_wish(const Condition& condition) {
  return (condition.other ? "other than " : "= ") + quote(condition.value);
}

std::string allowed_text(const Parameter& parameter) {
  const std::string low = std::to_string(parameter.minimum);
  const std::string high = std::to_string(parameter.maximum);
  switch (parameter.type) {
    case ValueType::Bool:
      return "true or false";
    case ValueType::Unsigned:
      return parameter.allowed.empty() ? "an integer from " + low + " to " + high : allowed_integers(parameter);
    case ValueType::Number:
      return "a number from " + low + " to " + high;
    case ValueType::Duration:
      return "ns from 0 to " + high + ", or text such as \"1.5us\"";
    case ValueType::Size:
      return "bytes from " + size_text(parameter.minimum) + " to " + size_text(parameter.maximum) +
             ", or text such as \"4KiB\"";
    case ValueType::Frequency:
      return "MHz from " + low + " to " + high + ", or text such as \"1GHz\"";
    case ValueType::Address:
      return "an address from " + hex_text(parameter.minimum) + " to " + hex_text(parameter.maximum);
    case ValueType::UnsignedList:
      return "an array of " + allowed_integers(parameter) + ", each at most once";
    case ValueType::Requester:
      return "\"bus:device.function\" in hexadecimal, such as \"00:03.0\"";
    case ValueType::NetworkAddress:
      return "a MAC, IPv4 or IPv6 address, or \"\"";
    case ValueType::File:
      return "a path";
    case ValueType::Choice: {
      std::vector<std::string> words;
      for (const std::string_view choice : parameter.choices) words.push_back(quote(choice));
      return join_alternatives(words);
    }
    case ValueType::String:
      break;
  }
  return "text";
}

std::string value_text(const Parameter& parameter, const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<double>(&value)) return number_text(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return quote(*text);
  if (const auto* list = std::get_if<std::vector<unsigned>>(&value)) {
    std::string result = "[";
    for (const unsigned element : *list) result += (result.size() == 1 ? "" : ", ") + std::to_string(element);
    return result + "]";
  }
  const std::uint64_t integer = std::get<std::uint64_t>(value);
  if (parameter.type == ValueType::Requester) return quote(requester_text(static_cast<std::uint16_t>(integer)));
  if (parameter.type == ValueType::Address) return hex_text(integer);
  if (parameter.type == ValueType::Size) return integer < 1024 ? std::to_string(integer) : quote(size_text(integer));
  return std::to_string(integer);
}

bool is_text_type(ValueType type) {
  return type == ValueType::String || type == ValueType::Choice || type == ValueType::Requester ||
         type == ValueType::NetworkAddress || type == ValueType::File;
}

}  // namespace iommu::platform
