// ReserveLogicalAddressRange (sheet 3.20, 3.1 items 4 to 7, OP-1, OP-7, OP-19, OP-21, OP-31 to OP-34).
//
//   condition                                                            status
//   -------------------------------------------------------------------  -----------------------------------
//   bad handle (diagnostic); domain not Translate                        STATUS_INVALID_PARAMETER_1
//   Size 0 or no multiple of the page size                               STATUS_INVALID_PARAMETER_2
//   explicit address not aligned, or the range leaves the space          STATUS_INVALID_PARAMETER_3
//   LogicalAddressToken NULL                                             STATUS_INVALID_PARAMETER_6, diagnostic
//   explicit address with an allocator, none without                     STATUS_NOT_SUPPORTED
//   Min > Max, no whole page in [Min, Max], or no free place in it       STATUS_INVALID_PARAMETER_MIX
//   explicit range touches a mapping, a token or a reserved region       STATUS_RESOURCE_IN_USE (= STATUS_IN_USE)
//   space exhausted without Min and Max; no frame for a table            STATUS_INSUFFICIENT_RESOURCES
//   several errors                                                       the first one of this table
//   any failure                                                          nothing changed, *LogicalAddressToken kept
#include "testbench/api/attached_domain.h"

using fake::AttachedDomain;

namespace {

IOMMU_DMA_LOGICAL_ADDRESS_TOKEN kept_token;
const PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN kKept = &kept_token;

/// A call that must change nothing, its output included.
NTSTATUS refused(AttachedDomain& f, std::uint64_t bytes, std::uint64_t* at, std::uint64_t* min = nullptr,
                 std::uint64_t* max = nullptr) {
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = kKept;
  const NTSTATUS status =
      f.unchanged([&] { return f.v2.ReserveLogicalAddressRange(f.domain, bytes, at, min, max, &token); });
  CHECK(token == kKept);
  return status;
}

NTSTATUS refused_at(AttachedDomain& f, std::uint64_t at, std::uint64_t bytes) { return refused(f, bytes, &at); }

}  // namespace

TEST_CASE("ReserveLogicalAddressRange: an explicit range with all its tables, and nothing mapped", "[reserve]") {
  AttachedDomain f(0);
  const std::size_t frames = f.machine.frames.in_use();
  const auto accesses = f.unit.accesses;
  // Across a GiB: two tables of level 1, two of level 2, one of level 3.
  const auto token = f.reserve_at(0x3FFFE000, 0x4000);
  CHECK(token->LogicalAddressBase == 0x3FFFE000);
  CHECK(token->Size == 0x4000);
  CHECK(f.machine.frames.in_use() == frames + 5);
  CHECK(f.unit.accesses == accesses);
  for (std::uint64_t page = 0x3FFFE000; page < 0x40002000; page += 0x1000) CHECK(f.read(page) == "not mapped");
  // All that the range will ever need is there.
  f.machine.frames.budget = 0;
  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT segment{};
  CHECK(f.map_reserved(token, 0, fake::contiguous(0x700000, 0x4000), segment) == STATUS_SUCCESS);
  CHECK(f.write(0x3FFFE000).physical == 0x700000);
  CHECK(f.write(0x40001FFF).physical == 0x703FFF);
}

TEST_CASE("ReserveLogicalAddressRange: the allocator's addresses, and the size that was asked for", "[reserve]") {
  AttachedDomain f(32);
  CHECK(f.map_any(fake::contiguous(0x100000, 0x1000)) == 0);
  const auto token = f.reserve_any(0x3000);
  CHECK(token->LogicalAddressBase == 0x4000);
  CHECK(token->Size == 0x3000);  // not the rounded block
  CHECK(f.map_any(fake::contiguous(0x100000, 0x1000)) == 0x1000);
  CHECK(f.map_any(fake::contiguous(0x100000, 0x2000)) == 0x2000);
  CHECK(f.map_any(fake::contiguous(0x100000, 0x1000)) == 0x8000);  // the slack page is nobody else's
  const auto other = f.reserve_any(0x1000);
  CHECK(other->LogicalAddressBase == 0x9000);
  CHECK(other != token);
}

