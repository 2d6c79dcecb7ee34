#include "models/core/version.h"

namespace iommu::core {

const char* version() { return "0.1.0"; }

}  // namespace iommu::core
