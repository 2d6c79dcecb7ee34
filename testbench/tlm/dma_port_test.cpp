// DmaPort: limit, order, times and stages against a small timed target, in every way that a target may answer.
#include "models/tlm/dma_port.h"

#include <deque>
#include <memory>

#include "testbench/tlm/device_target.h"

namespace {

using namespace iommu;
using namespace iommu::sim;
using namespace iommu::sim::testing;
using core::OutcomeClass;
using core::Stage;
using core::Tick;

struct Op : DmaOperation {
  std::vector<unsigned char> buffer;
  Op(core::Address where, std::uint32_t bytes, bool writes, unsigned char fill = 0) : buffer(bytes, fill) {
    address = where;
    data = buffer.data();
    length = bytes;
    write = writes;
  }
};

struct Bench : DmaClient {
  DmaPort port;
  DeviceTarget target{"target"};
  Script script{"script"};
  std::deque<Op> ops;
  std::vector<DmaOperation*> done;
  std::vector<Tick> done_at;
  std::function<void(DmaOperation&)> on_done;
  std::uint32_t most_in_flight = 0;

  Bench(TransportMode mode, std::uint32_t outstanding, core::RequesterId requester = 0x0018)
      : port("port", DmaPortConfig{mode, requester, outstanding}, *this) {
    port.socket.bind(target.socket);
  }
  Op& add(core::Address address, std::uint32_t bytes, bool write, unsigned char fill = 0) {
    return ops.emplace_back(address, bytes, write, fill);
  }
  void issue_at(Tick at, Op& op) {
    script.at(at, [this, &op] {
      op.ready_at = now_ticks();
      port.issue(op);
      most_in_flight = std::max(most_in_flight, port.in_flight());
    });
  }
  void dma_done(DmaOperation& operation) override {
    done.push_back(&operation);
    done_at.push_back(now_ticks());
    if (on_done) on_done(operation);
  }
};

void check_sums(const Bench& bench) {
  for (const DmaOperation* op : bench.done) CHECK(op->stages.total() == op->end - op->ready_at);
  CHECK(bench.port.statistics.stage_sum_mismatches == 0);
  CHECK(bench.port.idle());
}

void limit_and_order(TransportMode mode) {
  Bench bench(mode, 2);
  for (core::Address i = 0; i < 5; ++i) bench.issue_at(1000, bench.add(i * 64, 64, false));
  sc_core::sc_start();
  REQUIRE(bench.done.size() == 5);
  CHECK(bench.most_in_flight == 2);
  // Two at a time, each 100 ticks, first come first served.
  const Tick issued[] = {1000, 1000, 1100, 1100, 1200};
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(bench.done[i] == &bench.ops[i]);
    CHECK(bench.ops[i].issued_at == issued[i]);
    CHECK(bench.ops[i].end == issued[i] + 100);
    CHECK(bench.done_at[i] == issued[i] + 100);
    CHECK(bench.target.log[i] == TargetAccess{issued[i], false, i * 64, 64});
    CHECK(bench.ops[i].stages.of(Stage::IssueWait) == issued[i] - 1000);
    CHECK(bench.ops[i].stages.of(Stage::Upstream) == 100);
  }
  const DmaStatistics& statistics = bench.port.statistics;
  CHECK(statistics.requests == 5);
  CHECK(statistics.bytes == 320);
  CHECK(statistics.faults == 0);
  CHECK(statistics.latency().sum() == 100 + 100 + 200 + 200 + 300);
  CHECK(statistics.by_stage(Stage::IssueWait).count() == 3);  // only those that waited
  CHECK(statistics.stage_ticks(Stage::IssueWait) == 400);
  CHECK(statistics.stage_ticks(Stage::Upstream) == 500);
  CHECK(statistics.of_outcome(OutcomeClass::Untranslated).count() == 5);
  check_sums(bench);
}

