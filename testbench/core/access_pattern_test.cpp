// Access patterns of generator masters: literal first accesses, bounds, wrap-around, uniformity, shares, refused
// configurations.
#include "models/core/access_pattern.h"

#include <array>
#include <cstdint>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace {

using iommu::core::Access;
using iommu::core::AccessPattern;
using iommu::core::AccessPatternConfig;
using iommu::core::find_problem;
using iommu::core::Pattern;

AccessPatternConfig config(Pattern pattern, std::uint64_t window_bytes, std::uint32_t transfer_bytes) {
  AccessPatternConfig result;
  result.pattern = pattern;
  result.window_bytes = window_bytes;
  result.transfer_bytes = transfer_bytes;
  result.stride_bytes = 1;
  return result;
}

std::vector<std::uint64_t> offsets(AccessPattern& pattern, int count) {
  std::vector<std::uint64_t> result;
  for (int i = 0; i < count; ++i) result.push_back(pattern.next().offset);
  return result;
}

struct Expected {
  std::uint64_t offset;
  bool write;
  bool escape;
};

void check_first(const AccessPatternConfig& from, const std::vector<Expected>& expected) {
  AccessPattern pattern(from);
  for (const Expected& e : expected) {
    const Access access = pattern.next();
    CHECK(access.offset == e.offset);
    CHECK(access.length == from.transfer_bytes);
    CHECK(access.write == e.write);
    CHECK(access.escape == e.escape);
  }
}

TEST_CASE("The first random accesses are the literal ones") {
  // From an implementation in Python that was written apart from the C++; likewise the next test's.
  AccessPatternConfig c = config(Pattern::kRandom, 1 << 20, 100);
  c.write_percent = 50;
  c.escape_percent = 25;
  c.seed = 2024;
  check_first(c, {{759680, false, false},
                  {744704, true, false},
                  {633088, false, false},
                  {1187840, true, true},
                  {55936, true, false},
                  {985856, false, false},
                  {178176, false, false},
                  {516864, false, false},
                  {10624, false, false},
                  {467840, true, false}});
}

TEST_CASE("The first linear accesses with writes and escapes are the literal ones") {
  AccessPatternConfig c = config(Pattern::kLinear, 10000, 1500);
  c.write_percent = 30;
  c.escape_percent = 30;
  c.seed = 9;
  check_first(c, {{0, false, false},
                  {1500, false, false},
                  {3000, true, false},
                  {147456, true, true},
                  {4500, true, false},
                  {6000, false, false},
                  {7500, false, false},
                  {0, false, false},
                  {151552, true, true},
                  {1500, false, false}});
}

TEST_CASE("Escapes begin behind what is mapped") {
  AccessPatternConfig c = config(Pattern::kLinear, 10000, 1500);
  CHECK(AccessPattern(c).escape_begin() == 12288);
  c.mapped_bytes = 20000;
  CHECK(AccessPattern(c).escape_begin() == 20480);
  CHECK(AccessPattern(c).next().offset == 0);
  c.mapped_bytes = 9999;
  CHECK(find_problem(c) == "mapped_bytes is 9999, must be 10000 to 4611686018427387904");
}

TEST_CASE("Linear accesses wrap to 0 and never cross the window's end") {
  AccessPattern exact(config(Pattern::kLinear, 4096, 1024));
  CHECK(offsets(exact, 9) == std::vector<std::uint64_t>{0, 1024, 2048, 3072, 0, 1024, 2048, 3072, 0});
  AccessPattern odd(config(Pattern::kLinear, 4095, 1024));
  CHECK(offsets(odd, 7) == std::vector<std::uint64_t>{0, 1024, 2048, 0, 1024, 2048, 0});
  AccessPattern single(config(Pattern::kLinear, 100, 100));
  CHECK(offsets(single, 3) == std::vector<std::uint64_t>{0, 0, 0});
}

TEST_CASE("Strided accesses wrap to 0 and never cross the window's end") {
  AccessPatternConfig c = config(Pattern::kStrided, 16384, 64);
  c.stride_bytes = 4096;
  AccessPattern pages(c);
  CHECK(offsets(pages, 9) == std::vector<std::uint64_t>{0, 4096, 8192, 12288, 0, 4096, 8192, 12288, 0});
  c.window_bytes = 12288 + 64;  // the fourth access just fits
  AccessPattern fits(c);
  CHECK(offsets(fits, 5) == std::vector<std::uint64_t>{0, 4096, 8192, 12288, 0});
  c.window_bytes = 12288 + 63;  // and here it just doesn't
  AccessPattern too_long(c);
  CHECK(offsets(too_long, 4) == std::vector<std::uint64_t>{0, 4096, 8192, 0});
  c.stride_bytes = 3;  // overlapping accesses
  c.window_bytes = 70;
  AccessPattern dense(c);
  CHECK(offsets(dense, 5) == std::vector<std::uint64_t>{0, 3, 6, 0, 3});
  c.stride_bytes = UINT64_MAX;  // longer than any window: always the first
  AccessPattern huge(c);
  CHECK(offsets(huge, 3) == std::vector<std::uint64_t>{0, 0, 0});
}

