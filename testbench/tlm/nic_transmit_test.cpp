// The NIC's transmit side and its registers.
#include "testbench/tlm/nic_bench.h"

namespace {

using namespace iommu;
using namespace iommu::sim;
using namespace iommu::sim::testing;
using core::Tick;
using Ticks = std::vector<Tick>;

void one_packet(TransportMode mode) {
  NicBench bench(NicBench::in(mode));
  bench.tx_descriptor(0, kTxBuffers, 1200, 42);
  bench.script.at(0, [&] {
    bench.set_up(0, 8);
    bench.interrupts_on();
  });
  bench.script.at(2000, [&] { bench.tx_tail(1); });
  sc_core::sc_start();
  const auto& log = bench.memory.log;
  REQUIRE(log.size() == 6);
  CHECK(log[0] == TargetAccess{2000, false, 0x2000, 16});
  CHECK(log[1] == TargetAccess{2100, false, 0x80000, 512});
  CHECK(log[2] == TargetAccess{2100, false, 0x80200, 512});
  CHECK(log[3] == TargetAccess{2100, false, 0x80400, 176});
  CHECK(log[4] == TargetAccess{2200, true, 0x2008, 8});
  CHECK(log[5] == TargetAccess{2300, true, 0xFF000, 4});
  CHECK(bench.tx_word1(0) == (1200 | kDone | kEnd | (std::uint64_t{42} << 32)));
  const NicCounters counters = bench.nic.counters();
  CHECK(counters.tx_packets == 1);
  CHECK(counters.tx_bytes == 1200);
  CHECK(counters.tx_corrupted == 0);
  CHECK(counters.tx_errors == 0);
  CHECK(bench.nic.tx_latency().max() == 300);
  CHECK(bench.mmio.read32(kRegisterBase + 0x20C) == 1);      // TX_HEAD
  CHECK(bench.mmio.read64(kRegisterBase + 0x318 + 8) == 1);  // TX_PACKETS
}
TEST_CASE("Nic LT transmit: one packet") { one_packet(TransportMode::Lt); }
TEST_CASE("Nic AT transmit: one packet") { one_packet(TransportMode::At); }

void ring_wraps(TransportMode mode) {
  NicBench bench(NicBench::in(mode));
  std::uint32_t posted = 0;
  std::function<void()> post = [&] {
    const auto head = bench.mmio.read32(kRegisterBase + 0x20C);
    while (posted < 60 && (posted + 1) % 6 != head) {
      bench.tx_descriptor(posted % 6, kTxBuffers + 0x1000 * (posted % 6), 64 + 20 * posted, posted);
      ++posted;
    }
    bench.tx_tail(posted % 6);
    if (posted < 60) bench.script.at(now_ticks() + 50, post);
  };
  bench.script.at(0, [&] {
    bench.set_up(0, 6);
    post();
  });
  sc_core::sc_start();
  CHECK(posted == 60);
  CHECK(bench.nic.counters().tx_packets == 60);
  CHECK(bench.nic.counters().tx_bytes == 60 * 64 + 20 * 59 * 30);
  CHECK(bench.nic.counters().tx_corrupted == 0);
  CHECK(bench.mmio.read32(kRegisterBase + 0x20C) == 0);
}
TEST_CASE("Nic LT transmit: the ring wraps") { ring_wraps(TransportMode::Lt); }
TEST_CASE("Nic AT transmit: the ring wraps") { ring_wraps(TransportMode::At); }

void corruption(TransportMode mode) {
  NicBench bench(NicBench::in(mode));
  for (std::uint32_t i = 0; i < 3; ++i) bench.tx_descriptor(i, kTxBuffers + 0x1000 * i, 1514, i);
  bench.memory.bytes[kTxBuffers + 0x1000 + 1513] ^= 0x80;  // the second packet's last byte
  bench.script.at(0, [&] {
    bench.set_up(0, 8);
    bench.tx_tail(3);
  });
  sc_core::sc_start();
  CHECK(bench.nic.counters().tx_corrupted == 1);
  CHECK(bench.nic.counters().tx_packets == 3);
  CHECK(bench.tx_word1(1) == (1514 | kDone | kEnd | (std::uint64_t{1} << 32)));  // the NIC itself can't know
  CHECK(bench.mmio.read64(kRegisterBase + 0x338) == 1);                          // TX_CORRUPTED
}
TEST_CASE("Nic LT transmit: corrupted data are found") { corruption(TransportMode::Lt); }
TEST_CASE("Nic AT transmit: corrupted data are found") { corruption(TransportMode::At); }

TEST_CASE("Nic transmit: a packet gathered from several buffers") {
  NicBench bench(NicBench::in(TransportMode::At));
  bench.tx_descriptor(0, kTxBuffers, 14, 77, 0, false);
  bench.tx_descriptor(1, kTxBuffers + 0x0FF0, 40, 77, 14, false);  // crosses a page: two reads
  bench.tx_descriptor(2, kTxBuffers + 0x3000, 600, 77, 54, true);
  bench.tx_descriptor(3, kTxBuffers + 0x4000, 60, 78);
  bench.script.at(0, [&] {
    bench.set_up(0, 8);
    bench.interrupts_on();
    bench.tx_tail(2);
  });
  bench.script.at(1000, [&] { bench.tx_tail(4); });
  sc_core::sc_start();
  CHECK(bench.nic.counters().tx_packets == 2);
  CHECK(bench.nic.counters().tx_bytes == 714);
  CHECK(bench.nic.counters().tx_corrupted == 0);
  CHECK(bench.nic.counters().interrupts == 2);
  CHECK(bench.times(kTxBuffers + 0x0FF0, kTxBuffers + 0x2000, false) == Ticks{100, 100});
  CHECK(bench.tx_word1(0) == (14 | kDone | (std::uint64_t{77} << 32)));
  CHECK(bench.tx_word1(2) == (600 | kDone | kEnd | (std::uint64_t{77} << 32)));
  CHECK(bench.nic.tx_latency().max() == 1300);  // from the first doorbell
  CHECK(bench.nic.tx_latency().min() == 300);
}

TEST_CASE("Nic transmit: wrong bytes in any buffer of a packet count once") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  bench.tx_descriptor(0, kTxBuffers, 100, 5, 0, false);
  bench.tx_descriptor(1, kTxBuffers + 0x1000, 100, 5, 100, false);
  bench.tx_descriptor(2, kTxBuffers + 0x2000, 100, 5, 200);
  bench.tx_descriptor(3, kTxBuffers + 0x3000, 100, 6);
  bench.memory.bytes[kTxBuffers + 7] ^= 1;
  bench.memory.bytes[kTxBuffers + 0x1000] ^= 1;
  bench.script.at(0, [&] {
    bench.set_up(0, 8);
    bench.tx_tail(4);
  });
  sc_core::sc_start();
  CHECK(bench.nic.counters().tx_corrupted == 1);
  CHECK(bench.nic.counters().tx_packets == 2);
}

