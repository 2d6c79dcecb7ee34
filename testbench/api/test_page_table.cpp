// PageTable against a plain map from page to page: after every operation the words in memory, read by a walker of the
// fact sheet's sections 2.3 and 2.4, say what the map says, and the frames in use are those of the tables.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <map>
#include <random>

#include "api/page_table.h"
#include "models/vtd/second_stage.h"
#include "testbench/api/fake_machine.h"

namespace {

using iommu::api::PageRun;
using iommu::api::PageTable;
using iommu::core::Permissions;

struct Found {
  std::uint64_t page = 0;
  unsigned permissions = 0;
  unsigned level = 0;
};

/// Sheet 2.4: bit 0 read, bit 1 write, bit 7 page size, 51:12 address; nothing when not mapped or malformed.
std::optional<Found> look_up(const fake::Memory& memory, std::uint64_t root, unsigned levels, std::uint64_t page) {
  std::uint64_t table = root;
  unsigned permissions = 3;
  for (unsigned level = levels; level >= 1; --level) {
    const std::uint64_t entry = memory.hardware_read64(table + 8 * ((page >> (9 * (level - 1))) & 511));
    permissions &= static_cast<unsigned>(entry & 3);
    if ((entry & 3) == 0) return std::nullopt;
    const std::uint64_t address = (entry >> 12) & 0xFFFFFFFFFF;
    if (level == 1 || (entry >> 7 & 1) != 0) {
      const std::uint64_t inside = page & ((1ull << (9 * (level - 1))) - 1);
      if (level > 3 || (address & ((1ull << (9 * (level - 1))) - 1)) != 0) return std::nullopt;
      return Found{address + inside, permissions, level};
    }
    table = address << 12;
  }
  return std::nullopt;
}

struct Bench {
  explicit Bench(unsigned levels, unsigned max_leaf) : host(breaches), memory(host), frames(breaches) {
    table = PageTable::create({iommu::vtd::second_stage_format(46, 3, true), levels, max_leaf}, memory, frames);
  }
  fake::Breaches breaches;
  fake::Host host;
  fake::Memory memory;
  fake::Frames frames;
  std::unique_ptr<PageTable> table;
};

void random_run(unsigned levels, unsigned max_leaf, std::uint64_t seed, unsigned operations) {
  INFO("levels " << levels << " max_leaf " << max_leaf << " seed " << seed);
  Bench bench(levels, max_leaf);
  std::mt19937_64 random(seed);
  std::map<std::uint64_t, std::pair<std::uint64_t, unsigned>> reference;  // logical -> physical, permissions
  // A window of 8 MiB around a boundary of every level below the top, so that ranges cross tables.
  const std::uint64_t window = (1ull << (9 * (levels - 1))) - 1024;
  constexpr std::uint64_t kWindowPages = 2048;
  unsigned splits = 0;
  for (unsigned i = 0; i < operations; ++i) {
    std::uint64_t pages = 1 + random() % (random() % 3 == 0 ? 1100 : 30);
    std::uint64_t first = window + random() % kWindowPages;
    if (random() % 3 == 0) {  // aligned, to get large pages
      first &= ~511ull;
      pages = 512 * (1 + random() % 2);
    }
    if (first + pages > window + kWindowPages) pages = window + kWindowPages - first;
    const auto from = reference.lower_bound(first);
    const bool free = from == reference.end() || from->first >= first + pages;
    // Now and then there is less memory than needed.
    if (random() % 4 == 0) bench.frames.budget = random() % 4;
    const auto before = bench.memory.contents();
    const std::size_t frames_before = bench.frames.in_use();
    bool done = true;
    if (free) {
      std::vector<PageRun> runs;
      std::uint64_t left = pages;
      while (left > 0) {
        const std::uint64_t run = random() % 2 == 0 ? left : 1 + random() % left;
        const std::uint64_t base = random() % (1ull << 33);
        runs.push_back({random() % 2 == 0 ? (base & ~511ull) + (first + pages - left) % 512 : base, run});
        left -= run;
      }
      const auto permissions = static_cast<unsigned>(1 + random() % 3);
      done = bench.table->map(first, runs, static_cast<Permissions>(permissions));
      std::uint64_t logical = first;
      for (const PageRun& run : runs) {
        for (std::uint64_t p = 0; done && p < run.pages; ++p) reference[logical++] = {run.first_page + p, permissions};
      }
    } else {
      const std::size_t tables = bench.table->table_count();
      const auto removal = bench.table->unmap({{first, pages}});
      done = removal.has_value();
      if (done) {
        if (removal->first_page > first || removal->first_page + removal->pages < first + pages) FAIL("range shrank");
        if (bench.table->table_count() + removal->tables.size() > tables) ++splits;
        if (removal->leaf_only && (!removal->tables.empty() || bench.table->table_count() != tables)) {
          FAIL("leaf_only although tables changed");
        }
        for (const std::uint64_t frame : removal->tables) bench.frames.free(frame);
        reference.erase(from, reference.lower_bound(first + pages));
      }
    }
    if (!done) {
      if (bench.frames.budget != 0u) FAIL("failed although there was a frame");
      if (bench.memory.contents() != before) FAIL("a failed call changed memory");
      if (bench.frames.in_use() != frames_before) FAIL("a failed call kept frames");
    }
    bench.frames.budget.reset();
    if (bench.frames.in_use() != bench.table->table_count()) FAIL("frames leaked at operation " << i);
    for (std::uint64_t page = window - 2; page < window + kWindowPages + 2; ++page) {
      const auto found = look_up(bench.memory, bench.table->root(), levels, page);
      const auto expected = reference.find(page);
      const bool same = expected == reference.end()
                            ? !found
                            : found && found->page == expected->second.first &&
                                  found->permissions == expected->second.second && found->level <= max_leaf;
      if (!same) FAIL("operation " << i << ": page " << page << " is wrong");
    }
  }
  if (max_leaf > 1) CHECK(splits > 0);
  const auto removal = bench.table->unmap({{window, kWindowPages}});
  REQUIRE(removal);
  for (const std::uint64_t frame : removal->tables) bench.frames.free(frame);
  CHECK(bench.table->table_count() == 1);
  bench.table->release();
  CHECK(bench.frames.in_use() == 0);
  CHECK(bench.breaches.empty());
}

}  // namespace

