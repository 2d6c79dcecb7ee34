// In-order translation, 4 KiB pieces of large leaves, and one walk at a time for each 2 MiB: times to the picosecond, in
// LT and in AT. The rig's memory takes 50 ns an access, so that with warm context and paging-structure caches a look-up
// is over at 1 + 2 = 3 ns, a walk takes 1 + 2 + 50 = 53 ns, and the access itself 50 ns more.
#include "testbench/tlm/order_bench.h"

using namespace iommu;
using core::OutcomeClass;
using core::Stage;
using core::Tick;
using test::Access;
using test::call;
using test::cold;
using test::in_order;
using test::kCold;
using test::kDevice;
using test::kHit;
using test::kInvalidatePageDomain5;
using test::kOtherRegion;
using test::kReadOnly;
using test::read_of;
using test::Rig;
using test::RigConfig;
using test::set_up;
using test::simulate;
using test::together;
using test::took;
using test::warm;
using test::write_of;

namespace {

std::vector<Access> misses(unsigned count) {
  std::vector<Access> accesses;
  for (unsigned page = 0; page < count; ++page) accesses.push_back(read_of(cold(page)));
  return accesses;
}

}  // namespace

// --- In order

TEST_CASE("Out of order a hit passes a miss, in order it waits until the miss has gone") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    const auto passes = together(lt, {}, {read_of(cold(0)), read_of(kHit)});
    CHECK(took(passes[0]) == 106000);
    CHECK(took(passes[1]) == 54000);  // the one port is free a cycle later
    CHECK(passes[1].stages.of(Stage::OrderWait) == 0);

    const auto waits = together(lt, in_order(), {read_of(cold(0)), read_of(kHit)});
    CHECK(took(waits[0]) == 106000);
    CHECK(waits[0].stages.of(Stage::OrderWait) == 0);
    CHECK(took(waits[1]) == 106000);
    CHECK(waits[1].outcome == OutcomeClass::Hit);
    // Its look-up from 3 to 5 ns, when the miss has got its slot; ready then; the miss leaves at 56 ns.
    CHECK(waits[1].stages.of(Stage::OrderWait) == 2000 + 51000);
    CHECK(waits[1].stages.of(Stage::IotlbPortWait) == 0);
    CHECK(waits[1].stages.of(Stage::Iotlb) == 2000);
    CHECK(waits[1].stages.of(Stage::Downstream) == 50000);
  }
}

TEST_CASE("In order, hits alone take as long as out of order, and so does one request at a time") {
  for (const bool lt : {false, true}) {
    const std::vector<Access> hits(20, read_of(kHit));
    const auto free = together(lt, {}, hits);
    const auto ordered = together(lt, in_order(), hits);
    for (unsigned i = 0; i < 20; ++i) {
      CHECK(took(free[i]) == 53000 + 1000 * i);
      CHECK(took(ordered[i]) == 53000 + 1000 * i);
      CHECK(ordered[i].stages.of(Stage::OrderWait) == 0);
    }
    CHECK(took(together(lt, in_order(), {read_of(cold(0))})[0]) == 106000);
  }
}

TEST_CASE("In order, one walker: k misses and then a hit, the hit leaves with the last miss") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    auto accesses = misses(4);
    accesses.push_back(read_of(kHit));
    RigConfig config = in_order();
    config.walker.slots = 1;
    auto done = together(lt, config, accesses);
    for (unsigned i = 0; i < 4; ++i) {
      // Walk i begins at 3 + 53 i. The next look-up begins then, and is over 51 ns before the slot is free.
      CHECK(took(done[i]) == 3000 + 53000 * (i + 1) + 50000);
      CHECK(done[i].stages.of(Stage::WalkSlotWait) == (i == 0 ? 0 : 51000));
      CHECK(done[i].stages.of(Stage::OrderWait) == (i == 0 ? 0 : 2000 + 53000 * (i - 1)));
    }
    CHECK(took(done[4]) == 265000);  // 3 + 4 x 53 + 50, as the last miss
    CHECK(done[4].outcome == OutcomeClass::Hit);
    CHECK(done[4].stages.of(Stage::OrderWait) == 161000 + 51000);  // to be looked up at 162 ns, to leave at 215 ns

    config.walker.slots = 2;  // walks begin at 3, 5, 56 and 58 ns
    done = together(lt, config, accesses);
    CHECK(took(done[0]) == 106000);
    CHECK(took(done[1]) == 108000);
    CHECK(took(done[2]) == 159000);
    CHECK(took(done[3]) == 161000);
    CHECK(took(done[4]) == 161000);
    CHECK(done[2].stages.of(Stage::WalkSlotWait) == 49000);
    CHECK(done[3].stages.of(Stage::WalkSlotWait) == 0);
  }
}

