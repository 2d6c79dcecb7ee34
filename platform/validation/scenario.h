// A scenario that an experiment makes: a machine's preset, and the keys that differ from it.
//
// What it does: hold keys in the order in which they were set, write itself as a scenario file. What it does not do: check
// keys or values; the run does, as with any scenario.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace iommu::platform::validation {

class Scenario {
 public:
  Scenario() = default;
  /// `preset`: a file of configs/presets without its ".toml".
  explicit Scenario(std::string preset) : preset_(std::move(preset)) {}

  /// This scenario with one more key; a key that is there already gets the new value.
  [[nodiscard]] Scenario with(const std::string& key, const std::string& text) const;
  [[nodiscard]] Scenario with(const std::string& key, const char* text) const { return with(key, std::string(text)); }
  [[nodiscard]] Scenario with(const std::string& key, double number) const;
  template <class T, class = std::enable_if_t<std::is_integral_v<T>>>
  [[nodiscard]] Scenario with(const std::string& key, T value) const {
    if constexpr (std::is_same_v<T, bool>) return with_toml(key, value ? "true" : "false");
    return with_toml(key, std::to_string(value));
  }

  /// As a file; equal scenarios give equal text.
  [[nodiscard]] std::string to_toml() const;
  [[nodiscard]] const std::string& preset() const { return preset_; }

 private:
  [[nodiscard]] Scenario with_toml(const std::string& key, std::string value) const;

  std::string preset_;
  std::vector<std::pair<std::string, std::string>> keys_;  // dotted key and value, as TOML
};

}  // namespace iommu::platform::validation
