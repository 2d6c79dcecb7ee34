// A set-associative array of 64-bit keys with a replacement policy: the storage of every cache in the model.
//
// What it does: find, insert with eviction, erase by predicate, deterministic replacement. What it does not do: know
// what a key means, time, or statistics.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace iommu::core {

enum class Replacement : std::uint8_t {
  Lru,     ///< least recently used
  Fifo,    ///< oldest insertion
  Random,  ///< pseudo-random (xorshift64), the same sequence in every run
  Plru,    ///< tree of one bit per pair; ways must be a power of two
};

template <class Data>
class TlbArray {
 public:
  /// `sets` is a power of two; `ways` at least 1, a power of two for Plru; `sets` = 0 or `ways` = 0 makes an array that
  /// never holds.
  TlbArray(std::uint32_t sets, std::uint32_t ways, Replacement policy)
      : sets_(ways == 0 ? 0 : sets),
        ways_(sets == 0 ? 0 : ways),
        policy_(policy),
        entries_(std::size_t{sets_} * ways_),
        data_(entries_.size() + 1),
        set_states_(sets_) {
    if (ways_ > kScannedWays) {
      unsigned bits = 1;
      while ((std::size_t{1} << bits) < 4 * entries_.size()) ++bits;
      index_shift_ = 64 - bits;
      index_mask_ = (std::size_t{1} << bits) - 1;
      index_.resize(index_mask_ + 1, kNone);
    }
  }

  [[nodiscard]] std::size_t capacity() const { return entries_.size(); }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// The entry of this key in set `set` modulo the number of sets, counted as used; nullptr when absent. Key 0 is not
  /// allowed.
  [[nodiscard]] Data* find(std::uint64_t key, std::uint64_t set) {
    const std::uint32_t i = find_way(key, set_of(set) * ways_);
    if (i == kNone) {
      note_missed(key, set);
      return nullptr;
    }
    touch(i);
    return &data_[i];
  }

  /// True when find() would find nothing. When it would, nothing has happened.
  [[nodiscard]] bool misses(std::uint64_t key, std::uint64_t set) {
    if (find_way(key, set_of(set) * ways_) != kNone) return false;
    note_missed(key, set);
    return true;
  }

  /// The entry that was used last; using it again changes nothing. Only after a find() that has found, and before an insert()
  /// or erase_if().
  [[nodiscard]] const Data& last_used() const { return data_[last_]; }
  /// Where that is, for use_at(). 0 is allowed there even when the array can't hold anything.
  [[nodiscard]] std::uint32_t place_of_last_used() const { return last_; }
  /// What stands at a place, whether or not it is still there.
  [[nodiscard]] const Data& at(std::uint32_t place) const { return data_[place]; }
  /// Counts a use of the entry at a place, which has to be there.
  void use_at(std::uint32_t place) { touch(place); }

  /// The same without counting as a use, for probes.
  [[nodiscard]] const Data* peek(std::uint64_t key, std::uint64_t set) const {
    const std::uint32_t i = find_way(key, set_of(set) * ways_);
    return i == kNone ? nullptr : &data_[i];
  }
  [[nodiscard]] Data* peek(std::uint64_t key, std::uint64_t set) {
    const std::uint32_t i = find_way(key, set_of(set) * ways_);
    return i == kNone ? nullptr : &data_[i];
  }

  /// What stood at a place that place_for() has found.
  enum class Before : std::uint8_t {
    Nothing,
    SameKey,
    Victim,  ///< another key, which had to go
  };
  struct Place {
    Data* data;
    Before before;
  };
  /// Makes the key's place, over one of the same key or else a free way or the policy's victim, and counts its use. The
  /// data there is still what stood there before: the caller writes its own over it. Not for an array that never holds.
  [[nodiscard]] Place place_for(std::uint64_t key, std::uint64_t set) {
    const std::uint32_t of_set = set_of(set);
    SetState& state = set_states_[of_set];
    // What a full set has just missed, most often. It is still not there.
    if (key != missed_ || of_set != missed_in_ || state.free_from != ways_ || !by_age())
      return place_for_any(key, of_set);
    missed_ = kEmpty;
    return {&data_[replace_oldest(key, of_set * ways_, state)], Before::Victim};
  }

  /// The same with the data. Returns true when another key had to go; `evicted` then gets its data.
  bool insert(std::uint64_t key, std::uint64_t set, const Data& data, Data* evicted = nullptr) {
    if (entries_.empty()) return false;
    const Place place = place_for(key, set);
    const bool displaced = place.before == Before::Victim;
    if (displaced && evicted != nullptr) *evicted = *place.data;
    *place.data = data;
    return displaced;
  }

