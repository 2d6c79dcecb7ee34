// The link: times and stages to the picosecond, order, limits, acceptance of posted writes, faults, and what it
// refuses. 8 GT/s x 8 with MPS 256: 24 bytes take 3,317 ps, 84 take 11,610, 88 take 12,163, 276 take 38,145, 280 take
// 38,698.
#include "models/tlm/dma_master.h"
#include "testbench/tlm/link_bench.h"
#include "testbench/tlm/transactor.h"

namespace {

using namespace iommu;
using namespace iommu::sim;
using namespace iommu::sim::testing;
using core::OutcomeClass;
using core::Stage;
using core::Tick;

constexpr TransportMode kModes[] = {TransportMode::Lt, TransportMode::At};

PcieLinkConfig with_latencies() {
  PcieLinkConfig config = plain_link();
  config.propagation = 100'000;
  config.root_complex = 50'000;
  return config;
}

/// The latency of one operation that is alone.
Tick latency(TransportMode mode, const PcieLinkConfig& config, core::Address address, std::uint32_t bytes, bool write,
             Tick host = 70'000) {
  new_simulation();
  LinkBench bench(mode, config);
  bench.target.latency = [host](core::Address) { return host; };
  LinkOp& op = bench.add(address, bytes, write);
  bench.issue_at(1000, op);
  sc_core::sc_start();
  REQUIRE(op.ok());
  return op.end - op.ready_at;
}

}  // namespace

