// Resource: contention against closed forms.
#include "models/core/resource.h"

#include <algorithm>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "models/core/random.h"

namespace {

using namespace iommu::core;

TEST_CASE("n users at once on k units of constant occupancy: user i starts at floor(i / k) * occupancy") {
  for (const std::uint32_t units : {1u, 2u, 3u, 8u}) {
    Resource resource(units);
    CHECK(resource.units() == units);
    for (Tick i = 0; i < 50; ++i) CHECK(resource.reserve(1000, 70) == 1000 + i / units * 70);
  }
}

TEST_CASE("users that come at the rate of service or slower never wait") {
  Resource resource(3);
  for (Tick i = 0; i < 100; ++i) CHECK(resource.reserve(i * 30, 90) == i * 30);
}

TEST_CASE("users that come faster than one unit serves: the wait grows by the difference") {
  Resource resource(1);
  for (Tick i = 0; i < 100; ++i) CHECK(resource.reserve(i * 30, 100) == i * 100);
}

TEST_CASE("mixed occupancies take the unit that is free first") {
  Resource resource(2);
  CHECK(resource.reserve(0, 100) == 0);
  CHECK(resource.reserve(0, 30) == 0);
  CHECK(resource.reserve(0, 50) == 30);   // behind the short one, until 80
  CHECK(resource.reserve(10, 10) == 80);  // until 90
  CHECK(resource.reserve(10, 10) == 90);
  CHECK(resource.reserve(10, 10) == 100);
  CHECK(resource.reserve(500, 10) == 500);
}

TEST_CASE("an occupancy of 0 holds nobody up") {
  Resource resource(1);
  CHECK(resource.reserve(5, 0) == 5);
  CHECK(resource.reserve(5, 10) == 5);
  CHECK(resource.reserve(5, 0) == 15);
}

TEST_CASE("begin and release give the same starts as reserve, when each use ends before the next begins") {
  const std::uint64_t seed = 99;
  CAPTURE(seed);
  Random random(seed);
  for (const std::uint32_t units : {1u, 2u, 5u}) {
    Resource known(units);
    Resource later(units);
    Tick now = 0;
    for (int i = 0; i < 1000; ++i) {
      now += random.below(20);
      const Tick occupancy = random.below(60);
      const Tick start = known.reserve(now, occupancy);
      REQUIRE(later.begin(now) == start);
      later.release(start, start + occupancy);
    }
  }
}

TEST_CASE("without limit nobody ever waits") {
  Resource resource(0);
  CHECK(resource.units() == 0);
  for (int i = 0; i < 10; ++i) CHECK(resource.reserve(7, 1000) == 7);
  CHECK(resource.begin(7) == 7);
  resource.release(7, 5000);
  CHECK(resource.begin(8) == 8);
}

TEST_CASE("requests that come with an earlier time than one before are counted, and get the gap that was left") {
  Resource resource(1);
  CHECK(resource.reserve(100, 10) == 100);
  CHECK(resource.reserve(130, 10) == 130);
  CHECK(resource.out_of_order() == 0);
  CHECK(resource.reserve(50, 10) == 50);   // free then
  CHECK(resource.reserve(55, 41) == 140);  // 60 to 100 is one too short, 110 to 130 as well
  CHECK(resource.reserve(55, 40) == 60);   // exactly fits
  CHECK(resource.reserve(55, 21) == 181);  // 110 to 130 is too short
  CHECK(resource.reserve(55, 20) == 110);
  CHECK(resource.reserve(55, 1) == 202);  // 50 to 202 is taken without a gap now
  CHECK(resource.out_of_order() == 6);
}

TEST_CASE("an earlier time than one before is no wait where nothing is taken") {
  Resource resource(1);
  CHECK(resource.reserve(100, 10) == 100);
  CHECK(resource.reserve(130, 0) == 130);
  CHECK(resource.reserve(120, 5) == 120);
  CHECK(resource.reserve(121, 5) == 125);
  CHECK(resource.reserve(104, 5) == 110);
  CHECK(resource.out_of_order() == 3);
}

TEST_CASE("the last 32 uses are remembered: before those everything counts as taken") {
  for (const std::uint32_t uses : {32u, 33u}) {
    CAPTURE(uses);
    Resource resource(1);
    for (Tick i = 1; i <= uses; ++i) CHECK(resource.reserve(100 * i, 10) == 100 * i);
    CHECK(resource.reserve(20, 10) == (uses == 32 ? 20 : 110));
  }
}

TEST_CASE("what is forgotten stays taken when uses that are remembered become one") {
  Resource unit(1);
  for (Tick n = 0; n < 50; ++n) CHECK(unit.reserve(100 * n, 10) == 100 * n);
  // 18 to 49 are remembered. The gap of 90 between 19 and 20 is filled, and is one use with the latter, from 1910 to 2010.
  CHECK(unit.reserve(1905, 90) == 1910);
  // Use 17 was over at 1710.
  CHECK(unit.reserve(0, 5) == 1710);
}

TEST_CASE("a use of unknown length that reaches into the next one joins it") {
  Resource resource(1);
  CHECK(resource.reserve(100, 10) == 100);
  CHECK(resource.begin(90) == 90);
  resource.release(90, 105);
  CHECK(resource.reserve(80, 10) == 80);
  CHECK(resource.reserve(80, 10) == 110);
}

TEST_CASE("with k units the order of calls does not matter as long as somebody is free") {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    CAPTURE(seed);
    Random random(seed);
    Resource resource(2);
    // Uses of 5 at multiples of 5 never need more than two units, in whatever order they are asked for.
    std::vector<Tick> times;
    for (Tick t = 0; t < 30; ++t) times.push_back(5 * t);
    for (std::size_t i = times.size() - 1; i > 0; --i) std::swap(times[i], times[random.below(i + 1)]);
    std::size_t waited = 0;
    for (const Tick t : times) waited += resource.reserve(t, 5) != t;
    CHECK(waited == 0);
  }
}

}  // namespace