TEST_CASE("DmaPort LT: limit, order, issue wait") { limit_and_order(TransportMode::Lt); }
TEST_CASE("DmaPort AT: limit, order, issue wait") { limit_and_order(TransportMode::At); }

void overtaking(TransportMode mode) {
  // A slow first one, a fast second one that ends earlier and frees a place for the third.
  Bench bench(mode, 2);
  bench.target.latency = [](core::Address address) { return address == 0 ? Tick{500} : Tick{20}; };
  for (core::Address i = 0; i < 3; ++i) bench.issue_at(10, bench.add(i * 64, 8, true));
  sc_core::sc_start();
  REQUIRE(bench.done.size() == 3);
  CHECK(bench.done[0] == &bench.ops[1]);
  CHECK(bench.done[1] == &bench.ops[2]);
  CHECK(bench.done[2] == &bench.ops[0]);
  CHECK(bench.done_at == std::vector<Tick>{30, 50, 510});
  check_sums(bench);
}
TEST_CASE("DmaPort LT: a fast operation overtakes a slow one") { overtaking(TransportMode::Lt); }
TEST_CASE("DmaPort AT: a fast operation overtakes a slow one") { overtaking(TransportMode::At); }

void zero_time(TransportMode mode) {
  Bench bench(mode, 1);
  bench.target.latency = [](core::Address) { return Tick{0}; };
  bool inside_issue = false;
  bool told_inside = false;
  bench.on_done = [&](DmaOperation&) { told_inside = told_inside || inside_issue; };
  bench.script.at(5, [&] {
    inside_issue = true;
    for (int i = 0; i < 3; ++i) {
      Op& op = bench.add(0, 4, false);
      op.ready_at = 5;
      bench.port.issue(op);
    }
    inside_issue = false;
  });
  sc_core::sc_start();
  CHECK(bench.done_at == std::vector<Tick>{5, 5, 5});
  CHECK_FALSE(told_inside);
  CHECK(bench.port.statistics.latency().max() == 0);
  check_sums(bench);
}
TEST_CASE("DmaPort LT: operations that take no time") { zero_time(TransportMode::Lt); }
TEST_CASE("DmaPort AT: operations that take no time") { zero_time(TransportMode::At); }

// 1,000 random operations, each issued a little after the end of the one before: the ends, from literal arithmetic.
void random_chain(TransportMode mode, Answer answer) {
  Bench bench(mode, 1);
  bench.target.answer = answer;
  bench.target.linger = 1;
  bench.target.accept = 1;
  bench.target.latency = [](core::Address address) { return 2 + (address / 64) % 13 * 31; };
  core::Random random(20240917);
  std::vector<Tick> gaps;
  Tick expected = 100;
  std::vector<Tick> expected_ends;
  for (int i = 0; i < 1000; ++i) {
    const core::Address address = random.below(1000) * 64;
    bench.add(address, static_cast<std::uint32_t>(1 + random.below(200)), random.chance(1, 2));
    gaps.push_back(random.below(4) * 10);
    expected += 2 + (address / 64) % 13 * 31;
    expected_ends.push_back(expected);
    expected += gaps.back();
  }
  std::size_t next = 1;
  bench.on_done = [&](DmaOperation& operation) {
    if (next == bench.ops.size()) return;
    Op& op = bench.ops[next];
    bench.issue_at(operation.end + gaps[next - 1], op);
    ++next;
  };
  bench.issue_at(100, bench.ops[0]);
  sc_core::sc_start();
  CHECK(bench.done_at == expected_ends);
  CHECK(bench.port.statistics.requests == 1000);
  CHECK_FALSE(bench.target.exclusion_broken);
  CHECK(bench.target.different_payloads() <= 2);  // reused, though a target may keep the last one for a while
  check_sums(bench);
}
TEST_CASE("DmaPort LT: 1,000 random operations, one at a time") { random_chain(TransportMode::Lt, Answer::Early); }
TEST_CASE("DmaPort AT: 1,000 random operations, early completion") { random_chain(TransportMode::At, Answer::Early); }
TEST_CASE("DmaPort AT: 1,000 random operations, response in the return path") {
  random_chain(TransportMode::At, Answer::UpdatedResponse);
}
TEST_CASE("DmaPort AT: 1,000 random operations, backward path") { random_chain(TransportMode::At, Answer::Backward); }
TEST_CASE("DmaPort AT: 1,000 random operations, backward path with annotated delay") {
  random_chain(TransportMode::At, Answer::BackwardAhead);
}
TEST_CASE("DmaPort AT: 1,000 random operations, four phases") { random_chain(TransportMode::At, Answer::FourPhase); }

