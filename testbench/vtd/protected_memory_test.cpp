// Protected memory regions: which requests they stop, their borders, low bits, disabled regions, and that nothing is
// recorded. Sheet 1.8, 6.6, and 0.3 for the change with major version 2.
#include "testbench/vtd/rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;
using core::AccessKind;

/// Low region 4 to 6 MiB, high region 0x1_0000_0000 to 0x1_003F_FFFF, both enabled.
struct ProtectedRig : Rig {
  explicit ProtectedRig(unsigned version = 1) : Rig(version_of(version)) {
    w32(kPlmbase, 0x400000);
    w32(kPlmlimit, 0x400000);
    w64(kPhmbase, 0x100000000);
    w64(kPhmlimit, 0x100200000);
    w32(kPmen, 0x80000000);
    REQUIRE(r32(kPmen) == 0x80000001);
  }
  static vtd::Capabilities version_of(unsigned major) {
    auto c = capabilities();
    c.version_major = major;
    return c;
  }
};

constexpr core::Address kInside[] = {0x400000, 0x5FFFF8, 0x100000000, 0x1003FFFF8};
constexpr core::Address kOutside[] = {0x3FFFF8, 0x600000, 0xFFFFFFF8, 0x100400000};

TEST_CASE("translation off: requests to a region are blocked silently, its neighbours are not") {
  ProtectedRig rig;
  for (const core::Address address : kInside) {
    INFO(address);
    rig.memory.put(address, 0x77);
    const auto write = rig.run(Rig::request(AccessKind::Write, address));
    CHECK_FALSE(write.completed);
    CHECK_FALSE(write.fault.recorded);
    CHECK_FALSE(rig.reads(address));
    CHECK_FALSE(rig.atomics(address));
    CHECK(rig.memory.get(address) == 0x77);
  }
  for (const core::Address address : kOutside) {
    INFO(address);
    CHECK(rig.writes(address));
    CHECK(rig.reads(address));
  }
  CHECK(rig.no_fault());
}

TEST_CASE("a request of several bytes is blocked when any of them is inside") {
  ProtectedRig rig;
  CHECK_FALSE(rig.run(Rig::request(AccessKind::Write, 0x3FFFFC, 8)).completed);
  CHECK_FALSE(rig.run(Rig::request(AccessKind::Write, 0x5FFFFF, 1)).completed);
  CHECK(rig.run(Rig::request(AccessKind::Write, 0x3FFFFC, 4)).completed);
  CHECK(rig.run(Rig::request(AccessKind::Write, 0x3FFFFF, 1)).completed);
  CHECK(rig.run(Rig::request(AccessKind::Write, 0x600000, 1)).completed);
}

TEST_CASE("pass-through requests are blocked, whatever the version") {
  for (const unsigned version : {1u, 2u, 6u}) {
    INFO("version " << version);
    ProtectedRig rig(version);
    rig.tables.context(Rig::kSid, kTtPass, 0, 2, 5);
    rig.on();
    for (const core::Address address : kInside) CHECK_FALSE(rig.writes(address));
    for (const core::Address address : kOutside) CHECK(rig.writes(address));
    CHECK(rig.no_fault());
  }
}

TEST_CASE("requests translated by table pass before major version 2 and are blocked from then on") {
  for (const unsigned version : {1u, 2u, 5u, 6u, 7u}) {
    INFO("version " << version);
    ProtectedRig rig(version);
    rig.map(0x1000, 0x400000);
    rig.map(0x2000, 0x600000);
    rig.map(0x40000000, 0x100000000, 2);
    rig.map(0x80000000, 0, 3);
    rig.on();
    CHECK(rig.writes(0x1000) == (version < 2));
    CHECK(rig.writes(0x2000));
    CHECK(rig.writes(0x40000000) == (version < 2));
    CHECK(rig.writes(0x80400000) == (version < 2));  // the host address counts, not the page's
    CHECK(rig.writes(0x80600000));
    CHECK(rig.no_fault());
  }
}

TEST_CASE("a region that is blocked fills no IOTLB entry, and works when protection goes off") {
  ProtectedRig rig(2);
  rig.map(0x1000, 0x400000);
  rig.on();
  CHECK_FALSE(rig.writes(0x1000));
  CHECK(rig.unit.iotlb().peek(Rig::kSid, 0x1000) == nullptr);
  rig.w32(kPmen, 0);
  CHECK(rig.r32(kPmen) == 0);
  CHECK(rig.writes(0x1000));
}

