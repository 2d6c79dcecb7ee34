// Scopes of invalidation and the caches that obey them: context cache, IOTLB of mixed page sizes, paging-structure caches.
#include <algorithm>
#include <list>
#include <map>
#include <vector>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "models/core/context_cache.h"
#include "models/core/iotlb_array.h"
#include "models/core/random.h"
#include "models/core/walk_cache.h"

namespace {

using namespace iommu::core;

constexpr std::uint64_t kBytes[] = {0, 0x1000, 0x200000, 0x40000000};

TranslationScope pages(std::uint32_t domain, Address first, Address last, bool leaf_only = false) {
  TranslationScope scope;
  scope.kind = TranslationScope::Kind::Pages;
  scope.domain = domain;
  scope.first = first;
  scope.last = last;
  scope.leaf_only = leaf_only;
  return scope;
}
TranslationScope domain_scope(std::uint32_t domain) {
  TranslationScope scope;
  scope.kind = TranslationScope::Kind::Domain;
  scope.domain = domain;
  return scope;
}

// --- Scopes

TEST_CASE("a page scope covers what overlaps it, at both ends") {
  const TranslationScope scope = pages(5, 0x10000, 0x1FFFF);
  CHECK(scope.covers(5, 0x10000, 0x1000));
  CHECK(scope.covers(5, 0x1F000, 0x1000));
  CHECK_FALSE(scope.covers(5, 0xF000, 0x1000));
  CHECK_FALSE(scope.covers(5, 0x20000, 0x1000));
  CHECK(scope.covers(5, 0, 0x200000));  // a larger page around it
  CHECK(scope.covers(5, 0, 0x10001));
  CHECK_FALSE(scope.covers(5, 0, 0x10000));
  CHECK_FALSE(scope.covers(6, 0x10000, 0x1000));
}

TEST_CASE("a page scope reaches to the end of the address space without wrapping") {
  const TranslationScope scope = pages(5, 0xFFFFFFFFFFFFF000, 0xFFFFFFFFFFFFFFFF);
  CHECK(scope.covers(5, 0xFFFFFFFFFFFFF000, 0x1000));
  CHECK(scope.covers(5, 0xFFFFFFFFC0000000, 0x40000000));
  CHECK_FALSE(scope.covers(5, 0, 0x1000));
  CHECK(pages(5, 0, ~Address{0}).covers(5, 0, 0x1000));
}

TEST_CASE("domain and global scopes") {
  CHECK(domain_scope(5).covers(5, 0x123000, 0x1000));
  CHECK_FALSE(domain_scope(5).covers(4, 0x123000, 0x1000));
  CHECK(TranslationScope{}.covers(4, 0x123000, 0x1000));
}

TEST_CASE("leaf-only keeps paging structures, for page scopes alone") {
  CHECK_FALSE(pages(5, 0, 0xFFF, true).covers_structure(5, 0, 0x200000));
  CHECK(pages(5, 0, 0xFFF, true).covers(5, 0, 0x1000));
  CHECK(pages(5, 0, 0xFFF).covers_structure(5, 0, 0x200000));
  TranslationScope scope = domain_scope(5);
  scope.leaf_only = true;
  CHECK(scope.covers_structure(5, 0, 0x200000));
  scope.kind = TranslationScope::Kind::Global;
  CHECK(scope.covers_structure(6, 0, 0x200000));
}

TEST_CASE("context scopes: global, domain, device with a mask") {
  ContextScope scope;
  CHECK(scope.covers(1, 2));
  scope.kind = ContextScope::Kind::Domain;
  scope.domain = 5;
  CHECK(scope.covers(5, 0xFFFF));
  CHECK_FALSE(scope.covers(6, 0xFFFF));
  scope.kind = ContextScope::Kind::Device;
  scope.requester = 0x0310;
  CHECK(scope.covers(5, 0x0310));
  CHECK_FALSE(scope.covers(5, 0x0311));
  CHECK_FALSE(scope.covers(6, 0x0310));
  scope.requester_mask = 0xFFF8;
  CHECK(scope.covers(5, 0x0317));
  CHECK_FALSE(scope.covers(5, 0x0318));
  CHECK_FALSE(scope.covers(5, 0x0410));
}

// --- Context cache

AddressSpace space_of(std::uint32_t domain, std::uint8_t levels = 4, RequesterId tag = 0) {
  AddressSpace space;
  space.domain = domain;
  space.levels = levels;
  space.tag = tag;
  return space;
}

TEST_CASE("context cache: finds by requester, requester 0 too, replaces the least recently used") {
  ContextCache cache(2);
  cache.fill(0, space_of(1));
  cache.fill(0xFFFF, space_of(2));
  REQUIRE(cache.find(0) != nullptr);
  CHECK(cache.find(0)->domain == 1);
  cache.fill(7, space_of(3));
  CHECK(cache.peek(0xFFFF) == nullptr);
  CHECK(cache.find(0)->domain == 1);
  CHECK(cache.find(7)->domain == 3);
  CHECK(cache.find(8) == nullptr);
  CHECK(cache.counters().lookups == 5);
  CHECK(cache.counters().hits == 4);
  CHECK(cache.counters().fills == 3);
}

TEST_CASE("context cache: a new fill of the same requester replaces what was there") {
  ContextCache cache(2);
  cache.fill(7, space_of(1));
  cache.fill(7, space_of(2));
  CHECK(cache.peek(7)->domain == 2);
  ContextScope scope;
  CHECK(cache.invalidate(scope) == 1);
}

TEST_CASE("context cache: invalidation by scope, counted") {
  ContextCache cache(8);
  for (RequesterId r = 0x10; r < 0x14; ++r) cache.fill(r, space_of(r < 0x12 ? 1 : 2));
  ContextScope scope;
  scope.kind = ContextScope::Kind::Device;
  scope.domain = 1;
  scope.requester = 0x10;
  CHECK(cache.invalidate(scope) == 1);
  CHECK(cache.peek(0x10) == nullptr);
  scope.kind = ContextScope::Kind::Domain;
  scope.domain = 2;
  CHECK(cache.invalidate(scope) == 2);
  CHECK(cache.peek(0x11) != nullptr);
  CHECK(cache.invalidate(ContextScope{}) == 1);
  CHECK(cache.counters().invalidated == 4);
}

TEST_CASE("context cache: with 0 entries it never holds anything") {
  ContextCache cache(0);
  cache.fill(7, space_of(1));
  CHECK(cache.find(7) == nullptr);
  CHECK(cache.counters().fills == 0);
  CHECK(cache.invalidate(ContextScope{}) == 0);
}

// --- IOTLB

Mapping mapping(Address input, std::uint8_t level, Address output = 0x900000, std::uint32_t domain = 5) {
  Mapping m;
  m.input_page = input;
  m.output_page = output;
  m.level = level;
  m.permissions = Permissions::ReadWrite;
  m.domain = domain;
  return m;
}

TEST_CASE("IOTLB: an entry serves its whole page and not a byte more, at each size") {
  for (std::uint8_t level = 1; level <= 3; ++level) {
    IotlbArray iotlb({1, 4, Replacement::Lru});
    const Address page = 0x4000000000;
    iotlb.fill(1, mapping(page, level), 77);
    REQUIRE(iotlb.find(1, page) != nullptr);
    CHECK(iotlb.find(1, page)->ready_at == 77);
    CHECK(iotlb.find(1, page + kBytes[level] - 1) != nullptr);
    CHECK(iotlb.find(1, page + kBytes[level]) == nullptr);
    CHECK(iotlb.find(1, page - 1) == nullptr);
    CHECK(iotlb.peek(1, page + kBytes[level] - 1) != nullptr);
    CHECK(iotlb.peek(1, page + kBytes[level]) == nullptr);
    CHECK(iotlb.find(2, page) == nullptr);
  }
}

TEST_CASE("IOTLB: pages of all sizes side by side, where they overlap the smaller one is found") {
  IotlbArray iotlb({1, 8, Replacement::Lru});
  iotlb.fill(1, mapping(0, 3, 0x40000000), 0);
  iotlb.fill(1, mapping(0x200000, 2, 0x80000000), 0);
  iotlb.fill(1, mapping(0x201000, 1, 0xC0000000), 0);
  CHECK(iotlb.find(1, 0x1000)->mapping.level == 3);
  CHECK(iotlb.find(1, 0x202000)->mapping.level == 2);
  CHECK(iotlb.find(1, 0x201000)->mapping.level == 1);
  CHECK(iotlb.size() == 3);
  CHECK(iotlb.invalidate(pages(5, 0x201000, 0x201FFF)) == 3);
  CHECK(iotlb.size() == 0);
}

TEST_CASE("IOTLB: what find() would not find is a miss, at every size") {
  IotlbArray iotlb({1, 8, Replacement::Lru});
  CHECK(iotlb.misses(1, 0x1000));
  iotlb.fill(1, mapping(0x1000, 1), 0);
  CHECK_FALSE(iotlb.misses(1, 0x1FFF));
  CHECK(iotlb.misses(1, 0x2000));
  CHECK(iotlb.misses(2, 0x1000));
  iotlb.fill(1, mapping(0x200000, 2), 0);
  CHECK_FALSE(iotlb.misses(1, 0x3FFFFF));
  CHECK(iotlb.misses(1, 0x400000));
  CHECK_FALSE(iotlb.misses(1, 0x1000));
  iotlb.fill(1, mapping(0x40000000, 3), 0);
  CHECK_FALSE(iotlb.misses(1, 0x7FFFFFFF));
  CHECK(iotlb.misses(1, 0x80000000));
  CHECK(iotlb.counters.lookups == 0);
}

TEST_CASE("IOTLB: one look at what is missing changes nothing but the way of the fill: 20,000 random operations") {
  const std::uint64_t seed = 0x10B;
  CAPTURE(seed);
  for (const std::uint32_t ways : {4u, 32u}) {
    for (const unsigned levels : {1u, 3u}) {
      INFO(ways << " ways, leaves of " << levels << " sizes");
      Random random(seed);
      IotlbArray one({1, ways, Replacement::Lru});
      IotlbArray other({1, ways, Replacement::Lru});
      unsigned seen = 0;
      unsigned unlike = 0;
      for (int i = 0; i < 20000; ++i) {
        const auto tag = static_cast<RequesterId>(random.below(2));
        const auto level = static_cast<std::uint8_t>(random.chance(9, 10) ? 1 : 1 + random.below(levels));
        const Address page = random.below(3 * ways) << 12;
        const Address input = page + random.below(0x1000);
        const std::uint64_t operation = random.below(100);
        if (operation < 40) {
          const bool misses = one.misses_at_once(tag, input);
          if (misses && other.peek(tag, input) != nullptr) ++unlike;
          seen += misses ? 1 : 0;
          if (random.chance(1, 4)) continue;  // the walk gives something else
          const Mapping found = mapping(page & ~(kBytes[level] - 1), level, Address(i) << 30);
          one.fill(tag, found, Tick(i));
          other.fill(tag, found, Tick(i));
        } else if (operation < 98) {
          const IotlbEntry* a = one.find(tag, input);
          const IotlbEntry* b = other.find(tag, input);
          if ((a == nullptr) != (b == nullptr) ||
              (a != nullptr && (a->mapping.output(input) != b->mapping.output(input) || a->ready_at != b->ready_at))) {
            ++unlike;
          }
        } else {
          if (one.invalidate(pages(5, page, page + 0xFFF)) != other.invalidate(pages(5, page, page + 0xFFF))) ++unlike;
        }
      }
      CHECK(unlike == 0);
      CHECK(one.size() == other.size());
      CHECK(one.counters.fills == other.counters.fills);
      CHECK(one.counters.evictions == other.counters.evictions);
      if (ways == 4) CHECK(seen == 0);  // no index: always a closer look
      if (ways == 32 && levels == 1) CHECK(seen > 1000);
    }
  }
}

TEST_CASE("IOTLB: a piece serves its 4 KiB of the leaf and goes with the whole leaf") {
  for (const std::uint8_t level : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}}) {
    const Address leaf = 0x4000000000;
    const Address input = leaf + kBytes[level] - 0x1000;  // the leaf's last page
    for (const Address touched : {leaf, input}) {
      IotlbArray iotlb({1, 8, Replacement::Lru});
      iotlb.fill_piece(1, input + 0x123, mapping(leaf, level, 0x80000000), 77);
      REQUIRE(iotlb.find(1, input + 0xFFF) != nullptr);
      CHECK(iotlb.find(1, input)->mapping.input_page == input);
      CHECK(iotlb.find(1, input)->mapping.output(input + 0x123) == 0x80000000 + kBytes[level] - 0x1000 + 0x123);
      CHECK(iotlb.find(1, input)->mapping.level == 1);
      CHECK(iotlb.find(1, input)->ready_at == 77);
      CHECK(iotlb.find(1, input - 1) == nullptr);
      CHECK(iotlb.find(1, input + 0x1000) == nullptr);
      CHECK(iotlb.invalidate(pages(5, leaf - 0x1000, leaf - 1)) == 0);
      CHECK(iotlb.invalidate(pages(5, leaf + kBytes[level], leaf + kBytes[level] + 0xFFF)) == 0);
      CHECK(iotlb.invalidate(pages(6, touched, touched + 0xFFF)) == 0);
      CHECK(iotlb.invalidate(pages(5, touched, touched + 0xFFF)) == 1);
      CHECK(iotlb.find(1, input) == nullptr);
    }
  }
  IotlbArray iotlb({1, 8, Replacement::Lru});
  for (Address page = 0; page < 3; ++page) iotlb.fill_piece(1, page << 12, mapping(0, 2, 0x80000000), 0);
  iotlb.fill_piece(1, 0x1000, mapping(0x1000, 1, 0xC0000000), 0);  // a small page now
  CHECK(iotlb.size() == 3);
  CHECK(iotlb.invalidate(pages(5, 0x1FF000, 0x1FFFFF)) == 2);
  CHECK(iotlb.find(1, 0x1000)->mapping.output_page == 0xC0000000);
}

