// result.json, latency.csv and the terminal's table.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "models/core/version.h"
#include "platform/result_table.h"
#include "platform/result_writer.h"
#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_folder.h"

using namespace iommu::platform;
using Json = nlohmann::ordered_json;

namespace {

Json summary(std::uint64_t count, double each_ns) {
  return {{"count", count},    {"min_ns", each_ns}, {"mean_ns", each_ns},  {"p50_ns", each_ns},
          {"p90_ns", each_ns}, {"p99_ns", each_ns}, {"p99_9_ns", each_ns}, {"max_ns", each_ns}};
}

/// Two masters; stages iotlb and walk, and one that never took place.
Json measured() {
  Json walk = summary(4, 300);
  Json iotlb = summary(10, 2);
  Json none = summary(0, 0);
  walk["share"] = 0.9375;
  iotlb["share"] = 0.0625;
  none["share"] = 0.0;
  return {
      {"simulated_ns", 1234567.125},
      {"requests", 10U},
      {"faults", 1U},
      {"latency", summary(10, 128)},
      {"stages", {{"queue", none}, {"iotlb", iotlb}, {"walk", walk}}},
      {"outcomes", {{"hit", summary(6, 2)}, {"merged", summary(0, 0)}, {"walk", {{"count", 4U}, {"mean_ns", 317.0}}}}},
      {"masters",
       {{"dma0",
         {{"requests", 9U},
          {"bytes", 5760000U},
          {"faults", 1U},
          {"latency", summary(9, 100)},
          {"stages", {{"walk", summary(3, 150)}}},
          {"outcomes", {{"hit", {{"count", 5U}, {"mean_ns", 2.0}, {"stages", {{"iotlb", summary(5, 2)}}}}}}}}},
        {"nic,1", {{"requests", 1U}, {"bytes", 64U}, {"faults", 0U}, {"latency", summary(1, 380)}}}}},
      {"iommu", {{"0", {{"iotlb", {{"hits", 6U}, {"misses", 4000U}, {"merged", 0U}}}, {"walk_reads", 16U}}}}},
      {"ddi",
       {{"MapLogicalRangeEx",
         {{"calls", 2U},
          {"failures", 1U},
          {"latency", summary(2, 500)},
          {"registers", {{"reads", 4U}, {"writes", 1U}}},
          {"memory", {{"reads", 0U}, {"writes", 1024U}}}}},
        {"DeleteDevice", {{"calls", 0U}}},
        {"outside_of_calls", {{"registers", {{"reads", 9U}, {"writes", 5U}}}}}}},
      {"memory", {{"reads", 26U}, {"utilisation", 0.125}}},
      {"payload", {{"corrupted", 0U}}}};
}

Config config() { return config_for("seed = 9\n[device.dma0]\n"); }

}  // namespace

TEST_CASE("a histogram of picoseconds as a summary in ns") {
  iommu::core::LatencyHistogram h;
  for (int i = 1; i <= 4; ++i) h.add(static_cast<iommu::core::Tick>(i) * 50);
  CHECK(to_json_text(latency_json(h)) ==
        "{\n  \"count\": 4,\n  \"min_ns\": 0.05,\n  \"mean_ns\": 0.125,\n  \"p50_ns\": 0.1,\n  \"p90_ns\": 0.2,\n  "
        "\"p99_ns\": 0.2,\n  "
        "\"p99_9_ns\": 0.2,\n  \"max_ns\": 0.2\n}\n");
  CHECK(latency_json({})["max_ns"] == 0.0);
  CHECK(latency_json({})["count"] == 0);
}

TEST_CASE("the result begins with what it is and ends with the scenario") {
  const Json result = complete_result(config(), measured());
  std::vector<std::string> keys;
  for (const auto& item : result.items()) keys.push_back(item.key());
  CHECK(keys == std::vector<std::string>{"schema", "version", "name", "seed", "mode", "simulated_ns", "requests",
                                         "faults", "latency", "stages", "outcomes", "masters", "iommu", "ddi", "memory",
                                         "payload", "config"});
  CHECK(result["schema"] == "iommu-vp/result/1");
  CHECK(result["version"] == iommu::core::version());
  CHECK(result["name"] == "s");
  CHECK(result["seed"] == 9);
  CHECK(result["mode"] == "lt");
  CHECK(result["config"]["device"]["dma0"]["count"] == 10000);
}

