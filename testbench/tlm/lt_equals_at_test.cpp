// With one request in flight, LT and AT give the same outcome and the same time to the picosecond: 10,000 random
// requests on random tables, with entries that change and invalidations in between. Both runs do exactly the same; a
// third one speaks four phases on both sides.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <random>

#include "testbench/platform/new_simulation.h"
#include "testbench/tlm/translation_rig.h"

using namespace iommu;
using test::Access;
using test::Rig;
using test::RigConfig;

namespace {

enum class Mode { Lt, At, AtFourPhases };

struct Run {
  std::vector<Access> accesses;
  std::vector<std::uint64_t> registers;  // fault records as software finds them
  std::uint64_t memory_accesses = 0;
  core::Tick end = 0;
};

// Small caches. `ordered`: in-order translation, 4 KiB pieces of large leaves, one walk at a time for each 2 MiB.
RigConfig small_caches(std::uint64_t seed, bool ordered) {
  RigConfig config;
  config.capabilities.levels = {3, 4, 5};
  config.capabilities.mgaw_bits = 57;
  config.capabilities.fault_records = 3;
  config.unit.context_entries = 2 + static_cast<std::uint32_t>(seed % 3);
  config.iotlb.array.sets = 2;
  config.iotlb.array.ways = 4;
  config.iotlb.array.policy = static_cast<core::Replacement>(seed % 4);
  config.walker.cache.entries = {0, 0, 3, 2, 1, 1};
  config.walker.slots = 1 + static_cast<std::uint32_t>(seed % 2);
  config.unit.in_order = ordered;
  config.iotlb.superpage_pieces = ordered;
  config.walker.one_walk_per_superpage = ordered;
  return config;
}

// No paging-structure caches and an IOTLB with an index: walks begin at the top, and pages take each other's place there.
RigConfig no_walk_caches(std::uint64_t seed) {
  RigConfig config = small_caches(seed, false);
  config.iotlb.array.sets = 1;
  config.iotlb.array.ways = 12;
  config.iotlb.array.policy = seed % 2 == 0 ? core::Replacement::Lru : core::Replacement::Fifo;
  config.walker.cache.entries = {};
  return config;
}

class Script {
 public:
  Script(Rig& rig, std::uint64_t seed) : rig_(rig), random_(seed) {}

  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  void set_up() {
    rig_.enable();
    for (unsigned device = 0; device < kDevices; ++device) {
      levels_[device] = 3 + device % 3;
      roots_[device] = rig_.new_table();
      rig_.context(static_cast<core::RequesterId>(0x10 + device), roots_[device],
                   static_cast<std::uint16_t>(device + 1), levels_[device]);
    }
    for (unsigned i = 0; i < 400; ++i) change_entry();
  }
  core::Address page() {
    // Few pages, so that everything hits, misses and conflicts; some of them high in the space.
    const core::Address low = below(24) * 0x1000;
    switch (below(4)) {
      case 0:
        return 0x40000000 + low;
      case 1:
        return 0x7FC0000000 + low;
      default:
        return low + below(3) * 0x200000;
    }
  }
  void change_entry() {
    const unsigned device = static_cast<unsigned>(below(kDevices));
    const unsigned leaf = below(8) == 0 ? 2 : 1;
    const core::Address input = page() & ~(core::level_bytes(leaf) - 1);
    const core::Address output = 0x800000 + (leaf == 2 ? below(2) * 0x200000 : below(64) * 0x1000);
    const unsigned permissions = static_cast<unsigned>(below(5) == 0 ? below(4) : 3);
    // A large page may stand where a table was: then map() of a small one below goes astray; keep the two apart by
    // address.
    const core::Address apart = leaf == 2 ? 0x80000000 : 0;
    rig_.map(roots_[device], input + apart, output, permissions, leaf, levels_[device]);
  }
  void invalidate() {
    const std::uint64_t did = (1 + below(kDevices)) << 16;
    const std::uint64_t drain = below(2) * 0xC0;
    switch (below(5)) {
      case 0:
        return rig_.submit_and_wait({{0x11, 0}, {0x12 | drain, 0}});
      case 1:
        return rig_.submit_and_wait({{0x22 | drain | did, 0}});
      case 2:
        return rig_.submit_and_wait({{0x21 | did, 0}, {0x22 | drain | did, 0}});
      default:
        return rig_.submit_and_wait({{0x32 | drain | did, page() | below(10) | (below(2) << 6)}});
    }
  }
  Access request() {
    Access access;
    access.requester = static_cast<core::RequesterId>(0x10 + below(kDevices + 1));  // the last one has no context entry
    access.address = page() + below(0x1000) + (below(4) == 0 ? 0x80000000 : 0);
    if (below(50) == 0) access.address += 1ull << 58;
    access.length = static_cast<std::uint32_t>(1 + below(below(8) == 0 ? 9000 : 256));
    access.write = below(3) == 0;
    access.zero_length = below(20) == 0;
    access.atomic = below(20) == 0;
    if (access.write) {
      for (std::uint32_t i = 0; i < access.length; ++i) access.data.push_back(static_cast<std::uint8_t>(random_()));
    }
    return access;
  }

