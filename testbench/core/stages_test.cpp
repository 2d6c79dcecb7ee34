// core::StageTimes: charges, one by one and for the levels of a walk at once.
#include "models/core/stages.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace {

using namespace iommu::core;

TEST_CASE("charges of a stage add up, and what is cleared is as new") {
  StageTimes times;
  times.charge(Stage::Iotlb, 5);
  times.charge(Stage::Iotlb, 7);
  CHECK(times.of(Stage::Iotlb) == 12);
  CHECK(times.of(Stage::Retry) == 0);
  times.clear();
  CHECK(times.of(Stage::Iotlb) == 0);
  CHECK(times.total() == 0);
  times.charge(Stage::Iotlb, 3);
  CHECK(times.of(Stage::Iotlb) == 3);
}

TEST_CASE("the levels of a walk at once are charged as one by one") {
  const auto took = [](unsigned level) { return Tick{100} * level; };
  for (unsigned top = 1; top <= 5; ++top) {
    for (unsigned count = 0; count <= top; ++count) {
      INFO(count << " levels from " << top << " down");
      StageTimes times;
      // Old times, which are no longer charged.
      for (unsigned level = 1; level <= 5; ++level) times.charge(walk_level_stage(level), 1);
      times.clear();
      times.charge(Stage::WalkCache, 7);
      times.charge_levels(top, count, took);
      CHECK(times.of(Stage::WalkCache) == 7);
      CHECK(times.of(Stage::WalkReply) == 0);
      for (unsigned level = 1; level <= 5; ++level) {
        const bool charged = level <= top && level + count > top;
        CHECK(times.of(walk_level_stage(level)) == (charged ? 100 * level : 0));
      }
    }
  }
}

TEST_CASE("the levels of a walk at once add to what has been charged before") {
  StageTimes times;
  times.charge(Stage::WalkLevel4, 50);
  times.charge_levels(4, 2, [](unsigned level) { return Tick{level}; });
  CHECK(times.of(Stage::WalkLevel4) == 54);
  CHECK(times.of(Stage::WalkLevel3) == 3);
  CHECK(times.of(Stage::WalkLevel2) == 0);
  CHECK(times.total() == 57);
}

}  // namespace
