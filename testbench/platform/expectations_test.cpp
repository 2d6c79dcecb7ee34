// Expectations against results.
#include "platform/expectations.h"

#include <nlohmann/json.hpp>

#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_folder.h"

using namespace iommu::platform;

namespace {

const nlohmann::ordered_json kResult = nlohmann::ordered_json::parse(R"({
  "name": "n", "faults": 3, "ratio": 0.25, "big": 9007199254740993, "negative": -2, "flag": true, "nothing": null,
  "latency": { "p50_ns": 70.0, "p99_ns": 1234.5 }, "list": [1, 2], "masters": { "dma0": { "faults": 1 } }
})");

ExpectationReport judge(const std::string& expectations) {
  return evaluate(config_for("[device.d]\n[expect]\n" + expectations).expectations, kResult);
}

bool holds(const std::string& expectation) {
  const ExpectationReport report = judge(expectation);
  REQUIRE(report.unknown.empty());
  return report.violations.empty();
}

}  // namespace

TEST_CASE("literals are compared for equality") {
  CHECK(holds("faults = 3"));
  CHECK(holds("faults = 3.0"));
  CHECK_FALSE(holds("faults = 2"));
  CHECK_FALSE(holds("faults = \"3\""));
  CHECK_FALSE(holds("faults = true"));
  CHECK(holds("faults = { equal = 3 }"));
  CHECK(holds("ratio = 0.25"));
  CHECK_FALSE(holds("ratio = 0"));
  CHECK(holds("name = \"n\""));
  CHECK_FALSE(holds("name = \"m\""));
  CHECK(holds("flag = true"));
  CHECK_FALSE(holds("flag = false"));
  CHECK_FALSE(holds("flag = 1"));
  CHECK(holds("negative = -2"));
  CHECK_FALSE(holds("nothing = 0"));
}

TEST_CASE("integers are exact beyond 2^53") {
  CHECK(holds("big = 9007199254740993"));
  CHECK_FALSE(holds("big = 9007199254740992"));
}

TEST_CASE("bounds are inclusive") {
  CHECK(holds("latency.p99_ns = { max = 1234.5 }"));
  CHECK_FALSE(holds("latency.p99_ns = { max = 1234.4 }"));
  CHECK(holds("faults = { min = 3 }"));
  CHECK_FALSE(holds("faults = { min = 4 }"));
  CHECK(holds("faults = { min = 1, max = 5 }"));
  CHECK_FALSE(holds("faults = { min = 1, max = 2 }"));
  CHECK(holds("negative = { min = -2, max = -2 }"));
  CHECK_FALSE(holds("name = { min = 0 }"));
  CHECK_FALSE(holds("nothing = { max = 5 }"));
}

TEST_CASE("paths: dotted, nested tables, array elements") {
  CHECK(holds("masters.dma0.faults = 1"));
  CHECK(holds("masters = { dma0 = { faults = 1 } }"));
  CHECK(holds("masters.dma0.faults = { max = 1 }"));
  CHECK(holds("list.1 = 2"));
  CHECK(holds("\"latency\".\"p50_ns\" = 70"));
}

TEST_CASE("every violated expectation is listed with place, path, wanted and found") {
  const ExpectationReport report = judge(
      "faults = 0\nlatency.p99_ns = { max = 900 }\nlatency.p50_ns = { min = 1, max = 70 }\nname = \"x\"\nratio = { min "
      "= 0.5 }\n");
  CHECK(report.violations == std::vector<std::string>{"s.toml:3:1: expected faults = 0, found 3",
                                                      "s.toml:4:9: expected latency.p99_ns at most 900, found 1234.5",
                                                      "s.toml:6:1: expected name = \"x\", found \"n\"",
                                                      "s.toml:7:1: expected ratio at least 0.5, found 0.25"});
  CHECK(report.unknown.empty());
  CHECK(judge("faults = { min = 5, max = 6.5 }\n").violations ==
        std::vector<std::string>{"s.toml:3:1: expected faults at least 5 and at most 6.5, found 3"});
}

TEST_CASE("paths that the result doesn't have") {
  const ExpectationReport report =
      judge("latency.p9_ns = 0\nfault = 0\nlist.2 = 1\nlist.x = 1\nfaults.more = 1\nwholly.other = 1\n");
  CHECK(report.violations.empty());
  CHECK(report.unknown ==
        std::vector<std::string>{
            "s.toml:3:9: expect.latency.p9_ns: the result has no \"latency.p9_ns\"; did you mean \"latency.p99_ns\"?",
            "s.toml:4:1: expect.fault: the result has no \"fault\"; did you mean \"faults\"?",
            "s.toml:5:6: expect.list.2: the result has no \"list.2\"; did you mean \"list.0\"?",
            "s.toml:6:6: expect.list.x: the result has no \"list.x\"; did you mean \"list.0\"?",
            "s.toml:7:8: expect.faults.more: the result has no \"faults.more\"",
            "s.toml:8:8: expect.wholly.other: the result has no \"wholly.other\""});
  CHECK(judge("latency = 5\n").unknown ==
        std::vector<std::string>{"s.toml:3:1: expect.latency: \"latency\" is an object in the result, not a value"});
}
