// Who gets which part of the modeled memory.
#include <set>

#include "platform/physical_frames.h"
#include "testbench/platform/catch.h"

using iommu::platform::memory_ranges;
using iommu::platform::PhysicalFrames;

namespace {
constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = 1 << 30;
}  // namespace

TEST_CASE("memory is reachable up to 3 GiB and from 4 GiB on") {
  CHECK(memory_ranges(128 * kMiB).size() == 1);
  CHECK(memory_ranges(128 * kMiB)[0].bytes == 128 * kMiB);
  CHECK(memory_ranges(4 * kGiB).size() == 1);
  CHECK(memory_ranges(4 * kGiB)[0].bytes == 0xC0000000);
  REQUIRE(memory_ranges(8 * kGiB).size() == 2);
  CHECK(memory_ranges(8 * kGiB)[1].base == 0x100000000);
  CHECK(memory_ranges(8 * kGiB)[1].bytes == 4 * kGiB);
}

TEST_CASE("frames begin above the first MiB, come back, and run out") {
  PhysicalFrames frames(kMiB + 3 * 4096);
  const auto first = frames.allocate();
  REQUIRE(first);
  CHECK(*first == 0x100000);
  CHECK(*frames.allocate() == 0x101000);
  CHECK(*frames.allocate() == 0x102000);
  CHECK_FALSE(frames.allocate());
  CHECK(frames.frames_in_use() == 3);
  frames.free(0x101000);
  CHECK(frames.frames_in_use() == 2);
  CHECK(*frames.allocate() == 0x101000);
  CHECK(frames.most_frames_in_use() == 3);
}

TEST_CASE("ranges are aligned, apart from frames and from each other, and never in the hole") {
  PhysicalFrames frames(5 * kGiB);
  const auto high = frames.allocate_range(kGiB / 2, 1 * kGiB);
  REQUIRE(high);
  CHECK(*high == 0x100000000);
  // What is left above 4 GiB is too small for this one: it goes below the hole, from the top.
  const auto low = frames.allocate_range(kGiB, kGiB);
  REQUIRE(low);
  CHECK(*low == 0x80000000);
  CHECK(*frames.allocate_range(4096, 4096) == 0x120000000);
  CHECK(*frames.allocate() == 0x100000);
  CHECK_FALSE(frames.allocate_range(4 * kGiB, 4096));
  // A device that reaches 32 bits only.
  CHECK(*frames.allocate_range(4096, 4096, 0xFFFFFFFF) == 0x7FFFF000);
  CHECK(*frames.allocate_range(4096, 4096, 0x1FFFFF) == 0x1FF000);
  CHECK_FALSE(frames.allocate_range(kMiB, 4096, 0x1FFFFF));
  // Frames never reach into a range.
  PhysicalFrames small(kMiB + 4 * 4096);
  CHECK(*small.allocate_range(2 * 4096, 4096) == 0x102000);
  CHECK(*small.allocate() == 0x100000);
  CHECK(*small.allocate() == 0x101000);
  CHECK_FALSE(small.allocate());
  CHECK_FALSE(small.allocate_range(4096, 4096));
}
