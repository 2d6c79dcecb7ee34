// MapIdentityRangeEx (sheet 3.13, 3.1 items 4 and 5, OP-1, OP-7, OP-15, OP-16, OP-18, OP-19, OP-31, OP-32).
//
//   condition                                                            status
//   -------------------------------------------------------------------  -----------------------------------
//   bad handle (diagnostic)                                              STATUS_INVALID_PARAMETER_1
//   permission bits 31:2 not zero                                        STATUS_INVALID_PARAMETER_2
//   descriptor malformed, beyond the physical width, or (Translate)      STATUS_INVALID_PARAMETER_3
//     beyond the domain's logical width
//   PassThrough, else in order                                           STATUS_SUCCESS, no effect
//   domain with an allocator                                             STATUS_NOT_SUPPORTED
//   a page twice in the descriptor; a page that is mapped, reserved by   STATUS_RESOURCE_IN_USE (= STATUS_IN_USE)
//     a token, or in a reserved region
//   no frame for a table                                                 STATUS_INSUFFICIENT_RESOURCES
//   several errors                                                       the first one of this table
//   any failure                                                          nothing changed
#include "testbench/api/attached_domain.h"

using fake::AttachedDomain;

TEST_CASE("MapIdentityRangeEx: DMA reaches each page at its own address", "[map_identity]") {
  AttachedDomain f(0);
  CHECK(f.map_identity(fake::contiguous(0x123456000, 0x3000)) == STATUS_SUCCESS);
  CHECK(f.read(0x123456000).physical == 0x123456000);
  CHECK(f.write(0x123458FFF).physical == 0x123458FFF);
  CHECK(f.read(0x123455FFF) == "not mapped");
  CHECK(f.read(0x123459000) == "not mapped");
}

