#include "models/core/last_level_cache.h"

#include <algorithm>
#include <stdexcept>

namespace iommu::core {

const char* LastLevelCache::find_problem(const LastLevelCacheConfig& config) {
  if (config.ways == 0) return "a last-level cache needs at least one way";
  if (config.write_ways > config.ways) return "a last-level cache has no more ways for writes than ways";
  if (config.size_bytes == 0 || config.size_bytes % (config.ways * kLineBytes) != 0) {
    return "the size of a last-level cache is a multiple of its ways times 64 bytes";
  }
  return nullptr;
}

LastLevelCache::LastLevelCache(const LastLevelCacheConfig& config) : config_(config), sets_(0) {
  if (const char* problem = find_problem(config)) throw std::invalid_argument(problem);
  sets_ = config.size_bytes / kLineBytes / config.ways;
  ways_.resize(sets_ * config.ways);
}

LastLevelCache::Way* LastLevelCache::find(std::uint64_t line) {
  Way* const first = set_of(line);
  Way* const end = first + config_.ways;
  Way* const found = std::find_if(first, end, [line](const Way& way) { return way.line == line; });
  return found == end ? nullptr : found;
}

bool LastLevelCache::put(std::uint64_t line, std::uint32_t among) {
  Way* const end = set_of(line) + config_.ways;
  Way& way = *std::min_element(end - among, end, [](const Way& a, const Way& b) { return a.used < b.used; });
  const bool evicts = way.line != kNone;
  way = {line, ++now_};
  return evicts;
}

// Whether the line was there.
bool LastLevelCache::access_line(Kind kind, bool past, bool write, std::uint64_t line) {
  Way* const way = find(line);
  if (past) {
    if (write && way != nullptr) *way = Way{};
    return false;
  }
  LastLevelCacheCounters& counters = counters_[static_cast<std::size_t>(kind)];
  if (way != nullptr) {
    way->used = ++now_;
    ++counters.hits;
    return true;
  }
  ++counters.misses;
  if (kind == Kind::DmaRead) return false;
  const std::uint32_t among = kind == Kind::DmaWrite ? config_.write_ways : config_.ways;
  if (among != 0 && put(line, among)) ++counters.evictions;
  return false;
}

std::uint64_t LastLevelCache::access(Traffic traffic, bool write, Address address, std::uint64_t bytes) {
  Kind kind = Kind::Host;
  bool past = false;
  if (traffic == Traffic::Structure) {
    kind = Kind::Structure;
    past = !config_.structures;
  } else if (traffic == Traffic::Dma) {
    kind = write ? Kind::DmaWrite : Kind::DmaRead;
    past = write ? !config_.dma_writes : !config_.dma_reads;
  }
  std::uint64_t missing = 0;
  for (std::uint64_t done = 0; done < bytes;) {
    const std::uint64_t in_line = (address + done) % kLineBytes;
    const std::uint64_t part = std::min(bytes - done, kLineBytes - in_line);
    if (!access_line(kind, past, write, (address + done) / kLineBytes)) missing += part;
    done += part;
  }
  return missing;
}

void LastLevelCache::warm(Address first, std::uint64_t bytes) {
  if (bytes == 0) return;
  const std::uint64_t last_line = (first + (bytes - 1)) / kLineBytes;
  // Of a range larger than the cache only the end stays: each set keeps its last lines.
  const std::uint64_t lines = sets_ * config_.ways;
  std::uint64_t line = first / kLineBytes;
  if (last_line - line >= lines) line = last_line - lines + 1;
  for (; line <= last_line; ++line) {
    if (Way* const way = find(line)) {
      way->used = ++now_;
    } else {
      put(line, config_.ways);
    }
  }
}

void LastLevelCache::remove(Address first, std::uint64_t bytes) {
  if (bytes == 0) return;
  const std::uint64_t first_line = first / kLineBytes;
  const std::uint64_t last_line = (first + (bytes - 1)) / kLineBytes;
  for (Way& way : ways_) {
    if (way.line != kNone && way.line >= first_line && way.line <= last_line) way = Way{};
  }
}

bool LastLevelCache::holds(Address address) const {
  const std::uint64_t line = address / kLineBytes;
  const auto first = ways_.begin() + static_cast<std::ptrdiff_t>(line % sets_ * config_.ways);
  return std::any_of(first, first + config_.ways, [line](const Way& way) { return way.line == line; });
}

}  // namespace iommu::core
