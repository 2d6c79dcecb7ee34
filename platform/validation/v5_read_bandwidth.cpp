// V5: bandwidth of reads against the window that they are drawn from.
#include "platform/validation/experiments.h"
#include "platform/validation/nfp_device.h"

namespace iommu::platform::validation {

namespace {

const std::vector<std::uint64_t> kWindows = {256 * kKiB, 512 * kKiB, 1 * kMiB, 1536 * kKiB, 2 * kMiB,
                                             3 * kMiB,   4 * kMiB,   8 * kMiB, 16 * kMiB,   64 * kMiB};

struct Row {
  int bytes;
  double tolerance_percent;
  std::vector<double> gbit_per_s;  // of kWindows
};

// Section 13, V5. 512 B: 55.0 flat, 53.6 at 64 MiB.
const std::vector<Row> kRates = {
    {64, 13, {32.4, 22.3, 15.2, 13.0, 12.1, 11.3, 10.9, 10.4, 10.1, 9.8}},
    {128, 13, {43.7, 38.8, 29.2, 25.4, 23.7, 22.2, 21.5, 20.6, 20.1, 19.5}},
    {256, 20, {47.8, 46.0, 41.8, 40.3, 39.1, 37.5, 36.5, 35.2, 34.4, 33.6}},
    {512, 3, {55.0, 55.0, 55.0, 55.0, 55.0, 55.0, 55.0, 55.0, 55.0, 53.6}},
};

double loss_percent(const Results& results) {
  return 100 * (1 - results.number("masters.dma.gbit_per_s", 0) / results.number("masters.dma.gbit_per_s", 1));
}

}  // namespace

Experiment read_bandwidth(Form form) {
  Experiment experiment;
  experiment.id = "V5";
  experiment.title = "Read bandwidth against window";
  experiment.source = "raw data of pcie-bench, Neugebauer et al., SIGCOMM 2018; Xeon E5-2630 v4 (Broadwell)";
  experiment.setup =
      "Preset bdw-e5v4, 4 KiB leaves, random reads as many at a time as the device can, data in the last-level cache.";
  experiment.differences = {kContiguousBuffer,
                            "Outstanding reads by size (35, 31, 16, 16 of 64, 128, 256, 512 bytes) instead of 36 for "
                            "all: the rates without an IOMMU, cold and warm, say so."};
  const int samples = form == Form::Short ? 3000 : 60'000;
  const auto reads = [samples](int bytes, std::uint64_t window) {
    return nfp_transfers("bdw-e5v4", {bytes, false, window, Cached::Warm}, samples);
  };
  for (const Row& row : kRates) {
    Series series{"bdw-" + std::to_string(row.bytes),
                  "Broadwell, reads of " + std::to_string(row.bytes) + " B, warm",
                  "Gb/s",
                  bytes_axis("window"),
                  {},
                  ""};
    for (std::size_t i = 0; i < kWindows.size(); ++i) {
      const std::uint64_t window = kWindows[i];
      if (form == Form::Short && window != 256 * kKiB && window != 1 * kMiB) continue;
      series.add({window_name(window),
                  static_cast<double>(window),
                  {reads(row.bytes, window)},
                  steady_gbit_per_s(),
                  row.gbit_per_s[i],
                  percent(window == 256 * kKiB ? 1.5 : row.tolerance_percent),
                  ""});
    }
    experiment.series.push_back(std::move(series));
  }
  const Scenario at_512 = reads(64, 512 * kKiB);
  Series telling{"bdw-order", "Broadwell, 64 B at 512 KiB: hits may not pass misses", "Gb/s", no_axis(), {}, ""};
  telling.add({"in order", 0, {at_512}, steady_gbit_per_s(), 22.3, between(20, 25), ""});
  telling.add({"out of order instead: must fail",
               1,
               {at_512.with("iommu.0.order", "out_of_order")},
               steady_gbit_per_s(),
               {},
               at_least(28),
               ""});
  experiment.series.push_back(std::move(telling));
  if (form == Form::Full) {
    Series loss{"bdw-loss", "Broadwell, loss at 64 MiB against 256 KiB", "%", no_axis(), {}, ""};
    loss.add({"64 B", 64, {reads(64, 64 * kMiB), reads(64, 256 * kKiB)}, loss_percent, {}, between(65, 75), ""});
    loss.add({"512 B", 512, {reads(512, 64 * kMiB), reads(512, 256 * kKiB)}, loss_percent, {}, between(0, 7), ""});
    experiment.series.push_back(std::move(loss));
  }
  return experiment;
}

}  // namespace iommu::platform::validation