TEST_CASE("a page table says what was mapped, under random operations", "[page_table]") {
  random_run(3, 1, 11, 150);
  random_run(3, 2, 12, 250);
  random_run(4, 3, 13, 250);
  random_run(5, 3, 14, 150);
}

TEST_CASE("1 GiB pages are split at both ends with exactly the tables it takes", "[page_table]") {
  // {first page, pages, tables of level 2, tables of level 1}
  const std::array<std::array<std::uint64_t, 4>, 9> cases = {{{0, 1 << 18, 0, 0},
                                                              {0, 512, 1, 0},
                                                              {0, 1, 1, 1},
                                                              {5, 1, 1, 1},
                                                              {511, 2, 1, 2},
                                                              {511, 513, 1, 1},
                                                              {512, 512, 1, 0},
                                                              {1, (1 << 18) - 2, 1, 2},
                                                              {(1 << 18) - 1, 1, 1, 1}}};
  for (const auto& [first, pages, level2, level1] : cases) {
    Bench bench(4, 3);
    REQUIRE(bench.table->map(1 << 18, {{1 << 18, 1 << 18}}, Permissions::ReadWrite));
    REQUIRE(bench.table->table_count() == 2);
    INFO("unmap " << first << " + " << pages);
    bench.frames.budget = level2 + level1;
    const auto removal = bench.table->unmap({{(1 << 18) + first, pages}});
    REQUIRE(removal);
    CHECK(bench.frames.budget == 0u);
    const bool whole = pages == 1 << 18;
    CHECK(bench.table->table_count() == (whole ? 1 : 2 + level2 + level1));
    CHECK(removal->first_page == 1 << 18);
    CHECK(removal->pages == 1 << 18);
    CHECK_FALSE(removal->leaf_only);
    for (const std::uint64_t page :
         {std::uint64_t{0}, first - 1, first, first + pages - 1, first + pages, std::uint64_t{(1 << 18) - 1}}) {
      if (page >= 1 << 18) continue;
      const auto found = look_up(bench.memory, bench.table->root(), 4, (1 << 18) + page);
      CHECK(found.has_value() == (page < first || page >= first + pages));
      if (found) CHECK(found->page == (1 << 18) + page);
    }
  }
}

