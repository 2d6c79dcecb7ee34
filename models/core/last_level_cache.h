// The processors' last-level cache as far as DMA, table reads and system software meet it: which lines it holds.
//
// What it does: says of each line that is accessed whether it was there, puts in what the kind of access puts in, least
// recently used out. What it does not do: time, data, dirty lines (what goes out costs nothing), other cores' traffic.
//
//   kind        hit                      miss
//   DMA read    counts as used           is not put in
//   DMA write   in place, wherever       goes into the last `write_ways` ways of its set (0: is not put in)
//   structure   counts as used           is put in: root, context and paging entries, queue descriptors, status writes
//   host        counts as used           is put in
// A kind that is switched off goes past the cache: its reads leave no trace, its writes throw the line out.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/core/request.h"

namespace iommu::core {

struct LastLevelCacheConfig {
  std::uint64_t size_bytes = 0;  ///< a multiple of ways * 64, at least once that
  std::uint32_t ways = 16;       ///< at least 1
  std::uint32_t write_ways = 2;  ///< at most `ways`
  bool dma_reads = true;
  bool dma_writes = true;
  bool structures = true;
};

struct LastLevelCacheCounters {
  std::uint64_t hits = 0;  ///< lines
  std::uint64_t misses = 0;
  std::uint64_t evictions = 0;  ///< lines that went out for those of this kind
};

class LastLevelCache {
 public:
  static constexpr std::uint64_t kLineBytes = 64;
  enum class Kind : std::uint8_t { DmaRead, DmaWrite, Structure, Host };
  static constexpr std::size_t kKinds = 4;

  /// Throws std::invalid_argument when find_problem() has something to say.
  explicit LastLevelCache(const LastLevelCacheConfig& config);
  /// What is wrong with `config`; nullptr: nothing.
  [[nodiscard]] static const char* find_problem(const LastLevelCacheConfig& config);

  /// An access to `bytes` (at least 1) from `address` on, line by line in ascending order; returns how many of them lie
  /// in lines that were not there.
  std::uint64_t access(Traffic traffic, bool write, Address address, std::uint64_t bytes);

  /// The host touches these lines once, in ascending order; not counted.
  void warm(Address first, std::uint64_t bytes);
  /// They are not in the cache.
  void remove(Address first, std::uint64_t bytes);
  /// Changes nothing.
  [[nodiscard]] bool holds(Address address) const;

  [[nodiscard]] const LastLevelCacheCounters& counters(Kind kind) const {
    return counters_[static_cast<std::size_t>(kind)];
  }
  void restart_counters() { counters_ = {}; }

 private:
  // In a set, ways keep their places: DMA writes are confined to the last ones.
  struct Way {
    std::uint64_t line = kNone;
    std::uint64_t used = 0;  // a running number; 0: empty
  };
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  [[nodiscard]] Way* set_of(std::uint64_t line) { return &ways_[line % sets_ * config_.ways]; }
  [[nodiscard]] Way* find(std::uint64_t line);
  // Into an empty or the oldest of the last `among` ways; true when another line went out.
  bool put(std::uint64_t line, std::uint32_t among);
  bool access_line(Kind kind, bool past, bool write, std::uint64_t line);

  LastLevelCacheConfig config_;
  std::uint64_t sets_;
  std::vector<Way> ways_;
  std::uint64_t now_ = 0;
  std::array<LastLevelCacheCounters, kKinds> counters_{};
};

}  // namespace iommu::core
