// The generator against published vectors of its two algorithms, and its bounded draw.
#include "models/core/random.h"

#include <array>
#include <cstdint>
#include <vector>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace {

using iommu::core::kGoldenGamma;
using iommu::core::mix64;
using iommu::core::Random;

TEST_CASE("mix64 and the golden gamma are splitmix64's") {
  // The widely published sequence of splitmix64 from seed 1234567.
  const std::array<std::uint64_t, 5> published{6457827717110365317U, 3203168211198807973U, 9817491932198370423U,
                                               4593380528125082431U, 16408922859458223821U};
  std::uint64_t state = 1234567;
  for (const std::uint64_t expected : published) CHECK(mix64(state += kGoldenGamma) == expected);
}

TEST_CASE("xoshiro256** from state 1, 2, 3, 4 gives the published sequence") {
  // The reference vector that other implementations of xoshiro256** test against.
  const std::array<std::uint64_t, 10> published{11520U,
                                                0U,
                                                1509978240U,
                                                1215971899390074240U,
                                                1216172134540287360U,
                                                607988272756665600U,
                                                16172922978634559625U,
                                                8476171486693032832U,
                                                10595114339597558777U,
                                                2904607092377533576U};
  Random random(std::array<std::uint64_t, 4>{1, 2, 3, 4});
  for (const std::uint64_t expected : published) CHECK(random.next() == expected);
}

TEST_CASE("Seed and stream select the sequence") {
  // Literals from an implementation in Python that was written apart from the C++.
  Random one(1);
  CHECK(one.next() == 12966619160104079557U);
  Random streamed(42, 3);
  CHECK(streamed.next() == 13501748119026886494U);
  CHECK(streamed.next() == 13160460293814753922U);
  CHECK(streamed.next() == 17489773685122496761U);
  CHECK(Random(1, 1).next() != Random(1, 2).next());
  CHECK(Random(1, 1).next() != Random(2, 1).next());
}

TEST_CASE("below draws without bias and stays below its bound") {
  Random random(7);
  // Literals from the same Python implementation.
  const std::array<std::uint64_t, 12> expected{4, 4, 8, 4, 4, 1, 6, 6, 8, 9, 3, 6};
  for (const std::uint64_t value : expected) CHECK(random.below(10) == value);
  for (int i = 0; i < 100; ++i) CHECK(random.below(1) == 0);
}

TEST_CASE("below draws again where the last part of the range would favour small numbers") {
  // A bound just above one half of 2^64 rejects about every second value: 2^63 - 1 of the 2^64.
  Random random(7);
  const std::uint64_t bound = (std::uint64_t{1} << 63) + 1;
  CHECK(random.below(bound) == 3699983033973700185U);
  CHECK(random.below(bound) == 6265020869637863829U);
  CHECK(random.below(bound) == 8874686607794401855U);
  CHECK(random.below(bound) == 9054773939583320855U);
  // A remainder without rejection would put two thirds of the draws below a bound's first half when 2^64 is 1.5 times
  // the bound.
  const std::uint64_t two_thirds = 0xaaaaaaaaaaaaaaabU;
  int low = 0;
  for (int i = 0; i < 10000; ++i) low += random.below(two_thirds) < two_thirds / 2 ? 1 : 0;
  CHECK(low > 4800);
  CHECK(low < 5200);
}

TEST_CASE("A bound of 0 stands for 2^64") {
  Random a(99);
  Random b(99);
  for (int i = 0; i < 10; ++i) CHECK(a.below(0) == b.next());
}

TEST_CASE("chance is never at 0, always at the whole, and draws the same number of times") {
  Random a(5);
  Random b(5);
  for (int i = 0; i < 1000; ++i) {
    CHECK_FALSE(a.chance(0, 100));
    CHECK(b.chance(100, 100));
  }
  CHECK(a.next() == b.next());
}

}  // namespace