TEST_CASE("In order, k walkers: k misses in each walk time, up to one look-up after another") {
  constexpr unsigned kCount = 200;
  for (const bool lt : {false, true}) {
    for (const unsigned slots : {1u, 2u, 5u, 16u}) {
      INFO("LT " << lt << " slots " << slots);
      RigConfig config = in_order();
      config.walker.slots = slots;
      const auto done = together(lt, config, misses(kCount), kCount);
      for (unsigned i = 0; i < kCount; ++i) {
        REQUIRE(took(done[i]) == 3000 + Tick{53000} * (i / slots + 1) + Tick{2000} * (i % slots) + 50000);
      }
    }
    RigConfig config = in_order();
    config.walker.slots = 64;  // more than 53 / 2: the look-ups limit
    const auto done = together(lt, config, misses(kCount), kCount);
    for (unsigned i = 0; i < kCount; ++i) REQUIRE(took(done[i]) == 106000 + Tick{2000} * i);
    config.iotlb.latency = 4000;  // twice as long: 4 ns after another
    const auto slower = together(lt, config, misses(kCount), kCount);
    for (unsigned i = 0; i < kCount; ++i) REQUIRE(took(slower[i]) == 108000 + Tick{4000} * i);
  }
}

TEST_CASE("In order, a miss of a page whose walk is under way joins it and holds nobody up") {
  const auto done = together(false, in_order(), {read_of(cold(0)), read_of(cold(0)), read_of(kHit)});
  CHECK(done[1].outcome == OutcomeClass::Merged);
  CHECK(done[1].stages.of(Stage::MergeWait) == 51000);  // looked up from 3 to 5 ns
  CHECK(done[1].stages.of(Stage::OrderWait) == 2000);
  for (const Access& access : done) CHECK(took(access) == 106000);
}

TEST_CASE("In order, a blocked request keeps its place and then leaves") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    const auto free = together(lt, {}, {read_of(cold(0)), write_of(kReadOnly), read_of(kHit)});
    CHECK(took(free[1]) == 4000);
    const auto done = together(lt, in_order(), {read_of(cold(0)), write_of(kReadOnly), read_of(kHit)});
    CHECK(took(done[0]) == 106000);
    CHECK(done[1].status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(done[1].reason == 0x05);
    CHECK(took(done[1]) == 56000);
    CHECK(done[1].stages.of(Stage::OrderWait) == 53000);
    CHECK(done[2].status == tlm::TLM_OK_RESPONSE);
    CHECK(took(done[2]) == 106000);
  }
}

TEST_CASE("In order, a DMA that crosses pages keeps its pieces together: what comes after waits for the last one") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    // Its first page hits, the second is not cached: looked up from 4 to 6 ns, walked until 59 ns.
    const std::vector<Access> accesses{read_of(kHit + 0xFE0), read_of(kHit)};
    const auto free = together(lt, {}, accesses);
    CHECK(took(free[0]) == 109000);
    CHECK(took(free[1]) == 54000);
    const auto done = together(lt, in_order(), accesses);
    CHECK(took(done[0]) == 109000);
    CHECK(done[0].stages.of(Stage::SplitWait) == 3000);
    CHECK(done[0].stages.of(Stage::OrderWait) == 0);
    CHECK(took(done[1]) == 109000);
    CHECK(done[1].stages.of(Stage::OrderWait) + done[1].stages.of(Stage::IotlbPortWait) == 56000);
    // And the other way round: the DMA's first page waits for the miss before it.
    const auto behind = together(lt, in_order(), {read_of(cold(0)), read_of(kHit + 0xFE0)});
    CHECK(took(behind[1]) == 56000 + 56000 + 50000);
    CHECK(behind[1].stages.of(Stage::SplitWait) == 56000);
  }
}

TEST_CASE("In order, each port for itself") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    Access slow = read_of(cold(0));
    Access same = read_of(kHit);
    Access other = read_of(kHit);
    std::unique_ptr<test::Initiator> second;
    simulate(
        in_order(),
        [&](Rig& rig) {
          set_up(rig, 1);
          warm(rig, lt);
          if (lt) {
            call(rig.initiator, slow);
            call(*second, other);
            call(rig.initiator, same);
          } else {
            rig.initiator.at(slow);
            second->at(other);
            rig.initiator.at(same);
          }
          rig.initiator.wait_all();
          second->wait_all();
        },
        [&](Rig& rig) {
          second = std::make_unique<test::Initiator>("second");
          second->socket.bind(rig.unit.dma);
        });
    CHECK(took(slow) == 106000);
    CHECK(took(same) == 106000);
    CHECK(took(other) == 54000);
    CHECK(other.stages.of(Stage::OrderWait) == 0);
  }
}

