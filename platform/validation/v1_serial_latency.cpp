// V1: latency of one read at a time against the window that its addresses are drawn from.
#include "platform/validation/experiments.h"
#include "platform/validation/pcie_bench.h"

namespace iommu::platform::validation {

namespace {

// Section 3.2, engine "dma", cold, 4 KiB leaves: mean ns. V1 lists those of BDW, IVB and HSW-2620.
const std::vector<WindowValue> kBdw = {{64 * kKiB, 613},    {256 * kKiB, 613}, {512 * kKiB, 638}, {1 * kMiB, 770},
                                       {kMiB * 3 / 2, 813}, {2 * kMiB, 835},   {4 * kMiB, 868},   {8 * kMiB, 885},
                                       {16 * kMiB, 895},    {32 * kMiB, 899},  {64 * kMiB, 901}};
const std::vector<WindowValue> kHsw2620 = {{64 * kKiB, 603},    {256 * kKiB, 603}, {512 * kKiB, 620}, {1 * kMiB, 726},
                                           {kMiB * 3 / 2, 762}, {2 * kMiB, 779},   {4 * kMiB, 807},   {8 * kMiB, 820},
                                           {16 * kMiB, 827},    {32 * kMiB, 830},  {64 * kMiB, 832}};
const std::vector<WindowValue> kHsw2637 = {{64 * kKiB, 646},    {256 * kKiB, 646}, {512 * kKiB, 665}, {1 * kMiB, 791},
                                           {kMiB * 3 / 2, 833}, {2 * kMiB, 855},   {4 * kMiB, 886},   {8 * kMiB, 900},
                                           {16 * kMiB, 907},    {32 * kMiB, 911},  {64 * kMiB, 913}};
const std::vector<WindowValue> kIvb = {{64 * kKiB, 618},    {256 * kKiB, 618}, {512 * kKiB, 623}, {1 * kMiB, 770},
                                       {kMiB * 3 / 2, 819}, {2 * kMiB, 844},   {4 * kMiB, 880},   {8 * kMiB, 899},
                                       {16 * kMiB, 908},    {32 * kMiB, 912},  {64 * kMiB, 915}};
// The same with superpages, which this machine cuts into pieces of 4 KiB.
const std::vector<WindowValue> kSnb = {{64 * kKiB, 616},    {256 * kKiB, 616}, {512 * kKiB, 618}, {1 * kMiB, 736},
                                       {kMiB * 3 / 2, 776}, {2 * kMiB, 796},   {4 * kMiB, 825},   {8 * kMiB, 840},
                                       {16 * kMiB, 848},    {32 * kMiB, 852},  {64 * kMiB, 853}};

Series means(Form form, const std::string& key, const std::string& machine, const Scenario& scenario,
             const std::vector<WindowValue>& published) {
  Series series{key, machine + ", mean of 64 B reads, cold", "ns", bytes_axis("window"), {}, ""};
  add_windows(series, form, scenario, value_of("masters.dma.latency.mean_ns"), published, absolute(10));
  return series;
}

/// The two modes that the mean is made of, at the largest window.
Series shape(const Scenario& scenario) {
  Series series{"bdw-shape", "BDW E5-2630v4, hits and misses at 64 MiB", "ns", no_axis(), {}, ""};
  const std::vector<Scenario> run{in_window(scenario, 64 * kMiB)};
  // One step of the device's clock.
  series.add({"hits, mode", 0, run, mode_between(0, 740), 600, absolute(13.3), ""});
  series.add({"misses, mode", 0, run, mode_between(740, 1e9), 880, absolute(13.3), ""});
  return series;
}

Series hit_share(const Scenario& scenario) {
  Series series{"bdw-hits", "BDW E5-2630v4, share of hits at 64 MiB", "%", no_axis(), {}, ""};
  series.add(
      {"hits", 0, {in_window(scenario, 64 * kMiB)}, value_of("iommu.0.iotlb.hit_ratio", 100), 0.71, absolute(0.1), ""});
  return series;
}

}  // namespace

Experiment serial_latency(Form form) {
  Experiment experiment;
  experiment.id = "V1";
  experiment.title = "Serial latency against window";
  experiment.source = "raw data of pcie-bench, Neugebauer et al., SIGCOMM 2018";
  experiment.setup =
      "One 64 B read at a time, at random in a window of a buffer of 64 MiB that is mapped once with 4 KiB leaves; "
      "200,000 reads for each "
      "window. SNB: with 2 MiB leaves.";
  experiment.differences = {
      kContiguousBuffer,
      "The tolerance was set for BDW, HSW E5-2620v3 and IVB; the other two machines are held to the same.",
      "Latencies are exact, not in steps of the device's clock; a mode is the mean of the fullest bin of one such "
      "step."};
  const auto small_leaves = [&](const char* preset) { return serial_reads(form, preset).with("ddi.max_leaf", "4KiB"); };
  const Scenario bdw = small_leaves("bdw-e5v4").with("statistics.histograms", true);
  experiment.series.push_back(means(form, "bdw", "BDW E5-2630v4", bdw, kBdw));
  // One read in 140 hits: the short form has too few.
  const Scenario many = bdw.with("device.dma.count", 203'000);
  experiment.series.push_back(shape(many));
  experiment.series.push_back(hit_share(many));
  experiment.series.push_back(means(form, "hsw-2620", "HSW E5-2620v3", small_leaves("hsw-e5v3"), kHsw2620));
  experiment.series.push_back(means(form, "hsw-2637", "HSW E5-2637v3", small_leaves("hsw-e5v3-2637"), kHsw2637));
  experiment.series.push_back(means(form, "ivb", "IVB E5-2620v2", small_leaves("ivb-e5v2"), kIvb));
  const Scenario snb = serial_reads(form, "snb-e5").with("ddi.max_leaf", "2MiB");
  experiment.series.push_back(means(form, "snb", "SNB E5-2630, superpages", snb, kSnb));
  return experiment;
}

}  // namespace iommu::platform::validation
