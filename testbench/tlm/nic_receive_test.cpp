// The NIC's receive side: times, rings that wrap, drops, descriptors of one packet, failures, interrupts.
#include "testbench/tlm/nic_bench.h"

namespace {

using namespace iommu;
using namespace iommu::sim;
using namespace iommu::sim::testing;
using core::Tick;
using Ticks = std::vector<Tick>;

void one_packet(TransportMode mode) {
  NicBench bench(NicBench::in(mode));
  bench.nic.set_packets({{1000, 1514, 7}});
  for (std::uint32_t i = 0; i < 7; ++i) bench.rx_descriptor(i, 2048);
  bench.script.at(0, [&] {
    bench.set_up(8, 0);
    bench.rx_tail(7);
    bench.interrupts_on();
    bench.nic.start();
  });
  sc_core::sc_start();
  // Fetch of four descriptors, six payload writes at once, completion, interrupt: 100 each.
  const auto& log = bench.memory.log;
  REQUIRE(log.size() == 9);
  CHECK(log[0] == TargetAccess{1000, false, 0x1000, 64});
  for (std::uint32_t i = 0; i < 5; ++i) CHECK(log[1 + i] == TargetAccess{1100, true, 0x10000U + 256 * i, 256});
  CHECK(log[6] == TargetAccess{1100, true, 0x10500, 234});
  CHECK(log[7] == TargetAccess{1200, true, 0x1008, 8});
  CHECK(log[8] == TargetAccess{1300, true, 0xFF000, 4});
  CHECK(bench.memory.peek<std::uint32_t>(0xFF000) == 0x4321);
  CHECK(bench.rx_word1(0) == (1514 | kDone | kEnd | (std::uint64_t{7} << 32)));
  CHECK(bench.received(0x10000, 7, 1514));
  CHECK(bench.memory.bytes[0x10000 + 1514] == 0);
  const NicCounters counters = bench.nic.counters();
  CHECK(counters.rx_packets == 1);
  CHECK(counters.rx_bytes == 1514);
  CHECK(counters.interrupts == 1);
  CHECK(counters.dma_errors == 0);
  CHECK(bench.nic.rx_latency().count() == 1);
  CHECK(bench.nic.rx_latency().max() == 300);
  CHECK(bench.nic.receive_done());
  CHECK(bench.nic.idle());
  CHECK(bench.nic.port.statistics.stage_sum_mismatches == 0);
  CHECK(bench.mmio.read32(kRegisterBase + 0x10C) == 1);  // RX_HEAD
  CHECK(bench.mmio.read64(kRegisterBase + 0x300) == 1);  // RX_PACKETS
}
TEST_CASE("Nic LT receive: one packet") { one_packet(TransportMode::Lt); }
TEST_CASE("Nic AT receive: one packet") { one_packet(TransportMode::At); }

void outstanding_limit(TransportMode mode) {
  NicConfig config;
  config.outstanding = 2;
  NicBench bench(NicBench::in(mode, config));
  bench.nic.set_packets({{0, 1024, 1}});
  bench.rx_descriptor(0, 2048);
  bench.script.at(500, [&] {
    bench.set_up(2, 0);
    bench.rx_tail(1);
    bench.nic.start();
  });
  sc_core::sc_start();
  CHECK(bench.times(0x10000, 0x11000, true) == Ticks{600, 600, 700, 700});
  CHECK(bench.times(0x1000, 0x2000, true) == Ticks{800});
  CHECK(bench.nic.rx_latency().max() == 400);
}
TEST_CASE("Nic LT receive: limit of outstanding DMA") { outstanding_limit(TransportMode::Lt); }
TEST_CASE("Nic AT receive: limit of outstanding DMA") { outstanding_limit(TransportMode::At); }

// A driver that gives each descriptor back as soon as HEAD has passed it: 100 packets through a ring of 5.
void ring_wraps(TransportMode mode, std::uint32_t batch) {
  NicConfig config;
  config.descriptor_batch = batch;
  NicBench bench(NicBench::in(mode, config));
  std::vector<NicPacket> packets;
  for (std::uint32_t i = 0; i < 100; ++i) packets.push_back({i * 1000, 60 + i * 13, 5000 + i});
  bench.nic.set_packets(packets);
  for (std::uint32_t i = 0; i < 4; ++i) bench.rx_descriptor(i, 2048);
  std::uint32_t taken = 0;
  bool all_right = true;
  std::function<void()> poll = [&] {
    while (bench.mmio.read32(kRegisterBase + 0x10C) != taken % 5) {
      const std::uint32_t length = 60 + taken * 13;
      const std::uint64_t expected = length | kDone | kEnd | (std::uint64_t{5000 + taken} << 32);
      all_right = all_right && bench.rx_word1(taken % 5) == expected &&
                  bench.received(NicBench::rx_buffer(taken % 5), 5000 + taken, length);
      ++taken;
      bench.rx_descriptor((taken + 3) % 5, 2048);
      bench.rx_tail((taken + 4) % 5);
    }
    if (taken < 100) bench.script.at(now_ticks() + 500, poll);
  };
  bench.script.at(0, [&] {
    bench.set_up(5, 0);
    bench.rx_tail(4);
    bench.nic.start();
    poll();
  });
  sc_core::sc_start();
  CHECK(taken == 100);
  CHECK(all_right);
  CHECK(bench.nic.counters().rx_packets == 100);
  CHECK(bench.nic.counters().rx_dropped() == 0);
}
TEST_CASE("Nic LT receive: the ring wraps") { ring_wraps(TransportMode::Lt, 4); }
TEST_CASE("Nic AT receive: the ring wraps") { ring_wraps(TransportMode::At, 4); }
TEST_CASE("Nic AT receive: the ring wraps, one descriptor a fetch") { ring_wraps(TransportMode::At, 1); }

TEST_CASE("Nic receive: fetches stop at the tail, the ring's end and the page's end") {
  NicConfig config;
  config.descriptor_batch = 16;
  NicBench bench(NicBench::in(TransportMode::Lt, config));
  std::vector<NicPacket> packets;
  for (std::uint32_t i = 0; i < 10; ++i) packets.push_back({i * 1000, 64, i});
  bench.nic.set_packets(packets);
  // Six descriptors of which two lie before a page's end.
  for (std::uint32_t i = 0; i < 6; ++i) {
    bench.memory.poke<std::uint64_t>(0x1FE0 + 16 * i, NicBench::rx_buffer(i));
    bench.memory.poke<std::uint64_t>(0x1FE0 + 16 * i + 8, 2048);
  }
  bench.script.at(0, [&] {
    bench.mmio.write64(kRegisterBase + 0x100, 0x1FE0);
    bench.mmio.write32(kRegisterBase + 0x108, 6);
    bench.mmio.write32(kRegisterBase + 0x000, 1);
    bench.rx_tail(4);
    bench.nic.start();
  });
  bench.script.at(4500, [&] { bench.rx_tail(2); });  // wraps: 4, 5, 0, 1
  sc_core::sc_start();
  std::vector<TargetAccess> fetches;
  for (const TargetAccess& access : bench.memory.log) {
    if (!access.write) fetches.push_back(access);
  }
  REQUIRE(fetches.size() == 4);
  CHECK(fetches[0] == TargetAccess{0, false, 0x1FE0, 32});
  CHECK(fetches[1] == TargetAccess{2000, false, 0x2000, 32});
  CHECK(fetches[2] == TargetAccess{5000, false, 0x2020, 32});
  CHECK(fetches[3] == TargetAccess{7000, false, 0x1FE0, 32});
  CHECK(bench.nic.counters().rx_packets == 8);
  CHECK(bench.nic.counters().rx_dropped_no_descriptor == 2);  // at 4000, before the tail moved, and at 9000
}

void drops(TransportMode mode) {
  NicConfig config;
  config.fifo_packets = 2;
  NicBench bench(NicBench::in(mode, config));
  // One before the device is enabled; four at once into a FIFO of two while descriptors are being fetched; one when the
  // ring has run out.
  bench.nic.set_packets({{100, 64, 0}, {5000, 64, 1}, {5001, 64, 2}, {5002, 64, 3}, {5003, 64, 4}, {9000, 64, 5}});
  for (std::uint32_t i = 0; i < 2; ++i) bench.rx_descriptor(i, 2048);
  bench.script.at(0, [&] { bench.nic.start(); });
  bench.script.at(1000, [&] {
    bench.set_up(4, 0);
    bench.rx_tail(2);
  });
  sc_core::sc_start();
  const NicCounters counters = bench.nic.counters();
  CHECK(counters.rx_dropped_disabled == 1);
  CHECK(counters.rx_dropped_fifo == 2);
  CHECK(counters.rx_dropped_no_descriptor == 1);
  CHECK(counters.rx_packets == 2);
  CHECK(bench.received(NicBench::rx_buffer(1), 2, 64));
  CHECK(bench.nic.receive_done());
  CHECK(bench.nic.handled() == 6);
  CHECK(bench.mmio.read64(kRegisterBase + 0x310) == 4);  // RX_DROPPED
}
TEST_CASE("Nic LT receive: drops") { drops(TransportMode::Lt); }
TEST_CASE("Nic AT receive: drops") { drops(TransportMode::At); }

TEST_CASE("Nic receive: with flow control nothing is dropped") {
  NicConfig config;
  config.fifo_packets = 2;
  config.flow_control = true;
  NicBench bench(NicBench::in(TransportMode::At, config));
  std::vector<NicPacket> packets(40);
  for (std::uint32_t i = 0; i < 40; ++i) packets[i] = {0, 100, i};
  bench.nic.set_packets(packets);
  std::uint32_t given = 0;
  std::function<void()> give = [&] {
    const std::uint32_t in_use = (given - bench.mmio.read32(kRegisterBase + 0x10C)) & 7;
    if (in_use < 7) bench.rx_descriptor(given++ & 7, 2048);
    bench.rx_tail(given & 7);
    if (given < 40) bench.script.at(now_ticks() + 300, give);
  };
  bench.script.at(0, [&] { bench.nic.start(); });
  bench.script.at(1000, [&] {
    bench.set_up(8, 0);
    give();
  });
  sc_core::sc_start();
  CHECK(bench.nic.counters().rx_packets == 40);
  CHECK(bench.nic.counters().rx_dropped() == 0);
  CHECK(bench.nic.rx_latency().min() == 1300);  // waited for the device to be enabled
  CHECK(bench.nic.rx_latency().max() == 1000 + 39 * 300 + 300);
}

TEST_CASE("Nic receive: with flow control a packet that no ring of this size can take is dropped") {
  NicConfig config;
  config.flow_control = true;
  NicBench bench(NicBench::in(TransportMode::Lt, config));
  bench.nic.set_packets({{0, 193, 0}, {1, 192, 1}});
  for (std::uint32_t i = 0; i < 3; ++i) bench.rx_descriptor(i, 64);
  bench.script.at(0, [&] {
    bench.set_up(4, 0);
    bench.rx_tail(3);
    bench.nic.start();
  });
  sc_core::sc_start();
  CHECK(bench.nic.counters().rx_dropped_no_descriptor == 1);
  CHECK(bench.nic.counters().rx_packets == 1);
  CHECK(bench.nic.receive_done());
}

void long_packet(TransportMode mode) {
  NicConfig config;
  config.descriptors_in_progress = 2;
  NicBench bench(NicBench::in(mode, config));
  bench.nic.set_packets({{0, 300, 9}, {0, 40, 10}});
  for (std::uint32_t i = 0; i < 8; ++i) bench.rx_descriptor(i, 100 + i);
  bench.script.at(0, [&] {
    bench.set_up(16, 0);
    bench.rx_tail(8);
    bench.interrupts_on();
    bench.nic.start();
  });
  sc_core::sc_start();
  const std::uint64_t tag = std::uint64_t{9} << 32;
  CHECK(bench.rx_word1(0) == (100 | kDone | tag));
  CHECK(bench.rx_word1(1) == (101 | kDone | tag));
  CHECK(bench.rx_word1(2) == (99 | kDone | kEnd | tag));
  CHECK(bench.rx_word1(3) == (40 | kDone | kEnd | (std::uint64_t{10} << 32)));
  CHECK(bench.received(NicBench::rx_buffer(0), 9, 100, 0));
  CHECK(bench.received(NicBench::rx_buffer(1), 9, 101, 100));
  CHECK(bench.received(NicBench::rx_buffer(2), 9, 99, 201));
  CHECK(bench.received(NicBench::rx_buffer(3), 10, 40));
  CHECK(bench.nic.counters().rx_packets == 2);
  CHECK(bench.nic.counters().rx_bytes == 340);
  CHECK(bench.nic.counters().interrupts == 2);  // packets, not descriptors
  // Fetch, two descriptors' payload and completion, then two more's.
  CHECK(bench.nic.rx_latency().max() == 500);
}
TEST_CASE("Nic LT receive: a packet over several descriptors") { long_packet(TransportMode::Lt); }
TEST_CASE("Nic AT receive: a packet over several descriptors") { long_packet(TransportMode::At); }

TEST_CASE("Nic receive: a buffer of 65536 bytes has length 0, payload writes stop at pages") {
  NicConfig config;
  config.max_payload = 4096;
  NicBench bench(NicBench::in(TransportMode::Lt, config));
  bench.nic.set_packets({{0, 65536, 3}});
  bench.rx_descriptor(0, 65536, 0x20010);
  bench.script.at(0, [&] {
    bench.set_up(2, 0);
    bench.rx_tail(1);
    bench.nic.start();
  });
  sc_core::sc_start();
  CHECK(bench.rx_word1(0) == (kDone | kEnd | (std::uint64_t{3} << 32)));
  CHECK(bench.received(0x20010, 3, 65536));
  std::size_t writes = 0;
  for (const TargetAccess& access : bench.memory.log) {
    if (access.address < 0x20000) continue;
    ++writes;
    CHECK(access.address / 4096 == (access.address + access.length - 1) / 4096);
  }
  CHECK(writes == 17);
}

TEST_CASE("Nic receive: completions keep the ring's order and wait for the payload") {
  NicBench bench(NicBench::in(TransportMode::At));
  // The first packet's second write is slow.
  bench.memory.latency = [](core::Address address) { return address == 0x10100 ? Tick{1000} : Tick{10}; };
  bench.nic.set_packets({{0, 512, 0}, {0, 64, 1}});
  for (std::uint32_t i = 0; i < 2; ++i) bench.rx_descriptor(i, 2048);
  bench.script.at(0, [&] {
    bench.set_up(4, 0);
    bench.rx_tail(2);
    bench.nic.start();
  });
  sc_core::sc_start();
  CHECK(bench.times(0x1000, 0x2000, true) == Ticks{1010, 1010});
  CHECK(bench.nic.rx_latency().max() == 1020);
}

void failed_payload(TransportMode mode) {
  NicBench bench(NicBench::in(mode));
  bench.memory.before = DeviceTarget::block(0x11000, 0x12000, 5);  // the second packet's buffer
  bench.nic.set_packets({{0, 700, 0}, {0, 700, 1}, {0, 700, 2}});
  for (std::uint32_t i = 0; i < 3; ++i) bench.rx_descriptor(i, 2048);
  bench.script.at(0, [&] {
    bench.set_up(4, 0);
    bench.rx_tail(3);
    bench.nic.start();
  });
  sc_core::sc_start();
  CHECK(bench.rx_word1(0) == (700 | kDone | kEnd));
  CHECK(bench.rx_word1(1) == (700 | kDone | kEnd | kError | (std::uint64_t{1} << 32)));
  CHECK(bench.rx_word1(2) == (700 | kDone | kEnd | (std::uint64_t{2} << 32)));
  CHECK(bench.nic.counters().rx_packets == 2);
  CHECK(bench.nic.counters().rx_errors == 1);
  CHECK(bench.nic.counters().dma_errors == 3);
  CHECK(bench.nic.port.statistics.faults_by_reason[5] == 3);
  CHECK(bench.nic.receive_done());
}
TEST_CASE("Nic LT receive: payload writes that are blocked") { failed_payload(TransportMode::Lt); }
TEST_CASE("Nic AT receive: payload writes that are blocked") { failed_payload(TransportMode::At); }

TEST_CASE("Nic receive: an error in an earlier descriptor shows in the packet's last one") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  bench.memory.before = DeviceTarget::block(0x10000, 0x11000, 5);
  bench.nic.set_packets({{0, 150, 0}, {0, 50, 1}});
  for (std::uint32_t i = 0; i < 3; ++i) bench.rx_descriptor(i, 100);
  bench.script.at(0, [&] {
    bench.set_up(4, 0);
    bench.rx_tail(3);
    bench.nic.start();
  });
  sc_core::sc_start();
  CHECK(bench.rx_word1(0) == (100 | kDone | kError));
  CHECK(bench.rx_word1(1) == (50 | kDone | kEnd | kError));
  CHECK(bench.rx_word1(2) == (50 | kDone | kEnd | (std::uint64_t{1} << 32)));
  CHECK(bench.nic.counters().rx_errors == 1);
  CHECK(bench.nic.counters().rx_packets == 1);
}