  /// Removes every entry for which `gone(key, data)` is true; returns how many. What it leaves in the data stays there.
  template <class Predicate>
  std::size_t erase_if(Predicate gone) {
    if (size_ == 0) return 0;
    std::size_t erased = 0;
    for (std::uint32_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].key == kEmpty || !gone(entries_[i].key, data_[i])) continue;
      remove(i);
      ++erased;
    }
    return erased;
  }

 private:
  static constexpr std::uint64_t kEmpty = 0;
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  // Sets up to this size are searched way by way, larger ones by an index of all keys.
  static constexpr std::uint32_t kScannedWays = 8;

  struct SetState {
    // Lru and Fifo: the ends of its list by age.
    std::uint32_t newest = kNone;
    std::uint32_t oldest = kNone;
    std::uint32_t free_from = 0;  // the first way that is free
    std::uint64_t tree = 0;       // Plru
  };
  struct Entry {
    std::uint64_t key = kEmpty;
    // Lru and Fifo: its neighbours by age.
    std::uint32_t newer = kNone;
    std::uint32_t older = kNone;
  };

  [[nodiscard]] std::uint32_t set_of(std::uint64_t set) const { return static_cast<std::uint32_t>(set & (sets_ - 1)); }
  [[nodiscard]] std::uint32_t set_at(std::uint32_t i) const { return sets_ == 1 ? 0 : i / ways_; }
  [[nodiscard]] bool by_age() const { return policy_ == Replacement::Lru || policy_ == Replacement::Fifo; }

  [[nodiscard]] std::uint32_t find_way(std::uint64_t key, std::uint32_t base) const {
    if (index_mask_ != 0) {
      for (std::size_t place = place_of(key, base);; place = next(place)) {
        const std::uint32_t i = index_[place];
        if (i == kNone || (entries_[i].key == key && i - base < ways_)) return i;
      }
    }
    // The entry used last is most often the one asked for again.
    if (last_ - base < ways_ && entries_[last_].key == key) return last_;
    for (std::uint32_t i = base; i < base + ways_; ++i) {
      if (entries_[i].key == key) return i;
    }
    return kNone;
  }

  // --- The index: open addressing, a quarter full at most.

  [[nodiscard]] std::size_t place_of(std::uint64_t key, std::uint32_t base) const {
    return static_cast<std::size_t>(((key ^ base) * 0x9E3779B97F4A7C15U) >> index_shift_);
  }
  [[nodiscard]] std::size_t next(std::size_t place) const { return (place + 1) & index_mask_; }
  void index_add(std::uint32_t i, std::uint64_t key, std::uint32_t base) {
    if (index_mask_ == 0) return;
    std::size_t place = place_of(key, base);
    while (index_[place] != kNone) place = next(place);
    index_[place] = i;
  }
  void index_remove(std::uint32_t i, std::uint32_t base) {
    if (index_mask_ == 0) return;
    std::size_t gap = place_of(entries_[i].key, base);
    while (index_[gap] != i) gap = next(gap);
    if (index_[next(gap)] != kNone) gap = move_gap(gap);
    index_[gap] = kNone;
  }
  // Whoever comes after the gap and may stand in it moves there.
  [[gnu::noinline]] std::size_t move_gap(std::size_t gap) {
    for (std::size_t place = next(gap); index_[place] != kNone; place = next(place)) {
      const std::uint32_t i = index_[place];
      const std::size_t home = place_of(entries_[i].key, set_at(i) * ways_);
      if (((place - home) & index_mask_) < ((place - gap) & index_mask_)) continue;
      index_[gap] = i;
      gap = place;
    }
    return gap;
  }

  // --- Age: for each set a list from its newest entry to its oldest.

  void age_add(std::uint32_t i, SetState& state) {
    entries_[i].newer = kNone;
    entries_[i].older = state.newest;
    (state.newest == kNone ? state.oldest : entries_[state.newest].newer) = i;
    state.newest = i;
  }
  void age_remove(std::uint32_t i, SetState& state) {
    const Entry& entry = entries_[i];
    (entry.newer == kNone ? state.newest : entries_[entry.newer].older) = entry.older;
    (entry.older == kNone ? state.oldest : entries_[entry.older].newer) = entry.newer;
  }
  // The oldest is the newest from now on.
  void renew_oldest(SetState& state) {
    const std::uint32_t i = state.oldest;
    if (state.newest == i) return;
    Entry& entry = entries_[i];
    state.oldest = entry.newer;
    entries_[entry.newer].older = kNone;
    entries_[state.newest].newer = i;
    entry.newer = kNone;
    entry.older = state.newest;
    state.newest = i;
  }
  [[gnu::noinline]] void renew_any(std::uint32_t i) {
    SetState& state = set_states_[set_at(i)];
    age_remove(i, state);
    age_add(i, state);
  }

  void touch(std::uint32_t i) {
    if (last_ == i) return;
    last_ = i;
    if (policy_ == Replacement::Lru) {
      if (entries_[i].newer != kNone) renew_any(i);
    } else if (policy_ == Replacement::Plru) {
      plru_touch(set_states_[set_at(i)].tree, i - set_at(i) * ways_);
    }
  }

  // --- Ways

  [[gnu::noinline]] Place place_for_any(std::uint64_t key, std::uint32_t of_set) {
    const std::uint32_t base = of_set * ways_;
    missed_ = kEmpty;
    if (const std::uint32_t i = find_way(key, base); i != kNone) {
      touch(i);
      return {&data_[i], Before::SameKey};
    }
    SetState& state = set_states_[of_set];
    const bool full = state.free_from == ways_;
    if (full && by_age()) return {&data_[replace_oldest(key, base, state)], Before::Victim};
    const std::uint32_t i = full ? put_out_unaged(base, state) : take_free(base, state);
    put_in(i, key, base);
    return {&data_[i], full ? Before::Victim : Before::Nothing};
  }

  std::uint32_t replace_oldest(std::uint64_t key, std::uint32_t base, SetState& state) {
    const std::uint32_t i = state.oldest;
    renew_oldest(state);
    index_remove(i, base);
    put_in(i, key, base);
    return i;
  }
  void put_in(std::uint32_t i, std::uint64_t key, std::uint32_t base) {
    entries_[i].key = key;
    index_add(i, key, base);
    last_ = i;
  }

  void note_missed(std::uint64_t key, std::uint64_t set) {
    missed_ = key;
    missed_in_ = set_of(set);
  }

  void remove(std::uint32_t i) {
    const std::uint32_t base = set_at(i) * ways_;
    SetState& state = set_states_[set_at(i)];
    index_remove(i, base);
    if (by_age()) age_remove(i, state);
    entries_[i].key = kEmpty;
    --size_;
    state.free_from = std::min(state.free_from, i - base);
  }

  // The first free way of a set that has one.
  [[gnu::noinline]] std::uint32_t take_free(std::uint32_t base, SetState& state) {
    const std::uint32_t way = state.free_from;
    do ++state.free_from;
    while (state.free_from < ways_ && entries_[base + state.free_from].key != kEmpty);
    ++size_;
    if (by_age()) age_add(base + way, state);
    if (policy_ == Replacement::Plru) plru_touch(state.tree, way);
    return base + way;
  }

  // Random and Plru: the victim, which is no longer in the index.
  [[gnu::noinline]] std::uint32_t put_out_unaged(std::uint32_t base, SetState& state) {
    std::uint32_t way = 0;
    if (policy_ == Replacement::Plru) {
      way = plru_victim(state.tree);
      plru_touch(state.tree, way);
    } else {
      random_ ^= random_ << 13;
      random_ ^= random_ >> 7;
      random_ ^= random_ << 17;
      way = static_cast<std::uint32_t>(random_ % ways_);
    }
    index_remove(base + way, base);
    return base + way;
  }

  // A node's bit says which half was used longer ago: node 1 is the root, 2n and 2n+1 its children; up to 64 ways.
  [[nodiscard]] std::uint32_t plru_victim(std::uint64_t tree) const {
    std::uint32_t node = 1;
    while (node < ways_) node = 2 * node + ((tree >> node) & 1);
    return node - ways_;
  }
  void plru_touch(std::uint64_t& tree, std::uint32_t way) const {
    for (std::uint32_t node = way + ways_; node > 1; node /= 2) {
      const std::uint64_t bit = std::uint64_t{1} << (node / 2);
      tree = (node % 2) != 0 ? tree & ~bit : tree | bit;
    }
  }

  std::uint32_t sets_;
  std::uint32_t ways_;
  Replacement policy_;
  std::vector<Entry> entries_;
  std::vector<Data> data_;  // one more than entries, so that place 0 is always there
  std::vector<SetState> set_states_;
  std::vector<std::uint32_t> index_;
  std::size_t index_mask_ = 0;  // 0: there is no index
  unsigned index_shift_ = 0;
  std::uint64_t random_ = 0x9E3779B97F4A7C15;
  std::uint32_t last_ = kNone;
  std::uint64_t missed_ = kEmpty;  // a key that is not there, in this set
  std::uint32_t missed_in_ = 0;
  std::size_t size_ = 0;
};

}  // namespace iommu::core
