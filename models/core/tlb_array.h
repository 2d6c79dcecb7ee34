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
        by_age_(policy == Replacement::Lru || policy == Replacement::Fifo),
        entries_(std::size_t{sets_} * ways_),
        data_(entries_.size() + 1),
        set_states_(std::max(sets_, 1u)) {
    if (ways_ > kScannedWays) {
      unsigned bits = 1;
      while ((std::size_t{1} << bits) < 4 * entries_.size()) ++bits;
      index_shift_ = 64 - bits;
      index_mask_ = static_cast<std::uint32_t>((std::size_t{1} << bits) - 1);
      index_.resize(std::size_t{1} << bits, kNone);
      replaces_at_once_ = by_age_;
    }
  }

  [[nodiscard]] std::size_t capacity() const { return entries_.size(); }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// The entry of this key in set `set` modulo the number of sets, counted as used; nullptr when absent. Key 0 is not
  /// allowed.
  [[nodiscard]] Data* find(std::uint64_t key, std::uint64_t set) {
    const std::uint32_t of_set = set_of(set);
    const std::uint32_t home = home_of(key, of_set * ways_);
    const std::uint32_t i = find_way(key, of_set * ways_, home);
    if (i == kNone) {
      missed_ = {key, of_set, home};
      return nullptr;
    }
    touch(i);
    return &data_[i];
  }

  /// True when find() would find nothing. When it would, nothing has happened.
  [[nodiscard]] bool misses(std::uint64_t key, std::uint64_t set) {
    const std::uint32_t of_set = set_of(set);
    const std::uint32_t home = home_of(key, of_set * ways_);
    if (find_way(key, of_set * ways_, home) != kNone) return false;
    missed_ = {key, of_set, home};
    return true;
  }

  /// As misses() where one look is enough for that; false, with nothing changed, when it takes a closer one.
  [[nodiscard]] bool misses_at_once(std::uint64_t key, std::uint64_t set) {
    const std::uint32_t of_set = set_of(set);
    const std::uint32_t home = home_of(key, of_set * ways_);
    if (!replaces_at_once_ || index_[home] != kNone) return false;
    seen_ = {key, of_set, home};
    return true;
  }
  /// As place_for() of a key that misses_at_once() has missed last, in the set that it was looked for in, where that takes
  /// only a few steps: over the oldest of a full set, with no other key to move in the index. nullptr, with nothing changed,
  /// when it takes more, when another key has been missed or when one has come since.
  [[nodiscard]] Data* replace_missed(std::uint64_t key) {
    SetState& state = set_states_[seen_.set];
    if (seen_.key != key || state.free_from != ways_) return nullptr;
    const std::uint32_t i = entries_[state.newest].newer;
    Entry& entry = entries_[i];
    const std::uint32_t gap = entry.place;
    const std::uint32_t home = seen_.home;
    if (index_[next(gap)] != kNone || (index_[home] != kNone && home != gap)) return nullptr;
    index_[gap] = kNone;
    index_[home] = i;
    entry.place = home;
    entry.key = key;
    state.newest = i;
    last_ = i;
    seen_.key = kEmpty;
    missed_.key = kEmpty;
    return &data_[i];
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
    const std::uint32_t base = set_of(set) * ways_;
    const std::uint32_t i = find_way(key, base, home_of(key, base));
    return i == kNone ? nullptr : &data_[i];
  }
  [[nodiscard]] Data* peek(std::uint64_t key, std::uint64_t set) {
    const std::uint32_t base = set_of(set) * ways_;
    const std::uint32_t i = find_way(key, base, home_of(key, base));
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
    const std::uint32_t base = of_set * ways_;
    const bool missed = key == missed_.key && of_set == missed_.set;
    const std::uint32_t home = missed ? missed_.home : home_of(key, base);
    missed_.key = kEmpty;
    seen_.key = kEmpty;
    // What a set has just missed is still not there.
    if (!missed) {
      if (const std::uint32_t i = find_way(key, base, home); i != kNone) {
        touch(i);
        return {&data_[i], Before::SameKey};
      }
    }
    SetState& state = set_states_[of_set];
    const bool full = state.free_from == ways_;
    if (full && by_age_) return {&data_[replace_oldest(key, home, state)], Before::Victim};
    const std::uint32_t i = full ? put_out_unaged(base, state) : take_free(base, state);
    put_in(i, key, home);
    return {&data_[i], full ? Before::Victim : Before::Nothing};
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
    std::uint32_t newest = kNone;  // Lru and Fifo: of its ring by age; kNone: nothing is there
    std::uint32_t free_from = 0;   // the first way that is free
    std::uint64_t tree = 0;        // Plru
  };
  struct Entry {
    std::uint64_t key = kEmpty;
    // Lru and Fifo: its neighbours by age, in a ring: the newest one's newer one is the oldest.
    std::uint32_t newer = kNone;
    std::uint32_t older = kNone;
    std::uint32_t place = 0;  // in the index
  };

  [[nodiscard]] std::uint32_t set_of(std::uint64_t set) const { return static_cast<std::uint32_t>(set & (sets_ - 1)); }
  [[nodiscard]] std::uint32_t set_at(std::uint32_t i) const { return sets_ == 1 ? 0 : i / ways_; }

  [[nodiscard]] std::uint32_t find_way(std::uint64_t key, std::uint32_t base, std::uint32_t home) const {
    if (index_mask_ != 0) {
      for (std::uint32_t place = home;; place = next(place)) {
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

  // Where a search for the key begins.
  [[nodiscard]] std::uint32_t home_of(std::uint64_t key, std::uint32_t base) const {
    return static_cast<std::uint32_t>(((key ^ base) * 0x9E3779B97F4A7C15U) >> index_shift_);
  }
  [[nodiscard]] std::uint32_t next(std::uint32_t place) const { return (place + 1) & index_mask_; }
  void index_add(std::uint32_t i, std::uint32_t home) {
    if (index_mask_ == 0) return;
    std::uint32_t place = home;
    while (index_[place] != kNone) place = next(place);
    index_[place] = i;
    entries_[i].place = place;
  }
  void index_remove(std::uint32_t i) {
    if (index_mask_ == 0) return;
    std::uint32_t gap = entries_[i].place;
    if (index_[next(gap)] != kNone) gap = move_gap(gap);
    index_[gap] = kNone;
  }
  // Whoever comes after the gap and may stand in it moves there.
  [[gnu::noinline]] std::uint32_t move_gap(std::uint32_t gap) {
    for (std::uint32_t place = next(gap); index_[place] != kNone; place = next(place)) {
      const std::uint32_t i = index_[place];
      const std::uint32_t home = home_of(entries_[i].key, set_at(i) * ways_);
      if (((place - home) & index_mask_) < ((place - gap) & index_mask_)) continue;
      index_[gap] = i;
      entries_[i].place = gap;
      gap = place;
    }
    return gap;
  }

  // --- Age: for each set a ring from its newest entry over the older ones to its oldest, and back.

  void age_add(std::uint32_t i, SetState& state) {
    Entry& entry = entries_[i];
    if (state.newest == kNone) {
      entry.newer = entry.older = i;
    } else {
      Entry& newest = entries_[state.newest];
      entry.older = state.newest;
      entry.newer = newest.newer;
      entries_[newest.newer].older = i;
      newest.newer = i;
    }
    state.newest = i;
  }
  void age_remove(std::uint32_t i, SetState& state) {
    const Entry& entry = entries_[i];
    if (state.newest == i) state.newest = entry.older == i ? kNone : entry.older;
    entries_[entry.newer].older = entry.older;
    entries_[entry.older].newer = entry.newer;
  }
  [[gnu::noinline]] void renew(std::uint32_t i) {
    SetState& state = set_states_[set_at(i)];
    if (state.newest == i) return;
    age_remove(i, state);
    age_add(i, state);
  }

  void touch(std::uint32_t i) {
    if (last_ == i) return;
    last_ = i;
    if (policy_ == Replacement::Lru) {
      renew(i);
    } else if (policy_ == Replacement::Plru) {
      plru_touch(set_states_[set_at(i)].tree, i - set_at(i) * ways_);
    }
  }

  // --- Ways

  // The oldest is the newest from now on, with another key.
  std::uint32_t replace_oldest(std::uint64_t key, std::uint32_t home, SetState& state) {
    const std::uint32_t i = entries_[state.newest].newer;
    state.newest = i;
    index_remove(i);
    put_in(i, key, home);
    return i;
  }
  void put_in(std::uint32_t i, std::uint64_t key, std::uint32_t home) {
    entries_[i].key = key;
    index_add(i, home);
    last_ = i;
  }

  void remove(std::uint32_t i) {
    const std::uint32_t base = set_at(i) * ways_;
    SetState& state = set_states_[set_at(i)];
    index_remove(i);
    if (by_age_) age_remove(i, state);
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
    if (by_age_) age_add(base + way, state);
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
    index_remove(base + way);
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
  bool by_age_;
  std::vector<Entry> entries_;
  std::vector<Data> data_;  // one more than entries, so that place 0 is always there
  std::vector<SetState> set_states_;
  std::vector<std::uint32_t> index_;
  std::uint32_t index_mask_ = 0;  // 0: there is no index
  unsigned index_shift_ = 0;
  std::uint64_t random_ = 0x9E3779B97F4A7C15;
  std::uint32_t last_ = kNone;
  // A key that is not there.
  struct Missed {
    std::uint64_t key = kEmpty;
    std::uint32_t set = 0;
    std::uint32_t home = 0;
  };
  Missed missed_;                  // by find() or misses()
  Missed seen_;                    // by misses_at_once()
  bool replaces_at_once_ = false;  // replace_missed() may; otherwise none is seen
  std::size_t size_ = 0;
};

}  // namespace iommu::core