TEST_CASE("IOTLB: addresses that differ in one bit up to bit 56 and requesters that differ in one bit are told apart") {
  IotlbArray iotlb({1, 128, Replacement::Lru});
  iotlb.fill(0, mapping(0, 1), 0);
  for (unsigned bit = 12; bit < 57; ++bit) {
    CHECK(iotlb.find(0, Address{1} << bit) == nullptr);
    iotlb.fill(0, mapping(Address{1} << bit, 1, Address{bit} << 12), 0);
  }
  for (unsigned bit = 12; bit < 57; ++bit) {
    CHECK(iotlb.find(0, Address{1} << bit)->mapping.output_page == Address{bit} << 12);
  }
  for (unsigned bit = 0; bit < 16; ++bit) CHECK(iotlb.find(static_cast<RequesterId>(1u << bit), 0) == nullptr);
}

TEST_CASE("IOTLB: sets are chosen by the page number at the page's own size") {
  IotlbArray iotlb({4, 1, Replacement::Lru});
  for (const std::uint8_t level : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}}) {
    for (Address n = 0; n < 4; ++n) iotlb.fill(1, mapping(n * kBytes[level], level), 0);
    CHECK(iotlb.size() == 4);
    for (Address n = 0; n < 4; ++n) CHECK(iotlb.find(1, n * kBytes[level])->mapping.level == level);
    const auto before = iotlb.counters.evictions;
    iotlb.fill(1, mapping(4 * kBytes[level], level), 0);  // the set of page 0
    CHECK(iotlb.counters.evictions == before + 1);
    iotlb.invalidate({});
  }
}

