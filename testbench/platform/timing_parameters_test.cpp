// Each timing parameter of docs/parameters.md, doubled, changes a stage (or a rate) of a small scenario by exactly what docs/timing-model.md says.
//
// The scenario: one device reads 64 bytes of another 4 KiB page each time, one read at a time. Its warm-up reads the whole window twice, so that what
// remains is steady: the IOTLB of 8 entries always misses, one level is walked. An access takes, in ns,
//   1 context cache + 2 IOTLB + 1 paging-structure caches + 2 walker + 5 bus + 70.313 memory (8 bytes) + 5 bus + 72.5 memory (64 bytes) = 158.813.
#include <cmath>

#include "testbench/platform/doubling.h"

namespace {

using iommu::test::ScenarioResult;

const std::string kScenario = R"(
[ddi]
max_leaf = "4KiB"
[iommu.0]
iotlb.ways = 8
[device.a]
window_bytes = "64KiB"
pattern = "strided"
stride_bytes = 4096
count = 48
warmup_count = 32
outstanding = 1
)";

void check(const std::vector<iommu::test::Doubling>& cases) { iommu::test::check_doubled(kScenario, cases); }

#define STAGE(name) "/masters/a/stages/" name "/mean_ns"
constexpr const char* kLatency = "/masters/a/latency/mean_ns";
constexpr const char* kRate = "/masters/a/rate_per_us";

}  // namespace

TEST_CASE("parameters doubled: memory and bus") {
  check({
      {{}, "memory.latency_ns", "70", "140", STAGE("downstream"), 77.5, 147.5},
      {{}, "memory.latency_ns", "70", "140", STAGE("walk_level_1"), 77.313, 147.313},
      {{}, "memory.bandwidth_gbytes_per_s", "25.6", "51.2", STAGE("downstream"), 77.5, 76.25},
      {{}, "bus.latency_ns", "5", "10", STAGE("downstream"), 77.5, 82.5},
      {{}, "bus.latency_ns", "5", "10", STAGE("walk_level_1"), 77.313, 82.313},
  });
}

TEST_CASE("parameters doubled: cycles of the IOMMU") {
  check({
      {{}, "iommu.0.clock_mhz", "1000", "2000", STAGE("iotlb"), 2.0, 1.0},
      {{}, "iommu.0.clock_mhz", "1000", "2000", STAGE("walk_level_1"), 77.313, 76.313},
      {{}, "iommu.0.context_cache.latency_cycles", "1", "2", STAGE("context_cache"), 1.0, 2.0},
      {{}, "iommu.0.iotlb.latency_cycles", "2", "4", STAGE("iotlb"), 2.0, 4.0},
      {{}, "iommu.0.walk_cache.latency_cycles", "1", "2", STAGE("walk_cache"), 1.0, 2.0},
      {{}, "iommu.0.walker.cycles_per_level", "2", "4", STAGE("walk_level_1"), 77.313, 79.313},
      {{}, "iommu.0.walker.reply_cycles", "30", "60", STAGE("walk_reply"), 30.0, 60.0},
      {{}, "iommu.0.walker.reply_cycles", "30", "60", kLatency, 188.813, 218.813},
  });
}

TEST_CASE("parameters doubled: entries") {
  // 16 pages in turn: with 16 entries all hit, with 8 none.
  check({
      {{}, "iommu.0.iotlb.ways", "8", "16", STAGE("walk_level_1"), 77.313, 0.0},
      {{"iommu.0.iotlb.ways=4"}, "iommu.0.iotlb.sets", "2", "4", STAGE("walk_level_1"), 77.313, 0.0},
  });
}

namespace {

// Two devices read their one page in turn, through one IOTLB entry: each access misses. Tables of five levels.
const std::string kInTurn = R"(
[ddi]
max_leaf = "4KiB"
address_width_bits = 57
[iommu.0]
levels = [5]
mgaw_bits = 57
iotlb.ways = 1
[device.a]
window_bytes = "4KiB"
count = 20
warmup_count = 4
outstanding = 1
gap_ns = 2000
[device.b]
window_bytes = "4KiB"
count = 20
warmup_count = 4
outstanding = 1
gap_ns = 2000
start_ns = 1000
)";

}  // namespace

TEST_CASE("parameters doubled: entries that two devices need") {
  // A read of 16 bytes takes 5 + 70 + 0.625 ns, of a table 2 + 5 + 70.313. One entry is always the other device's; of two each
  // device has its own. Below the level that is doubled nothing is cached.
  const std::vector<std::string> none_below_3 = {"iommu.0.walk_cache.l2_entries=0"};
  const std::vector<std::string> none_below_4 = {"iommu.0.walk_cache.l2_entries=0", "iommu.0.walk_cache.l3_entries=0"};
  const std::vector<std::string> none_below_5 = {"iommu.0.walk_cache.l2_entries=0", "iommu.0.walk_cache.l3_entries=0",
                                                 "iommu.0.walk_cache.l4_entries=0"};
  iommu::test::check_doubled(
      kInTurn, {
                   {{}, "iommu.0.context_cache.entries", "1", "2", STAGE("context_read"), 151.25, 0.0},
                   {{}, "iommu.0.walk_cache.l2_entries", "1", "2", STAGE("walk_level_2"), 77.313, 0.0},
                   {none_below_3, "iommu.0.walk_cache.l3_entries", "1", "2", STAGE("walk_level_3"), 77.313, 0.0},
                   {none_below_4, "iommu.0.walk_cache.l4_entries", "1", "2", STAGE("walk_level_4"), 77.313, 0.0},
                   {none_below_5, "iommu.0.walk_cache.l5_entries", "1", "2", STAGE("walk_level_5"), 77.313, 0.0},
                   // 1 + 2 + 1 + 77.313 + 77.5 before, and a read of level 2; five levels without any cache.
                   {{}, "iommu.0.walk_cache.l2_entries", "1", "2", kLatency, 236.126, 158.813},
                   {none_below_5, "iommu.0.walk_cache.l5_entries", "1", "2", kLatency, 468.065, 390.752},
               });
}

