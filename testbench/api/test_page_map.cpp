// PageMap: against std::map, at the ends of the 64-bit range, and across the limits of its chunks.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <map>
#include <random>

#include "api/page_map.h"

namespace {

struct Number {
  int number = 7;
};
using Map = iommu::api::PageMap<Number>;

void insert(Map& map, std::uint64_t page, int number) { map.insert(page).number = number; }

/// Page of an entry, or `none`.
std::uint64_t page_of(const Map::Entry* entry, std::uint64_t none) { return entry == nullptr ? none : entry->page; }

void random_run(std::uint64_t pages, std::uint64_t seed, unsigned operations) {
  INFO("pages " << pages << " seed " << seed);
  constexpr std::uint64_t kNone = ~std::uint64_t{0};
  std::mt19937_64 random(seed);
  Map map;
  std::map<std::uint64_t, int> expected;
  std::size_t most = 0;
  for (unsigned i = 0; i < operations; ++i) {
    const std::uint64_t page = random() % pages;
    const bool growing = i / 20'000 % 2 == 0;
    const bool is_there = expected.count(page) != 0;
    if (random() % 4 != 0 ? growing : !growing) {
      if (!is_there) {
        insert(map, page, static_cast<int>(i));
        expected[page] = static_cast<int>(i);
      }
    } else if (map.erase(page) != is_there) {
      FAIL("erase at " << i);
    } else {
      expected.erase(page);
    }
    most = std::max(most, expected.size());
    if (map.size() != expected.size() || map.empty() != expected.empty()) FAIL("size at " << i);
    if (!expected.empty() && map.front().page != expected.begin()->first) FAIL("front at " << i);
    const std::uint64_t asked = random() % pages;
    const auto after = expected.upper_bound(asked);
    const std::uint64_t before = after == expected.begin() ? kNone : std::prev(after)->first;
    if (page_of(map.at_or_before(asked), kNone) != before) FAIL("at_or_before at " << i);
    const auto from = expected.lower_bound(asked);
    if (page_of(map.at_or_after(asked), kNone) != (from == expected.end() ? kNone : from->first)) {
      FAIL("at_or_after at " << i);
    }
    const Map::Entry* found = map.find(asked);
    if ((found != nullptr) != (expected.count(asked) != 0)) FAIL("find at " << i);
    if (found != nullptr && found->number != expected[asked]) FAIL("value at " << i);
  }
  CHECK(most > pages / 2);
}

}  // namespace

TEST_CASE("an empty page map has nothing anywhere", "[page_map]") {
  Map map;
  CHECK(map.empty());
  CHECK(map.find(0) == nullptr);
  CHECK(map.at_or_before(~std::uint64_t{0}) == nullptr);
  CHECK(map.at_or_after(0) == nullptr);
  CHECK_FALSE(map.erase(0));
  insert(map, 5, 1);
  CHECK(map.erase(5));
  CHECK(map.empty());
  CHECK(map.at_or_before(5) == nullptr);
  CHECK(map.at_or_after(5) == nullptr);
}

TEST_CASE("a page map holds the first and the last page of 64 bits", "[page_map]") {
  Map map;
  map.insert(~std::uint64_t{0});
  map.insert(0);
  CHECK(map.find(0)->number == 7);  // the default
  CHECK(map.find(~std::uint64_t{0}) != nullptr);
  CHECK(map.at_or_before(1)->page == 0);
  CHECK(map.at_or_after(1)->page == ~std::uint64_t{0});
  CHECK(map.erase(0));
  CHECK(map.front().page == ~std::uint64_t{0});
  CHECK(map.at_or_before(~std::uint64_t{0} - 1) == nullptr);
}

TEST_CASE("neighbours in a page map are found across chunks", "[page_map]") {
  for (const bool upwards : {true, false}) {
    INFO("upwards " << upwards);
    Map map;
    for (std::uint64_t i = 0; i < 1000; ++i) insert(map, 10 * (upwards ? i : 999 - i), static_cast<int>(i));
    REQUIRE(map.size() == 1000);
    for (std::uint64_t i = 0; i < 1000; ++i) {
      if (map.at_or_before(10 * i + 9)->page != 10 * i) FAIL("before " << i);
      if (i != 0 && map.at_or_after(10 * i - 9)->page != 10 * i) FAIL("after " << i);
      if (map.find(10 * i)->number != static_cast<int>(upwards ? i : 999 - i)) FAIL("value " << i);
    }
    CHECK(map.at_or_after(9991) == nullptr);
    // All in the middle go: what is left of the chunks on both sides are neighbours.
    for (std::uint64_t i = 1; i < 999; ++i) REQUIRE(map.erase(10 * i));
    CHECK(map.size() == 2);
    CHECK(map.at_or_after(1)->page == 9990);
    CHECK(map.at_or_before(9989)->page == 0);
    CHECK_FALSE(map.erase(5000));
    insert(map, 5000, 3);
    CHECK(map.at_or_before(9989)->page == 5000);
  }
}

TEST_CASE("a page map that empties from below goes on above", "[page_map]") {
  Map map;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    insert(map, i, 0);
    if (i >= 300) REQUIRE(map.erase(i - 300));
    if (map.front().page != (i >= 300 ? i - 299 : 0)) FAIL("front at " << i);
  }
  CHECK(map.size() == 300);
}

TEST_CASE("random insertions, removals and look-ups agree with std::map", "[page_map]") {
  random_run(20, 1, 20'000);
  random_run(400, 2, 100'000);
  random_run(6'000, 3, 200'000);
}
