// The paging-structure caches: for each level above the lowest, which table an entry of that level points to.
//
// What it does: finds the deepest cached table for an address, fills, invalidates by scope, counts. What it does not
// do: leaves (the IOTLB has them), time, reading tables.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/core/invalidation.h"
#include "models/core/tlb_array.h"
#include "models/core/walk.h"

namespace iommu::core {

struct WalkCacheConfig {
  /// Entries of the cache of each level, fully associative, LRU; 0 switches a level off. Index 2 caches the entries
  /// that point to tables of 4 KiB leaves; [0] and [1] are unused.
  std::array<std::uint32_t, kMaxLevels + 1> entries = {0, 0, 64, 32, 16, 8};
};

struct WalkCacheCounters {
  std::uint64_t lookups = 0;
  std::array<std::uint64_t, kMaxLevels + 1> hits{};  ///< by level of the entry found
  std::uint64_t fills = 0;
  std::uint64_t invalidated = 0;
};

class WalkCache {
 public:
  explicit WalkCache(const WalkCacheConfig& config);

  /// Where a walk of this input address can begin; nothing when no upper part is cached.
  [[nodiscard]] std::optional<WalkStart> find(const AddressSpace& space, Address input);
  /// The same without counting a use.
  [[nodiscard]] std::optional<WalkStart> peek(const AddressSpace& space, Address input) const;

  /// Remembers that the entry of level `start.level + 1` for this address leads to `start`.
  void fill(const AddressSpace& space, Address input, const WalkStart& start);

  std::size_t invalidate(const TranslationScope& scope);

  [[nodiscard]] const WalkCacheCounters& counters() const { return counters_; }
  void restart_counters() { counters_ = WalkCacheCounters(); }

 private:
  struct Entry {
    WalkStart start;
    Address begin = 0;  // first input byte that the entry serves
    std::uint32_t domain = 0;
  };
  [[nodiscard]] static std::uint64_t key(std::uint32_t domain, Address input, unsigned level) {
    return (std::uint64_t{1} << 63) | (std::uint64_t{domain & 0xFFFF} << 45) |
           ((input >> level_shift(level)) & low_mask(45));
  }

  std::vector<TlbArray<Entry>> by_level_;
  WalkCacheCounters counters_;
};

}  // namespace iommu::core
