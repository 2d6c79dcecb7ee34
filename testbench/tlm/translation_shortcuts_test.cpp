// What makes LT fast may change nothing: entries read directly take the time of transactions, and an access that is known
// is checked anew as soon as anything has changed. The rig's memory takes 50 ns an access.
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

Access access_to(core::Address address, bool write = false) {
  Access access;
  access.address = address;
  access.requester = kDevice;
  access.write = write;
  return access;
}

RigConfig direct_walks() {
  RigConfig config;
  config.walker.dmi = true;
  config.walker.cache.entries = {};
  return config;
}

// Reads `address` and returns what came of it.
Access read(Rig& rig, core::Address address) {
  Access access = access_to(address);
  rig.initiator.lt(access);
  return access;
}

}  // namespace

TEST_CASE("walks by direct access take the time of walks by transactions") {
  std::vector<Access> done;
  std::vector<std::uint64_t> accesses;
  simulate(direct_walks(), [&](Rig& rig) {
    rig.memory.says_dmi = true;
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    rig.map(table, 0x400000, 0x200000, 3);
    rig.map(table, 0x401000, 0x205000, 3);
    for (const core::Address address : {0x400000u, 0x401000u, 0x402000u}) {
      const std::uint64_t before = rig.memory.accesses;
      done.push_back(read(rig, address));
      accesses.push_back(rig.memory.accesses - before);
    }
    rig.memory.latency = 60000;
    done.push_back(read(rig, 0x402000));
    rig.memory.withdraw_dmi(0x100000, 0x100000);
    const std::uint64_t before = rig.memory.accesses;
    done.push_back(read(rig, 0x402000));
    accesses.push_back(rig.memory.accesses - before);
  });
  // 1 context cache + 2 x 50 root and context entry + 2 IOTLB + 4 x (2 + 50) walk + 50 access; then without root and context.
  CHECK(done[0].ended - done[0].issued == 361000);
  CHECK(done[1].ended - done[1].issued == 261000);
  CHECK(done[1].outcome == OutcomeClass::Walk4);
  for (const Stage stage : {Stage::WalkLevel4, Stage::WalkLevel3, Stage::WalkLevel2, Stage::WalkLevel1}) {
    CHECK(done[1].stages.of(stage) == 52000);
  }
  // Nothing there: 1 + 2 + 4 x (2 + 50).
  CHECK(done[2].ended - done[2].issued == 211000);
  CHECK(done[2].outcome == OutcomeClass::Fault);
  CHECK(done[2].reason == 0x06);
  // Root, context, one entry and the access; the access alone; none.
  CHECK(accesses[0] == 4);
  CHECK(accesses[1] == 1);
  CHECK(accesses[2] == 0);
  // What was not withdrawn is used further, in its time; what was is asked for anew, and a first read says how long one
  // takes.
  CHECK(done[3].ended - done[3].issued == 211000);
  CHECK(done[4].ended - done[4].issued == 251000);
  CHECK(accesses[3] == 1);
}

TEST_CASE("a memory that does not say that it grants is read by transactions") {
  std::uint64_t accesses = 0;
  simulate(direct_walks(), [&](Rig& rig) {
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    rig.map(table, 0x400000, 0x200000, 3);
    rig.map(table, 0x401000, 0x205000, 3);
    read(rig, 0x400000);
    const std::uint64_t before = rig.memory.accesses;
    read(rig, 0x401000);
    accesses = rig.memory.accesses - before;
  });
  CHECK(accesses == 5);
}

