// TOML text as plain trees, every value and key with its place.
//
// Does: hide the TOML library behind a small tree in file order. Does not: know parameters, bases or overrides
// (scenario_source.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/raw_value.h"

namespace iommu::platform {

struct TomlNode;

struct TomlMember {
  std::string key;
  Location where;              ///< of the key
  std::vector<TomlNode> node;  ///< exactly one
};

/// A table, an array of tables, or a value; tables keep the order of the file.
struct TomlNode {
  enum class Kind { Leaf, Table, TableArray };
  Kind kind = Kind::Leaf;
  RawValue value;                   ///< for a table or an array of tables only kind, text and where
  std::vector<TomlMember> members;  ///< Table
  std::vector<TomlNode> tables;     ///< TableArray
};

/// Parses a whole document. `source` is how places in it are named. Throws ConfigError for what is not TOML (duplicate
/// keys included).
[[nodiscard]] TomlNode parse_toml(std::string_view text, const std::string& source);

/// Parses what could stand behind "key =", with `where` as the place of everything in it; nothing when it is not one
/// TOML value.
[[nodiscard]] std::optional<TomlNode> parse_toml_node(std::string_view text, const Location& where);
/// The same, when it is not a table.
[[nodiscard]] std::optional<RawValue> parse_toml_value(std::string_view text, const Location& where);

}  // namespace iommu::platform
