// BuddyAllocator: what the fact sheet promises of it (ddi sheet 3.1 item 6, OP-19, OP-33).
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "api/buddy_allocator.h"

using iommu::api::BuddyAllocator;

TEST_CASE("an empty space hands out its lowest pages first", "[buddy]") {
  BuddyAllocator buddy(20);  // 256 pages
  CHECK(buddy.total_pages() == 256);
  CHECK(buddy.free_pages() == 256);
  CHECK(buddy.allocate(1) == 0u);
  CHECK(buddy.allocate(1) == 1u);
  CHECK(buddy.allocate(4) == 4u);
  CHECK(buddy.allocate(1) == 2u);
  CHECK(buddy.free_pages() == 256 - 7);
}

TEST_CASE("a request is rounded up to a power of two and aligned to it", "[buddy]") {
  BuddyAllocator buddy(20);
  CHECK(buddy.allocate(1) == 0u);
  CHECK(buddy.allocate(3) == 4u);
  CHECK(buddy.block_pages(4) == 4);
  CHECK(buddy.allocate(5) == 8u);
  CHECK(buddy.block_pages(8) == 8);
  CHECK(buddy.allocate(33) == 64u);
  CHECK(buddy.block_pages(64) == 64);
  CHECK(buddy.block_pages(65) == 0);
}

TEST_CASE("the whole space is one block", "[buddy]") {
  BuddyAllocator buddy(13);  // two pages, the smallest space
  CHECK_FALSE(buddy.allocate(3).has_value());
  CHECK(buddy.allocate(2) == 0u);
  CHECK_FALSE(buddy.allocate(1).has_value());
  CHECK(buddy.free(0));
  CHECK(buddy.allocate(2) == 0u);

  BuddyAllocator widest(63);
  CHECK(widest.total_pages() == std::uint64_t{1} << 51);
  CHECK(widest.allocate(std::uint64_t{1} << 51) == 0u);
  CHECK(widest.free_pages() == 0);
}

TEST_CASE("nothing is allocated for zero pages, or more than there are", "[buddy]") {
  BuddyAllocator buddy(20);
  CHECK_FALSE(buddy.allocate(0).has_value());
  CHECK_FALSE(buddy.allocate(257).has_value());
  CHECK_FALSE(buddy.allocate(~std::uint64_t{0}).has_value());
  CHECK(buddy.free_pages() == 256);
  CHECK(buddy.free_blocks() == 1);
}

TEST_CASE("bounds are inclusive and hold for the requested pages", "[buddy]") {
  BuddyAllocator buddy(20);
  CHECK(buddy.allocate(1, 7, 7) == 7u);
  CHECK_FALSE(buddy.allocate(1, 7, 7).has_value());
  CHECK(buddy.allocate(2, 9) == 10u);       // 8 would begin below the bound
  CHECK(buddy.allocate(3, 16, 18) == 16u);  // page 19 is slack and may lie beyond
  CHECK_FALSE(buddy.allocate(3, 20, 21).has_value());
  CHECK_FALSE(buddy.allocate(4, 21, 26).has_value());  // no aligned place for four
  CHECK(buddy.allocate(1, 255, ~std::uint64_t{0}) == 255u);
  CHECK_FALSE(buddy.allocate(1, 256, ~std::uint64_t{0}).has_value());
  CHECK_FALSE(buddy.allocate(1, 30, 29).has_value());
  CHECK_FALSE(buddy.allocate(2, ~std::uint64_t{0}, ~std::uint64_t{0}).has_value());
}

TEST_CASE("freeing needs the first page of a block in use", "[buddy]") {
  BuddyAllocator buddy(20);
  REQUIRE(buddy.allocate(4) == 0u);
  CHECK_FALSE(buddy.free(1));
  CHECK_FALSE(buddy.free(8));
  CHECK(buddy.free(0));
  CHECK_FALSE(buddy.free(0));
  CHECK(buddy.free_pages() == 256);
}

TEST_CASE("withheld ranges are never handed out", "[buddy]") {
  BuddyAllocator buddy(16);  // 16 pages
  REQUIRE(buddy.withhold(3, 5));
  CHECK(buddy.free_pages() == 11);
  CHECK_FALSE(buddy.withhold(7, 2));  // page 7 is withheld already
  CHECK(buddy.free_pages() == 11);
  CHECK_FALSE(buddy.withhold(0, 0));
  CHECK_FALSE(buddy.withhold(16, 1));
  CHECK_FALSE(buddy.withhold(15, 2));
  CHECK_FALSE(buddy.withhold(1, ~std::uint64_t{0}));
  std::vector<std::uint64_t> got;
  while (const auto page = buddy.allocate(1)) got.push_back(*page);
  CHECK(got == std::vector<std::uint64_t>{0, 1, 2, 8, 9, 10, 11, 12, 13, 14, 15});
  CHECK_FALSE(buddy.withhold(0, 1));  // in use
}

