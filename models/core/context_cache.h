// The context cache: what the context structures resolved to, by requester.
//
// What it does: find, fill, invalidate by scope, count. What it does not do: cache entries that fault (allowed, but
// never obliged).
#pragma once

#include "models/core/address_space.h"
#include "models/core/invalidation.h"
#include "models/core/tlb_array.h"

namespace iommu::core {

struct ContextCacheCounters {
  std::uint64_t lookups = 0;
  std::uint64_t hits = 0;
  std::uint64_t fills = 0;
  std::uint64_t invalidated = 0;
};

class ContextCache {
 public:
  /// Fully associative, LRU; 0 entries switch it off.
  explicit ContextCache(std::uint32_t entries) : array_(1, entries, Replacement::Lru) {}

  [[nodiscard]] const AddressSpace* find(RequesterId requester) {
    ++counters_.lookups;
    if (requester == last_) {
      ++counters_.hits;
      return &array_.last_used().space;
    }
    return find_anywhere(requester);
  }
  [[nodiscard]] const AddressSpace* peek(RequesterId requester) const {
    if (requester == last_) return &array_.last_used().space;
    const Entry* entry = array_.peek(key(requester), 0);
    return entry == nullptr ? nullptr : &entry->space;
  }
  /// Counts a look-up that has found what peek() has found.
  void use(RequesterId requester) {
    if (requester != last_) return static_cast<void>(find(requester));
    ++counters_.lookups;
    ++counters_.hits;
  }
  void fill(RequesterId requester, const AddressSpace& space) {
    if (array_.capacity() == 0) return;
    last_ = kNone;
    array_.insert(key(requester), 0, {space, requester});
    ++counters_.fills;
  }
  std::size_t invalidate(const ContextScope& scope) {
    last_ = kNone;
    const std::size_t gone = array_.erase_if(
        [&](std::uint64_t, const Entry& entry) { return scope.covers(entry.space.domain, entry.requester); });
    counters_.invalidated += gone;
    return gone;
  }
  [[nodiscard]] const ContextCacheCounters& counters() const { return counters_; }
  void restart_counters() { counters_ = ContextCacheCounters(); }

 private:
  struct Entry {
    AddressSpace space;
    RequesterId requester = 0;
  };
  [[gnu::noinline]] const AddressSpace* find_anywhere(RequesterId requester) {
    const Entry* entry = array_.find(key(requester), 0);
    if (entry == nullptr) return nullptr;
    ++counters_.hits;
    last_ = requester;
    return &entry->space;
  }
  [[nodiscard]] static std::uint64_t key(RequesterId requester) { return 0x10000u | std::uint64_t{requester}; }

  // Whose entry the last look-up found, until anything changes.
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::uint32_t last_ = kNone;

  TlbArray<Entry> array_;
  ContextCacheCounters counters_;
};

}  // namespace iommu::core