TEST_CASE("ReserveLogicalAddressRange: bounds", "[reserve]") {
  AttachedDomain f(32);
  const auto reserve = [&](std::uint64_t min, std::uint64_t max, std::uint64_t bytes) {
    PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
    REQUIRE(f.v2.ReserveLogicalAddressRange(f.domain, bytes, nullptr, &min, &max, &token) == STATUS_SUCCESS);
    return token->LogicalAddressBase;
  };
  CHECK(reserve(0x5000, 0x5FFF, 0x1000) == 0x5000);
  CHECK(reserve(0x6001, 0x8FFE, 0x1000) == 0x7000);
  CHECK(reserve(0x10000, 0x12FFF, 0x3000) == 0x10000);  // the slack page lies beyond Max
  CHECK(reserve(0xFFFFF000, 0xFFFFFFFFFFFFFFFF, 0x1000) == 0xFFFFF000);
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
  std::uint64_t bound = 0x20000;
  CHECK(f.v2.ReserveLogicalAddressRange(f.domain, 0x1000, nullptr, &bound, nullptr, &token) == STATUS_SUCCESS);
  CHECK(token->LogicalAddressBase == 0x20000);
  bound = 0x1FFF;
  CHECK(f.v2.ReserveLogicalAddressRange(f.domain, 0x2000, nullptr, nullptr, &bound, &token) == STATUS_SUCCESS);
  CHECK(token->LogicalAddressBase == 0);

  const auto unsatisfiable = [&](std::uint64_t min, std::uint64_t max, std::uint64_t bytes) {
    CHECK(refused(f, bytes, nullptr, &min, &max) == STATUS_INVALID_PARAMETER_MIX);
  };
  unsatisfiable(0x9000, 0x8000, 0x1000);          // Min > Max
  unsatisfiable(0x9000, 0x9FFE, 0x1000);          // one byte short
  unsatisfiable(0x5000, 0x5FFF, 0x1000);          // taken
  unsatisfiable(0x9000, 0xAFFF, 0x2000);          // no aligned place
  unsatisfiable(1ull << 32, 1ull << 33, 0x1000);  // beyond the space
}

