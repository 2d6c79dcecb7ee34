// DmaMaster: patterns, gap, limit and data; LT in its thread, LT event by event and AT give the same times.
#include "models/tlm/dma_master.h"

#include <memory>

#include "models/core/payload_pattern.h"
#include "testbench/platform/new_simulation.h"
#include "testbench/tlm/device_target.h"

namespace {

using namespace iommu;
using namespace iommu::sim;
using namespace iommu::sim::testing;
using core::Tick;

DmaMasterConfig linear(TransportMode mode, std::uint64_t count, std::uint32_t outstanding) {
  DmaMasterConfig config;
  config.mode = mode;
  config.requester = 0x20;
  config.pattern.window_bytes = 0x4000;
  config.pattern.transfer_bytes = 64;
  config.base = 0x10000;
  config.count = count;
  config.outstanding = outstanding;
  return config;
}

struct Bench {
  DmaMaster master;
  DeviceTarget target{"target"};
  Script script{"script"};
  explicit Bench(const DmaMasterConfig& config) : master("master", config) { master.socket.bind(target.socket); }
  Tick done_at = 0;
  void run(Tick start_at = 0) {
    script.at(start_at, [this] { master.start(); });
    struct Watch : sc_core::sc_module {
      DmaMaster& master;
      Tick& done_at;
      Watch(sc_core::sc_module_name name, DmaMaster& m, Tick& at) : sc_module(name), master(m), done_at(at) {
        using SC_CURRENT_USER_MODULE = Watch;
        SC_METHOD(seen);
        sensitive << m.done_event();
        dont_initialize();
      }
      void seen() { done_at = now_ticks(); }
    } watch("watch", master, done_at);
    sc_core::sc_start();
  }
};

std::vector<Tick> times(const DeviceTarget& target) {
  std::vector<Tick> result;
  for (const TargetAccess& access : target.log) result.push_back(access.at);
  return result;
}

enum class Way { LtThread, LtEvents, At };
DmaMasterConfig as(Way way, DmaMasterConfig config) {
  config.mode = way == Way::At ? TransportMode::At : TransportMode::Lt;
  config.event_driven = way == Way::LtEvents;
  return config;
}

void one_outstanding(Way way) {
  DmaMasterConfig config = linear(TransportMode::Lt, 4, 1);
  config.gap = 30;
  config.start = 500;
  Bench bench(as(way, config));
  bench.run(1000);
  // From 1000 + 500 on: 100 for the access, 30 from its response to the next.
  CHECK(times(bench.target) == std::vector<Tick>{1500, 1630, 1760, 1890});
  CHECK(bench.target.log[3].address == 0x10000 + 3 * 64);
  CHECK(bench.done_at == 1990);
  CHECK(bench.master.done());
  CHECK(bench.master.counters().issued == 4);
  CHECK(bench.master.counters().completed == 4);
  CHECK(bench.master.port.statistics.latency().max() == 100);
  CHECK(bench.master.port.statistics.latency().min() == 100);
  CHECK(bench.master.port.statistics.stage_sum_mismatches == 0);
}
TEST_CASE("DmaMaster LT thread: gap after the response with one outstanding") { one_outstanding(Way::LtThread); }
TEST_CASE("DmaMaster LT events: gap after the response with one outstanding") { one_outstanding(Way::LtEvents); }
TEST_CASE("DmaMaster AT: gap after the response with one outstanding") { one_outstanding(Way::At); }

void several_outstanding(Way way) {
  DmaMasterConfig config = linear(TransportMode::Lt, 7, 3);
  config.gap = 10;
  Bench bench(as(way, config));
  bench.run();
  // Starts 10 apart until three are outstanding; then each waits for the oldest to end.
  CHECK(times(bench.target) == std::vector<Tick>{0, 10, 20, 100, 110, 120, 200});
  CHECK(bench.done_at == 300);
  const DmaStatistics& statistics = bench.master.port.statistics;
  // Wanted at 0, 10, 20, 30, 110, 120, 130.
  CHECK(statistics.stage_ticks(core::Stage::IssueWait) == 70 + 70);
  CHECK(statistics.latency().max() == 170);
  CHECK(statistics.requests == 7);
}
TEST_CASE("DmaMaster LT thread: several outstanding") { several_outstanding(Way::LtThread); }
TEST_CASE("DmaMaster LT events: several outstanding") { several_outstanding(Way::LtEvents); }
TEST_CASE("DmaMaster AT: several outstanding") { several_outstanding(Way::At); }

void warm_up(Way way) {
  DmaMasterConfig config = linear(TransportMode::Lt, 7, 3);
  config.gap = 10;
  config.warmup = 3;
  Bench bench(as(way, config));
  std::vector<std::size_t> warm_at;  // accesses that had begun
  bench.master.on_warm([&] { warm_at.push_back(bench.target.log.size()); });
  bench.run();
  // The accesses are those of several_outstanding(); the third ends at 120, the others at 200, 210, 220, 300.
  CHECK(times(bench.target) == std::vector<Tick>{0, 10, 20, 100, 110, 120, 200});
  const DmaStatistics& statistics = bench.master.port.statistics;
  CHECK(statistics.requests == 4);
  CHECK(statistics.latency().sum() == 170 + 100 + 100 + 170);
  CHECK(statistics.rate_begin() == 120);
  CHECK(statistics.rate_time() == 180);
  CHECK(statistics.rate_requests() == 4);
  CHECK(statistics.rate_bytes() == 4 * 64);
  CHECK(bench.master.counters().issued == 4);
  CHECK(bench.master.counters().completed == 4);
  CHECK(bench.master.ended() == 7);
  // A thread that runs ahead has begun no other by then; event by event two have begun in the places of the first two.
  CHECK(warm_at == std::vector<std::size_t>{way == Way::LtThread ? 3u : 5u});
}
TEST_CASE("DmaMaster LT thread: a warm-up is not counted") { warm_up(Way::LtThread); }
TEST_CASE("DmaMaster LT events: a warm-up is not counted") { warm_up(Way::LtEvents); }
TEST_CASE("DmaMaster AT: a warm-up is not counted") { warm_up(Way::At); }

void slow_warm_up(Way way) {
  DmaMasterConfig config = linear(TransportMode::Lt, 13, 3);
  config.gap = 10;
  config.warmup = 2;
  Bench bench(as(way, config));
  bench.target.latency = [](core::Address address) { return Tick{address == 0x10000 ? 500u : 100u}; };
  bench.run();
  // Ends: 500 110; 120 210 220 310 320 410 420, which are counted but came before the rate began; 510 520 600 610.
  const DmaStatistics& statistics = bench.master.port.statistics;
  CHECK(statistics.requests == 11);
  CHECK(statistics.rate_begin() == 500);
  CHECK(statistics.rate_time() == 110);
  CHECK(statistics.rate_requests() == 4);
  CHECK(statistics.rate_bytes() == 4 * 64);
}
TEST_CASE("DmaMaster LT thread: a rate begins when the slowest access of the warm-up has ended") {
  slow_warm_up(Way::LtThread);
}
TEST_CASE("DmaMaster LT events: a rate begins when the slowest access of the warm-up has ended") {
  slow_warm_up(Way::LtEvents);
}
TEST_CASE("DmaMaster AT: a rate begins when the slowest access of the warm-up has ended") { slow_warm_up(Way::At); }

void same_time(Way way) {
  DmaMasterConfig config = linear(TransportMode::Lt, 4, 2);
  config.warmup = 1;
  Bench bench(as(way, config));
  bench.run();
  // Ends: 100 100 200 200; the second is counted, but ends when the rate begins.
  const DmaStatistics& statistics = bench.master.port.statistics;
  CHECK(statistics.requests == 3);
  CHECK(statistics.rate_requests() == 2);
  CHECK(statistics.rate_bytes() == 2 * 64);
  CHECK(statistics.rate_time() == 100);
}
TEST_CASE("DmaMaster LT thread: what ends with the warm-up is not of the rate") { same_time(Way::LtThread); }
TEST_CASE("DmaMaster LT events: what ends with the warm-up is not of the rate") { same_time(Way::LtEvents); }
TEST_CASE("DmaMaster AT: what ends with the warm-up is not of the rate") { same_time(Way::At); }

void rate_without_warm_up(Way way) {
  DmaMasterConfig config = linear(TransportMode::Lt, 4, 1);
  config.gap = 30;
  config.start = 500;
  Bench bench(as(way, config));
  bench.target.before = DeviceTarget::block(0x10040, 0x10080, 6);
  bench.run(1000);
  const DmaStatistics& statistics = bench.master.port.statistics;
  CHECK(statistics.rate_begin() == 1500);
  CHECK(statistics.rate_requests() == 4);
  CHECK(statistics.rate_bytes() == 3 * 64);  // the second was blocked
  CHECK(statistics.rate_time() == 490);
}
TEST_CASE("DmaMaster LT: without a warm-up the rate begins with the first access") {
  rate_without_warm_up(Way::LtThread);
}
TEST_CASE("DmaMaster AT: without a warm-up the rate begins with the first access") { rate_without_warm_up(Way::At); }

// All ways give these numbers; they are spelled out so that each TEST_CASE can run alone.
struct Totals {
  Tick done_at;
  std::uint64_t latency_sum;
  std::uint64_t issue_wait;
  friend bool operator==(const Totals& a, const Totals& b) {
    return a.done_at == b.done_at && a.latency_sum == b.latency_sum && a.issue_wait == b.issue_wait;
  }
};

/// What a device with `outstanding` places would do, worked out one access after the other on a plain list.
Totals by_hand(const DmaMasterConfig& config, const std::function<Tick(core::Address)>& latency,
               std::vector<TargetAccess>& log) {
  core::AccessPattern pattern(config.pattern);
  std::vector<Tick> ends;
  Totals totals{};
  Tick ready = config.start;
  for (std::uint64_t i = 0; i < config.count; ++i) {
    const core::Access access = pattern.next();
    Tick issue = ready;
    std::vector<Tick> open;
    for (const Tick end : ends) {
      if (end > issue) open.push_back(end);
    }
    std::sort(open.begin(), open.end());
    if (open.size() >= config.outstanding) issue = open[open.size() - config.outstanding];
    const Tick end = issue + latency(config.base + access.offset);
    ends.push_back(end);
    log.push_back({issue, access.write, config.base + access.offset, access.length});
    totals.done_at = std::max(totals.done_at, end);
    totals.latency_sum += end - ready;
    totals.issue_wait += issue - ready;
    ready = (config.outstanding == 1 ? end : issue) + config.gap;
  }
  return totals;
}

void random_accesses(Way way, std::uint32_t outstanding, Tick quantum) {
  DmaMasterConfig config = linear(TransportMode::Lt, 2000, outstanding);
  config.pattern.pattern = core::Pattern::kRandom;
  config.pattern.window_bytes = 0x40000;
  config.pattern.write_percent = 30;
  config.pattern.seed = 77;
  config.gap = 3;
  config.quantum = quantum;
  const auto latency = [](core::Address address) { return 5 + (address / 64) % 11 * 37; };
  std::vector<TargetAccess> log;
  const Totals expected = by_hand(config, latency, log);
  Bench bench(as(way, config));
  bench.target.latency = latency;
  bench.run();
  const DmaStatistics& statistics = bench.master.port.statistics;
  CHECK(Totals{bench.done_at, statistics.latency().sum(), statistics.stage_ticks(core::Stage::IssueWait)} == expected);
  CHECK(bench.target.log == log);
  CHECK(statistics.stage_sum_mismatches == 0);
}
TEST_CASE("DmaMaster LT thread: 2,000 random accesses, 1 outstanding") { random_accesses(Way::LtThread, 1, 0); }
TEST_CASE("DmaMaster LT events: 2,000 random accesses, 1 outstanding") { random_accesses(Way::LtEvents, 1, 0); }
TEST_CASE("DmaMaster AT: 2,000 random accesses, 1 outstanding") { random_accesses(Way::At, 1, 0); }
TEST_CASE("DmaMaster LT thread: 2,000 random accesses, 8 outstanding") { random_accesses(Way::LtThread, 8, 0); }
TEST_CASE("DmaMaster LT thread: 2,000 random accesses, 8 outstanding, ahead of time") {
  random_accesses(Way::LtThread, 8, 5000);
}
TEST_CASE("DmaMaster LT events: 2,000 random accesses, 8 outstanding") { random_accesses(Way::LtEvents, 8, 0); }
TEST_CASE("DmaMaster AT: 2,000 random accesses, 8 outstanding") { random_accesses(Way::At, 8, 0); }

TEST_CASE("DmaMaster LT: how far ahead of simulated time") {
  const auto [quantum, times_of_kernel] = GENERATE(table<Tick, std::uint64_t>({
      {1000, 5},  // 0, 1100, 2200, 3300, 4400
      {2000, 3},  // 0, 2100, 4200
  }));
  test::new_simulation();
  DmaMasterConfig config = linear(TransportMode::Lt, 50, 1);
  config.quantum = quantum;
  Bench bench(config);
  Tick furthest = 0;
  std::uint64_t kernel_times = 0;
  Tick last = ~Tick{0};
  bench.target.before = [&](::tlm::tlm_generic_payload&) {
    const Tick kernel = now_ticks();
    furthest = std::max(furthest, bench.target.log.back().at - kernel);
    if (kernel != last) ++kernel_times;
    last = kernel;
  };
  bench.run();
  CHECK(furthest == quantum);
  CHECK(kernel_times == times_of_kernel);
  CHECK(bench.done_at == 5000);
}

TEST_CASE("DmaMaster LT: a target that waits") {
  DmaMasterConfig config = linear(TransportMode::Lt, 3, 1);
  Bench bench(config);
  bench.target.before = [](::tlm::tlm_generic_payload&) { sc_core::wait(to_sc_time(40)); };
  bench.run();
  CHECK(times(bench.target) == std::vector<Tick>{0, 140, 280});
  CHECK(bench.done_at == 420);
  CHECK(bench.master.port.statistics.latency().max() == 140);
}

TEST_CASE("DmaMaster LT: a target that waits holds up those that could go at the same time") {
  Bench bench(linear(TransportMode::Lt, 3, 2));
  bench.target.before = [](::tlm::tlm_generic_payload&) { sc_core::wait(to_sc_time(40)); };
  bench.run();
  CHECK(times(bench.target) == std::vector<Tick>{0, 40, 140});
  CHECK(bench.done_at == 280);
}

void data(Way way) {
  DmaMasterConfig config = linear(TransportMode::Lt, 40, 4);
  config.pattern.transfer_bytes = 100;
  config.pattern.write_percent = 100;
  Bench bench(as(way, config));
  bench.run();
  for (std::uint64_t i = 0; i < 40; ++i) {
    CHECK(core::check_payload(i, 0, bench.target.bytes.data() + 0x10000 + i * 100, 100));
  }
  CHECK(bench.master.counters().verified == 0);
}
TEST_CASE("DmaMaster LT: writes carry their number's data") { data(Way::LtThread); }
TEST_CASE("DmaMaster AT: writes carry their number's data") { data(Way::At); }

void verify(Way way) {
  DmaMasterConfig config = linear(TransportMode::Lt, 400, 4);
  config.pattern.pattern = core::Pattern::kStrided;
  config.pattern.transfer_bytes = 200;  // some cross a page
  config.pattern.stride_bytes = 1000;
  config.pattern.write_percent = 25;
  config.pattern.seed = 5;
  config.verify = true;
  config.window_tag = 1000;
  Bench bench(as(way, config));
  DmaMaster::fill_window(1000, 0, bench.target.bytes.data() + 0x10000, 0x4000);
  bench.target.bytes[0x10000 + 3100] ^= 1;  // in the transfer at 3000; a write there mends it
  std::uint64_t wrong_reads = 0;
  std::uint64_t reads = 0;
  bool mended = false;
  bench.run();
  for (const TargetAccess& access : bench.target.log) {
    if (access.address == 0x10000 + 3000) {
      if (access.write) mended = true;
      if (!access.write && !mended) ++wrong_reads;
    }
    if (!access.write) ++reads;
  }
  REQUIRE(wrong_reads > 0);
  CHECK(bench.master.counters().mismatches == wrong_reads);
  CHECK(bench.master.counters().verified == reads);
  CHECK(mended);
  CHECK(DmaMaster::check_window(1000, 0, bench.target.bytes.data() + 0x10000, 0x4000));
  CHECK_FALSE(DmaMaster::check_window(1001, 0, bench.target.bytes.data() + 0x10000, 0x4000));
  CHECK_FALSE(DmaMaster::check_window(1000, 4096, bench.target.bytes.data() + 0x10000, 8));
}
TEST_CASE("DmaMaster LT: reads are compared with the window's data") { verify(Way::LtThread); }
TEST_CASE("DmaMaster AT: reads are compared with the window's data") { verify(Way::At); }

void escapes(Way way) {
  DmaMasterConfig config = linear(TransportMode::Lt, 300, 4);
  config.pattern.escape_percent = 20;
  config.pattern.seed = 3;
  config.verify = true;
  Bench bench(as(way, config));
  DmaMaster::fill_window(0, 0, bench.target.bytes.data() + 0x10000, 0x4000);
  bench.target.before = DeviceTarget::block(0x14000, 0x10000000, 6);
  bench.run();
  const DmaMasterCounters& counters = bench.master.counters();
  CHECK(counters.escapes > 30);
  CHECK(counters.escapes < 90);
  CHECK(counters.failed == counters.escapes);
  CHECK(counters.completed == 300);
  CHECK(counters.mismatches == 0);
  CHECK(counters.verified == 300 - counters.escapes);
  CHECK(bench.master.port.statistics.faults_by_reason[6] == counters.escapes);
}
TEST_CASE("DmaMaster LT: escapes fault and the master goes on") { escapes(Way::LtThread); }
TEST_CASE("DmaMaster AT: escapes fault and the master goes on") { escapes(Way::At); }

void nothing_to_do(Way way) {
  Bench bench(as(way, linear(TransportMode::Lt, 0, 1)));
  bench.run(700);
  CHECK(bench.master.done());
  CHECK(bench.done_at == 700);
  CHECK(bench.target.log.empty());
}
TEST_CASE("DmaMaster LT: no accesses") { nothing_to_do(Way::LtThread); }
TEST_CASE("DmaMaster AT: no accesses") { nothing_to_do(Way::At); }

void started_before(Way way) {
  Bench bench(as(way, linear(TransportMode::Lt, 2, 1)));
  bench.master.start();
  bench.master.start();  // no effect
  sc_core::sc_start();
  CHECK(times(bench.target) == std::vector<Tick>{0, 100});
  CHECK(bench.master.done());
}
TEST_CASE("DmaMaster LT: started before the simulation") { started_before(Way::LtThread); }
TEST_CASE("DmaMaster AT: started before the simulation") { started_before(Way::At); }

TEST_CASE("DmaMaster: nothing happens without start") {
  Bench bench(linear(TransportMode::At, 2, 1));
  sc_core::sc_start();
  CHECK(bench.target.log.empty());
  CHECK_FALSE(bench.master.started());
}

TEST_CASE("DmaMaster: a pattern with a problem is refused") {
  DmaMasterConfig config = linear(TransportMode::Lt, 1, 1);
  config.pattern.transfer_bytes = 0;
  CHECK_THROWS_AS(DmaMaster("master", config), std::invalid_argument);
}

}  // namespace
