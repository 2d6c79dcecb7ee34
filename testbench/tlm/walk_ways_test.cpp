// The ways that a blocking walk can go: by direct access or by transactions, plain or not, alone or with others that wait
// for memory. Which one it goes changes nothing but the number of transactions.
#include <random>

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

constexpr core::RequesterId kDevice = 0x18;
constexpr std::uint64_t kIotlbDomain5 = 0x00050022;  // type 2, G = 10, DID 5
constexpr std::uint64_t kIotlbDomain6 = 0x00060022;

Access access_to(core::Address address) {
  Access access;
  access.address = address;
  access.requester = kDevice;
  return access;
}

struct Run {
  std::vector<Access> accesses;
  sim::WalkerCounters counters;
  std::vector<std::uint64_t> cache_hits;
  std::uint64_t transactions = 0;
};

// Random accesses of few pages, whose entries change to whatever entries can say, at each level.
Run run(bool direct, bool caches, core::Address grant_bytes) {
  Run result;
  RigConfig config;
  config.iotlb.array.ways = 4;
  config.walker.dmi = direct;
  if (!caches) config.walker.cache.entries = {};
  simulate(config, [&](Rig& rig) {
    std::mt19937_64 random(20);
    const auto below = [&random](std::uint64_t n) { return random() % n; };
    rig.memory.says_dmi = true;
    rig.memory.grant_bytes = grant_bytes;
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    const auto page = [&] { return 0x400000 + below(2) * 0x40000000 + below(2) * 0x200000 + below(8) * 0x1000; };
    for (int i = 0; i < 200; ++i) rig.map(table, page(), 0x800000 + below(64) * 0x1000, 3);
    for (int i = 0; i < 3000; ++i) {
      if (below(20) == 0) {
        // The entry of some level on the way to a page: its bits changed, a large page, or as it should be again.
        const core::Address input = page();
        const auto level = static_cast<unsigned>(1 + below(4));
        core::Address at = table;
        for (unsigned above = 4; above > level; --above) {
          at = rig.memory.read64(at + 8 * ((input >> (12 + 9 * (above - 1))) & 511)) & 0xFFF000;
        }
        at += 8 * ((input >> (12 + 9 * (level - 1))) & 511);
        const std::uint64_t good = rig.memory.read64(at);
        const std::uint64_t changes[] = {good & ~std::uint64_t{3},
                                         good & ~std::uint64_t{1},
                                         good & ~std::uint64_t{2},
                                         good | std::uint64_t{1} << 62,
                                         good | std::uint64_t{1} << 50,
                                         good | std::uint64_t{1} << 11,
                                         good | 0x80,
                                         0x800000 | 0x83,
                                         good | 0xFF000000};
        rig.memory.write64(at, changes[below(9)]);
        rig.submit_and_wait({{kIotlbDomain5, 0}});
        for (int n = 0; n < 8; ++n) {
          Access access = access_to(below(2) == 0 ? input : page());
          access.write = below(2) == 0;
          access.atomic = below(8) == 0;
          access.zero_length = below(4) == 0;
          rig.initiator.lt(access);
          result.accesses.push_back(access);
        }
        rig.memory.write64(at, good);
        rig.submit_and_wait({{kIotlbDomain5, 0}});
      }
      Access access = access_to(page() + below(64) * 64);
      access.write = below(3) == 0;
      rig.initiator.lt(access);
      result.accesses.push_back(access);
    }
    result.counters = rig.walker.counters();
    const core::WalkCacheCounters& cache = rig.walker.cache_counters();
    result.cache_hits.assign(cache.hits.begin(), cache.hits.end());
    result.cache_hits.push_back(cache.lookups);
    result.cache_hits.push_back(cache.fills);
    result.transactions = rig.memory.accesses;
  });
  return result;
}

void compare(const Run& direct, const Run& transactions) {
  REQUIRE(direct.accesses.size() == transactions.accesses.size());
  std::array<unsigned, core::kOutcomeCount> outcomes{};
  std::map<std::uint8_t, unsigned> reasons;
  for (std::size_t i = 0; i < direct.accesses.size(); ++i) {
    const Access& a = direct.accesses[i];
    const Access& b = transactions.accesses[i];
    ++outcomes[static_cast<std::size_t>(a.outcome)];
    ++reasons[a.reason];
    INFO("access " << i << " address 0x" << std::hex << a.address);
    REQUIRE(a.ended - a.issued == b.ended - b.issued);
    REQUIRE(a.outcome == b.outcome);
    REQUIRE(a.status == b.status);
    REQUIRE(a.reason == b.reason);
    REQUIRE(a.data == b.data);
    REQUIRE(a.stages.all() == b.stages.all());
    REQUIRE(a.stages.total() == a.ended - a.issued);
  }
  CHECK(direct.counters.walks == transactions.counters.walks);
  CHECK(direct.counters.faults == transactions.counters.faults);
  CHECK(direct.counters.entries_read == transactions.counters.entries_read);
  CHECK(direct.counters.reads_by_level == transactions.counters.reads_by_level);
  CHECK(direct.cache_hits == transactions.cache_hits);
  CHECK(direct.counters.faults > 100);
  CHECK(outcomes[static_cast<std::size_t>(OutcomeClass::Walk3)] > 5);
  CHECK(reasons[0x05] > 10);  // no permission to write
  CHECK(reasons[0x06] > 10);  // nor to read
  CHECK(reasons[0x0C] > 10);  // a reserved bit
}

}  // namespace

