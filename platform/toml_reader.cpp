#include "platform/toml_reader.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <tuple>

#include "platform/units.h"

namespace iommu::platform {

namespace {

/// Says where things are: in a document, or all at one place.
class Places {
 public:
  explicit Places(std::string source) : source_(std::move(source)) {}
  explicit Places(const Location& fixed) : source_(fixed.source), fixed_(fixed) {}

  [[nodiscard]] Location of(const toml::source_region& region) const {
    if (fixed_) return *fixed_;
    return {source_, region.begin.line, region.begin.column};
  }

 private:
  std::string source_;
  std::optional<Location> fixed_;
};

TomlNode convert(const toml::node& node, const Places& places);

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  const std::string text = number_text(value);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

TomlNode convert_table(const toml::table& table, const Places& places) {
  TomlNode result;
  result.kind = TomlNode::Kind::Table;
  result.value.kind = "a table";
  result.value.text = "{...}";
  for (auto&& [key, node] : table) {
    TomlMember member{std::string(key.str()), places.of(key.source()), {}};
    member.node.push_back(convert(node, places));
    result.members.push_back(std::move(member));
  }
  // The library sorts by key; what a scenario means depends on the order in which it was written.
  std::stable_sort(result.members.begin(), result.members.end(), [](const TomlMember& a, const TomlMember& b) {
    return std::tie(a.where.line, a.where.column) < std::tie(b.where.line, b.where.column);
  });
  return result;
}

TomlNode convert_array(const toml::array& array, const Places& places) {
  TomlNode result;
  std::vector<RawValue> elements;
  bool tables = !array.empty();
  std::string text = "[";
  for (const toml::node& element : array) {
    TomlNode child = convert(element, places);
    text += (elements.empty() ? "" : ", ") + child.value.text;
    tables = tables && child.kind == TomlNode::Kind::Table;
    elements.push_back(child.value);
    result.tables.push_back(std::move(child));
  }
  result.kind = tables ? TomlNode::Kind::TableArray : TomlNode::Kind::Leaf;
  if (!tables) result.tables.clear();
  result.value.kind = tables ? "an array of tables" : "an array";
  result.value.text = text + "]";
  result.value.data = std::move(elements);
  return result;
}

TomlNode convert(const toml::node& node, const Places& places) {
  TomlNode result;
  if (const toml::table* table = node.as_table()) {
    result = convert_table(*table, places);
  } else if (const toml::array* array = node.as_array()) {
    result = convert_array(*array, places);
  } else if (const auto* flag = node.as_boolean()) {
    result.value.data = flag->get();
    result.value.kind = "a boolean";
    result.value.text = flag->get() ? "true" : "false";
  } else if (const auto* integer = node.as_integer()) {
    result.value.data = integer->get();
    result.value.kind = "an integer";
    result.value.text = std::to_string(integer->get());
  } else if (const auto* number = node.as_floating_point()) {
    result.value.data = number->get();
    result.value.kind = "a decimal number";
    result.value.text = float_text(number->get());
  } else if (const auto* text = node.as_string()) {
    result.value.data = text->get();
    result.value.kind = "a string";
    result.value.text = quote(text->get());
  } else {
    std::ostringstream written;
    node.visit([&](const auto& value) {
      if constexpr (toml::is_date<decltype(value)> || toml::is_time<decltype(value)> ||
                    toml::is_date_time<decltype(value)>) {
        written << value.get();
      }
    });
    result.value.kind = "a date or time";
    result.value.text = written.str();
  }
  result.value.where = places.of(node.source());
  return result;
}

}  // namespace

TomlNode parse_toml(std::string_view text, const std::string& source) {
  try {
    return convert(toml::parse(text, source), Places(source));
  } catch (const toml::parse_error& error) {
    const toml::source_position place = error.source().begin;
    throw ConfigError({source, place.line, place.column}, "not valid TOML: " + std::string(error.description()));
  }
}

std::optional<TomlNode> parse_toml_node(std::string_view text, const Location& where) {
  try {
    const toml::table document = toml::parse("value = " + std::string(text));
    if (document.size() != 1) return std::nullopt;  // `text` brought keys of its own
    return convert(*document.get("value"), Places(where));
  } catch (const toml::parse_error&) {
    return std::nullopt;
  }
}

std::optional<RawValue> parse_toml_value(std::string_view text, const Location& where) {
  const std::optional<TomlNode> node = parse_toml_node(text, where);
  if (!node || node->kind != TomlNode::Kind::Leaf) return std::nullopt;
  return node->value;
}

}  // namespace iommu::platform