TEST_CASE("an access that is known is checked anew after a change of registers, contexts or tables") {
  std::vector<Access> done;
  simulate({}, [&](Rig& rig) {
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    const core::Address entry = rig.map(table, 0x400000, 0x200000, 1);
    const auto twice = [&] {
      read(rig, 0x400000);
      done.push_back(read(rig, 0x400000));
    };
    twice();  // 0: a hit
    // 1: the other direction, which the page does not allow.
    Access write = access_to(0x400000, true);
    rig.initiator.lt(write);
    done.push_back(write);
    // 2: another page of memory for the same page, page-selective invalidation of domain 5.
    rig.memory.write64(entry, 0x300000 | 1);
    rig.memory.bytes[0x300000] = 0xA5;
    rig.submit_and_wait({{0x32 | (std::uint64_t{5} << 16), 0x400000}});
    twice();
    // 3: nothing there any more.
    rig.memory.write64(entry, 0);
    rig.submit_and_wait({{0x32 | (std::uint64_t{5} << 16), 0x400000}});
    done.push_back(read(rig, 0x400000));
    // 4: there again, then the context is gone: global invalidation of contexts.
    rig.memory.write64(entry, 0x200000 | 1);
    twice();
    rig.memory.write64(test::kContextTable + 16u * kDevice, 0);
    rig.submit_and_wait({{0x11, 0}});
    done.push_back(read(rig, 0x400000));
    // 6: translation off: the address is memory's.
    rig.memory.write64(test::kContextTable + 16u * kDevice, table | 1);
    twice();
    rig.write(0x18, 0x04000000, 4);
    while ((rig.read(0x1C, 4) & 0x80000000) != 0) continue;
    rig.memory.bytes[0x400000] = 0x5A;
    done.push_back(read(rig, 0x400000));
  });
  REQUIRE(done.size() == 8);
  CHECK(done[0].outcome == OutcomeClass::Hit);
  CHECK(done[0].ended - done[0].issued == 53000);
  CHECK(done[1].outcome == OutcomeClass::Fault);
  CHECK(done[1].reason == 0x05);
  CHECK(done[2].outcome == OutcomeClass::Hit);
  CHECK(done[2].data[0] == 0xA5);
  CHECK(done[3].outcome == OutcomeClass::Fault);
  CHECK(done[3].reason == 0x06);
  CHECK(done[4].outcome == OutcomeClass::Hit);
  CHECK(done[5].outcome == OutcomeClass::Fault);
  CHECK(done[5].reason == 0x02);
  CHECK(done[6].outcome == OutcomeClass::Hit);
  CHECK(done[7].outcome == OutcomeClass::Untranslated);
  CHECK(done[7].data[0] == 0x5A);
}

TEST_CASE("an access that is known waits for a port, for an invalidation and for the walk that fills its page") {
  std::vector<Access> done;
  RigConfig config;
  config.iotlb.cycle = 3000;
  config.unit.invalidation_busy = 500000;
  std::array<std::uint64_t, 2> hits{};
  simulate(config, [&](Rig& rig) {
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    rig.map(table, 0x400000, 0x200000, 1);
    rig.map(table, 0x401000, 0x201000, 1);
    // Sent at the same time by one process: both directions of the look-up are known to the unit.
    const auto both = [&rig, &done](core::Address first, core::Address second) {
      std::array<Access, 2> pair{access_to(first), access_to(second)};
      for (Access& access : pair) rig.initiator.lt_ahead(access);
      done.insert(done.end(), pair.begin(), pair.end());
    };
    for (const core::Address page : {0x400000u, 0x401000u}) {
      read(rig, page);
      read(rig, page);
    }
    hits[0] = rig.iotlb.counters().hits;
    both(0x400000, 0x400040);
    wait(sim::to_sc_time(1'000'000));
    both(0x401000, 0x400000);
    wait(sim::to_sc_time(1'000'000));
    hits[1] = rig.iotlb.counters().hits;
    // An invalidation of another domain holds up the look-ups behind it, and takes nothing away.
    rig.submit_and_wait({{0x22 | (std::uint64_t{6} << 16), 0}});
    both(0x400000, 0x400040);
    wait(sim::to_sc_time(1'000'000));
    // The page of a walk that ends later.
    rig.submit_and_wait({{0x12, 0}});
    wait(sim::to_sc_time(1'000'000));
    both(0x400000, 0x400040);
    both(0x400080, 0x4000C0);
  });
  REQUIRE(done.size() == 10);
  for (const std::size_t i : {0u, 2u}) {
    CHECK(done[i].ended - done[i].issued == 53000);  // 1 + 2 + 50 ns
    CHECK(done[i + 1].ended - done[i + 1].issued == 56000);
    CHECK(done[i + 1].stages.of(Stage::IotlbPortWait) == 3000);
    CHECK(done[i + 1].outcome == OutcomeClass::Hit);
  }
  CHECK(hits[1] - hits[0] == 4);
  CHECK(done[4].outcome == OutcomeClass::Hit);
  CHECK(done[4].stages.of(Stage::IotlbPortWait) > 300000);
  CHECK(done[5].stages.of(Stage::IotlbPortWait) == done[4].stages.of(Stage::IotlbPortWait) + 3000);
  for (const std::size_t i : {4u, 5u}) {
    CHECK(done[i].ended - done[i].issued == 53000 + done[i].stages.of(Stage::IotlbPortWait));
  }
  CHECK(done[6].outcome == OutcomeClass::Walk4);
  // Looked up 3 ns after another, the first of which walks for 1 + 4 x 52 ns.
  for (const std::size_t i : {7u, 8u, 9u}) {
    CHECK(done[i].outcome == OutcomeClass::Merged);
    CHECK(done[i].stages.of(Stage::MergeWait) == 209000 - 3000 * (i - 6));
  }
}