TEST_CASE("MapIdentityRangeEx: pages that are not contiguous yield several pieces", "[map_identity]") {
  AttachedDomain f(0);
  // In any order; only the first MDL of a chain counts.
  fake::MdlBuffer buffer({0x777, 0x12, 0x13, 0xFFFFFF, 0x11});
  fake::MdlBuffer chained({0x999});
  buffer.mdl()->Next = chained.mdl();
  CHECK(f.map_identity(buffer.descriptor()) == STATUS_SUCCESS);
  for (const std::uint64_t page : {0x777ull, 0x11ull, 0x12ull, 0x13ull, 0xFFFFFFull}) {
    CHECK(f.write((page << 12) + 0x10).physical == (page << 12) + 0x10);
  }
  for (const std::uint64_t page : {0x10ull, 0x14ull, 0x776ull, 0x778ull, 0x999ull, 0xFFFFFEull}) {
    CHECK(f.write(page << 12) == "not mapped");
  }
  std::vector<PFN_NUMBER> frames = {0x20, 0x5, 0x1F};
  CHECK(f.map_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
  for (const std::uint64_t page : frames) CHECK(f.read(page << 12).physical == page << 12);
  CHECK(f.read(0x6000) == "not mapped");
  CHECK(f.read(0x21000) == "not mapped");
}

TEST_CASE("MapIdentityRangeEx: permissions", "[map_identity]") {
  AttachedDomain f(0);
  CHECK(f.map_identity(fake::contiguous(0x10000, 0x1000), IOMMU_ACCESS_NONE) == STATUS_SUCCESS);
  CHECK(f.map_identity(fake::contiguous(0x11000, 0x1000), IOMMU_ACCESS_READ) == STATUS_SUCCESS);
  CHECK(f.map_identity(fake::contiguous(0x12000, 0x1000), IOMMU_ACCESS_WRITE) == STATUS_SUCCESS);
  CHECK(f.read(0x10000) == "not mapped");
  CHECK(f.write(0x10000) == "not mapped");
  CHECK(f.read(0x11000).ok);
  CHECK(f.write(0x11000) == "no write permission");
  CHECK(f.read(0x12000) == "no read permission");
  CHECK(f.write(0x12000).ok);
  // Pages without permissions are owned all the same.
  CHECK(f.unchanged([&] { return f.map_identity(fake::contiguous(0x10000, 0x1000)); }) == STATUS_RESOURCE_IN_USE);
  CHECK(f.unchanged([&] { return f.map_identity(fake::contiguous(0x20000, 0x1000), 4); }) ==
        STATUS_INVALID_PARAMETER_2);
  CHECK(f.unchanged([&] { return f.map_identity(fake::contiguous(0x20000, 0x1000), 0x80000003); }) ==
        STATUS_INVALID_PARAMETER_2);
}

TEST_CASE("MapIdentityRangeEx uses the largest pages", "[map_identity]") {
  AttachedDomain f(0);
  CHECK(f.map_identity(fake::contiguous(0x40000000, 0x40201000)) == STATUS_SUCCESS);
  CHECK(f.unit.walk(fake::kNic, 0x7FFFFFFF, true).page_bytes == 0x40000000);
  CHECK(f.unit.walk(fake::kNic, 0x80000000, true).page_bytes == 0x200000);
  CHECK(f.unit.walk(fake::kNic, 0x80200000, true).page_bytes == 0x1000);
  // Frames of an array that continue each other make a large page, even when they come in another order.
  std::vector<PFN_NUMBER> frames;
  for (PFN_NUMBER i = 0; i < 256; ++i) frames.push_back(0x200000 + 256 + i);
  for (PFN_NUMBER i = 0; i < 256; ++i) frames.push_back(0x200000 + i);
  CHECK(f.map_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
  CHECK(f.unit.walk(fake::kNic, 0x200000000, true).page_bytes == 0x200000);
}

TEST_CASE("MapIdentityRangeEx: a domain that is none", "[map_identity]") {
  AttachedDomain f(0);
  fake::Machine other;
  const PIOMMU_DMA_DOMAIN foreign = other.domain(0);
  f.machine.make_current();
  const PIOMMU_DMA_DOMAIN deleted = f.machine.domain(0);
  REQUIRE(f.v2.DeleteDomain(deleted) == STATUS_SUCCESS);
  auto physical = fake::contiguous(0x1000, 0x1000);
  for (const PIOMMU_DMA_DOMAIN wrong : {static_cast<PIOMMU_DMA_DOMAIN>(nullptr), foreign, deleted}) {
    CHECK(f.unchanged([&] { return f.v2.MapIdentityRangeEx(wrong, 3, &physical); }) == STATUS_INVALID_PARAMETER_1);
  }
  CHECK(f.machine.host.reported("MapIdentityRangeEx", "domain: parameter 1 is NULL") == 1);
  CHECK(f.machine.host.reported("MapIdentityRangeEx", "domain: parameter 1 is a handle of another system") == 1);
  CHECK(f.machine.host.reported("MapIdentityRangeEx", "domain: parameter 1 was deleted before") == 1);
}

TEST_CASE("MapIdentityRangeEx: malformed descriptors", "[map_identity]") {
  AttachedDomain f(0);
  fake::for_each_malformed([&](PIOMMU_MAP_PHYSICAL_ADDRESS physical) {
    CHECK(f.unchanged([&] { return f.v2.MapIdentityRangeEx(f.domain, 3, physical); }) == STATUS_INVALID_PARAMETER_3);
  });
  CHECK(f.map_identity(fake::contiguous(0x3FFFFFFFF000, 0x1000)) == STATUS_SUCCESS);
}

TEST_CASE("MapIdentityRangeEx: a physical page that is no logical address of the domain", "[map_identity]") {
  fake::Options options;
  options.units[0].sagaw = 0x2;  // three levels: 39 bits
  AttachedDomain f(0, options);
  CHECK(f.unchanged([&] { return f.map_identity(fake::contiguous(0x8000000000, 0x1000)); }) ==
        STATUS_INVALID_PARAMETER_3);
  CHECK(f.unchanged([&] { return f.map_identity(fake::contiguous(0x7FFFFFF000, 0x2000)); }) ==
        STATUS_INVALID_PARAMETER_3);
  std::vector<PFN_NUMBER> frames = {1, 0x8000000};
  CHECK(f.unchanged([&] { return f.map_identity(fake::pfn_array(frames)); }) == STATUS_INVALID_PARAMETER_3);
  CHECK(f.map_identity(fake::contiguous(0x7FFFFFF000, 0x1000)) == STATUS_SUCCESS);
  CHECK(f.write(0x7FFFFFFFFF).physical == 0x7FFFFFFFFF);
}

TEST_CASE("MapIdentityRangeEx in a PassThrough domain checks its arguments and does nothing", "[map_identity]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.pass_through();
  REQUIRE(v2.AttachDeviceEx(domain, machine.device("nic0")) == STATUS_SUCCESS);
  const fake::Snapshot before = fake::snapshot(machine);
  const auto accesses = machine.units[0]->accesses;
  const auto writes = machine.memory.writes;
  std::vector<PFN_NUMBER> frames = {7, 7};
  auto physical = fake::pfn_array(frames);
  CHECK(v2.MapIdentityRangeEx(domain, 0, &physical) == STATUS_SUCCESS);
  CHECK(v2.MapIdentityRangeEx(domain, 3, &physical) == STATUS_SUCCESS);  // never "in use"
  CHECK(v2.MapIdentityRangeEx(domain, 4, &physical) == STATUS_INVALID_PARAMETER_2);
  fake::for_each_malformed([&](PIOMMU_MAP_PHYSICAL_ADDRESS wrong) {
    CHECK(v2.MapIdentityRangeEx(domain, 3, wrong) == STATUS_INVALID_PARAMETER_3);
  });
  CHECK(fake::snapshot(machine) == before);
  CHECK(machine.units[0]->accesses == accesses);
  CHECK(machine.memory.writes == writes);
  CHECK(machine.units[0]->dma(fake::kNic, 0x7000, true).physical == 0x7000);
}

TEST_CASE("MapIdentityRangeEx: an allocator takes no addresses", "[map_identity]") {
  AttachedDomain f(32);
  CHECK(f.unchanged([&] { return f.map_identity(fake::contiguous(0x1000, 0x1000)); }) == STATUS_NOT_SUPPORTED);
  CHECK(f.map_any(fake::contiguous(0x100000, 0x1000)) == 0);
}

TEST_CASE("MapIdentityRangeEx: pages that have an owner", "[map_identity]") {
  IOMMU_DMA_RESERVED_REGION mapped{};
  mapped.Base = 0x9000;
  mapped.NumberOfPages = 1;
  mapped.ShouldMap = TRUE;
  AttachedDomain f(0, {}, &mapped);
  CHECK(STATUS_IN_USE == STATUS_RESOURCE_IN_USE);
  REQUIRE(f.map_identity(fake::contiguous(0x20000, 0x2000)) == STATUS_SUCCESS);
  f.map_at(0x30000, fake::contiguous(0x100000, 0x1000));
  f.reserve_at(0x40000, 0x1000);
  const auto in_use = [&](IOMMU_MAP_PHYSICAL_ADDRESS physical) {
    CHECK(f.unchanged([&] { return f.map_identity(physical); }) == STATUS_RESOURCE_IN_USE);
  };
  in_use(fake::contiguous(0x20000, 0x2000));
  in_use(fake::contiguous(0x1F000, 0x2000));
  in_use(fake::contiguous(0x21000, 0x8000));
  in_use(fake::contiguous(0x30000, 0x1000));
  in_use(fake::contiguous(0x40000, 0x1000));
  in_use(fake::contiguous(0x9000, 0x1000));
  std::vector<PFN_NUMBER> frames = {0x50, 0x21, 0x60};
  in_use(fake::pfn_array(frames));
  frames = {0x50, 0x60, 0x50};  // one page twice
  in_use(fake::pfn_array(frames));
  CHECK(f.machine.host.diagnostics.empty());
  in_use(fake::contiguous(0xFEEFF000, 0x1000));
  CHECK(f.machine.host.reported("MapIdentityRangeEx", "0xFEE00000") == 1);
  // None of them left a page behind.
  frames = {0x50, 0x60, 0x1F, 0x22};
  CHECK(f.map_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
}

TEST_CASE("MapIdentityRangeEx fails at every frame that is missing, without a trace", "[map_identity]") {
  AttachedDomain f(0);
  // Four levels. Page 0x10: three tables. 0x40000 in the next GiB: two more. 0x8000000 in the next 512 GiB: three.
  std::vector<PFN_NUMBER> frames = {0x8000000, 0x10, 0x40000};
  for (std::uint64_t budget = 0; budget < 8; ++budget) {
    f.machine.frames.budget = budget;
    CHECK(f.unchanged([&] { return f.map_identity(fake::pfn_array(frames)); }) == STATUS_INSUFFICIENT_RESOURCES);
    for (const std::uint64_t page : frames) CHECK(f.unit.walk(fake::kNic, page << 12, true) == "not mapped");
  }
  f.machine.frames.budget = 8;
  CHECK(f.map_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
  CHECK(f.machine.frames.budget == 0u);
  for (const std::uint64_t page : frames) CHECK(f.write(page << 12).physical == page << 12);
}

TEST_CASE("MapIdentityRangeEx: checks come in order", "[map_identity]") {
  AttachedDomain f(32);
  auto wrong = fake::contiguous(0x1800, 0x1000);
  CHECK(f.v2.MapIdentityRangeEx(nullptr, 4, &wrong) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.v2.MapIdentityRangeEx(f.domain, 4, &wrong) == STATUS_INVALID_PARAMETER_2);
  CHECK(f.v2.MapIdentityRangeEx(f.domain, 3, &wrong) == STATUS_INVALID_PARAMETER_3);
  std::vector<PFN_NUMBER> twice = {1, 1};
  CHECK(f.map_identity(fake::pfn_array(twice)) == STATUS_NOT_SUPPORTED);
  // Overlap comes before resources.
  AttachedDomain g(0);
  REQUIRE(g.map_identity(fake::contiguous(0x1000, 0x1000)) == STATUS_SUCCESS);
  g.machine.frames.budget = 0;
  std::vector<PFN_NUMBER> frames = {0x40000, 1};
  CHECK(g.map_identity(fake::pfn_array(frames)) == STATUS_RESOURCE_IN_USE);
  CHECK(g.map_identity(fake::contiguous(0x40000000, 0x1000)) == STATUS_INSUFFICIENT_RESOURCES);
}

TEST_CASE("MapIdentityRangeEx: hardware that caches what is not mapped learns of every piece", "[map_identity]") {
  fake::Options options;
  options.units[0].cm = true;
  options.units[0].rwbf = true;
  AttachedDomain f(0, options);
  std::vector<PFN_NUMBER> frames = {0x8000000, 0x10, 0x40000};
  for (const std::uint64_t page : frames) REQUIRE(f.write(page << 12) == "not mapped");
  CHECK(f.map_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
  for (const std::uint64_t page : frames) CHECK(f.write(page << 12).physical == page << 12);
  // Other hardware has to be told nothing.
  AttachedDomain g(0);
  const auto accesses = g.unit.accesses;
  CHECK(g.map_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
  CHECK(g.unit.accesses == accesses);
}

TEST_CASE("MapIdentityRangeEx: a unit that does not answer", "[map_identity]") {
  fake::Options options;
  options.units[0].cm = true;
  options.policy.poll_limit = 50;
  AttachedDomain f(0, options);
  f.unit.deaf = true;
  CHECK(f.map_identity(fake::contiguous(0x1000, 0x1000)) == STATUS_UNSUCCESSFUL);
  CHECK(f.unit.walk(fake::kNic, 0x1000, true) == "not mapped");
}
