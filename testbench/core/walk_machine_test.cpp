// core::Walk, core::PageFormat and the small values around them, on a format whose bits stand elsewhere than VT-d's, so that
// nothing of the machine depends on one architecture.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "models/core/walk.h"

namespace {

using namespace iommu::core;

constexpr std::uint64_t kRead = 0x10, kWrite = 0x20, kBoth = 0x30, kLeaf = 0x400, kSnoop = 0x200, kBad = 0x8;

PageFormat format() {
  PageFormat f;
  f.read_bit = kRead;
  f.write_bit = kWrite;
  f.leaf_bit = kLeaf;
  f.snoop_bit = kSnoop;
  f.address_mask = 0x000FFFFFFFFFF000;
  for (unsigned level = 1; level <= kMaxLevels; ++level) {
    f.level[level].leaf_supported = level <= 3;
    f.level[level].reserved_in_table = kBad | (level > 3 ? kLeaf : 0);
    f.level[level].reserved_in_leaf = kBad;
  }
  return f;
}

struct WalkRig {
  PageFormat page_format = format();
  AddressSpace space;
  WalkRig() {
    space.levels = 4;
    space.input_bits = 48;
    space.root = 0x5000;
    space.domain = 9;
    space.format = &page_format;
    space.zero_length_read_any = true;
  }
};

FaultCause cause(const Walk& walk) {
  REQUIRE(walk.done());
  REQUIRE(std::holds_alternative<FaultCause>(walk.outcome()));
  return std::get<FaultCause>(walk.outcome());
}
Mapping result(const Walk& walk) {
  REQUIRE(walk.done());
  REQUIRE(std::holds_alternative<Mapping>(walk.outcome()));
  return std::get<Mapping>(walk.outcome());
}

TEST_CASE("small values: level sizes, masks, requester ids, permissions") {
  CHECK(level_bytes(1) == 0x1000);
  CHECK(level_bytes(2) == 0x200000);
  CHECK(level_bytes(3) == 0x40000000);
  CHECK(level_bytes(5) == 0x1000000000000);
  CHECK(low_mask(0) == 0);
  CHECK(low_mask(12) == 0xFFF);
  CHECK(low_mask(63) == 0x7FFFFFFFFFFFFFFF);
  CHECK(low_mask(64) == 0xFFFFFFFFFFFFFFFF);
  CHECK(low_mask(75) == 0xFFFFFFFFFFFFFFFF);
  CHECK(requester_id(3, 2, 1) == 0x0311);
  CHECK(requester_id(255, 31, 7) == 0xFFFF);
  CHECK(allows(Permissions::ReadWrite, Permissions::Read));
  CHECK(allows(Permissions::Read, Permissions::None));
  CHECK_FALSE(allows(Permissions::Read, Permissions::ReadWrite));
  CHECK((Permissions::ReadWrite & Permissions::Write) == Permissions::Write);
  CHECK((Permissions::Read | Permissions::Write) == Permissions::ReadWrite);
}

TEST_CASE("what a request wants, and which missing permission is named") {
  Request request;
  request.kind = AccessKind::Read;
  CHECK(request.wanted() == Permissions::Read);
  request.kind = AccessKind::Write;
  CHECK(request.wanted() == Permissions::Write);
  request.kind = AccessKind::Atomic;
  CHECK(request.wanted() == Permissions::ReadWrite);
  CHECK(missing_permission(Permissions::None, Permissions::Read) == FaultCause::NoRead);
  CHECK(missing_permission(Permissions::None, Permissions::Write) == FaultCause::NoWrite);
  CHECK(missing_permission(Permissions::None, Permissions::ReadWrite) == FaultCause::NoWrite);
  CHECK(missing_permission(Permissions::Read, Permissions::ReadWrite) == FaultCause::NoWrite);
  CHECK(missing_permission(Permissions::Write, Permissions::ReadWrite) == FaultCause::NoRead);
}

TEST_CASE("a mapping keeps the offset in its page, whatever the size") {
  Mapping m;
  m.output_page = 0x80000000;
  m.level = 1;
  CHECK(m.output(0x12345678) == 0x80000678);
  m.level = 2;
  CHECK(m.output(0x12345678) == 0x80145678);
  m.level = 3;
  CHECK(m.output(0x12345678) == 0x92345678);
}

TEST_CASE("a space permits zero-length reads with any permission only where it says so") {
  AddressSpace space;
  CHECK(space.permits(Permissions::Read, Permissions::Read, false));
  CHECK_FALSE(space.permits(Permissions::Write, Permissions::Read, true));
  space.zero_length_read_any = true;
  CHECK(space.permits(Permissions::Write, Permissions::Read, true));
  CHECK_FALSE(space.permits(Permissions::Write, Permissions::Read, false));
  CHECK_FALSE(space.permits(Permissions::None, Permissions::Read, true));
}

TEST_CASE("a format decodes and encodes by its masks") {
  const PageFormat f = format();
  CHECK(PageFormat::index(0xD50CEAACC678, 4) == 0x1AA);
  CHECK(PageFormat::index(0xD50CEAACC678, 3) == 0x33);
  CHECK(PageFormat::index(0xD50CEAACC678, 2) == 0x155);
  CHECK(PageFormat::index(0xD50CEAACC678, 1) == 0xCC);
  CHECK(PageFormat::index(0x01FF000000000000, 5) == 0x1FF);

  PageEntry e = f.decode(0xFFF0000012345000 | kBoth | kLeaf | kSnoop, 2);
  CHECK(e.leaf);
  CHECK(e.snoop);
  CHECK_FALSE(e.reserved_set);
  CHECK(e.permissions == Permissions::ReadWrite);
  CHECK(e.address == 0x12345000);
  e = f.decode(0x12345000 | kRead | kSnoop, 2);
  CHECK_FALSE(e.leaf);
  CHECK_FALSE(e.snoop);  // no leaf, no snoop
  CHECK(e.permissions == Permissions::Read);
  CHECK(f.decode(kWrite, 1).leaf);  // the lowest level has leaves only
  CHECK_FALSE(f.decode(kLeaf | kBoth, 4).leaf);
  CHECK(f.decode(kLeaf | kBoth, 4).reserved_set);
  CHECK(f.decode(kBad, 1).reserved_set);

  CHECK(f.table_entry(0xFFF0000012345000) == (0x12345000 | kBoth));
  CHECK(f.leaf_entry(0x12345000, Permissions::Read, 1) == (0x12345000 | kRead));
  CHECK(f.leaf_entry(0x12200000, Permissions::ReadWrite, 2) == (0x12200000 | kBoth | kLeaf));
  CHECK(f.leaf_entry(0x12200000, Permissions::None, 2) == (0x12200000 | kLeaf));
}

TEST_CASE("a whole walk: which entries are asked for, and the mapping") {
  WalkRig rig;
  Walk walk(rig.space, 0xD50CEAACC678, Permissions::ReadWrite, false);
  CHECK_FALSE(walk.done());
  CHECK(walk.level() == 4);
  CHECK(walk.entry_address() == 0x5D50);
  walk.give(true, 0x6000 | kBoth);
  CHECK(walk.level() == 3);
  CHECK(walk.entry_address() == 0x6198);
  CHECK(walk.position().table == 0x6000);
  CHECK(walk.position().level == 3);
  CHECK(walk.position().permissions == Permissions::ReadWrite);
  walk.give(true, 0x7000 | kBoth);
  CHECK(walk.entry_address() == 0x7AA8);
  walk.give(true, 0x8000 | kBoth);
  CHECK(walk.entry_address() == 0x8660);
  walk.give(true, 0x345678000 | kBoth | kSnoop);
  const Mapping m = result(walk);
  CHECK(m.input_page == 0xD50CEAACC000);
  CHECK(m.output_page == 0x345678000);
  CHECK(m.level == 1);
  CHECK(m.permissions == Permissions::ReadWrite);
  CHECK(m.snoop);
  CHECK(m.domain == 9);
}

TEST_CASE("a leaf on the way ends the walk with that page") {
  WalkRig rig;
  Walk walk(rig.space, 0xD50CEAACC678, Permissions::Read, false);
  walk.give(true, 0x6000 | kBoth);
  walk.give(true, 0x40000000 | kRead | kLeaf);
  const Mapping m = result(walk);
  CHECK(m.level == 3);
  CHECK(m.input_page == 0xD50CC0000000);
  CHECK(m.output_page == 0x40000000);
  CHECK(m.permissions == Permissions::Read);
  CHECK_FALSE(m.snoop);
}

TEST_CASE("each end with a fault") {
  WalkRig rig;
  SECTION("top table") {
    Walk walk(rig.space, 0, Permissions::Read, false);
    walk.give(false, 0);
    CHECK(cause(walk) == FaultCause::TopTableAccess);
  }
  SECTION("lower table") {
    Walk walk(rig.space, 0, Permissions::Read, false);
    walk.give(true, 0x6000 | kBoth);
    walk.give(false, 0);
    CHECK(cause(walk) == FaultCause::LowerTableAccess);
  }
  SECTION("permission before reserved bits") {
    Walk walk(rig.space, 0, Permissions::Write, false);
    walk.give(true, 0x6000 | kRead | kBad);
    CHECK(cause(walk) == FaultCause::NoWrite);
  }
  SECTION("reserved bits") {
    Walk walk(rig.space, 0, Permissions::Read, false);
    walk.give(true, 0x6000 | kRead | kBad);
    CHECK(cause(walk) == FaultCause::ReservedSet);
  }
  SECTION("permissions add up over levels") {
    Walk walk(rig.space, 0, Permissions::Read, false);
    walk.give(true, 0x6000 | kRead);
    CHECK(walk.position().permissions == Permissions::Read);
    walk.give(true, 0x7000 | kWrite);
    CHECK(cause(walk) == FaultCause::NoRead);
  }
  SECTION("a zero-length read needs any permission at the end of the AND") {
    Walk walk(rig.space, 0, Permissions::Read, true);
    walk.give(true, 0x6000 | kWrite);
    CHECK_FALSE(walk.done());
    walk.give(true, 0x7000 | kRead);
    CHECK(cause(walk) == FaultCause::NoRead);
  }
}

TEST_CASE("a walk that begins below a cached upper part") {
  WalkRig rig;
  SECTION("with its permissions") {
    Walk walk(rig.space, 0xD50CEAACC678, Permissions::Read, false);
    walk.skip_to({0x8000, 1, Permissions::Read});
    CHECK(walk.level() == 1);
    CHECK(walk.entry_address() == 0x8660);
    walk.give(true, 0x345678000 | kBoth);
    CHECK(result(walk).permissions == Permissions::Read);
  }
  SECTION("ends at once when the upper part does not permit the access") {
    Walk walk(rig.space, 0, Permissions::Write, false);
    walk.skip_to({0x8000, 1, Permissions::Read});
    CHECK(cause(walk) == FaultCause::NoWrite);
  }
  SECTION("an unreadable table is a lower one there") {
    Walk walk(rig.space, 0, Permissions::Read, false);
    walk.skip_to({0x8000, 2, Permissions::ReadWrite});
    walk.give(false, 0);
    CHECK(cause(walk) == FaultCause::LowerTableAccess);
  }
}

TEST_CASE("3 and 5 levels begin at their own top") {
  WalkRig rig;
  rig.space.levels = 3;
  CHECK(Walk(rig.space, 0x7FC0000000, Permissions::Read, false).entry_address() == 0x5FF8);
  rig.space.levels = 5;
  CHECK(Walk(rig.space, 0x0055000000000000, Permissions::Read, false).entry_address() == 0x52A8);
}

}  // namespace