 private:
  static constexpr unsigned kDevices = 3;
  Rig& rig_;
  std::mt19937_64 random_;
  std::array<core::Address, kDevices> roots_{};
  std::array<unsigned, kDevices> levels_{};
};

Run run(Mode mode, std::uint64_t seed, unsigned count, RigConfig config) {
  test::new_simulation();
  Run result;
  result.accesses.resize(count);
  Rig* self = nullptr;
  config.unit.exact_responses = mode == Mode::AtFourPhases;
  Rig rig("rig", config, [&] {
    self->memory.four_phases = mode == Mode::AtFourPhases;
    Script script(*self, seed);
    script.set_up();
    for (Access& access : result.accesses) {
      if (script.below(8) == 0) script.change_entry();
      if (script.below(8) == 0) script.invalidate();
      access = script.request();
      if (mode == Mode::Lt) {
        self->initiator.lt(access);
      } else {
        self->initiator.at(access);
        self->initiator.wait_all();
      }
      if (script.below(16) == 0) {
        for (const std::uint32_t offset : {0x34u, 0x600u, 0x608u, 0x610u, 0x618u, 0x620u, 0x628u}) {
          result.registers.push_back(self->read(offset, offset == 0x34u ? 4 : 8));
        }
        for (const std::uint32_t offset : {0x60Cu, 0x61Cu, 0x62Cu}) self->write(offset, 0x80000000, 4);
        self->write(0x34, 1, 4);
      }
    }
    result.end = sim::now_ticks();
  });
  self = &rig;
  sc_core::sc_start();
  result.memory_accesses = rig.memory.accesses;
  return result;
}

Run run(Mode mode, std::uint64_t seed, unsigned count, bool ordered = false) {
  return run(mode, seed, count, small_caches(seed, ordered));
}

using core::OutcomeClass;
// What the script has to reach.
const std::vector<OutcomeClass> kAll = {OutcomeClass::Hit,   OutcomeClass::Walk1, OutcomeClass::Walk2,
                                        OutcomeClass::Walk3, OutcomeClass::Walk4, OutcomeClass::Fault};

void compare(const Run& lt, const Run& at, const std::vector<OutcomeClass>& wanted = kAll) {
  REQUIRE(lt.accesses.size() == at.accesses.size());
  std::array<unsigned, core::kOutcomeCount> outcomes{};
  for (std::size_t i = 0; i < lt.accesses.size(); ++i) {
    const Access& a = lt.accesses[i];
    const Access& b = at.accesses[i];
    ++outcomes[static_cast<std::size_t>(a.outcome)];
    INFO("request " << i << " address 0x" << std::hex << a.address << " length " << std::dec << a.length);
    REQUIRE(a.issued == b.issued);
    REQUIRE(a.ended == b.ended);
    REQUIRE(a.status == b.status);
    REQUIRE(a.outcome == b.outcome);
    REQUIRE(a.reason == b.reason);
    REQUIRE(a.data == b.data);
    REQUIRE(a.stages.all() == b.stages.all());
    REQUIRE(a.stages.total() == a.ended - a.issued);
  }
  CHECK(lt.registers == at.registers);
  CHECK(lt.memory_accesses == at.memory_accesses);
  CHECK(lt.end == at.end);
  for (const OutcomeClass outcome : wanted) {
    INFO(core::outcome_name(outcome));
    CHECK(outcomes[static_cast<std::size_t>(outcome)] > lt.accesses.size() / 500);
  }
}

}  // namespace

TEST_CASE("LT = AT over 10,000 random requests and tables") {
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u}) {
    INFO("seed " << seed);
    compare(run(Mode::Lt, seed, 2500), run(Mode::At, seed, 2500));
  }
}

TEST_CASE("LT = AT without paging-structure caches") {
  for (const std::uint64_t seed : {21u, 22u, 23u, 24u}) {
    INFO("seed " << seed);
    compare(run(Mode::Lt, seed, 2500, no_walk_caches(seed)), run(Mode::At, seed, 2500, no_walk_caches(seed)),
            {OutcomeClass::Hit, OutcomeClass::Walk3, OutcomeClass::Walk4, OutcomeClass::Walk5, OutcomeClass::Fault});
  }
}

