#include "platform/validation/experiments.h"

namespace iommu::platform::validation {

std::vector<Experiment> all_experiments(Form form) { return {pcie_link_rates(form)}; }

}  // namespace iommu::platform::validation
