// Results of whole scenarios: warm-up, rates, histograms (docs/timing-model.md, "Warm-up and rates").
#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_folder.h"
#include "testbench/platform/scenario_result.h"

namespace {

using iommu::test::ScenarioResult;

// An access that hits takes 1 (context cache) + 2 (IOTLB) + 5 (bus) + 70 + 2.5 (memory) = 80.5 ns; the next begins 19.5 ns
// after its end.
const std::string kOneOutstanding = R"(
[statistics]
histograms = true
[device.a]
window_bytes = "4KiB"
count = 101
outstanding = 1
gap_ns = 19.5
)";

}  // namespace

TEST_CASE("results: a warm-up is in no counter, and the rate is that of what follows") {
  const auto mode = GENERATE("lt", "at");
  const ScenarioResult result(kOneOutstanding + "warmup_count = 1\n", {"mode=" + std::string(mode)});
  CHECK(result.count("/masters/a/requests") == 100);
  CHECK(result.count("/masters/a/issued") == 100);
  CHECK(result.number("/masters/a/latency/mean_ns") == 80.5);
  CHECK(result.number("/masters/a/latency/max_ns") == 80.5);
  CHECK(result.number("/masters/a/rate_per_us") == 10.0);
  CHECK(result.number("/masters/a/gbit_per_s") == 5.12);
  CHECK(result.number("/requests_per_us") == 10.0);
  CHECK(result.number("/counted_from_ns") > 0);
  CHECK(result.at("/masters/a/histogram").dump() == "[[80.5,100]]");
  CHECK(result.count("/iommu/0/requests") == 100);
  CHECK(result.count("/iommu/0/iotlb/lookups") == 100);
  CHECK(result.count("/iommu/0/iotlb/hits") == 100);
  CHECK(result.count("/iommu/0/iotlb/misses") == 0);
  CHECK(result.count("/iommu/0/context_cache/lookups") == 100);
  CHECK(result.count("/iommu/0/context_cache/fills") == 0);
  CHECK(result.count("/iommu/0/walker/walks") == 0);
  CHECK(result.count("/iommu/0/walk_cache/lookups") == 0);
  CHECK(result.count("/stage_sum_mismatches") == 0);
}

TEST_CASE("results: without a warm-up everything counts, and nothing that was not asked for is there") {
  const ScenarioResult result(kOneOutstanding, {"statistics.histograms=false"});
  CHECK(result.count("/masters/a/requests") == 101);
  CHECK(result.count("/iommu/0/iotlb/misses") == 1);
  CHECK(result.count("/iommu/0/context_cache/fills") == 1);
  CHECK(result.count("/iommu/0/invalidation/descriptors") > 0);
  CHECK(result.number("/counted_from_ns") == 0);
  CHECK_FALSE(result.has("/masters/a/histogram"));
}

TEST_CASE("results: memory, bus, link and faults begin anew too") {
  const auto mode = GENERATE("lt", "at");
  // Untranslated and never set up, so that system software touches nothing after the warm-up.
  const ScenarioResult result(R"(
[ddi]
unattached = "pass_through"
[device.a]
mapping = "none"
window_bytes = "4KiB"
count = 30
warmup_count = 10
outstanding = 1
link.generation = 3
)",
                              {"mode=" + std::string(mode)});
  CHECK(result.count("/memory/reads") == 20);
  CHECK(result.count("/memory/bytes_read") == 20 * 64);
  CHECK(result.number("/memory/busy_ns") == 20 * 2.5);
  CHECK(result.count("/bus/transactions") == 20);
  CHECK(result.count("/masters/a/link/read_requests") == 20);
  CHECK(result.count("/masters/a/link/completions") == 20);
}

TEST_CASE("results: what devices share begins anew with the last warm-up") {
  const auto mode = GENERATE("lt", "at");
  const ScenarioResult result(R"(
[ddi]
unattached = "pass_through"
[device.a]
mapping = "none"
window_bytes = "4KiB"
count = 10
warmup_count = 4
outstanding = 1
[device.b]
mapping = "none"
window_bytes = "4KiB"
count = 10
warmup_count = 7
outstanding = 1
start_ns = 20000
)",
                              {"mode=" + std::string(mode)});
  CHECK(result.count("/masters/a/requests") == 6);
  CHECK(result.count("/masters/b/requests") == 3);
  CHECK(result.count("/memory/reads") == 3);
  // An access takes 78.5 ns. Of b's three are left when its seventh has ended; a thread (LT) calls it when it begins.
  CHECK(result.number("/simulated_ns") - result.number("/counted_from_ns") ==
        Approx(std::string(mode) == "lt" ? 4 * 78.5 : 3 * 78.5));
}

TEST_CASE("results: a warm-up that does not end is told") {
  const ScenarioResult result(kOneOutstanding + "warmup_count = 100\n", {"duration_ns=9000"});
  CHECK(result.count("/requests") == 0);
  CHECK(result.number("/masters/a/rate_per_us") == 0);
  CHECK(result.number("/counted_from_ns") == 0);
  CHECK(result.at("/diagnostics").dump().find("\"function\":\"warm-up\"") != std::string::npos);
}

TEST_CASE("scenario: a warm-up leaves something to count") {
  CHECK(message_for("[device.a]\ncount = 5\nwarmup_count = 4\n").empty());
  CHECK(message_for("[device.a]\ncount = 5\nwarmup_count = 5\n") ==
        "s.toml:3:16: device.a.warmup_count = 5: leaves nothing to count; allowed: less than device.a.count = 5");
  CHECK(message_for("[device.a]\nwarmup_count = -1\n") ==
        "s.toml:2:16: device.a.warmup_count = -1: out of range; allowed: an integer from 0 to 1000000000000");
}
