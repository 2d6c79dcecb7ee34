#include "platform/validation/experiments.h"

namespace iommu::platform::validation {

std::vector<Experiment> all_experiments(Form form) {
  return {pcie_link_rates(form), one_walk_per_superpage(form), read_bandwidth(form), write_bandwidth(form)};
}

}  // namespace iommu::platform::validation
