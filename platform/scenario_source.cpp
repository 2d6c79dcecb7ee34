#include "platform/scenario_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "platform/expectation_reader.h"
#include "platform/preset_file.h"
#include "platform/suggest.h"
#include "platform/toml_reader.h"
#include "platform/units.h"

namespace iommu::platform {

namespace {

namespace fs = std::filesystem;

/// Throws std::string, the reason, when the file can't be read.
std::string read_text(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) throw std::string(std::strerror(EISDIR));
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::string(std::strerror(errno != 0 ? errno : EIO));
  std::ostringstream text;
  text << stream.rdbuf();
  if (stream.bad()) throw std::string(std::strerror(EIO));
  return text.str();
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
                              std::string::npos;
}

class Reader {
 public:
  explicit Reader(ScenarioSource& source) : source_(source) {}

  void read_file(const fs::path& path, const std::string& shown, const Location* named_at);
  void read_document(const std::string& text, const fs::path& directory, const std::string& shown);
  void apply_override(const std::string& text);
  void finish() const { problems_.throw_if_any(); }

 private:
  void read_bases(const TomlNode& base, const fs::path& directory);
  void take_top(const TomlMember& member);
  void take(const std::string& key, const TomlNode& node, const Location& key_where);
  void take_instances(const std::string& group, const TomlMember& member);
  void take_events(const TomlNode& node);
  bool add_instance(const std::string& group, const std::string& name, const Location& where);

