// FreeReservedLogicalAddressRange (sheet 3.21, 3.1 item 7, OP-12, OP-31).
//
//   condition                                            status
//   ---------------------------------------------------  ---------------------------------------------------
//   NULL, freed before, no token of this system          STATUS_INVALID_PARAMETER_1, diagnostic
//   another thread frees it at the same time             STATUS_INVALID_PARAMETER_1, diagnostic
//   a segment is mapped, whatever its permissions        STATUS_RESOURCE_IN_USE, nothing changed
//   a unit does not answer                               STATUS_UNSUCCESSFUL; the token is gone, its addresses and
//                                                        tables stay taken
//   else                                                 STATUS_SUCCESS; frames and addresses are free again
//
// The race between threads is in test_concurrent_reservations.cpp.
#include "testbench/api/attached_domain.h"

using fake::AttachedDomain;
using fake::Seen;
using Segment = IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT;

TEST_CASE("FreeReservedLogicalAddressRange gives frames and addresses back", "[free_reserved]") {
  AttachedDomain f(0);
  const fake::Snapshot before = fake::snapshot(f.machine);
  const auto token = f.reserve_at(0x3FFFF000, 0x2000);
  Segment segment{};
  REQUIRE(f.map_reserved(token, 0, fake::contiguous(0x700000, 0x2000), segment) == STATUS_SUCCESS);
  REQUIRE(f.write(0x3FFFF000).ok);
  REQUIRE(f.v2.UnmapReservedLogicalRange(&segment) == STATUS_SUCCESS);
  CHECK(f.machine.frames.in_use() == before.frames + 5);
  CHECK(f.v2.FreeReservedLogicalAddressRange(token) == STATUS_SUCCESS);
  CHECK(f.machine.frames.in_use() == before.frames);
  CHECK(f.machine.system->token_count() == 0);
  CHECK(f.write(0x3FFFF000) == "not mapped");
  f.map_at(0x3FFFF000, fake::contiguous(0x900000, 0x2000));
  CHECK(f.write(0x3FFFF000).physical == 0x900000);
  CHECK(f.write(0x40000FFF).physical == 0x901FFF);

  AttachedDomain buddy(14);  // four pages
  const auto all = buddy.reserve_any(0x3000);
  CHECK(buddy.v2.FreeReservedLogicalAddressRange(all) == STATUS_SUCCESS);
  CHECK(buddy.map_any(fake::contiguous(0x100000, 0x4000)) == 0);
}

TEST_CASE("FreeReservedLogicalAddressRange refuses while a segment is mapped", "[free_reserved]") {
  AttachedDomain f(0);
  const auto token = f.reserve_at(0x10000, 0x4000);
  Segment first{};
  Segment second{};
  REQUIRE(f.map_reserved(token, 0x0, fake::contiguous(0x700000, 0x1000), first) == STATUS_SUCCESS);
  REQUIRE(f.map_reserved(token, 0x3000, fake::contiguous(0x800000, 0x1000), second, IOMMU_ACCESS_NONE) ==
          STATUS_SUCCESS);
  const auto free = [&] { return f.v2.FreeReservedLogicalAddressRange(token); };
  CHECK(f.unchanged(free) == STATUS_RESOURCE_IN_USE);
  REQUIRE(f.v2.UnmapReservedLogicalRange(&first) == STATUS_SUCCESS);
  CHECK(f.unchanged(free) == STATUS_RESOURCE_IN_USE);
  // The token works on.
  CHECK(f.map_reserved(token, 0x0, fake::contiguous(0x700000, 0x1000), first) == STATUS_SUCCESS);
  CHECK(f.write(0x10000).physical == 0x700000);
  REQUIRE(f.v2.UnmapReservedLogicalRange(&first) == STATUS_SUCCESS);
  REQUIRE(f.v2.UnmapReservedLogicalRange(&second) == STATUS_SUCCESS);
  CHECK(free() == STATUS_SUCCESS);
  CHECK(f.machine.host.diagnostics.empty());
}

