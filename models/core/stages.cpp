#include "models/core/stages.h"

namespace iommu::core {

const char* stage_name(Stage stage) {
  static constexpr const char* kNames[kStageCount] = {
      "issue_wait",   "upstream",       "link_wait",    "link_wire",       "link_latency",
      "root_complex", "context_cache",  "context_read", "iotlb_port_wait", "iotlb",
      "merge_wait",   "walk_slot_wait", "walk_cache",   "walk_level_5",    "walk_level_4",
      "walk_level_3", "walk_level_2",   "walk_level_1", "walk_reply",      "memory_wait",
      "order_wait",   "split_wait",     "downstream",   "downstream_wait", "retry"};
  return kNames[static_cast<std::size_t>(stage)];
}

const char* outcome_name(OutcomeClass outcome) {
  static constexpr const char* kNames[kOutcomeCount] = {"untranslated", "pass_through", "hit",    "merged", "walk_1",
                                                        "walk_2",       "walk_3",       "walk_4", "walk_5", "fault"};
  return kNames[static_cast<std::size_t>(outcome)];
}

}  // namespace iommu::core