TEST_CASE("parameters doubled: the device") {
  check({
      // One read after the other: 1 / 158.813 ns; with two places, no two of which meet, twice as many.
      {{}, "device.a.outstanding", "1", "2", kRate, 6.296714, 12.593427},
      // 158.813 + 41.187 and + 82.374.
      {{}, "device.a.gap_ns", "41.187", "82.374", kRate, 5.0, 4.14616},
      // With several places the gap is from start to start, and longer than an access.
      {{"device.a.outstanding=8"}, "device.a.gap_ns", "200", "400", kRate, 5.0, 2.5},
      {{"device.a.outstanding=8"}, "device.a.gap_ns", "200", "400", kLatency, 158.813, 158.813},
      // What is left of 48.
      {{}, "device.a.warmup_count", "16", "32", "/masters/a/requests", 32, 16},
      // From the tables' level 1 up nothing is read again, so more bytes only take the memory longer.
      {{}, "device.a.transfer_bytes", "64", "128", STAGE("downstream"), 77.5, 80.0},
  });
}

TEST_CASE("parameters doubled: the link") {
  const std::vector<std::string> link = {"device.a.link.generation=3"};
  check({
      {link, "device.a.link.propagation_ns", "130", "260", STAGE("link_latency"), 260.0, 520.0},
      {link, "device.a.link.root_complex_ns", "100", "200", STAGE("root_complex"), 100.0, 200.0},
  });
}

TEST_CASE("parameters doubled: the last-level cache") {
  const std::vector<std::string> cache = {"llc.size_bytes=1MiB", "device.a.window_cache=warm"};
  check({
      {cache, "llc.latency_ns", "15", "30", STAGE("downstream"), 20.0, 35.0},
      {cache, "llc.latency_ns", "15", "30", STAGE("walk_level_1"), 22.0, 37.0},
  });
}

namespace {

// Everything without limit but what is under test: no bandwidth of memory, one page after another of 4 MiB, each a miss. A walk takes
// 1 + 2 + 5 + 70 = 78 ns of its walker; a look-up can begin each nanosecond.
ScenarioResult saturated(unsigned walkers, unsigned outstanding, unsigned ports = 1) {
  return ScenarioResult(
      kScenario,
      {"mode=at", "memory.bandwidth_gbytes_per_s=0", "device.a.window_bytes=4MiB", "device.a.count=12000",
       "device.a.warmup_count=2000", "iommu.0.iotlb.ports=" + std::to_string(ports),
       "iommu.0.walker.slots=" + std::to_string(walkers), "device.a.outstanding=" + std::to_string(outstanding)});
}

/// Nanoseconds that a request spends in the system, without its wait at the device.
double in_system(const ScenarioResult& result) {
  const std::string wait = "/masters/a/stages/issue_wait/mean_ns";
  return result.number(kLatency) - (result.has(wait) ? result.number(wait) : 0.0);
}

}  // namespace

TEST_CASE("one walker: one request in a walk's time, and each waits for all others") {
  const ScenarioResult result = saturated(1, 36);
  CHECK(result.number(kRate) == 12.820513);  // 1 / 78 ns
  CHECK(in_system(result) == 36 * 78.0);
}

TEST_CASE("k walkers: k requests in a walk's time, up to what the ports let in") {
  for (const unsigned walkers : {2u, 3u, 5u, 8u, 16u}) {
    INFO(walkers << " walkers");
    const ScenarioResult result = saturated(walkers, 64);
    // 10,000 requests, of which those of one walk's time may be on either side of the measured part's begin.
    CHECK(result.number(kRate) == Approx(walkers * 1000.0 / 78).epsilon(walkers / 10000.0));
  }
  CHECK(saturated(120, 250).number(kRate) == Approx(1000.0).epsilon(0.001));      // one look-up in each ns
  CHECK(saturated(120, 350, 2).number(kRate) == Approx(1538.46).epsilon(0.012));  // 120 / 78 ns
}

TEST_CASE("Little's law: places are rate times time in the system, within a cycle for each request") {
  for (const unsigned walkers : {1u, 4u, 32u}) {
    for (const unsigned outstanding : {1u, 7u, 36u}) {
      INFO(walkers << " walkers, " << outstanding << " outstanding");
      const ScenarioResult result = saturated(walkers, outstanding);
      CHECK(std::abs(outstanding * 1000.0 / result.number(kRate) - in_system(result)) <= 1.0);
    }
  }
}
