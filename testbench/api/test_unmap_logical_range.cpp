// UnmapLogicalRange (sheet 3.12, OP-7, OP-12, OP-17, OP-19, OP-31).
//
//   condition                                                    status
//   -----------------------------------------------------------  -----------------------------------------
//   bad handle (diagnostic); domain not Translate                STATUS_INVALID_PARAMETER_1
//   address not aligned                                          STATUS_INVALID_PARAMETER_2
//   no pages, or the range wraps around                          STATUS_INVALID_PARAMETER_3
//   a page that MapLogicalRangeEx did not map                    STATUS_INVALID_PARAMETER
//   no frame to split a large page that is unmapped in part      STATUS_INSUFFICIENT_RESOURCES
//   else                                                         STATUS_SUCCESS; no translation of the range
//                                                                is cached any more
//   several errors                                               the first one of this table
//   any failure                                                  nothing changed
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

using fake::Seen;

namespace {

struct Fixture {
  explicit Fixture(unsigned buddy_width, const fake::Options& options = {},
                   PIOMMU_DMA_RESERVED_REGION regions = nullptr)
      : machine(options), v2(machine.v2()), domain(machine.domain(buddy_width, regions)), unit(*machine.units[0]) {
    if (v2.AttachDeviceEx(domain, machine.device("nic0")) != STATUS_SUCCESS) throw std::runtime_error("attach failed");
    did = unit.context(fake::kNic).did;
  }
  ~Fixture() { CHECK(machine.breaches.empty()); }

  void map_at(std::uint64_t logical, std::uint64_t physical_base, std::uint64_t bytes, ULONG permissions = 3) {
    auto physical = fake::contiguous(physical_base, bytes);
    IOMMU_DMA_LOGICAL_ADDRESS out = 0;
    if (v2.MapLogicalRangeEx(domain, permissions, &physical, &logical, nullptr, nullptr, &out) != STATUS_SUCCESS) {
      throw std::runtime_error("map failed");
    }
  }
  std::uint64_t map_any(std::uint64_t bytes) {
    auto physical = fake::contiguous(0x100000, bytes);
    IOMMU_DMA_LOGICAL_ADDRESS out = 0;
    if (v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &out) != STATUS_SUCCESS) {
      throw std::runtime_error("map failed");
    }
    return out;
  }
  NTSTATUS unmap(std::uint64_t logical, std::uint64_t pages) { return v2.UnmapLogicalRange(domain, logical, pages); }
  void refuses(NTSTATUS status, std::uint64_t logical, std::uint64_t pages) {
    const fake::Snapshot before = fake::snapshot(machine);
    CHECK(unmap(logical, pages) == status);
    CHECK(fake::snapshot(machine) == before);
  }

  fake::Machine machine;
  const DMA_IOMMU_INTERFACE_V2& v2;
  PIOMMU_DMA_DOMAIN domain;
  fake::Unit& unit;
  unsigned did = 0;
};

}  // namespace

TEST_CASE("UnmapLogicalRange: DMA through the range is blocked, whatever was cached", "[unmap]") {
  Fixture f(0);
  f.map_at(0x10000, 0x500000, 0x4000);
  REQUIRE(f.unit.dma(fake::kNic, 0x10000, true).ok);
  REQUIRE(f.unit.dma(fake::kNic, 0x12000, true).ok);
  CHECK(f.unmap(0x10000, 4) == STATUS_SUCCESS);
  for (std::uint64_t page = 0x10000; page < 0x14000; page += 0x1000) {
    CHECK(f.unit.dma(fake::kNic, page, false) == "not mapped");
  }
  f.refuses(STATUS_INVALID_PARAMETER, 0x10000, 4);
}

TEST_CASE("UnmapLogicalRange gives the tables back", "[unmap]") {
  Fixture f(0);
  const std::size_t frames = f.machine.frames.in_use();
  f.map_at(0x3FFFF000, 0x500000, 0x2000);
  CHECK(f.machine.frames.in_use() == frames + 5);
  CHECK(f.unmap(0x3FFFF000, 1) == STATUS_SUCCESS);
  CHECK(f.machine.frames.in_use() == frames + 3);
  CHECK(f.unmap(0x40000000, 1) == STATUS_SUCCESS);
  CHECK(f.machine.frames.in_use() == frames);
}