TEST_CASE("walks by direct access are those by transactions, whatever the tables hold") {
  for (const bool caches : {false, true}) {
    const Run transactions = run(false, caches, 0);
    // All of memory in one grant, or a grant for each table.
    for (const core::Address grant : {core::Address{0}, core::Address{0x1000}}) {
      INFO("caches " << caches << ", grants of " << grant << " bytes");
      const Run direct = run(true, caches, grant);
      compare(direct, transactions);
      CHECK(direct.transactions + 1000 < transactions.transactions);
    }
  }
}

TEST_CASE("LT: what reads of entries wait for busy memory is a stage of its own, whichever way a walk takes") {
  // Entries at levels 4 to 1, whose reads wait for 1, 2, 3 and 4 ns.
  const std::map<core::Address, core::Tick> waits = {
      {0x100000, 1000}, {0x101000, 2000}, {0x102010, 3000}, {0x103000, 4000}};
  for (const bool caches : {false, true}) {
    for (const bool faults : {false, true}) {
      INFO("caches " << caches << ", faults " << faults);
      Access access = access_to(0x400000);
      access.write = true;
      RigConfig config;
      if (!caches) config.walker.cache.entries = {};
      simulate(config, [&](Rig& rig) {
        rig.enable();
        const core::Address table = rig.new_table();
        REQUIRE(table == 0x100000);
        rig.context(kDevice, table, 5);
        rig.map(table, 0x400000, 0x200000, faults ? 1 : 3);
        rig.memory.waits = [&](core::Address address) {
          const auto found = waits.find(address);
          return found == waits.end() ? core::Tick{0} : found->second;
        };
        rig.initiator.lt(access);
      });
      CHECK(access.stages.of(core::Stage::MemoryWait) == 10000);
      for (unsigned level = 1; level <= 4; ++level) CHECK(access.stages.of(core::walk_level_stage(level)) == 52000);
      CHECK(access.stages.total() == access.ended - access.issued);
      CHECK((access.reason == 0x05) == faults);
    }
  }
}

TEST_CASE("a walk by direct access goes on by transactions where memory has granted no more, in the same time") {
  std::vector<Access> done;
  std::vector<std::uint64_t> transactions;
  RigConfig config;
  config.walker.dmi = true;
  config.walker.cache.entries = {};
  simulate(config, [&](Rig& rig) {
    rig.memory.says_dmi = true;
    rig.memory.grant_bytes = 0x1000;
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    rig.map(table, 0x400000, 0x200000, 3);  // tables at 0x101000, 0x102000 and 0x103000
    rig.map(table, 0x600000, 0x201000, 3);  // and at 0x104000
    rig.map(table, 0x401000, 0x202000, 3);
    const auto read = [&](core::Address address) {
      const std::uint64_t before = rig.memory.accesses;
      done.push_back(access_to(address));
      rig.initiator.lt(done.back());
      transactions.push_back(rig.memory.accesses - before);
    };
    read(0x400000);
    read(0x600000);
    read(0x401000);
  });
  for (const std::size_t i : {1u, 2u}) {
    // 1 context cache + 2 IOTLB + 4 x (2 + 50) walk + 50 access.
    CHECK(done[i].ended - done[i].issued == 261000);
    CHECK(done[i].outcome == OutcomeClass::Walk4);
    for (const Stage stage : {Stage::WalkLevel4, Stage::WalkLevel3, Stage::WalkLevel2, Stage::WalkLevel1}) {
      CHECK(done[i].stages.of(stage) == 52000);
    }
  }
  CHECK(transactions == std::vector<std::uint64_t>{7, 2, 1});
}

namespace {

// Two walks wait for their leaves, which they have read. The first begins 10 ns earlier; `first_ns` and `second_ns` say for
// how long they wait. An invalidation of domain 5 comes in meanwhile, at `at_ns`, as software maps both pages elsewhere.
struct TwoWalks {
  Access first = access_to(0x400000);
  Access second = access_to(0x600000);
  std::uint64_t retries = 0;
};

TwoWalks two_walks(unsigned first_ns, unsigned second_ns, unsigned at_ns) {
  TwoWalks result;
  simulate({}, [&](Rig& rig) {
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    const core::Address first_leaf = rig.map(table, 0x400000, 0x200000, 3);
    const core::Address second_leaf = rig.map(table, 0x600000, 0x201000, 3);
    rig.memory.bytes[0x200000] = 0x11;
    rig.memory.bytes[0x201000] = 0x22;
    rig.memory.bytes[0x300000] = 0x33;
    rig.memory.bytes[0x301000] = 0x44;
    Access other = access_to(0x800000);  // nothing there: the context is cached then
    rig.initiator.lt(other);
    rig.memory.after_access = [&, waited = std::array<bool, 2>{}](core::Address address) mutable {
      if (address != first_leaf && address != second_leaf) return;
      bool& this_waited = waited[address == first_leaf ? 0 : 1];
      if (this_waited) return;
      this_waited = true;
      wait(sc_core::sc_time(address == first_leaf ? first_ns : second_ns, sc_core::SC_NS));
    };
    sc_core::sc_spawn([&] { rig.initiator.lt(result.first); });
    sc_core::sc_spawn([&] {
      wait(sc_core::sc_time(10, sc_core::SC_NS));
      rig.initiator.lt(result.second);
    });
    wait(sc_core::sc_time(at_ns, sc_core::SC_NS));
    rig.memory.write64(first_leaf, 0x300003);
    rig.memory.write64(second_leaf, 0x301003);
    rig.submit_and_wait({{kIotlbDomain5, 0}});
    wait(sc_core::sc_time(100, sc_core::SC_US));
    result.retries = rig.unit.counters().retries;
  });
  for (const Access* access : {&result.first, &result.second}) {
    CHECK(access->status == tlm::TLM_OK_RESPONSE);
  }
  return result;
}

}  // namespace

