// What parameters demand of each other.
#pragma once

#include "platform/config.h"

namespace iommu::platform {

/// Adds a problem for each contradiction between values of `config`, all of which are in their own ranges.
void check_config(const Config& config, Problems& problems);

}  // namespace iommu::platform
