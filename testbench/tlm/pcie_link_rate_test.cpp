// The link as the only limit: throughput against the published protocol model (timing sheet, section 2 and V3), tags
// against Little's law, write credits against the host-network figures (V6).
#include "testbench/tlm/link_bench.h"

namespace {

using namespace iommu;
using namespace iommu::sim;
using namespace iommu::sim::testing;
using core::Tick;

/// A closed loop of `outstanding` operations, `count` in all, each page-aligned; Gb/s of payload. `write` says what
/// number i is.
double gbit_per_s(TransportMode mode, const PcieLinkConfig& config, std::uint32_t bytes, std::uint64_t count,
                  const std::function<bool(std::uint64_t)>& write, std::uint32_t outstanding = 64,
                  Tick host_latency = 0) {
  new_simulation();
  LinkBench bench(mode, config, outstanding);
  bench.target.latency = [host_latency](core::Address) { return host_latency; };
  std::uint64_t issued = 0;
  Tick end = 0;
  std::vector<LinkOp*> free;
  const auto go_on = [&] {
    while (issued < count && bench.port.has_room()) {
      if (free.empty()) free.push_back(&bench.add(0, bytes, false));
      LinkOp& op = *free.back();
      free.pop_back();
      op.address = issued % 64 * 4096;
      op.write = write(issued++);
      op.ready_at = now_ticks();
      bench.port.issue(op);
    }
  };
  bench.on_accepted = [&](DmaOperation&) { go_on(); };
  bench.on_done = [&](DmaOperation& op) {
    free.push_back(static_cast<LinkOp*>(&op));
    end = op.end;
    go_on();
  };
  bench.script.at(0, go_on);
  sc_core::sc_start();
  REQUIRE(bench.port.statistics.requests == count);
  REQUIRE(bench.port.statistics.faults == 0);
  REQUIRE(bench.port.statistics.stage_sum_mismatches == 0);
  return static_cast<double>(count * bytes * 8) * 1000.0 / static_cast<double>(end);
}

bool always(std::uint64_t) { return true; }
bool never(std::uint64_t) { return false; }
bool every_other(std::uint64_t i) { return i % 2 == 1; }

struct Rates {
  std::uint32_t mps;
  std::uint32_t bytes;
  double write;
  double read;
};

PcieLinkConfig link(unsigned generation, unsigned lanes, std::uint32_t mps) {
  PcieLinkConfig config;
  config.pcie.generation = generation;
  config.pcie.lanes = lanes;
  config.pcie.max_payload_bytes = mps;
  return config;
}

// From the sheet's formulas: write up = ceil(n / MPS) x 24 + n; read up = ceil(n / 512) x 24, down = ceil(n / MPS) x 20
// + n; usable rates 56.67, 57.88 and 57.31 Gb/s for 8 GT/s x 8 with MPS 128, 256 and 512, and 227.4 Gb/s for 16 GT/s x
// 16.
const Rates kGen3x8[] = {
    {128, 1, 2.267, 2.361},    {128, 16, 22.67, 25.18},   {128, 63, 41.03, 43.01},  {128, 64, 41.21, 43.17},
    {128, 65, 41.39, 43.33},   {128, 128, 47.72, 49.01},  {128, 129, 41.3, 43.25},  {128, 256, 47.72, 49.01},
    {128, 257, 44.26, 45.94},  {128, 512, 47.72, 49.01},  {128, 513, 45.92, 47.42}, {128, 1024, 47.72, 49.01},
    {128, 2048, 47.72, 49.01}, {256, 1, 2.315, 2.412},    {256, 16, 23.15, 25.73},  {256, 63, 41.92, 43.94},
    {256, 64, 42.1, 44.1},     {256, 65, 42.28, 44.26},   {256, 128, 48.75, 50.06}, {256, 129, 48.8, 50.11},
    {256, 256, 52.92, 53.69},  {256, 257, 48.78, 50.09},  {256, 512, 52.92, 53.69}, {256, 513, 50.76, 51.82},
    {256, 1024, 52.92, 53.69}, {256, 2048, 52.92, 53.69}, {512, 1, 2.292, 2.388},   {512, 16, 22.92, 25.47},
    {512, 63, 41.5, 43.5},     {512, 64, 41.68, 43.67},   {512, 65, 41.86, 43.83},  {512, 128, 48.26, 49.57},
    {512, 129, 48.32, 49.62},  {512, 256, 52.4, 53.16},   {512, 257, 52.42, 53.17}, {512, 512, 54.75, 55.16},
    {512, 513, 52.41, 53.17},  {512, 1024, 54.75, 55.16}, {512, 2048, 54.75, 55.16}};
const Rates kGen4x16[] = {
    {128, 1, 9.096, 9.475},    {128, 16, 90.96, 101.1},   {128, 63, 164.7, 172.6},  {128, 64, 165.4, 173.3},
    {128, 65, 166.1, 173.9},   {128, 128, 191.5, 196.7},  {128, 129, 165.7, 173.6}, {128, 256, 191.5, 196.7},
    {128, 257, 177.6, 184.4},  {128, 512, 191.5, 196.7},  {128, 513, 184.3, 190.3}, {128, 1024, 191.5, 196.7},
    {128, 2048, 191.5, 196.7}, {256, 1, 9.096, 9.475},    {256, 16, 90.96, 101.1},  {256, 63, 164.7, 172.6},
    {256, 64, 165.4, 173.3},   {256, 65, 166.1, 173.9},   {256, 128, 191.5, 196.7}, {256, 129, 191.7, 196.9},
    {256, 256, 207.9, 210.9},  {256, 257, 191.6, 196.8},  {256, 512, 207.9, 210.9}, {256, 513, 199.4, 203.6},
    {256, 1024, 207.9, 210.9}, {256, 2048, 207.9, 210.9}, {512, 1, 9.096, 9.475},   {512, 16, 90.96, 101.1},
    {512, 63, 164.7, 172.6},   {512, 64, 165.4, 173.3},   {512, 65, 166.1, 173.9},  {512, 128, 191.5, 196.7},
    {512, 129, 191.7, 196.9},  {512, 256, 207.9, 210.9},  {512, 257, 208, 211},     {512, 512, 217.2, 218.9},
    {512, 513, 207.9, 211},    {512, 1024, 217.2, 218.9}, {512, 2048, 217.2, 218.9}};

template <std::size_t N>
void check_rates(TransportMode mode, unsigned generation, unsigned lanes, const Rates (&table)[N]) {
  for (const Rates& row : table) {
    INFO("generation " << generation << " x" << lanes << " MPS " << row.mps << " bytes " << row.bytes);
    const PcieLinkConfig config = link(generation, lanes, row.mps);
    const double write = gbit_per_s(mode, config, row.bytes, 600, always);
    const double read = gbit_per_s(mode, config, row.bytes, 600, never);
    CHECK(write == Approx(row.write).epsilon(0.01));
    CHECK(read == Approx(row.read).epsilon(0.01));
  }
}

}  // namespace

