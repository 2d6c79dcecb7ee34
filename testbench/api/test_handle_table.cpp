// Handles: what tells good ones from others, a million uses of one slot, and what comes after the last generation.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <memory>

#include "api/handle_table.h"

namespace {

struct Opaque;
using Table = iommu::api::HandleTable<int, Opaque>;
using iommu::api::HandleState;

constexpr std::uint16_t kSerial = 3;

HandleState state_of(const Table& table, const Opaque* handle, std::uint16_t serial = kSerial) {
  HandleState state = HandleState::Good;
  (void)table.find(handle, serial, state);
  return state;
}

Opaque* insert(Table& table, int value) { return table.insert(std::make_shared<int>(value), kSerial); }

}  // namespace

TEST_CASE("a handle is good, NULL, unknown, foreign or stale", "[handles]") {
  Table table(0xD0, 100);
  Opaque* const first = insert(table, 1);
  Opaque* const second = insert(table, 2);
  HandleState state = HandleState::Null;
  CHECK(*table.find(first, kSerial, state) == 1);
  CHECK(state == HandleState::Good);
  CHECK(*table.find(second, kSerial, state) == 2);
  CHECK(state_of(table, nullptr) == HandleState::Null);
  CHECK(state_of(table, first, 4) == HandleState::Foreign);
  CHECK(state_of(table, reinterpret_cast<Opaque*>(std::uintptr_t{0x1238})) == HandleState::Unknown);
  CHECK(state_of(Table(0xDE, 100), first) == HandleState::Unknown);  // another kind
  table.erase(first);
  CHECK(state_of(table, first) == HandleState::Stale);
  CHECK(state_of(table, second) == HandleState::Good);
  CHECK(table.size() == 1);
}

TEST_CASE("the limit counts objects that exist", "[handles]") {
  Table table(0xD0, 2);
  Opaque* const first = insert(table, 1);
  (void)insert(table, 2);
  CHECK(table.full());
  table.erase(first);
  CHECK_FALSE(table.full());
  Opaque* const third = insert(table, 3);
  CHECK(table.full());
  CHECK(third != first);
  CHECK(state_of(table, first) == HandleState::Stale);
}

TEST_CASE("one slot is used 1,048,576 times and never again", "[handles]") {
  constexpr unsigned kUses = 1'048'576;
  Table table(0xD0, 1);
  Opaque* const first = insert(table, 0);
  Opaque* last = first;
  for (unsigned use = 1; use < kUses; ++use) {
    table.erase(last);
    Opaque* const next = insert(table, 0);
    // Generations ascend: none comes twice.
    if (reinterpret_cast<std::uintptr_t>(next) != reinterpret_cast<std::uintptr_t>(last) + (1u << 20)) {
      FAIL("use " << use << " of the slot has not the next generation");
    }
    if (state_of(table, last) != HandleState::Stale) FAIL("a stale handle is not known as such, use " << use);
    last = next;
  }
  CHECK(state_of(table, first) == HandleState::Stale);
  CHECK(state_of(table, last) == HandleState::Good);
  CHECK(table.full());
  table.erase(last);
  CHECK(table.size() == 0);
  CHECK_FALSE(table.full());
  // The next object has a slot of its own; all handles of the first slot stay stale.
  Opaque* const next = insert(table, 7);
  CHECK((reinterpret_cast<std::uintptr_t>(next) & 0xFFFFF) == 1);
  CHECK(state_of(table, next) == HandleState::Good);
  CHECK(state_of(table, first) == HandleState::Stale);
  CHECK(state_of(table, last) == HandleState::Stale);
  CHECK(table.size() == 1);
  CHECK(table.full());
}