TEST_CASE("Nic receive: blocked fetches and completions") {
  NicBench bench(NicBench::in(TransportMode::At));
  bool block_reads = true;
  bool block_writes = false;
  bench.memory.before = [&](::tlm::tlm_generic_payload& payload) {
    const bool ring = payload.get_address() >= 0x1000 && payload.get_address() < 0x2000;
    if (ring && (payload.is_write() ? block_writes : block_reads)) {
      payload.set_response_status(::tlm::TLM_ADDRESS_ERROR_RESPONSE);
    }
  };
  bench.nic.set_packets({{0, 64, 0}, {0, 64, 1}, {5000, 64, 2}, {10000, 64, 3}});
  for (std::uint32_t i = 0; i < 7; ++i) bench.rx_descriptor(i, 2048);
  bench.script.at(0, [&] {
    bench.set_up(8, 0);
    bench.rx_tail(2);
    bench.nic.start();
  });
  bench.script.at(4000, [&] {  // reads work, completions don't
    block_reads = false;
    block_writes = true;
    bench.rx_tail(3);
  });
  bench.script.at(9000, [&] {
    block_writes = false;
    bench.rx_tail(4);
  });
  sc_core::sc_start();
  // The descriptors of a failed fetch are spent, one for a packet, and marked where that is possible.
  CHECK(bench.rx_word1(0) == (kDone | kEnd | kError));
  CHECK(bench.rx_word1(1) == (kDone | kEnd | kError | (std::uint64_t{1} << 32)));
  CHECK(bench.rx_word1(2) == 2048);  // could not be written
  CHECK(bench.rx_word1(3) == (64 | kDone | kEnd | (std::uint64_t{3} << 32)));
  CHECK(bench.nic.counters().rx_errors == 3);
  CHECK(bench.nic.counters().rx_packets == 1);
  CHECK(bench.nic.counters().dma_errors == 2);           // one fetch, one completion
  CHECK(bench.mmio.read32(kRegisterBase + 0x10C) == 4);  // RX_HEAD went on
  CHECK(bench.nic.receive_done());
}