TEST_CASE("UnmapLogicalRange: part of a mapping, and several mappings at once", "[unmap]") {
  Fixture f(0);
  f.map_at(0x10000, 0x500000, 0x4000);
  f.map_at(0x14000, 0x900000, 0x2000, 1);
  for (std::uint64_t page = 0x10000; page < 0x16000; page += 0x1000) REQUIRE(f.unit.dma(fake::kNic, page, false).ok);
  CHECK(f.unmap(0x13000, 2) == STATUS_SUCCESS);
  CHECK(f.unit.dma(fake::kNic, 0x12000, false).physical == 0x502000);
  CHECK(f.unit.dma(fake::kNic, 0x13000, false) == "not mapped");
  CHECK(f.unit.dma(fake::kNic, 0x14000, false) == "not mapped");
  CHECK(f.unit.dma(fake::kNic, 0x15000, false).physical == 0x901000);
  f.refuses(STATUS_INVALID_PARAMETER, 0x12000, 2);
  // The hole can be mapped again.
  f.map_at(0x13000, 0xA00000, 0x2000);
  CHECK(f.unit.dma(fake::kNic, 0x13000, true).physical == 0xA00000);
  CHECK(f.unmap(0x10000, 6) == STATUS_SUCCESS);
}

TEST_CASE("UnmapLogicalRange: wrong domain, address, length", "[unmap]") {
  Fixture f(0);
  f.map_at(0x10000, 0x500000, 0x2000);
  CHECK(f.v2.UnmapLogicalRange(nullptr, 0x10000, 1) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported("UnmapLogicalRange", "domain: parameter 1 is NULL") == 1);
  CHECK(f.v2.UnmapLogicalRange(f.machine.pass_through(), 0x10000, 1) == STATUS_INVALID_PARAMETER_1);
  f.refuses(STATUS_INVALID_PARAMETER_2, 0x10800, 1);
  f.refuses(STATUS_INVALID_PARAMETER_3, 0x10000, 0);
  f.refuses(STATUS_INVALID_PARAMETER_3, 0x10000, ~std::uint64_t{0});
  f.refuses(STATUS_INVALID_PARAMETER_3, 0xFFFFFFFFFFFFF000, 2);
  f.refuses(STATUS_INVALID_PARAMETER, 0xFFFFFFFFFFFFF000, 1);
  f.refuses(STATUS_INVALID_PARAMETER, 0x10000, 3);
  f.refuses(STATUS_INVALID_PARAMETER, 0xF000, 2);
  f.refuses(STATUS_INVALID_PARAMETER, 0x20000, 1);
  // In order.
  f.refuses(STATUS_INVALID_PARAMETER_2, 0x10001, 0);
  CHECK(f.v2.UnmapLogicalRange(nullptr, 0x10001, 0) == STATUS_INVALID_PARAMETER_1);
}

TEST_CASE("UnmapLogicalRange refuses reserved regions, mapped or not", "[unmap]") {
  IOMMU_DMA_RESERVED_REGION unmapped{};
  unmapped.Base = 0x7000;
  unmapped.NumberOfPages = 1;
  IOMMU_DMA_RESERVED_REGION mapped{};
  mapped.Base = 0x9000;
  mapped.NumberOfPages = 2;
  mapped.ShouldMap = TRUE;
  mapped.RegionNext = &unmapped;
  Fixture f(0, {}, &mapped);
  f.map_at(0x8000, 0x500000, 0x1000);
  f.refuses(STATUS_INVALID_PARAMETER, 0x7000, 1);
  f.refuses(STATUS_INVALID_PARAMETER, 0x9000, 2);
  f.refuses(STATUS_INVALID_PARAMETER, 0x8000, 2);
  CHECK(f.unmap(0x8000, 1) == STATUS_SUCCESS);
  CHECK(f.unit.dma(fake::kNic, 0x9000, true).physical == 0x9000);
}