TEST_CASE("IOTLB: a size stays findable after entries of it were evicted, erased and filled again") {
  IotlbArray iotlb({1, 2, Replacement::Lru});
  iotlb.fill(1, mapping(0x200000, 2), 0);
  iotlb.fill(1, mapping(0x200000, 2), 0);  // again: no second entry
  CHECK(iotlb.size() == 1);
  iotlb.fill(1, mapping(0x400000, 2), 0);
  iotlb.fill(1, mapping(0x1000, 1), 0);  // evicts 0x200000
  CHECK(iotlb.find(1, 0x200000) == nullptr);
  REQUIRE(iotlb.find(1, 0x400000) != nullptr);
  iotlb.invalidate(pages(5, 0x1000, 0x1FFF));
  CHECK(iotlb.find(1, 0x400000) != nullptr);
  iotlb.invalidate(domain_scope(5));
  CHECK(iotlb.find(1, 0x400000) == nullptr);
  iotlb.fill(1, mapping(0x400000, 2), 0);
  CHECK(iotlb.find(1, 0x4FF000) != nullptr);
  CHECK(iotlb.counters.fills == 5);
  CHECK(iotlb.counters.evictions == 1);
  CHECK(iotlb.counters.invalidated == 2);
}

TEST_CASE("IOTLB: invalidation goes by the domain of the mapping, not by the requester") {
  IotlbArray iotlb({1, 8, Replacement::Lru});
  iotlb.fill(1, mapping(0x1000, 1, 0x900000, 5), 0);
  iotlb.fill(2, mapping(0x1000, 1, 0x900000, 5), 0);
  iotlb.fill(3, mapping(0x1000, 1, 0x900000, 6), 0);
  CHECK(iotlb.invalidate(pages(5, 0x1000, 0x1FFF)) == 2);
  CHECK(iotlb.find(3, 0x1000) != nullptr);
}