TEST_CASE("LT = AT in order, with pieces of large leaves and one walk for each 2 MiB") {
  for (const std::uint64_t seed : {9u, 10u}) {
    INFO("seed " << seed);
    compare(run(Mode::Lt, seed, 2500, true), run(Mode::At, seed, 2500, true));
    compare(run(Mode::Lt, seed, 500, true), run(Mode::AtFourPhases, seed, 500, true));
  }
}

TEST_CASE("LT = AT with four phases on both sides") {
  for (const std::uint64_t seed : {5u, 6u}) {
    INFO("seed " << seed);
    compare(run(Mode::Lt, seed, 1000), run(Mode::AtFourPhases, seed, 1000));
  }
}

TEST_CASE("With many requests in flight LT and AT agree on bytes, status and faults") {
  // Reads of pages whose tables stand still; in AT a new one every nanosecond, whatever is under way.
  constexpr unsigned kCount = 3000;
  for (const std::uint64_t seed : {7u, 8u, 9u, 10u}) {
    const bool ordered = seed >= 9;
    INFO("seed " << seed);
    std::array<std::vector<Access>, 2> runs;
    std::array<std::map<std::uint8_t, unsigned>, 2> faults;
    for (const bool at : {false, true}) {
      test::new_simulation();
      std::vector<Access>& accesses = runs[at];
      accesses.resize(kCount);
      Rig* self = nullptr;
      Rig rig("rig", small_caches(seed, ordered), [&] {
        Script script(*self, seed);
        script.set_up();
        for (std::size_t i = 0x800000; i < self->memory.bytes.size(); i += 8)
          self->memory.write64(i, i * 0x9E3779B97F4A7C15);
        for (Access& access : accesses) {
          access = script.request();
          access.write = false;
          access.atomic = false;
          if (at) {
            self->initiator.at(access);
            wait(sc_core::sc_time(1, sc_core::SC_NS));
          } else {
            self->initiator.lt(access);
          }
        }
        self->initiator.wait_all();
      });
      self = &rig;
      sc_core::sc_start();
      for (const Access& access : accesses) {
        if (access.status != tlm::TLM_OK_RESPONSE) ++faults[at][access.reason];
      }
    }
    for (unsigned i = 0; i < kCount; ++i) {
      INFO("request " << i << " address 0x" << std::hex << runs[0][i].address);
      REQUIRE(runs[0][i].status == runs[1][i].status);
      REQUIRE(runs[0][i].reason == runs[1][i].reason);
      REQUIRE(runs[0][i].data == runs[1][i].data);
      REQUIRE(runs[1][i].stages.total() == runs[1][i].ended - runs[1][i].issued);
    }
    CHECK(faults[0] == faults[1]);
    CHECK(faults[0].size() >= 3);
  }
}

TEST_CASE("In order, many in flight, entries that change and invalidations: all end in order, and the stages sum") {
  for (const std::uint64_t seed : {12u, 13u, 14u, 15u}) {
    INFO("seed " << seed);
    test::new_simulation();
    std::vector<Access> accesses(3000);
    Rig* self = nullptr;
    Rig rig("rig", small_caches(seed, true), [&] {
      Script script(*self, seed);
      script.set_up();
      bool busy = false;
      for (Access& access : accesses) {
        access = script.request();
        self->initiator.at(access);
        wait(sc_core::sc_time(static_cast<double>(script.below(40)), sc_core::SC_NS));
        if (script.below(20) == 0) script.change_entry();
        if (script.below(20) != 0 || busy) continue;
        busy = true;
        sc_core::sc_spawn([&] {
          script.invalidate();
          busy = false;
        });
      }
      self->initiator.wait_all();
      while (busy) wait(sc_core::sc_time(100, sc_core::SC_NS));
    });
    self = &rig;
    sc_core::sc_start();
    CHECK(rig.unit.counters().retries > 100);
    core::Tick latest = 0;
    for (const Access& access : accesses) {
      REQUIRE(access.status != tlm::TLM_INCOMPLETE_RESPONSE);
      REQUIRE(access.stages.total() == access.ended - access.issued);
      if ((access.address & 0xFFF) + access.length > 0x1000)
        continue;  // its stages are those of the page that ended last
      const core::Tick delivered =
          access.ended - access.stages.of(core::Stage::Downstream) - access.stages.of(core::Stage::DownstreamWait);
      REQUIRE(delivered >= latest);
      latest = delivered;
    }
  }
}
