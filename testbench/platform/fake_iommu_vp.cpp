// The iommu-vp program with a simulation that simulates nothing: its result is a closed form of the scenario. Tests of
// the command line run it, so that they need neither a kernel nor time.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "platform/command_line.h"
#include "platform/result_writer.h"

namespace {

using iommu::core::LatencyHistogram;
using iommu::platform::Config;
using iommu::platform::ConfigError;
using iommu::platform::DeviceConfig;
using Json = nlohmann::ordered_json;

/// The i-th request of a device takes memory.latency_ns + i ps; the whole of it is spent in stage "memory".
class FakeSimulation : public iommu::platform::Simulation {
 public:
  explicit FakeSimulation(const Config& config) : config_(config) {}

  Json run(iommu::platform::ProgressSink& progress) override {
    if (config_.description == "crash") std::abort();
    if (config_.description == "throw") throw std::runtime_error("thrown by the simulation");
    LatencyHistogram all;
    Json masters = Json::object();
    for (const DeviceConfig& device : config_.devices) {
      LatencyHistogram own;
      for (std::uint64_t i = 0; i < device.generator.count; ++i) {
        own.add(iommu::platform::to_picoseconds(config_.memory.latency_ns) + i);
        progress.progress(static_cast<double>(i), i, device.generator.count);
      }
      all.merge(own);
      masters[device.name] = {{"requests", own.count()},
                              {"bytes", own.count() * device.generator.transfer_bytes},
                              {"faults", 0U},
                              {"latency", summary(own)},
                              {"stages", {{"memory", summary(own)}}},
                              {"outcomes", {{"walk", summary(own)}}}};
    }
    Json stages{{"queue", summary(LatencyHistogram{})}, {"memory", summary(all)}};
    stages["queue"]["share"] = 0.0;
    stages["memory"]["share"] = 1.0;
    return {{"simulated_ns", 1234.5},
            {"requests", all.count()},
            {"faults", 0U},
            {"latency", summary(all)},
            {"stages", stages},
            {"outcomes", {{"hit", summary(LatencyHistogram{})}, {"walk", summary(all)}}},
            {"masters", masters},
            {"iommu", {{"0", {{"iotlb", {{"hits", 0U}, {"misses", all.count()}}}}}}},
            {"memory", {{"reads", all.count()}}}};
  }

 private:
  static Json summary(const LatencyHistogram& histogram) { return iommu::platform::latency_json(histogram); }

  Config config_;
};

std::unique_ptr<iommu::platform::Simulation> elaborate(const Config& config) {
  if (config.description == "refuse") throw ConfigError(config.where("description"), "refused by the elaboration");
  return std::make_unique<FakeSimulation>(config);
}

/// One call without accesses, whose situation names the machine.
iommu::platform::Explanation explain(const Config& config, const std::string& function) {
  iommu::platform::ExplainedCall call;
  call.situation = config.name + ", " + std::to_string(config.iommus.size()) + " IOMMU, " +
                   std::to_string(config.devices.size()) + " device, memory latency " +
                   std::to_string(static_cast<int>(config.memory.latency_ns)) + " ns";
  return {function, {call}};
}

}  // namespace

int main(int argc, char** argv) {
  return iommu::platform::run_command_line(std::vector<std::string>(argv + 1, argv + argc), &elaborate, &explain);
}
