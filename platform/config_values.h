// A Config as a flat list of keys and values.
//
// Does: feed comparison, TOML and JSON. Does not: read.
#pragma once

#include <string>
#include <vector>

#include "platform/config.h"
#include "platform/parameters.h"

namespace iommu::platform {

struct ConfigValue {
  std::string key;  ///< dotted, with instance names
  const Parameter* parameter = nullptr;
  Value value;
  bool applies = true;      ///< its conditions hold
  std::string unmet_key;    ///< otherwise: the first condition that doesn't, as a dotted key...
  std::string unmet_wish;   ///< ... what it would have to be, in words...
  std::string unmet_found;  ///< ... and the value that it has
};

/// All values in the order of visit_config.
[[nodiscard]] std::vector<ConfigValue> values_of(const Config& config);

}  // namespace iommu::platform
