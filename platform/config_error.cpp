#include "platform/config_error.h"

namespace iommu::platform {

std::string Location::text() const {
  if (line == 0) return source;
  return source + ":" + std::to_string(line) + ":" + std::to_string(column);
}

ConfigError::ConfigError(const Location& where, const std::string& message)
    : std::runtime_error(where.source.empty() ? message : where.text() + ": " + message) {}

void Problems::throw_if_any() const {
  if (messages_.empty()) return;
  std::string all;
  for (const std::string& message : messages_) {
    if (!all.empty()) all += '\n';
    all += message;
  }
  throw ConfigError(all);
}

}  // namespace iommu::platform
