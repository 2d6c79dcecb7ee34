// The last-level cache: which lines it holds, for each kind of access.
#include "models/core/last_level_cache.h"

#include <cmath>
#include <stdexcept>

#include "models/core/random.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

using namespace iommu;
using core::LastLevelCache;
using core::LastLevelCacheConfig;
using core::Traffic;
using Kind = core::LastLevelCache::Kind;

namespace {

/// 3 sets of 4 ways: lines 0, 3, 6, ... share a set.
LastLevelCacheConfig small() {
  LastLevelCacheConfig config;
  config.size_bytes = 3 * 4 * 64;
  config.ways = 4;
  config.write_ways = 2;
  return config;
}

/// Line number `n` of set 0 in small().
constexpr core::Address line(std::uint64_t n) { return n * 3 * 64; }

bool hits(LastLevelCache& cache, Traffic traffic, bool write, core::Address address) {
  return cache.access(traffic, write, address, 64) == 0;
}

}  // namespace

TEST_CASE("llc: the host's lines are put in, the least recently used one goes out") {
  LastLevelCache cache(small());
  for (std::uint64_t n = 0; n < 4; ++n) CHECK_FALSE(hits(cache, Traffic::Host, n % 2 == 0, line(n)));
  for (std::uint64_t n = 0; n < 4; ++n) CHECK(cache.holds(line(n)));
  CHECK(hits(cache, Traffic::Host, false, line(0)));        // now line 1 is the oldest
  CHECK_FALSE(hits(cache, Traffic::Host, false, line(4)));  // takes its place
  CHECK(cache.holds(line(0)));
  CHECK_FALSE(cache.holds(line(1)));
  CHECK(cache.holds(line(2)));
  CHECK(cache.holds(line(3)));
  CHECK(cache.holds(line(4)));
  CHECK_FALSE(hits(cache, Traffic::Host, false, 64));  // another set: nothing goes out
  CHECK(cache.counters(Kind::Host).hits == 1);
  CHECK(cache.counters(Kind::Host).misses == 6);
  CHECK(cache.counters(Kind::Host).evictions == 1);
  cache.restart_counters();
  CHECK(cache.counters(Kind::Host).misses == 0);
  CHECK(cache.holds(line(4)));
}

TEST_CASE("llc: structures are put in, DMA reads are not, but count as a use") {
  LastLevelCache cache(small());
  CHECK_FALSE(hits(cache, Traffic::Structure, false, line(0)));
  CHECK(hits(cache, Traffic::Structure, false, line(0)));
  CHECK_FALSE(hits(cache, Traffic::Dma, false, line(1)));
  CHECK_FALSE(hits(cache, Traffic::Dma, false, line(1)));
  CHECK_FALSE(cache.holds(line(1)));
  for (std::uint64_t n = 2; n < 5; ++n) cache.access(Traffic::Structure, false, line(n), 64);
  CHECK(hits(cache, Traffic::Dma, false, line(0)));  // the oldest until now
  cache.access(Traffic::Structure, false, line(5), 64);
  CHECK(cache.holds(line(0)));
  CHECK_FALSE(cache.holds(line(2)));
  CHECK(cache.counters(Kind::Structure).hits == 1);
  CHECK(cache.counters(Kind::Structure).misses == 5);
  CHECK(cache.counters(Kind::Structure).evictions == 1);
  CHECK(cache.counters(Kind::DmaRead).hits == 1);
  CHECK(cache.counters(Kind::DmaRead).misses == 2);
  CHECK(cache.counters(Kind::DmaRead).evictions == 0);
}

TEST_CASE("llc: DMA writes take only their ways, and update in place what is anywhere") {
  LastLevelCache cache(small());
  for (std::uint64_t n = 0; n < 4; ++n) cache.access(Traffic::Host, false, line(n), 64);
  CHECK(hits(cache, Traffic::Dma, true, line(0)));  // in the first way
  for (std::uint64_t n = 10; n < 110; ++n) CHECK_FALSE(hits(cache, Traffic::Dma, true, line(n)));
  CHECK(cache.holds(line(0)));
  CHECK(cache.holds(line(1)));
  CHECK_FALSE(cache.holds(line(2)));
  CHECK_FALSE(cache.holds(line(3)));
  CHECK(cache.holds(line(108)));
  CHECK(cache.holds(line(109)));
  CHECK(cache.counters(Kind::DmaWrite).hits == 1);
  CHECK(cache.counters(Kind::DmaWrite).misses == 100);
  CHECK(cache.counters(Kind::DmaWrite).evictions == 100);
}

TEST_CASE("llc: without ways of their own DMA writes that miss are not put in") {
  LastLevelCacheConfig config = small();
  config.write_ways = 0;
  LastLevelCache cache(config);
  cache.access(Traffic::Host, false, line(0), 64);
  CHECK(hits(cache, Traffic::Dma, true, line(0)));
  CHECK_FALSE(hits(cache, Traffic::Dma, true, line(1)));
  CHECK_FALSE(hits(cache, Traffic::Dma, true, line(1)));
  CHECK(cache.counters(Kind::DmaWrite).evictions == 0);
}

