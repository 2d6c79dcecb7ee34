// The IOTLB's contents: translations of pages of several sizes in one set-associative array.
//
// What it does: looks a translation up by requester and address at every page size that is present, fills, invalidates
// by scope, counts. What it does not do: time beyond an entry's `ready_at`, ports, or modules (models/tlm).
#pragma once

#include <array>
#include <cstdint>

#include "models/core/invalidation.h"
#include "models/core/outcome.h"
#include "models/core/page_format.h"
#include "models/core/tlb_array.h"

namespace iommu::core {

struct IotlbConfig {
  std::uint32_t sets = 1;  ///< power of two; 0 switches the IOTLB off
  std::uint32_t ways = 128;
  Replacement policy = Replacement::Lru;
};

struct IotlbEntry {
  Mapping mapping;
  Tick ready_at = 0;            ///< the walk that fills it ends then: a look-up before that waits
  std::uint8_t leaf_level = 1;  ///< of the leaf it comes from: more than mapping.level for a piece of a large page
  std::uint64_t serial = 0;     ///< its own; IotlbArray gives it
};

/// An entry as somebody has found it: good until it is removed or filled anew. By default no entry's.
struct IotlbRef {
  std::uint32_t place = 0;
  std::uint64_t serial = kNone;
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  [[nodiscard]] bool found() const { return serial != kNone; }
};

struct IotlbCounters {
  std::uint64_t lookups = 0;
  std::uint64_t hits = 0;
  std::uint64_t merged = 0;  ///< look-ups of a page whose walk was under way
  std::uint64_t misses = 0;
  std::uint64_t fills = 0;
  std::uint64_t evictions = 0;
  std::uint64_t invalidated = 0;  ///< entries removed by invalidations
  std::array<std::uint64_t, kMaxLevels + 1> hits_by_level{};
};

class IotlbArray {
 public:
  explicit IotlbArray(const IotlbConfig& config) : config_(config), array_(config.sets, config.ways, config.policy) {}

  /// As new, but for the counters.
  void clear();

  /// The entry for this requester and input address (below 2^57), or nullptr. Counts a use for replacement, nothing
  /// else.
  [[nodiscard]] const IotlbEntry* find(RequesterId tag, Address input) {
    const IotlbEntry* last = find_last(tag, input);
    if (last != nullptr) return last;
    return levels_ == kSmallOnly ? find_of_level(tag, input, 1) : find_of_any_level(tag, input);
  }
  /// True when find() would find nothing. When it would, nothing has happened.
  [[nodiscard]] bool misses(RequesterId tag, Address input) {
    return levels_ == kSmallOnly ? array_.misses(key(tag, input, 1), set(input, 1)) : misses_all(tag, input);
  }
  /// The same where one look is enough; false, with nothing changed, when it takes a closer one.
  [[nodiscard]] bool misses_at_once(RequesterId tag, Address input) {
    return levels_ == kSmallOnly && array_.misses_at_once(key(tag, input, 1), set(input, 1));
  }
  /// As find() where the last look-up that found something found it too, which is most often so; otherwise nullptr.
  [[nodiscard]] const IotlbEntry* find_last(RequesterId tag, Address input) const {
    return last_tag_ == tag && ((input ^ last_page_) & last_mask_) == 0 ? &array_.last_used() : nullptr;
  }
  /// The entry that find() or find_last() has just found.
  [[nodiscard]] IotlbRef last_found() const { return {array_.place_of_last_used(), array_.last_used().serial}; }
  /// The entry that find() found then, without a search; nullptr when it is no longer there, or no longer the one that
  /// find() would find.
  [[nodiscard]] const IotlbEntry* find_again(IotlbRef ref) {
    const IotlbEntry& entry = array_.at(ref.place);
    if (entry.serial != ref.serial) return nullptr;
    return &entry;
  }
  /// Of an entry that find_again() finds.
  [[nodiscard]] unsigned level_of(IotlbRef ref) const { return array_.at(ref.place).mapping.level; }
  /// Counts its use, as find() does.
  void use_again(IotlbRef ref) {
    if (array_.place_of_last_used() != ref.place) use_another(ref.place);
  }
  /// The same without a trace, for probes.
  [[nodiscard]] const IotlbEntry* peek(RequesterId tag, Address input) const;

