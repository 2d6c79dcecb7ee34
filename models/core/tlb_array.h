// A set-associative array of 64-bit keys with a replacement policy: the storage of every cache in the model.
//
// What it does: find, insert with eviction, erase by predicate, deterministic replacement. What it does not do: know
// what a key means, time, or statistics.
#pragma once

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
        data_(keys_.size()),
        stamps_(keys_.size(), 0),
        trees_(policy == Replacement::Plru ? sets_ : 0, 0) {}

  [[nodiscard]] std::size_t capacity() const { return keys_.size(); }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// The entry of this key in set `set` modulo the number of sets, counted as used; nullptr when absent. Key 0 is not
  /// allowed.
  [[nodiscard]] Data* find(std::uint64_t key, std::uint64_t set) {
    const std::size_t i = index_of(key, set);
    if (i == kNotFound) return nullptr;
    touch(i);
    return &data_[i];
  }

  /// The same without counting as a use, for probes.
  [[nodiscard]] const Data* peek(std::uint64_t key, std::uint64_t set) const {
    const std::size_t i = index_of(key, set);
    return i == kNotFound ? nullptr : &data_[i];
  }

  /// Puts an entry in, over one of the same key or else over a free way or the policy's victim. Returns true when
  /// another key had to go; `evicted` then gets its data.
  bool insert(std::uint64_t key, std::uint64_t set, const Data& data, Data* evicted = nullptr) {
    if (keys_.empty()) return false;
    std::size_t i = index_of(key, set);
    bool displaced = false;
    if (i == kNotFound) {
      const std::size_t base = base_of(set);
      i = free_way(base);
      if (i == kNotFound) {
        i = victim(base);
        displaced = true;
        if (evicted != nullptr) *evicted = data_[i];
      } else {
        ++size_;
      }
      stamps_[i] = ++clock_;
    }
    keys_[i] = key;
    data_[i] = data;
    touch(i);
    return displaced;
  }

  /// Removes every entry for which `gone(key, data)` is true; returns how many.
  template <class Predicate>
  std::size_t erase_if(Predicate gone) {
    if (size_ == 0) return 0;
    std::size_t erased = 0;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      if (keys_[i] != kEmpty && gone(keys_[i], data_[i])) {
        keys_[i] = kEmpty;
        ++erased;
      }
    }
    size_ -= erased;
    return erased;
  }

 private:
  static constexpr std::uint64_t kEmpty = 0;
  static constexpr std::size_t kNotFound = ~std::size_t{0};

  [[nodiscard]] std::size_t base_of(std::uint64_t set) const {
    return static_cast<std::size_t>(set & (sets_ - 1)) * ways_;
  }

  [[nodiscard]] std::size_t index_of(std::uint64_t key, std::uint64_t set) const {
    if (keys_.empty()) return kNotFound;
    const std::size_t base = base_of(set);
    // The entry used last is most often the one asked for again.
    if (last_ >= base && last_ < base + ways_ && keys_[last_] == key) return last_;
    const std::uint64_t* keys = keys_.data() + base;
    for (std::size_t way = 0; way < ways_; ++way) {
      if (keys[way] == key) return base + way;
    }
    return kNotFound;
  }

  [[nodiscard]] std::size_t free_way(std::size_t base) const {
    for (std::size_t way = 0; way < ways_; ++way) {
      if (keys_[base + way] == kEmpty) return base + way;
    }
    return kNotFound;
  }

  [[nodiscard]] std::size_t victim(std::size_t base) {
    if (policy_ == Replacement::Random) {
      random_ ^= random_ << 13;
      random_ ^= random_ >> 7;
      random_ ^= random_ << 17;
      return base + static_cast<std::size_t>(random_ % ways_);
    }
    if (policy_ == Replacement::Plru) return base + plru_victim(trees_[base / ways_]);
    std::size_t oldest = base;
    for (std::size_t i = base + 1; i < base + ways_; ++i) {
      if (stamps_[i] < stamps_[oldest]) oldest = i;
    }
    return oldest;
  }

  void touch(std::size_t i) {
    last_ = i;
    if (policy_ == Replacement::Lru) {
      stamps_[i] = ++clock_;
    } else if (policy_ == Replacement::Plru) {
      plru_touch(trees_[i / ways_], i % ways_);
    }
  }

  // A node's bit says which half was used longer ago: node 1 is the root, 2n and 2n+1 its children; up to 64 ways.
  [[nodiscard]] std::size_t plru_victim(std::uint64_t tree) const {
    std::size_t node = 1;
    while (node < ways_) node = 2 * node + ((tree >> node) & 1);
    return node - ways_;
  }
  void plru_touch(std::uint64_t& tree, std::size_t way) const {
    for (std::size_t node = way + ways_; node > 1; node /= 2) {
      const std::uint64_t bit = std::uint64_t{1} << (node / 2);
      tree = (node % 2) != 0 ? tree & ~bit : tree | bit;
    }
  }

  std::uint32_t sets_;
  std::uint32_t ways_;
  Replacement policy_;
  std::vector<std::uint64_t> keys_;
  std::vector<Data> data_;
  std::vector<std::uint64_t> stamps_;
  std::vector<std::uint64_t> trees_;
  std::uint64_t clock_ = 0;
  std::uint64_t random_ = 0x9E3779B97F4A7C15;
  std::size_t last_ = 0;
  std::size_t size_ = 0;
};

}  // namespace iommu::core