TEST_CASE("llc: what is switched off goes past it, its writes throw lines out") {
  LastLevelCacheConfig config = small();
  config.dma_reads = config.dma_writes = config.structures = false;
  LastLevelCache cache(config);
  for (std::uint64_t n = 0; n < 3; ++n) cache.access(Traffic::Host, true, line(n), 64);
  CHECK_FALSE(hits(cache, Traffic::Dma, false, line(0)));
  CHECK_FALSE(hits(cache, Traffic::Structure, false, line(1)));
  CHECK_FALSE(hits(cache, Traffic::Structure, false, line(7)));
  CHECK(cache.holds(line(0)));
  CHECK(cache.holds(line(1)));
  CHECK_FALSE(cache.holds(line(7)));
  CHECK_FALSE(hits(cache, Traffic::Dma, true, line(0)));
  CHECK_FALSE(cache.holds(line(0)));
  CHECK_FALSE(hits(cache, Traffic::Structure, true, line(1)));
  CHECK_FALSE(cache.holds(line(1)));
  CHECK(cache.holds(line(2)));
  for (const Kind kind : {Kind::DmaRead, Kind::DmaWrite, Kind::Structure}) {
    CHECK(cache.counters(kind).hits == 0);
    CHECK(cache.counters(kind).misses == 0);
  }
}

TEST_CASE("llc: each switch is for its own kind") {
  for (unsigned which = 0; which < 3; ++which) {
    LastLevelCacheConfig config = small();
    (which == 0 ? config.dma_reads : which == 1 ? config.dma_writes : config.structures) = false;
    LastLevelCache cache(config);
    cache.access(Traffic::Host, false, line(0), 64);
    CHECK(hits(cache, Traffic::Dma, false, line(0)) == (which != 0));
    CHECK(hits(cache, Traffic::Structure, false, line(0)) == (which != 2));
    CHECK(hits(cache, Traffic::Dma, true, line(0)) == (which != 1));
  }
}

TEST_CASE("llc: bytes of an access lie in the lines that it touches") {
  LastLevelCache cache(small());
  cache.access(Traffic::Host, false, 64, 1);             // bytes 64 to 127
  CHECK(cache.access(Traffic::Dma, false, 60, 8) == 4);  // 60 to 63
  CHECK(cache.access(Traffic::Dma, false, 64, 64) == 0);
  CHECK(cache.access(Traffic::Dma, false, 127, 1) == 0);
  CHECK(cache.access(Traffic::Dma, false, 127, 2) == 1);
  CHECK(cache.access(Traffic::Dma, false, 10, 200) == 54 + 82);          // 10 to 63, 128 to 209
  CHECK(cache.access(Traffic::Host, false, ~core::Address{0}, 1) == 1);  // the last byte of all
}

TEST_CASE("llc: warm and cold ranges") {
  LastLevelCache cache(small());
  cache.warm(64, 5 * 64);
  CHECK_FALSE(cache.holds(0));
  for (std::uint64_t n = 1; n < 6; ++n) CHECK(cache.holds(n * 64));
  CHECK_FALSE(cache.holds(6 * 64));
  cache.remove(2 * 64, 2 * 64);
  CHECK(cache.holds(64));
  CHECK_FALSE(cache.holds(2 * 64));
  CHECK_FALSE(cache.holds(3 * 64));
  CHECK(cache.holds(4 * 64));
  // Of 100 lines the last 12 stay.
  cache.warm(0, 100 * 64);
  for (std::uint64_t n = 0; n < 100; ++n) CHECK(cache.holds(n * 64) == (n >= 88));
  cache.warm(0, 0);
  cache.remove(0, 0);
  CHECK(cache.holds(99 * 64));
  cache.remove(0, 1 << 20);
  for (std::uint64_t n = 0; n < 100; ++n) CHECK_FALSE(cache.holds(n * 64));
  CHECK(cache.counters(Kind::Host).misses == 0);
}

TEST_CASE("llc: random reads over a warm window hit with the share that fits") {
  LastLevelCacheConfig config;
  config.size_bytes = 15 << 20;
  config.ways = 20;  // 12,288 sets
  LastLevelCache cache(config);
  constexpr std::uint64_t kWindow = 64 << 20;
  cache.warm(0x40000000, kWindow);
  core::Random random(7);
  constexpr unsigned kReads = 200000;
  unsigned hit = 0;
  for (unsigned i = 0; i < kReads; ++i) {
    if (hits(cache, Traffic::Dma, false, 0x40000000 + random.below(kWindow / 64) * 64)) ++hit;
  }
  // 15/64; four standard deviations of sqrt(p (1 - p) / n) = 0.00095.
  CHECK(std::abs(static_cast<double>(hit) / kReads - 0.234375) < 0.0038);
}

TEST_CASE("llc: 25 MiB of 20 ways keep a window of 25 MiB whole") {
  LastLevelCacheConfig config;
  config.size_bytes = 25 << 20;
  config.ways = 20;  // 20,480 sets
  LastLevelCache cache(config);
  cache.warm(0x40000000, 25 << 20);
  std::uint64_t missing = 0;
  for (core::Address at = 0; at < 25 << 20; at += 4096)
    missing += cache.access(Traffic::Dma, false, 0x40000000 + at, 4096);
  CHECK(missing == 0);
  CHECK_FALSE(cache.holds(0x40000000 + (25 << 20)));
}

TEST_CASE("llc: configurations that can't be") {
  LastLevelCacheConfig config = small();
  CHECK(LastLevelCache::find_problem(config) == nullptr);
  config.size_bytes += 64;
  CHECK_THROWS_AS(LastLevelCache(config), std::invalid_argument);
  config.size_bytes = 0;
  CHECK_THROWS_AS(LastLevelCache(config), std::invalid_argument);
  config = small();
  config.write_ways = 5;
  CHECK_THROWS_AS(LastLevelCache(config), std::invalid_argument);
  config = small();
  config.ways = 0;
  CHECK_THROWS_AS(LastLevelCache(config), std::invalid_argument);
}
