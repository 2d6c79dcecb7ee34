// The page stream: when packets arrive, what they are written into, what is dropped, what failures cost.
#include "models/tlm/page_stream.h"

#include "models/core/payload_pattern.h"
#include "testbench/tlm/device_target.h"

namespace {

using namespace iommu;
using namespace iommu::sim;
using namespace iommu::sim::testing;
using core::Tick;
using Log = std::vector<TargetAccess>;

/// A page stream on a memory that takes 100 ps for everything; its client posts nothing by itself.
struct Bench : PageStreamClient {
  PageStream stream;
  DeviceTarget memory{"memory"};
  Script script{"script"};
  std::vector<std::pair<std::uint32_t, std::uint32_t>> used;  // ring and slot
  std::vector<Tick> used_at;

  static PageStreamConfig in(TransportMode mode, PageStreamConfig config) {
    config.mode = mode;
    config.requester = 0x0100;
    return config;
  }
  explicit Bench(const PageStreamConfig& config) : stream("stream", config) {
    stream.socket.bind(memory.socket);
    stream.set_client(*this);
  }
  void page_used(std::uint32_t ring, std::uint32_t slot) override {
    used.emplace_back(ring, slot);
    used_at.push_back(now_ticks());
  }
};

// 1000 bytes at 8 Gbit/s: one each microsecond.
PageStreamConfig thousand_bytes() {
  PageStreamConfig config;
  config.packet_bytes = 1000;
  config.buffer_bytes = 2048;
  config.count = 3;
  config.offered_kbit_per_s = 8'000'000;
  config.nic_buffer_bytes = 4000;
  config.ring_pages = 2;
  return config;
}

void arrivals(TransportMode mode) {
  Bench bench(Bench::in(mode, thousand_bytes()));
  bench.stream.post(0, 0, 0x10000);
  bench.stream.post(0, 1, 0x24000);
  bench.script.at(500, [&] { bench.stream.start(); });
  sc_core::sc_start();
  // Two buffers of a page, then the next page.
  CHECK(bench.memory.log ==
        Log{{500, true, 0x10000, 1000}, {1'000'500, true, 0x10800, 1000}, {2'000'500, true, 0x24000, 1000}});
  CHECK(bench.used == decltype(bench.used){{0, 0}});
  CHECK(bench.used_at == std::vector<Tick>{1'000'600});
  CHECK(bench.stream.packet_in(0, 0, 0) == 0U);
  CHECK(bench.stream.packet_in(0, 0, 1) == 1U);
  CHECK(bench.stream.packet_in(0, 1, 0) == 2U);
  CHECK_FALSE(bench.stream.packet_in(0, 1, 1).has_value());
  CHECK(core::check_payload(1, 0, bench.memory.bytes.data() + 0x10800, 1000));
  CHECK(bench.stream.done());
  CHECK(bench.stream.counters().received == 3);
  CHECK(bench.stream.counters().bytes == 3000);
  CHECK(bench.stream.counters().dropped == 0);
  CHECK(bench.stream.packet_latency().max() == 100);
  CHECK(bench.stream.counted_time() == 2'000'100);
}
TEST_CASE("PageStream LT: packets arrive at a rate and fill pages") { arrivals(TransportMode::Lt); }
TEST_CASE("PageStream AT: packets arrive at a rate and fill pages") { arrivals(TransportMode::At); }

TEST_CASE("PageStream: intervals that are no whole number of picoseconds keep the rate") {
  // 64 bytes at 3 Gbit/s: 170,666 2/3 ps each.
  PageStreamConfig config;
  config.packet_bytes = 64;
  config.count = 4;
  config.offered_kbit_per_s = 3'000'000;
  config.nic_buffer_bytes = 4096;
  config.ring_pages = 4;
  Bench bench(config);
  for (std::uint32_t i = 0; i < 4; ++i) bench.stream.post(0, i, 0x10000 + 0x1000 * i);
  bench.stream.start();
  sc_core::sc_start();
  std::vector<Tick> times;
  for (const TargetAccess& access : bench.memory.log) times.push_back(access.at);
  CHECK(times == std::vector<Tick>{0, 170'666, 341'333, 512'000});
}

void steps(TransportMode mode) {
  PageStreamConfig config = thousand_bytes();
  config.count = 2;
  config.offered_kbit_per_s = 0;
  config.outstanding = 1;
  config.descriptor_bytes = 16;
  config.completion_bytes = 64;
  Bench bench(Bench::in(mode, config));
  bench.stream.set_ring(0, 0x1000, 0x2000);
  bench.stream.post(0, 1, 0x10000);
  bench.stream.start();
  sc_core::sc_start();
  // Slot 1 has the ring's entries 2 and 3. With one outstanding the packets take turns.
  CHECK(bench.memory.log == Log{{0, false, 0x1020, 16},
                                {100, true, 0x10000, 1000},
                                {200, true, 0x2080, 64},
                                {300, false, 0x1030, 16},
                                {400, true, 0x10800, 1000},
                                {500, true, 0x20C0, 64}});
  CHECK(bench.used_at == std::vector<Tick>{600});
  CHECK(bench.stream.port.statistics.stage_sum_mismatches == 0);
}
TEST_CASE("PageStream LT: descriptor, payload, completion") { steps(TransportMode::Lt); }
TEST_CASE("PageStream AT: descriptor, payload, completion") { steps(TransportMode::At); }

void drops(TransportMode mode) {
  PageStreamConfig config = thousand_bytes();
  config.count = 6;
  config.nic_buffer_bytes = 2500;
  Bench bench(Bench::in(mode, config));
  bench.stream.start();
  // Packets of 0 and 1 us fill the buffer, those of 2 and 3 us are dropped; then there is a page.
  bench.script.at(3'500'000, [&] { bench.stream.post(0, 0, 0x10000); });
  bench.script.at(3'600'000, [&] { bench.stream.post(0, 1, 0x11000); });
  sc_core::sc_start();
  CHECK(bench.stream.counters().offered == 6);
  CHECK(bench.stream.counters().dropped == 2);
  CHECK(bench.stream.counters().received == 4);
  CHECK(bench.stream.counters().waited_for_page == 1);  // the second was behind it, not at the head
  CHECK(bench.stream.packet_in(0, 0, 1) == 1U);
  CHECK(bench.stream.packet_in(0, 1, 0) == 4U);
  CHECK(bench.stream.packet_latency().max() == 3'500'100);
}
TEST_CASE("PageStream LT: what does not fit into the buffer is dropped") { drops(TransportMode::Lt); }
TEST_CASE("PageStream AT: what does not fit into the buffer is dropped") { drops(TransportMode::At); }

TEST_CASE("PageStream: rings take turns, and the head of the buffer holds up the others") {
  PageStreamConfig config;
  config.count = 4;
  config.rings = 2;
  config.ring_pages = 2;
  Bench bench(config);
  for (std::uint32_t slot = 0; slot < 2; ++slot) bench.stream.post(0, slot, 0x10000 + 0x1000 * slot);
  bench.stream.start();
  bench.script.at(1000, [&] {
    for (std::uint32_t slot = 0; slot < 2; ++slot) bench.stream.post(1, slot, 0x20000 + 0x1000 * slot);
  });
  sc_core::sc_start();
  CHECK(bench.memory.log == Log{{0, true, 0x10000, 4096},
                                {1000, true, 0x20000, 4096},
                                {1000, true, 0x11000, 4096},
                                {1000, true, 0x21000, 4096}});
}

TEST_CASE("PageStream: a random order of rings follows from its seed") {
  const auto rings = [](std::uint64_t seed) {
    PageStreamConfig config;
    config.count = 32;
    config.rings = 2;
    config.ring_pages = 32;
    config.order = RingOrder::Random;
    config.seed = seed;
    const auto bench = std::make_unique<Bench>(config);
    for (std::uint32_t slot = 0; slot < 32; ++slot) {
      bench->stream.post(0, slot, 0x10000 + 0x1000 * slot);
      bench->stream.post(1, slot, 0x40000 + 0x1000 * slot);
    }
    bench->stream.start();
    sc_core::sc_start();
    unsigned first = 0;
    for (const TargetAccess& access : bench->memory.log) first += access.address < 0x40000 ? 1 : 0;
    return first;
  };
  const unsigned count = rings(1);
  CHECK(count > 8);
  CHECK(count < 24);
}

void failures(TransportMode mode) {
  PageStreamConfig config = thousand_bytes();
  config.count = 4;
  config.offered_kbit_per_s = 0;
  config.descriptor_bytes = 16;
  config.completion_bytes = 64;
  Bench bench(Bench::in(mode, config));
  bench.stream.set_ring(0, 0x1000, 0x2000);
  // The first packet's descriptor and the third one's payload.
  bench.memory.before = [](tlm::tlm_generic_payload& payload) {
    if (payload.get_address() == 0x1000 || payload.get_address() == 0x11000) {
      payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    }
  };
  bench.stream.post(0, 0, 0x10000);
  bench.stream.post(0, 1, 0x11000);
  bench.stream.start();
  sc_core::sc_start();
  CHECK(bench.stream.done());
  CHECK(bench.stream.counters().failed == 2);
  CHECK(bench.stream.counters().received == 2);
  CHECK_FALSE(bench.stream.packet_in(0, 0, 0).has_value());
  CHECK(bench.stream.packet_in(0, 0, 1) == 1U);
  CHECK_FALSE(bench.stream.packet_in(0, 1, 0).has_value());
  CHECK(bench.used.size() == 2);
  unsigned completions = 0;
  for (const TargetAccess& access : bench.memory.log)
    completions += access.address >= 0x2000 && access.address < 0x3000;
  CHECK(completions == 2);
}
TEST_CASE("PageStream LT: a packet whose DMA fails takes its buffer") { failures(TransportMode::Lt); }
TEST_CASE("PageStream AT: a packet whose DMA fails takes its buffer") { failures(TransportMode::At); }

TEST_CASE("PageStream: counters begin anew after the warm-up") {
  PageStreamConfig config = thousand_bytes();
  config.warmup = 2;
  Bench bench(config);
  Tick warm_at = 0;
  bench.stream.on_warm([&] {
    warm_at = now_ticks();
    bench.stream.restart_counters();
  });
  bench.stream.post(0, 0, 0x10000);
  bench.stream.post(0, 1, 0x11000);
  bench.stream.start();
  sc_core::sc_start();
  CHECK(warm_at == 1'000'100);
  CHECK(bench.stream.counters().received == 1);
  CHECK(bench.stream.counted_time() == 1'000'000);
  CHECK(bench.stream.handled() == 3);
}

TEST_CASE("PageStream: a probe tells whether a read gets through, and when") {
  PageStreamConfig config = thousand_bytes();
  Bench bench(config);
  bench.memory.before = DeviceTarget::block(0x20000, 0x21000, 6);
  PageStream::Probe good;
  PageStream::Probe bad;
  good.address = 0x10000;
  bad.address = 0x20000;
  bench.script.at(300, [&] {
    bench.stream.probe(good);
    bench.stream.probe(bad);
  });
  sc_core::sc_start();
  CHECK(good.over);
  CHECK(good.passed);
  CHECK(good.end == 400);
  CHECK(bad.over);
  CHECK_FALSE(bad.passed);
  CHECK(bench.memory.log == Log{{300, false, 0x10000, 64}, {300, false, 0x20000, 64}});
  CHECK(bench.stream.counters().received == 0);
}

}  // namespace
