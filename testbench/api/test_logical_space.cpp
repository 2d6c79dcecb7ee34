// LogicalSpace: ownership of ranges, against a plain array of owners.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <random>

#include "api/logical_space.h"

using iommu::api::LogicalSpace;
using Owner = iommu::api::LogicalSpace::Owner;

TEST_CASE("a space knows its bounds", "[logical_space]") {
  LogicalSpace space(16, false);
  CHECK(space.total_pages() == 16);
  CHECK_FALSE(space.has_allocator());
  CHECK(space.contains(0, 16));
  CHECK(space.contains(15, 1));
  CHECK_FALSE(space.contains(0, 17));
  CHECK_FALSE(space.contains(15, 2));
  CHECK_FALSE(space.contains(16, 1));
  CHECK_FALSE(space.contains(1, ~std::uint64_t{0}));
  CHECK_FALSE(space.allocate(1, 0, 15, Owner::Mapping).has_value());
}

TEST_CASE("reserved ranges exclude each other and whatever the allocator hands out", "[logical_space]") {
  LogicalSpace space(16, true);
  CHECK(space.reserve(2, 3));
  CHECK_FALSE(space.reserve(4, 1));
  CHECK_FALSE(space.reserve(0, 3));
  CHECK_FALSE(space.reserve(15, 2));
  CHECK_FALSE(space.reserve(5, 0));
  CHECK(space.reserve(5, 1));
  CHECK(space.all_owned(2, 4, Owner::Reserved));
  CHECK_FALSE(space.all_owned(2, 5, Owner::Reserved));
  CHECK_FALSE(space.all_owned(2, 1, Owner::Mapping));
  CHECK(space.allocate(2, 0, 15, Owner::Mapping) == 0u);
  CHECK(space.allocate(2, 0, 15, Owner::Mapping) == 6u);
  CHECK(space.allocate(8, 0, 15, Owner::Mapping) == 8u);
  CHECK_FALSE(space.allocate(1, 0, 15, Owner::Mapping).has_value());
  // An allocation that is taken back leaves no trace.
  space.release(8, 8);
  CHECK(space.allocate(4, 0, 15, Owner::Mapping) == 8u);
  space.cancel(8);
  CHECK_FALSE(space.overlaps(8, 8));
  CHECK(space.allocate(8, 0, 15, Owner::Mapping) == 8u);
}

TEST_CASE("claims and releases of several owners agree with an array of owners", "[logical_space]") {
  constexpr std::uint64_t kSeed = 5;
  INFO("seed " << kSeed);
  std::mt19937_64 random(kSeed);
  LogicalSpace space(20, false);
  const Owner owners[] = {Owner::Mapping, Owner::Identity, Owner::Token};
  std::vector<int> owner(256, 0);  // 1: reserved, 2 to 4: owners
  REQUIRE(space.reserve(100, 20));
  std::fill(owner.begin() + 100, owner.begin() + 120, 1);
  for (unsigned i = 0; i < 20000; ++i) {
    const std::uint64_t first = random() % 256;
    const std::uint64_t pages = 1 + random() % std::min<std::uint64_t>(256 - first, 20);
    const int who = 2 + static_cast<int>(random() % 3);
    const Owner kind = owners[who - 2];
    bool any = false;
    bool all = true;
    for (std::uint64_t page = first; page < first + pages; ++page) {
      any = any || owner[page] != 0;
      all = all && owner[page] == who;
    }
    if (space.overlaps(first, pages) != any) FAIL("overlaps at " << i);
    if (space.all_owned(first, pages, kind) != all) FAIL("all_owned at " << i);
    if (!any) {
      space.claim(first, pages, kind);
      for (std::uint64_t page = first; page < first + pages; ++page) owner[page] = who;
    } else if (all) {
      space.release(first, pages);
      for (std::uint64_t page = first; page < first + pages; ++page) owner[page] = 0;
    }
  }
}

TEST_CASE("an allocated block is free again with its last page, in any order", "[logical_space]") {
  LogicalSpace space(16, true);
  REQUIRE(space.allocate(5, 0, 15, Owner::Mapping) == 0u);  // a block of 8, three pages of slack
  REQUIRE(space.allocate(8, 0, 15, Owner::Mapping) == 8u);
  space.release(2, 1);
  space.release(0, 2);
  space.release(4, 1);
  CHECK(space.allocator()->blocks_in_use() == 2);
  space.release(3, 1);
  CHECK(space.allocator()->blocks_in_use() == 1);
  space.release(8, 8);
  CHECK(space.allocator()->blocks_in_use() == 0);
  CHECK(space.allocator()->free_pages() == 16);
}

TEST_CASE("a block that a token owns is free again when it is released", "[logical_space]") {
  LogicalSpace space(16, true);
  REQUIRE(space.allocate(5, 0, 15, Owner::Token) == 0u);
  CHECK(space.all_owned(0, 5, Owner::Token));
  CHECK_FALSE(space.all_owned(0, 5, Owner::Mapping));
  CHECK_FALSE(space.overlaps(5, 3));  // slack has no owner
  REQUIRE(space.allocate(1, 0, 15, Owner::Mapping) == 8u);
  space.release(0, 5);
  CHECK(space.allocator()->blocks_in_use() == 1);
  CHECK(space.allocate(8, 0, 15, Owner::Mapping) == 0u);
}
