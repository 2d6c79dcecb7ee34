// V3: throughput of a PCI Express link alone, against the published protocol model.
#include "platform/validation/experiments.h"

namespace iommu::platform::validation {

namespace {

struct Rates {
  int bytes;
  double write;
  double read;
};

// Section 2's formulas, in Gb/s of payload: write up = ceil(n / MPS) x 24 + n; read up = ceil(n / 512) x 24, down =
// ceil(n / MPS) x 20 + n; usable rates 56.67, 57.88 and 57.31 Gb/s for Gen3 x8 with MPS 128, 256 and 512, 227.4 Gb/s for
// Gen4 x16.
const std::vector<Rates> kGen3x8Mps128 = {
    {1, 2.267, 2.361},   {16, 22.67, 25.18},   {63, 41.03, 43.01},  {64, 41.21, 43.17},  {65, 41.39, 43.33},
    {128, 47.72, 49.01}, {129, 41.3, 43.25},   {256, 47.72, 49.01}, {257, 44.26, 45.94}, {512, 47.72, 49.01},
    {513, 45.92, 47.42}, {1024, 47.72, 49.01}, {2048, 47.72, 49.01}};
const std::vector<Rates> kGen3x8Mps256 = {
    {1, 2.315, 2.412},   {16, 23.15, 25.73},   {63, 41.92, 43.94},  {64, 42.1, 44.1},    {65, 42.28, 44.26},
    {128, 48.75, 50.06}, {129, 48.8, 50.11},   {256, 52.92, 53.69}, {257, 48.78, 50.09}, {512, 52.92, 53.69},
    {513, 50.76, 51.82}, {1024, 52.92, 53.69}, {2048, 52.92, 53.69}};
const std::vector<Rates> kGen3x8Mps512 = {
    {1, 2.292, 2.388},   {16, 22.92, 25.47},   {63, 41.5, 43.5},    {64, 41.68, 43.67},  {65, 41.86, 43.83},
    {128, 48.26, 49.57}, {129, 48.32, 49.62},  {256, 52.4, 53.16},  {257, 52.42, 53.17}, {512, 54.75, 55.16},
    {513, 52.41, 53.17}, {1024, 54.75, 55.16}, {2048, 54.75, 55.16}};
const std::vector<Rates> kGen4x16Mps128 = {
    {1, 9.096, 9.475},   {16, 90.96, 101.1},   {63, 164.7, 172.6},  {64, 165.4, 173.3},  {65, 166.1, 173.9},
    {128, 191.5, 196.7}, {129, 165.7, 173.6},  {256, 191.5, 196.7}, {257, 177.6, 184.4}, {512, 191.5, 196.7},
    {513, 184.3, 190.3}, {1024, 191.5, 196.7}, {2048, 191.5, 196.7}};
const std::vector<Rates> kGen4x16Mps256 = {
    {1, 9.096, 9.475},   {16, 90.96, 101.1},   {63, 164.7, 172.6},  {64, 165.4, 173.3},  {65, 166.1, 173.9},
    {128, 191.5, 196.7}, {129, 191.7, 196.9},  {256, 207.9, 210.9}, {257, 191.6, 196.8}, {512, 207.9, 210.9},
    {513, 199.4, 203.6}, {1024, 207.9, 210.9}, {2048, 207.9, 210.9}};
const std::vector<Rates> kGen4x16Mps512 = {
    {1, 9.096, 9.475},   {16, 90.96, 101.1},   {63, 164.7, 172.6},  {64, 165.4, 173.3}, {65, 166.1, 173.9},
    {128, 191.5, 196.7}, {129, 191.7, 196.9},  {256, 207.9, 210.9}, {257, 208, 211},    {512, 217.2, 218.9},
    {513, 207.9, 211},   {1024, 217.2, 218.9}, {2048, 217.2, 218.9}};

// Section 2's table, "both": reads and writes at the same time, Gb/s of each direction.
const std::vector<std::pair<int, double>> kGen3x8Both = {
    {64, 33.1}, {128, 42.1}, {256, 48.7}, {512, 50.7}, {1024, 50.7}};
const std::vector<std::pair<int, double>> kGen4x16Both = {{64, 129.9}, {256, 191.5}, {512, 199.4}};

/// A device that always has something to send, and a host that takes no time.
Scenario link_alone(int generation, int lanes, int mps) {
  return Scenario()
      .with("mode", "at")
      .with("memory.latency_ns", 0)
      .with("memory.bandwidth_gbytes_per_s", 0)
      .with("bus.latency_ns", 0)
      .with("iommu.0.context_cache.latency_cycles", 0)
      .with("device.dma.mapping", "pass_through")
      .with("device.dma.link.generation", generation)
      .with("device.dma.link.lanes", lanes)
      .with("device.dma.link.max_payload_bytes", mps)
      .with("device.dma.link.max_read_request_bytes", 512)
      .with("device.dma.link.propagation_ns", 0)
      .with("device.dma.link.root_complex_ns", 0)
      .with("device.dma.outstanding", 64)
      // Every transfer begins a page: none crosses one.
      .with("device.dma.pattern", "strided")
      .with("device.dma.stride_bytes", "4KiB")
      .with("device.dma.window_bytes", "256KiB");
}

Scenario transfers(const Scenario& link, int bytes, int write_percent, int count) {
  return link.with("device.dma.transfer_bytes", bytes)
      .with("device.dma.write_percent", write_percent)
      .with("device.dma.count", count);
}

void add_rates(Experiment& experiment, Form form, int generation, int lanes, int mps, const std::vector<Rates>& rates) {
  const std::string name =
      "Gen" + std::to_string(generation) + " x" + std::to_string(lanes) + ", MPS " + std::to_string(mps) + ", MRRS 512";
  const std::string key =
      "gen" + std::to_string(generation) + "x" + std::to_string(lanes) + "-mps" + std::to_string(mps);
  const Scenario link = link_alone(generation, lanes, mps);
  const int count = form == Form::Short ? 1000 : 20'000;
  Series writes{key + "-write", name + ", writes", "Gb/s", bytes_axis("bytes of a transfer"), {}, ""};
  Series reads{key + "-read", name + ", reads", "Gb/s", bytes_axis("bytes of a transfer"), {}, ""};
  for (const Rates& row : rates) {
    if (form == Form::Short && row.bytes != 64 && row.bytes != 257 && row.bytes != 512) continue;
    const std::string point = std::to_string(row.bytes) + " B";
    const auto add = [&](Series& series, int write_percent, double published) {
      series.add({point,
                  static_cast<double>(row.bytes),
                  {transfers(link, row.bytes, write_percent, count)},
                  gbit_per_s(),
                  published,
                  percent(1),
                  ""});
    };
    add(writes, 100, row.write);
    add(reads, 0, row.read);
  }
  experiment.series.push_back(std::move(writes));
  experiment.series.push_back(std::move(reads));
}

void add_both(Experiment& experiment, Form form, int generation, int lanes,
              const std::vector<std::pair<int, double>>& rates) {
  const std::string name = "Gen" + std::to_string(generation) + " x" + std::to_string(lanes);
  const Scenario link = link_alone(generation, lanes, 256).with("device.dma.outstanding", 1024);
  const int count = form == Form::Short ? 20'000 : 100'000;
  Series series{"gen" + std::to_string(generation) + "x" + std::to_string(lanes) + "-both",
                name + ", MPS 256, MRRS 512, reads and writes at the same time, each direction",
                "Gb/s",
                bytes_axis("bytes of a transfer"),
                {},
                ""};
  for (const auto& [bytes, each] : rates) {
    if (form == Form::Short && bytes != 64) continue;
    series.add({std::to_string(bytes) + " B",
                static_cast<double>(bytes),
                {transfers(link, bytes, 50, count)},
                gbit_per_s(0.5),
                each,
                percent(1),
                ""});
  }
  experiment.series.push_back(std::move(series));
}

}  // namespace

Experiment pcie_link_rates(Form form) {
  Experiment experiment;
  experiment.id = "V3";
  experiment.title = "PCI Express segmentation and overhead";
  experiment.source = "protocol model of pcie-bench, Neugebauer et al., SIGCOMM 2018";
  experiment.setup =
      "A device behind a link with as many tags and credits as it likes, always with 64 transfers under way (1,024 "
      "with reads and writes mixed), "
      "passed through by an IOMMU and a memory that take no time. Throughput of payload from the first transfer to the "
      "last completion.";
  experiment.differences = {
      "Reads and writes at the same time are drawn at random, half of each; each direction is half of the sum."};
  add_rates(experiment, form, 3, 8, 256, kGen3x8Mps256);
  if (form == Form::Full) {
    add_rates(experiment, form, 3, 8, 128, kGen3x8Mps128);
    add_rates(experiment, form, 3, 8, 512, kGen3x8Mps512);
    add_rates(experiment, form, 4, 16, 128, kGen4x16Mps128);
  }
  add_rates(experiment, form, 4, 16, 256, kGen4x16Mps256);
  if (form == Form::Full) add_rates(experiment, form, 4, 16, 512, kGen4x16Mps512);
  add_both(experiment, form, 3, 8, kGen3x8Both);
  add_both(experiment, form, 4, 16, kGen4x16Both);
  return experiment;
}

}  // namespace iommu::platform::validation
