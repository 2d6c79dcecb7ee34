// UnmapReservedLogicalRange (sheet 3.23, 3.1 items 7 and 8, OP-12, OP-21, OP-31).
//
//   condition                                                    status
//   -----------------------------------------------------------  -----------------------------------------
//   MappedSegment NULL (diagnostic)                              STATUS_INVALID_PARAMETER_1
//   OwningToken NULL, as a successful call leaves it             STATUS_INVALID_PARAMETER
//   OwningToken freed, or no token of this system (diagnostic)   STATUS_INVALID_PARAMETER
//   not exactly a segment that is mapped                         STATUS_INVALID_PARAMETER
//   a unit does not answer                                       STATUS_UNSUCCESSFUL; the segment stays mapped
//   else                                                         STATUS_SUCCESS; the structure is cleared, no
//                                                                translation of the pages is cached any more,
//                                                                every table is still there
//   any failure                                                  nothing changed
#include "testbench/api/attached_domain.h"

using fake::AttachedDomain;
using fake::Seen;
using Segment = IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT;

namespace {

/// A token of eight pages at 0x10000.
struct Fixture : AttachedDomain {
  explicit Fixture(const fake::Options& options = {})
      : AttachedDomain(0, options), token(reserve_at(0x10000, 0x8000)) {}

  Segment map(std::uint64_t offset, std::uint64_t physical, std::uint64_t bytes, ULONG permissions = 3) {
    Segment segment{};
    if (map_reserved(token, offset, fake::contiguous(physical, bytes), segment, permissions) != STATUS_SUCCESS) {
      throw std::runtime_error("MapReservedLogicalRange failed");
    }
    return segment;
  }
  NTSTATUS unmap(Segment& segment) { return v2.UnmapReservedLogicalRange(&segment); }
  /// A call that must change nothing, the segment included.
  NTSTATUS refused(Segment segment) {
    const Segment before = segment;
    const NTSTATUS status = unchanged([&] { return unmap(segment); });
    CHECK(segment.OwningToken == before.OwningToken);
    CHECK(segment.Offset == before.Offset);
    CHECK(segment.Size == before.Size);
    return status;
  }

  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token;
};

}  // namespace

TEST_CASE("UnmapReservedLogicalRange: DMA to the segment is blocked, whatever was cached", "[unmap_reserved]") {
  Fixture f;
  Segment first = f.map(0x1000, 0x700000, 0x2000);
  Segment second = f.map(0x3000, 0x800000, 0x1000, 1);
  REQUIRE(f.write(0x11000).ok);
  REQUIRE(f.write(0x12000).ok);
  REQUIRE(f.read(0x13000).ok);
  CHECK(f.unmap(first) == STATUS_SUCCESS);
  CHECK(first.OwningToken == nullptr);
  CHECK(first.Offset == 0);
  CHECK(first.Size == 0);
  CHECK(f.write(0x11000) == "not mapped");
  CHECK(f.read(0x12FFF) == "not mapped");
  CHECK(f.read(0x13000).physical == 0x800000);
  CHECK(f.unmap(second) == STATUS_SUCCESS);
  CHECK(f.read(0x13000) == "not mapped");
}

TEST_CASE("UnmapReservedLogicalRange frees no table", "[unmap_reserved]") {
  AttachedDomain f(0);
  const auto token = f.reserve_at(0x3FFFF000, 0x402000);
  const std::size_t frames = f.machine.frames.in_use();
  f.machine.frames.budget = 0;
  for (unsigned round = 0; round < 3; ++round) {
    Segment segment{};
    REQUIRE(f.map_reserved(token, 0, fake::contiguous(0x700000, 0x402000), segment) == STATUS_SUCCESS);
    CHECK(f.write(0x3FFFF000).physical == 0x700000);
    CHECK(f.write(0x40400FFF).physical == 0xB01FFF);
    CHECK(f.v2.UnmapReservedLogicalRange(&segment) == STATUS_SUCCESS);
    CHECK(f.write(0x3FFFF000) == "not mapped");
    CHECK(f.write(0x40400FFF) == "not mapped");
    CHECK(f.machine.frames.in_use() == frames);
  }
}

TEST_CASE("UnmapReservedLogicalRange: a segment goes once, whoever holds a copy", "[unmap_reserved]") {
  Fixture f;
  Segment segment = f.map(0x1000, 0x700000, 0x2000);
  const Segment copy = segment;
  Segment working_copy = copy;
  CHECK(f.unmap(working_copy) == STATUS_SUCCESS);
  CHECK(f.refused(working_copy) == STATUS_INVALID_PARAMETER);  // cleared
  CHECK(f.refused(segment) == STATUS_INVALID_PARAMETER);       // the original was not cleared
  CHECK(f.machine.host.diagnostics.empty());
  // Mapped again, the old copy names it again.
  segment = f.map(0x1000, 0x900000, 0x2000);
  working_copy = copy;
  CHECK(f.unmap(working_copy) == STATUS_SUCCESS);
  CHECK(f.write(0x11000) == "not mapped");
}

