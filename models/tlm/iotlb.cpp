#include "models/tlm/iotlb.h"

#include <algorithm>

namespace iommu::sim {

Iotlb::Iotlb(sc_core::sc_module_name name, const IotlbModuleConfig& config)
    : sc_module(name), config_(config), array_(config.array), ports_(config.ports) {}

IotlbAnswer Iotlb::lookup(core::RequesterId tag, core::Address input, core::Tick now, bool walk_under_way) {
  const core::Tick start = ports_.reserve(std::max(now, occupied_until_), config_.cycle);
  const core::Tick looked_up = start + config_.latency;
  core::IotlbCounters& counters = array_.counters;
  ++counters.lookups;
  const core::IotlbEntry* entry = array_.find(tag, input);
  if (entry == nullptr) {
    ++(walk_under_way ? counters.merged : counters.misses);
    return {IotlbAnswer::Kind::Miss, start, looked_up, looked_up, {}};
  }
  if (entry->ready_at > looked_up) {
    ++counters.merged;
    return {IotlbAnswer::Kind::Merged, start, looked_up, entry->ready_at, entry->mapping};
  }
  ++counters.hits;
  ++counters.hits_by_level[entry->mapping.level];
  return {IotlbAnswer::Kind::Hit, start, looked_up, looked_up, entry->mapping};
}

std::optional<core::Mapping> Iotlb::peek(core::RequesterId tag, core::Address input) const {
  const core::IotlbEntry* entry = array_.peek(tag, input);
  if (entry == nullptr) return std::nullopt;
  return entry->mapping;
}

void Iotlb::fill(core::RequesterId tag, core::Address input, const core::Mapping& mapping, core::Tick ready_at) {
  if (config_.superpage_pieces) {
    array_.fill_piece(tag, input, mapping, ready_at);
  } else {
    array_.fill(tag, mapping, ready_at);
  }
}

void Iotlb::invalidate(const core::TranslationScope& scope) { array_.invalidate(scope); }

void Iotlb::occupy(core::Tick now, core::Tick ticks) {
  if (ticks != 0) occupied_until_ = std::max(now, occupied_until_) + ticks;
}

void Iotlb::clear() {
  const core::IotlbCounters counters = array_.counters;
  array_ = core::IotlbArray(config_.array);
  array_.counters = counters;
}

}  // namespace iommu::sim