void moderation(TransportMode mode) {
  NicConfig config;
  config.interrupt_moderation = 1000;
  NicBench bench(NicBench::in(mode, config));
  bench.nic.set_packets({{0, 64, 0}, {100, 64, 1}, {200, 64, 2}, {5000, 64, 3}});
  for (std::uint32_t i = 0; i < 4; ++i) bench.rx_descriptor(i, 2048);
  bench.script.at(0, [&] {
    bench.set_up(8, 0);
    bench.interrupts_on();
    bench.rx_tail(4);
    bench.nic.start();
  });
  sc_core::sc_start();
  // Completions at 300, 300 and 400, then 5200 (no fetch): the first at once, the next two together 1000 later.
  CHECK(bench.times(0xFF000, 0xFF004, true) == Ticks{300, 1300, 5200});
  CHECK(bench.nic.counters().interrupts == 3);
}
TEST_CASE("Nic LT receive: interrupt moderation") { moderation(TransportMode::Lt); }
TEST_CASE("Nic AT receive: interrupt moderation") { moderation(TransportMode::At); }

TEST_CASE("Nic receive: interrupts can be off, and blocked") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  bench.memory.before = DeviceTarget::block(0xFF000, 0xFF004, 0x26);
  bench.nic.set_packets({{0, 64, 0}, {1000, 64, 1}});
  for (std::uint32_t i = 0; i < 4; ++i) bench.rx_descriptor(i, 2048);
  bench.script.at(0, [&] {
    bench.set_up(8, 0);
    bench.rx_tail(4);
    bench.nic.start();
  });
  bench.script.at(900, [&] { bench.interrupts_on(); });
  sc_core::sc_start();
  CHECK(bench.times(0xFF000, 0xFF004, true) == Ticks{1200});
  CHECK(bench.nic.counters().interrupts == 0);
  CHECK(bench.nic.counters().dma_errors == 1);
  CHECK(bench.nic.counters().rx_packets == 2);
}