TEST_CASE("FreeReservedLogicalAddressRange recognises pointers that are no token", "[free_reserved]") {
  AttachedDomain f(0);
  AttachedDomain other(0);
  const auto foreign = other.reserve_at(0x1000, 0x1000);
  f.machine.make_current();
  const auto free = [&](PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token) {
    return f.unchanged([&] { return f.v2.FreeReservedLogicalAddressRange(token); });
  };
  const char* function = "FreeReservedLogicalAddressRange";
  CHECK(free(nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported(function, "token: parameter 1 is NULL") == 1);
  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN made_up{0x1000, 0x1000};
  CHECK(free(&made_up) == STATUS_INVALID_PARAMETER_1);
  CHECK(free(reinterpret_cast<PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN>(std::uintptr_t{0x10})) == STATUS_INVALID_PARAMETER_1);
  CHECK(free(foreign) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported(function, "token: parameter 1 is no such handle") == 3);
  const auto token = f.reserve_at(0x1000, 0x1000);
  CHECK(f.v2.FreeReservedLogicalAddressRange(token) == STATUS_SUCCESS);
  CHECK(free(token) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported(function, "token: parameter 1 was deleted before") == 1);
  CHECK(other.v2.FreeReservedLogicalAddressRange(foreign) == STATUS_SUCCESS);
}

TEST_CASE("FreeReservedLogicalAddressRange: the last 1024 freed tokens are remembered", "[free_reserved]") {
  AttachedDomain f(32);
  std::vector<PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN> freed;
  for (unsigned i = 0; i < 1100; ++i) {
    const auto token = f.reserve_any(0x1000);
    REQUIRE(f.v2.FreeReservedLogicalAddressRange(token) == STATUS_SUCCESS);
    freed.push_back(token);
  }
  for (std::size_t i = freed.size() - 1024; i < freed.size(); ++i) {
    CHECK(f.v2.FreeReservedLogicalAddressRange(freed[i]) == STATUS_INVALID_PARAMETER_1);
  }
  CHECK(f.machine.host.reported("FreeReservedLogicalAddressRange", "token: parameter 1 was deleted before") == 1024);
}

TEST_CASE("FreeReservedLogicalAddressRange keeps tables that others need", "[free_reserved]") {
  AttachedDomain f(0);
  const std::size_t frames = f.machine.frames.in_use();
  const auto left = f.reserve_at(0x1000, 0x1000);
  const auto right = f.reserve_at(0x2000, 0x400000);  // three tables of level 1, the middle one wholly
  f.map_at(0x600000, fake::contiguous(0x500000, 0x1000));
  CHECK(f.machine.frames.in_use() == frames + 6);
  f.unit.seen.clear();
  CHECK(f.v2.FreeReservedLogicalAddressRange(right) == STATUS_SUCCESS);
  CHECK(f.machine.frames.in_use() == frames + 4);
  REQUIRE(f.write(0x600000).physical == 0x500000);
  CHECK(f.unmap(0x600000, 1) == STATUS_SUCCESS);
  CHECK(f.machine.frames.in_use() == frames + 3);
  f.machine.frames.budget = 0;
  Segment segment{};
  REQUIRE(f.map_reserved(left, 0, fake::contiguous(0x700000, 0x1000), segment) == STATUS_SUCCESS);
  CHECK(f.write(0x1000).physical == 0x700000);
  REQUIRE(f.v2.UnmapReservedLogicalRange(&segment) == STATUS_SUCCESS);
  CHECK(f.v2.FreeReservedLogicalAddressRange(left) == STATUS_SUCCESS);
  CHECK(f.machine.frames.in_use() == frames);
}

TEST_CASE("FreeReservedLogicalAddressRange invalidates tables before their frames are free", "[free_reserved]") {
  AttachedDomain f(0);
  const auto token = f.reserve_at(0x200000, 0x4000);
  CHECK(f.write(0x200000) == "not mapped");  // caches the tables above
  const std::size_t frames = f.machine.frames.in_use();
  std::size_t during = 0;
  f.machine.host.on_relax.emplace_back([&] { during = f.machine.frames.in_use(); });
  f.unit.latency = 3;
  f.unit.seen.clear();
  CHECK(f.v2.FreeReservedLogicalAddressRange(token) == STATUS_SUCCESS);
  CHECK(during == frames);
  CHECK(f.machine.frames.in_use() == frames - 3);
  REQUIRE(f.unit.seen.size() == 2);
  CHECK(f.unit.seen[0] == Seen{Seen::IotlbPages, f.did, 0, 0x200000, 2, false, true});
  // The frames come back as another domain's tables: nothing of them is reached.
  f.map_at(0x200000, fake::contiguous(0x900000, 0x1000));
  CHECK(f.write(0x200000).physical == 0x900000);
}

TEST_CASE("FreeReservedLogicalAddressRange without devices, or without a table to take out, reaches no unit",
          "[free_reserved]") {
  AttachedDomain f(0);
  f.map_at(0x1000, fake::contiguous(0x500000, 0x1000));
  const auto token = f.reserve_at(0x2000, 0x1000);
  const auto accesses = f.unit.accesses;
  CHECK(f.v2.FreeReservedLogicalAddressRange(token) == STATUS_SUCCESS);
  CHECK(f.unit.accesses == accesses);
  const auto lonely = f.reserve_at(0x40000000, 0x1000);
  REQUIRE(f.v2.DetachDeviceEx(f.device) == STATUS_SUCCESS);
  const auto later = f.unit.accesses;
  CHECK(f.v2.FreeReservedLogicalAddressRange(lonely) == STATUS_SUCCESS);
  CHECK(f.unit.accesses == later);
}

TEST_CASE("FreeReservedLogicalAddressRange: a unit that does not answer", "[free_reserved]") {
  fake::Options options;
  options.policy.poll_limit = 50;
  AttachedDomain f(0, options);
  const auto token = f.reserve_at(0x40000000, 0x1000);
  const std::size_t frames = f.machine.frames.in_use();
  f.unit.deaf = true;
  CHECK(f.v2.FreeReservedLogicalAddressRange(token) == STATUS_UNSUCCESSFUL);
  CHECK(f.machine.frames.in_use() == frames);
  CHECK(f.machine.system->token_count() == 0);
  CHECK(f.v2.FreeReservedLogicalAddressRange(token) == STATUS_INVALID_PARAMETER_1);
  // The addresses may still be translated by what the unit has cached: nobody else gets them.
  std::uint64_t at = 0x40000000;
  auto physical = fake::contiguous(0x1000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS out = 0;
  CHECK(f.v2.MapLogicalRangeEx(f.domain, 3, &physical, &at, nullptr, nullptr, &out) == STATUS_RESOURCE_IN_USE);
}
