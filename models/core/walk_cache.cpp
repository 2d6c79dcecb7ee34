#include "models/core/walk_cache.h"

namespace iommu::core {

WalkCache::WalkCache(const WalkCacheConfig& config) {
  for (unsigned level = 0; level <= kMaxLevels; ++level) {
    by_level_.emplace_back(level >= 2 ? 1u : 0u, config.entries[level], Replacement::Lru);
  }
}

std::optional<WalkStart> WalkCache::find(const AddressSpace& space, Address input) {
  ++counters_.lookups;
  for (unsigned level = 2; level <= space.levels; ++level) {
    if (by_level_[level].size() == 0) continue;
    if (const Entry* entry = by_level_[level].find(key(space.domain, input, level), 0)) {
      ++counters_.hits[level];
      return entry->start;
    }
  }
  return std::nullopt;
}

std::optional<WalkStart> WalkCache::peek(const AddressSpace& space, Address input) const {
  for (unsigned level = 2; level <= space.levels; ++level) {
    if (by_level_[level].size() == 0) continue;
    if (const Entry* entry = by_level_[level].peek(key(space.domain, input, level), 0)) return entry->start;
  }
  return std::nullopt;
}

void WalkCache::fill(const AddressSpace& space, Address input, const WalkStart& start) {
  const unsigned level = start.level + 1u;
  if (by_level_[level].capacity() == 0) return;
  by_level_[level].insert(key(space.domain, input, level), 0, {start, input & ~(level_bytes(level) - 1), space.domain});
  ++counters_.fills;
}

std::size_t WalkCache::invalidate(const TranslationScope& scope) {
  std::size_t gone = 0;
  for (unsigned level = 2; level <= kMaxLevels; ++level) {
    gone += by_level_[level].erase_if([&](std::uint64_t, const Entry& entry) {
      return scope.covers_structure(entry.domain, entry.begin, level_bytes(level));
    });
  }
  counters_.invalidated += gone;
  return gone;
}

}  // namespace iommu::core
