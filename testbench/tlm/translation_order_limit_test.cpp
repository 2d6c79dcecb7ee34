// In order with a limit on how many requests are between look-up and delivery, and the reply of walks whose slot is free
// again: times to the picosecond, in LT and in AT (order_bench.h says what a look-up and a walk take).
#include "testbench/tlm/order_bench.h"

using namespace iommu;
using core::OutcomeClass;
using core::Stage;
using core::Tick;
using test::Access;
using test::cold;
using test::in_order;
using test::kHit;
using test::kInvalidatePageDomain5;
using test::kOtherRegion;
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

RigConfig limited(std::uint32_t reads, std::uint32_t writes) {
  RigConfig config = in_order();
  config.unit.order_reads = reads;
  config.unit.order_writes = writes;
  return config;
}

}  // namespace

TEST_CASE("One read at a time: a hit behind a miss is looked up when the miss has left") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    const auto done = together(lt, limited(1, 0), {read_of(cold(0)), read_of(kHit), read_of(kHit)});
    CHECK(took(done[0]) == 106000);
    CHECK(done[0].stages.of(Stage::OrderWait) == 0);
    CHECK(took(done[1]) == 108000);  // looked up from 56 to 58 ns
    CHECK(done[1].stages.of(Stage::OrderWait) == 55000);
    CHECK(done[1].stages.of(Stage::IotlbPortWait) == 0);
    CHECK(took(done[2]) == 110000);
    CHECK(done[2].stages.of(Stage::OrderWait) == 57000);
  }
}

TEST_CASE("Two reads at a time: the third one's look-up waits until the first has left") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    const auto done =
        together(lt, limited(2, 0), {read_of(cold(0)), read_of(kHit), read_of(cold(1)), read_of(kOtherRegion)});
    CHECK(took(done[0]) == 106000);
    CHECK(took(done[1]) == 106000);
    CHECK(took(done[2]) == 161000);  // looked up from 56 to 58 ns, walked until 111 ns
    CHECK(done[2].stages.of(Stage::OrderWait) == 55000);
    // The second read left at 56 ns too, so that the fourth waits only for the third one's walk to begin.
    CHECK(took(done[3]) == 161000);
    CHECK(done[3].stages.of(Stage::OrderWait) == 57000 + 51000);
  }
}

TEST_CASE("Places of writes doubled: one, then two at a time") {
  const std::vector<Access> writes{write_of(cold(0)), write_of(kHit), write_of(cold(1)), write_of(kOtherRegion)};
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    const auto one = together(lt, limited(0, 1), writes);
    CHECK(took(one[0]) == 106000);
    CHECK(took(one[1]) == 108000);  // looked up from 56 to 58 ns
    CHECK(took(one[2]) == 163000);  // from 58 to 60 ns, walked until 113 ns
    CHECK(took(one[3]) == 165000);
    const auto two = together(lt, limited(0, 2), writes);
    CHECK(took(two[0]) == 106000);
    CHECK(took(two[1]) == 106000);
    CHECK(took(two[2]) == 161000);  // from 56 to 58 ns, walked until 111 ns
    CHECK(took(two[3]) == 161000);
  }
}

TEST_CASE("k reads at a time, all of them misses, without a limit of walkers: k in each look-up and walk") {
  constexpr unsigned kCount = 60;
  std::vector<Access> accesses;
  for (unsigned page = 0; page < kCount; ++page) accesses.push_back(read_of(cold(page)));
  for (const bool lt : {false, true}) {
    for (const unsigned limit : {1u, 3u, 6u}) {
      INFO("LT " << lt << " limit " << limit);
      RigConfig config = limited(limit, 0);
      config.walker.slots = 0;
      config.iotlb.ports = 0;
      const auto done = together(lt, config, accesses, kCount);
      // A look-up begins when the walk of the one before it has (2 ns later) and when its place is free (55 ns later).
      for (unsigned i = 0; i < kCount; ++i) {
        REQUIRE(took(done[i]) == 1000 + Tick{55000} * (i / limit + 1) + Tick{2000} * (i % limit) + 50000);
      }
    }
  }
}