TEST_CASE("an invalidation meets each walk that waits for memory, in whatever order they have come and gone") {
  // Both are waiting.
  TwoWalks walks = two_walks(2000, 3000, 1000);
  CHECK(walks.retries == 2);
  CHECK(walks.first.data[0] == 0x33);
  CHECK(walks.second.data[0] == 0x44);
  // The first one has gone.
  walks = two_walks(1000, 3000, 2000);
  CHECK(walks.retries == 1);
  CHECK(walks.first.data[0] == 0x11);
  CHECK(walks.second.data[0] == 0x44);
  // The second one has gone.
  walks = two_walks(3000, 1000, 2000);
  CHECK(walks.retries == 1);
  CHECK(walks.first.data[0] == 0x33);
  CHECK(walks.second.data[0] == 0x22);
  // Both have.
  walks = two_walks(1000, 2000, 4000);
  CHECK(walks.retries == 0);
  CHECK(walks.first.data[0] == 0x11);
  CHECK(walks.second.data[0] == 0x22);
}

namespace {

// A walk has read the entry of level 2 and waits; software lets that entry point to another table meanwhile, and
// invalidates. Returns what the access and the one after it read. `beside`: another walk has begun before and ends while
// this one waits.
std::pair<int, int> table_changes(std::uint64_t invalidation, bool beside) {
  Access access = access_to(0x400000);
  Access after = access_to(0x401000);
  simulate({}, [&](Rig& rig) {
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    const core::Address leaf = rig.map(table, 0x400000, 0x200000, 3);
    rig.map(table, 0x401000, 0x201000, 3);
    rig.memory.bytes[0x200000] = 0x11;
    rig.memory.bytes[0x201000] = 0x12;
    const core::Address other_leaf = rig.map(table, 0x600000, 0x202000, 3);
    const core::Address other_table = rig.new_table();
    rig.memory.write64(other_table, 0x300003);
    rig.memory.write64(other_table + 8, 0x301003);
    rig.memory.bytes[0x300000] = 0x33;
    rig.memory.bytes[0x301000] = 0x34;
    core::Address entry = table;
    for (unsigned level = 4; level > 2; --level) {
      entry = rig.memory.read64(entry + 8 * ((access.address >> (12 + 9 * (level - 1))) & 511)) & 0xFFF000;
    }
    entry += 8 * ((access.address >> 21) & 511);
    REQUIRE((rig.memory.read64(entry) & 0xFFF000) == (leaf & 0xFFF000));
    Access warm = access_to(0x8000000000);  // nothing there: the context is cached then, and no table
    rig.initiator.lt(warm);
    Access other = access_to(0x600000);
    rig.memory.after_access = [&, waited = false](core::Address address) mutable {
      if (address == other_leaf) wait(sc_core::sc_time(500, sc_core::SC_NS));
      if (address != entry || waited) return;
      waited = true;
      wait(sc_core::sc_time(2, sc_core::SC_US));
      CHECK(other.status == (beside ? tlm::TLM_OK_RESPONSE : tlm::TLM_INCOMPLETE_RESPONSE));
      rig.memory.write64(entry, other_table | 3);
      rig.submit_and_wait({{invalidation, 0}});
    };
    if (beside) sc_core::sc_spawn([&] { rig.initiator.lt(other); });
    wait(sc_core::sc_time(10, sc_core::SC_NS));
    rig.initiator.lt(access);
    rig.initiator.lt(after);
  });
  CHECK(access.stages.total() == access.ended - access.issued);
  return {access.data[0], after.data[0]};
}

}  // namespace

TEST_CASE("LT: what a walk has read before an invalidation is not put into the paging-structure caches after it") {
  for (const bool beside : {false, true}) {
    CHECK(table_changes(kIotlbDomain5, beside) == std::pair<int, int>{0x33, 0x34});
    // Nobody has invalidated this domain: what was read may be kept.
    CHECK(table_changes(kIotlbDomain6, beside) == std::pair<int, int>{0x11, 0x12});
  }
}