TEST_CASE("look-ups that miss take a port, wait for one and for an invalidation, and are counted") {
  std::vector<Access> done;
  RigConfig config;
  config.iotlb.cycle = 3000;
  config.unit.invalidation_busy = 500000;
  core::IotlbCounters counters;
  simulate(config, [&](Rig& rig) {
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    for (const core::Address page : {0x400000u, 0x401000u, 0x402000u, 0x403000u}) {
      rig.map(table, page, page - 0x200000, 1);
    }
    read(rig, 0x403000);  // the context and the upper tables are cached then
    const core::IotlbCounters before = rig.iotlb.counters();
    std::array<Access, 2> pair{access_to(0x400000), access_to(0x401000)};
    for (Access& access : pair) rig.initiator.lt_ahead(access);
    done.insert(done.end(), pair.begin(), pair.end());
    wait(sim::to_sc_time(1'000'000));
    rig.submit_and_wait({{0x22 | (std::uint64_t{6} << 16), 0}});
    done.push_back(read(rig, 0x402000));
    counters = rig.iotlb.counters();
    counters.lookups -= before.lookups;
    counters.misses -= before.misses;
  });
  REQUIRE(done.size() == 3);
  // 1 context cache + 2 IOTLB + 1 walk cache + 52 leaf + 50 access.
  CHECK(done[0].ended - done[0].issued == 106000);
  CHECK(done[0].outcome == OutcomeClass::Walk1);
  CHECK(done[1].ended - done[1].issued == 109000);
  CHECK(done[1].stages.of(Stage::IotlbPortWait) == 3000);
  CHECK(done[1].stages.of(Stage::Iotlb) == 2000);
  CHECK(done[2].outcome == OutcomeClass::Walk1);
  CHECK(done[2].stages.of(Stage::IotlbPortWait) > 300000);
  CHECK(done[2].ended - done[2].issued == 106000 + done[2].stages.of(Stage::IotlbPortWait));
  CHECK(counters.lookups == 3);
  CHECK(counters.misses == 3);
}

TEST_CASE("an access that is known and walks is checked anew when the walk finds another translation") {
  std::vector<Access> done;
  RigConfig config;
  config.iotlb.array.ways = 1;
  simulate(config, [&](Rig& rig) {
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    const core::Address entry = rig.map(table, 0x400000, 0x200000, 3);
    rig.map(table, 0x401000, 0x201000, 3);
    // Each is put out by the other, so that all walk; nothing is invalidated.
    const auto both = [&] {
      done.push_back(read(rig, 0x400000));
      read(rig, 0x401000);
    };
    both();
    both();
    rig.memory.write64(entry, 0xFEE00000 | 3);  // interrupts: not for what a table translates
    both();
    rig.memory.write64(entry, 0x300000 | 3);
    rig.memory.bytes[0x300000] = 0xA5;
    both();
    both();
    rig.memory.write64(entry, 0x300000 | 2);
    both();
  });
  REQUIRE(done.size() == 6);
  for (const std::size_t i : {0u, 1u, 3u, 4u}) {
    INFO("read " << i);
    CHECK((done[i].outcome == OutcomeClass::Walk4) == (i == 0));
    CHECK(done[i].status == tlm::TLM_OK_RESPONSE);
    CHECK(done[i].data[0] == (i < 2 ? 0 : 0xA5));
  }
  CHECK(done[2].outcome == OutcomeClass::Fault);
  CHECK(done[2].reason == 0x0E);
  CHECK(done[5].reason == 0x06);
}

TEST_CASE("an access that is known faults when memory refuses it, and an unplain one is not taken for it") {
  std::vector<Access> done;
  simulate({}, [&](Rig& rig) {
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    rig.map(table, 0x400000, 0x200000, 1);
    rig.map(table, 0x401000, 0x3000000, 3);  // beyond the memory's 16 MiB
    for (int i = 0; i < 3; ++i) done.push_back(read(rig, 0x401000));
    read(rig, 0x400000);
    read(rig, 0x400000);
    Access atomic = access_to(0x400000);
    atomic.atomic = true;
    rig.initiator.lt(atomic);
    done.push_back(atomic);
    Access crossing = access_to(0x400FE0);
    rig.initiator.lt(crossing);
    done.push_back(crossing);
  });
  for (int i = 0; i < 3; ++i) {
    CHECK(done[static_cast<std::size_t>(i)].outcome == OutcomeClass::Fault);
    CHECK(done[static_cast<std::size_t>(i)].status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  }
  CHECK(done[3].outcome == OutcomeClass::Fault);  // needs permission to write
  CHECK(done[3].reason == 0x05);
  CHECK(done[4].outcome == OutcomeClass::Fault);  // its second page is beyond the memory
  CHECK(done[4].reason == 0);
}