TEST_CASE("a withheld range may span blocks and touch both ends", "[buddy]") {
  BuddyAllocator buddy(16);
  REQUIRE(buddy.withhold(0, 1));
  REQUIRE(buddy.withhold(15, 1));
  REQUIRE(buddy.withhold(6, 4));
  CHECK(buddy.allocate(4, 0) == std::nullopt);  // page 12 begins an aligned four, but 15 is withheld
  CHECK(buddy.allocate(2) == 2u);
  CHECK(buddy.allocate(2) == 4u);
  CHECK(buddy.allocate(2) == 10u);
}

TEST_CASE("a recently freed block is handed out again before lower addresses", "[buddy]") {
  BuddyAllocator buddy(20, 2);
  REQUIRE(buddy.allocate(1) == 0u);
  REQUIRE(buddy.allocate(1) == 1u);
  REQUIRE(buddy.allocate(1) == 2u);
  CHECK(buddy.free(0));
  CHECK(buddy.free(2));
  CHECK(buddy.allocate(1) == 2u);
  CHECK(buddy.allocate(1) == 0u);
  // The third freed block pushes the oldest of two out.
  CHECK(buddy.free(0));
  CHECK(buddy.free(1));
  CHECK(buddy.free(2));
  CHECK(buddy.allocate(1) == 2u);
  CHECK(buddy.allocate(1) == 1u);
  CHECK(buddy.allocate(1) == 0u);
}

TEST_CASE("recently freed blocks merge when a larger one is asked for", "[buddy]") {
  BuddyAllocator buddy(14, 16);  // 4 pages
  for (std::uint64_t page = 0; page < 4; ++page) REQUIRE(buddy.allocate(1) == page);
  for (std::uint64_t page = 0; page < 4; ++page) REQUIRE(buddy.free(page));
  CHECK(buddy.free_blocks() == 4);
  CHECK(buddy.allocate(4) == 0u);
}

namespace {

/// The simplest possible account of a space: which page ranges are taken.
class Reference {
 public:
  /// False when it overlaps what is there.
  bool take(std::uint64_t first, std::uint64_t pages) {
    const auto next = ranges_.lower_bound(first);
    if (next != ranges_.end() && next->first < first + pages) return false;
    if (next != ranges_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second > first) return false;
    }
    ranges_[first] = pages;
    return true;
  }
  void give(std::uint64_t first) { ranges_.erase(first); }

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;
};

struct PropertyRun {
  unsigned width_bits;
  std::uint64_t seed;
  unsigned operations;
};

void run_property(const PropertyRun& run) {
  INFO("width " << run.width_bits << " seed " << run.seed);
  std::mt19937_64 random(run.seed);
  BuddyAllocator buddy(run.width_bits);
  const std::uint64_t total = std::uint64_t{1} << (run.width_bits - 12);
  Reference taken;
  std::uint64_t free_pages = total;
  for (unsigned i = 0; i < 5; ++i) {
    const std::uint64_t first = random() % total;
    const std::uint64_t pages = 1 + random() % 20;
    if (first + pages > total) continue;
    const bool was_free = taken.take(first, pages);
    REQUIRE(buddy.withhold(first, pages) == was_free);
    if (was_free) free_pages -= pages;
  }
  const std::size_t blocks_at_start = buddy.free_blocks();

  std::vector<std::pair<std::uint64_t, std::uint64_t>> live;  // first page, pages of the block
  unsigned granted = 0;
  unsigned refused = 0;
  for (unsigned i = 0; i < run.operations; ++i) {
    const bool allocate = live.empty() || random() % 100 < (live.size() < 3000 ? 55u : 35u);
    if (!allocate) {
      const std::size_t victim = random() % live.size();
      if (!buddy.free(live[victim].first)) FAIL("a live block could not be freed");
      taken.give(live[victim].first);
      free_pages += live[victim].second;
      live[victim] = live.back();
      live.pop_back();
    } else {
      const std::uint64_t pages = 1 + random() % (std::uint64_t{1} << (random() % 8));
      std::uint64_t low = 0;
      std::uint64_t high = ~std::uint64_t{0};
      if (random() % 4 == 0) low = random() % total;
      if (random() % 4 == 0) high = low + random() % 5000;
      const auto first = buddy.allocate(pages, low, high);
      if (first) {
        ++granted;
        std::uint64_t block = 1;
        while (block < pages) block *= 2;
        if (*first % block != 0) FAIL("page " << *first << " is not aligned to " << block);
        if (*first + block > total) FAIL("beyond the space");
        if (*first < low || *first + pages - 1 > high) FAIL("out of bounds");
        if (!taken.take(*first, block)) FAIL("page " << *first << " overlaps a live or withheld range");
        live.emplace_back(*first, block);
        free_pages -= block;
      } else {
        ++refused;
      }
    }
    if (buddy.free_pages() != free_pages) FAIL("free pages are miscounted");
  }
  CHECK(granted > run.operations / 4);
  if (run.width_bits < 30) CHECK(refused > 0);

  // All freed: the free blocks are those of the beginning, and each can be had whole.
  for (const auto& [first, block] : live) REQUIRE(buddy.free(first));
  buddy.merge_recent();
  CHECK(buddy.free_blocks() == blocks_at_start);
  CHECK(buddy.blocks_in_use() == 0);
}

}  // namespace

