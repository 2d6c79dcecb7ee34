// TokenTable: how long a freed token is remembered (OP-31). SegmentMap: two bits a page against a list of segments.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <algorithm>
#include <map>
#include <random>

#include "api/token_table.h"

using iommu::api::HandleState;
using iommu::api::ReservedRange;
using iommu::api::SegmentMap;
using iommu::api::TokenTable;

TEST_CASE("a token is good, then stale until 1024 others were freed, then unknown", "[token_table]") {
  TokenTable table;
  HandleState state = HandleState::Good;
  CHECK(table.find(nullptr, state) == nullptr);
  CHECK(state == HandleState::Null);
  // Held here, so that no memory of a token is used for another one.
  std::vector<std::shared_ptr<ReservedRange>> held;
  const auto make = [&] {
    held.push_back(std::make_shared<ReservedRange>());
    held.back()->segments = SegmentMap(3);
    return table.insert(held.back());
  };
  const auto first = make();
  CHECK(first == &held[0]->token);
  CHECK(table.find(first, state) == held[0]);
  CHECK(state == HandleState::Good);
  CHECK(table.size() == 1);
  table.retire(*held[0]);
  CHECK(table.size() == 0);
  CHECK(held[0]->segments.pages() == 0);
  for (unsigned i = 0; i < 1023; ++i) {
    make();
    table.retire(*held.back());
  }
  CHECK(table.find(first, state) == nullptr);
  CHECK(state == HandleState::Stale);
  const auto last = make();
  table.retire(*held.back());
  CHECK(table.find(first, state) == nullptr);
  CHECK(state == HandleState::Unknown);
  CHECK(table.find(&held[1]->token, state) == nullptr);
  CHECK(state == HandleState::Stale);
  CHECK(table.find(last, state) == nullptr);
  CHECK(state == HandleState::Stale);
}

TEST_CASE("two bits a page know every segment", "[token_table]") {
  constexpr std::uint64_t kSeed = 17;
  constexpr std::uint64_t kPages = 12;
  INFO("seed " << kSeed);
  std::mt19937_64 random(kSeed);
  SegmentMap map(kPages);
  std::map<std::uint64_t, std::uint64_t> segments;  // first page -> pages
  for (unsigned step = 0; step < 3000; ++step) {
    const std::uint64_t first = random() % kPages;
    const std::uint64_t pages = 1 + random() % (kPages - first);
    const auto touches = [&](const auto& s) { return s.first < first + pages && first < s.first + s.second; };
    if (std::none_of(segments.begin(), segments.end(), touches)) {
      if (!map.is_free(first, pages)) FAIL("a free range is not free, step " << step);
      map.add(first, pages);
      segments[first] = pages;
    } else if (random() % 2 == 0) {
      if (map.is_free(first, pages)) FAIL("a mapped page is free, step " << step);
      const auto victim = std::next(segments.begin(), static_cast<std::ptrdiff_t>(random() % segments.size()));
      map.remove(victim->first, victim->second);
      segments.erase(victim);
    }
    std::uint64_t mapped = 0;
    for (const auto& [at, length] : segments) mapped += length;
    if (map.mapped_pages() != mapped) FAIL("mapped pages are miscounted, step " << step);
    for (std::uint64_t at = 0; at <= kPages; ++at) {
      for (std::uint64_t length = 0; length <= kPages + 1; ++length) {
        const auto found = segments.find(at);
        const bool expected = found != segments.end() && found->second == length;
        if (map.is_segment(at, length) != expected) FAIL(at << " + " << length << ", step " << step);
      }
    }
  }
}
