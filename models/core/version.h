// The version of the models, as results and `iommu-vp --version` show it.
#pragma once

namespace iommu::core {

/// Semantic version of this source tree, for example "0.1.0".
[[nodiscard]] const char* version();

}  // namespace iommu::core