void failures(TransportMode mode) {
  NicBench bench(NicBench::in(mode));
  bench.memory.before = DeviceTarget::block(kTxBuffers + 0x1000, kTxBuffers + 0x2000, 6);
  for (std::uint32_t i = 0; i < 3; ++i) bench.tx_descriptor(i, kTxBuffers + 0x1000 * i, 600, i);
  bench.script.at(0, [&] {
    bench.set_up(0, 8);
    bench.tx_tail(3);
  });
  sc_core::sc_start();
  CHECK(bench.tx_word1(0) == (600 | kDone | kEnd));
  CHECK(bench.tx_word1(1) == (600 | kDone | kEnd | kError | (std::uint64_t{1} << 32)));
  CHECK(bench.tx_word1(2) == (600 | kDone | kEnd | (std::uint64_t{2} << 32)));
  CHECK(bench.nic.counters().tx_packets == 2);
  CHECK(bench.nic.counters().tx_errors == 1);
  CHECK(bench.nic.counters().tx_corrupted == 0);
  CHECK(bench.nic.counters().dma_errors == 2);
  CHECK(bench.nic.port.statistics.faults_by_reason[6] == 2);
}
TEST_CASE("Nic LT transmit: payload reads that are blocked") { failures(TransportMode::Lt); }
TEST_CASE("Nic AT transmit: payload reads that are blocked") { failures(TransportMode::At); }