TEST_CASE("Nic receive: packets of no bytes are ignored, the order of the list doesn't matter") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  bench.nic.set_packets({{2000, 64, 1}, {500, 0, 9}, {1000, 64, 0}});
  for (std::uint32_t i = 0; i < 4; ++i) bench.rx_descriptor(i, 2048);
  bench.script.at(0, [&] {
    bench.set_up(8, 0);
    bench.rx_tail(4);
  });
  bench.script.at(10000, [&] { bench.nic.start(); });
  sc_core::sc_start();
  CHECK(bench.times(0x10000, 0x20000, true) == Ticks{11100, 12000});
  CHECK(bench.received(NicBench::rx_buffer(0), 0, 64));
  CHECK(bench.received(NicBench::rx_buffer(1), 1, 64));
  CHECK(bench.nic.handled() == 2);
}

TEST_CASE("Nic receive: nothing to receive is done at once") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  CHECK_FALSE(bench.nic.receive_done());
  bench.nic.start();
  sc_core::sc_start();
  CHECK(bench.nic.receive_done());
}

TEST_CASE("Nic receive: statistics restart, registers go on") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  bench.nic.set_packets({{0, 64, 0}, {1000, 80, 1}});
  for (std::uint32_t i = 0; i < 4; ++i) bench.rx_descriptor(i, 2048);
  bench.script.at(0, [&] {
    bench.set_up(8, 0);
    bench.rx_tail(4);
    bench.nic.start();
  });
  bench.script.at(700, [&] { bench.nic.restart_statistics(); });
  sc_core::sc_start();
  CHECK(bench.nic.counters().rx_packets == 1);
  CHECK(bench.nic.counters().rx_bytes == 80);
  CHECK(bench.nic.rx_latency().count() == 1);
  CHECK(bench.nic.port.statistics.requests == 2);
  CHECK(bench.nic.handled() == 2);
  CHECK(bench.mmio.read64(kRegisterBase + 0x308) == 144);  // RX_BYTES
}

}  // namespace
