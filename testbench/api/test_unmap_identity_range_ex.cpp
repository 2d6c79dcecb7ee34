// UnmapIdentityRangeEx (sheet 3.14, OP-7, OP-12, OP-16, OP-18, OP-19, OP-31, OP-32).
//
//   condition                                                    status
//   -----------------------------------------------------------  -----------------------------------------
//   bad handle (diagnostic)                                      STATUS_INVALID_PARAMETER_1
//   descriptor malformed, beyond the physical width, or          STATUS_INVALID_PARAMETER_2
//     (Translate) beyond the domain's logical width
//   PassThrough, else in order                                   STATUS_SUCCESS, no effect
//   domain with an allocator                                     STATUS_NOT_SUPPORTED
//   a page that MapIdentityRangeEx did not map, or that comes    STATUS_INVALID_PARAMETER
//     twice
//   no frame to split a large page that is unmapped in part      STATUS_INSUFFICIENT_RESOURCES
//   else                                                         STATUS_SUCCESS; no translation of the pages
//                                                                is cached any more
//   several errors                                               the first one of this table
//   any failure                                                  nothing changed
#include "testbench/api/attached_domain.h"

using fake::AttachedDomain;
using fake::Seen;

TEST_CASE("UnmapIdentityRangeEx: DMA to the pages is blocked, whatever was cached", "[unmap_identity]") {
  AttachedDomain f(0);
  const std::size_t frames_before = f.machine.frames.in_use();
  std::vector<PFN_NUMBER> frames = {0x8000000, 0x10, 0x11, 0x40000};
  REQUIRE(f.map_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
  for (const std::uint64_t page : frames) REQUIRE(f.write(page << 12).ok);
  CHECK(f.unmap_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
  for (const std::uint64_t page : frames) CHECK(f.write(page << 12) == "not mapped");
  CHECK(f.machine.frames.in_use() == frames_before);
  CHECK(f.unchanged([&] { return f.unmap_identity(fake::pfn_array(frames)); }) == STATUS_INVALID_PARAMETER);
  CHECK(f.map_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
}

TEST_CASE("UnmapIdentityRangeEx: part of a mapping, and several mappings at once", "[unmap_identity]") {
  AttachedDomain f(0);
  REQUIRE(f.map_identity(fake::contiguous(0x10000, 0x4000)) == STATUS_SUCCESS);
  REQUIRE(f.map_identity(fake::contiguous(0x14000, 0x2000), 1) == STATUS_SUCCESS);
  for (std::uint64_t page = 0x10000; page < 0x16000; page += 0x1000) REQUIRE(f.read(page).ok);
  fake::MdlBuffer buffer({0x14, 0x11, 0x13});  // another shape and order than they were mapped with
  CHECK(f.unmap_identity(buffer.descriptor()) == STATUS_SUCCESS);
  for (const std::uint64_t page : {0x11000ull, 0x13000ull, 0x14000ull}) CHECK(f.read(page) == "not mapped");
  for (const std::uint64_t page : {0x10000ull, 0x12000ull, 0x15000ull}) CHECK(f.read(page).physical == page);
  CHECK(f.unchanged([&] { return f.unmap_identity(fake::contiguous(0x10000, 0x2000)); }) == STATUS_INVALID_PARAMETER);
  std::vector<PFN_NUMBER> rest = {0x10, 0x12, 0x15};
  CHECK(f.unmap_identity(fake::pfn_array(rest)) == STATUS_SUCCESS);
}

TEST_CASE("UnmapIdentityRangeEx: pages that identity calls did not map", "[unmap_identity]") {
  IOMMU_DMA_RESERVED_REGION mapped{};
  mapped.Base = 0x9000;
  mapped.NumberOfPages = 1;
  mapped.ShouldMap = TRUE;
  AttachedDomain f(0, {}, &mapped);
  REQUIRE(f.map_identity(fake::contiguous(0x20000, 0x2000)) == STATUS_SUCCESS);
  f.map_at(0x22000, fake::contiguous(0x22000, 0x1000));
  const auto token = f.reserve_at(0x1F000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT segment{};
  REQUIRE(f.map_reserved(token, 0, fake::contiguous(0x1F000, 0x1000), segment) == STATUS_SUCCESS);
  const auto refused = [&](IOMMU_MAP_PHYSICAL_ADDRESS physical) {
    CHECK(f.unchanged([&] { return f.unmap_identity(physical); }) == STATUS_INVALID_PARAMETER);
  };
  refused(fake::contiguous(0x22000, 0x1000));  // MapLogicalRangeEx
  refused(fake::contiguous(0x21000, 0x2000));
  refused(fake::contiguous(0x1F000, 0x1000));  // a token
  refused(fake::contiguous(0x9000, 0x1000));   // a reserved region
  refused(fake::contiguous(0x50000, 0x1000));
  std::vector<PFN_NUMBER> frames = {0x20, 0x21, 0x50};
  refused(fake::pfn_array(frames));
  frames = {0x20, 0x21, 0x20};  // not mapped any more when it comes again
  refused(fake::pfn_array(frames));
  for (const std::uint64_t page : {0x9000ull, 0x1F000ull, 0x20000ull, 0x21000ull, 0x22000ull}) {
    CHECK(f.write(page).physical == page);
  }
  CHECK(f.unmap_identity(fake::contiguous(0x20000, 0x2000)) == STATUS_SUCCESS);
}

TEST_CASE("UnmapIdentityRangeEx: pages without permissions are mapped pages, too", "[unmap_identity]") {
  AttachedDomain f(0);
  REQUIRE(f.map_identity(fake::contiguous(0x10000, 0x1000), IOMMU_ACCESS_NONE) == STATUS_SUCCESS);
  CHECK(f.unmap_identity(fake::contiguous(0x10000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.unmap_identity(fake::contiguous(0x10000, 0x1000)) == STATUS_INVALID_PARAMETER);
}

TEST_CASE("UnmapIdentityRangeEx: wrong arguments, in order", "[unmap_identity]") {
  fake::Options options;
  options.units[0].sagaw = 0x2;  // three levels: 39 bits
  AttachedDomain f(0, options);
  auto good = fake::contiguous(0x1000, 0x1000);
  CHECK(f.v2.UnmapIdentityRangeEx(nullptr, &good) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported("UnmapIdentityRangeEx", "domain: parameter 1 is NULL") == 1);
  CHECK(f.v2.UnmapIdentityRangeEx(nullptr, nullptr) == STATUS_INVALID_PARAMETER_1);
  fake::for_each_malformed([&](PIOMMU_MAP_PHYSICAL_ADDRESS physical) {
    CHECK(f.unchanged([&] { return f.v2.UnmapIdentityRangeEx(f.domain, physical); }) == STATUS_INVALID_PARAMETER_2);
  });
  CHECK(f.unchanged([&] { return f.unmap_identity(fake::contiguous(0x8000000000, 0x1000)); }) ==
        STATUS_INVALID_PARAMETER_2);
  CHECK(f.unchanged([&] { return f.unmap_identity(good); }) == STATUS_INVALID_PARAMETER);

  AttachedDomain buddy(32);
  CHECK(buddy.unchanged([&] { return buddy.unmap_identity(fake::contiguous(0x1800, 0x1000)); }) ==
        STATUS_INVALID_PARAMETER_2);
  CHECK(buddy.unchanged([&] { return buddy.unmap_identity(good); }) == STATUS_NOT_SUPPORTED);
}

TEST_CASE("UnmapIdentityRangeEx in a PassThrough domain checks its arguments and does nothing", "[unmap_identity]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.pass_through();
  REQUIRE(v2.AttachDeviceEx(domain, machine.device("nic0")) == STATUS_SUCCESS);
  const fake::Snapshot before = fake::snapshot(machine);
  const auto accesses = machine.units[0]->accesses;
  auto physical = fake::contiguous(0x7000, 0x1000);
  CHECK(v2.UnmapIdentityRangeEx(domain, &physical) == STATUS_SUCCESS);  // never "not mapped"
  fake::for_each_malformed([&](PIOMMU_MAP_PHYSICAL_ADDRESS wrong) {
    CHECK(v2.UnmapIdentityRangeEx(domain, wrong) == STATUS_INVALID_PARAMETER_2);
  });
  CHECK(fake::snapshot(machine) == before);
  CHECK(machine.units[0]->accesses == accesses);
  CHECK(machine.units[0]->dma(fake::kNic, 0x7000, true).physical == 0x7000);
}

TEST_CASE("UnmapIdentityRangeEx splits a large page for all its pieces at once", "[unmap_identity]") {
  AttachedDomain f(0);
  REQUIRE(f.map_identity(fake::contiguous(0x40000000, 0x40000000)) == STATUS_SUCCESS);
  REQUIRE(f.write(0x40000000).page_bytes == 0x40000000);
  // Two pages in one 2 MiB part, one in another: one table of level 2, two of level 1.
  std::vector<PFN_NUMBER> frames = {0x40005, 0x7FFFF, 0x4000A};
  for (std::uint64_t budget = 0; budget < 3; ++budget) {
    f.machine.frames.budget = budget;
    CHECK(f.unchanged([&] { return f.unmap_identity(fake::pfn_array(frames)); }) == STATUS_INSUFFICIENT_RESOURCES);
    CHECK(f.unit.walk(fake::kNic, 0x40000000, true).page_bytes == 0x40000000);
  }
  f.machine.frames.budget = 3;
  CHECK(f.unmap_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
  CHECK(f.machine.frames.budget == 0u);
  for (const std::uint64_t page : frames) CHECK(f.write(page << 12) == "not mapped");
  for (const std::uint64_t page : {0x40004ull, 0x40006ull, 0x40009ull, 0x4000Bull, 0x7FFFEull}) {
    CHECK(f.write(page << 12).physical == page << 12);
  }
}

TEST_CASE("UnmapIdentityRangeEx: one invalidation covers all pieces and is complete on return", "[unmap_identity]") {
  const auto seen = [](std::vector<PFN_NUMBER> frames) {
    AttachedDomain f(0);
    REQUIRE(f.map_identity(fake::contiguous(0, 0x8000)) == STATUS_SUCCESS);
    REQUIRE(f.map_identity(fake::contiguous(0x40000000, 0x2000)) == STATUS_SUCCESS);
    for (const std::uint64_t page : frames) REQUIRE(f.write(page << 12).ok);
    f.unit.seen.clear();
    f.unit.latency = 7;
    const auto relaxed = f.machine.host.relaxed;
    REQUIRE(f.unmap_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
    CHECK(f.machine.host.relaxed == relaxed + 7);
    for (const std::uint64_t page : frames) CHECK(f.write(page << 12) == "not mapped");
    CHECK(f.unit.seen.size() == 2);
    CHECK(f.unit.seen.at(0).did == f.did);
    return f.unit.seen.at(0);
  };
  const Seen near = seen({7, 5});
  CHECK((near.kind == Seen::IotlbPages && near.address == 0x4000 && near.am == 2 && near.ih));
  CHECK(seen({7, 0x40000}).kind == Seen::IotlbDomain);  // further apart than a mask of 18 reaches
}

TEST_CASE("UnmapIdentityRangeEx: tables are not reused before the invalidation is complete", "[unmap_identity]") {
  AttachedDomain f(0);
  REQUIRE(f.map_identity(fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
  f.unit.latency = 3;
  const std::size_t frames = f.machine.frames.in_use();
  std::size_t during = 0;
  f.machine.host.on_relax.emplace_back([&] { during = f.machine.frames.in_use(); });
  CHECK(f.unmap_identity(fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
  CHECK(during == frames);
  CHECK(f.machine.frames.in_use() == frames - 3);
}