TEST_CASE("Nic transmit: a blocked fetch spends its descriptors") {
  NicBench bench(NicBench::in(TransportMode::At));
  bool blocked = true;
  bench.memory.before = [&](::tlm::tlm_generic_payload& payload) {
    if (blocked && payload.is_read()) payload.set_response_status(::tlm::TLM_GENERIC_ERROR_RESPONSE);
  };
  for (std::uint32_t i = 0; i < 3; ++i) bench.tx_descriptor(i, kTxBuffers + 0x1000 * i, 600, i);
  bench.script.at(0, [&] {
    bench.set_up(0, 8);
    bench.tx_tail(2);
  });
  bench.script.at(5000, [&] {
    blocked = false;
    bench.tx_tail(3);
  });
  sc_core::sc_start();
  CHECK(bench.tx_word1(0) == (kDone | kEnd | kError));
  CHECK(bench.tx_word1(1) == (kDone | kEnd | kError));
  CHECK(bench.nic.counters().tx_errors == 2);
  CHECK(bench.nic.counters().tx_packets == 1);
  CHECK(bench.mmio.read32(kRegisterBase + 0x20C) == 3);
}

TEST_CASE("Nic: receives and transmits at the same time through one port") {
  NicConfig config;
  config.outstanding = 3;
  NicBench bench(NicBench::in(TransportMode::At, config));
  bench.memory.answer = Answer::FourPhase;
  std::vector<NicPacket> packets;
  for (std::uint32_t i = 0; i < 6; ++i) packets.push_back({i * 100, 900, i});
  bench.nic.set_packets(packets);
  for (std::uint32_t i = 0; i < 6; ++i) {
    bench.rx_descriptor(i, 2048);
    bench.tx_descriptor(i, kTxBuffers + 0x1000 * i, 900, 100 + i);
  }
  bench.script.at(0, [&] {
    bench.set_up(8, 8);
    bench.rx_tail(6);
    bench.tx_tail(6);
    bench.nic.start();
  });
  sc_core::sc_start();
  for (std::uint32_t i = 0; i < 6; ++i) CHECK(bench.received(NicBench::rx_buffer(i), i, 900));
  CHECK(bench.nic.counters().rx_packets == 6);
  CHECK(bench.nic.counters().tx_packets == 6);
  CHECK(bench.nic.counters().tx_corrupted == 0);
  CHECK_FALSE(bench.memory.exclusion_broken);
  CHECK(bench.nic.port.statistics.stage_sum_mismatches == 0);
  CHECK(bench.nic.idle());
}

TEST_CASE("Nic registers: values after power-on") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  CHECK(bench.mmio.read32(kRegisterBase + 0x000) == 0);
  CHECK(bench.mmio.read32(kRegisterBase + 0x004) == 0x2);  // IDLE
  for (const std::uint32_t offset : {0x008U, 0x018U, 0x01CU, 0x108U, 0x10CU, 0x110U, 0x208U, 0x20CU, 0x210U, 0xFFCU}) {
    CHECK(bench.mmio.read32(kRegisterBase + offset) == 0);
  }
  for (const std::uint32_t offset : {0x010U, 0x100U, 0x200U, 0x300U, 0x348U, 0xFF8U}) {
    CHECK(bench.mmio.read64(kRegisterBase + offset) == 0);
  }
}

