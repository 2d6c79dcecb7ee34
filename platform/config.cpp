#include "platform/config.h"

#include <cmath>
#include <set>
#include <type_traits>

#include "platform/config_checks.h"
#include "platform/config_fields.h"
#include "platform/config_values.h"
#include "platform/scenario_source.h"
#include "platform/units.h"

namespace iommu::platform {

namespace {

namespace fs = std::filesystem;

/// Stores a checked value in its field.
template <class T>
void assign(T& field, const Parameter& parameter, const Value& value) {
  if constexpr (std::is_enum_v<T>) {
    std::size_t index = 0;
    while (parameter.choices.at(index) != std::get<std::string>(value)) ++index;
    field = static_cast<T>(index);
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, double> ||
                       std::is_same_v<T, std::vector<unsigned>> || std::is_same_v<T, std::string>) {
    field = std::get<T>(value);
  } else if constexpr (std::is_integral_v<T>) {
    field = static_cast<T>(std::get<std::uint64_t>(value));
  } else {
    static_assert(std::is_same_v<T, NetworkAddress>);
    field = parse_network_address(std::get<std::string>(value)).value();
  }
}

/// A file named in `directory` by the scenario in `scenario_directory`.
InputFile input_file(const std::string& written, const fs::path& directory, const fs::path& scenario_directory) {
  const fs::path path = written;
  if (path.is_absolute() || directory == scenario_directory) return {written, directory / path};
  const fs::path shown =
      fs::absolute(directory / path)
          .lexically_normal()
          .lexically_relative(fs::absolute(scenario_directory / "scenario").lexically_normal().parent_path());
  return {shown.generic_string(), directory / path};
}

class Resolver {
 public:
  Resolver(Config& config, const ScenarioSource& source) : config_(config), source_(source) {}

  void resolve() {
    visit_config(config_, [this](const std::string& key, auto& field) { read(key, field); });
    problems_.throw_if_any();
    check_conditions();
    problems_.throw_if_any();
    assign_requesters();
    check_config(config_, problems_);
    problems_.throw_if_any();
  }

 private:
  template <class T>
  void read(const std::string& key, T& field) {
    const Parameter& parameter = *find_parameter(key);
    const auto entry = source_.entries.find(key);
    try {
      if (entry != source_.entries.end()) {
        const Value value = parse_value(parameter, key, entry->second.value);
        config_.locations[key] = entry->second.value.where;
        if constexpr (std::is_same_v<T, InputFile>) {
          field =
              input_file(std::get<std::string>(value), entry->second.directory, fs::path(config_.file).parent_path());
        } else {
          assign(field, parameter, value);
        }
      } else if constexpr (!std::is_same_v<T, InputFile>) {
        if (!parameter.fallback.empty()) assign(field, parameter, default_value(parameter));
      }
    } catch (const ConfigError& error) {
      problems_.add(error);
    }
  }

  [[nodiscard]] int layer_of(const std::string& key) const {
    const auto entry = source_.entries.find(key);
    return entry == source_.entries.end() ? -1 : entry->second.layer;
  }

  /// Refuses keys that would be read and ignored, and missing ones. A key of a lower layer is dropped quietly when a
  /// higher layer changes what it depends on: a base that sets stride_bytes must not keep `--set ...pattern=linear`
  /// from working.
  void check_conditions() {
    for (const ConfigValue& value : values_of(config_)) {
      const auto entry = source_.entries.find(value.key);
      if (entry == source_.entries.end()) {
        if (value.applies && value.parameter->required) {
          problems_.add(instance_location(value.key),
                        "missing key \"" + value.key + "\"; allowed: " + allowed_text(*value.parameter));
        }
      } else if (!value.unmet_key.empty()) {
        if (layer_of(value.key) >= layer_of(value.unmet_key)) {
          problems_.add(entry->second.key_where, value.key + " is for " + value.unmet_key + " " + value.unmet_wish +
                                                     " only, here it is " + quote(value.unmet_found));
        } else {
          config_.locations.erase(value.key);
        }
      }
    }
  }

  [[nodiscard]] Location instance_location(const std::string& key) const {
    const std::vector<std::string> parts = split_key(key);
    for (const Instance& instance : source_.instances) {
      if (parts.size() > 2 && instance.group == parts[0] && instance.name == parts[1]) return instance.where;
    }
    return {config_.file, 0, 0};
  }

  /// Devices without a requester get the next device number, function 0, that nobody asked for.
  void assign_requesters() {
    std::set<std::uint16_t> taken;
    for (const DeviceConfig& device : config_.devices) {
      if (source_.entries.count("device." + device.name + ".requester") != 0) taken.insert(device.requester);
    }
    std::uint16_t next = 3 << 3;
    for (DeviceConfig& device : config_.devices) {
      if (source_.entries.count("device." + device.name + ".requester") != 0) continue;
      while (taken.count(next) != 0) next = static_cast<std::uint16_t>(next + 8);
      device.requester = next;
      taken.insert(next);
    }
  }

  Config& config_;
  const ScenarioSource& source_;
  Problems problems_;
};

}  // namespace

namespace {

Config resolve(const std::string& file, const ScenarioSource& source) {
  Config config;
  config.file = file;
  for (const Instance& instance : source.instances) {
    config.locations[instance.group + "." + instance.name] = instance.where;
    if (instance.group == "iommu") config.iommus.emplace_back().name = instance.name;
    if (instance.group == "device") config.devices.emplace_back().name = instance.name;
    if (instance.group == "event") config.events.emplace_back();
  }
  if (config.iommus.empty()) config.iommus.emplace_back().name = "0";
  config.expectations = source.expectations;
  Resolver(config, source).resolve();
  if (config.name.empty()) config.name = fs::path(file).stem().string();
  return config;
}

}  // namespace

Config load_config(const std::string& file, const std::vector<std::string>& overrides) {
  return resolve(file, read_scenario(file, overrides));
}

Config load_config_text(const std::string& text, const std::string& name, const std::vector<std::string>& overrides) {
  return resolve(name, read_scenario_text(text, name, overrides));
}

Location Config::where(const std::string& key) const {
  for (std::string place = key;; place.resize(place.rfind('.'))) {
    const auto found = locations.find(place);
    if (found != locations.end()) return found->second;
    if (place.find('.') == std::string::npos) return {file, 0, 0};
  }
}

const IommuConfig* Config::find_iommu(const std::string& iommu_name) const {
  for (const IommuConfig& iommu : iommus) {
    if (iommu.name == iommu_name) return &iommu;
  }
  return nullptr;
}

const DeviceConfig* Config::find_device(const std::string& device_name) const {
  for (const DeviceConfig& device : devices) {
    if (device.name == device_name) return &device;
  }
  return nullptr;
}

bool operator==(const Config& a, const Config& b) {
  const std::vector<ConfigValue> left = values_of(a);
  const std::vector<ConfigValue> right = values_of(b);
  if (left.size() != right.size() || !(a.expectations == b.expectations)) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i].key != right[i].key || left[i].applies != right[i].applies) return false;
    if (left[i].applies && left[i].value != right[i].value) return false;
  }
  return true;
}

std::uint64_t to_picoseconds(double ns) { return static_cast<std::uint64_t>(std::llround(ns * 1000)); }

}  // namespace iommu::platform