TEST_CASE("numbers are written in plain decimals, rounded to six of them") {
  const auto text = [](const Json& value) { return to_json_text(complete_result(config(), {{"x", value}})["x"]); };
  CHECK(text(70.0) == "70.0\n");
  CHECK(text(1.0 / 3) == "0.333333\n");
  CHECK(text(0.1 + 0.2) == "0.3\n");
  CHECK(text(1e15) == "1000000000000000.0\n");
  CHECK(text(1e-9) == "0.0\n");
  CHECK(text(-1e-9) == "0.0\n");
  CHECK(text(std::nan("")) == "null\n");
  CHECK(text(std::numeric_limits<double>::infinity()) == "null\n");
  CHECK(text(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615\n");
  CHECK(text(Json::array()) == "[]\n");
  CHECK(text(Json::object()) == "{}\n");
  CHECK(text(Json{{"a", {1, 2}}, {"b \"q\"", true}}) ==
        "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b \\\"q\\\"\": true\n}\n");
}

TEST_CASE("what is written reads back as the value in memory") {
  const Json result = complete_result(config(), measured());
  CHECK(Json::parse(to_json_text(result)) == result);
  CHECK(to_json_text(result) == to_json_text(complete_result(config(), measured())));
}

TEST_CASE("latency.csv") {
  CHECK(to_csv_text(complete_result(config(), measured())) ==
        "master,outcome,stage,count,min_ns,mean_ns,p50_ns,p90_ns,p99_ns,p99_9_ns,max_ns,share\n"
        "all,all,total,10,128.0,128.0,128.0,128.0,128.0,128.0,128.0,1.0\n"
        "all,all,queue,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
        "all,all,iotlb,10,2.0,2.0,2.0,2.0,2.0,2.0,2.0,0.0625\n"
        "all,all,walk,4,300.0,300.0,300.0,300.0,300.0,300.0,300.0,0.9375\n"
        "all,hit,total,6,2.0,2.0,2.0,2.0,2.0,2.0,2.0,0.009375\n"
        "all,merged,total,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
        "all,walk,total,4,0.0,317.0,0.0,0.0,0.0,0.0,0.0,0.990625\n"
        "dma0,all,total,9,100.0,100.0,100.0,100.0,100.0,100.0,100.0,1.0\n"
        "dma0,all,walk,3,150.0,150.0,150.0,150.0,150.0,150.0,150.0,0.5\n"
        "dma0,hit,total,5,0.0,2.0,0.0,0.0,0.0,0.0,0.0,0.011111\n"
        "dma0,hit,iotlb,5,2.0,2.0,2.0,2.0,2.0,2.0,2.0,0.011111\n"
        "\"nic,1\",all,total,1,380.0,380.0,380.0,380.0,380.0,380.0,380.0,1.0\n");
}

TEST_CASE("the terminal's table") {
  const std::string version = iommu::core::version();
  CHECK(to_table(complete_result(config(), measured())) ==
        "s  (iommu-vp " + version +
            ", mode lt, seed 9)\n"
            "10 requests in 1.235 ms, 1 fault\n"
            "\n"
            "stage                  count     share    p50 ns    p90 ns    p99 ns  p99.9 ns    max ns\n"
            "iotlb                     10     6.2 %       2.0       2.0       2.0       2.0       2.0\n"
            "walk                       4    93.8 %     300.0     300.0     300.0     300.0     300.0\n"
            "total                     10   100.0 %     128.0     128.0     128.0     128.0     128.0\n"
            "\n"
            "outcome                count     share    p50 ns    p90 ns    p99 ns  p99.9 ns    max ns\n"
            "hit                        6     0.9 %       2.0       2.0       2.0       2.0       2.0\n"
            "walk                       4    99.1 %       0.0       0.0       0.0       0.0       0.0\n"
            "\n"
            "master                 count     share    p50 ns    p90 ns    p99 ns  p99.9 ns    max ns\n"
            "dma0                       9    70.3 %     100.0     100.0     100.0     100.0     100.0\n"
            "nic,1                      1    29.7 %     380.0     380.0     380.0     380.0     380.0\n"
            "\n"
            "master              requests      bytes    faults\n"
            "dma0                       9  5,760,000         1\n"
            "nic,1                      1         64         0\n"
            "\n"
            "function               calls    failed   mean ns    reg rd    reg wr    mem rd    mem wr\n"
            "MapLogicalRangeEx          2         1     500.0         4         1         0     1,024\n"
            "\n"
            "iommu.0                iotlb.hits 6, iotlb.misses 4,000, walk_reads 16\n"
            "memory                 reads 26, utilisation 0.125\n");
}

TEST_CASE("counters break before column 100, UTF-8 counts by characters") {
  Json result{{"name", "n"}, {"iommu", {{"0", Json::object()}}}};
  for (int i = 0; i < 20; ++i) result["iommu"]["0"]["counter_" + std::to_string(i)] = 1000000U;
  result["stages"] = {{"\u00e9tape", summary(1, 1)}};
  result["latency"] = summary(1, 1);
  const std::string table = to_table(result);
  std::istringstream lines(table);
  std::size_t counters = 0;
  for (std::string line; std::getline(lines, line);) {
    CHECK(line.size() <= 101);
    if (line.find("counter_") != std::string::npos) ++counters;
  }
  CHECK(counters == 7);
  CHECK(table.find("\n\u00e9tape                      1   100.0 %") != std::string::npos);
}

TEST_CASE("a result without measurements is no reason to stumble") {
  CHECK(to_table(Json::object()) == "  (iommu-vp , mode , seed 0)\n0 requests in 0.0 ns, 0 faults\n");
  CHECK(to_csv_text(Json::object()) ==
        "master,outcome,stage,count,min_ns,mean_ns,p50_ns,p90_ns,p99_ns,p99_9_ns,max_ns,share\n");
}

TEST_CASE("files are written in one piece") {
  const ScenarioFolder folder;
  prepare_directory("a/b");
  write_file("a/b/result.json", "one");
  write_file("a/b/result.json", "two");
  CHECK(folder.read("a/b/result.json") == "two");
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("a/b")) ++files;
  CHECK(files == 1);
  prepare_directory("a/b");  // is there already
}

TEST_CASE("files that can't be written") {
  const ScenarioFolder folder;
  folder.write("file", "");
  CHECK_THROWS_WITH(prepare_directory("file"), "--out = \"file\": can't be made: Not a directory");
  CHECK_THROWS_WITH(prepare_directory("file/sub"), "--out = \"file/sub\": can't be made: Not a directory");
  CHECK_THROWS_WITH(write_file("none/x", ""), "none/x: can't be written: No such file or directory");
  std::filesystem::create_directory("dir");
  CHECK_THROWS_WITH(write_file("dir", ""), "dir: can't be written: Is a directory");
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(".")) ++files;
  CHECK(files == 2);  // no temporary file is left
}
