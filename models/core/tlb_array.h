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
        keys_(std::size_t{sets_} * ways_, kEmpty),
        data_(keys_.size() + 1),
        free_from_(sets_, 0),
        trees_(policy == Replacement::Plru ? sets_ : 0, 0) {
    if (by_age()) {
      newer_.resize(keys_.size(), kNone);
      older_.resize(keys_.size(), kNone);
      newest_.resize(sets_, kNone);
      oldest_.resize(sets_, kNone);
    }
    if (ways_ > kScannedWays) {
      unsigned bits = 1;
      while ((std::size_t{1} << bits) < 4 * keys_.size()) ++bits;
      index_shift_ = 64 - bits;
      index_.resize(std::size_t{1} << bits, kNone);
    }
  }

  [[nodiscard]] std::size_t capacity() const { return keys_.size(); }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// The entry of this key in set `set` modulo the number of sets, counted as used; nullptr when absent. Key 0 is not
  /// allowed.
  [[nodiscard]] Data* find(std::uint64_t key, std::uint64_t set) {
    const std::uint32_t i = find_way(key, set);
    if (i == kNone) return nullptr;
    touch(i);
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
    const std::uint32_t i = find_way(key, set);
    return i == kNone ? nullptr : &data_[i];
  }
  [[nodiscard]] Data* peek(std::uint64_t key, std::uint64_t set) {
    const std::uint32_t i = find_way(key, set);
    return i == kNone ? nullptr : &data_[i];
  }

  /// Puts an entry in, over one of the same key or else over a free way or the policy's victim. Returns true when
  /// another key had to go; `evicted` then gets its data.
  bool insert(std::uint64_t key, std::uint64_t set, const Data& data, Data* evicted = nullptr) {
    if (keys_.empty()) return false;
    std::uint32_t i = find_way(key, set);
    bool displaced = false;
    if (i == kNone) {
      i = free_way(set_of(set));
      displaced = i == kNone;
      if (displaced) {
        i = victim(set_of(set));
        if (evicted != nullptr) *evicted = data_[i];
        index_remove(i);
        age_remove(i);
      } else {
        ++size_;
      }
      keys_[i] = key;
      index_add(i);
      age_add(i);
    }
    data_[i] = data;
    touch(i);
    return displaced;
  }

  /// Removes every entry for which `gone(key, data)` is true; returns how many. What it leaves in the data stays there.
  template <class Predicate>
  std::size_t erase_if(Predicate gone) {
    if (size_ == 0) return 0;
    std::size_t erased = 0;
    for (std::uint32_t i = 0; i < keys_.size(); ++i) {
      if (keys_[i] == kEmpty || !gone(keys_[i], data_[i])) continue;
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

  [[nodiscard]] std::uint32_t set_of(std::uint64_t set) const { return static_cast<std::uint32_t>(set & (sets_ - 1)); }
  [[nodiscard]] std::uint32_t set_at(std::uint32_t i) const { return sets_ == 1 ? 0 : i / ways_; }
  [[nodiscard]] bool by_age() const { return policy_ == Replacement::Lru || policy_ == Replacement::Fifo; }

  [[nodiscard]] std::uint32_t find_way(std::uint64_t key, std::uint64_t set) const {
    if (keys_.empty()) return kNone;
    const std::uint32_t base = set_of(set) * ways_;
    // The entry used last is most often the one asked for again.
    if (last_ - base < ways_ && keys_[last_] == key) return last_;
    if (index_.empty()) {
      for (std::uint32_t i = base; i < base + ways_; ++i) {
        if (keys_[i] == key) return i;
      }
      return kNone;
    }
    for (std::size_t place = place_of(key, base);; place = next(place)) {
      const std::uint32_t i = index_[place];
      if (i == kNone || (keys_[i] == key && i - base < ways_)) return i;
    }
  }

  // --- The index: open addressing, a quarter full at most.

  [[nodiscard]] std::size_t place_of(std::uint64_t key, std::uint32_t base) const {
    return static_cast<std::size_t>(((key ^ base) * 0x9E3779B97F4A7C15U) >> index_shift_);
  }
  [[nodiscard]] std::size_t next(std::size_t place) const { return (place + 1) & (index_.size() - 1); }
  [[nodiscard]] std::size_t home_of(std::uint32_t i) const { return place_of(keys_[i], set_at(i) * ways_); }
  void index_add(std::uint32_t i) {
    if (index_.empty()) return;
    std::size_t place = home_of(i);
    while (index_[place] != kNone) place = next(place);
    index_[place] = i;
  }
  // Whoever comes after the gap and may stand in it moves there.
  void index_remove(std::uint32_t i) {
    if (index_.empty()) return;
    std::size_t gap = home_of(i);
    while (index_[gap] != i) gap = next(gap);
    for (std::size_t place = next(gap); index_[place] != kNone; place = next(place)) {
      const std::size_t mask = index_.size() - 1;
      const std::size_t home = home_of(index_[place]);
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      index_[gap] = index_[place];
      gap = place;
    }
    index_[gap] = kNone;
  }

  // --- Age: for each set a list from its newest entry to its oldest.

  void age_add(std::uint32_t i) {
    if (!by_age()) return;
    const std::uint32_t set = set_at(i);
    newer_[i] = kNone;
    older_[i] = newest_[set];
    (newest_[set] == kNone ? oldest_[set] : newer_[newest_[set]]) = i;
    newest_[set] = i;
  }
  void age_remove(std::uint32_t i) {
    if (!by_age()) return;
    const std::uint32_t set = set_at(i);
    (newer_[i] == kNone ? newest_[set] : older_[newer_[i]]) = older_[i];
    (older_[i] == kNone ? oldest_[set] : newer_[older_[i]]) = newer_[i];
  }

  void remove(std::uint32_t i) {
    index_remove(i);
    age_remove(i);
    keys_[i] = kEmpty;
    --size_;
    std::uint32_t& free_from = free_from_[set_at(i)];
    free_from = std::min(free_from, i - set_at(i) * ways_);
  }

  // The first free way; those before free_from_ are taken.
  [[nodiscard]] std::uint32_t free_way(std::uint32_t set) {
    std::uint32_t& way = free_from_[set];
    for (; way < ways_; ++way) {
      if (keys_[set * ways_ + way] == kEmpty) return set * ways_ + way;
    }
    return kNone;
  }

  [[nodiscard]] std::uint32_t victim(std::uint32_t set) {
    if (by_age()) return oldest_[set];
    if (policy_ == Replacement::Plru) return set * ways_ + plru_victim(trees_[set]);
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return set * ways_ + static_cast<std::uint32_t>(random_ % ways_);
  }

  void touch(std::uint32_t i) {
    if (last_ == i) return;
    last_ = i;
    if (policy_ == Replacement::Lru) {
      if (newer_[i] == kNone) return;
      age_remove(i);
      age_add(i);
    } else if (policy_ == Replacement::Plru) {
      plru_touch(trees_[set_at(i)], i - set_at(i) * ways_);
    }
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
  std::vector<std::uint64_t> keys_;
  std::vector<Data> data_;                // one more than keys, so that place 0 is always there
  std::vector<std::uint32_t> free_from_;  // by set
  std::vector<std::uint64_t> trees_;      // Plru, by set
  std::vector<std::uint32_t> newer_;      // Lru and Fifo, by entry
  std::vector<std::uint32_t> older_;
  std::vector<std::uint32_t> newest_;  // by set
  std::vector<std::uint32_t> oldest_;
  std::vector<std::uint32_t> index_;
  unsigned index_shift_ = 0;
  std::uint64_t random_ = 0x9E3779B97F4A7C15;
  std::uint32_t last_ = kNone;
  std::size_t size_ = 0;
};

}  // namespace iommu::core