TEST_CASE("Nic registers: widths, reserved bits, shapes of accesses") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  Mmio& mmio = bench.mmio;
  mmio.write64(kRegisterBase + 0x100, 0xFEDCBA987654321F);
  CHECK(mmio.read64(kRegisterBase + 0x100) == 0xFEDCBA9876543210);
  mmio.write32(kRegisterBase + 0x104, 0x11111111);  // the upper half alone
  CHECK(mmio.read64(kRegisterBase + 0x100) == 0x1111111176543210);
  CHECK(mmio.read32(kRegisterBase + 0x104) == 0x11111111);
  mmio.write32(kRegisterBase + 0x108, 0xFFFFFFFF);
  CHECK(mmio.read32(kRegisterBase + 0x108) == 0x1FFFF);
  mmio.write64(kRegisterBase + 0x010, 0xFFFFFFFFFFFFFFFF);
  CHECK(mmio.read64(kRegisterBase + 0x010) == 0xFFFFFFFFFFFFFFFC);
  mmio.write32(kRegisterBase + 0x018, 0x12345678);
  CHECK(mmio.read32(kRegisterBase + 0x018) == 0x12345678);
  mmio.write32(kRegisterBase + 0x10C, 5);  // RX_HEAD is read-only
  CHECK(mmio.read32(kRegisterBase + 0x10C) == 0);
  mmio.write64(kRegisterBase + 0x300, 5);
  CHECK(mmio.read64(kRegisterBase + 0x300) == 0);
  // Shapes that no register has read as ones and write nothing.
  CHECK(mmio.read(kRegisterBase + 0x108, 8) == 0xFFFFFFFFFFFFFFFF);
  CHECK(mmio.read(kRegisterBase + 0x100, 2) == 0xFFFF);
  CHECK(mmio.read(kRegisterBase + 0x102, 4) == 0xFFFFFFFF);
  CHECK(mmio.status == ::tlm::TLM_OK_RESPONSE);
  // What isn't a register access at all is refused.
  std::uint64_t data[2] = {};
  unsigned char enable = 0xFF;
  mmio.access(::tlm::TLM_READ_COMMAND, kRegisterBase, data, 16);
  CHECK(mmio.status == ::tlm::TLM_BURST_ERROR_RESPONSE);
  mmio.access(::tlm::TLM_READ_COMMAND, kRegisterBase, data, 4, &enable);
  CHECK(mmio.status == ::tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
  mmio.access(::tlm::TLM_READ_COMMAND, kRegisterBase + 0x1000, data, 4);
  CHECK(mmio.status == ::tlm::TLM_ADDRESS_ERROR_RESPONSE);
  mmio.access(::tlm::TLM_READ_COMMAND, kRegisterBase - 4, data, 4);
  CHECK(mmio.status == ::tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(mmio.read32(kRegisterBase + 0x004) == 0x2);  // none of it is a driver's mistake with the rings
}

TEST_CASE("Nic registers: debug reads see them and change nothing") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  std::uint32_t value = 0;
  ::tlm::tlm_generic_payload payload;
  payload.set_read();
  payload.set_address(kRegisterBase + 0x004);
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
  payload.set_data_length(4);
  CHECK(bench.mmio.socket->transport_dbg(payload) == 4);
  CHECK(value == 2);
  payload.set_write();
  CHECK(bench.mmio.socket->transport_dbg(payload) == 0);
  payload.set_read();
  payload.set_address(kRegisterBase + 0x1000);
  CHECK(bench.mmio.socket->transport_dbg(payload) == 0);
}

