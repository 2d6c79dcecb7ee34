// The one parameter table: every key that a scenario can have, once, with type, unit, range, default and meaning.
//
// Does: find parameters by dotted key, convert and check one value. Validation, --set, `iommu-vp params`,
// docs/parameters.md, the JSON Schema and the resolved scenario all come from here. Does not: read files
// (scenario_source.h), compare values of different parameters (config_checks.h). [expect] is not in the table: its keys
// are paths into result.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "platform/raw_value.h"

namespace iommu::platform {

enum class ValueType {
  Bool,
  Unsigned,  ///< integer within the range, or one of `allowed`
  Number,    ///< integer or decimal
  String,
  Choice,          ///< one of `choices`
  Duration,        ///< number of ns, or text with a unit; whole picoseconds
  Size,            ///< integer bytes, or text with a binary unit
  Frequency,       ///< number of MHz, or text with a unit
  Address,         ///< integer, shown in hexadecimal
  UnsignedList,    ///< array of different values of `allowed`
  Requester,       ///< "bus:device.function"
  NetworkAddress,  ///< MAC, IPv4 or IPv6 address, or ""
  File,            ///< path relative to the file that names it
};

/// The parameter is there only when `key`, a choice, an integer or a size, has `value`, or with `other` when it has any other.
/// A key beginning with '/' is counted from the top, one beginning with "../" from the table above the one that the
/// parameter stands in, another one from that table.
struct Condition {
  std::string_view key;
  std::string_view value;
  bool other = false;

  /// The whole key, for a parameter (or one of its instances) of this whole key.
  [[nodiscard]] std::string full_key(std::string_view of_parameter) const;
  /// The key without where it is counted from.
  [[nodiscard]] std::string_view name() const;
};

struct Parameter {
  std::string_view name;  ///< dotted; '*' stands for the name (or, in event, the index) of an instance
  ValueType type{};
  std::string_view unit;  ///< empty: none
  std::uint64_t minimum = 0;
  std::uint64_t maximum = 0;  ///< inclusive, as minimum
  std::vector<std::string_view> choices;
  std::vector<unsigned> allowed;  ///< when not empty, the only integers allowed
  std::string_view fallback;      ///< default as TOML; empty: `computed` says what happens
  std::string_view computed;      ///< how the default comes about when it is not a constant
  bool required = false;
  std::vector<Condition> conditions;
  std::string_view meaning;
};

/// bool, integer (Unsigned, Size, Address, Requester), number, text (Choice, String, File, NetworkAddress) or list.
using Value = std::variant<bool, std::uint64_t, double, std::string, std::vector<unsigned>>;

/// All parameters in the order in which they are documented and written out.
[[nodiscard]] const std::vector<Parameter>& parameter_table();

/// The table's groups of instances: "iommu", "device", "event".
[[nodiscard]] bool is_instance_group(std::string_view name);

/// The parameter with this dotted key ("iommu.0.iotlb.ways"), or null.
[[nodiscard]] const Parameter* find_parameter(std::string_view key);
/// True when `key` is a table that holds parameters ("iommu.0.iotlb", "iommu.0", "iommu").
[[nodiscard]] bool is_parameter_table(std::string_view key);
/// "; did you mean ...?" for a key that is neither, with the instance names that the key uses.
[[nodiscard]] std::string suggest_key(std::string_view key);

/// Converts a value as written. Throws ConfigError naming place, key, value and what is allowed.
[[nodiscard]] Value parse_value(const Parameter& parameter, const std::string& key, const RawValue& raw);
/// The constant default; precondition: there is one.
[[nodiscard]] Value default_value(const Parameter& parameter);
/// What the parameter takes, in words: "an integer from 1 to 65536", "\"lt\" or \"at\"".
[[nodiscard]] std::string allowed_text(const Parameter& parameter);
/// What a condition wants of its key, in words: "= \"nic\"", "other than \"0\"".
[[nodiscard]] std::string condition_wish(const Condition& condition);
/// A value as TOML.
[[nodiscard]] std::string value_text(const Parameter& parameter, const Value& value);

/// True for the types that --set takes as bare text ("--set mode=at").
[[nodiscard]] bool is_text_type(ValueType type);

/// Splits "a.b.c".
[[nodiscard]] std::vector<std::string> split_key(std::string_view key);

}  // namespace iommu::platform
