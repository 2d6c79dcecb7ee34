// V2: leaves of 2 MiB take the cost of translation away, unless the IOTLB keeps pieces of them.
#include "platform/validation/experiments.h"
#include "platform/validation/pcie_bench.h"

namespace iommu::platform::validation {

namespace {

std::vector<WindowValue> flat(double value) {
  std::vector<WindowValue> values;
  for (const std::uint64_t window : {64 * kKiB, 256 * kKiB, 512 * kKiB, 1 * kMiB, kMiB * 3 / 2, 2 * kMiB, 4 * kMiB,
                                     8 * kMiB, 16 * kMiB, 32 * kMiB, 64 * kMiB}) {
    values.push_back({window, value});
  }
  return values;
}

// Section 3.2, engine "dma", cold: mean ns with superpages. BDW was measured without the IOMMU and with 4 KiB leaves only.
const std::vector<WindowValue> kHsw2620 = flat(602);
const std::vector<WindowValue> kIvb = flat(619);
const std::vector<WindowValue> kBdwOff = flat(610);
// Section 13, V1: what superpages that are kept as pieces fall back to.
const std::vector<WindowValue> kBdwSmallLeaves = {
    {64 * kKiB, 613}, {256 * kKiB, 613}, {512 * kKiB, 638}, {1 * kMiB, 770},  {kMiB * 3 / 2, 813}, {2 * kMiB, 835},
    {4 * kMiB, 868},  {8 * kMiB, 885},   {16 * kMiB, 895},  {32 * kMiB, 899}, {64 * kMiB, 901}};

Scenario large_leaves(Form form, const char* preset) { return serial_reads(form, preset).with("ddi.max_leaf", "2MiB"); }

Series means(Form form, const std::string& key, const std::string& title, const Scenario& scenario,
             const std::vector<WindowValue>& published, double width) {
  Series series{key, title + ", mean of 64 B reads, cold", "ns", bytes_axis("window"), {}, ""};
  add_windows(series, form, scenario, value_of("masters.dma.latency.mean_ns"), published, absolute(width));
  return series;
}

/// Superpages less IOMMU off, in the model: nothing.
Series less_off(Form form, const std::string& key, const std::string& title, const char* preset) {
  Series series{key, title + ", superpages less IOMMU off", "ns", bytes_axis("window"), {}, ""};
  const Scenario on = large_leaves(form, preset);
  const Scenario off = on.with("device.dma.mapping", "pass_through");
  for (const auto& [window, nothing] : flat(0)) {
    if (form == Form::Short && !in_short_form(window)) continue;
    series.add({window_name(window),
                static_cast<double>(window),
                {in_window(on, window), in_window(off, window)},
                difference_of("masters.dma.latency.mean_ns"),
                nothing,
                absolute(5),
                ""});
  }
  return series;
}

/// Superpages over IOMMU off, in the model: the same throughput.
Series over_off(Form form, const std::string& key, const std::string& title, const char* preset) {
  Series series{key, title + ", throughput of 64 B reads with superpages over IOMMU off", "%", bytes_axis("window"), {},
                ""};
  for (const auto& [window, same] : flat(100)) {
    if (form == Form::Short && !in_short_form(window)) continue;
    const Scenario on = nfp_transfers(preset, {64, false, window, Cached::Warm}, form == Form::Short ? 4000 : 60'000)
                            .with("device.dma.mapped_bytes", "64MiB")
                            .with("ddi.max_leaf", "2MiB");
    const Scenario off = on.with("device.dma.mapping", "pass_through");
    series.add({window_name(window),
                static_cast<double>(window),
                {on, off},
                [](const Results& results) { return 100 * ratio_of("masters.dma.gbit_per_s")(results); },
                same,
                percent(1),
                ""});
  }
  return series;
}

}  // namespace

Experiment superpages(Form form) {
  Experiment experiment;
  experiment.id = "V2";
  experiment.title = "Superpages remove the effect";
  experiment.source = "raw data of pcie-bench, Neugebauer et al., SIGCOMM 2018";
  experiment.setup =
      "V1 with 2 MiB leaves, each one entry of the IOTLB: latency and throughput are those without IOMMU at every "
      "window. The "
      "negative check is the same "
      "machine with an IOTLB that keeps pieces of 4 KiB: the latency is V1's again.";
  experiment.differences = {kContiguousBuffer, "IOMMU off is a device that the IOMMU passes through.",
                            "BDW was not measured with superpages: its IOMMU-off latency is what they are held to."};
  experiment.series.push_back(
      means(form, "hsw-2620", "HSW E5-2620v3, superpages", large_leaves(form, "hsw-e5v3"), kHsw2620, 5));
  experiment.series.push_back(means(form, "ivb", "IVB E5-2620v2, superpages", large_leaves(form, "ivb-e5v2"), kIvb, 5));
  experiment.series.push_back(
      means(form, "bdw", "BDW E5-2630v4, superpages", large_leaves(form, "bdw-e5v4"), kBdwOff, 5));
  experiment.series.push_back(less_off(form, "bdw-less-off", "BDW E5-2630v4", "bdw-e5v4"));
  experiment.series.push_back(means(form, "bdw-pieces", "BDW E5-2630v4, superpages in pieces of 4 KiB",
                                    large_leaves(form, "bdw-e5v4").with("iommu.0.iotlb.superpage_pieces", true),
                                    kBdwSmallLeaves, 10));
  experiment.series.push_back(over_off(form, "hsw-2620-rate", "HSW E5-2620v3", "hsw-e5v3"));
  experiment.series.push_back(over_off(form, "ivb-rate", "IVB E5-2620v2", "ivb-e5v2"));
  return experiment;
}

}  // namespace iommu::platform::validation