TEST_CASE("a page table without a frame for its root is not made", "[page_table]") {
  fake::Breaches breaches;
  fake::Host host(breaches);
  fake::Memory memory(host);
  fake::Frames frames(breaches);
  frames.budget = 0;
  CHECK(PageTable::create({iommu::vtd::second_stage_format(46, 3, true), 4, 3}, memory, frames) == nullptr);
}

TEST_CASE("a table is complete before it is linked", "[page_table]") {
  // When a large page is split, hardware that walks at any time sees the old page or the new table, never a hole.
  Bench bench(3, 2);
  REQUIRE(bench.table->map(512, {{1024, 512}}, Permissions::ReadWrite));
  struct Watching final : iommu::api::MemoryPort {
    explicit Watching(Bench& b) : bench(b) {}
    std::uint64_t read64(std::uint64_t address) override { return bench.memory.read64(address); }
    void zero_page(std::uint64_t frame) override { bench.memory.zero_page(frame); }
    void write64(std::uint64_t address, std::uint64_t value) override {
      bench.memory.write64(address, value);
      for (std::uint64_t page = 512; page < 1024; ++page) {
        const auto found = look_up(bench.memory, root, 3, page);
        if (!found && page != 600) holes = true;
      }
    }
    Bench& bench;
    std::uint64_t root = 0;
    bool holes = false;
  } watching(bench);
  const auto table = PageTable::create({iommu::vtd::second_stage_format(46, 3, true), 3, 2}, watching, bench.frames);
  REQUIRE(table->map(512, {{1024, 512}}, Permissions::ReadWrite));
  watching.root = table->root();
  watching.holes = false;
  REQUIRE(table->unmap({{600, 1}}));
  CHECK_FALSE(watching.holes);
  CHECK_FALSE(look_up(bench.memory, table->root(), 3, 600).has_value());
}

// ---- Several pieces ---------------------------------------------------------------------------------------------

TEST_CASE("several pieces are mapped and unmapped with exactly the tables they take", "[page_table]") {
  Bench bench(4, 3);
  using Pieces = std::vector<iommu::api::MapPiece>;
  // Pages 16 and 17 share tables; page 1 << 18 needs two more; 512 pages at 2 MiB are one leaf of level 2.
  const Pieces pieces = {{16, {5, 1}}, {17, {700, 1}}, {512, {1024, 512}}, {1 << 18, {9, 2}}};
  for (std::uint64_t budget = 0; budget < 5; ++budget) {
    bench.frames.budget = budget;
    const auto before = bench.memory.contents();
    CHECK_FALSE(bench.table->map(pieces, Permissions::ReadWrite));
    CHECK(bench.memory.contents() == before);
    CHECK(bench.frames.in_use() == 1);
  }
  bench.frames.budget = 5;
  REQUIRE(bench.table->map(pieces, Permissions::ReadWrite));
  CHECK(bench.frames.budget == 0u);
  const auto page_at = [&](std::uint64_t page) {
    const auto found = look_up(bench.memory, bench.table->root(), 4, page);
    return found ? found->page : 0;
  };
  CHECK(page_at(16) == 5);
  CHECK(page_at(17) == 700);
  CHECK(page_at(18) == 0);
  CHECK(page_at(1023) == 1535);
  CHECK(page_at((1 << 18) + 1) == 10);

  // Two pages out of the 2 MiB leaf: one table in its place, for both.
  bench.frames.budget = 0;
  const std::vector<iommu::api::PageRange> ranges = {{17, 1}, {513, 1}, {1000, 2}, {1 << 18, 2}};
  CHECK_FALSE(bench.table->unmap(ranges));
  CHECK(page_at(17) == 700);
  bench.frames.budget = 1;
  const auto removal = bench.table->unmap(ranges);
  REQUIRE(removal);
  CHECK(bench.frames.budget == 0u);
  CHECK(removal->first_page == 17);
  CHECK(removal->pages == (1 << 18) + 2 - 17);
  CHECK_FALSE(removal->leaf_only);
  CHECK(removal->tables.size() == 2);
  for (const std::uint64_t page : {17ull, 513ull, 1000ull, 1001ull, 1ull << 18}) CHECK(page_at(page) == 0);
  CHECK(page_at(16) == 5);
  CHECK(page_at(512) == 1024);
  CHECK(page_at(514) == 1026);
  CHECK(page_at(1002) == 1514);
}

