// MapLogicalRangeEx (sheet 3.11, 3.1 items 3 to 7, OP-1, OP-7, OP-15, OP-16, OP-19, OP-31 to OP-33).
//
//   condition                                                            status
//   -------------------------------------------------------------------  -----------------------------------
//   bad handle (diagnostic); domain not Translate                        STATUS_INVALID_PARAMETER_1
//   permission bits 31:2 not zero                                        STATUS_INVALID_PARAMETER_2
//   descriptor NULL, type >= Max, NULL MDL or PFN array, not aligned,    STATUS_INVALID_PARAMETER_3
//     not whole pages, no pages, beyond the physical width
//   explicit address not aligned, or the range leaves the space          STATUS_INVALID_PARAMETER_4
//   LogicalAddressOut NULL                                               STATUS_INVALID_PARAMETER_7, diagnostic
//   explicit address with an allocator, none without                     STATUS_NOT_SUPPORTED
//   Min > Max, no whole page in [Min, Max], or no free place in it       STATUS_INVALID_PARAMETER_MIX
//   explicit range touches a mapping, a token or a reserved region       STATUS_RESOURCE_IN_USE (= STATUS_IN_USE)
//   space exhausted without Min and Max; no frame for a table            STATUS_INSUFFICIENT_RESOURCES
//   several errors                                                       the first one of this table
//   any failure                                                          nothing changed, *LogicalAddressOut kept
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

namespace {

constexpr std::uint64_t kKept = 0xABCD;

/// One machine with nic0 attached to a domain.
struct Fixture {
  explicit Fixture(unsigned buddy_width, const fake::Options& options = {},
                   PIOMMU_DMA_RESERVED_REGION regions = nullptr)
      : machine(options), v2(machine.v2()), domain(machine.domain(buddy_width, regions)), unit(*machine.units[0]) {
    device = machine.device("nic0");
    if (v2.AttachDeviceEx(domain, device) != STATUS_SUCCESS) throw std::runtime_error("AttachDeviceEx failed");
  }
  ~Fixture() { CHECK(machine.breaches.empty()); }

  NTSTATUS map_at(std::uint64_t logical, IOMMU_MAP_PHYSICAL_ADDRESS physical, ULONG permissions = 3) {
    out = kKept;
    return v2.MapLogicalRangeEx(domain, permissions, &physical, &logical, nullptr, nullptr, &out);
  }
  NTSTATUS map_any(IOMMU_MAP_PHYSICAL_ADDRESS physical, ULONG permissions = 3) {
    out = kKept;
    return v2.MapLogicalRangeEx(domain, permissions, &physical, nullptr, nullptr, nullptr, &out);
  }
  NTSTATUS map_within(std::uint64_t min, std::uint64_t max, std::uint64_t pages) {
    out = kKept;
    auto physical = fake::contiguous(0x100000, pages * 0x1000);
    return v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, &min, &max, &out);
  }
  /// map_at() that must fail and change nothing.
  void refuses(NTSTATUS status, std::uint64_t logical, IOMMU_MAP_PHYSICAL_ADDRESS physical, ULONG permissions = 3) {
    const fake::Snapshot before = fake::snapshot(machine);
    CHECK(map_at(logical, physical, permissions) == status);
    CHECK(out == kKept);
    CHECK(fake::snapshot(machine) == before);
  }

  fake::Machine machine;
  const DMA_IOMMU_INTERFACE_V2& v2;
  PIOMMU_DMA_DOMAIN domain;
  PIOMMU_DMA_DEVICE device = nullptr;
  fake::Unit& unit;
  IOMMU_DMA_LOGICAL_ADDRESS out = kKept;
};

}  // namespace