TEST_CASE("V3: throughput of 1 to 2048 bytes on 8 GT/s x 8, within 1 %", "[pcie]") {
  check_rates(TransportMode::At, 3, 8, kGen3x8);
}
TEST_CASE("V3: throughput of 1 to 2048 bytes on 16 GT/s x 16, within 1 %", "[pcie]") {
  check_rates(TransportMode::At, 4, 16, kGen4x16);
}
TEST_CASE("V3 in LT", "[pcie]") { check_rates(TransportMode::Lt, 3, 8, kGen3x8); }

TEST_CASE("V3: the published table, reads and writes at the same time, within 1 %", "[pcie]") {
  struct Row {
    unsigned generation, lanes;
    std::uint32_t bytes;
    double write, read, both;
  };
  for (const Row& row :
       {Row{3, 8, 64, 42.1, 44.1, 33.1}, Row{3, 8, 128, 48.7, 50.1, 42.1}, Row{3, 8, 256, 52.9, 53.7, 48.7},
        Row{3, 8, 512, 52.9, 53.7, 50.7}, Row{3, 8, 1024, 52.9, 53.7, 50.7}, Row{4, 16, 64, 165.4, 173.3, 129.9},
        Row{4, 16, 256, 207.9, 210.9, 191.5}, Row{4, 16, 512, 207.9, 210.9, 199.4}}) {
    INFO("generation " << row.generation << " bytes " << row.bytes);
    const PcieLinkConfig config = link(row.generation, row.lanes, 256);
    CHECK(gbit_per_s(TransportMode::At, config, row.bytes, 1000, always) == Approx(row.write).epsilon(0.01));
    CHECK(gbit_per_s(TransportMode::At, config, row.bytes, 1000, never) == Approx(row.read).epsilon(0.01));
    // Of each direction: half of what both move.
    CHECK(gbit_per_s(TransportMode::At, config, row.bytes, 2000, every_other) / 2 == Approx(row.both).epsilon(0.01));
  }
}

TEST_CASE("Tags: throughput is tags by round trip, to the picosecond", "[pcie]") {
  for (const TransportMode mode : {TransportMode::Lt, TransportMode::At}) {
    for (const std::uint32_t tags : {1u, 2u, 7u}) {
      new_simulation();
      PcieLinkConfig config = plain_link();
      config.tags = tags;
      config.propagation = 100'000;
      LinkBench bench(mode, config);
      bench.target.latency = [](core::Address) { return Tick{300'000}; };
      for (core::Address i = 0; i < 50; ++i) bench.issue_at(0, bench.add(i * 64, 64, false));
      sc_core::sc_start();
      // 24 bytes up 3,317 ps, 84 bytes down 11,610 ps. The first ones go one after the other, each later one as soon as
      // the tag of the one before it in its place has come back.
      const Tick round_trip = 3'317 + 100'000 + 300'000 + 11'610 + 100'000;
      REQUIRE(bench.done_at.size() == 50);
      for (std::size_t i = 0; i < 50; ++i) {
        INFO(tags << " tags, read " << i);
        // Completions take longer than requests, so that those of the first round spread the following ones.
        const Tick spread = i % tags * 11'610;
        REQUIRE(bench.done_at[i] == (i / tags + 1) * round_trip + spread);
      }
      CHECK(bench.link.counters().waited_for_tag == 50 - tags);
    }
  }
}

TEST_CASE("V6: 92 write credits of 64 bytes against the time that a write holds them, within 2 %", "[pcie]") {
  PcieLinkConfig config = link(5, 16, 256);
  config.posted_credits = 92;
  for (const TransportMode mode : {TransportMode::Lt, TransportMode::At}) {
    // GB/s; 64 B on the wire take 1.5 ns, the host the rest.
    CHECK(gbit_per_s(mode, config, 64, 20'000, always, 256, 298'400) / 8 == Approx(19.6).epsilon(0.02));
    CHECK(gbit_per_s(mode, config, 64, 20'000, always, 256, 588'400) / 8 == Approx(10.0).epsilon(0.02));
    // The same lines in larger writes.
    CHECK(gbit_per_s(mode, config, 256, 10'000, always, 256, 295'000) / 8 == Approx(19.6).epsilon(0.02));
    CHECK(gbit_per_s(mode, config, 256, 10'000, always, 256, 585'000) / 8 == Approx(10.0).epsilon(0.02));
  }
}