TEST_CASE("DmaPort AT: a four-phase target is given one request at a time and may keep payloads") {
  Bench bench(TransportMode::At, 4);
  bench.target.answer = Answer::FourPhase;
  bench.target.accept = 10;
  bench.target.linger = 1000;
  for (core::Address i = 0; i < 4; ++i) bench.issue_at(100, bench.add(i * 64, 64, true, static_cast<unsigned char>(i)));
  Op& later = bench.add(1024, 8, false);
  bench.issue_at(300, later);  // all four payloads are still acquired
  sc_core::sc_start();
  REQUIRE(bench.done.size() == 5);
  // Requests 10 apart, each 100 from its BEGIN_REQ; all were issued at 100.
  CHECK(bench.done_at == std::vector<Tick>{200, 210, 220, 230, 400});
  CHECK(bench.ops[3].issued_at == 100);
  CHECK(bench.ops[3].stages.of(Stage::IssueWait) == 0);
  CHECK(bench.ops[3].stages.of(Stage::Upstream) == 130);
  CHECK_FALSE(bench.target.exclusion_broken);
  CHECK(bench.target.different_payloads() == 5);
  CHECK(bench.target.peek<std::uint8_t>(3 * 64 + 63) == 3);
  check_sums(bench);
}

void faults(TransportMode mode) {
  Bench bench(mode, 4);
  bench.target.before = DeviceTarget::block(0x2000, 0x3000, 5);
  Op& good = bench.add(0x1000, 16, true, 0xAB);
  Op& blocked = bench.add(0x2000, 16, false);
  Op& refused = bench.add(core::Address{1} << 40, 16, true);
  for (Op* op : {&good, &blocked, &refused}) bench.issue_at(0, *op);
  sc_core::sc_start();
  REQUIRE(bench.done.size() == 3);
  CHECK(good.ok());
  CHECK(good.outcome == OutcomeClass::Untranslated);
  CHECK(bench.target.peek<std::uint8_t>(0x100F) == 0xAB);
  CHECK_FALSE(blocked.ok());
  CHECK(blocked.fault_reason == 5);
  CHECK(blocked.outcome == OutcomeClass::Fault);
  CHECK_FALSE(refused.ok());
  CHECK(refused.fault_reason == 0);
  CHECK(refused.outcome == OutcomeClass::Fault);
  CHECK(refused.status == ::tlm::TLM_ADDRESS_ERROR_RESPONSE);
  const DmaStatistics& statistics = bench.port.statistics;
  CHECK(statistics.requests == 3);
  CHECK(statistics.faults == 2);
  CHECK(statistics.faults_by_reason[5] == 1);
  CHECK(statistics.faults_by_reason[0] == 1);
  CHECK(statistics.bytes == 16);
  CHECK(statistics.of_outcome(OutcomeClass::Fault).count() == 2);
  check_sums(bench);
}
TEST_CASE("DmaPort LT: blocked and refused operations") { faults(TransportMode::Lt); }
TEST_CASE("DmaPort AT: blocked and refused operations") { faults(TransportMode::At); }