TEST_CASE("MapLogicalRangeEx: a contiguous range", "[map]") {
  Fixture f(0);
  CHECK(f.map_at(0x40000000, fake::contiguous(0x123456000, 0x3000)) == STATUS_SUCCESS);
  CHECK(f.out == 0x40000000);
  CHECK(f.unit.walk(fake::kNic, 0x40000000, false).physical == 0x123456000);
  CHECK(f.unit.walk(fake::kNic, 0x40002FFF, true).physical == 0x123458FFF);
  CHECK(f.unit.walk(fake::kNic, 0x3FFFFFFF, false) == "not mapped");
  CHECK(f.unit.walk(fake::kNic, 0x40003000, false) == "not mapped");
}

TEST_CASE("MapLogicalRangeEx: an MDL, whose pages need not be contiguous", "[map]") {
  Fixture f(0);
  fake::MdlBuffer buffer({0x777, 0x12, 0x13, 0x3FFFFFFFF});
  // Only the first MDL of a chain counts.
  fake::MdlBuffer chained({0x999});
  buffer.mdl()->Next = chained.mdl();
  CHECK(f.map_at(0x1000, buffer.descriptor()) == STATUS_SUCCESS);
  CHECK(f.unit.walk(fake::kNic, 0x1000, true).physical == 0x777000);
  CHECK(f.unit.walk(fake::kNic, 0x2000, true).physical == 0x12000);
  CHECK(f.unit.walk(fake::kNic, 0x3010, true).physical == 0x13010);
  CHECK(f.unit.walk(fake::kNic, 0x4FFF, true).physical == 0x3FFFFFFFFFFF);
  CHECK(f.unit.walk(fake::kNic, 0x5000, true) == "not mapped");
}

TEST_CASE("MapLogicalRangeEx: an array of page frames, one of them twice", "[map]") {
  Fixture f(0);
  std::vector<PFN_NUMBER> frames = {0x5, 0x4, 0x5};
  CHECK(f.map_at(0x1000, fake::pfn_array(frames)) == STATUS_SUCCESS);
  CHECK(f.unit.walk(fake::kNic, 0x1000, true).physical == 0x5000);
  CHECK(f.unit.walk(fake::kNic, 0x2000, true).physical == 0x4000);
  CHECK(f.unit.walk(fake::kNic, 0x3000, true).physical == 0x5000);
}

TEST_CASE("MapLogicalRangeEx: permissions", "[map]") {
  Fixture f(0);
  CHECK(f.map_at(0x0000, fake::contiguous(0x10000, 0x1000), IOMMU_ACCESS_NONE) == STATUS_SUCCESS);
  CHECK(f.map_at(0x1000, fake::contiguous(0x10000, 0x1000), IOMMU_ACCESS_READ) == STATUS_SUCCESS);
  CHECK(f.map_at(0x2000, fake::contiguous(0x10000, 0x1000), IOMMU_ACCESS_WRITE) == STATUS_SUCCESS);
  CHECK(f.map_at(0x3000, fake::contiguous(0x10000, 0x1000), IOMMU_ACCESS_READ | IOMMU_ACCESS_WRITE) == STATUS_SUCCESS);
  CHECK(f.unit.walk(fake::kNic, 0x0000, false) == "not mapped");
  CHECK(f.unit.walk(fake::kNic, 0x0000, true) == "not mapped");
  CHECK(f.unit.walk(fake::kNic, 0x1000, false).ok);
  CHECK(f.unit.walk(fake::kNic, 0x1000, true) == "no write permission");
  CHECK(f.unit.walk(fake::kNic, 0x2000, false) == "no read permission");
  CHECK(f.unit.walk(fake::kNic, 0x2000, true).ok);
  CHECK(f.unit.walk(fake::kNic, 0x3000, false).ok);
  CHECK(f.unit.walk(fake::kNic, 0x3000, true).ok);
  f.refuses(STATUS_INVALID_PARAMETER_2, 0x4000, fake::contiguous(0x10000, 0x1000), 4);
  f.refuses(STATUS_INVALID_PARAMETER_2, 0x4000, fake::contiguous(0x10000, 0x1000), 0x80000001);
}