TEST_CASE("IOTLB: an entry is found again without a search until it goes or is filled anew") {
  IotlbArray iotlb({1, 2, Replacement::Lru});
  CHECK(iotlb.find_again({}) == nullptr);
  const auto ref_to = [&](Address input) {
    REQUIRE(iotlb.find(1, input) != nullptr);
    return iotlb.last_found();
  };
  iotlb.fill(1, mapping(0x1000, 1, 0x901000), 0);
  iotlb.fill(1, mapping(0x2000, 1, 0x902000), 0);
  const IotlbRef first = ref_to(0x1000);
  const IotlbRef second = ref_to(0x2000);
  REQUIRE(iotlb.find_again(first) != nullptr);
  CHECK(iotlb.find_again(first)->mapping.output_page == 0x901000);
  CHECK(iotlb.find_again(second)->mapping.output_page == 0x902000);
  // A use counts for replacement, and only then.
  iotlb.use_again(first);
  iotlb.fill(1, mapping(0x3000, 1, 0x903000), 0);
  CHECK(iotlb.find_again(second) == nullptr);
  CHECK(iotlb.find_again(first) == iotlb.peek(1, 0x1000));
  const IotlbRef third = ref_to(0x3000);
  CHECK(iotlb.find_again(first) != nullptr);  // no use
  iotlb.fill(1, mapping(0x4000, 1, 0x904000), 0);
  CHECK(iotlb.find_again(first) == nullptr);
  CHECK(iotlb.find_again(third) != nullptr);
  // The same page, filled anew: another entry.
  iotlb.fill(1, mapping(0x3000, 1, 0x905000), 0);
  CHECK(iotlb.find_again(third) == nullptr);
  CHECK(ref_to(0x3000).place == third.place);
  CHECK(iotlb.find_again(ref_to(0x3000))->mapping.output_page == 0x905000);
  // Invalidated.
  const IotlbRef fourth = ref_to(0x4000);
  CHECK(iotlb.invalidate(pages(5, 0x4000, 0x4FFF)) == 1);
  CHECK(iotlb.find_again(fourth) == nullptr);
  // Cleared, and filled again with as many.
  const IotlbRef last = ref_to(0x3000);
  iotlb.clear();
  CHECK(iotlb.find_again(last) == nullptr);
  for (Address n = 0; n < 16; ++n) iotlb.fill(1, mapping(n << 12, 1), 0);
  CHECK(iotlb.find_again(last) == nullptr);
  CHECK(iotlb.counters.fills == 21);
}

