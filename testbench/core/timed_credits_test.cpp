#include "models/core/timed_credits.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

using iommu::core::TimedCredits;

TEST_CASE("Timed credits: the earliest time at which enough are free", "[pcie]") {
  TimedCredits credits(4);
  CHECK(credits.earliest(10, 4) == 10);
  credits.hold(2, 100);
  credits.hold(1, 50);
  CHECK(credits.earliest(10, 1) == 10);
  CHECK(credits.earliest(10, 2) == 50);
  CHECK(credits.earliest(10, 3) == 100);
  CHECK(credits.earliest(10, 4) == 100);
  CHECK(credits.earliest(50, 2) == 50);
  CHECK(credits.earliest(99, 4) == 100);
  CHECK(credits.earliest(100, 4) == 100);
  CHECK(credits.earliest(100, 5) == TimedCredits::kNever);
}

TEST_CASE("Timed credits: none means without limit", "[pcie]") {
  TimedCredits credits(0);
  credits.hold(1000, 1000);
  CHECK(credits.earliest(3, 1000) == 3);
}