TEST_CASE("A 64 B read takes request, propagation, root complex, host, completion, propagation", "[pcie]") {
  for (const TransportMode mode : kModes) {
    for (const Answer answer : {Answer::Early, Answer::UpdatedResponse, Answer::Backward, Answer::BackwardAhead}) {
      new_simulation();
      LinkBench bench(mode, with_latencies());
      bench.target.answer = answer;
      bench.target.latency = [](core::Address) { return Tick{70'000}; };
      bench.target.poke<std::uint64_t>(0x1008, 0x1122334455667788);
      LinkOp& op = bench.add(0x1000, 64, false);
      bench.issue_at(5000, op);
      sc_core::sc_start();
      CHECK(op.ok());
      CHECK(op.end == 5000 + 3'317 + 100'000 + 50'000 + 70'000 + 11'610 + 100'000);
      CHECK(op.freed_at == op.end);
      CHECK(op.stages.of(Stage::LinkWait) == 0);
      CHECK(op.stages.of(Stage::LinkWire) == 14'927);
      CHECK(op.stages.of(Stage::LinkLatency) == 200'000);
      CHECK(op.stages.of(Stage::RootComplex) == 50'000);
      CHECK(op.stages.of(Stage::Downstream) == 70'000);
      CHECK(bench.target.log == std::vector<TargetAccess>{{158'317, false, 0x1000, 64}});
      CHECK(op.buffer[8] == 0x88);
      CHECK(op.buffer[15] == 0x11);
      const PcieLinkCounters& counters = bench.link.counters();
      CHECK(counters.read_requests == 1);
      CHECK(counters.completions == 1);
      CHECK(counters.up_bytes == 24);
      CHECK(counters.down_bytes == 84);
      CHECK(counters.up_busy == 3'317);
      CHECK(counters.down_busy == 11'610);
    }
  }
}

TEST_CASE("A posted write is accepted when it is on the wire and ends when memory has it", "[pcie]") {
  for (const TransportMode mode : kModes) {
    new_simulation();
    LinkBench bench(mode, with_latencies(), 1);
    bench.target.latency = [](core::Address) { return Tick{70'000}; };
    LinkOp& first = bench.add(0x1000, 600, true, 0xA1);
    LinkOp& second = bench.add(0x2000, 64, true, 0xA2);
    bench.issue_at(0, first);
    bench.issue_at(0, second);
    sc_core::sc_start();
    // 256, 256 and 88 bytes: 280, 280 and 112 on the wire, the last 15,480 ps.
    const Tick up = 2 * 38'698 + 15'480;
    CHECK(first.freed_at == up);
    CHECK(first.end == up + 100'000 + 50'000 + 70'000);
    CHECK(first.stages.of(Stage::LinkWait) == 2 * 38'698);
    CHECK(first.stages.of(Stage::LinkWire) == 15'480);
    CHECK(first.stages.of(Stage::LinkLatency) == 100'000);
    CHECK(second.issued_at == up);
    CHECK(second.stages.of(Stage::IssueWait) == up);
    CHECK(second.end == up + 12'163 + 220'000);
    CHECK(bench.accepted_at == std::vector<Tick>{up, up + 12'163});
    CHECK(bench.done_at == std::vector<Tick>{first.end, second.end});
    CHECK(bench.target.log == std::vector<TargetAccess>{{38'698 + 150'000, true, 0x1000, 256},
                                                        {2 * 38'698 + 150'000, true, 0x1100, 256},
                                                        {up + 150'000, true, 0x1200, 88},
                                                        {up + 12'163 + 150'000, true, 0x2000, 64}});
    CHECK(bench.target.peek<std::uint8_t>(0x1000 + 599) == 0xA1);
    CHECK(bench.target.peek<std::uint8_t>(0x1000 + 600) == 0);
    CHECK(bench.target.peek<std::uint8_t>(0x2000) == 0xA2);
    CHECK(bench.port.idle());
  }
}

TEST_CASE("A generator with one place writes as fast as the wire takes it", "[pcie]") {
  struct Kind {
    TransportMode mode;
    bool event_driven;
    Tick quantum;
  };
  for (const Kind kind : {Kind{TransportMode::At, true, 0}, Kind{TransportMode::Lt, true, 0},
                          Kind{TransportMode::Lt, false, 0}, Kind{TransportMode::Lt, false, 1'000'000}}) {
    for (const Tick gap : {Tick{0}, Tick{5'000}}) {
      new_simulation();
      DmaMasterConfig config;
      config.mode = kind.mode;
      config.event_driven = kind.event_driven;
      config.quantum = kind.quantum;
      config.pattern.window_bytes = 1 << 16;
      config.pattern.transfer_bytes = 64;
      config.pattern.write_percent = 100;
      config.count = 100;
      config.outstanding = 1;
      config.gap = gap;
      DmaMaster master("master", config);
      PcieLink link("link", with_latencies());
      DeviceTarget target("target");
      target.latency = [](core::Address) { return Tick{70'000}; };
      master.socket.bind(link.device);
      link.host.bind(target.socket);
      master.start();
      sc_core::sc_start();
      CHECK(master.done());
      CHECK(now_ticks() == 100 * 12'163 + 99 * gap + 220'000);
      CHECK(master.counters().completed == 100);
      CHECK(master.port.idle());
      const DmaStatistics& statistics = master.port.statistics;
      CHECK(statistics.stage_sum_mismatches == 0);
      CHECK(statistics.latency().max() == 232'163);
      CHECK(statistics.stage_ticks(Stage::IssueWait) == 0);
      CHECK(statistics.stage_ticks(Stage::LinkWait) == 0);
    }
  }
}

TEST_CASE("Each parameter of the link changes the latency by exactly its share", "[pcie]") {
  for (const TransportMode mode : kModes) {
    const PcieLinkConfig base = with_latencies();
    const Tick read = 334'927;
    REQUIRE(latency(mode, base, 0, 64, false) == read);
    PcieLinkConfig changed = base;
    changed.propagation *= 2;
    CHECK(latency(mode, changed, 0, 64, false) == read + 200'000);
    CHECK(latency(mode, changed, 0, 64, true) == 12'163 + 220'000 + 100'000);
    changed = base;
    changed.root_complex *= 2;
    CHECK(latency(mode, changed, 0, 64, false) == read + 50'000);
    changed = base;
    changed.pcie.generation = 4;  // 1,659 and 5,805 ps
    CHECK(latency(mode, changed, 0, 64, false) == read - 14'927 + 7'464);
    changed = base;
    changed.pcie.lanes = 16;  // 1,689 and 5,911 ps: acknowledges are more frequent
    CHECK(latency(mode, changed, 0, 64, false) == read - 14'927 + 7'600);
    changed = base;
    changed.pcie.ack_interval_bytes = 406;  // 3,181 and 11,132 ps
    CHECK(latency(mode, changed, 0, 64, false) == read - 14'927 + 14'313);
    changed = base;
    changed.pcie.max_payload_bytes = 512;  // with its own acknowledge interval; 536 bytes take 74,819 ps
    CHECK(latency(mode, base, 0, 512, true) == 2 * 38'698 + 220'000);
    CHECK(latency(mode, changed, 0, 512, true) == 74'819 + 220'000);
    changed = base;
    changed.pcie.max_read_request_bytes = 1024;
    // Two requests: the second one's data arrive 3,317 ps after the first one's and wait for the wire.
    CHECK(latency(mode, base, 0, 1024, false) == 3'317 + 320'000 + 4 * 38'145);
    CHECK(latency(mode, changed, 0, 1024, false) == 3'317 + 320'000 + 4 * 38'145);
    changed.tags = 1;
    CHECK(latency(mode, changed, 0, 1024, false) == 3'317 + 320'000 + 4 * 38'145);
    changed = base;
    changed.tags = 1;
    CHECK(latency(mode, changed, 0, 1024, false) == 2 * (3'317 + 320'000 + 2 * 38'145));
    changed.tags = 2;
    CHECK(latency(mode, changed, 0, 1024, false) == 3'317 + 320'000 + 4 * 38'145);
    changed = base;
    changed.pcie.completion_boundary_bytes = 128;
    // 64 bytes from 0x20 on: 32 and 32 (52 bytes take 7,187 ps each), or all in one.
    CHECK(latency(mode, base, 0x20, 64, false) == 3'317 + 320'000 + 2 * 7'187);
    CHECK(latency(mode, changed, 0x20, 64, false) == read);
    changed = base;
    changed.posted_credits = 4;
    // The second 256 bytes wait until the first are in memory.
    CHECK(latency(mode, changed, 0, 512, true) == 2 * (38'698 + 220'000));
    changed.posted_credits = 8;
    CHECK(latency(mode, changed, 0, 512, true) == 2 * 38'698 + 220'000);
  }
}

TEST_CASE("A read does not pass a write that waits for credits", "[pcie]") {
  for (const TransportMode mode : kModes) {
    new_simulation();
    PcieLinkConfig config = plain_link();
    config.posted_credits = 1;
    LinkBench bench(mode, config);
    bench.target.latency = [](core::Address) { return Tick{500'000}; };
    LinkOp& write = bench.add(0x1000, 64, true);
    LinkOp& waits = bench.add(0x2000, 64, true);
    LinkOp& read = bench.add(0x3000, 64, false);
    for (LinkOp* op : {&write, &waits, &read}) bench.issue_at(0, *op);
    sc_core::sc_start();
    CHECK(write.end == 12'163 + 500'000);
    CHECK(write.freed_at == 12'163);
    CHECK(waits.freed_at == write.end + 12'163);
    CHECK(waits.end == write.end + 12'163 + 500'000);
    CHECK(waits.stages.of(Stage::LinkWait) == write.end);
    CHECK(read.end == write.end + 12'163 + 3'317 + 500'000 + 11'610);
    CHECK(read.stages.of(Stage::LinkWait) == write.end + 12'163);
    CHECK(bench.link.counters().waited_for_credits == 1);
    CHECK(bench.link.counters().waited_for_tag == 0);
  }
}

TEST_CASE("A write passes a read that waits for a tag", "[pcie]") {
  for (const TransportMode mode : kModes) {
    new_simulation();
    PcieLinkConfig config = plain_link();
    config.tags = 1;
    LinkBench bench(mode, config);
    bench.target.latency = [](core::Address) { return Tick{500'000}; };
    LinkOp& first = bench.add(0x1000, 64, false);
    LinkOp& waits = bench.add(0x2000, 64, false);
    LinkOp& write = bench.add(0x3000, 64, true);
    for (LinkOp* op : {&first, &waits, &write}) bench.issue_at(0, *op);
    sc_core::sc_start();
    CHECK(first.end == 3'317 + 500'000 + 11'610);
    CHECK(waits.end == 2 * first.end);
    CHECK(write.end == 3'317 + 12'163 + 500'000);
    CHECK(bench.link.counters().waited_for_tag == 1);
  }
}

TEST_CASE("A write larger than all credits takes all of them", "[pcie]") {
  for (const TransportMode mode : kModes) {
    PcieLinkConfig config = plain_link();
    config.posted_credits = 2;
    CHECK(latency(mode, config, 0, 512, true, 1000) == 2 * (38'698 + 1000));
  }
}

TEST_CASE("Answers come down in the order in which they are there", "[pcie]") {
  for (const TransportMode mode : kModes) {
    new_simulation();
    LinkBench bench(mode, plain_link());
    bench.target.latency = [](core::Address address) { return address == 0 ? Tick{400'000} : Tick{100'000}; };
    LinkOp& op = bench.add(0, 1024, false);  // the first half takes longer
    bench.issue_at(0, op);
    sc_core::sc_start();
    CHECK(op.end == 3'317 + 400'000 + 2 * 38'145);
    CHECK(op.stages.of(Stage::LinkWait) == 0);
    CHECK(op.stages.of(Stage::Downstream) == 400'000);
  }
}

TEST_CASE("A failed part fails the DMA, and a failed read is answered without data", "[pcie]") {
  for (const TransportMode mode : kModes) {
    new_simulation();
    LinkBench bench(mode, plain_link());
    bench.target.before = DeviceTarget::block(0x2000, 0x3000, 5);
    LinkOp& good = bench.add(0x1000, 64, false);
    LinkOp& read = bench.add(0x1FC0, 128, false);  // its second part
    LinkOp& write = bench.add(0x2F00, 512, true);  // its first part
    bench.issue_at(0, good);
    bench.issue_at(1'000'000, read);
    bench.issue_at(2'000'000, write);
    sc_core::sc_start();
    CHECK(good.ok());
    CHECK_FALSE(read.ok());
    CHECK(read.status == ::tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(read.outcome == OutcomeClass::Fault);
    CHECK(read.fault_reason == 5);
    CHECK(read.end == 1'000'000 + 3'317 + 11'610 + 2'765);  // 20 bytes
    CHECK_FALSE(write.ok());
    CHECK(write.fault_reason == 5);
    CHECK(write.end == 2'000'000 + 2 * 38'698);
    CHECK(bench.target.log.size() == 5);  // the other parts went on
  }
}

TEST_CASE("Atomics and zero-length reads are requests with an answer", "[pcie]") {
  for (const TransportMode mode : kModes) {
    new_simulation();
    LinkBench bench(mode, plain_link());
    std::vector<std::tuple<bool, bool, core::RequesterId>> seen;
    bench.target.before = [&](::tlm::tlm_generic_payload& payload) {
      const auto* extension = payload.get_extension<DmaExtension>();
      REQUIRE(extension != nullptr);
      seen.emplace_back(extension->zero_length, extension->atomic, extension->requester);
    };
    LinkOp& atomic = bench.add(0x1000, 8, true);
    atomic.atomic = true;
    LinkOp& nothing = bench.add(0x2000, 64, false);
    nothing.zero_length = true;
    bench.issue_at(0, atomic);
    bench.issue_at(1'000'000, nothing);
    sc_core::sc_start();
    CHECK(atomic.end == 4'423 + 3'870);  // 32 and 28 bytes
    CHECK(atomic.freed_at == atomic.end);
    CHECK(nothing.end == 1'000'000 + 3'317 + 2'903);  // 21 bytes
    CHECK(seen == std::vector<std::tuple<bool, bool, core::RequesterId>>{{false, true, 0x18}, {true, false, 0x18}});
  }
}

namespace {

struct ForeignBench {
  Transactor device{"device"};
  PcieLink link;
  DeviceTarget target{"target"};
  Script script{"script"};
  explicit ForeignBench(const PcieLinkConfig& config) : link("link", config) {
    device.socket.bind(link.device);
    link.host.bind(target.socket);
  }
};

}  // namespace

TEST_CASE("Byte enables and bursts are refused, DMI and debug accesses are answered by the host", "[pcie]") {
  new_simulation();
  ForeignBench bench(plain_link());
  bench.script.at(0, [&] {
    TestPayload enabled(::tlm::TLM_WRITE_COMMAND, 0x40, std::vector<unsigned char>(8, 1));
    enabled.enable({0xFF, 0x00});
    CHECK(bench.device.blocking(enabled) == 0);
    CHECK(enabled.get_response_status() == ::tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    enabled.set_response_status(::tlm::TLM_INCOMPLETE_RESPONSE);
    bench.device.begin(enabled);
    CHECK(bench.device.log == std::vector<Transactor::Event>{{"completed", 0, 0x40}});
    CHECK(enabled.get_response_status() == ::tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    TestPayload burst(::tlm::TLM_READ_COMMAND, 0x40, std::vector<unsigned char>(8, 1));
    burst.set_streaming_width(4);
    bench.device.blocking(burst);
    CHECK(burst.get_response_status() == ::tlm::TLM_BURST_ERROR_RESPONSE);
    CHECK(bench.target.log.empty());
    TestPayload read(::tlm::TLM_READ_COMMAND, 0x40, std::vector<unsigned char>(8));
    ::tlm::tlm_dmi dmi;
    CHECK_FALSE(bench.device.socket->get_direct_mem_ptr(read, dmi));  // it grants nothing
    bench.device.blocking(read);
    CHECK(read.is_response_ok());
    CHECK_FALSE(read.is_dmi_allowed());
    CHECK(bench.target.log.size() == 1);
    CHECK(bench.device.socket->transport_dbg(read) == 0);  // nor has it debug access
  });
  sc_core::sc_start();
}

TEST_CASE("A foreign initiator sees four phases only, one response at a time", "[pcie]") {
  for (const bool with_extension : {false, true}) {
    new_simulation();
    PcieLinkConfig config = plain_link();
    config.posted_credits = 1;
    ForeignBench bench(config);
    bench.device.response_time = 40'000;
    bench.target.latency = [](core::Address) { return Tick{50'000}; };
    bool extension_seen = false;
    bench.target.before = [&](::tlm::tlm_generic_payload& payload) {
      extension_seen = extension_seen || payload.get_extension<DmaExtension>() != nullptr;
    };
    std::vector<std::unique_ptr<TestPayload>> kept;
    for (const core::Address address : {core::Address{0x100}, core::Address{0x200}}) {
      kept.push_back(
          std::make_unique<TestPayload>(::tlm::TLM_WRITE_COMMAND, address, std::vector<unsigned char>(64, 7)));
      if (!with_extension) kept.back()->clear_extension(&kept.back()->extension);
    }
    bench.script.at(0, [&] {
      for (auto& payload : kept) bench.device.begin(*payload);
    });
    sc_core::sc_start();
    CHECK(extension_seen == with_extension);  // without: the translation unit's default requester holds
    // The second write waits for the credit; responses are annotated as soon as they are known.
    CHECK(bench.device.log == std::vector<Transactor::Event>{{"updated END_REQ", 0, 0x100},
                                                             {"updated END_REQ", 0, 0x200},
                                                             {"BEGIN_RESP", 62'163, 0x100},
                                                             {"BEGIN_RESP", 124'326, 0x200}});
    CHECK(kept[1]->extension.accepted == (with_extension ? Tick{74'326} : Tick{0}));
    CHECK(bench.target.peek<std::uint8_t>(0x23F) == 7);
    for (auto& payload : kept) {
      CHECK(payload->is_response_ok());
      CHECK(payload->get_ref_count() == 1);
    }
  }
}

TEST_CASE("A link that makes no sense is reported", "[pcie]") {
  new_simulation();
  sc_core::sc_report_handler::set_actions(sc_core::SC_ERROR, sc_core::SC_THROW);
  PcieLinkConfig config = plain_link();
  config.pcie.lanes = 3;
  CHECK_THROWS_WITH(PcieLink("link", config), containing("link: lanes = 3: allowed: 1, 2, 4, 8 or 16"));
}