TEST_CASE("Nic registers: writes against the rules") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  Mmio& mmio = bench.mmio;
  constexpr std::uint32_t kEnabledIdle = 0x3;
  constexpr std::uint32_t kBadWrite = 0x10;
  bench.script.at(0, [&] {
    bench.rx_tail(1);  // not enabled
    CHECK(mmio.read32(kRegisterBase + 0x110) == 0);
    CHECK(mmio.read32(kRegisterBase + 0x004) == (0x2 | kBadWrite));
    mmio.write32(kRegisterBase + 0x004, kBadWrite);
    CHECK(mmio.read32(kRegisterBase + 0x004) == 0x2);
    bench.set_up(8, 4);
    CHECK(mmio.read32(kRegisterBase + 0x004) == kEnabledIdle);
    mmio.write64(kRegisterBase + 0x100, 0x5000);  // in use
    CHECK(mmio.read64(kRegisterBase + 0x100) == kRxRing);
    CHECK(mmio.read32(kRegisterBase + 0x004) == (kEnabledIdle | kBadWrite));
    mmio.write32(kRegisterBase + 0x004, kBadWrite);
    bench.tx_tail(4);  // beyond the ring
    CHECK(mmio.read32(kRegisterBase + 0x210) == 0);
    CHECK(mmio.read32(kRegisterBase + 0x004) == (kEnabledIdle | kBadWrite));
    mmio.write32(kRegisterBase + 0x004, kBadWrite);
    bench.rx_tail(7);
    CHECK(mmio.read32(kRegisterBase + 0x110) == 7);
    mmio.write32(kRegisterBase, 0);
    mmio.write32(kRegisterBase + 0x208, 8);  // not enabled, idle
    CHECK(mmio.read32(kRegisterBase + 0x208) == 8);
    CHECK(mmio.read32(kRegisterBase + 0x004) == 0x2);
  });
  sc_core::sc_start();
}

TEST_CASE("Nic registers: sizes that a ring can't have") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  Mmio& mmio = bench.mmio;
  bench.script.at(0, [&] {
    bench.set_up(1, 65537);
    CHECK(mmio.read32(kRegisterBase + 0x004) == 0xF);  // ENABLED, IDLE, RX_BAD, TX_BAD
    bench.tx_tail(1);
    CHECK(mmio.read32(kRegisterBase + 0x004) == 0x1F);
    mmio.write32(kRegisterBase, 0);
    bench.set_up(2, 65536);
    CHECK(mmio.read32(kRegisterBase + 0x004) == 0x13);
    bench.rx_tail(1);
    CHECK(mmio.read32(kRegisterBase + 0x110) == 1);
  });
  sc_core::sc_start();
}

void effect_time(bool non_blocking) {
  NicConfig config;
  config.register_latency = 25;
  NicBench bench(NicBench::in(TransportMode::Lt, config));
  bench.tx_descriptor(0, kTxBuffers, 100, 1);
  bench.mmio.non_blocking = non_blocking;
  bench.script.at(0, [&] { bench.set_up(0, 8); });
  bench.script.at(1000, [&] {
    bench.mmio.ahead = 40;
    bench.tx_tail(1);
    CHECK(bench.mmio.took == 25);
    CHECK(bench.mmio.read32(kRegisterBase + 0x210) == 1);
  });
  sc_core::sc_start();
  CHECK(bench.times(kTxRing, kTxRing + 16, false) == Ticks{1065});
  CHECK(bench.nic.tx_latency().max() == 300);
}
TEST_CASE("Nic registers: a blocking write takes effect at its end") { effect_time(false); }
TEST_CASE("Nic registers: a non-blocking write takes effect at its end") { effect_time(true); }

