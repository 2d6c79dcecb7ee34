// Bus: decoding, times, direct access, and foreign targets that use all four phases.
#include "models/tlm/bus.h"

#include <tlm_utils/simple_target_socket.h>
#include <map>

#include "models/tlm/memory.h"
#include "models/tlm/timed_queue.h"
#include "testbench/tlm/transactor.h"

using namespace iommu;
using sim::Bus;
using sim::BusConfig;
using sim::Memory;
using sim::MemoryConfig;
using sim::testing::containing;
using sim::testing::TestPayload;
using sim::testing::Transactor;
using Bytes = std::vector<unsigned char>;
using Log = std::vector<Transactor::Event>;

namespace {

constexpr core::Tick kRequest = 3'000;
constexpr core::Tick kResponse = 5'000;

BusConfig latencies() { return {kRequest, kResponse}; }

// 100 ns, 64 bytes in 2.5 ns.
MemoryConfig ram(core::Address base, std::uint64_t size) { return {base, size, 100'000, 25'600, 1}; }

/// What a foreign target does with the request phase and the response phase.
enum class Style { Accept, UpdateEndRequest, UpdateBeginResponse, Early };

// Four phases: END_REQ `accept` after the request, BEGIN_RESP `latency(address)` after that.
class Foreign : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<Foreign, sim::kSocketWidthBits> socket;
  Style style = Style::Accept;
  core::Tick accept = 10'000;
  std::map<core::Address, core::Tick> latency;  // 50 ns unless it says otherwise
  std::vector<std::string> log;

  explicit Foreign(sc_core::sc_module_name name) : sc_module(name), socket("socket") {
    socket.register_nb_transport_fw(this, &Foreign::forward);
    using SC_CURRENT_USER_MODULE = Foreign;
    SC_METHOD(run_due);
    sensitive << due_.event();
    dont_initialize();
  }

 private:
  struct Due {
    tlm::tlm_generic_payload* payload;
    bool response;
  };

  void note(const char* what, core::Tick at, const tlm::tlm_generic_payload& payload) {
    log.push_back(std::string(what) + " " + std::to_string(payload.get_address()) + " @" + std::to_string(at));
  }
  core::Tick latency_of(const tlm::tlm_generic_payload& payload) const {
    const auto found = latency.find(payload.get_address());
    return found == latency.end() ? 50'000 : found->second;
  }
  tlm::tlm_sync_enum forward(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase, sc_core::sc_time& delay) {
    const core::Tick now = sim::now_ticks(delay);
    note(phase == tlm::BEGIN_REQ ? "BEGIN_REQ" : "END_RESP", now, payload);
    if (phase == tlm::END_RESP) {
      responding_ = nullptr;
      return tlm::TLM_COMPLETED;
    }
    if (requesting_ != nullptr) note("exclusion broken", now, payload);
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
    const core::Tick end = now + accept + latency_of(payload);
    if (style == Style::Early) {
      delay = sim::delay_until(end);
      return tlm::TLM_COMPLETED;
    }
    if (style == Style::UpdateBeginResponse) {
      responding_ = &payload;
      phase = tlm::BEGIN_RESP;
      delay = sim::delay_until(end);
      return tlm::TLM_UPDATED;
    }
    if (style == Style::UpdateEndRequest) {
      phase = tlm::END_REQ;
      delay = sim::delay_until(now + accept);
      due_.push(end, {&payload, true});
      return tlm::TLM_UPDATED;
    }
    requesting_ = &payload;
    due_.push(now + accept, {&payload, false});
    return tlm::TLM_ACCEPTED;
  }
  void run_due() {
    Due due{};
    while (due_.pop_due(due)) {
      tlm::tlm_phase phase = due.response ? tlm::BEGIN_RESP : tlm::END_REQ;
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      if (!due.response) {
        requesting_ = nullptr;
        due_.push(sim::now_ticks() + latency_of(*due.payload), {due.payload, true});
        socket->nb_transport_bw(*due.payload, phase, delay);
        continue;
      }
      if (responding_ != nullptr) {  // by the exclusion rule; looked at again soon
        due_.push(sim::now_ticks() + 1'000, due);
        continue;
      }
      responding_ = due.payload;
      if (socket->nb_transport_bw(*due.payload, phase, delay) == tlm::TLM_COMPLETED) {
        responding_ = nullptr;
        note("completed", sim::now_ticks(delay), *due.payload);
      }
    }
  }

  sim::TimedQueue<Due> due_;
  tlm::tlm_generic_payload* requesting_ = nullptr;
  tlm::tlm_generic_payload* responding_ = nullptr;
};

TestPayload reading(core::Address address, std::size_t bytes = 4) {
  return TestPayload(tlm::TLM_READ_COMMAND, address, Bytes(bytes));
}

// Two initiators, memory at 0x1000 to 0x1fff and at 0x2000 to 0x2fff.
struct Machine {
  Bus bus{"bus", latencies()};
  Memory low{"low", ram(0x1000, 0x1000)};
  Memory high{"high", ram(0x2000, 0x1000)};
  Transactor a{"a"};
  Transactor b{"b"};
  Machine() {
    a.socket.bind(bus.initiators);
    b.socket.bind(bus.initiators);
    bus.connect(low.socket, 0x1000, 0x1000);
    bus.connect(high.socket, 0x2000, 0x1000);
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
  }
};

// Two initiators, two foreign targets at 0 and 0x1000, memory at 0x2000.
struct Strangers {
  Bus bus{"bus", latencies()};
  Foreign first{"first"};
  Foreign second{"second"};
  Memory memory{"memory", ram(0x2000, 0x1000)};
  Transactor a{"a"};
  Transactor b{"b"};
  Strangers() {
    a.socket.bind(bus.initiators);
    b.socket.bind(bus.initiators);
    bus.connect(first.socket, 0, 0x1000);
    bus.connect(second.socket, 0x1000, 0x1000);
    bus.connect(memory.socket, 0x2000, 0x1000);
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
  }
};

}  // namespace