namespace {

// A miss whose leaf takes 900 ns; behind it two hits of a page that an invalidation covers while they wait, and one of another.
std::vector<Access> overtaken(std::uint32_t slots, std::uint64_t& retries) {
  std::vector<Access> done{read_of(cold(0)), read_of(kHit), read_of(kHit), read_of(kOtherRegion)};
  RigConfig config = in_order();
  config.unit.decode = 1000;
  config.walker.slots = slots;
  simulate(config, [&](Rig& rig) {
    const core::Address table = set_up(rig, 1);
    rig.memory.bytes[0x200000] = 0xAA;
    rig.memory.bytes[0x300000] = 0xBB;
    rig.memory.bytes[0x208000] = 0xCC;
    const core::Address slow = rig.map(table, cold(0), 0x220000, 3);
    const core::Address leaf = rig.map(table, kHit, 0x200000, 3);
    warm(rig, false);
    rig.memory.on_access = [&rig, slow](core::Address address, bool) {
      rig.memory.latency = address == slow ? 900000 : 50000;
    };
    for (Access& access : done) rig.initiator.at(access);
    wait(sc_core::sc_time(50, sc_core::SC_NS));
    rig.memory.write64(leaf, 0x300003);
    rig.submit({{kInvalidatePageDomain5, kHit | 0x40}});  // leaf only
    rig.initiator.wait_all();
    retries = rig.unit.counters().retries;
  });
  for (const Access& access : done) {
    CHECK(access.status == tlm::TLM_OK_RESPONSE);
    CHECK(access.stages.total() == took(access));
  }
  CHECK(done[1].data[0] == 0xBB);  // nothing stale leaves
  CHECK(done[2].data[0] == 0xBB);
  CHECK(done[3].data[0] == 0xCC);
  CHECK(done[1].stages.of(Stage::Retry) > 0);
  CHECK(done[2].stages.of(Stage::Retry) > 0);
  CHECK(done[3].stages.of(Stage::Retry) == 0);
  return done;
}

}  // namespace

TEST_CASE("In order, what an invalidation covers while it waits is translated anew and keeps its place") {
  std::uint64_t retries = 0;
  const auto done = overtaken(8, retries);
  CHECK(retries == 2);
  // All that is done again is over long before the miss has its entry, at 3 + 1 + 2 + 900 ns.
  for (const Access& access : done) CHECK(took(access) == 956000);
  CHECK(done[1].outcome == OutcomeClass::Walk1);
  CHECK(done[2].outcome == OutcomeClass::Merged);
  CHECK(done[3].outcome == OutcomeClass::Hit);
}

TEST_CASE("In order, a retry whose walk needs the slot of an older miss waits for it, and all end in order") {
  std::uint64_t retries = 0;
  const auto done = overtaken(1, retries);
  CHECK(retries == 2);
  CHECK(took(done[0]) == 956000);
  CHECK(took(done[1]) == 1009000);  // the slot is free at 906 ns; a walk of 53 ns
  CHECK(took(done[2]) == 1009000);  // looked up when that walk began, and joined it
  CHECK(took(done[3]) == 1009000);  // a hit that was ready all the time
}

// --- Pieces of large leaves

namespace {

constexpr core::Address kLarge = 0x800000;  // 2 MiB, to 0x400000

struct Pieces {
  std::vector<Access> done;
  core::IotlbCounters iotlb;
};

// First page, again, its neighbour, the first page after an invalidation at the leaf's other end.
Pieces pieces_of_a_leaf(bool lt, bool pieces) {
  Pieces result;
  result.done = {read_of(kLarge), read_of(kLarge + 0xFC0), read_of(kLarge + 0x1000), read_of(kLarge)};
  RigConfig config;
  config.iotlb.superpage_pieces = pieces;
  simulate(config, [&](Rig& rig) {
    const core::Address table = set_up(rig, 0);
    rig.map(table, kLarge, 0x400000, 3, 2);
    rig.memory.bytes[0x400000] = 0x11;
    rig.memory.bytes[0x401000] = 0x22;
    warm(rig, lt);
    for (unsigned i = 0; i < 3; ++i) one(rig, lt, result.done[i]);
    rig.submit_and_wait({{kInvalidatePageDomain5, (kLarge + 0x1FF000) | 0x40}});
    one(rig, lt, result.done[3]);
    result.iotlb = rig.iotlb.counters();
  });
  CHECK(result.done[0].data[0] == 0x11);
  CHECK(result.done[2].data[0] == 0x22);
  CHECK(result.done[3].data[0] == 0x11);
  return result;
}

}  // namespace

