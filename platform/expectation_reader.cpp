#include "platform/expectation_reader.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace iommu::platform {

namespace {

std::string key_of(const std::vector<std::string>& path) {
  std::string key = "expect";
  for (const std::string& part : path) key += "." + part;
  return key;
}

class ExpectationReader {
 public:
  ExpectationReader(std::vector<Expectation>& expectations, Problems& problems)
      : expectations_(expectations), problems_(problems) {}

  void read(const TomlNode& node, const Location& key_where) {
    if (node.kind != TomlNode::Kind::Table) {
      Expectation expectation{path_, literal(node), {}, {}, key_where};
      if (expectation.equal) add(std::move(expectation));
    } else if (!path_.empty() && has_bounds(node)) {
      read_bounds(node, key_where);
    } else if (node.members.empty() && !path_.empty()) {
      problems_.add(node.value.where, key_of(path_) + " = {}: empty; allowed: a literal or { min = ..., max = ... }");
    } else {
      for (const TomlMember& member : node.members) {
        path_.push_back(member.key);
        read(member.node.front(), member.where);
        path_.pop_back();
      }
    }
  }

 private:
  static bool has_bounds(const TomlNode& table) {
    return std::any_of(table.members.begin(), table.members.end(), [](const TomlMember& member) {
      return member.key == "min" || member.key == "max" || member.key == "equal";
    });
  }

  std::optional<ExpectedValue> literal(const TomlNode& node) {
    if (const auto* flag = std::get_if<bool>(&node.value.data)) return *flag;
    if (const auto* integer = std::get_if<std::int64_t>(&node.value.data)) return *integer;
    if (const auto* number = std::get_if<double>(&node.value.data); number != nullptr && std::isfinite(*number))
      return *number;
    if (const auto* text = std::get_if<std::string>(&node.value.data)) return *text;
    problems_.add(node.value.where, key_of(path_) + " = " + node.value.text + ": wrong type, " + node.value.kind +
                                        "; allowed: a number, string or boolean, or { min = ..., max = ... }");
    return std::nullopt;
  }

  std::optional<double> bound(const TomlMember& member) {
    const RawValue& value = member.node.front().value;
    if (const auto* integer = std::get_if<std::int64_t>(&value.data)) return static_cast<double>(*integer);
    if (const auto* number = std::get_if<double>(&value.data); number != nullptr && std::isfinite(*number))
      return *number;
    problems_.add(value.where, key_of(path_) + "." + member.key + " = " + value.text + ": wrong type, " + value.kind +
                                   "; allowed: a number");
    return std::nullopt;
  }

  void read_bounds(const TomlNode& table, const Location& key_where) {
    Expectation expectation{path_, {}, {}, {}, key_where};
    bool fine = true;
    for (const TomlMember& member : table.members) {
      if (member.key == "equal") {
        expectation.equal = literal(member.node.front());
        fine = fine && expectation.equal;
      } else if (member.key == "min" || member.key == "max") {
        auto& target = member.key == "min" ? expectation.min : expectation.max;
        target = bound(member);
        fine = fine && target;
      } else {
        fine = false;
        problems_.add(member.where, "unknown key \"" + key_of(path_) + "." + member.key +
                                        "\"; allowed beside each other: min, max, equal");
      }
    }
    if (fine && expectation.equal && (expectation.min || expectation.max)) {
      problems_.add(key_where, key_of(path_) + ": equal stands alone, without min and max");
    } else if (fine && expectation.min && expectation.max && *expectation.min > *expectation.max) {
      problems_.add(key_where, key_of(path_) + ": min is larger than max");
    } else if (fine) {
      add(std::move(expectation));
    }
  }

  void add(Expectation expectation) {
    for (Expectation& other : expectations_) {
      if (other.path == expectation.path) {
        other = std::move(expectation);
        return;
      }
      const std::size_t common = std::min(other.path.size(), expectation.path.size());
      if (std::equal(other.path.begin(), other.path.begin() + static_cast<std::ptrdiff_t>(common),
                     expectation.path.begin())) {
        problems_.add(expectation.where, key_of(expectation.path) + ": can't stand beside " + key_of(other.path) +
                                             " (" + other.where.text() + "), one path begins with the other");
        return;
      }
    }
    expectations_.push_back(std::move(expectation));
  }

  std::vector<Expectation>& expectations_;
  Problems& problems_;
  std::vector<std::string> path_;
};

}  // namespace

void read_expectations(const TomlNode& table, std::vector<Expectation>& expectations, Problems& problems) {
  if (table.kind == TomlNode::Kind::Table) {
    ExpectationReader(expectations, problems).read(table, table.value.where);
  } else {
    problems.add(table.value.where, "expect = " + table.value.text + ": wrong type, " + table.value.kind +
                                        "; allowed: a table of paths into result.json");
  }
}

}  // namespace iommu::platform
