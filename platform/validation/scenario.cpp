#include "platform/validation/scenario.h"

#include <algorithm>

#include "platform/units.h"

namespace iommu::platform::validation {

Scenario Scenario::with(const std::string& key, const std::string& text) const { return with_toml(key, quote(text)); }

Scenario Scenario::with(const std::string& key, double number) const { return with_toml(key, number_text(number)); }

Scenario Scenario::with_toml(const std::string& key, std::string value) const {
  Scenario result = *this;
  const auto found = std::find_if(result.keys_.begin(), result.keys_.end(),
                                  [&](const std::pair<std::string, std::string>& entry) { return entry.first == key; });
  if (found != result.keys_.end()) {
    found->second = std::move(value);
  } else {
    result.keys_.emplace_back(key, std::move(value));
  }
  return result;
}

std::string Scenario::to_toml() const {
  std::string text;
  if (!preset_.empty()) text += "base = " + quote("presets/" + preset_ + ".toml") + "\n";
  for (const auto& [key, value] : keys_) text.append(key).append(" = ").append(value).append("\n");
  return text;
}

}  // namespace iommu::platform::validation
