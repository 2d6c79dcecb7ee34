// What parameters demand of each other.
#pragma once

#include "models/core/pcie.h"
#include "platform/config.h"

namespace iommu::platform {

/// Adds a problem for each contradiction between values of `config`, all of which are in their own ranges.
void check_config(const Config& config, Problems& problems);

/// The part of a device's link that is arithmetic.
[[nodiscard]] core::PcieConfig pcie_of(const LinkConfig& link);

}  // namespace iommu::platform
