// The NIC taken out of its slot, and payloads that its driver says are not to be compared.
#include "testbench/tlm/nic_bench.h"

namespace {

using namespace iommu;
using namespace iommu::sim;
using namespace iommu::sim::testing;

// Two operations at a time, 100 each: the fetch at 0, payload writes at 100, 200 and 300. Taken out at 250, the device ends the two that are
// under way and begins nothing more: no completion, no interrupt.
void taken_out(TransportMode mode) {
  NicConfig config;
  config.outstanding = 2;
  NicBench bench(NicBench::in(mode, config));
  bench.nic.set_packets({{0, 1514, 1}, {10, 64, 2}, {5000, 64, 3}});
  for (std::uint32_t i = 0; i < 4; ++i) bench.rx_descriptor(i, 2048);
  bench.script.at(0, [&] {
    bench.set_up(8, 0);
    bench.interrupts_on();
    bench.rx_tail(4);
    bench.nic.start();
  });
  bench.script.at(250, [&] {
    bench.nic.remove();
    CHECK(bench.nic.removed());
    CHECK_FALSE(bench.nic.idle());
    bench.mmio.read32(kRegisterBase + 4);
    CHECK(bench.mmio.status == ::tlm::TLM_ADDRESS_ERROR_RESPONSE);
    bench.mmio.write32(kRegisterBase + 0, 1);
    CHECK(bench.mmio.status == ::tlm::TLM_ADDRESS_ERROR_RESPONSE);
  });
  sc_core::sc_start();
  const auto& log = bench.memory.log;
  REQUIRE(log.size() == 5);
  CHECK(log[0] == TargetAccess{0, false, 0x1000, 64});
  CHECK(log[1] == TargetAccess{100, true, 0x10000, 256});
  CHECK(log[2] == TargetAccess{100, true, 0x10100, 256});
  CHECK(log[3] == TargetAccess{200, true, 0x10200, 256});
  CHECK(log[4] == TargetAccess{200, true, 0x10300, 256});
  CHECK(bench.rx_word1(0) == 2048);
  const NicCounters counters = bench.nic.counters();
  CHECK(counters.rx_packets == 0);
  CHECK(counters.rx_errors == 2);            // begun, and waiting behind it in the jobs
  CHECK(counters.rx_dropped_disabled == 1);  // came later
  CHECK(counters.interrupts == 0);
  CHECK(bench.nic.receive_done());
  CHECK(bench.nic.idle());
}
TEST_CASE("Nic LT removal: what is under way ends, nothing begins") { taken_out(TransportMode::Lt); }
TEST_CASE("Nic AT removal: what is under way ends, nothing begins") { taken_out(TransportMode::At); }

TEST_CASE("Nic removal: with flow control the packets that wait are lost, too") {
  NicConfig config;
  config.flow_control = true;
  NicBench bench(NicBench::in(TransportMode::Lt, config));
  bench.nic.set_packets({{0, 64, 1}, {10, 64, 2}});
  bench.script.at(0, [&] { bench.nic.start(); });  // never enabled
  bench.script.at(1000, [&] {
    CHECK(bench.nic.handled() == 0);
    bench.nic.remove();
    bench.nic.remove();
  });
  sc_core::sc_start();
  CHECK(bench.nic.receive_done());
  CHECK(bench.nic.counters().rx_dropped_disabled == 2);
}

TEST_CASE("Nic transmit: tag 0xFFFFFFFF is not compared") {
  NicBench bench(NicBench::in(TransportMode::Lt));
  bench.tx_descriptor(0, kTxBuffers, 1200, 0xFFFFFFFF);
  bench.tx_descriptor(1, kTxBuffers + 0x1000, 1200, 0xFFFFFFFE);
  bench.memory.bytes[kTxBuffers + 700] ^= 1;
  bench.memory.bytes[kTxBuffers + 0x1000 + 700] ^= 1;
  bench.script.at(0, [&] {
    bench.set_up(0, 8);
    bench.tx_tail(2);
  });
  sc_core::sc_start();
  const NicCounters counters = bench.nic.counters();
  CHECK(counters.tx_packets == 2);
  CHECK(counters.tx_unchecked == 1);
  CHECK(counters.tx_corrupted == 1);
  CHECK(bench.tx_word1(0) == (1200 | kDone | kEnd | (std::uint64_t{0xFFFFFFFF} << 32)));
}

}  // namespace
