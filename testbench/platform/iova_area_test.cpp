// Fresh logical addresses: in a row, scattered, never in use.
#include "platform/iova_area.h"

#include "testbench/platform/catch.h"

using iommu::platform::IovaArea;

TEST_CASE("IovaArea: ranges come one behind the other and begin anew at the end") {
  IovaArea area(1000, 10, 1);
  CHECK(area.take_range(4) == 1000U);
  CHECK(area.take_range(4) == 1004U);
  CHECK_FALSE(area.take_range(4).has_value());  // two pages at the end are too few
  area.give_back(1000, 4);
  CHECK(area.take_range(4) == 1000U);
  CHECK(area.in_use() == 8);
  area.give_back(1004, 2);
  CHECK_FALSE(area.take_range(4).has_value());  // half of it is in use
  area.give_back(1006, 2);
  CHECK(area.take_range(4) == 1004U);
}

TEST_CASE("IovaArea: scattered pages are free and never twice in a row in one 2 MiB") {
  IovaArea area(1 << 20, 4 * 512, 7);
  std::uint64_t last = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto page = area.take_scattered();
    REQUIRE(page.has_value());
    CHECK(*page >= 1 << 20);
    CHECK(*page < (1 << 20) + 4 * 512);
    CHECK(*page / 512 != last);
    last = *page / 512;
  }
  CHECK(area.in_use() == 1000);  // so all of them differ
}

TEST_CASE("IovaArea: a full area has no scattered page") {
  IovaArea area(0, 2, 1);
  CHECK(area.take_scattered().has_value());
  CHECK(area.take_scattered().has_value());
  CHECK_FALSE(area.take_scattered().has_value());
}
