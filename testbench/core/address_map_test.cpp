// AddressMap: what it refuses and with which words, and what it finds at the edges.
#include "models/core/address_map.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

using namespace iommu::core;

namespace {

constexpr Address kLast = 0xFFFFFFFFFFFFFFFF;

AddressMap three() {
  AddressMap map;
  REQUIRE_FALSE(map.add({0x2000, 0x1000, 1, "middle"}));
  REQUIRE_FALSE(map.add({0x1000, 0x1000, 0, "low"}));
  REQUIRE_FALSE(map.add({0x8000, 0x10, 2, "high"}));
  return map;
}

}  // namespace

TEST_CASE("address map: a range holds all of an access or it isn't found") {
  const AddressMap map = three();
  REQUIRE(map.find(0x1000, 1) != nullptr);
  CHECK(map.find(0x1000, 1)->target == 0);
  CHECK(map.find(0x1FFF, 1)->target == 0);
  CHECK(map.find(0x2000, 1)->target == 1);
  CHECK(map.find(0x2000, 0x1000)->target == 1);
  CHECK(map.find(0x2FFF, 1)->target == 1);
  CHECK(map.find(0x800F, 1)->target == 2);
  CHECK(map.find(0x0FFF, 1) == nullptr);
  CHECK(map.find(0x0FFF, 2) == nullptr);
  CHECK(map.find(0x1FFF, 2) == nullptr);  // two ranges
  CHECK(map.find(0x2000, 0x1001) == nullptr);
  CHECK(map.find(0x3000, 1) == nullptr);
  CHECK(map.find(0x8010, 1) == nullptr);
  CHECK(map.find(0, 1) == nullptr);
  CHECK(map.find(kLast, 1) == nullptr);
  CHECK(map.find(0x1000, kLast) == nullptr);
}

TEST_CASE("address map: no length is looked up like one byte") {
  const AddressMap map = three();
  REQUIRE(map.find(0x2FFF, 0) != nullptr);
  CHECK(map.find(0x2FFF, 0)->target == 1);
  CHECK(map.find(0x3000, 0) == nullptr);
}

TEST_CASE("address map: an empty one finds nothing") {
  const AddressMap map;
  CHECK(map.find(0, 0) == nullptr);
  CHECK(map.find(kLast, 1) == nullptr);
}

TEST_CASE("address map: a range may end with the last of all addresses, not go beyond") {
  AddressMap map;
  CHECK(map.add({kLast - 0xF, 0x11, 0, "rom"}) ==
        "rom at 0xfffffffffffffff0 with 0x11 bytes goes beyond the last address");
  CHECK(map.add({kLast, 2, 0, "rom"}) == "rom at 0xffffffffffffffff with 0x2 bytes goes beyond the last address");
  CHECK(map.ranges().empty());
  CHECK_FALSE(map.add({kLast - 0xF, 0x10, 0, "rom"}));
  CHECK_FALSE(map.add({0, kLast - 0xF, 1, "all the rest"}));
  CHECK(map.find(kLast, 1)->target == 0);
  CHECK(map.find(kLast, 2) == nullptr);
  CHECK(map.find(kLast - 0x10, 1)->target == 1);
  CHECK(map.find(0, kLast - 0xF)->target == 1);
}

TEST_CASE("address map: empty and overlapping ranges are refused by name, and change nothing") {
  AddressMap map = three();
  CHECK(map.add({0x5000, 0, 3, "void"}) == "void at 0x5000 is empty");
  CHECK(map.add({0x1FFF, 1, 3, "new"}) == "new (0x1fff to 0x1fff) overlaps low (0x1000 to 0x1fff)");
  CHECK(map.add({0x2FFF, 0x1000, 3, "new"}) == "new (0x2fff to 0x3ffe) overlaps middle (0x2000 to 0x2fff)");
  CHECK(map.add({0x7000, 0x1001, 3, "new"}) == "new (0x7000 to 0x8000) overlaps high (0x8000 to 0x800f)");
  CHECK(map.add({0, 0x1001, 3, "new"}) == "new (0x0 to 0x1000) overlaps low (0x1000 to 0x1fff)");
  CHECK(map.add({0x8000, 0x10, 3, "new"}) == "new (0x8000 to 0x800f) overlaps high (0x8000 to 0x800f)");
  CHECK(map.add({0, kLast, 3, "new"}) == "new (0x0 to 0xfffffffffffffffe) overlaps low (0x1000 to 0x1fff)");
  REQUIRE(map.ranges().size() == 3);
  CHECK_FALSE(map.add({0x3000, 0x5000, 3, "between"}));
  CHECK(map.ranges()[0].name == "low");
  CHECK(map.ranges()[2].name == "between");
  CHECK(map.find(0x7FFF, 1)->target == 3);
}