TEST_CASE("Random accesses start at a multiple of the transfer rounded up to 64 bytes and end in the window") {
  struct Case {
    std::uint64_t window;
    std::uint32_t transfer;
    std::uint64_t slot;
    std::uint64_t last;  // offset of the last slot
  };
  const std::array<Case, 7> cases{{{4096, 64, 64, 4032},
                                   {4096, 65, 128, 3968},
                                   {4000, 64, 64, 3904},        // 3968 + 64 > 4000
                                   {4096 + 65, 65, 128, 4096},  // the last slot is short, but the transfer fits
                                   {4096 + 64, 65, 128, 3968},
                                   {1, 1, 64, 0},
                                   {8192, 4096, 4096, 4096}}};
  for (const Case& c : cases) {
    AccessPatternConfig from = config(Pattern::kRandom, c.window, c.transfer);
    from.seed = 31;
    AccessPattern pattern(from);
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 5000; ++i) {
      const Access access = pattern.next();
      REQUIRE(access.offset % c.slot == 0);
      REQUIRE(access.offset + access.length <= c.window);
      seen.insert(access.offset);
    }
    CHECK(*seen.rbegin() == c.last);
    CHECK(seen.size() == c.last / c.slot + 1);  // each slot occurs
  }
}

TEST_CASE("Random accesses are uniform") {
  // 100 slots, not a power of two; 100,000 draws. Chi-square with 99 degrees of freedom: 99.9 % of uniform samples lie
  // below 148.2; and hardly any below 60, which only something too regular would give.
  AccessPatternConfig from = config(Pattern::kRandom, 100 * 4096, 4096);
  from.seed = 12345;
  AccessPattern pattern(from);
  std::array<double, 100> count{};
  for (int i = 0; i < 100000; ++i) count[pattern.next().offset / 4096] += 1;
  double chi_square = 0;
  for (const double c : count) chi_square += (c - 1000) * (c - 1000) / 1000;
  CHECK(chi_square < 148.2);
  CHECK(chi_square > 60);
}

TEST_CASE("Successive random accesses are independent") {
  // Pairs of successive slots of 8: 64 classes, 64,000 pairs. Chi-square with 63 degrees of freedom, 99.9 %: 103.4.
  AccessPatternConfig from = config(Pattern::kRandom, 8 * 64, 64);
  from.seed = 777;
  AccessPattern pattern(from);
  std::array<double, 64> count{};
  for (int i = 0; i < 64000; ++i) {
    const std::uint64_t first = pattern.next().offset / 64;
    count[first * 8 + pattern.next().offset / 64] += 1;
  }
  double chi_square = 0;
  for (const double c : count) chi_square += (c - 1000) * (c - 1000) / 1000;
  CHECK(chi_square < 103.4);
}

TEST_CASE("Writes and escapes have their shares") {
  // 100,000 accesses: 30 % writes (standard deviation 145), 7 % escapes (81); five standard deviations are allowed.
  for (const Pattern kind : {Pattern::kLinear, Pattern::kStrided, Pattern::kRandom}) {
    AccessPatternConfig from = config(kind, 1 << 20, 256);
    from.write_percent = 30;
    from.escape_percent = 7;
    from.seed = 4;
    AccessPattern pattern(from);
    int writes = 0;
    int escapes = 0;
    int escaped_writes = 0;
    for (int i = 0; i < 100000; ++i) {
      const Access access = pattern.next();
      writes += access.write ? 1 : 0;
      escapes += access.escape ? 1 : 0;
      escaped_writes += access.write && access.escape ? 1 : 0;
    }
    CHECK(writes > 30000 - 725);
    CHECK(writes < 30000 + 725);
    CHECK(escapes > 7000 - 405);
    CHECK(escapes < 7000 + 405);
    CHECK(escaped_writes > 2100 - 227);  // 2.1 %: writes and escapes are independent
    CHECK(escaped_writes < 2100 + 227);
  }
}

TEST_CASE("Shares far below one percent hold") {
  AccessPatternConfig from = config(Pattern::kLinear, 4096, 64);
  from.escape_percent = 0.02;  // 200 of 1,000,000; standard deviation 14.1, five allowed
  from.seed = 3;
  AccessPattern pattern(from);
  int escapes = 0;
  for (int i = 0; i < 1000000; ++i) escapes += pattern.next().escape ? 1 : 0;
  CHECK(escapes > 129);
  CHECK(escapes < 271);
}

