#include "platform/validation/pcie_bench.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "platform/units.h"

namespace iommu::platform::validation {

namespace {

constexpr double kClockStepNs = 16 / 1.2;  // of the device: 16 cycles of 1.2 GHz

}  // namespace

Scenario serial_reads(Form form, const std::string& preset) {
  return Scenario(preset)
      .with("mode", "lt")
      .with("device.dma.outstanding", 1)
      .with("device.dma.pattern", "random")
      .with("device.dma.transfer_bytes", 64)
      .with("device.dma.mapped_bytes", "64MiB")
      .with("device.dma.window_cache", "cold")
      // At least 20 x the entries of an IOTLB.
      .with("device.dma.warmup_count", 3000)
      .with("device.dma.count", form == Form::Short ? 23'000 : 203'000);
}

Scenario in_window(const Scenario& scenario, std::uint64_t window_bytes) {
  return scenario.with("device.dma.window_bytes", window_bytes);
}

Measure mode_between(double from_ns, double to_ns) {
  return [from_ns, to_ns](const Results& results) {
    struct Bin {
      double count = 0;
      double sum_ns = 0;
    };
    std::map<long, Bin> bins;
    for (const auto& bucket : results.json().at("masters").at("dma").at("histogram")) {
      const auto ns = bucket.at(0).get<double>();
      if (ns < from_ns || ns >= to_ns) continue;
      Bin& bin = bins[std::lround(ns / kClockStepNs)];
      bin.count += bucket.at(1).get<double>();
      bin.sum_ns += ns * bucket.at(1).get<double>();
    }
    const auto fullest = std::max_element(bins.begin(), bins.end(),
                                          [](const auto& a, const auto& b) { return a.second.count < b.second.count; });
    if (fullest == bins.end()) {
      throw MissingResult("no latency from " + number_text(from_ns) + " to " + number_text(to_ns) + " ns");
    }
    return fullest->second.sum_ns / fullest->second.count;
  };
}

bool in_short_form(std::uint64_t window_bytes) {
  return window_bytes == 256 * kKiB || window_bytes == 512 * kKiB || window_bytes == 2 * kMiB ||
         window_bytes == 64 * kMiB;
}

void add_windows(Series& series, Form form, const Scenario& scenario, const Measure& measure,
                 const std::vector<WindowValue>& published, const Tolerance& tolerance) {
  for (const auto& [window_bytes, value] : published) {
    if (form == Form::Short && !in_short_form(window_bytes)) continue;
    series.add({window_name(window_bytes),
                static_cast<double>(window_bytes),
                {in_window(scenario, window_bytes)},
                measure,
                value,
                tolerance,
                ""});
  }
}

}  // namespace iommu::platform::validation
