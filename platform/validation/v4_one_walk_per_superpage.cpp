// V4: walks of one 2 MiB region one after the other, five walkers.
#include "platform/validation/experiments.h"
#include "platform/validation/nfp_device.h"

namespace iommu::platform::validation {

namespace {

struct Row {
  std::uint64_t window_bytes;
  double mega_transfers;
  double tolerance_percent;
};

// Section 13, V4: 10^6 reads of 64 bytes a second; 4 % up to 3 MiB, 12 % beyond.
const std::vector<Row> kRates = {{1 * kMiB, 7.7, 4},    {1536 * kKiB, 5.7, 4}, {2 * kMiB, 5.0, 4},
                                 {3 * kMiB, 6.5, 4},    {4 * kMiB, 7.0, 12},   {8 * kMiB, 10.0, 12},
                                 {16 * kMiB, 13.0, 12}, {32 * kMiB, 15.2, 12}, {64 * kMiB, 16.6, 12}};

Scenario reads(std::uint64_t window_bytes, int samples) {
  // The fit of the measurements has 36 reads under way; with superpages enabled, leaves are of 2 MiB.
  return nfp_transfers("snb-e5", {64, false, window_bytes, Cached::Warm}, samples)
      .with("ddi.max_leaf", "2MiB")
      .with("device.dma.outstanding", 36);
}

double miss_rate(const Results& results) {
  return results.number("masters.dma.rate_per_us") * results.number("iommu.0.iotlb.misses") /
         results.number("iommu.0.iotlb.lookups");
}

}  // namespace

Experiment one_walk_per_superpage(Form form) {
  Experiment experiment;
  experiment.id = "V4";
  experiment.title = "One walk at a time for each superpage, five walkers";
  experiment.source =
      "raw data of pcie-bench, Neugebauer et al., SIGCOMM 2018; Xeon E5-2630 (Sandy Bridge), superpages enabled";
  experiment.setup =
      "Preset snb-e5: leaves of 2 MiB that the IOTLB keeps in pieces of 4 KiB. 36 random reads of 64 bytes under way, "
      "data in the last-level "
      "cache.";
  experiment.differences = {kContiguousBuffer};
  const int samples = form == Form::Short ? 4000 : 60'000;
  Series rates{"snb-rate", "Sandy Bridge, 64 B reads, superpages", "M/s", bytes_axis("window"), {}, ""};
  Series misses{"snb-miss-rate", "Sandy Bridge, misses while the window is one superpage", "M/s", no_axis(), {}, ""};
  for (const Row& row : kRates) {
    if (form == Form::Short && row.window_bytes != 2 * kMiB && row.window_bytes != 16 * kMiB) continue;
    const Scenario scenario = reads(row.window_bytes, samples);
    const auto x = static_cast<double>(row.window_bytes);
    rates.add({window_name(row.window_bytes),
               x,
               {scenario},
               steady_rate(),
               row.mega_transfers,
               percent(row.tolerance_percent),
               ""});
    // One walk of 263 ns at a time: 1 / 263 ns.
    if (row.window_bytes <= 2 * kMiB) {
      misses.add({window_name(row.window_bytes), x, {scenario}, miss_rate, 3.80, percent(3), ""});
    }
  }
  experiment.series.push_back(std::move(rates));
  experiment.series.push_back(std::move(misses));
  return experiment;
}

}  // namespace iommu::platform::validation