TEST_CASE("DmaPort: what the payload and its extension carry") {
  Bench bench(TransportMode::At, 1, 0x1234);
  struct Seen {
    bool write, zero_length, atomic;
    std::uint32_t length;
    core::RequesterId requester;
  };
  std::vector<Seen> seen;
  bench.target.before = [&](::tlm::tlm_generic_payload& payload) {
    const auto* extension = payload.get_extension<DmaExtension>();
    seen.push_back({payload.is_write(), extension->zero_length, extension->atomic, payload.get_data_length(),
                    extension->requester});
    CHECK(extension->stages.total() == 0);  // nothing left from the one before
    CHECK(extension->fault_reason == 0);
    CHECK(payload.get_streaming_width() == payload.get_data_length());
    CHECK(payload.get_byte_enable_ptr() == nullptr);
    auto* report = payload.get_extension<DmaExtension>();
    report->stages.charge(Stage::Iotlb, 40);
    report->fault_reason = 9;
    report->wait = 3;
  };
  bench.issue_at(0, bench.add(0, 8, true));
  Op& zero = bench.add(8, 64, false);
  zero.zero_length = true;
  zero.data = nullptr;
  bench.issue_at(0, zero);
  Op& atomic = bench.add(16, 4, true);
  atomic.atomic = true;
  bench.issue_at(0, atomic);
  sc_core::sc_start();
  REQUIRE(seen.size() == 3);
  CHECK((seen[0].write && !seen[0].zero_length && !seen[0].atomic && seen[0].length == 8));
  CHECK((!seen[1].write && seen[1].zero_length && !seen[1].atomic && seen[1].length == 1));
  CHECK((seen[2].write && !seen[2].zero_length && seen[2].atomic && seen[2].length == 4));
  CHECK(seen[2].requester == 0x1234);
  CHECK(bench.port.statistics.bytes == 12);  // the zero-length read moves none
  // 40 explained by the target, the rest of its 100 on the way.
  CHECK(bench.ops[0].stages.of(Stage::Iotlb) == 40);
  CHECK(bench.ops[0].stages.of(Stage::Upstream) == 60);
  check_sums(bench);
}

TEST_CASE("DmaPort: stages that exceed the time are counted, not hidden") {
  Bench bench(TransportMode::Lt, 1);
  bench.target.before = [](::tlm::tlm_generic_payload& payload) {
    payload.get_extension<DmaExtension>()->stages.charge(Stage::Downstream, 101);
  };
  bench.issue_at(0, bench.add(0, 8, true));
  sc_core::sc_start();
  CHECK(bench.port.statistics.stage_sum_mismatches == 1);
}

TEST_CASE("DmaPort: ready earlier than issued counts as issue wait, ready later as now") {
  Bench bench(TransportMode::Lt, 1);
  Op& early = bench.add(0, 8, false);
  Op& late = bench.add(0, 8, false);
  bench.script.at(1000, [&] {
    early.ready_at = 400;
    bench.port.issue(early);
  });
  bench.script.at(2000, [&] {
    late.ready_at = 9000;
    bench.port.issue(late);
  });
  sc_core::sc_start();
  CHECK(early.stages.of(Stage::IssueWait) == 600);
  CHECK(early.end == 1100);
  CHECK(late.ready_at == 2000);
  CHECK(late.stages.of(Stage::IssueWait) == 0);
  check_sums(bench);
}

TEST_CASE("DmaPort: an operation without data is the device's mistake") {
  Bench bench(TransportMode::Lt, 1);
  bool thrown = false;
  bench.script.at(0, [&] {
    Op op(0, 0, false);
    try {
      bench.port.issue(op);
    } catch (const sc_core::sc_report& report) {
      thrown = std::string(report.get_msg()) == "port: a DMA operation has no data";
    }
  });
  sc_core::sc_start();
  CHECK(thrown);
  CHECK(bench.port.idle());
}

