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

TEST_CASE("levels of a walk that are written are charged at once") {
  for (unsigned top = 1; top <= 5; ++top) {
    for (unsigned count = 0; count <= top; ++count) {
      INFO(count << " levels from " << top << " down");
      StageTimes times;
      // Old times, which are no longer charged.
      for (unsigned level = 1; level <= 5; ++level) times.charge(walk_level_stage(level), 1);
      times.clear();
      times.charge(Stage::WalkCache, 7);
      CHECK_FALSE(times.levels_charged());
      for (unsigned level = top; level > top - count; --level) times.write_level(level, Tick{100} * level);
      CHECK(times.total() == 7);
      times.charge_written(top, count);
      CHECK(times.levels_charged() == (count != 0));
      CHECK(times.of(Stage::WalkCache) == 7);
      CHECK(times.of(Stage::WalkReply) == 0);
      for (unsigned level = 1; level <= 5; ++level) {
        const bool charged = level <= top && level + count > top;
        CHECK(times.of(walk_level_stage(level)) == (charged ? 100 * level : 0));
      }
    }
  }
}

TEST_CASE("levels of a walk that take the same time are charged at once") {
  for (unsigned top = 1; top <= 5; ++top) {
    for (unsigned count = 0; count <= top; ++count) {
      INFO(count << " levels from " << top << " down");
      StageTimes times;
      times.charge_levels(top, count, 40);
      for (unsigned level = 1; level <= 5; ++level) {
        const bool charged = level <= top && level + count > top;
        CHECK(times.of(walk_level_stage(level)) == (charged ? 40 : 0));
      }
      CHECK(times.total() == 40 * count);
    }
  }
}

TEST_CASE("a level that is charged is known to be") {
  for (unsigned level = 1; level <= 5; ++level) {
    StageTimes times;
    times.charge(Stage::WalkReply, 3);
    times.charge(Stage::WalkCache, 3);
    CHECK_FALSE(times.levels_charged());
    times.charge(walk_level_stage(level), 0);
    CHECK(times.levels_charged());
  }
}

}  // namespace