TEST_CASE("the unit's own reads and writes are not subject to protection") {
  ProtectedRig rig(2);
  // Root, context and paging tables, the queue and the status word all in the low region.
  TableBuilder tables(rig.memory, 0x400000);
  const core::Address table = tables.page();
  tables.context(Rig::kSid, kTtTable, table, 2, 5);
  tables.map(table, 4, 0x1000, 0x900000);
  rig.set_root(tables.root());
  rig.set_command(kTE);
  CHECK(rig.writes(0x1000));
  rig.w64(kIqa, 0x500000);
  rig.set_command(kQIE);
  rig.memory.put(0x500000, 0xABCD00000025);  // wait, SW, data 0xABCD
  rig.memory.put(0x500008, 0x580000);
  rig.w64(kIqt, 0x10);
  CHECK(rig.memory.get32(0x580000) == 0xABCD);
  CHECK(rig.no_fault());
}

TEST_CASE("low bits: base counts them as zeros, limit as ones, equal values are one block of 2 MiB") {
  Rig rig;
  rig.w32(kPlmbase, 0x8ABCDE);
  rig.w32(kPlmlimit, 0x812345);
  CHECK(rig.r32(kPlmbase) == 0x800000);
  CHECK(rig.r32(kPlmlimit) == 0x800000);
  rig.w64(kPhmlimit, 0);
  rig.w64(kPhmbase, 0x200000);  // high region off
  rig.w32(kPmen, 0x80000000);
  CHECK(rig.writes(0x7FFFF8));
  CHECK_FALSE(rig.writes(0x800000));
  CHECK_FALSE(rig.writes(0x9FFFF8));
  CHECK(rig.writes(0xA00000));
}

TEST_CASE("a limit below its base switches that region off, the other one works") {
  Rig rig;
  rig.w32(kPlmbase, 0x400000);
  rig.w32(kPlmlimit, 0x200000);
  rig.w64(kPhmbase, 0x800000);  // the high region may lie below 4 GiB too
  rig.w64(kPhmlimit, 0x800000);
  rig.w32(kPmen, 0x80000000);
  CHECK(rig.writes(0x200000));
  CHECK(rig.writes(0x400000));
  CHECK_FALSE(rig.writes(0x800000));
}

TEST_CASE("registers as they are after reset name the first block: base and limit are equal") {
  Rig rig;
  rig.w32(kPmen, 0x80000000);
  CHECK_FALSE(rig.writes(0));
  CHECK_FALSE(rig.writes(0x1FFFF8));
  CHECK(rig.writes(0x200000));
}

TEST_CASE("regions that are set up but not enabled protect nothing") {
  Rig rig;
  rig.w32(kPlmbase, 0);
  rig.w32(kPlmlimit, 0xFFE00000);
  CHECK(rig.writes(0x400000));
}

TEST_CASE("a region at the end of low memory, and one up to the end of host memory") {
  Rig rig;
  rig.w32(kPlmbase, 0xFFE00000);
  rig.w32(kPlmlimit, 0xFFFFFFFF);
  rig.w64(kPhmbase, 0x3FFFFFE00000);
  rig.w64(kPhmlimit, 0x3FFFFFFFFFFF);
  rig.w32(kPmen, 0x80000000);
  CHECK(rig.writes(0xFFDFFFF8));
  CHECK_FALSE(rig.writes(0xFFFFFFF8));
  CHECK(rig.writes(0x100000000));
  CHECK(rig.writes(0x3FFFFFDFFFF8));
  CHECK_FALSE(rig.writes(0x3FFFFFFFFFF8));
}

TEST_CASE("an absent region protects nothing whatever is written to its offsets") {
  auto c = capabilities();
  c.phmr = false;
  Rig rig(c);
  rig.w64(kPhmbase, 0x100000000);
  rig.w64(kPhmlimit, 0x100000000);
  rig.w32(kPlmbase, 0x400000);
  rig.w32(kPlmlimit, 0x400000);
  rig.w32(kPmen, 0x80000000);
  CHECK(rig.writes(0x100000000));
  CHECK_FALSE(rig.writes(0x400000));
}

TEST_CASE("interrupts are not memory: protection does not stop them") {
  Rig rig;
  rig.w32(kPlmbase, 0);
  rig.w32(kPlmlimit, 0xFFE00000);
  rig.w32(kPmen, 0x80000000);
  CHECK(rig.run(Rig::request(AccessKind::Write, 0xFEE00000, 4)).completed);
  CHECK(rig.messages.size() == 1);
}

}  // namespace