TEST_CASE("Writes have places of their own, and wait only for their turn to leave") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    const auto done = together(lt, limited(1, 0), {read_of(cold(0)), write_of(kHit), write_of(kOtherRegion)});
    for (const Access& access : done) CHECK(took(access) == 106000);
    const auto limits = together(lt, limited(0, 1), {write_of(cold(0)), write_of(kHit), read_of(kHit)});
    CHECK(took(limits[0]) == 106000);
    CHECK(took(limits[1]) == 108000);
    CHECK(took(limits[2]) == 109000);  // reads have no limit, but are looked up after the write before them
    CHECK(limits[2].stages.of(Stage::OrderWait) == 55000);
    CHECK(limits[2].stages.of(Stage::IotlbPortWait) == 1000);
    const auto unlimited = together(lt, limited(0, 0), {write_of(cold(0)), write_of(kHit), read_of(kHit)});
    for (const Access& access : unlimited) CHECK(took(access) == 106000);
  }
}

TEST_CASE("One at a time, a DMA that crosses pages takes one place, and a blocked one gives it back") {
  for (const bool lt : {false, true}) {
    INFO("LT " << lt);
    const auto crossing = together(lt, limited(1, 1), {read_of(kHit + 0xFE0), read_of(kHit)});
    CHECK(took(crossing[0]) == 109000);  // second page: looked up from 4 to 6 ns, walked until 59 ns
    CHECK(took(crossing[1]) == 111000);
    const auto blocked =
        together(lt, limited(1, 1), {write_of(test::kReadOnly), write_of(kHit), read_of(kHit + 0xFE0), read_of(kHit)});
    CHECK(blocked[0].status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(took(blocked[0]) == 3000);
    CHECK(took(blocked[1]) == 55000);
    CHECK(blocked[1].status == tlm::TLM_OK_RESPONSE);
    CHECK(blocked[2].status == tlm::TLM_OK_RESPONSE);
    CHECK(blocked[3].status == tlm::TLM_OK_RESPONSE);
  }
}

TEST_CASE("One at a time, what an invalidation overtakes is translated anew in its place") {
  std::vector<Access> done{read_of(cold(0)), read_of(kHit), read_of(kHit), read_of(kHit + 0xFE0),
                           read_of(kOtherRegion)};
  RigConfig config = limited(1, 0);
  config.unit.decode = 1000;
  simulate(config, [&](Rig& rig) {
    const core::Address table = set_up(rig, 1);
    rig.memory.bytes[0x200000] = 0xAA;
    rig.memory.bytes[0x300000] = 0xBB;
    const core::Address slow = rig.map(table, cold(0), 0x220000, 3);
    const core::Address leaf = rig.map(table, kHit, 0x200000, 3);
    warm(rig, false);
    rig.memory.on_access = [&rig, slow](core::Address address, bool) {
      rig.memory.latency = address == slow ? 900000 : 50000;
    };
    for (Access& access : done) rig.initiator.at(access);
    wait(sc_core::sc_time(50, sc_core::SC_NS));
    rig.memory.write64(leaf, 0x300003);
    rig.submit({{kInvalidatePageDomain5, cold(0)}, {kInvalidatePageDomain5, kHit}});
    rig.initiator.wait_all();
    CHECK(rig.unit.counters().retries == 4);  // the miss, and the three for the other page that wait
  });
  for (const Access& access : done) {
    CHECK(access.status == tlm::TLM_OK_RESPONSE);
    CHECK(access.stages.total() == took(access));
  }
  CHECK(done[0].stages.of(Stage::Retry) > 0);
  CHECK(done[1].data[0] == 0xBB);
  CHECK(done[2].data[0] == 0xBB);
}

TEST_CASE("Many requests with few places: all end, whatever is blocked, split or invalidated") {
  for (const std::uint32_t limit : {1u, 2u, 5u}) {
    std::vector<Access> done;
    for (unsigned i = 0; i < 400; ++i) {
      const core::Address page = i % 3 == 0 ? cold(i % 40) : (i % 3 == 1 ? kHit : kOtherRegion);
      done.push_back(i % 7 == 0 ? write_of(test::kReadOnly) : read_of(page + (i % 5 == 0 ? 0xFE0 : 0)));
      if (i % 4 == 0) done.back().write = true;
    }
    RigConfig config = limited(limit, limit);
    config.iotlb.array.ways = 8;
    config.walker.slots = 2;
    config.unit.decode = 1000;
    simulate(config, [&](Rig& rig) {
      set_up(rig, 41);
      warm(rig, false);
      for (unsigned i = 0; i < done.size(); ++i) {
        rig.initiator.at(done[i]);
        if (i % 10 == 9) {
          wait(sc_core::sc_time(3 * (i % 50), sc_core::SC_NS));
          rig.submit({{kInvalidatePageDomain5, i % 20 == 9 ? kHit : cold(i % 40)}, {0x00050022, 0}});
        }
      }
      rig.initiator.wait_all();
    });
    Tick last = 0;
    for (const Access& access : done) {
      REQUIRE(access.status != tlm::TLM_INCOMPLETE_RESPONSE);
      REQUIRE(access.stages.total() == took(access));
      last = std::max(last, access.ended);
    }
    CHECK(last > 0);
  }
}

// --- Replies of walks

TEST_CASE("A walk's reply takes its time after the slot is free") {
  for (const bool lt : {false, true}) {
    for (const Tick reply : {Tick{5000}, Tick{10000}}) {
      INFO("LT " << lt << " reply " << reply);
      RigConfig config;
      config.walker.reply = reply;
      config.walker.slots = 1;
      config.iotlb.ports = 0;
      const auto done = together(lt, config, {read_of(cold(0)), read_of(cold(1)), read_of(kHit)});
      CHECK(took(done[0]) == 106000 + reply);
      CHECK(done[0].stages.of(Stage::WalkReply) == reply);
      CHECK(done[1].stages.of(Stage::WalkSlotWait) == 53000);  // not for the reply
      CHECK(took(done[1]) == 159000 + reply);
      CHECK(took(done[2]) == 53000);
      CHECK(done[2].stages.of(Stage::WalkReply) == 0);
    }
  }
}

TEST_CASE("A walker's slot recovers while the request goes on") {
  for (const bool lt : {false, true}) {
    for (const Tick recovery : {Tick{5000}, Tick{10000}}) {
      INFO("LT " << lt << " recovery " << recovery);
      RigConfig config;
      config.walker.recovery = recovery;
      config.walker.slots = 1;
      config.iotlb.ports = 0;
      const auto done = together(lt, config, {read_of(cold(0)), read_of(cold(1)), read_of(cold(2))});
      CHECK(took(done[0]) == 106000);
      CHECK(took(done[1]) == 159000 + recovery);
      CHECK(done[1].stages.of(Stage::WalkSlotWait) == 53000 + recovery);
      CHECK(took(done[2]) == 212000 + 2 * recovery);
      config.walker.reply = 7000;
      const auto both = together(lt, config, {read_of(cold(0)), read_of(cold(1))});
      CHECK(took(both[0]) == 113000);
      CHECK(took(both[1]) == 166000 + recovery);
    }
    RigConfig region;
    region.walker.recovery = 24000;
    region.walker.one_walk_per_superpage = true;
    region.iotlb.ports = 0;
    const auto done = together(lt, region, {read_of(cold(0)), read_of(cold(1)), read_of(kOtherRegion + 0x1000)});
    CHECK(took(done[0]) == 106000);
    CHECK(took(done[1]) == 183000);  // 3 + 53 + 24 + 53 + 50
    CHECK(took(done[2]) == 106000);
  }
}

TEST_CASE("Requests that join a walk take its result with the reply, one walk for each 2 MiB ends before it") {
  RigConfig config;
  config.walker.reply = 7000;
  config.iotlb.ports = 0;
  const auto merged = together(false, config, {read_of(cold(0)), read_of(cold(0))});
  CHECK(merged[1].outcome == OutcomeClass::Merged);
  CHECK(took(merged[1]) == 113000);
  config.walker.one_walk_per_superpage = true;
  for (const bool lt : {false, true}) {
    const auto region = together(lt, config, {read_of(cold(0)), read_of(cold(1))});
    CHECK(took(region[0]) == 113000);
    CHECK(took(region[1]) == 166000);
    CHECK(region[1].stages.of(Stage::WalkSlotWait) == 53000);
  }
}

TEST_CASE("An invalidation while a reply is under way: the walk's result is not used") {
  std::vector<Access> done{read_of(kHit + 0x1000)};
  RigConfig config;
  config.unit.decode = 1000;
  config.walker.reply = 500000;
  simulate(config, [&](Rig& rig) {
    const core::Address table = set_up(rig, 1);
    const core::Address leaf = rig.map(table, kHit + 0x1000, 0x205000, 3);
    rig.memory.bytes[0x205000] = 0xAA;
    rig.memory.bytes[0x300000] = 0xBB;
    warm(rig, false);
    rig.initiator.at(done[0]);
    wait(sc_core::sc_time(80, sc_core::SC_NS));  // the walk is over at 56 ns
    rig.memory.write64(leaf, 0x300003);
    rig.submit({{kInvalidatePageDomain5, kHit | 0x1000}});
    rig.initiator.wait_all();
  });
  CHECK(done[0].data[0] == 0xBB);
  CHECK(done[0].stages.of(Stage::Retry) == 556000);  // 3 + 53 + 500
}
