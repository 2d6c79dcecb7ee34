#include "models/tlm/iotlb.h"

#include <algorithm>

namespace iommu::sim {

Iotlb::Iotlb(sc_core::sc_module_name name, const IotlbModuleConfig& config)
    : sc_module(name), config_(config), array_(config.array), ports_(config.ports) {}

inline IotlbHit Iotlb::count_again(core::IotlbRef ref, core::Tick start) {
  core::IotlbCounters& counters = array_.counters;
  ++counters.lookups;
  ++counters.hits;
  ++counters.hits_by_level[array_.level_of(ref)];
  array_.use_again(ref);
  return {start, start + config_.latency};
}

IotlbHit Iotlb::hit_again(core::IotlbRef ref, core::Tick now) {
  const core::IotlbEntry* entry = array_.find_again(ref);
  if (entry == nullptr || entry->ready_at > now + config_.latency || now < occupied_until_) return {};
  if (!ports_.take_at_once(now, config_.cycle)) return hit_later(ref, now);
  return count_again(ref, now);
}

IotlbHit Iotlb::hit_later(core::IotlbRef ref, core::Tick now) {
  return count_again(ref, ports_.reserve(now, config_.cycle));
}

// From its start on.
inline core::Tick Iotlb::take_port(core::Tick now) {
  const core::Tick from = std::max(now, occupied_until_);
  return ports_.take_at_once(from, config_.cycle) ? from : wait_for_port(from);
}

IotlbAnswer Iotlb::lookup(core::RequesterId tag, core::Address input, core::Tick now, bool walk_under_way) {
  const core::Tick start = take_port(now);
  const core::Tick looked_up = start + config_.latency;
  core::IotlbCounters& counters = array_.counters;
  ++counters.lookups;
  const core::IotlbEntry* entry = array_.find(tag, input);
  if (entry == nullptr) {
    ++(walk_under_way ? counters.merged : counters.misses);
    return {IotlbAnswer::Kind::Miss, start, looked_up, looked_up, {}, {}};
  }
  if (entry->ready_at > looked_up) {
    ++counters.merged;
    return {IotlbAnswer::Kind::Merged, start, looked_up, entry->ready_at, entry->mapping, array_.last_found()};
  }
  ++counters.hits;
  ++counters.hits_by_level[entry->mapping.level];
  return {IotlbAnswer::Kind::Hit, start, looked_up, looked_up, entry->mapping, array_.last_found()};
}

inline IotlbMiss Iotlb::count_miss(core::Tick start) {
  ++array_.counters.lookups;
  ++array_.counters.misses;
  return {start, start + config_.latency};
}

// Mostly one look at the array is enough, and a port is free. Nothing here calls anything, which saves registers.
IotlbMiss Iotlb::miss(core::RequesterId tag, core::Address input, core::Tick now) {
  if (!array_.misses_at_once(tag, input)) return miss_otherwise(tag, input, now);
  const core::Tick from = std::max(now, occupied_until_);
  return ports_.take_at_once(from, config_.cycle) ? count_miss(from) : miss_later(from);
}

IotlbMiss Iotlb::miss_otherwise(core::RequesterId tag, core::Address input, core::Tick now) {
  if (!array_.misses(tag, input)) return {};
  return count_miss(take_port(now));
}

IotlbMiss Iotlb::miss_later(core::Tick from) { return count_miss(ports_.reserve(from, config_.cycle)); }

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

void Iotlb::clear() { array_.clear(); }

}  // namespace iommu::sim
