#include "platform/validation/experiments.h"

namespace iommu::platform::validation {

std::vector<Experiment> all_experiments(Form form) {
  return {serial_latency(form),         superpages(form),     pcie_link_rates(form),
          one_walk_per_superpage(form), read_bandwidth(form), write_bandwidth(form),
          strict_protection(form),      iotlb_wall(form),     invalidation_policy(form)};
}

}  // namespace iommu::platform::validation
