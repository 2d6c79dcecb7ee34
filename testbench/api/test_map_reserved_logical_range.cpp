// MapReservedLogicalRange (sheet 3.22, 3.1 items 7 and 8, OP-15, OP-16, OP-20, OP-31, OP-32).
//
//   condition                                                            status
//   -------------------------------------------------------------------  -----------------------------------
//   NULL, freed before, no token of this system (diagnostic)             STATUS_INVALID_PARAMETER_1
//   another thread frees the token                                       STATUS_UNSUCCESSFUL
//   Offset not aligned, or not inside the token                          STATUS_INVALID_PARAMETER_2
//   permission bits 31:2 not zero                                        STATUS_INVALID_PARAMETER_3
//   descriptor malformed, or longer than the rest of the token           STATUS_INVALID_PARAMETER_4
//   MappedSegment NULL (diagnostic)                                      STATUS_INVALID_PARAMETER_5
//   a page of [Offset, Offset + length) is mapped                        STATUS_RESOURCE_IN_USE
//   a unit does not answer                                               STATUS_UNSUCCESSFUL
//   several errors                                                       the first one of this table
//   any failure                                                          nothing changed, the segment included
//
// That nothing is allocated is in test_no_allocation.cpp, the race with FreeReserved in test_concurrent_reservations.cpp.
#include "testbench/api/attached_domain.h"

using fake::AttachedDomain;
using Segment = IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT;

namespace {

/// A token of eight pages at 0x10000.
struct Fixture : AttachedDomain {
  explicit Fixture(const fake::Options& options = {})
      : AttachedDomain(0, options), token(reserve_at(0x10000, 0x8000)) {}

  NTSTATUS map(std::uint64_t offset, IOMMU_MAP_PHYSICAL_ADDRESS physical, ULONG permissions = 3) {
    segment = {};
    return map_reserved(token, offset, physical, segment, permissions);
  }
  /// A call that must change nothing, its output included.
  NTSTATUS refused(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN which, std::uint64_t offset, PIOMMU_MAP_PHYSICAL_ADDRESS physical,
                   ULONG permissions = 3) {
    Segment kept{&kept_token, 0x77, 0x99};
    const NTSTATUS status =
        unchanged([&] { return v2.MapReservedLogicalRange(which, offset, permissions, physical, &kept); });
    CHECK((kept.OwningToken == &kept_token && kept.Offset == 0x77 && kept.Size == 0x99));
    return status;
  }
  NTSTATUS refused(std::uint64_t offset, IOMMU_MAP_PHYSICAL_ADDRESS physical, ULONG permissions = 3) {
    return refused(token, offset, &physical, permissions);
  }

  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token;
  Segment segment{};
  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN kept_token{};
};

}  // namespace

TEST_CASE("MapReservedLogicalRange: a contiguous range, an MDL, an array of frames", "[map_reserved]") {
  Fixture f;
  CHECK(f.map(0x1000, fake::contiguous(0x123456000, 0x2000)) == STATUS_SUCCESS);
  CHECK(f.segment.OwningToken == f.token);
  CHECK(f.segment.Offset == 0x1000);
  CHECK(f.segment.Size == 0x2000);
  fake::MdlBuffer buffer({0x777, 0x12, 0x13});
  fake::MdlBuffer chained({0x999});
  buffer.mdl()->Next = chained.mdl();
  CHECK(f.map(0x3000, buffer.descriptor()) == STATUS_SUCCESS);
  CHECK(f.segment.Offset == 0x3000);
  CHECK(f.segment.Size == 0x3000);
  std::vector<PFN_NUMBER> frames = {0x5, 0x5};
  CHECK(f.map(0x6000, fake::pfn_array(frames)) == STATUS_SUCCESS);
  CHECK(f.read(0x10000) == "not mapped");
  CHECK(f.read(0x11000).physical == 0x123456000);
  CHECK(f.write(0x12FFF).physical == 0x123457FFF);
  CHECK(f.write(0x13000).physical == 0x777000);
  CHECK(f.write(0x14000).physical == 0x12000);
  CHECK(f.write(0x15010).physical == 0x13010);
  CHECK(f.write(0x16000).physical == 0x5000);
  CHECK(f.write(0x17FFF).physical == 0x5FFF);
  CHECK(f.write(0x18000) == "not mapped");
}

TEST_CASE("MapReservedLogicalRange: permissions", "[map_reserved]") {
  Fixture f;
  CHECK(f.map(0x0000, fake::contiguous(0x700000, 0x1000), IOMMU_ACCESS_NONE) == STATUS_SUCCESS);
  CHECK(f.map(0x1000, fake::contiguous(0x700000, 0x1000), IOMMU_ACCESS_READ) == STATUS_SUCCESS);
  CHECK(f.map(0x2000, fake::contiguous(0x700000, 0x1000), IOMMU_ACCESS_WRITE) == STATUS_SUCCESS);
  CHECK(f.read(0x10000) == "not mapped");
  CHECK(f.read(0x11000).ok);
  CHECK(f.write(0x11000) == "no write permission");
  CHECK(f.read(0x12000) == "no read permission");
  CHECK(f.write(0x12000).ok);
  // Pages without permissions count as mapped.
  CHECK(f.refused(0x0, fake::contiguous(0x700000, 0x1000)) == STATUS_RESOURCE_IN_USE);
  CHECK(f.refused(0x4000, fake::contiguous(0x700000, 0x1000), 4) == STATUS_INVALID_PARAMETER_3);
  CHECK(f.refused(0x4000, fake::contiguous(0x700000, 0x1000), 0x80000001) == STATUS_INVALID_PARAMETER_3);
}

