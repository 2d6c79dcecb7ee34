// Generators that access memory directly (device.*.dmi): what results hold of it, and what an unmapping does to it.
#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_folder.h"
#include "testbench/platform/scenario_result.h"

namespace {

using iommu::test::ScenarioResult;

// 16 pages of 64 lines, one after the other, one access at a time.
const std::string kScenario = R"(
[ddi]
max_leaf = "4KiB"
[device.a]
dmi = true
window_bytes = "64KiB"
count = 1024
write_percent = 50
outstanding = 1
)";

}  // namespace

TEST_CASE("direct scenario: one access of each page is counted, all are issued, completed and verified") {
  const ScenarioResult result(kScenario);
  CHECK(result.count("/masters/a/issued") == 1024);
  CHECK(result.count("/masters/a/completed") == 1024);
  CHECK(result.count("/masters/a/failed") == 0);
  CHECK(result.count("/masters/a/direct") == 1008);
  CHECK(result.count("/masters/a/verified") > 400);
  CHECK(result.count("/masters/a/mismatches") == 0);
  CHECK(result.count("/masters/a/requests") == 16);
  CHECK(result.count("/masters/a/bytes") == 16 * 64);
  CHECK(result.count("/iommu/0/requests") == 16);
  CHECK(result.count("/iommu/0/iotlb/lookups") == 16);
  CHECK(result.count("/stage_sum_mismatches") == 0);
  const ScenarioResult without(kScenario, {"device.a.dmi=false"});
  CHECK(without.count("/masters/a/direct") == 0);
  CHECK(without.count("/masters/a/requests") == 1024);
  CHECK(without.count("/masters/a/verified") == result.count("/masters/a/verified"));
}

TEST_CASE("direct scenario: accesses take the latency of memory and bus") {
  // 70 and 5 ns; nothing else is between the ends of two runs that differ by one page's accesses.
  const auto simulated = [](const std::string& count, const std::string& link) {
    return ScenarioResult(kScenario,
                          {"device.a.window_bytes=4KiB", "device.a.count=" + count, "device.a.link.generation=" + link})
        .number("/simulated_ns");
  };
  CHECK(simulated("1064", "0") - simulated("1000", "0") == Approx(64 * 75.0));
  CHECK(simulated("1064", "3") - simulated("1000", "3") == Approx(64 * 75.0));
}

TEST_CASE("direct scenario: after an unmapping every access faults") {
  const std::string link = GENERATE("0", "3");
  const ScenarioResult result(kScenario + "[[event]]\nat_ns = 20000\naction = \"unmap\"\ndevice = \"a\"\n",
                              {"device.a.window_bytes=4KiB", "device.a.link.generation=" + link});
  CHECK(result.count("/masters/a/issued") == 1024);
  CHECK(result.count("/masters/a/completed") == 1024);
  CHECK(result.count("/masters/a/mismatches") == 0);
  // About (20000 - the window's own set-up) / 75.
  CHECK(result.count("/masters/a/direct") > 200);
  CHECK(result.count("/masters/a/direct") < 270);
  CHECK(result.count("/masters/a/failed") + result.count("/masters/a/direct") + 1 == 1024);
  CHECK(result.count("/masters/a/faults") == result.count("/masters/a/failed"));
}

TEST_CASE("direct scenario: a window for reading is not written") {
  const ScenarioResult result(kScenario, {"device.a.permissions=read"});
  CHECK(result.count("/masters/a/issued") == 1024);
  CHECK(result.count("/masters/a/failed") > 400);
  CHECK(result.count("/masters/a/verified") + result.count("/masters/a/failed") == 1024);
  CHECK(result.count("/masters/a/verified") == result.count("/masters/a/direct") + 16);
  CHECK(result.count("/masters/a/mismatches") == 0);
}

TEST_CASE("direct scenario: it is for LT without a last-level cache") {
  CHECK(message_for("[device.a]\ndmi = true\n").empty());
  CHECK(message_for("mode = \"at\"\n[device.a]\ndmi = true\n") ==
        "s.toml:3:1: device.a.dmi is for mode = \"lt\" only, here it is \"at\"");
  CHECK(message_for("[llc]\nsize_bytes = \"1MiB\"\n[device.a]\ndmi = true\n") ==
        "s.toml:4:1: device.a.dmi is for llc.size_bytes = \"0\" only, here it is \"1048576\"");
  CHECK(message_for("[device.a]\ndmi = 1\n") ==
        "s.toml:2:7: device.a.dmi = 1: wrong type, an integer; allowed: true or false");
}
