// core::PlainWalk: what it takes is what core::Walk makes of the same entries, and what it leaves alone, at each level and
// for each reason. On a format whose bits stand elsewhere than VT-d's.
#include "models/core/plain_walk.h"

#include <vector>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "models/core/random.h"

namespace {

using namespace iommu::core;

constexpr std::uint64_t kRead = 0x10, kWrite = 0x20, kBoth = 0x30, kLeaf = 0x400, kSnoop = 0x200, kBad = 0x8;
constexpr std::uint64_t kBadAtLevel4 = 0x100;  // reserved there only

PageFormat format() {
  PageFormat f;
  f.read_bit = kRead;
  f.write_bit = kWrite;
  f.leaf_bit = kLeaf;
  f.snoop_bit = kSnoop;
  f.address_mask = 0x000FFFFFFFFFF000;
  for (unsigned level = 1; level <= kMaxLevels; ++level) {
    f.level[level].leaf_supported = level <= 3;
    f.level[level].reserved_in_table = kBad | (level > 3 ? kLeaf : 0) | (level == 4 ? kBadAtLevel4 : 0);
    f.level[level].reserved_in_leaf = kBad | (level_bytes(level) - kPageBytes);
  }
  f.note_tables();
  return f;
}

struct PlainRig {
  PageFormat page_format = format();
  AddressSpace space;
  PlainRig() {
    space.levels = 4;
    space.input_bits = 48;
    space.root = 0x5000;
    space.domain = 9;
    space.format = &page_format;
  }
};

constexpr Address kInput = 0xD50CEAACC678;

// A walk that has taken plain entries down to `level`.
PlainWalk at_level(const PlainRig& rig, unsigned level, Permissions wanted) {
  PlainWalk walk(rig.space, kInput, wanted);
  for (unsigned above = 4; above > level; --above) REQUIRE(walk.descend((0x6000 + (4 - above) * 0x1000) | kBoth));
  REQUIRE(walk.level() == level);
  return walk;
}

// It leaves this entry alone, and a plain one instead of it goes on as if nothing had been.
void leaves_alone(unsigned level, Permissions wanted, std::uint64_t entry) {
  INFO("level " << level << ", entry 0x" << std::hex << entry);
  const PlainRig rig;
  PlainWalk walk = at_level(rig, level, wanted);
  const Address address = walk.entry_address();
  CHECK_FALSE(walk.descend(entry));
  CHECK_FALSE(walk.take_leaf(entry));
  CHECK(walk.level() == level);
  CHECK(walk.entry_address() == address);
  CHECK(walk.position().permissions == Permissions::ReadWrite);
  CHECK((level == 1 ? walk.take_leaf(0x9000 | kBoth) : walk.descend(0x9000 | kBoth)));
}

TEST_CASE("a whole plain walk: which entries are asked for, and the mapping") {
  const PlainRig rig;
  PlainWalk walk(rig.space, kInput, Permissions::Read);
  CHECK(walk.level() == 4);
  CHECK(walk.entry_address() == 0x5D50);
  CHECK(walk.descend(0x6000 | kBoth));
  CHECK(walk.level() == 3);
  CHECK(walk.entry_address() == 0x6198);
  CHECK(walk.position().table == 0x6000);
  CHECK(walk.position().level == 3);
  CHECK(walk.position().permissions == Permissions::ReadWrite);
  CHECK(walk.descend(0x7000 | kRead));
  CHECK(walk.entry_address() == 0x7AA8);
  CHECK(walk.position().permissions == Permissions::Read);
  CHECK(walk.descend(0x8000 | kBoth));
  CHECK(walk.entry_address() == 0x8660);
  CHECK(walk.level() == 1);
  CHECK_FALSE(walk.descend(0x345678000 | kBoth | kSnoop));
  REQUIRE(walk.take_leaf(0x345678000 | kBoth | kSnoop));
  CHECK(walk.level() == 1);
  CHECK(walk.entry_address() == 0x8660);
  const Mapping m = walk.mapping(9);
  CHECK(m.input_page == 0xD50CEAACC000);
  CHECK(m.output_page == 0x345678000);
  CHECK(m.level == 1);
  CHECK(m.permissions == Permissions::Read);
  CHECK(m.snoop);
  CHECK(m.domain == 9);
}

TEST_CASE("a leaf of 2 MiB or 1 GiB ends a plain walk") {
  const PlainRig rig;
  PlainWalk two = at_level(rig, 2, Permissions::Write);
  CHECK_FALSE(two.descend(0x40200000 | kWrite | kLeaf));
  REQUIRE(two.take_leaf(0x40200000 | kWrite | kLeaf));
  CHECK(two.level() == 2);
  CHECK(two.mapping(3).level == 2);
  CHECK(two.mapping(3).input_page == 0xD50CEAA00000);
  CHECK(two.mapping(3).output_page == 0x40200000);
  CHECK(two.mapping(3).permissions == Permissions::Write);
  CHECK_FALSE(two.mapping(3).snoop);
  PlainWalk three = at_level(rig, 3, Permissions::Write);
  CHECK_FALSE(three.descend(0x40000000 | kBoth | kLeaf));
  REQUIRE(three.take_leaf(0x40000000 | kBoth | kLeaf));
  CHECK(three.mapping(3).level == 3);
  CHECK(three.mapping(3).input_page == 0xD50CC0000000);
}

TEST_CASE("what a plain walk leaves to a walk, at each level") {
  for (unsigned level = 1; level <= 4; ++level) {
    leaves_alone(level, Permissions::Read, 0);
    leaves_alone(level, Permissions::Read, 0x9000 | kWrite);
    leaves_alone(level, Permissions::Write, 0x9000 | kRead);
    leaves_alone(level, Permissions::ReadWrite, 0x9000 | kRead);
    leaves_alone(level, Permissions::ReadWrite, 0x9000 | kWrite);
    leaves_alone(level, Permissions::Read, 0x9000 | kBoth | kBad);
  }
  // A leaf where none may be, and leaves with an address bit below their page's size.
  leaves_alone(4, Permissions::Read, 0x40000000 | kBoth | kLeaf);
  leaves_alone(3, Permissions::Read, 0x40200000 | kBoth | kLeaf);
  leaves_alone(2, Permissions::Read, 0x40001000 | kBoth | kLeaf);
  leaves_alone(2, Permissions::Read, 0x40200000 | kBoth | kLeaf | kBad);
  // Reserved at level 4; at the others a walk may find that it is not.
  leaves_alone(4, Permissions::Read, 0x9000 | kBoth | kBadAtLevel4);
  leaves_alone(2, Permissions::Read, 0x9000 | kBoth | kBadAtLevel4);
}

TEST_CASE("a plain walk that begins below a cached upper part") {
  const PlainRig rig;
  PlainWalk walk(rig.space, kInput, Permissions::Read);
  CHECK(walk.skip_to({0x8000, 1, Permissions::Read}));
  CHECK(walk.level() == 1);
  CHECK(walk.entry_address() == 0x8660);
  REQUIRE(walk.take_leaf(0x345678000 | kBoth));
  CHECK(walk.mapping(9).permissions == Permissions::Read);
  PlainWalk refused(rig.space, kInput, Permissions::Write);
  CHECK_FALSE(refused.skip_to({0x8000, 1, Permissions::Read}));
  CHECK(refused.level() == 4);
  CHECK(refused.entry_address() == 0x5D50);
}

TEST_CASE("plain walks of 3 and 5 levels begin at their own top") {
  PlainRig rig;
  rig.space.levels = 3;
  CHECK(PlainWalk(rig.space, 0x7FC0000000, Permissions::Read).entry_address() == 0x5FF8);
  rig.space.levels = 5;
  CHECK(PlainWalk(rig.space, 0x0055000000000000, Permissions::Read).entry_address() == 0x52A8);
}

TEST_CASE("as far as a plain walk goes, a walk goes the same way: 20,000 random walks") {
  const std::uint64_t seed = 77;
  CAPTURE(seed);
  Random random(seed);
  PlainRig rig;
  unsigned done = 0;
  unsigned left = 0;
  for (int i = 0; i < 20000; ++i) {
    rig.space.levels = static_cast<std::uint8_t>(3 + random.below(3));
    const Address input = random.next() & low_mask(12u + 9u * rig.space.levels);
    const auto wanted = static_cast<Permissions>(1 + random.below(3));
    PlainWalk plain(rig.space, input, wanted);
    Walk walk(rig.space, input, wanted, false);
    bool leaf = false;
    for (;;) {
      REQUIRE_FALSE(walk.done());
      REQUIRE(plain.entry_address() == walk.entry_address());
      REQUIRE(plain.level() == walk.level());
      std::uint64_t entry = (random.below(1u << 20) << 30) | kBoth;
      if (random.chance(1, 3)) entry ^= std::uint64_t{1} << random.below(52);
      const bool table = plain.descend(entry);
      if (!table) leaf = plain.take_leaf(entry);
      walk.give(true, entry);
      if (!table) break;
      REQUIRE(plain.position().table == walk.position().table);
      REQUIRE(plain.position().permissions == walk.position().permissions);
    }
    if (!leaf) {
      // Such a walk may go on, where a bit is reserved at other levels only.
      ++left;
      continue;
    }
    ++done;
    REQUIRE(walk.done());
    const auto* mapping = std::get_if<Mapping>(&walk.outcome());
    REQUIRE(mapping != nullptr);
    const Mapping of_plain = plain.mapping(9);
    REQUIRE(of_plain.input_page == mapping->input_page);
    REQUIRE(of_plain.output_page == mapping->output_page);
    REQUIRE(of_plain.level == mapping->level);
    REQUIRE(of_plain.permissions == mapping->permissions);
    REQUIRE(of_plain.snoop == mapping->snoop);
    REQUIRE(of_plain.domain == mapping->domain);
  }
  CHECK(done > 5000);
  CHECK(left > 1000);
}

TEST_CASE("without notes of its tables a format's walks are all looked at in full") {
  PlainRig rig;
  rig.page_format.notable_in_table = ~std::uint64_t{0};
  PlainWalk walk(rig.space, kInput, Permissions::Read);
  CHECK_FALSE(walk.descend(0x6000 | kBoth));
  CHECK_FALSE(walk.take_leaf(0x6000 | kBoth));
}

TEST_CASE("notes of a format's tables: the leaf bit and what is reserved at levels 5 to 2") {
  PageFormat f;
  f.leaf_bit = kLeaf;
  f.level[1].reserved_in_table = 0x1;
  f.level[2].reserved_in_table = 0x2;
  f.level[3].reserved_in_table = 0x4;
  f.level[4].reserved_in_table = 0x8;
  f.level[5].reserved_in_table = 0x40;
  f.note_tables();
  CHECK(f.notable_in_table == 0x44E);
}

}  // namespace