TEST_CASE("MapLogicalRangeEx: pages without permissions are owned and counted as mapped", "[map]") {
  Fixture f(0);
  REQUIRE(f.map_at(0x8000, fake::contiguous(0x10000, 0x2000), IOMMU_ACCESS_NONE) == STATUS_SUCCESS);
  f.refuses(STATUS_RESOURCE_IN_USE, 0x9000, fake::contiguous(0x20000, 0x1000));
  CHECK(f.v2.UnmapLogicalRange(f.domain, 0x8000, 2) == STATUS_SUCCESS);
  CHECK(f.v2.UnmapLogicalRange(f.domain, 0x8000, 2) == STATUS_INVALID_PARAMETER);
}

TEST_CASE("MapLogicalRangeEx: a domain that is none or not Translate", "[map]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  auto physical = fake::contiguous(0x1000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS out = kKept;
  CHECK(v2.MapLogicalRangeEx(nullptr, 3, &physical, nullptr, nullptr, nullptr, &out) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("MapLogicalRangeEx", "domain: parameter 1 is NULL") == 1);
  CHECK(v2.MapLogicalRangeEx(machine.pass_through(), 3, &physical, nullptr, nullptr, nullptr, &out) ==
        STATUS_INVALID_PARAMETER_1);
  CHECK(out == kKept);
}

TEST_CASE("MapLogicalRangeEx: malformed descriptors", "[map]") {
  Fixture f(0);
  const auto malformed = [&](IOMMU_MAP_PHYSICAL_ADDRESS physical) {
    f.refuses(STATUS_INVALID_PARAMETER_3, 0x1000, physical);
  };
  IOMMU_DMA_LOGICAL_ADDRESS at = 0x1000;
  CHECK(f.v2.MapLogicalRangeEx(f.domain, 3, nullptr, &at, nullptr, nullptr, &f.out) == STATUS_INVALID_PARAMETER_3);
  IOMMU_MAP_PHYSICAL_ADDRESS physical = fake::contiguous(0x1000, 0x1000);
  for (const int type : {3, 4, -1}) {
    physical.MapType = static_cast<IOMMU_MAP_PHYSICAL_ADDRESS_TYPE>(type);
    malformed(physical);
  }
  malformed(fake::contiguous(0x1001, 0x1000));
  malformed(fake::contiguous(0x1000, 0x1001));
  malformed(fake::contiguous(0x1000, 0xFFF));
  malformed(fake::contiguous(0x1000, 0));
  malformed(fake::contiguous(0xFFFFFFFFFFFFF000, 0x1000));
  malformed(fake::contiguous(0xFFFFFFFFFFFFF000, 0x2000));
  malformed(fake::contiguous(0x1000, 0xFFFFFFFFFFFFF000));
  malformed(fake::contiguous(1ull << 46, 0x1000));  // the physical width is 46 bits here
  malformed(fake::contiguous((1ull << 46) - 0x1000, 0x2000));
  std::vector<PFN_NUMBER> frames = {1, 1ull << 34};
  malformed(fake::pfn_array(frames));
  frames = {~PFN_NUMBER{0}};
  malformed(fake::pfn_array(frames));
  frames = {1};
  physical = fake::pfn_array(frames);
  physical.PfnArray.NumberOfPages = 0;
  malformed(physical);
  physical = fake::pfn_array(frames);
  physical.PfnArray.PageFrame = nullptr;
  malformed(physical);
  fake::MdlBuffer buffer({1, 2});
  physical = buffer.descriptor();
  physical.Mdl.Mdl = nullptr;
  malformed(physical);
  buffer.mdl()->ByteCount = 0x1FFF;
  malformed(buffer.descriptor());
  buffer.mdl()->ByteCount = 0;
  malformed(buffer.descriptor());
  buffer.mdl()->ByteCount = 0x1000;
  buffer.mdl()->ByteOffset = 0x10;
  malformed(buffer.descriptor());
  buffer.mdl()->ByteOffset = 0;
  buffer.mdl()->StartVa = reinterpret_cast<PVOID>(std::uintptr_t{0x7F0000000800});
  malformed(buffer.descriptor());
  buffer.mdl()->StartVa = reinterpret_cast<PVOID>(std::uintptr_t{0x7F0000000000});
  MmGetMdlPfnArray(buffer.mdl())[0] = 1ull << 34;
  malformed(buffer.descriptor());
  MmGetMdlPfnArray(buffer.mdl())[0] = (1ull << 34) - 1;
  CHECK(f.map_at(0x1000, buffer.descriptor()) == STATUS_SUCCESS);
  CHECK(f.map_at(0x5000, fake::contiguous((1ull << 46) - 0x1000, 0x1000)) == STATUS_SUCCESS);
}