TEST_CASE("IOTLB: using an entry again does not make it the one that the next look-up finds") {
  IotlbArray iotlb({1, 4, Replacement::Lru});
  iotlb.fill(1, mapping(0x1000, 1, 0x901000), 0);
  iotlb.fill(1, mapping(0x2000, 1, 0x902000), 0);
  REQUIRE(iotlb.find(1, 0x1000) != nullptr);
  const IotlbRef first = iotlb.last_found();
  REQUIRE(iotlb.find(1, 0x2000) != nullptr);
  iotlb.use_again(first);
  CHECK(iotlb.find_last(1, 0x2000) == nullptr);
  CHECK(iotlb.find(1, 0x2000)->mapping.output_page == 0x902000);
  CHECK(iotlb.find(1, 0x1000)->mapping.output_page == 0x901000);
}

TEST_CASE("IOTLB: a large page is no longer found again where a smaller one has come in front of it") {
  for (std::uint8_t level = 2; level <= 3; ++level) {
    IotlbArray iotlb({1, 4, Replacement::Lru});
    iotlb.fill(1, mapping(0, level, 0x80000000), 0);
    REQUIRE(iotlb.find(1, 0x1000) != nullptr);
    const IotlbRef large = iotlb.last_found();
    iotlb.fill(2, mapping(0x1000, 1, 0xC0000000), 0);  // another requester's
    iotlb.fill(1, mapping(kBytes[level], 1, 0xC0000000), 0);
    CHECK(iotlb.find_again(large) != nullptr);
    iotlb.fill(1, mapping(0x1000, 1, 0xC0000000), 0);
    CHECK(iotlb.find_again(large) == nullptr);
  }
}