TEST_CASE("the invalidation range of several pieces holds a leaf that was split at either end", "[page_table]") {
  Bench bench(3, 2);
  REQUIRE(bench.table->map(0, {{0, 2048}}, Permissions::ReadWrite));
  const auto removal = bench.table->unmap({{5, 1}, {700, 1}, {1600, 1}});
  REQUIRE(removal);
  CHECK(removal->first_page == 0);
  CHECK(removal->pages == 2048);
}

// ---- Pins -------------------------------------------------------------------------------------------------------

TEST_CASE("pinned tables stay while they are empty, and pages come and go in them without frames", "[page_table]") {
  Bench bench(4, 3);
  const std::uint64_t first = (1 << 18) - 3;  // across a GiB
  for (std::uint64_t budget = 0; budget < 5; ++budget) {
    bench.frames.budget = budget;
    const auto before = bench.memory.contents();
    CHECK_FALSE(bench.table->pin(first, 515));
    CHECK(bench.memory.contents() == before);
    CHECK(bench.frames.in_use() == 1);
  }
  bench.frames.budget = 6;  // levels 1: three, 2: two, 3: one
  REQUIRE(bench.table->pin(first, 515 + 1));
  CHECK(bench.frames.budget == 0u);
  CHECK(bench.frames.in_use() == 7);
  for (unsigned round = 0; round < 2; ++round) {
    bench.table->map_pinned(first + 1, {77, 514}, Permissions::Write);
    CHECK_FALSE(look_up(bench.memory, bench.table->root(), 4, first));
    const auto found = look_up(bench.memory, bench.table->root(), 4, first + 514);
    REQUIRE(found);
    CHECK(found->page == 77 + 513);
    CHECK(found->permissions == 2);
    CHECK(found->level == 1);
    CHECK_FALSE(look_up(bench.memory, bench.table->root(), 4, first + 515));
    bench.table->unmap_pinned(first + 1, 514);
    CHECK_FALSE(look_up(bench.memory, bench.table->root(), 4, first + 1));
    CHECK_FALSE(look_up(bench.memory, bench.table->root(), 4, first + 514));
    CHECK(bench.table->table_count() == 7);
  }
  const auto removal = bench.table->unpin(first, 515 + 1);
  CHECK_FALSE(removal.leaf_only);
  CHECK(removal.tables.size() == 6);
  CHECK(bench.table->table_count() == 1);
}

TEST_CASE("a table goes with the last of its pins and entries", "[page_table]") {
  Bench bench(4, 3);
  REQUIRE(bench.table->pin(1, 1));
  REQUIRE(bench.table->pin(3, 1));
  REQUIRE(bench.table->map(2, {{50, 1}}, Permissions::Read));
  CHECK(bench.table->table_count() == 4);
  CHECK(bench.table->unpin(1, 1).leaf_only);
  auto removal = bench.table->unmap({{2, 1}});
  REQUIRE(removal);
  CHECK(removal->leaf_only);
  CHECK(removal->tables.empty());
  REQUIRE(bench.table->map(2, {{50, 1}}, Permissions::Read));
  CHECK(bench.table->unpin(3, 1).leaf_only);
  CHECK(bench.table->table_count() == 4);
  removal = bench.table->unmap({{2, 1}});
  REQUIRE(removal);
  CHECK(removal->tables.size() == 3);
}

TEST_CASE("pages without permissions write nothing into pinned tables", "[page_table]") {
  Bench bench(4, 3);
  REQUIRE(bench.table->pin(0, 512));
  const auto writes = bench.memory.writes;
  bench.table->map_pinned(0, {50, 512}, Permissions::None);
  bench.table->unmap_pinned(0, 512);
  CHECK(bench.memory.writes == writes);
}