void off_and_on(TransportMode mode) {
  NicBench bench(NicBench::in(mode));
  bench.nic.set_packets({{0, 600, 0}, {50, 600, 1}, {5000, 64, 2}});
  for (std::uint32_t i = 0; i < 7; ++i) {
    bench.rx_descriptor(i, 2048);
    bench.tx_descriptor(i, kTxBuffers + 0x1000 * i, 600, i, 0, i != 0);
  }
  std::vector<std::uint32_t> status;
  bench.script.at(0, [&] {
    bench.set_up(8, 8);
    bench.rx_tail(7);
    bench.tx_tail(1);  // a packet's first part only
    bench.nic.start();
  });
  bench.script.at(150, [&] {  // payload of packet 0 under way, packet 1 too
    bench.mmio.write32(kRegisterBase, 0);
    status.push_back(bench.mmio.read32(kRegisterBase + 0x004));
    bench.mmio.write32(kRegisterBase + 0x108, 4);  // disabled, but not idle
    CHECK(bench.mmio.read32(kRegisterBase + 0x108) == 8);
    bench.mmio.write32(kRegisterBase, 1);  // takes effect when idle
    status.push_back(bench.mmio.read32(kRegisterBase + 0x004));
    bench.tx_tail(3);  // too early
  });
  bench.script.at(1000, [&] {
    status.push_back(bench.mmio.read32(kRegisterBase + 0x004));
    CHECK(bench.mmio.read32(kRegisterBase + 0x10C) == 0);  // RX_HEAD starts again
    CHECK(bench.mmio.read32(kRegisterBase + 0x110) == 0);
    bench.rx_descriptor(0, 2048);
    bench.rx_tail(1);
    bench.tx_descriptor(0, kTxBuffers, 60, 33);
    bench.tx_tail(1);
  });
  sc_core::sc_start();
  CHECK(status == std::vector<std::uint32_t>{0x0, 0x10, 0x13});  // busy; busy, BAD_WRITE; enabled, idle
  CHECK(bench.nic.counters().rx_packets == 3);
  CHECK(bench.rx_word1(0) == (64 | kDone | kEnd | (std::uint64_t{2} << 32)));
  CHECK(bench.received(NicBench::rx_buffer(0), 2, 64));
  // The interrupted packet's first part is forgotten.
  CHECK(bench.nic.counters().tx_packets == 1);
  CHECK(bench.nic.counters().tx_bytes == 60);
  CHECK(bench.nic.counters().tx_corrupted == 0);
}
TEST_CASE("Nic LT registers: disabled and enabled again while busy") { off_and_on(TransportMode::Lt); }
TEST_CASE("Nic AT registers: disabled and enabled again while busy") { off_and_on(TransportMode::At); }

TEST_CASE("Nic registers: disabling drops what waits in the FIFO and finishes what was begun") {
  NicConfig config;
  config.descriptors_in_progress = 1;
  NicBench bench(NicBench::in(TransportMode::At, config));
  bench.nic.set_packets({{0, 600, 0}, {0, 600, 1}, {0, 600, 2}, {200, 600, 3}});
  for (std::uint32_t i = 0; i < 7; ++i) bench.rx_descriptor(i, 400);
  bench.script.at(0, [&] {
    bench.set_up(8, 0);
    bench.rx_tail(7);
    bench.nic.start();
  });
  bench.script.at(150, [&] { bench.mmio.write32(kRegisterBase, 0); });  // first of packet 0's two descriptors
  sc_core::sc_start();
  CHECK(bench.rx_word1(0) == (400 | kDone));
  CHECK(bench.rx_word1(1) == (200 | kDone | kEnd));
  CHECK(bench.rx_word1(2) == 400);
  CHECK(bench.nic.counters().rx_packets == 1);
  CHECK(bench.nic.counters().rx_dropped_disabled == 3);
  CHECK(bench.nic.receive_done());
  CHECK(bench.mmio.read32(kRegisterBase + 0x004) == 0x2);
}

TEST_CASE("Nic: numbers out of range are refused") {
  NicConfig config;
  config.max_payload = 4097;
  std::string message;
  try {
    Nic nic("nic", config);
  } catch (const sc_core::sc_report& report) {
    message = report.get_msg();
  }
  CHECK(message == "nic: max_payload is 4097, must be 1 to 4096");
}

TEST_CASE("Nic: counters have names") {
  std::vector<std::string> names;
  NicCounters().visit_counters(
      [&](const char* name, const char*, const char*, std::uint64_t) { names.emplace_back(name); });
  CHECK(names.size() == 13);
  CHECK(names.front() == "rx_packets");
  CHECK(names.back() == "dma_errors");
}

}  // namespace