TEST_CASE("A large leaf takes one entry, or one for each 4 KiB of it that is used") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    const Pieces whole = pieces_of_a_leaf(lt, false);
    const Pieces pieces = pieces_of_a_leaf(lt, true);
    for (const unsigned i : {0u, 3u}) {
      CHECK(whole.done[i].outcome == OutcomeClass::Walk1);
      CHECK(took(whole.done[i]) == 106000);
      CHECK(pieces.done[i].outcome == OutcomeClass::Walk1);  // the invalidation has taken all pieces of the leaf away
      CHECK(took(pieces.done[i]) == 106000);
    }
    CHECK(took(whole.done[1]) == 53000);
    CHECK(took(pieces.done[1]) == 53000);
    CHECK(took(whole.done[2]) == 53000);
    CHECK(took(pieces.done[2]) == 106000);
    CHECK(whole.iotlb.hits_by_level[2] == 2);
    CHECK(whole.iotlb.invalidated == 1);
    CHECK(pieces.iotlb.hits_by_level[2] == 0);
    CHECK(pieces.iotlb.hits_by_level[1] == whole.iotlb.hits_by_level[1] + 1);
    CHECK(pieces.iotlb.invalidated == 2);
  }
}

// --- One walk for each 2 MiB

TEST_CASE("Walks of one 2 MiB region wait for each other when only one at a time may be, those of others don't") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    auto accesses = misses(3);
    accesses.push_back(read_of(kOtherRegion + 0x1000));
    RigConfig config;
    config.iotlb.ports = 0;
    const auto free = together(lt, config, accesses);
    for (const Access& access : free) {
      CHECK(took(access) == 106000);
      CHECK(access.stages.of(Stage::WalkSlotWait) == 0);
    }
    config.walker.one_walk_per_superpage = true;
    const auto done = together(lt, config, accesses);
    for (unsigned i = 0; i < 3; ++i) {
      CHECK(took(done[i]) == 106000 + 53000 * i);
      CHECK(done[i].stages.of(Stage::WalkSlotWait) == 53000 * i);
    }
    CHECK(took(done[3]) == 106000);
    CHECK(done[3].stages.of(Stage::WalkSlotWait) == 0);
  }
}

TEST_CASE("One walk for each 2 MiB: one region's misses go at one in a walk time, whatever the number of walkers") {
  constexpr unsigned kCount = 100;
  for (const bool lt : {false, true}) {
    for (const bool ordered : {false, true}) {
      for (const unsigned slots : {1u, 2u, 5u, 16u}) {
        INFO("LT " << lt << " in order " << ordered << " slots " << slots);
        RigConfig config;
        config.unit.in_order = ordered;
        config.iotlb.ports = 0;
        config.walker.slots = slots;
        config.walker.one_walk_per_superpage = true;
        const auto done = together(lt, config, misses(kCount), kCount);
        for (unsigned i = 0; i < kCount; ++i) REQUIRE(took(done[i]) == 3000 + Tick{53000} * (i + 1) + 50000);
      }
    }
  }
}

TEST_CASE("One walk for each 2 MiB: two regions go at two in a walk time from two walkers on") {
  constexpr unsigned kCount = 100;
  std::vector<Access> accesses;
  for (unsigned i = 0; i < kCount / 2; ++i) {
    accesses.push_back(read_of(cold(i)));
    accesses.push_back(read_of(kOtherRegion + 0x1000 * core::Address{i + 1}));
  }
  for (const bool lt : {false, true}) {
    for (const unsigned slots : {1u, 2u, 5u}) {
      INFO("LT " << lt << " slots " << slots);
      RigConfig config;
      config.iotlb.ports = 0;
      config.walker.slots = slots;
      config.walker.one_walk_per_superpage = true;
      const auto done = together(lt, config, accesses, kCount);
      const unsigned at_once = std::min(slots, 2u);
      for (unsigned i = 0; i < kCount; ++i) {
        REQUIRE(took(done[i]) == 3000 + Tick{53000} * (i / at_once + 1) + 50000);
      }
    }
  }
}

TEST_CASE("One walk for each 2 MiB, in order: a miss that waits for its region holds up the look-ups behind it") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    RigConfig config = in_order();
    config.walker.one_walk_per_superpage = true;
    const auto done =
        together(lt, config, {read_of(cold(0)), read_of(cold(1)), read_of(kOtherRegion + 0x1000), read_of(kHit)});
    CHECK(took(done[0]) == 106000);
    CHECK(took(done[1]) == 159000);  // its walk from 56 ns on
    CHECK(done[1].stages.of(Stage::WalkSlotWait) == 51000);
    // Looked up at 56 ns only, although its region and seven slots are free.
    CHECK(done[2].stages.of(Stage::OrderWait) == 55000);
    CHECK(done[2].stages.of(Stage::WalkSlotWait) == 0);
    CHECK(took(done[2]) == 161000);
    CHECK(took(done[3]) == 161000);
  }
}