TEST_CASE("ReserveLogicalAddressRange: wrong domain, size, address, output", "[reserve]") {
  AttachedDomain f(0);
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = kKept;
  std::uint64_t at = 0x1000;
  const auto on = [&](PIOMMU_DMA_DOMAIN domain) {
    return f.unchanged([&] { return f.v2.ReserveLogicalAddressRange(domain, 0x1000, &at, nullptr, nullptr, &token); });
  };
  CHECK(on(nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported("ReserveLogicalAddressRange", "domain: parameter 1 is NULL") == 1);
  const PIOMMU_DMA_DOMAIN pass_through = f.machine.pass_through();
  CHECK(on(pass_through) == STATUS_INVALID_PARAMETER_1);
  REQUIRE(f.v2.DeleteDomain(pass_through) == STATUS_SUCCESS);
  CHECK(on(pass_through) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported("ReserveLogicalAddressRange", "was deleted before") == 1);
  CHECK(token == kKept);

  CHECK(refused_at(f, 0x1000, 0) == STATUS_INVALID_PARAMETER_2);
  CHECK(refused_at(f, 0x1000, 0x800) == STATUS_INVALID_PARAMETER_2);
  CHECK(refused_at(f, 0x1000, 0x1001) == STATUS_INVALID_PARAMETER_2);
  CHECK(refused_at(f, 0x1800, 0x1000) == STATUS_INVALID_PARAMETER_3);
  CHECK(refused_at(f, 1ull << 48, 0x1000) == STATUS_INVALID_PARAMETER_3);
  CHECK(refused_at(f, (1ull << 48) - 0x1000, 0x2000) == STATUS_INVALID_PARAMETER_3);
  CHECK(refused_at(f, 0xFFFFFFFFFFFFF000, 0x2000) == STATUS_INVALID_PARAMETER_3);
  CHECK(refused_at(f, 0x1000, 0xFFFFFFFFFFFFF000) == STATUS_INVALID_PARAMETER_3);
  CHECK(f.unchanged([&] {
    return f.v2.ReserveLogicalAddressRange(f.domain, 0x1000, &at, nullptr, nullptr, nullptr);
  }) == STATUS_INVALID_PARAMETER_6);
  CHECK(f.machine.host.reported("ReserveLogicalAddressRange", "output: parameter 6 is NULL") == 1);
}

TEST_CASE("ReserveLogicalAddressRange: who chooses the address", "[reserve]") {
  AttachedDomain buddy(32);
  CHECK(refused_at(buddy, 0x1000, 0x1000) == STATUS_NOT_SUPPORTED);
  AttachedDomain free_choice(0);
  CHECK(refused(free_choice, 0x1000, nullptr) == STATUS_NOT_SUPPORTED);
  // Min and Max mean nothing without an allocator.
  std::uint64_t at = 0x5000, min = 0x9000, max = 0x1000;
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
  CHECK(free_choice.v2.ReserveLogicalAddressRange(free_choice.domain, 0x1000, &at, &min, &max, &token) ==
        STATUS_SUCCESS);
}

TEST_CASE("ReserveLogicalAddressRange: pages that have an owner", "[reserve]") {
  IOMMU_DMA_RESERVED_REGION region{};
  region.Base = 0x9000;
  region.NumberOfPages = 1;
  AttachedDomain f(0, {}, &region);
  f.map_at(0x20000, fake::contiguous(0x100000, 0x2000), IOMMU_ACCESS_NONE);
  REQUIRE(f.map_identity(fake::contiguous(0x30000, 0x1000)) == STATUS_SUCCESS);
  f.reserve_at(0x40000, 0x4000);  // nothing is mapped there
  CHECK(refused_at(f, 0x21000, 0x2000) == STATUS_RESOURCE_IN_USE);
  CHECK(refused_at(f, 0x1F000, 0x10000) == STATUS_RESOURCE_IN_USE);
  CHECK(refused_at(f, 0x30000, 0x1000) == STATUS_RESOURCE_IN_USE);
  CHECK(refused_at(f, 0x40000, 0x4000) == STATUS_RESOURCE_IN_USE);
  CHECK(refused_at(f, 0x43000, 0x1000) == STATUS_RESOURCE_IN_USE);
  CHECK(refused_at(f, 0x9000, 0x1000) == STATUS_RESOURCE_IN_USE);
  CHECK(f.machine.host.diagnostics.empty());
  CHECK(refused_at(f, 0xFEEFF000, 0x2000) == STATUS_RESOURCE_IN_USE);
  CHECK(f.machine.host.reported("ReserveLogicalAddressRange", "0xFEE00000") == 1);
  f.reserve_at(0x44000, 0x1000);
  f.reserve_at(0x3F000, 0x1000);
}

TEST_CASE("ReserveLogicalAddressRange: the space is exhausted", "[reserve]") {
  AttachedDomain f(14);  // four pages
  f.reserve_any(0x2000);
  CHECK(refused(f, 0x4000, nullptr) == STATUS_INSUFFICIENT_RESOURCES);
  CHECK(refused(f, 0xFFFFFFFFFFFFF000, nullptr) == STATUS_INSUFFICIENT_RESOURCES);
  f.reserve_any(0x2000);
  CHECK(refused(f, 0x1000, nullptr) == STATUS_INSUFFICIENT_RESOURCES);
}

TEST_CASE("ReserveLogicalAddressRange fails at every frame that is missing, without a trace", "[reserve]") {
  AttachedDomain f(0);
  for (std::uint64_t budget = 0; budget < 5; ++budget) {
    f.machine.frames.budget = budget;
    CHECK(refused_at(f, 0x3FFFF000, 0x2000) == STATUS_INSUFFICIENT_RESOURCES);
  }
  f.machine.frames.budget = 5;
  f.reserve_at(0x3FFFF000, 0x2000);
  CHECK(f.machine.frames.budget == 0u);

  AttachedDomain buddy(32);
  CHECK(buddy.map_any(fake::contiguous(0x1000, 0x1000)) == 0);
  buddy.machine.frames.budget = 0;
  CHECK(refused(buddy, 0x400000, nullptr) == STATUS_INSUFFICIENT_RESOURCES);
  buddy.machine.frames.budget.reset();
  CHECK(buddy.map_any(fake::contiguous(0x1000, 0x1000)) == 0x1000);
  CHECK(buddy.reserve_any(0x400000)->LogicalAddressBase == 0x400000);
}

TEST_CASE("ReserveLogicalAddressRange: checks come in order", "[reserve]") {
  AttachedDomain f(14);
  f.machine.frames.budget = 0;
  std::uint64_t unaligned = 0x800, at = 0x1000, min = 0x2000, max = 0x1000;
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = kKept;
  CHECK(f.v2.ReserveLogicalAddressRange(nullptr, 0, &unaligned, &min, &max, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.v2.ReserveLogicalAddressRange(f.domain, 0, &unaligned, &min, &max, nullptr) == STATUS_INVALID_PARAMETER_2);
  CHECK(f.v2.ReserveLogicalAddressRange(f.domain, 0x1000, &unaligned, &min, &max, nullptr) ==
        STATUS_INVALID_PARAMETER_3);
  CHECK(f.v2.ReserveLogicalAddressRange(f.domain, 0x1000, &at, &min, &max, nullptr) == STATUS_INVALID_PARAMETER_6);
  CHECK(f.v2.ReserveLogicalAddressRange(f.domain, 0x1000, &at, &min, &max, &token) == STATUS_NOT_SUPPORTED);
  CHECK(f.v2.ReserveLogicalAddressRange(f.domain, 0x1000, nullptr, &min, &max, &token) == STATUS_INVALID_PARAMETER_MIX);
  CHECK(f.v2.ReserveLogicalAddressRange(f.domain, 0x1000, nullptr, nullptr, nullptr, &token) ==
        STATUS_INSUFFICIENT_RESOURCES);
  AttachedDomain g(0);
  g.reserve_at(0x1000, 0x1000);
  g.machine.frames.budget = 0;
  CHECK(refused_at(g, 0x1000, 0x40000000) == STATUS_RESOURCE_IN_USE);
  CHECK(refused_at(g, 0x2000, 0x40000000) == STATUS_INSUFFICIENT_RESOURCES);
}

TEST_CASE("ReserveLogicalAddressRange keeps its tables while mappings beside it come and go", "[reserve]") {
  AttachedDomain f(0);
  const std::size_t frames = f.machine.frames.in_use();
  f.map_at(0x0, fake::contiguous(0x100000, 0x1000));
  const auto token = f.reserve_at(0x1000, 0x1000);
  f.map_at(0x2000, fake::contiguous(0x100000, 0x1FE000));
  CHECK(f.unmap(0x0, 1) == STATUS_SUCCESS);
  CHECK(f.unmap(0x2000, 510) == STATUS_SUCCESS);
  CHECK(f.machine.frames.in_use() == frames + 3);
  f.machine.frames.budget = 0;
  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT segment{};
  CHECK(f.map_reserved(token, 0, fake::contiguous(0x700000, 0x1000), segment) == STATUS_SUCCESS);
  CHECK(f.write(0x1000).physical == 0x700000);
}