  ScenarioSource& source_;
  Problems problems_;
  std::vector<std::pair<fs::path, std::string>> open_files_;  // from the scenario down to the present base
  fs::path directory_;
  int layer_ = 0;
  bool overriding_ = false;
};

void Reader::read_file(const fs::path& path, const std::string& shown, const Location* named_at) {
  // As a base: "file:1:8: base = "x.toml": ..."; as the scenario itself: "x.toml: ...".
  const auto refuse = [&](const std::string& what) {
    if (named_at == nullptr) throw ConfigError({shown, 0, 0}, what);
    throw ConfigError(*named_at, "base = " + quote(shown) + ": " + what);
  };
  std::error_code ignored;
  const fs::path identity = fs::weakly_canonical(path, ignored);
  for (auto open = open_files_.begin(); open != open_files_.end(); ++open) {
    if (open->first != identity) continue;
    std::string cycle;
    for (auto step = open; step != open_files_.end(); ++step) cycle += step->second + " -> ";
    refuse("the files name each other in a circle: " + cycle + shown);
  }
  std::string text;
  try {
    text = read_text(path);
  } catch (const std::string& reason) {
    refuse("can't be read: " + reason + (named_at == nullptr ? "" : known_presets(shown)));
  }
  open_files_.emplace_back(identity, shown);
  read_document(text, path.parent_path(), shown);
  open_files_.pop_back();
}

void Reader::read_document(const std::string& text, const fs::path& directory, const std::string& shown) {
  const TomlNode document = parse_toml(text, shown);
  for (const TomlMember& member : document.members) {
    if (member.key == "base") read_bases(member.node.front(), directory);
  }
  ++layer_;
  directory_ = directory;
  for (const TomlMember& member : document.members) take_top(member);
}

void Reader::read_bases(const TomlNode& base, const fs::path& directory) {
  const auto refuse = [](const RawValue& value) {
    throw ConfigError(
        value.where, "base = " + value.text + ": wrong type, " + value.kind + "; allowed: a path or an array of paths");
  };
  std::vector<RawValue> files{base.value};
  if (const auto* array = std::get_if<std::vector<RawValue>>(&base.value.data)) files = *array;
  for (const RawValue& file : files) {
    const auto* name = std::get_if<std::string>(&file.data);
    if (name == nullptr) refuse(base.value);
    const fs::path written = (directory / *name).lexically_normal();
    read_file(find_base_file(directory, *name), written.generic_string(), &file.where);
  }
}

void Reader::take_top(const TomlMember& member) {
  const TomlNode& node = member.node.front();
  if (member.key == "base") {
    if (overriding_) problems_.add(member.where, "base can stand in a file only");
  } else if (member.key == "expect") {
    read_expectations(node, source_.expectations, problems_);
  } else if (member.key == "event" && !overriding_) {
    take_events(node);
  } else if (is_instance_group(member.key)) {
    take_instances(member.key, member);
  } else {
    take(member.key, node, member.where);
  }
}

void Reader::take(const std::string& key, const TomlNode& node, const Location& key_where) {
  if (const Parameter* parameter = find_parameter(key)) {
    source_.entries[key] = Entry{parameter, node.value, key_where, directory_, layer_};
  } else if (!is_parameter_table(key)) {
    problems_.add(key_where, "unknown key \"" + key + "\"" + suggest_key(key));
  } else if (node.kind != TomlNode::Kind::Table) {
    problems_.add(node.value.where,
                  key + " = " + node.value.text + ": wrong type, " + node.value.kind + "; allowed: a table");
  } else {
    for (const TomlMember& member : node.members) take(key + "." + member.key, member.node.front(), member.where);
  }
}

bool Reader::add_instance(const std::string& group, const std::string& name, const Location& where) {
  const std::vector<std::string> names = source_.names_of(group);
  if (std::find(names.begin(), names.end(), name) != names.end()) return true;
  if (overriding_) {
    // A name that appears here only would be a typing mistake that goes unnoticed; the default IOMMU needs no table.
    if (group != "iommu" || name != "0" || !names.empty()) {
      problems_.add(where, "there is no " + group + " \"" + name + "\"" + did_you_mean(name, names));
      return false;
    }
  } else if (!is_plain_name(name)) {
    problems_.add(where, "the name " + quote(name) + " of " + (group == "iommu" ? "an " : "a ") + group +
                             " is not allowed; a name has letters, digits, _ and - only");
    return false;
  }
  source_.instances.push_back({group, name, where});
  return true;
}

void Reader::take_instances(const std::string& group, const TomlMember& member) {
  const TomlNode& node = member.node.front();
  if (node.kind != TomlNode::Kind::Table) {
    problems_.add(node.value.where, group + " = " + node.value.text + ": wrong type, " + node.value.kind +
                                        "; allowed: named tables such as [" + group + ".0]");
    return;
  }
  for (const TomlMember& instance : node.members) {
    if (!add_instance(group, instance.key, instance.where)) continue;
    take(group + "." + instance.key, instance.node.front(), instance.where);
  }
}

void Reader::take_events(const TomlNode& node) {
  const auto* elements = std::get_if<std::vector<RawValue>>(&node.value.data);
  const bool empty = elements != nullptr && elements->empty();  // `event = []` takes away the events of a base
  if (node.kind != TomlNode::Kind::TableArray && !empty) {
    problems_.add(node.value.where, "event = " + node.value.text + ": wrong type, " + node.value.kind +
                                        "; allowed: an array of tables, [[event]]");
    return;
  }
  auto& entries = source_.entries;
  for (auto entry = entries.begin(); entry != entries.end();) {
    entry = entry->first.rfind("event.", 0) == 0 ? entries.erase(entry) : std::next(entry);
  }
  auto& instances = source_.instances;
  instances.erase(
      std::remove_if(instances.begin(), instances.end(), [](const Instance& i) { return i.group == "event"; }),
      instances.end());
  for (std::size_t i = 0; i < node.tables.size(); ++i) {
    const std::string name = std::to_string(i);
    add_instance("event", name, node.tables[i].value.where);
    take("event." + name, node.tables[i], node.tables[i].value.where);
  }
}

void Reader::apply_override(const std::string& text) {
  const Location where{"--set", 0, 0};
  const std::size_t equals = text.find('=');
  const std::string key = text.substr(0, equals);
  if (equals == std::string::npos || key.empty() || key.front() == '.' || key.back() == '.' ||
      key.find("..") != std::string::npos) {
    problems_.add(where, quote(text) + ": allowed: KEY=VALUE, such as memory.latency_ns=90");
    return;
  }
  const std::string value = text.substr(equals + 1);
  const Parameter* parameter = find_parameter(key);
  std::optional<TomlNode> node = parse_toml_node(value, where);
  const bool is_string = node && std::holds_alternative<std::string>(node->value.data);
  if (!node || (parameter != nullptr && is_text_type(parameter->type) && !is_string)) {
    node = parse_toml_node(quote(value), where);  // bare text
  }
  const std::vector<std::string> parts = split_key(key);
  for (auto part = parts.rbegin(); part + 1 != parts.rend(); ++part) {
    TomlNode table;
    table.kind = TomlNode::Kind::Table;
    table.value.kind = "a table";
    table.value.where = where;
    table.members.push_back({*part, where, {std::move(*node)}});
    node = std::move(table);
  }
  ++layer_;
  directory_.clear();
  overriding_ = true;
  take_top({parts.front(), where, {std::move(*node)}});
}

}  // namespace

std::vector<std::string> ScenarioSource::names_of(const std::string& group) const {
  std::vector<std::string> names;
  for (const Instance& instance : instances) {
    if (instance.group == group) names.push_back(instance.name);
  }
  return names;
}

ScenarioSource read_scenario_text(const std::string& text, const std::string& shown,
                                  const std::vector<std::string>& overrides) {
  ScenarioSource source;
  Reader reader(source);
  reader.read_document(text, {}, shown);
  for (const std::string& override_text : overrides) reader.apply_override(override_text);
  reader.finish();
  return source;
}

ScenarioSource read_scenario(const std::string& file, const std::vector<std::string>& overrides) {
  ScenarioSource source;
  Reader reader(source);
  reader.read_file(file, file, nullptr);
  for (const std::string& text : overrides) reader.apply_override(text);
  reader.finish();
  return source;
}

}  // namespace iommu::platform