TEST_CASE("UnmapReservedLogicalRange: what is not exactly one mapped segment", "[unmap_reserved]") {
  Fixture f;
  f.map(0x0000, 0x700000, 0x2000);
  f.map(0x2000, 0x800000, 0x3000);
  f.map(0x6000, 0x900000, 0x2000, IOMMU_ACCESS_NONE);
  const auto wrong = [&](std::uint64_t offset, std::uint64_t size) {
    INFO(offset << " + " << size);
    CHECK(f.refused({f.token, offset, size}) == STATUS_INVALID_PARAMETER);
  };
  wrong(0x0000, 0x1000);  // part of one
  wrong(0x1000, 0x1000);
  wrong(0x2000, 0x2000);
  wrong(0x3000, 0x2000);
  wrong(0x0000, 0x5000);  // two of them
  wrong(0x1000, 0x2000);
  wrong(0x2000, 0x4000);  // too long
  wrong(0x5000, 0x1000);  // not mapped
  wrong(0x6000, 0x3000);  // beyond the token
  wrong(0x8000, 0x1000);
  wrong(0x0000, 0);
  wrong(0x0800, 0x2000);
  wrong(0x0000, 0x1800);
  wrong(0xFFFFFFFFFFFFF000, 0x2000);
  wrong(0x0000, 0xFFFFFFFFFFFFF000);
  wrong(0x1000, 0xFFFFFFFFFFFFF000);
  for (Segment segment : {Segment{f.token, 0x2000, 0x3000}, {f.token, 0x0000, 0x2000}, {f.token, 0x6000, 0x2000}}) {
    CHECK(f.unmap(segment) == STATUS_SUCCESS);
  }
  CHECK(f.v2.FreeReservedLogicalAddressRange(f.token) == STATUS_SUCCESS);
}

TEST_CASE("UnmapReservedLogicalRange: tokens that are none", "[unmap_reserved]") {
  Fixture f;
  Fixture other;
  Segment foreign = other.map(0x0, 0x700000, 0x1000);
  f.machine.make_current();
  CHECK(f.unchanged([&] { return f.v2.UnmapReservedLogicalRange(nullptr); }) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported("UnmapReservedLogicalRange", "parameter 1 is NULL") == 1);
  CHECK(f.refused({nullptr, 0, 0x1000}) == STATUS_INVALID_PARAMETER);
  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN made_up{0x10000, 0x8000};
  CHECK(f.refused({&made_up, 0, 0x1000}) == STATUS_INVALID_PARAMETER);
  CHECK(f.refused(foreign) == STATUS_INVALID_PARAMETER);
  CHECK(f.machine.host.reported("UnmapReservedLogicalRange", "segment: OwningToken is no token of this system") == 2);
  Segment segment = f.map(0x0, 0x700000, 0x1000);
  const Segment copy = segment;
  REQUIRE(f.unmap(segment) == STATUS_SUCCESS);
  REQUIRE(f.v2.FreeReservedLogicalAddressRange(f.token) == STATUS_SUCCESS);
  CHECK(f.refused(copy) == STATUS_INVALID_PARAMETER);
  CHECK(f.machine.host.reported("UnmapReservedLogicalRange", "segment: OwningToken was freed before") == 1);
  CHECK(other.write(0x10000).physical == 0x700000);
}

TEST_CASE("UnmapReservedLogicalRange invalidates leaves, and is complete on return", "[unmap_reserved]") {
  for (const auto path : {iommu::api::InvalidationPath::Queue, iommu::api::InvalidationPath::Registers}) {
    fake::Options options;
    options.path = path;
    Fixture f(options);
    Segment segment = f.map(0x1000, 0x700000, 0x3000);
    for (std::uint64_t page = 0x11000; page < 0x14000; page += 0x1000) REQUIRE(f.write(page).ok);
    f.unit.seen.clear();
    f.unit.latency = 7;
    const auto relaxed = f.machine.host.relaxed;
    CHECK(f.unmap(segment) == STATUS_SUCCESS);
    CHECK(f.machine.host.relaxed == relaxed + 7);
    REQUIRE(!f.unit.seen.empty());
    CHECK(f.unit.seen[0] == Seen{Seen::IotlbPages, f.did, 0, 0x10000, 2, true, true});
    for (std::uint64_t page = 0x11000; page < 0x14000; page += 0x1000) CHECK(f.write(page) == "not mapped");
  }
}

TEST_CASE("UnmapReservedLogicalRange in a domain without devices reaches no unit", "[unmap_reserved]") {
  Fixture f;
  Segment segment = f.map(0x1000, 0x700000, 0x3000);
  REQUIRE(f.v2.DetachDeviceEx(f.device) == STATUS_SUCCESS);
  const auto accesses = f.unit.accesses;
  CHECK(f.unmap(segment) == STATUS_SUCCESS);
  CHECK(f.unit.accesses == accesses);
  REQUIRE(f.v2.AttachDeviceEx(f.domain, f.device) == STATUS_SUCCESS);
  CHECK(f.write(0x11000) == "not mapped");
}

TEST_CASE("UnmapReservedLogicalRange: a unit that does not answer", "[unmap_reserved]") {
  fake::Options options;
  options.policy.poll_limit = 50;
  Fixture f(options);
  Segment segment = f.map(0x1000, 0x700000, 0x1000);
  f.unit.deaf = true;
  CHECK(f.unmap(segment) == STATUS_UNSUCCESSFUL);
  CHECK(segment.OwningToken == f.token);
  CHECK(segment.Size == 0x1000);
  CHECK(f.unit.walk(fake::kNic, 0x11000, true) == "not mapped");
  // The unit may still use the page: it stays taken.
  CHECK(f.v2.FreeReservedLogicalAddressRange(f.token) == STATUS_RESOURCE_IN_USE);
}