TEST_CASE("MapLogicalRangeEx: explicit addresses", "[map]") {
  Fixture f(0);
  f.refuses(STATUS_INVALID_PARAMETER_4, 0x1800, fake::contiguous(0x1000, 0x1000));
  f.refuses(STATUS_INVALID_PARAMETER_4, 1ull << 48, fake::contiguous(0x1000, 0x1000));
  f.refuses(STATUS_INVALID_PARAMETER_4, (1ull << 48) - 0x1000, fake::contiguous(0x1000, 0x2000));
  f.refuses(STATUS_INVALID_PARAMETER_4, 0xFFFFFFFFFFFFF000, fake::contiguous(0x1000, 0x2000));
  CHECK(f.map_at((1ull << 48) - 0x1000, fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.unit.walk(fake::kNic, 0xFFFFFFFFFFFF, true).physical == 0x1FFF);
  CHECK(f.map_at(0, fake::contiguous(0x2000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.unit.walk(fake::kNic, 0, true).physical == 0x2000);
  // Min and Max mean nothing without an allocator.
  auto physical = fake::contiguous(0x1000, 0x1000);
  std::uint64_t at = 0x5000, min = 0x9000, max = 0x1000;
  CHECK(f.v2.MapLogicalRangeEx(f.domain, 3, &physical, &at, &min, &max, &f.out) == STATUS_SUCCESS);
}

TEST_CASE("MapLogicalRangeEx: an explicit range that is partly mapped", "[map]") {
  Fixture f(0);
  CHECK(STATUS_IN_USE == STATUS_RESOURCE_IN_USE);
  REQUIRE(f.map_at(0x10000, fake::contiguous(0x1000, 0x4000)) == STATUS_SUCCESS);
  for (const auto& [at, bytes] : {std::pair<std::uint64_t, std::uint64_t>{0x10000, 0x4000},
                                  {0x0F000, 0x2000},
                                  {0x13000, 0x1000},
                                  {0x12000, 0x10000},
                                  {0x0, 0x20000}}) {
    f.refuses(STATUS_RESOURCE_IN_USE, at, fake::contiguous(0x100000, bytes));
  }
  CHECK(f.map_at(0x0F000, fake::contiguous(0x100000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.map_at(0x14000, fake::contiguous(0x100000, 0x1000)) == STATUS_SUCCESS);
}

TEST_CASE("MapLogicalRangeEx: reserved regions and the interrupt range can't be mapped explicitly", "[map]") {
  IOMMU_DMA_RESERVED_REGION unmapped{};
  unmapped.Base = 0x7000;
  unmapped.NumberOfPages = 1;
  IOMMU_DMA_RESERVED_REGION mapped{};
  mapped.Base = 0x9000;
  mapped.NumberOfPages = 2;
  mapped.ShouldMap = TRUE;
  mapped.RegionNext = &unmapped;
  Fixture f(0, {}, &mapped);
  f.refuses(STATUS_RESOURCE_IN_USE, 0x7000, fake::contiguous(0x1000, 0x1000));
  f.refuses(STATUS_RESOURCE_IN_USE, 0xA000, fake::contiguous(0x1000, 0x1000));
  f.refuses(STATUS_RESOURCE_IN_USE, 0x6000, fake::contiguous(0x1000, 0x2000));
  CHECK(f.map_at(0x8000, fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
  f.machine.host.diagnostics.clear();
  f.refuses(STATUS_RESOURCE_IN_USE, 0xFEEFF000, fake::contiguous(0x1000, 0x1000));
  CHECK(f.machine.host.reported("MapLogicalRangeEx", "0xFEE00000") == 1);
  CHECK(f.map_at(0xFEDFF000, fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.map_at(0xFEF00000, fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
}

TEST_CASE("MapLogicalRangeEx: pages of identity calls and of tokens can't be mapped explicitly", "[map]") {
  Fixture f(0);
  auto identity = fake::contiguous(0x20000, 0x1000);
  REQUIRE(f.v2.MapIdentityRangeEx(f.domain, IOMMU_ACCESS_NONE, &identity) == STATUS_SUCCESS);
  std::uint64_t at = 0x22000;
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
  REQUIRE(f.v2.ReserveLogicalAddressRange(f.domain, 0x2000, &at, nullptr, nullptr, &token) == STATUS_SUCCESS);
  f.refuses(STATUS_RESOURCE_IN_USE, 0x1F000, fake::contiguous(0x1000, 0x2000));
  f.refuses(STATUS_RESOURCE_IN_USE, 0x23000, fake::contiguous(0x1000, 0x1000));  // nothing is mapped there
  f.refuses(STATUS_RESOURCE_IN_USE, 0x21000, fake::contiguous(0x1000, 0x2000));
  CHECK(f.map_at(0x21000, fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.v2.FreeReservedLogicalAddressRange(token) == STATUS_SUCCESS);
  CHECK(f.map_at(0x22000, fake::contiguous(0x1000, 0x2000)) == STATUS_SUCCESS);
}

TEST_CASE("MapLogicalRangeEx: who chooses the address", "[map]") {
  {
    Fixture f(32);
    f.refuses(STATUS_NOT_SUPPORTED, 0x1000, fake::contiguous(0x1000, 0x1000));
    CHECK(f.map_any(fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
  }
  {
    Fixture f(0);
    const fake::Snapshot before = fake::snapshot(f.machine);
    CHECK(f.map_any(fake::contiguous(0x1000, 0x1000)) == STATUS_NOT_SUPPORTED);
    CHECK(f.out == kKept);
    CHECK(fake::snapshot(f.machine) == before);
  }
}

TEST_CASE("MapLogicalRangeEx: the allocator's addresses", "[map]") {
  Fixture f(32);
  CHECK(f.map_any(fake::contiguous(0x100000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.out == 0);
  CHECK(f.map_any(fake::contiguous(0x100000, 0x3000)) == STATUS_SUCCESS);
  CHECK(f.out == 0x4000);
  // The slack page of the rounded block stays unmapped and is nobody else's.
  CHECK(f.unit.walk(fake::kNic, 0x6000, true).ok);
  CHECK(f.unit.walk(fake::kNic, 0x7000, true) == "not mapped");
  CHECK(f.map_any(fake::contiguous(0x100000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.out == 0x1000);
  CHECK(f.map_any(fake::contiguous(0x100000, 0x2000)) == STATUS_SUCCESS);
  CHECK(f.out == 0x2000);
  CHECK(f.map_any(fake::contiguous(0x100000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.out == 0x8000);
}

TEST_CASE("MapLogicalRangeEx: bounds are inclusive bytes, rounded to whole pages", "[map]") {
  Fixture f(32);
  CHECK(f.map_within(0x5000, 0x5FFF, 1) == STATUS_SUCCESS);
  CHECK(f.out == 0x5000);
  CHECK(f.map_within(0x6001, 0x8FFE, 1) == STATUS_SUCCESS);
  CHECK(f.out == 0x7000);
  CHECK(f.map_within(0x10000, 0x12FFF, 3) == STATUS_SUCCESS);  // the slack page lies beyond Max
  CHECK(f.out == 0x10000);
  CHECK(f.map_within(0, 0xFFFFFFFFFFFFFFFF, 1) == STATUS_SUCCESS);
  CHECK(f.map_within(0xFFFFF000, 0xFFFFFFFFFFFFFFFF, 1) == STATUS_SUCCESS);
  CHECK(f.out == 0xFFFFF000);
  auto physical = fake::contiguous(0x100000, 0x1000);
  std::uint64_t bound = 0x20000;
  CHECK(f.v2.MapLogicalRangeEx(f.domain, 3, &physical, nullptr, &bound, nullptr, &f.out) == STATUS_SUCCESS);
  CHECK(f.out == 0x20000);
  bound = 0x1FFF;
  CHECK(f.v2.MapLogicalRangeEx(f.domain, 3, &physical, nullptr, nullptr, &bound, &f.out) == STATUS_SUCCESS);
  CHECK(f.out == 0x1000);
}

TEST_CASE("MapLogicalRangeEx: bounds that can't be satisfied", "[map]") {
  Fixture f(32);
  REQUIRE(f.map_within(0x5000, 0x5FFF, 1) == STATUS_SUCCESS);
  const auto unsatisfiable = [&](std::uint64_t min, std::uint64_t max, std::uint64_t pages) {
    const fake::Snapshot before = fake::snapshot(f.machine);
    CHECK(f.map_within(min, max, pages) == STATUS_INVALID_PARAMETER_MIX);
    CHECK(f.out == kKept);
    CHECK(fake::snapshot(f.machine) == before);
  };
  unsatisfiable(0x9000, 0x8000, 1);  // Min > Max
  unsatisfiable(0x9000, 0x9FFE, 1);  // one byte short
  unsatisfiable(0x9001, 0x9FFF, 1);
  unsatisfiable(0, 0xFFE, 1);
  unsatisfiable(0x5000, 0x5FFF, 1);          // taken
  unsatisfiable(0x9000, 0xAFFF, 2);          // no aligned place
  unsatisfiable(1ull << 32, 1ull << 33, 1);  // beyond the space
  unsatisfiable(0, 0xFFFFFFFFFFFFFFFF, (1ull << 20) + 1);
  unsatisfiable(0xFFFFFFFFFFFFF001, 0xFFFFFFFFFFFFFFFF, 1);
}

TEST_CASE("MapLogicalRangeEx: the space is exhausted", "[map]") {
  Fixture f(13);
  REQUIRE(f.map_any(fake::contiguous(0x100000, 0x1000)) == STATUS_SUCCESS);
  const fake::Snapshot before = fake::snapshot(f.machine);
  CHECK(f.map_any(fake::contiguous(0x100000, 0x2000)) == STATUS_INSUFFICIENT_RESOURCES);
  CHECK(f.out == kKept);
  CHECK(fake::snapshot(f.machine) == before);
  CHECK(f.map_any(fake::contiguous(0x100000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.map_any(fake::contiguous(0x100000, 0x1000)) == STATUS_INSUFFICIENT_RESOURCES);
}

TEST_CASE("MapLogicalRangeEx: no place for the address", "[map]") {
  Fixture f(32);
  auto physical = fake::contiguous(0x100000, 0x1000);
  const fake::Snapshot before = fake::snapshot(f.machine);
  CHECK(f.v2.MapLogicalRangeEx(f.domain, 3, &physical, nullptr, nullptr, nullptr, nullptr) ==
        STATUS_INVALID_PARAMETER_7);
  CHECK(f.machine.host.reported("MapLogicalRangeEx", "parameter 7 is NULL") == 1);
  CHECK(fake::snapshot(f.machine) == before);
}

TEST_CASE("MapLogicalRangeEx: checks come in order", "[map]") {
  Fixture f(16);  // 16 pages, with an allocator
  auto bad = fake::contiguous(0x1001, 0x1000);
  auto good = fake::contiguous(0x1000, 0x1000);
  std::uint64_t unaligned = 0x1234, aligned = 0x1000, min = 0x9000, max = 0x1000;
  const auto& v2 = f.v2;
  f.machine.frames.budget = 0;
  CHECK(v2.MapLogicalRangeEx(nullptr, 8, &bad, &unaligned, &min, &max, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(v2.MapLogicalRangeEx(f.domain, 8, &bad, &unaligned, &min, &max, nullptr) == STATUS_INVALID_PARAMETER_2);
  CHECK(v2.MapLogicalRangeEx(f.domain, 3, &bad, &unaligned, &min, &max, nullptr) == STATUS_INVALID_PARAMETER_3);
  CHECK(v2.MapLogicalRangeEx(f.domain, 3, &good, &unaligned, &min, &max, nullptr) == STATUS_INVALID_PARAMETER_4);
  CHECK(v2.MapLogicalRangeEx(f.domain, 3, &good, &aligned, &min, &max, nullptr) == STATUS_INVALID_PARAMETER_7);
  CHECK(v2.MapLogicalRangeEx(f.domain, 3, &good, &aligned, &min, &max, &f.out) == STATUS_NOT_SUPPORTED);
  CHECK(v2.MapLogicalRangeEx(f.domain, 3, &good, nullptr, &min, &max, &f.out) == STATUS_INVALID_PARAMETER_MIX);
  CHECK(v2.MapLogicalRangeEx(f.domain, 3, &good, nullptr, nullptr, nullptr, &f.out) == STATUS_INSUFFICIENT_RESOURCES);
  // Overlap comes before resources.
  Fixture g(0);
  REQUIRE(g.map_at(0x1000, good) == STATUS_SUCCESS);
  g.machine.frames.budget = 0;
  CHECK(g.map_at(0x1000, good) == STATUS_RESOURCE_IN_USE);
  CHECK(g.map_at(0x40000000, good) == STATUS_INSUFFICIENT_RESOURCES);
}

TEST_CASE("MapLogicalRangeEx uses the largest pages that addresses allow", "[map]") {
  Fixture f(0);
  // 1 GiB + 2 MiB + 4 KiB, aligned at 1 GiB on both sides.
  REQUIRE(f.map_at(0x80000000, fake::contiguous(0x1C0000000, 0x40201000)) == STATUS_SUCCESS);
  CHECK(f.unit.walk(fake::kNic, 0x80000000, true).page_bytes == 0x40000000);
  CHECK(f.unit.walk(fake::kNic, 0xBFFFFFFF, true).physical == 0x1FFFFFFFF);
  CHECK(f.unit.walk(fake::kNic, 0xC0000000, true).page_bytes == 0x200000);
  CHECK(f.unit.walk(fake::kNic, 0xC0200FFF, true).page_bytes == 0x1000);
  CHECK(f.unit.walk(fake::kNic, 0xC0200FFF, true).physical == 0x200200FFF);
  CHECK(f.unit.walk(fake::kNic, 0xC0201000, true) == "not mapped");
  // The physical side is not aligned: 4 KiB pages.
  REQUIRE(f.map_at(0x100000000, fake::contiguous(0x1000, 0x200000)) == STATUS_SUCCESS);
  CHECK(f.unit.walk(fake::kNic, 0x100000000, true).page_bytes == 0x1000);
  // Frames of an array that continue each other make a large page, too.
  std::vector<PFN_NUMBER> frames;
  for (PFN_NUMBER i = 0; i < 600; ++i) frames.push_back(0x40000 + i);
  REQUIRE(f.map_at(0x140000000, fake::pfn_array(frames)) == STATUS_SUCCESS);
  CHECK(f.unit.walk(fake::kNic, 0x140000000, true).page_bytes == 0x200000);
  CHECK(f.unit.walk(fake::kNic, 0x140200000, true).page_bytes == 0x1000);
}

TEST_CASE("MapLogicalRangeEx: page sizes that hardware or policy exclude", "[map]") {
  const auto largest = [](unsigned sslps, unsigned policy) {
    fake::Options options;
    options.units[0].sslps = sslps;
    options.policy.max_leaf_level = policy;
    Fixture f(0, options);
    REQUIRE(f.map_at(0x40000000, fake::contiguous(0x40000000, 0x40000000)) == STATUS_SUCCESS);
    CHECK(f.unit.walk(fake::kNic, 0x7FFFFFFF, true).physical == 0x7FFFFFFF);
    return f.unit.walk(fake::kNic, 0x40000000, true).page_bytes;
  };
  CHECK(largest(3, 3) == 0x40000000);
  CHECK(largest(3, 2) == 0x200000);
  CHECK(largest(1, 3) == 0x200000);
  CHECK(largest(3, 1) == 0x1000);
  CHECK(largest(0, 3) == 0x1000);
}

TEST_CASE("MapLogicalRangeEx: page sizes of two units are those that both have", "[map]") {
  fake::Options options;
  options.units.resize(2);
  options.units[1].sslps = 0;
  Fixture f(0, options);
  REQUIRE(f.map_at(0x200000, fake::contiguous(0x200000, 0x200000)) == STATUS_SUCCESS);
  CHECK(f.unit.walk(fake::kNic, 0x200000, true).page_bytes == 0x1000);
}

TEST_CASE("MapLogicalRangeEx needs no invalidation on hardware without caching mode", "[map]") {
  Fixture f(32);
  CHECK(f.unit.dma(fake::kNic, 0, true) == "not mapped");
  const auto accesses = f.unit.accesses;
  REQUIRE(f.map_any(fake::contiguous(0x100000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.unit.accesses == accesses);
  CHECK(f.unit.dma(fake::kNic, 0, true).ok);
}

TEST_CASE("MapLogicalRangeEx fails at every frame that is missing, without a trace", "[map]") {
  // Explicit: 4-level tables, a range that crosses a 1 GiB boundary with 4 KiB pages on both sides: two level-1 tables,
  // two level-2 tables, one level-3 table.
  {
    Fixture f(0);
    for (std::uint64_t budget = 0; budget < 5; ++budget) {
      f.machine.frames.budget = budget;
      f.refuses(STATUS_INSUFFICIENT_RESOURCES, 0x3FFFF000, fake::contiguous(0x1000, 0x2000));
    }
    f.machine.frames.budget = 5;
    CHECK(f.map_at(0x3FFFF000, fake::contiguous(0x1000, 0x2000)) == STATUS_SUCCESS);
    CHECK(f.machine.frames.budget == 0);
  }
  // With an allocator: the next allocation gets what the failed one would have had.
  {
    Fixture f(32);
    REQUIRE(f.map_any(fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
    REQUIRE(f.map_any(fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
    REQUIRE(f.v2.UnmapLogicalRange(f.domain, 0, 1) == STATUS_SUCCESS);
    f.machine.frames.budget = 0;
    const fake::Snapshot before = fake::snapshot(f.machine);
    CHECK(f.map_any(fake::contiguous(0x1000, 0x400000)) == STATUS_INSUFFICIENT_RESOURCES);
    CHECK(fake::snapshot(f.machine) == before);
    f.machine.frames.budget.reset();
    CHECK(f.map_any(fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
    CHECK(f.out == 0);
    CHECK(f.map_any(fake::contiguous(0x1000, 0x400000)) == STATUS_SUCCESS);
    CHECK(f.out == 0x400000);
  }
  {
    Fixture f(32);
    f.machine.frames.budget = 0;
    CHECK(f.map_within(0x40000000, 0x40000FFF, 1) == STATUS_INSUFFICIENT_RESOURCES);
    f.machine.frames.budget.reset();
    CHECK(f.map_any(fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
    CHECK(f.out == 0);
  }
}

TEST_CASE("MapLogicalRangeEx writes tables only under a lock", "[map]") {
  Fixture f(32);
  f.machine.memory.unlocked_writes.clear();
  const auto locks = f.machine.host.locks_taken;
  REQUIRE(f.map_any(fake::contiguous(0x1000, 0x400000)) == STATUS_SUCCESS);
  CHECK(f.machine.host.locks_taken > locks);
  CHECK(f.machine.memory.unlocked_writes.empty());
  CHECK(f.machine.host.locks_held == 0);
}