TEST_CASE("a million random operations keep alignment, bounds and disjointness, and merge back", "[buddy]") {
#if defined(__SANITIZE_ADDRESS__)
  constexpr unsigned kOperations = 50'000;  // of each kind of space; a sanitizer makes them slow
#else
  constexpr unsigned kOperations = 250'000;
#endif
  run_property({24, 20240601, kOperations});
  run_property({27, 7, kOperations});
  run_property({48, 99, kOperations});
  run_property({63, 4711, kOperations});
}

TEST_CASE("what failed or was taken back leaves no trace in later choices", "[buddy]") {
  // Two allocators get the same calls; one of them has allocations in between that fail or are taken back.
  constexpr std::uint64_t kSeed = 77;
  INFO("seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (unsigned round = 0; round < 20; ++round) {
    BuddyAllocator plain(20, 6);  // 256 pages
    BuddyAllocator disturbed(20, 6);
    std::vector<std::uint64_t> live;
    unsigned taken_back = 0;
    unsigned failed = 0;
    for (unsigned i = 0; i < 2000; ++i) {
      const std::uint64_t low = random() % 4 == 0 ? random() % 256 : 0;
      if (disturbed.allocate(1 + random() % (1u << (random() % 8)), low)) {
        disturbed.cancel();
        ++taken_back;
      } else {
        ++failed;
      }
      if (!live.empty() && random() % 2 == 0) {
        std::swap(live[random() % live.size()], live.back());
        REQUIRE(plain.free(live.back()));
        REQUIRE(disturbed.free(live.back()));
        live.pop_back();
      } else {
        const std::uint64_t pages = 1 + random() % (1u << (random() % 6));
        const auto expected = plain.allocate(pages);
        if (disturbed.allocate(pages) != expected) FAIL("another choice in round " << round << " at " << i);
        if (expected) live.push_back(*expected);
      }
      if (plain.free_blocks() != disturbed.free_blocks() || plain.free_pages() != disturbed.free_pages()) {
        FAIL("another state in round " << round << " at " << i);
      }
    }
    CHECK(taken_back > 100);
    CHECK(failed > 20);
  }
}

TEST_CASE("without reserved ranges everything freed is one block again", "[buddy]") {
  constexpr std::uint64_t kSeed = 31337;
  INFO("seed " << kSeed);
  std::mt19937_64 random(kSeed);
  BuddyAllocator buddy(28);
  std::vector<std::uint64_t> live;
  for (unsigned i = 0; i < 20000; ++i) {
    if (const auto first = buddy.allocate(1 + random() % 40)) live.push_back(*first);
  }
  while (!live.empty()) {
    std::swap(live[random() % live.size()], live.back());
    REQUIRE(buddy.free(live.back()));
    live.pop_back();
  }
  buddy.merge_recent();
  CHECK(buddy.free_blocks() == 1);
  CHECK(buddy.allocate(buddy.total_pages()) == 0u);
}

TEST_CASE("the smallest free place that satisfies the bounds is found, exhaustively in a small space", "[buddy]") {
  // Every pattern of withheld pages in a space of 8, every size and every bound, against a search by hand.
  for (unsigned pattern = 0; pattern < 256; ++pattern) {
    for (std::uint64_t pages = 1; pages <= 8; ++pages) {
      for (std::uint64_t low = 0; low < 8; ++low) {
        for (std::uint64_t high = low; high < 8; ++high) {
          BuddyAllocator buddy(15, 0);
          for (unsigned page = 0; page < 8; ++page) {
            if ((pattern >> page & 1u) != 0) REQUIRE(buddy.withhold(page, 1));
          }
          std::uint64_t block = 1;
          while (block < pages) block *= 2;
          std::optional<std::uint64_t> expected;
          for (std::uint64_t first = 0; first + block <= 8 && !expected; first += block) {
            bool free = first >= low && first + pages - 1 <= high;
            for (std::uint64_t page = first; page < first + block; ++page) free = free && (pattern >> page & 1u) == 0;
            if (free) expected = first;
          }
          if (buddy.allocate(pages, low, high) != expected) {
            FAIL("pattern " << pattern << " pages " << pages << " in [" << low << ", " << high << "]");
          }
        }
      }
    }
  }
}