TEST_CASE("IOTLB: switched off it never holds anything") {
  IotlbArray iotlb({0, 128, Replacement::Lru});
  iotlb.fill(1, mapping(0x1000, 1), 0);
  CHECK(iotlb.find(1, 0x1000) == nullptr);
  CHECK(iotlb.find_again({}) == nullptr);
  CHECK(iotlb.capacity() == 0);
  CHECK(iotlb.counters.fills == 0);
}

TEST_CASE("IOTLB: against a naive list over 30,000 random fills, look-ups and invalidations") {
  const std::uint64_t seed = 20240611;
  CAPTURE(seed);
  Random random(seed);
  IotlbArray iotlb({1, 12, Replacement::Lru});
  struct Entry {
    RequesterId tag;
    Mapping m;
  };
  std::list<Entry> naive;                                    // most recently used first
  std::map<std::pair<RequesterId, Address>, IotlbRef> refs;  // as they were found, good or not
  unsigned found_again = 0;
  for (int i = 0; i < 30000; ++i) {
    const auto tag = static_cast<RequesterId>(random.below(3));
    const auto level = static_cast<std::uint8_t>(1 + random.below(3));
    const Address input = (random.below(3) * kBytes[3] + random.below(3) * kBytes[2] + random.below(4) * kBytes[1]);
    const std::uint64_t operation = random.below(100);
    if (operation < 55) {
      // Whatever is still there by its reference is what a search would find.
      const IotlbRef& ref = refs[{tag, input}];
      const IotlbEntry* found = iotlb.find_again(ref);
      if (found != nullptr) {
        REQUIRE(found == iotlb.peek(tag, input));
        iotlb.use_again(ref);
        ++found_again;
      } else {
        found = iotlb.find(tag, input);
        if (found != nullptr) refs[{tag, input}] = iotlb.last_found();
      }
      auto best = naive.end();
      for (auto e = naive.begin(); e != naive.end(); ++e) {
        const bool hit = e->tag == tag && e->m.input_page == (input & ~(kBytes[e->m.level] - 1));
        if (hit && (best == naive.end() || e->m.level < best->m.level)) best = e;
      }
      REQUIRE((found != nullptr) == (best != naive.end()));
      if (found != nullptr) {
        REQUIRE(found->mapping.output_page == best->m.output_page);
        naive.splice(naive.begin(), naive, best);
      }
    } else if (operation < 95) {
      Mapping m = mapping(input & ~(kBytes[level] - 1), level, Address(i) << 12, tag % 2);
      iotlb.fill(tag, m, 0);
      const auto same = std::find_if(naive.begin(), naive.end(), [&](const Entry& e) {
        return e.tag == tag && e.m.level == level && e.m.input_page == m.input_page;
      });
      if (same != naive.end()) {
        naive.erase(same);
      } else if (naive.size() == 12) {
        naive.pop_back();
      }
      naive.push_front({tag, m});
    } else {
      const TranslationScope scope =
          pages(static_cast<std::uint32_t>(random.below(2)), input, input + kBytes[level] - 1);
      const std::size_t before = naive.size();
      naive.remove_if([&](const Entry& e) {
        const Address last = e.m.input_page + kBytes[e.m.level] - 1;
        return e.m.domain == scope.domain && e.m.input_page <= scope.last && last >= scope.first;
      });
      REQUIRE(iotlb.invalidate(scope) == before - naive.size());
    }
    REQUIRE(iotlb.size() == naive.size());
  }
  CHECK(found_again > 200);
}

