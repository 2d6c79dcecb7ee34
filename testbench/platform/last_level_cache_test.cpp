// The last-level cache of whole scenarios: hits and misses of each kind of traffic, to the picosecond, in LT and AT alike.
#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_folder.h"
#include "testbench/platform/scenario_result.h"

namespace {

using iommu::test::ScenarioResult;

// One read at a time of another page each: every access walks its last level (the paging-structure caches hold the rest).
const std::string kScenario = R"(
[ddi]
max_leaf = "4KiB"
[llc]
size_bytes = "15MiB"
ways = 20
[iommu.0]
iotlb.ways = 1
[device.a]
window_bytes = "1MiB"
pattern = "strided"
stride_bytes = 4096
count = 200
warmup_count = 2
outstanding = 1
)";

ScenarioResult run(const std::string& mode, std::vector<std::string> overrides = {}) {
  overrides.push_back("mode=" + mode);
  return ScenarioResult(kScenario, overrides);
}

}  // namespace

TEST_CASE("scenario with a cache: walks hit what system software wrote, DMA hits a warm window") {
  const auto mode = GENERATE("lt", "at");
  // Bus 5 ns and the cache's 15; the walker's own 2 cycles. In memory 70 and the bytes' time: 0.3125 and 2.5 ns.
  const ScenarioResult cold = run(mode);
  CHECK(cold.number("/masters/a/stages/downstream/mean_ns") == 77.5);
  CHECK(cold.number("/masters/a/stages/walk_level_1/mean_ns") == 22.0);
  CHECK(cold.count("/llc/dma_read/hits") == 0);
  CHECK(cold.count("/llc/dma_read/misses") == 198);
  CHECK(cold.count("/llc/structure/hits") >= 198);

  const ScenarioResult warm = run(mode, {"device.a.window_cache=warm"});
  CHECK(warm.number("/masters/a/stages/downstream/mean_ns") == 20.0);
  CHECK(warm.count("/llc/dma_read/hits") == 198);
  CHECK(warm.count("/llc/dma_read/misses") == 0);

  const ScenarioResult doubled = run(mode, {"device.a.window_cache=warm", "llc.latency_ns=30"});
  CHECK(doubled.number("/masters/a/stages/downstream/mean_ns") == 35.0);
  CHECK(doubled.number("/masters/a/stages/walk_level_1/mean_ns") == 37.0);

  const ScenarioResult reads_off = run(mode, {"device.a.window_cache=warm", "llc.dma_reads=false"});
  CHECK(reads_off.number("/masters/a/stages/downstream/mean_ns") == 77.5);
  CHECK(reads_off.number("/masters/a/stages/walk_level_1/mean_ns") == 22.0);

  const ScenarioResult walks_off = run(mode, {"device.a.window_cache=warm", "llc.walks=false"});
  CHECK(walks_off.number("/masters/a/stages/downstream/mean_ns") == 20.0);
  CHECK(walks_off.number("/masters/a/stages/walk_level_1/mean_ns") == 77.313);
  CHECK(walks_off.count("/llc/structure/hits") == 0);
}

TEST_CASE("scenario with a cache: DMA writes") {
  const auto mode = GENERATE("lt", "at");
  const std::vector<std::string> writing = {"device.a.write_percent=100", "device.a.window_bytes=64KiB"};
  const auto with = [&](const std::string& more) {
    std::vector<std::string> overrides = writing;
    if (!more.empty()) overrides.push_back(more);
    return run(mode, overrides);
  };
  // 16 lines, one in each page. The first two misses are the warm-up's; 14 more put the rest in.
  const ScenarioResult result = with("");
  CHECK(result.count("/llc/dma_write/misses") == 14);
  CHECK(result.count("/llc/dma_write/hits") == 184);
  CHECK(result.number("/masters/a/stages/downstream/min_ns") == 20.0);
  CHECK(result.number("/masters/a/stages/downstream/max_ns") == 77.5);
  const ScenarioResult without_ways = with("llc.write_ways=0");
  CHECK(without_ways.count("/llc/dma_write/hits") == 0);
  CHECK(without_ways.number("/masters/a/stages/downstream/min_ns") == 77.5);
  const ScenarioResult off = with("llc.dma_writes=false");
  CHECK(off.number("/masters/a/stages/downstream/min_ns") == 77.5);
  CHECK(off.count("/llc/dma_write/misses") == 0);
}

TEST_CASE("scenario with a cache: LT and AT agree with one request in flight") {
  const ScenarioResult lt = run("lt", {"device.a.write_percent=50", "device.a.pattern=random"});
  const ScenarioResult at = run("at", {"device.a.write_percent=50", "device.a.pattern=random"});
  CHECK(lt.at("/masters/a/latency") == at.at("/masters/a/latency"));
  CHECK(lt.at("/masters/a/stages") == at.at("/masters/a/stages"));
  CHECK(lt.at("/llc/dma_read") == at.at("/llc/dma_read"));
  CHECK(lt.at("/llc/dma_write") == at.at("/llc/dma_write"));
}

TEST_CASE("scenario with a cache: a walker that may read directly does not") {
  const ScenarioResult result = run("lt", {"iommu.0.walker.dmi=true"});
  CHECK(result.number("/masters/a/stages/walk_level_1/mean_ns") == 22.0);
  CHECK(result.count("/llc/structure/hits") >= 198);
}

TEST_CASE("scenario with a cache: random reads over a window larger than it") {
  const ScenarioResult result = run("lt", {"device.a.window_cache=warm", "device.a.window_bytes=64MiB",
                                           "device.a.pattern=random", "device.a.count=40002", "ddi.max_leaf=2MiB"});
  // 15 of 64 MiB; four standard deviations of sqrt(p (1 - p) / n) = 0.0021.
  const double share = result.number("/llc/dma_read/hits") / 40000;
  CHECK(share > 0.234375 - 0.0085);
  CHECK(share < 0.234375 + 0.0085);
}

TEST_CASE("scenario without a cache: nothing of it shows") {
  const ScenarioResult result = ScenarioResult(kScenario, {"llc.size_bytes=0"});
  CHECK_FALSE(result.has("/llc"));
  CHECK(result.number("/masters/a/stages/walk_level_1/mean_ns") == 77.313);
}

TEST_CASE("scenario with a cache: mistakes") {
  CHECK(message_for("[llc]\nsize_bytes = \"25MiB\"\nways = 20\n[device.a]\nwindow_cache = \"warm\"\n").empty());
  CHECK(message_for("[llc]\nsize_bytes = \"15MiB\"\nways = 7\n[device.a]\n") ==
        "s.toml:2:14: llc.size_bytes = \"15MiB\": allowed: a multiple of 448, which is llc.ways = 7 lines of 64 bytes");
  CHECK(message_for("[llc]\nsize_bytes = \"1MiB\"\nways = 4\nwrite_ways = 5\n[device.a]\n") ==
        "s.toml:4:14: llc.write_ways = 5: more than llc.ways = 4");
  CHECK(message_for("[llc]\nways = 4\n[device.a]\n") ==
        "s.toml:2:1: llc.ways is for llc.size_bytes other than \"0\" only, here it is \"0\"");
  CHECK(message_for("[device.a]\nwindow_cache = \"warm\"\n") ==
        "s.toml:2:1: device.a.window_cache is for llc.size_bytes other than \"0\" only, here it is \"0\"");
}
