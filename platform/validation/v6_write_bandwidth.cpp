// V6: bandwidth of posted writes against the window, and what write credits allow.
#include "platform/validation/experiments.h"
#include "platform/validation/nfp_device.h"

namespace iommu::platform::validation {

namespace {

struct Row {
  std::uint64_t window_bytes;
  double gbit_per_s;
  double tolerance_percent;
};

struct Rates {
  int bytes;
  std::vector<Row> rows;
};

// Section 13, V6; 128 and 512 B from section 3.3 and its file. 64 B at 512 KiB must show no loss, in contrast to reads.
const std::vector<Rates> kRates = {
    {64,
     {{256 * kKiB, 24.3, 8},
      {512 * kKiB, 24.3, 1},
      {1 * kMiB, 19.4, 8},
      {1536 * kKiB, 15.1, 8},
      {2 * kMiB, 13.6, 8},
      {3 * kMiB, 12.5, 8},
      {4 * kMiB, 12.0, 8},
      {8 * kMiB, 11.5, 8},
      {16 * kMiB, 11.2, 8},
      {64 * kMiB, 11.1, 8}}},
    {128,
     {{256 * kKiB, 42.4, 8},
      {512 * kKiB, 42.4, 8},
      {1 * kMiB, 40.6, 8},
      {2 * kMiB, 29.0, 8},
      {4 * kMiB, 25.3, 8},
      {16 * kMiB, 23.3, 8},
      {64 * kMiB, 23.1, 8}}},
    {256,
     {{256 * kKiB, 50.5, 8},
      {512 * kKiB, 50.5, 8},
      {1 * kMiB, 50.5, 8},
      {2 * kMiB, 50.5, 8},
      {4 * kMiB, 49.9, 8},
      {16 * kMiB, 46.3, 8},
      {64 * kMiB, 45.3, 8}}},
    {512, {{256 * kKiB, 54.4, 8}, {4 * kMiB, 54.4, 8}, {64 * kMiB, 54.4, 8}}},
};

/// Nothing but credits limits: a link that is wider than they allow, and memory that holds each write for `residency_ns`.
Scenario credits(double residency_ns, int samples) {
  return Scenario()
      .with("mode", "at")
      .with("memory.latency_ns", residency_ns)
      .with("memory.bandwidth_gbytes_per_s", 0)
      .with("bus.latency_ns", 0)
      .with("host.access_ns", 0)
      .with("iommu.0.context_cache.latency_cycles", 0)
      .with("device.dma.mapping", "pass_through")
      .with("device.dma.link.generation", 5)
      .with("device.dma.link.lanes", 16)
      .with("device.dma.link.posted_credits", 92)
      .with("device.dma.link.propagation_ns", 0)
      .with("device.dma.link.root_complex_ns", 0)
      .with("device.dma.write_percent", 100)
      .with("device.dma.outstanding", 4096)
      .with("device.dma.warmup_count", 1000)
      .with("device.dma.count", 1000 + samples);
}

}  // namespace

Experiment write_bandwidth(Form form) {
  Experiment experiment;
  experiment.id = "V6";
  experiment.title = "Write bandwidth against window, and write credits";
  experiment.source =
      "raw data of pcie-bench, Neugebauer et al., SIGCOMM 2018, Xeon E5-2630 v4 (Broadwell); credits: Vuppalapati et "
      "al., SIGCOMM 2024";
  experiment.setup = "Preset bdw-e5v4, 4 KiB leaves, random posted writes as fast as the device issues them.";
  experiment.differences = {
      kContiguousBuffer,
      "The same preset and walk time as in V5. Reads and writes differ because eight reads at most are between look-up "
      "and delivery, "
      "and writes as many as there are credits for: reads wait behind misses, writes only for walkers.",
      "The tolerance was set for 64 and 256 bytes; the other sizes are held to the same."};
  const int samples = form == Form::Short ? 3000 : 60'000;
  for (const Rates& rates : kRates) {
    Series series{"bdw-" + std::to_string(rates.bytes),
                  "Broadwell, writes of " + std::to_string(rates.bytes) + " B",
                  "Gb/s",
                  bytes_axis("window"),
                  {},
                  ""};
    for (const Row& row : rates.rows) {
      if (form == Form::Short && row.window_bytes != 512 * kKiB && row.window_bytes != 4 * kMiB) continue;
      series.add({window_name(row.window_bytes),
                  static_cast<double>(row.window_bytes),
                  {nfp_transfers("bdw-e5v4", {rates.bytes, true, row.window_bytes, Cached::Warm}, samples)},
                  steady_gbit_per_s(),
                  row.gbit_per_s,
                  percent(row.tolerance_percent),
                  ""});
    }
    experiment.series.push_back(std::move(series));
  }
  Series law{"credits", "92 credits of 64 B, nothing else limits", "GB/s", no_axis(), {}, ""};
  const Measure gigabytes = value_of("masters.dma.gbit_per_s", 1.0 / 8);
  law.add({"300 ns in memory", 300, {credits(300, samples)}, gigabytes, 19.6, percent(2), ""});
  law.add({"590 ns in memory", 590, {credits(590, samples)}, gigabytes, 10.0, percent(2), ""});
  experiment.series.push_back(std::move(law));
  return experiment;
}

}  // namespace iommu::platform::validation