// --- Paging-structure caches

TEST_CASE("walk cache: the deepest entry is found, level by level as they are filled") {
  WalkCache cache(WalkCacheConfig{{0, 0, 4, 4, 4, 4}});
  const AddressSpace space = space_of(5, 5);
  const Address input = 0x0055D50CEAACC000;
  CHECK_FALSE(cache.find(space, input).has_value());
  for (std::uint8_t level = 4; level >= 1; --level) {
    cache.fill(space, input, {Address{level} << 12, level, Permissions::Read});
    const auto start = cache.find(space, input);
    REQUIRE(start.has_value());
    CHECK(start->level == level);
    CHECK(start->table == Address{level} << 12);
    CHECK(start->permissions == Permissions::Read);
    CHECK(cache.counters().hits[level + 1u] == 1);
  }
  CHECK(cache.counters().lookups == 5);
  CHECK(cache.counters().fills == 4);
}

TEST_CASE("walk cache: an entry of a level serves the bytes below it and no others") {
  const std::uint64_t reach[] = {0, 0, 0x200000, 0x40000000, 0x8000000000, 0x1000000000000};
  for (std::uint8_t entry = 2; entry <= 5; ++entry) {
    INFO("entry of level " << int{entry});
    WalkCache cache(WalkCacheConfig{{0, 0, 4, 4, 4, 4}});
    const AddressSpace space = space_of(5, 5);
    const Address begin = 0x0055000000000000;
    cache.fill(space, begin + 0x1234000, {0x7000, static_cast<std::uint8_t>(entry - 1), Permissions::ReadWrite});
    const Address first = (begin + 0x1234000) & ~(reach[entry] - 1);
    CHECK(cache.find(space, first).has_value());
    CHECK(cache.find(space, first + reach[entry] - 1).has_value());
    CHECK_FALSE(cache.find(space, first + reach[entry]).has_value());
    CHECK_FALSE(cache.find(space, first - 1).has_value());
    CHECK_FALSE(cache.find(space_of(6, 5), first).has_value());  // another domain
  }
}

TEST_CASE("walk cache: a level without entries is skipped, each level has its own capacity") {
  WalkCache cache(WalkCacheConfig{{0, 0, 0, 1, 2, 0}});
  const AddressSpace space = space_of(5, 4);
  cache.fill(space, 0, {0x1000, 1, Permissions::ReadWrite});  // level 2 is switched off
  CHECK_FALSE(cache.find(space, 0).has_value());
  CHECK(cache.counters().fills == 0);
  cache.fill(space, 0, {0x2000, 2, Permissions::ReadWrite});
  cache.fill(space, 0x40000000, {0x3000, 2, Permissions::ReadWrite});  // the one entry of level 3
  CHECK_FALSE(cache.find(space, 0).has_value());
  CHECK(cache.find(space, 0x40000000)->table == 0x3000);
  cache.fill(space, 0, {0x4000, 3, Permissions::ReadWrite});
  cache.fill(space, 0x8000000000, {0x5000, 3, Permissions::ReadWrite});
  CHECK(cache.find(space, 0x80000000)->table == 0x4000);  // used
  cache.fill(space, 0x10000000000, {0x6000, 3, Permissions::ReadWrite});
  CHECK_FALSE(cache.find(space, 0x8000000000).has_value());
  CHECK(cache.find(space, 0x80000000)->table == 0x4000);
}

