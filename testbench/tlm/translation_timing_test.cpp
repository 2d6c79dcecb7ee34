// Times of the translation unit, to the picosecond. The rig's memory takes 50 ns an access; defaults: context cache 1
// ns, IOTLB 2 ns, paging-structure caches 1 ns, 2 ns before each level.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/tlm/translation_rig.h"

using namespace iommu;
using core::OutcomeClass;
using core::Stage;
using test::Access;
using test::Rig;
using test::RigConfig;
using test::simulate;

namespace {

constexpr core::RequesterId kDevice = 0x18;  // 00:03.0

Access read_of(core::Address address, std::uint32_t length = 64) {
  Access access;
  access.address = address;
  access.length = length;
  access.requester = kDevice;
  return access;
}

// Runs `body` in the rig's thread and returns after the simulation has nothing left to do.
void set_up(Rig& rig) {
  rig.enable();
  const core::Address table = rig.new_table();
  rig.context(kDevice, table, 5);
  rig.map(table, 0x400000, 0x200000, 3);
  rig.map(table, 0x401000, 0x205000, 3);
  rig.map(table, 0x402000, 0x207000, 1);
}

void expect_cold_warm_and_neighbour(const std::vector<Access>& done) {
  // Cold: 1 context cache + 2 x 50 root and context entry + 2 IOTLB + 1 + 4 x (2 + 50) walk + 50 access = 362 ns.
  CHECK(done[0].ended - done[0].issued == 362000);
  CHECK(done[0].outcome == OutcomeClass::Walk4);
  CHECK(done[0].stages.of(Stage::ContextCache) == 1000);
  CHECK(done[0].stages.of(Stage::ContextRead) == 100000);
  CHECK(done[0].stages.of(Stage::Iotlb) == 2000);
  CHECK(done[0].stages.of(Stage::WalkCache) == 1000);
  CHECK(done[0].stages.of(Stage::WalkLevel5) == 0);
  CHECK(done[0].stages.of(Stage::WalkLevel4) == 52000);
  CHECK(done[0].stages.of(Stage::WalkLevel3) == 52000);
  CHECK(done[0].stages.of(Stage::WalkLevel2) == 52000);
  CHECK(done[0].stages.of(Stage::WalkLevel1) == 52000);
  CHECK(done[0].stages.of(Stage::Downstream) == 50000);
  CHECK(done[0].stages.total() == 362000);
  // Warm: 1 + 2 + 50.
  CHECK(done[1].ended - done[1].issued == 53000);
  CHECK(done[1].outcome == OutcomeClass::Hit);
  // Next page: the level-2 entry is cached, one read: 1 + 2 + 1 + 52 + 50.
  CHECK(done[2].ended - done[2].issued == 106000);
  CHECK(done[2].outcome == OutcomeClass::Walk1);
  // Write to a page that allows reading: found out after the one read, no access: 1 + 2 + 1 + 52; fault 05h.
  CHECK(done[3].ended - done[3].issued == 56000);
  CHECK(done[3].outcome == OutcomeClass::Fault);
  CHECK(done[3].reason == 0x05);
  CHECK(done[3].status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  for (const Access& access : done) CHECK(access.stages.total() == access.ended - access.issued);
}

}  // namespace

TEST_CASE("LT: cold, warm, neighbouring page and fault take exactly their parts") {
  std::vector<Access> done(4);
  simulate({}, [&](Rig& rig) {
    set_up(rig);
    done[0] = read_of(0x400000);
    done[1] = read_of(0x400040);
    done[2] = read_of(0x401000);
    done[3] = read_of(0x402000);
    done[3].write = true;
    for (Access& access : done) rig.initiator.lt(access);
  });
  expect_cold_warm_and_neighbour(done);
}

TEST_CASE("AT: cold, warm, neighbouring page and fault take exactly the same") {
  std::vector<Access> done(4);
  simulate({}, [&](Rig& rig) {
    set_up(rig);
    done[0] = read_of(0x400000);
    done[1] = read_of(0x400040);
    done[2] = read_of(0x401000);
    done[3] = read_of(0x402000);
    done[3].write = true;
    for (Access& access : done) {
      rig.initiator.at(access);
      rig.initiator.wait_all();
    }
  });
  expect_cold_warm_and_neighbour(done);
}

TEST_CASE("AT: four phases on both sides take the same time") {
  std::vector<Access> done(4);
  RigConfig config;
  config.unit.exact_responses = true;
  simulate(config, [&](Rig& rig) {
    rig.memory.four_phases = true;
    set_up(rig);
    rig.memory.four_phases = true;
    done[0] = read_of(0x400000);
    done[1] = read_of(0x400040);
    done[2] = read_of(0x401000);
    done[3] = read_of(0x402000);
    done[3].write = true;
    for (Access& access : done) {
      rig.initiator.at(access);
      rig.initiator.wait_all();
    }
  });
  expect_cold_warm_and_neighbour(done);
}

TEST_CASE("AT: an initiator that takes its time with END_RESP gets one response at a time") {
  std::vector<Access> done(3);
  simulate({}, [&](Rig& rig) {
    set_up(rig);
    Access warm = read_of(0x400000);
    rig.initiator.at(warm);
    rig.initiator.wait_all();
    rig.initiator.accept_responses = true;
    for (Access& access : done) {
      access = read_of(0x400000);
      rig.initiator.at(access);
    }
    rig.initiator.wait_all();
  });
  // Each is ready at 53 ns (ports: one look-up a cycle of 1 ns apart); END_RESP comes 7 ns after BEGIN_RESP.
  CHECK(done[0].ended - done[0].issued == 60000);
  CHECK(done[1].ended - done[1].issued == 67000);
  CHECK(done[2].ended - done[2].issued == 74000);
}

TEST_CASE("AT: requests of one page merge into one walk") {
  std::vector<Access> done(3);
  std::uint64_t reads = 0;
  simulate({}, [&](Rig& rig) {
    set_up(rig);
    Access other = read_of(0x400000);  // context and upper levels cached
    rig.initiator.at(other);
    rig.initiator.wait_all();
    reads = rig.memory.accesses;
    for (Access& access : done) {
      access = read_of(0x401000);
      rig.initiator.at(access);
    }
    rig.initiator.wait_all();
    reads = rig.memory.accesses - reads;
    CHECK(rig.iotlb.counters().merged == 2);
  });
  CHECK(reads == 4);  // one paging entry, three accesses
  CHECK(done[0].outcome == OutcomeClass::Walk1);
  CHECK(done[0].ended - done[0].issued == 106000);
  CHECK(done[1].outcome == OutcomeClass::Merged);
  // The second look-up starts a cycle later (1 port), and waits for the walk that ends at 56 ns: 1 + 1 wait + 2, then
  // 52 merge wait.
  CHECK(done[1].stages.of(Stage::IotlbPortWait) == 1000);
  CHECK(done[1].stages.of(Stage::MergeWait) == 52000);
  CHECK(done[1].ended - done[1].issued == 106000);
  CHECK(done[2].stages.of(Stage::IotlbPortWait) == 2000);
  CHECK(done[2].stages.of(Stage::MergeWait) == 51000);
}

TEST_CASE("AT: requests that merge into a walk that faults share its fault when they want the same") {
  std::vector<Access> done(4);
  simulate({}, [&](Rig& rig) {
    set_up(rig);
    Access other = read_of(0x400000);  // context and upper levels cached
    rig.initiator.at(other);
    rig.initiator.wait_all();
    for (Access& access : done) {
      access = read_of(0x402000);  // may only be read
      access.write = true;
    }
    done[3].write = false;
    for (Access& access : done) rig.initiator.at(access);
    rig.initiator.wait_all();
    CHECK(rig.walker.counters().walks == 3);  // the warm-up, one for the writes, one for the read
  });
  for (unsigned i = 0; i < 3; ++i) {
    CHECK(done[i].outcome == OutcomeClass::Fault);
    CHECK(done[i].reason == 0x05);
    CHECK(done[i].ended - done[i].issued == 56000);  // when the one walk ends
  }
  CHECK(done[3].status == tlm::TLM_OK_RESPONSE);
  CHECK(done[3].outcome == OutcomeClass::Walk1);
}

TEST_CASE("AT: one walker slot serves walks one after the other, first come first served") {
  std::vector<Access> done(3);
  RigConfig config;
  config.walker.slots = 1;
  config.iotlb.ports = 0;
  simulate(config, [&](Rig& rig) {
    set_up(rig);
    const core::Address table = rig.memory.read64(test::kContextTable + 16 * kDevice) & ~core::Address{0xFFF};
    for (unsigned i = 0; i < 3; ++i) rig.map(table, 0x410000 + 0x1000 * i, 0x220000, 3);
    Access other = read_of(0x400000);
    rig.initiator.at(other);
    rig.initiator.wait_all();
    for (unsigned i = 0; i < 3; ++i) {
      done[i] = read_of(0x410000 + 0x1000 * i);
      rig.initiator.at(done[i]);
    }
    rig.initiator.wait_all();
    CHECK(rig.walker.counters().waited == 2);
    CHECK(rig.walker.counters().most_active == 1);
  });
  for (unsigned i = 0; i < 3; ++i) {
    CHECK(done[i].stages.of(Stage::WalkSlotWait) == 53000 * i);  // a walk takes 1 + 52 ns
    CHECK(done[i].ended - done[i].issued == 106000 + 53000 * i);
  }
}

TEST_CASE("AT: k walker slots serve k walks at a time") {
  std::vector<Access> done(4);
  RigConfig config;
  config.walker.slots = 2;
  config.iotlb.ports = 0;
  simulate(config, [&](Rig& rig) {
    set_up(rig);
    const core::Address table = rig.memory.read64(test::kContextTable + 16 * kDevice) & ~core::Address{0xFFF};
    for (unsigned i = 0; i < 4; ++i) rig.map(table, 0x410000 + 0x1000 * i, 0x220000, 3);
    Access other = read_of(0x400000);
    rig.initiator.at(other);
    rig.initiator.wait_all();
    for (unsigned i = 0; i < 4; ++i) {
      done[i] = read_of(0x410000 + 0x1000 * i);
      rig.initiator.at(done[i]);
    }
    rig.initiator.wait_all();
  });
  for (unsigned i = 0; i < 4; ++i) CHECK(done[i].stages.of(Stage::WalkSlotWait) == 53000 * (i / 2));
}

TEST_CASE("LT: walks that overlap in time wait for a slot and for each other's page") {
  // Two initiators' worth of requests at the same kernel time: the second call is at the same `now`, as in temporal
  // decoupling.
  RigConfig config;
  config.walker.slots = 1;
  config.iotlb.ports = 0;
  core::Tick first = 0;
  core::Tick second = 0;
  core::Tick same_page = 0;
  core::StageTimes merged;
  simulate(config, [&](Rig& rig) {
    set_up(rig);
    Access warm = read_of(0x402000);
    rig.initiator.lt(warm);
    tlm::tlm_generic_payload payload;
    sim::DmaExtension extension;
    extension.requester = kDevice;
    payload.set_extension(&extension);
    std::array<unsigned char, 64> data{};
    payload.set_command(tlm::TLM_READ_COMMAND);
    payload.set_data_ptr(data.data());
    payload.set_data_length(64);
    payload.set_streaming_width(64);
    const auto issue = [&](core::Address address) {
      payload.set_address(address);
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      rig.initiator.socket->b_transport(payload, delay);
      return delay.value();
    };
    first = issue(0x400000);
    second = issue(0x401000);
    same_page = issue(0x400000);
    merged = extension.stages;
    payload.clear_extension(&extension);
  });
  CHECK(first == 106000);
  CHECK(second == 106000 + 53000);
  CHECK(same_page == 106000);  // its walk ends at 56 ns, as the first one's
  CHECK(merged.of(Stage::MergeWait) == 53000);
}

namespace {
void expect_crossing(const std::vector<Access>& done) {
  CHECK(done[0].data[31] == 31);
  CHECK(done[0].data[32] == 100);
  CHECK(done[0].data[63] == 131);
  // The first page hits, so the second begins after 1 + 2; it misses and needs 1 + 2 + 1 + 52 + 50 more, and ends last.
  CHECK(done[0].ended - done[0].issued == 109000);
  CHECK(done[0].outcome == OutcomeClass::Walk1);
  CHECK(done[0].stages.of(Stage::SplitWait) == 3000);
  CHECK(done[0].stages.total() == 109000);
  // Both hit: 3 + 3 + 50.
  CHECK(done[1].ended - done[1].issued == 56000);
  CHECK(done[1].outcome == OutcomeClass::Hit);
  // The second page's fault fails the whole; it ends after the first page's access does.
  CHECK(done[2].status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(done[2].reason == 0x05);
  CHECK(done[2].ended - done[2].issued == 59000);  // 1 + 2, then 1 + 2 + 1 + 52 and no access
}

void crossing(Rig& rig, std::vector<Access>& done, const std::function<void(Access&)>& issue) {
  set_up(rig);
  for (unsigned i = 0; i < 64; ++i) {
    rig.memory.bytes[0x200FE0 + i] = static_cast<std::uint8_t>(i);  // only the first 32 belong to the page
    rig.memory.bytes[0x205000 + i] = static_cast<std::uint8_t>(100 + i);
  }
  Access warm = read_of(0x400000);
  issue(warm);
  done[0] = done[1] = read_of(0x400FE0, 64);
  done[2] = read_of(0x401FF0, 32);  // the page after may only be read
  done[2].write = true;
  for (Access& access : done) issue(access);
  CHECK(rig.unit.counters().pieces == 7);
}
}  // namespace

TEST_CASE("LT: a DMA that crosses a page is translated page by page") {
  std::vector<Access> done(3);
  simulate({}, [&](Rig& rig) { crossing(rig, done, [&](Access& access) { rig.initiator.lt(access); }); });
  expect_crossing(done);
}

TEST_CASE("AT: a DMA that crosses a page is translated page by page") {
  std::vector<Access> done(3);
  simulate({}, [&](Rig& rig) {
    crossing(rig, done, [&](Access& access) {
      rig.initiator.at(access);
      rig.initiator.wait_all();
    });
  });
  expect_crossing(done);
}

TEST_CASE("Paging-structure caches whose look-up takes no time serve all the same") {
  std::vector<Access> done(2);
  RigConfig config;
  config.walker.cache_latency = 0;
  simulate(config, [&](Rig& rig) {
    set_up(rig);
    done[0] = read_of(0x400000);
    done[1] = read_of(0x401000);
    for (Access& access : done) rig.initiator.lt(access);
  });
  CHECK(done[0].ended - done[0].issued == 361000);
  CHECK(done[1].outcome == OutcomeClass::Walk1);
  CHECK(done[1].ended - done[1].issued == 105000);
}

TEST_CASE("Each timing parameter does what it says: doubling one changes the cold latency by its share") {
  struct Case {
    const char* name;
    std::function<void(RigConfig&)> change;
    core::Tick expected;
  };
  // 362 ns as above, plus what the parameter adds.
  const Case cases[] = {
      {"context latency 1 -> 2 ns", [](RigConfig& c) { c.unit.context_latency = 2000; }, 363000},
      {"IOTLB latency 2 -> 4 ns", [](RigConfig& c) { c.iotlb.latency = 4000; }, 364000},
      {"walk cache latency 1 -> 2 ns", [](RigConfig& c) { c.walker.cache_latency = 2000; }, 363000},
      {"level overhead 2 -> 4 ns", [](RigConfig& c) { c.walker.level_overhead = 4000; }, 370000},
      {"no walk caches at all: no look-up", [](RigConfig& c) { c.walker.cache.entries = {}; }, 361000},
  };
  const std::size_t which = GENERATE(0u, 1u, 2u, 3u, 4u);
  INFO(cases[which].name);
  // One elaboration a process: each generated case gets a simulation context of its own.
  sc_core::sc_curr_simcontext = sc_core::sc_default_global_context = new sc_core::sc_simcontext;
  RigConfig config;
  cases[which].change(config);
  Access cold;
  simulate(config, [&](Rig& rig) {
    set_up(rig);
    cold = read_of(0x400000);
    rig.initiator.lt(cold);
  });
  CHECK(cold.ended - cold.issued == cases[which].expected);
}