TEST_CASE("bus: both latencies are added to a target's time") {
  Machine m;
  TestPayload write(tlm::TLM_WRITE_COMMAND, 0x1040, Bytes(64, 0x5A));
  CHECK(m.a.blocking(write) == 3'000 + 102'500 + 5'000);
  CHECK(write.extension.wait == 0);
  CHECK(m.low.host_pointer(0x1040)[63] == 0x5A);
  // The memory is busy from 3,000 to 5,500.
  TestPayload again = reading(0x1040, 64);
  CHECK(m.b.blocking(again) == 113'000);
  CHECK(again.extension.wait == 2'500);
  CHECK(again.bytes == Bytes(64, 0x5A));
  TestPayload other = reading(0x2000, 64);
  CHECK(m.b.blocking(other, 10'000) == 120'500);
  CHECK(m.bus.counters().transactions == 3);
  CHECK(m.bus.counters().unmapped == 0);
  m.bus.restart_counters();
  CHECK(m.bus.counters().transactions == 0);
}

TEST_CASE("bus: non-blocking has the times and data of blocking") {
  Bus lt("lt", latencies());
  Bus at("at", latencies());
  Memory lt_memory("lt_memory", ram(0x1000, 0x1000));
  Memory at_memory("at_memory", ram(0x1000, 0x1000));
  Transactor a("a");
  Transactor b("b");
  a.socket.bind(lt.initiators);
  b.socket.bind(at.initiators);
  lt.connect(lt_memory.socket, 0x1000, 0x1000);
  at.connect(at_memory.socket, 0x1000, 0x1000);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  std::uint32_t state = 4711;
  unsigned failed = 0;
  for (int i = 0; i < 500; ++i) {
    state = state * 1664525U + 1013904223U;
    const auto command = (state >> 8) % 2 == 0 ? tlm::TLM_READ_COMMAND : tlm::TLM_WRITE_COMMAND;
    const core::Address address = 0xF80 + (state >> 9) % 4352;  // some before, some behind, some across the end
    const Bytes data(1 + (state >> 21) % 200, static_cast<unsigned char>(state >> 16));
    TestPayload blocking(command, address, data);
    TestPayload early(command, address, data);
    const auto delay = static_cast<core::Tick>(i) * 700 + state % 100;
    REQUIRE(a.blocking(blocking, delay) == b.early(early, delay));
    REQUIRE(blocking.bytes == early.bytes);
    REQUIRE(blocking.get_response_status() == early.get_response_status());
    REQUIRE(blocking.extension.wait == early.extension.wait);
    REQUIRE(early.get_ref_count() == 1);
    if (early.is_response_error()) ++failed;
  }
  CHECK(std::memcmp(lt_memory.host_pointer(0x1000), at_memory.host_pointer(0x1000), 0x1000) == 0);
  CHECK(failed > 10);
  CHECK(failed < 250);
  CHECK(at.open_transactions() == 0);
  CHECK(at.counters().unmapped == failed);
  CHECK(lt.counters().unmapped == failed);
}

TEST_CASE("bus: edges of ranges") {
  Machine m;
  const auto status = [&](core::Address address, std::size_t bytes) {
    TestPayload payload = reading(address, bytes);
    m.a.blocking(payload);
    return payload.get_response_status();
  };
  CHECK(status(0x1000, 1) == tlm::TLM_OK_RESPONSE);
  CHECK(status(0x0FFF, 1) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(status(0x1FFF, 1) == tlm::TLM_OK_RESPONSE);
  CHECK(status(0x2000, 1) == tlm::TLM_OK_RESPONSE);
  CHECK(status(0x2FFF, 1) == tlm::TLM_OK_RESPONSE);
  CHECK(status(0x2FFF, 2) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(status(0x3000, 1) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(status(0x1FFF, 2) == tlm::TLM_ADDRESS_ERROR_RESPONSE);  // two targets
  CHECK(status(0x1000, 0x1000) == tlm::TLM_OK_RESPONSE);
  CHECK(status(~core::Address{0}, 2) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(status(0x1000, 0) == tlm::TLM_BURST_ERROR_RESPONSE);  // the memory's answer
  CHECK(m.low.counters().reads == 3);
  CHECK(m.high.counters().reads == 2);
  CHECK(m.bus.counters().unmapped == 5);
  // A streaming access touches its width only.
  TestPayload streaming = reading(0x2FFC, 16);
  streaming.set_streaming_width(4);
  m.a.blocking(streaming);
  CHECK(streaming.get_response_status() == tlm::TLM_OK_RESPONSE);
}

TEST_CASE("bus: an unmapped access takes the request latency") {
  Machine m;
  TestPayload blocking = reading(0x4000);
  CHECK(m.a.blocking(blocking, 500) == 3'500);
  CHECK(blocking.get_response_status() == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  TestPayload early = reading(0x4000);
  CHECK(m.a.early(early, 500) == 3'500);
  CHECK(early.get_response_status() == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(m.bus.counters().unmapped == 2);
}

TEST_CASE("bus: debug access") {
  Machine m;
  TestPayload write(tlm::TLM_WRITE_COMMAND, 0x2000, {1, 2, 3, 4});
  CHECK(m.a.socket->transport_dbg(write) == 4);
  CHECK(m.high.host_pointer(0x2000)[3] == 4);
  TestPayload outside = reading(0x4000);
  CHECK(m.a.socket->transport_dbg(outside) == 0);
  TestPayload across = reading(0x1FFE);
  CHECK(m.a.socket->transport_dbg(across) == 0);
  CHECK(m.bus.counters().transactions == 0);
}

TEST_CASE("bus: direct access is narrowed to the mapped range, with the bus's latency") {
  Bus bus("bus", latencies());
  Memory memory("memory", ram(0, 0x10000));
  Transactor a("a");
  a.socket.bind(bus.initiators);
  const std::size_t number = bus.connect(memory.socket, 0x1000, 0x1000);
  bus.add_range(number, 0x8000, 0x8000);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  tlm::tlm_dmi dmi;
  TestPayload low = reading(0x1234);
  REQUIRE(a.socket->get_direct_mem_ptr(low, dmi));
  CHECK(dmi.get_start_address() == 0x1000);
  CHECK(dmi.get_end_address() == 0x1FFF);
  CHECK(dmi.get_dmi_ptr() == memory.host_pointer(0x1000));
  CHECK(dmi.get_read_latency() == sc_core::sc_time(108, sc_core::SC_NS));
  CHECK(dmi.get_write_latency() == sc_core::sc_time(108, sc_core::SC_NS));
  TestPayload high = reading(0xFFFF);
  tlm::tlm_dmi second;
  REQUIRE(a.socket->get_direct_mem_ptr(high, second));
  CHECK(second.get_start_address() == 0x8000);
  CHECK(second.get_end_address() == 0xFFFF);
  CHECK(second.get_dmi_ptr() == memory.host_pointer(0x8000));
  TestPayload between = reading(0x2000);
  tlm::tlm_dmi none;
  CHECK_FALSE(a.socket->get_direct_mem_ptr(between, none));
  CHECK(none.is_none_allowed());
}

TEST_CASE("bus: a target withdraws direct access from all initiators, within its ranges") {
  Strangers m;
  m.second.socket->invalidate_direct_mem_ptr(0, ~sc_dt::uint64{0});
  const std::vector<std::pair<sc_dt::uint64, sc_dt::uint64>> whole = {{0x1000, 0x1FFF}};
  CHECK(m.a.invalidations == whole);
  CHECK(m.b.invalidations == whole);
  m.first.socket->invalidate_direct_mem_ptr(0x800, 0xBFF);
  CHECK(m.b.invalidations.back() == std::pair<sc_dt::uint64, sc_dt::uint64>(0x800, 0xBFF));
  m.first.socket->invalidate_direct_mem_ptr(0x1000, 0x1FFF);  // not its own
  CHECK(m.a.invalidations.size() == 2);
}

TEST_CASE("bus: overlapping, empty and wrapping ranges are errors at the end of elaboration") {
  Bus bus("bus", latencies());
  Memory low("low", ram(0, 0x10000));
  Memory high("high", ram(0, 0x10000));
  Transactor a("a");
  a.socket.bind(bus.initiators);
  bus.connect(low.socket, 0x1000, 0x1000);
  const std::size_t number = bus.connect(high.socket, 0x1FFF, 0x1000);
  bus.add_range(number, 0x5000, 0);
  bus.add_range(number, ~core::Address{0}, 2);
  CHECK_THROWS_WITH(
      sc_core::sc_start(sc_core::SC_ZERO_TIME),
      containing("bus 'bus': high.socket (0x1fff to 0x2ffe) overlaps low.socket (0x1000 to 0x1fff); high.socket at "
                 "0x5000 is empty; high.socket at 0xffffffffffffffff with 0x2 bytes goes beyond the last address"));
}

TEST_CASE("bus: a range for a target that isn't there is an error") {
  Bus bus("bus", latencies());
  CHECK_THROWS_WITH(bus.add_range(0, 0x1000, 0x1000), containing("bus 'bus' has no target number 0"));
}

TEST_CASE("bus: four phases, each with the latency of its direction") {
  Strangers m;
  m.a.response_time = 20'000;
  TestPayload payload = reading(0x100);
  m.a.begin(payload, 1'000);
  CHECK(m.bus.open_transactions() == 1);
  CHECK(payload.get_ref_count() == 2);
  sc_core::sc_start(1, sc_core::SC_US);
  CHECK(m.first.log == std::vector<std::string>{"BEGIN_REQ 256 @4000", "END_RESP 256 @92000"});
  CHECK(m.a.log == Log{{"accepted", 1'000, 0x100}, {"END_REQ", 19'000, 0x100}, {"BEGIN_RESP", 69'000, 0x100}});
  CHECK(m.b.log.empty());
  CHECK(m.bus.open_transactions() == 0);
  CHECK(payload.get_ref_count() == 1);
}

TEST_CASE("bus: responses come in any order and find their initiators") {
  Strangers m;
  m.first.latency = {{0x100, 200'000}, {0x200, 50'000}};
  TestPayload slow = reading(0x100);
  TestPayload quick = reading(0x200);
  m.a.begin(slow);
  m.b.begin(quick);  // its request waits for the first one's END_REQ at 13,000
  CHECK(m.bus.open_transactions() == 2);
  CHECK(m.bus.counters().queued_requests == 1);
  sc_core::sc_start(1, sc_core::SC_US);
  CHECK(m.a.log == Log{{"accepted", 0, 0x100}, {"END_REQ", 18'000, 0x100}, {"BEGIN_RESP", 218'000, 0x100}});
  CHECK(m.b.log == Log{{"accepted", 0, 0x200}, {"END_REQ", 28'000, 0x200}, {"BEGIN_RESP", 78'000, 0x200}});
  CHECK(m.first.log == std::vector<std::string>{"BEGIN_REQ 256 @3000", "BEGIN_REQ 512 @13000", "completed 512 @81000",
                                                "completed 256 @221000"});
  CHECK(slow.extension.wait == 0);
  CHECK(quick.extension.wait == 10'000);
  CHECK(m.bus.open_transactions() == 0);
  CHECK(slow.get_ref_count() == 1);
  CHECK(quick.get_ref_count() == 1);
}

TEST_CASE("bus: an initiator gets one response at a time") {
  Strangers m;
  m.a.response_time = 30'000;
  TestPayload one = reading(0x100);
  TestPayload two = reading(0x1100);
  m.a.begin(one);
  sc_core::sc_start(20, sc_core::SC_NS);  // its request has ended
  m.second.latency = {{0x1100, 35'000}};
  m.a.begin(two);
  sc_core::sc_start(1, sc_core::SC_US);
  // The second target answers at 20,000 + 3,000 + 10,000 + 35,000; the first response lasts from 68,000 to 98,000.
  CHECK(m.a.log == Log{{"accepted", 0, 0x100},
                       {"END_REQ", 18'000, 0x100},
                       {"accepted", 20'000, 0x1100},
                       {"END_REQ", 38'000, 0x1100},
                       {"BEGIN_RESP", 68'000, 0x100},
                       {"BEGIN_RESP", 98'000, 0x1100}});
  CHECK(m.second.log == std::vector<std::string>{"BEGIN_REQ 4352 @23000", "END_RESP 4352 @131000"});
  CHECK(m.bus.counters().queued_responses == 1);
  CHECK(two.extension.wait == 25'000);
  CHECK(m.bus.open_transactions() == 0);
}

TEST_CASE("bus: an end of a response that is annotated to come later holds up the next response until then") {
  Strangers m;
  m.a.completion_delay = 15'000;
  m.second.latency = {{0x1100, 55'000}};
  TestPayload one = reading(0x100);
  TestPayload two = reading(0x1100);
  m.a.begin(one);
  m.a.begin(two);
  sc_core::sc_start(1, sc_core::SC_US);
  // The first response lasts from 68,000 to 83,000; the second is there at 73,000.
  REQUIRE(m.a.log.size() == 6);
  CHECK(m.a.log[4] == Transactor::Event{"BEGIN_RESP", 68'000, 0x100});
  CHECK(m.a.log[5] == Transactor::Event{"BEGIN_RESP", 83'000, 0x1100});
  CHECK(two.extension.wait == 10'000);
  CHECK(m.first.log.back() == "completed 256 @86000");
  CHECK(m.second.log.back() == "completed 4352 @101000");
  CHECK(m.bus.open_transactions() == 0);
}

TEST_CASE("bus: END_REQ on the return path") {
  Strangers m;
  m.first.style = Style::UpdateEndRequest;
  TestPayload one = reading(0x100);
  TestPayload two = reading(0x200);
  m.a.begin(one);
  m.b.begin(two);  // the first request ends at 13,000
  sc_core::sc_start(1, sc_core::SC_US);
  CHECK(m.a.log == Log{{"updated END_REQ", 18'000, 0x100}, {"BEGIN_RESP", 68'000, 0x100}});
  CHECK(m.b.log == Log{{"updated END_REQ", 28'000, 0x200}, {"BEGIN_RESP", 78'000, 0x200}});
  CHECK(two.extension.wait == 10'000);
  CHECK(m.bus.open_transactions() == 0);
}

TEST_CASE("bus: BEGIN_RESP on the return path, and one that has to wait for another response") {
  Strangers m;
  m.first.style = Style::UpdateBeginResponse;
  m.second.style = Style::UpdateBeginResponse;
  m.a.response_time = 10'000;
  TestPayload one = reading(0x100);
  TestPayload two = reading(0x1100);
  m.a.begin(one);
  m.a.begin(two);
  CHECK(m.a.log == Log{{"updated BEGIN_RESP", 68'000, 0x100}, {"updated END_REQ", 68'000, 0x1100}});
  sc_core::sc_start(1, sc_core::SC_US);
  CHECK(m.a.log.back() == Transactor::Event{"BEGIN_RESP", 78'000, 0x1100});
  CHECK(m.first.log == std::vector<std::string>{"BEGIN_REQ 256 @3000", "END_RESP 256 @81000"});
  CHECK(m.second.log == std::vector<std::string>{"BEGIN_REQ 4352 @3000", "END_RESP 4352 @91000"});
  CHECK(two.extension.wait == 10'000);
  CHECK(m.bus.open_transactions() == 0);
}

TEST_CASE("bus: a request that waited and is completed early is answered by BEGIN_RESP") {
  Strangers m;
  TestPayload one = reading(0x100);
  TestPayload two = reading(0x200);
  m.a.begin(one);
  m.b.begin(two);
  m.first.style = Style::Early;
  sc_core::sc_start(1, sc_core::SC_US);
  CHECK(m.b.log == Log{{"accepted", 0, 0x200}, {"BEGIN_RESP", 13'000 + 60'000 + 5'000, 0x200}});
  CHECK(two.extension.wait == 10'000);
  CHECK(m.bus.open_transactions() == 0);
  CHECK(two.get_ref_count() == 1);
}

TEST_CASE("bus: early completion is not held up by another target's phases") {
  Strangers m;
  TestPayload one = reading(0x100);
  TestPayload two = reading(0x2000, 64);
  TestPayload three = reading(0x2000, 64);
  m.a.begin(one);
  CHECK(m.b.early(two) == 110'500);
  CHECK(m.b.early(three) == 113'000);  // the memory's own contention, not the end of the one before
  CHECK(m.bus.open_transactions() == 1);
  sc_core::sc_start(1, sc_core::SC_US);
  CHECK(m.bus.open_transactions() == 0);
}

TEST_CASE(
    "bus: a request that is annotated to come later and completes early doesn't hold up one that comes before it") {
  Machine m;
  TestPayload later = reading(0x1000, 64);
  TestPayload sooner = reading(0x1040, 64);
  CHECK(m.a.early(later, 20'000) == 130'500);
  CHECK(m.b.early(sooner) == 110'500);
  CHECK(sooner.extension.wait == 0);
}

TEST_CASE("bus: many four-phase transactions keep exclusion and leave nothing behind") {
  Strangers m;
  m.a.response_time = 7'000;
  m.b.response_time = 0;
  std::deque<TestPayload> payloads;
  std::uint32_t state = 99;
  for (int i = 0; i < 200; ++i) {
    state = state * 1664525U + 1013904223U;
    payloads.emplace_back(tlm::TLM_READ_COMMAND, 0x10 * static_cast<core::Address>(i % 128) + 0x1000 * (state >> 31),
                          Bytes(4));
    (state >> 30) % 2 == 0 ? m.a.begin(payloads.back()) : m.b.begin(payloads.back());
    sc_core::sc_start(static_cast<double>((state >> 8) % 30'000), sc_core::SC_PS);
  }
  sc_core::sc_start(1, sc_core::SC_MS);
  unsigned responses = 0;
  for (const Transactor* cpu : {&m.a, &m.b}) {
    for (const auto& event : cpu->log) {
      CHECK(event.what != "exclusion broken");
      if (event.what == "BEGIN_RESP") ++responses;
    }
  }
  CHECK(responses == 200);
  for (const Foreign* target : {&m.first, &m.second}) {
    for (const std::string& line : target->log) CHECK(line.rfind("exclusion broken", 0) != 0);
  }
  CHECK(m.bus.open_transactions() == 0);
  for (const TestPayload& payload : payloads) CHECK(payload.get_ref_count() == 1);
}

TEST_CASE("bus: an answer to nothing, and the end of no response, are errors") {
  Strangers m;
  TestPayload payload = reading(0x100);
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  CHECK_THROWS_WITH(m.first.socket->nb_transport_bw(payload, phase, delay),
                    containing("bus 'bus': first.socket answers a transaction that it doesn't have"));
  phase = tlm::END_RESP;
  CHECK_THROWS_WITH(m.b.socket->nb_transport_fw(payload, phase, delay),
                    containing("bus 'bus': initiator 1 ends a response that it wasn't sent"));
}