TEST_CASE("walk cache: peek counts nothing and renews nothing") {
  WalkCache cache(WalkCacheConfig{{0, 0, 2, 0, 0, 0}});
  const AddressSpace space = space_of(5);
  cache.fill(space, 0, {0x1000, 1, Permissions::ReadWrite});
  cache.fill(space, 0x200000, {0x2000, 1, Permissions::ReadWrite});
  CHECK(cache.peek(space, 0)->table == 0x1000);
  CHECK_FALSE(cache.peek(space, 0x400000).has_value());
  cache.fill(space, 0x400000, {0x3000, 1, Permissions::ReadWrite});
  CHECK_FALSE(cache.peek(space, 0).has_value());
  CHECK(cache.counters().lookups == 0);
}

TEST_CASE("walk cache: a new table for the same entry replaces the old one") {
  WalkCache cache(WalkCacheConfig{{0, 0, 2, 0, 0, 0}});
  const AddressSpace space = space_of(5);
  cache.fill(space, 0, {0x1000, 1, Permissions::ReadWrite});
  cache.fill(space, 0x1000, {0x2000, 1, Permissions::Read});
  CHECK(cache.find(space, 0)->table == 0x2000);
  CHECK(cache.invalidate({}) == 1);
}

TEST_CASE("walk cache: invalidation by scope") {
  const auto filled = [] {
    WalkCache cache(WalkCacheConfig{{0, 0, 8, 8, 8, 8}});
    for (const std::uint32_t domain : {5u, 6u}) {
      for (const Address input : {Address{0}, Address{0x200000}, Address{0x40000000}}) {
        for (std::uint8_t level = 3; level >= 1; --level) {
          cache.fill(space_of(domain), input, {0x1000, level, Permissions::ReadWrite});
        }
      }
    }
    return cache;  // per domain: one entry of level 4, two of level 3, three of level 2
  };
  SECTION("global") {
    WalkCache cache = filled();
    CHECK(cache.invalidate({}) == 12);
    CHECK(cache.counters().invalidated == 12);
  }
  SECTION("domain") {
    WalkCache cache = filled();
    CHECK(cache.invalidate(domain_scope(5)) == 6);
    CHECK_FALSE(cache.find(space_of(5), 0).has_value());
    CHECK(cache.find(space_of(6), 0)->level == 1);
  }
  SECTION("one page: every entry on the way to it") {
    WalkCache cache = filled();
    CHECK(cache.invalidate(pages(5, 0x1000, 0x1FFF)) == 3);
    CHECK_FALSE(cache.find(space_of(5), 0).has_value());
    CHECK(cache.find(space_of(5), 0x200000)->level == 1);
    CHECK(cache.find(space_of(5), 0x40000000)->level == 1);
  }
  SECTION("2 MiB elsewhere below the same entries") {
    WalkCache cache = filled();
    CHECK(cache.invalidate(pages(5, 0x400000, 0x5FFFFF)) == 2);  // levels 3 and 4
    CHECK(cache.find(space_of(5), 0)->level == 1);
  }
  SECTION("leaf only: nothing") {
    WalkCache cache = filled();
    CHECK(cache.invalidate(pages(5, 0, ~Address{0}, true)) == 0);
  }
  SECTION("everything of the domain by pages") {
    WalkCache cache = filled();
    CHECK(cache.invalidate(pages(5, 0, ~Address{0})) == 6);
  }
}

}  // namespace