TEST_CASE("DmaPort: the client issues from its report, others go first") {
  Bench bench(TransportMode::At, 1);
  bool again = true;
  Op& follow_up = bench.add(64, 8, true);
  Op& first = bench.add(0, 8, true);
  Op& second = bench.add(128, 8, true);
  bench.on_done = [&](DmaOperation&) {
    if (!again) return;
    again = false;
    follow_up.ready_at = now_ticks();
    bench.port.issue(follow_up);
  };
  bench.issue_at(0, first);
  bench.issue_at(0, second);
  sc_core::sc_start();
  CHECK(bench.done == std::vector<DmaOperation*>{&first, &second, &follow_up});
  CHECK(bench.done_at == std::vector<Tick>{100, 200, 300});
  CHECK(follow_up.stages.of(Stage::IssueWait) == 100);
}

TEST_CASE("DmaPort: outstanding 0 counts as 1") {
  Bench bench(TransportMode::Lt, 0);
  bench.issue_at(0, bench.add(0, 8, true));
  bench.issue_at(0, bench.add(0, 8, true));
  sc_core::sc_start();
  CHECK(bench.done_at == std::vector<Tick>{100, 200});
}

TEST_CASE("DmaStatistics: operations that repeat count in every stage, whoever asks in between") {
  DmaStatistics statistics;
  DmaExtension report;
  report.outcome = core::OutcomeClass::Hit;
  const auto record = [&](Tick iotlb, Tick downstream, Tick latency) {
    report.stages.clear();
    report.stages.charge(core::Stage::Iotlb, iotlb);
    report.stages.charge(core::Stage::Downstream, downstream);
    statistics.record(report, latency, 64);
  };
  for (int i = 0; i < 3; ++i) record(2, 50, 52);
  CHECK(statistics.of_outcome(core::OutcomeClass::Hit).count() == 3);
  for (int i = 0; i < 2; ++i) record(2, 50, 52);
  record(2, 60, 62);
  record(12, 50, 62);  // as long as the one before, but not there
  record(0, 52, 52);
  for (int i = 0; i < 2; ++i) record(2, 50, 53);  // 1 tick is nowhere
  const auto& stages = statistics.stages_of_outcome(core::OutcomeClass::Hit);
  CHECK(statistics.requests == 10);
  CHECK(statistics.latency().count() == 10);
  CHECK(statistics.latency().sum() == 5 * 52 + 62 + 62 + 52 + 2 * 53);
  CHECK(stages[static_cast<std::size_t>(core::Stage::Iotlb)].count() == 9);
  CHECK(stages[static_cast<std::size_t>(core::Stage::Iotlb)].sum() == 8 * 2 + 12);
  CHECK(statistics.by_stage(core::Stage::Downstream).count() == 10);
  CHECK(statistics.stage_ticks(core::Stage::Downstream) == 8 * 50 + 60 + 52);
  CHECK(statistics.stage_sum_mismatches == 2);

  DmaStatistics all;
  all.merge(statistics);
  record(2, 50, 52);
  all.merge(statistics);
  CHECK(all.requests == 21);
  CHECK(all.of_outcome(core::OutcomeClass::Hit).count() == 21);
  CHECK(all.stage_ticks(core::Stage::Iotlb) == 2 * (8 * 2 + 12) + 2);
  CHECK(all.stage_sum_mismatches == 4);
}

TEST_CASE("DmaStatistics: a window restarts") {
  Bench bench(TransportMode::Lt, 1);
  bench.issue_at(0, bench.add(0, 8, true));
  bench.issue_at(150, bench.add(0, 16, true));
  bench.script.at(200, [&] { bench.port.statistics.restart(now_ticks()); });
  sc_core::sc_start();
  CHECK(bench.port.statistics.window_start == 200);
  CHECK(bench.port.statistics.requests == 1);  // under way at the restart
  CHECK(bench.port.statistics.bytes == 16);
  CHECK(bench.port.statistics.latency().max() == 100);
  std::vector<std::string> names;
  bench.port.statistics.visit_counters(
      [&](const char* name, const char*, const char*, std::uint64_t) { names.emplace_back(name); });
  CHECK(names == std::vector<std::string>{"requests", "bytes", "faults", "stage_sum_mismatches"});
}

}  // namespace