TEST_CASE("UnmapLogicalRange refuses pages of identity calls and of tokens", "[unmap]") {
  Fixture f(0);
  f.map_at(0x21000, 0x500000, 0x1000);
  auto identity = fake::contiguous(0x20000, 0x1000);
  REQUIRE(f.v2.MapIdentityRangeEx(f.domain, 3, &identity) == STATUS_SUCCESS);
  std::uint64_t at = 0x22000;
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
  REQUIRE(f.v2.ReserveLogicalAddressRange(f.domain, 0x2000, &at, nullptr, nullptr, &token) == STATUS_SUCCESS);
  auto physical = fake::contiguous(0x700000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT segment{};
  REQUIRE(f.v2.MapReservedLogicalRange(token, 0, 3, &physical, &segment) == STATUS_SUCCESS);
  f.refuses(STATUS_INVALID_PARAMETER, 0x20000, 1);
  f.refuses(STATUS_INVALID_PARAMETER, 0x20000, 2);
  f.refuses(STATUS_INVALID_PARAMETER, 0x22000, 1);  // mapped by the token
  f.refuses(STATUS_INVALID_PARAMETER, 0x23000, 1);  // reserved by it
  f.refuses(STATUS_INVALID_PARAMETER, 0x21000, 2);
  CHECK(f.unmap(0x21000, 1) == STATUS_SUCCESS);
  CHECK(f.unit.dma(fake::kNic, 0x20000, true).physical == 0x20000);
  CHECK(f.unit.dma(fake::kNic, 0x22000, true).physical == 0x700000);
}

TEST_CASE("UnmapLogicalRange: a block is reusable when all its pages are unmapped", "[unmap]") {
  Fixture f(16);  // 16 pages
  REQUIRE(f.map_any(0x8000) == 0);
  REQUIRE(f.map_any(0x8000) == 0x8000);
  CHECK(f.unmap(0x0, 7) == STATUS_SUCCESS);
  auto physical = fake::contiguous(0x100000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS out = 0;
  CHECK(f.v2.MapLogicalRangeEx(f.domain, 3, &physical, nullptr, nullptr, nullptr, &out) ==
        STATUS_INSUFFICIENT_RESOURCES);
  CHECK(f.unmap(0x7000, 1) == STATUS_SUCCESS);
  CHECK(f.map_any(0x8000) == 0);
  // A span over several blocks frees both.
  CHECK(f.unmap(0x0, 16) == STATUS_SUCCESS);
  CHECK(f.map_any(0x10000) == 0);
}

TEST_CASE("UnmapLogicalRange splits a large page that goes in part", "[unmap]") {
  for (const std::uint64_t large : {0x200000ull, 0x40000000ull}) {
    Fixture f(0);
    INFO("page of " << large);
    const std::size_t frames = f.machine.frames.in_use();
    f.map_at(0x40000000, 0x80000000, large, IOMMU_ACCESS_WRITE);
    REQUIRE(f.unit.dma(fake::kNic, 0x40005000, true).page_bytes == large);
    CHECK(f.unmap(0x40005000, 2) == STATUS_SUCCESS);
    CHECK(f.unit.dma(fake::kNic, 0x40005000, true) == "not mapped");
    CHECK(f.unit.dma(fake::kNic, 0x40006FFF, true) == "not mapped");
    CHECK(f.unit.dma(fake::kNic, 0x40004FFF, true).physical == 0x80004FFF);
    CHECK(f.unit.dma(fake::kNic, 0x40007000, true).physical == 0x80007000);
    CHECK(f.unit.dma(fake::kNic, 0x40007000, false) == "no read permission");
    CHECK(f.unit.dma(fake::kNic, 0x40000000 + large - 1, true).physical == 0x80000000 + large - 1);
    CHECK(f.unit.walk(fake::kNic, 0x40000000 + large, true) == "not mapped");
    if (large == 0x40000000) CHECK(f.unit.walk(fake::kNic, 0x40200000, true).page_bytes == 0x200000);
    // And goes altogether.
    CHECK(f.unmap(0x40000000, 5) == STATUS_SUCCESS);
    CHECK(f.unmap(0x40007000, large / 0x1000 - 7) == STATUS_SUCCESS);
    CHECK(f.unit.dma(fake::kNic, 0x40000000 + large - 1, true) == "not mapped");
    CHECK(f.machine.frames.in_use() == frames);
  }
}

TEST_CASE("UnmapLogicalRange without frames to split a large page changes nothing", "[unmap]") {
  Fixture f(0);
  f.map_at(0x40000000, 0x80000000, 0x40000000);
  REQUIRE(f.unit.dma(fake::kNic, 0x40000000, true).ok);
  // One level-2 table, and a level-1 table at each end of the range.
  for (std::uint64_t budget = 0; budget < 3; ++budget) {
    f.machine.frames.budget = budget;
    f.refuses(STATUS_INSUFFICIENT_RESOURCES, 0x40001000, 0x3FFFE);
    CHECK(f.unit.walk(fake::kNic, 0x40001000, true).page_bytes == 0x40000000);
  }
  f.machine.frames.budget = 3;
  CHECK(f.unmap(0x40001000, 0x3FFFE) == STATUS_SUCCESS);
  CHECK(f.machine.frames.budget == 0);
  CHECK(f.unit.dma(fake::kNic, 0x40000FFF, true).physical == 0x80000FFF);
  CHECK(f.unit.dma(fake::kNic, 0x7FFFF000, true).physical == 0xBFFFF000);
  CHECK(f.unit.dma(fake::kNic, 0x40001000, true) == "not mapped");
  CHECK(f.unit.dma(fake::kNic, 0x7FFFEFFF, true) == "not mapped");
}

TEST_CASE("UnmapLogicalRange invalidates the smallest aligned range that covers the pages", "[unmap]") {
  Fixture f(0);
  f.map_at(0, 0x500000, 0x400000, 1);
  f.map_at(0x1000000, 0x501000, 0x400000);  // 4 KiB pages: the physical side is not aligned to 2 MiB
  const auto unmapped = [&](std::uint64_t logical, std::uint64_t pages) {
    f.unit.seen.clear();
    REQUIRE(f.unmap(logical, pages) == STATUS_SUCCESS);
    REQUIRE(f.unit.seen.size() == 2);
    REQUIRE(f.unit.seen[1].kind == Seen::Wait);
    return f.unit.seen[0];
  };
  // Leaves only: IH = 1. Draining as CAP.DRD and CAP.DWD have it.
  CHECK(unmapped(0x1000000, 1) == Seen{Seen::IotlbPages, f.did, 0, 0x1000000, 0, true, true});
  CHECK(unmapped(0x1002000, 2) == Seen{Seen::IotlbPages, f.did, 0, 0x1002000, 1, true, true});
  CHECK(unmapped(0x1005000, 3) == Seen{Seen::IotlbPages, f.did, 0, 0x1004000, 2, true, true});
  CHECK(unmapped(0x100B000, 2) == Seen{Seen::IotlbPages, f.did, 0, 0x1008000, 3, true, true});
  CHECK(unmapped(0x10FF000, 2) == Seen{Seen::IotlbPages, f.did, 0, 0x1000000, 9, true, true});
  // A table goes: IH = 0.
  CHECK(unmapped(0x1200000, 512) == Seen{Seen::IotlbPages, f.did, 0, 0x1200000, 9, false, true});
}

TEST_CASE("UnmapLogicalRange: a range that the mask can't cover is invalidated with its domain", "[unmap]") {
  const auto seen = [](bool psi, unsigned mamv, std::uint64_t pages) {
    fake::Options options;
    options.units[0].psi = psi;
    options.units[0].mamv = mamv;
    Fixture f(0, options);
    f.map_at(0, 0x501000, pages * 0x1000);
    REQUIRE(f.unit.dma(fake::kNic, 0, true).ok);
    f.unit.seen.clear();
    REQUIRE(f.unmap(0, pages) == STATUS_SUCCESS);
    CHECK(f.unit.dma(fake::kNic, 0, true) == "not mapped");
    return f.unit.seen.at(0).kind;
  };
  CHECK(seen(true, 9, 512) == Seen::IotlbPages);
  CHECK(seen(true, 9, 513) == Seen::IotlbDomain);
  CHECK(seen(true, 0, 1) == Seen::IotlbPages);
  CHECK(seen(true, 0, 2) == Seen::IotlbDomain);
  CHECK(seen(false, 18, 1) == Seen::IotlbDomain);
}

TEST_CASE("UnmapLogicalRange in a domain without devices reaches no unit", "[unmap]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  auto physical = fake::contiguous(0x100000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS out = 0;
  REQUIRE(v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &out) == STATUS_SUCCESS);
  const auto accesses = machine.units[0]->accesses;
  CHECK(v2.UnmapLogicalRange(domain, out, 1) == STATUS_SUCCESS);
  CHECK(machine.units[0]->accesses == accesses);
}

TEST_CASE("UnmapLogicalRange returns only when the invalidation is complete", "[unmap]") {
  for (const auto path : {iommu::api::InvalidationPath::Queue, iommu::api::InvalidationPath::Registers}) {
    fake::Options options;
    options.path = path;
    Fixture f(0, options);
    f.map_at(0x1000, 0x500000, 0x1000);
    REQUIRE(f.unit.dma(fake::kNic, 0x1000, true).ok);
    f.unit.latency = 7;
    const auto relaxed = f.machine.host.relaxed;
    CHECK(f.unmap(0x1000, 1) == STATUS_SUCCESS);
    CHECK(f.machine.host.relaxed == relaxed + 7);
    CHECK(f.unit.dma(fake::kNic, 0x1000, true) == "not mapped");
  }
}

TEST_CASE("UnmapLogicalRange: tables are not reused before the invalidation is complete", "[unmap]") {
  Fixture f(0);
  f.map_at(0x1000, 0x500000, 0x1000);
  f.unit.latency = 3;
  const std::size_t frames = f.machine.frames.in_use();
  std::size_t during = 0;
  f.machine.host.on_relax.emplace_back([&] { during = f.machine.frames.in_use(); });
  CHECK(f.unmap(0x1000, 1) == STATUS_SUCCESS);
  CHECK(during == frames);
  CHECK(f.machine.frames.in_use() == frames - 3);
}