TEST_CASE("Shares of 0 and 100 percent are exact") {
  AccessPatternConfig from = config(Pattern::kRandom, 4096, 64);
  AccessPattern none(from);
  from.write_percent = 100;
  from.escape_percent = 100;
  AccessPattern all(from);
  for (int i = 0; i < 2000; ++i) {
    const Access reads = none.next();
    CHECK_FALSE(reads.write);
    CHECK_FALSE(reads.escape);
    const Access writes = all.next();
    CHECK(writes.write);
    CHECK(writes.escape);
  }
}

TEST_CASE("Escapes are page-aligned, beyond the window, and inside the announced range") {
  AccessPatternConfig from = config(Pattern::kLinear, 4097, 100);
  from.escape_percent = 50;
  from.seed = 6;
  AccessPattern pattern(from);
  CHECK(pattern.escape_begin() == 8192);  // 4097 rounded up
  CHECK(pattern.escape_end() == 8192 + 63 * 4096 + 100);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 5000; ++i) {
    const Access access = pattern.next();
    if (!access.escape) continue;
    REQUIRE(access.offset % 4096 == 0);
    REQUIRE(access.offset >= 8192);
    REQUIRE(access.offset + access.length <= 8192 + 63 * 4096 + 100);
    seen.insert(access.offset);
  }
  CHECK(seen.size() == 64);
  CHECK(*seen.begin() == 8192);
}

TEST_CASE("Escapes and writes leave the pattern's own accesses as they are") {
  AccessPatternConfig from = config(Pattern::kRandom, 1 << 20, 64);
  from.seed = 8;
  AccessPattern plain(from);
  from.escape_percent = 40;
  from.write_percent = 60;
  AccessPattern mixed(from);
  for (int i = 0; i < 2000; ++i) {
    Access access = mixed.next();
    while (access.escape) access = mixed.next();
    REQUIRE(access.offset == plain.next().offset);
  }
}

TEST_CASE("One configuration always gives the same accesses, another seed gives others") {
  AccessPatternConfig from = config(Pattern::kRandom, 1 << 30, 64);
  from.seed = 10;
  AccessPattern a(from);
  AccessPattern b(from);
  from.seed = 11;
  AccessPattern c(from);
  const auto first = offsets(a, 100);
  CHECK(first == offsets(b, 100));
  CHECK(first != offsets(c, 100));
}

TEST_CASE("The largest window and transfer work") {
  AccessPatternConfig from = config(Pattern::kRandom, std::uint64_t{1} << 62, std::uint32_t{1} << 31);
  from.escape_percent = 50;
  AccessPattern pattern(from);
  CHECK(pattern.escape_begin() == 0x4000000000000000U);
  for (int i = 0; i < 1000; ++i) {
    const Access access = pattern.next();
    CHECK(access.escape == (access.offset >= 0x4000000000000000U));
    CHECK(access.length == 0x80000000U);
  }
}

TEST_CASE("A configuration that makes no sense is refused by name, value and range") {
  const AccessPatternConfig good = config(Pattern::kStrided, 4096, 64);
  CHECK(find_problem(good).empty());
  struct Case {
    const char* message;
    AccessPatternConfig from;
  };
  std::vector<Case> cases(8, Case{nullptr, good});
  cases[0].message = "transfer_bytes is 0, must be 1 to 2147483648";
  cases[0].from.transfer_bytes = 0;
  cases[1].message = "transfer_bytes is 2147483649, must be 1 to 2147483648";
  cases[1].from.transfer_bytes = 2147483649U;
  cases[2].message = "window_bytes is 63, must be 64 to 4611686018427387904";
  cases[2].from.window_bytes = 63;
  cases[3].message = "window_bytes is 4611686018427387905, must be 64 to 4611686018427387904";
  cases[3].from.window_bytes = 4611686018427387905U;
  cases[4].message = "stride_bytes is 0, must be 1 to 18446744073709551615";
  cases[4].from.stride_bytes = 0;
  cases[5].message = "write_percent is 100.5, must be 0 to 100";
  cases[5].from.write_percent = 100.5;
  cases[6].message = "escape_percent is -0.5, must be 0 to 100";
  cases[6].from.escape_percent = -0.5;
  cases[7].message = "write_percent is nan, must be 0 to 100";
  cases[7].from.write_percent = std::numeric_limits<double>::quiet_NaN();
  for (const Case& c : cases) {
    CHECK(find_problem(c.from) == c.message);
    try {
      AccessPattern pattern(c.from);
      FAIL("accepted: " << c.message);
    } catch (const std::invalid_argument& error) {
      CHECK(std::string(error.what()) == c.message);
    }
  }
  AccessPatternConfig linear = good;
  linear.pattern = Pattern::kLinear;
  linear.stride_bytes = 0;  // unused, hence not looked at
  CHECK(find_problem(linear).empty());
}

}  // namespace