  void fill(RequesterId tag, const Mapping& mapping, Tick ready_at);
  /// Keeps only the 4 KiB around `input` of a mapping of any size. An invalidation that touches the leaf anywhere takes
  /// all pieces of it away, as it would the whole.
  void fill_piece(RequesterId tag, Address input, const Mapping& mapping, Tick ready_at);

  /// Removes what the scope covers; returns how many entries went.
  std::size_t invalidate(const TranslationScope& scope);

  [[nodiscard]] std::size_t size() const { return array_.size(); }
  [[nodiscard]] std::size_t capacity() const { return array_.capacity(); }

  IotlbCounters counters;  ///< kept by the owner for look-ups, by this class for fills, evictions and invalidations

 private:
  static constexpr unsigned kLargestLeafLevel = 3;

  static constexpr unsigned kSmallOnly = 1u << 1;  // of levels_

  [[nodiscard]] bool misses_all(RequesterId tag, Address input) const { return peek(tag, input) == nullptr; }
  [[nodiscard]] const IotlbEntry* find_of_any_level(RequesterId tag, Address input);
  [[nodiscard]] const IotlbEntry* find_of_level(RequesterId tag, Address input, unsigned level) {
    const IotlbEntry* entry = array_.find(key(tag, input, level), set(input, level));
    if (entry != nullptr) note_last(tag, input);
    return entry;
  }
  // Next to what has been found, in the same large page, a smaller one may go first.
  void note_last(RequesterId tag, Address input) {
    const auto smallest = static_cast<unsigned>(__builtin_ctz(levels_));
    last_tag_ = tag;
    last_mask_ = ~(level_bytes(smallest) - 1);
    last_page_ = input & last_mask_;
  }
  // Not inlined, so that the usual case stays small where it is.
  [[gnu::noinline]] void use_another(std::uint32_t place) {
    array_.use_at(place);
    last_tag_ = kNone;
  }
  void put(IotlbEntry& entry, const Mapping& mapping, Tick ready_at, std::uint8_t leaf_level) {
    entry.mapping = mapping;
    entry.ready_at = ready_at;
    entry.leaf_level = leaf_level;
    entry.serial = ++serial_;
    ++counters.fills;
  }
  [[gnu::noinline]] void insert(RequesterId tag, const Mapping& mapping, Tick ready_at, std::uint8_t leaf_level);
  void lost(unsigned level) {
    if (--entries_of_level_[level] == 0) levels_ &= ~(1u << level);
  }
  void rename_larger(RequesterId tag, Address input, unsigned level);

  // bit 63 valid, 62:61 level - 1, 60:45 tag, 44:0 page number at 4 KiB granularity divided by the page's size
  [[nodiscard]] static std::uint64_t key(RequesterId tag, Address input, unsigned level) {
    return (std::uint64_t{1} << 63) | (std::uint64_t{level - 1} << 61) | (std::uint64_t{tag} << 45) |
           ((input >> level_shift(level)) & low_mask(45));
  }
  [[nodiscard]] static std::uint64_t set(Address input, unsigned level) { return input >> level_shift(level); }

  // Where the last look-up that found something would find the same again, until anything changes.
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::uint32_t last_tag_ = kNone;
  Address last_page_ = 0;
  std::uint64_t last_mask_ = 0;

  IotlbConfig config_;
  TlbArray<IotlbEntry> array_;
  std::array<std::size_t, 4> entries_of_level_{};
  unsigned levels_ = 0;       // a bit for each that is present: others are not looked for
  std::uint64_t serial_ = 0;  // the last one given; entries that are gone have 0
};

}  // namespace iommu::core