TEST_CASE("MapReservedLogicalRange writes pages of 4 KiB into tables that are there", "[map_reserved]") {
  AttachedDomain f(0);
  const auto token = f.reserve_at(0x40000000, 0x40000000);
  f.machine.frames.budget = 0;
  Segment segment{};
  CHECK(f.map_reserved(token, 0x1FF000, fake::contiguous(0x801FF000, 0x202000), segment) == STATUS_SUCCESS);
  CHECK(f.write(0x401FF000).page_bytes == 0x1000);
  CHECK(f.write(0x40200000).page_bytes == 0x1000);  // 2 MiB at 2 MiB on both sides
  CHECK(f.write(0x40200000).physical == 0x80200000);
  CHECK(f.write(0x40400FFF).physical == 0x80400FFF);
  CHECK(f.write(0x40401000) == "not mapped");
  CHECK(f.map_reserved(token, 0x3FFFF000, fake::contiguous(0x1000, 0x1000), segment) == STATUS_SUCCESS);
  CHECK(f.write(0x7FFFFFFF).physical == 0x1FFF);
}

TEST_CASE("MapReservedLogicalRange recognises pointers that are no token", "[map_reserved]") {
  Fixture f;
  Fixture other;
  f.machine.make_current();
  auto physical = fake::contiguous(0x1000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN made_up{0x10000, 0x8000};
  CHECK(f.refused(nullptr, 0, &physical) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported("MapReservedLogicalRange", "token: parameter 1 is NULL") == 1);
  CHECK(f.refused(&made_up, 0, &physical) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.refused(other.token, 0, &physical) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported("MapReservedLogicalRange", "token: parameter 1 is no such handle") == 2);
  REQUIRE(f.v2.FreeReservedLogicalAddressRange(f.token) == STATUS_SUCCESS);
  CHECK(f.refused(f.token, 0, &physical) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported("MapReservedLogicalRange", "token: parameter 1 was deleted before") == 1);
}

TEST_CASE("MapReservedLogicalRange: offsets and lengths", "[map_reserved]") {
  Fixture f;
  CHECK(f.refused(0x800, fake::contiguous(0x1000, 0x1000)) == STATUS_INVALID_PARAMETER_2);
  CHECK(f.refused(0x8000, fake::contiguous(0x1000, 0x1000)) == STATUS_INVALID_PARAMETER_2);
  CHECK(f.refused(0xFFFFFFFFFFFFF000, fake::contiguous(0x1000, 0x2000)) == STATUS_INVALID_PARAMETER_2);
  CHECK(f.refused(0x7000, fake::contiguous(0x1000, 0x2000)) == STATUS_INVALID_PARAMETER_4);
  CHECK(f.refused(0x0, fake::contiguous(0x1000, 0x9000)) == STATUS_INVALID_PARAMETER_4);
  CHECK(f.map(0x7000, fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.map(0x0, fake::contiguous(0x1000, 0x7000)) == STATUS_SUCCESS);
  // The size that counts is the one that was asked for, not the allocator's block, nor what the caller writes there.
  AttachedDomain buddy(32);
  const auto token = buddy.reserve_any(0x3000);
  token->Size = 0x4000;
  token->LogicalAddressBase = 0x100000;
  Segment segment{};
  CHECK(buddy.map_reserved(token, 0x3000, fake::contiguous(0x1000, 0x1000), segment) == STATUS_INVALID_PARAMETER_2);
  CHECK(buddy.map_reserved(token, 0x2000, fake::contiguous(0x700000, 0x1000), segment) == STATUS_SUCCESS);
  CHECK(buddy.write(0x2000).physical == 0x700000);
}

TEST_CASE("MapReservedLogicalRange: malformed descriptors", "[map_reserved]") {
  Fixture f;
  fake::for_each_malformed([&](PIOMMU_MAP_PHYSICAL_ADDRESS physical) {
    CHECK(f.refused(f.token, 0, physical) == STATUS_INVALID_PARAMETER_4);
  });
  CHECK(f.map(0, fake::contiguous(0x3FFFFFFFF000, 0x1000)) == STATUS_SUCCESS);
}

TEST_CASE("MapReservedLogicalRange: only the segment's own pages have to be free", "[map_reserved]") {
  Fixture f;
  CHECK(f.map(0x2000, fake::contiguous(0x700000, 0x2000)) == STATUS_SUCCESS);
  CHECK(f.refused(0x2000, fake::contiguous(0x800000, 0x2000)) == STATUS_RESOURCE_IN_USE);
  CHECK(f.refused(0x1000, fake::contiguous(0x800000, 0x2000)) == STATUS_RESOURCE_IN_USE);
  CHECK(f.refused(0x3000, fake::contiguous(0x800000, 0x1000)) == STATUS_RESOURCE_IN_USE);
  CHECK(f.refused(0x0, fake::contiguous(0x800000, 0x8000)) == STATUS_RESOURCE_IN_USE);
  CHECK(f.map(0x0, fake::contiguous(0x800000, 0x2000)) == STATUS_SUCCESS);
  CHECK(f.map(0x4000, fake::contiguous(0x900000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.write(0x11000).physical == 0x801000);
  CHECK(f.write(0x12000).physical == 0x700000);
  CHECK(f.write(0x14000).physical == 0x900000);
}

TEST_CASE("MapReservedLogicalRange: no place for the segment", "[map_reserved]") {
  Fixture f;
  auto physical = fake::contiguous(0x1000, 0x1000);
  CHECK(f.unchanged([&] { return f.v2.MapReservedLogicalRange(f.token, 0, 3, &physical, nullptr); }) ==
        STATUS_INVALID_PARAMETER_5);
  CHECK(f.machine.host.reported("MapReservedLogicalRange", "output: parameter 5 is NULL") == 1);
}

TEST_CASE("MapReservedLogicalRange: checks come in order", "[map_reserved]") {
  Fixture f;
  REQUIRE(f.map(0, fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
  auto wrong = fake::contiguous(0x1800, 0x1000);
  auto good = fake::contiguous(0x1000, 0x1000);
  CHECK(f.v2.MapReservedLogicalRange(nullptr, 1, 4, &wrong, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.v2.MapReservedLogicalRange(f.token, 1, 4, &wrong, nullptr) == STATUS_INVALID_PARAMETER_2);
  CHECK(f.v2.MapReservedLogicalRange(f.token, 0, 4, &wrong, nullptr) == STATUS_INVALID_PARAMETER_3);
  CHECK(f.v2.MapReservedLogicalRange(f.token, 0, 3, &wrong, nullptr) == STATUS_INVALID_PARAMETER_4);
  CHECK(f.v2.MapReservedLogicalRange(f.token, 0, 3, &good, nullptr) == STATUS_INVALID_PARAMETER_5);
  CHECK(f.refused(0, good) == STATUS_RESOURCE_IN_USE);
}

TEST_CASE("MapReservedLogicalRange: hardware that caches what is not mapped, and buffers writes", "[map_reserved]") {
  for (const auto path : {iommu::api::InvalidationPath::Queue, iommu::api::InvalidationPath::Registers}) {
    fake::Options options;
    options.path = path;
    options.units[0].cm = true;
    options.units[0].rwbf = true;
    Fixture f(options);
    REQUIRE(f.write(0x10000) == "not mapped");
    REQUIRE(f.write(0x11000) == "not mapped");
    CHECK(f.map(0, fake::contiguous(0x700000, 0x2000)) == STATUS_SUCCESS);
    CHECK(f.write(0x10000).physical == 0x700000);
    CHECK(f.write(0x11000).physical == 0x701000);
  }
  // Other hardware has to be told nothing.
  Fixture plain;
  const auto accesses = plain.unit.accesses;
  CHECK(plain.map(0, fake::contiguous(0x700000, 0x2000)) == STATUS_SUCCESS);
  CHECK(plain.unit.accesses == accesses);
}

TEST_CASE("MapReservedLogicalRange works for a device that is attached later", "[map_reserved]") {
  Fixture f;
  REQUIRE(f.v2.DetachDeviceEx(f.device) == STATUS_SUCCESS);
  CHECK(f.map(0, fake::contiguous(0x700000, 0x1000)) == STATUS_SUCCESS);
  REQUIRE(f.v2.AttachDeviceEx(f.domain, f.device) == STATUS_SUCCESS);
  CHECK(f.write(0x10000).physical == 0x700000);
}

TEST_CASE("MapReservedLogicalRange: a unit that does not answer", "[map_reserved]") {
  fake::Options options;
  options.units[0].cm = true;
  options.policy.poll_limit = 50;
  Fixture f(options);
  f.unit.deaf = true;
  Segment kept{&f.kept_token, 0x77, 0x99};
  CHECK(f.map_reserved(f.token, 0, fake::contiguous(0x700000, 0x1000), kept) == STATUS_UNSUCCESSFUL);
  CHECK(kept.OwningToken == &f.kept_token);
  CHECK(f.unit.walk(fake::kNic, 0x10000, true) == "not mapped");
  // The unit may have seen the page: it stays taken.
  CHECK(f.map_reserved(f.token, 0, fake::contiguous(0x700000, 0x1000), kept) == STATUS_RESOURCE_IN_USE);
}
