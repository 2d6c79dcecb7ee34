// What the functions about domains, attachments and flushes do to the hardware, and version 1; as test_hardware_effect.cpp.
//
//   function                                    after it, hardware
//   ------------------------------------------  -------------------------------------------------------------------
//   CreateDomainEx with regions, attached       reaches the mapped ones and nothing of the others
//   AttachDeviceEx, AttachDevice                translates by the domain's table; passes through in a PassThrough one
//   DetachDeviceEx, DetachDevice                blocks every access (or lets it pass, as policy says)
//   FlushDomain, FlushDomainByVaList            walks again: an entry that was changed in memory takes effect
//   DeleteDomain                                nothing is left: the next domain with the same tables sees only its own
#include "testbench/api/hardware_lab.h"

using namespace hardware;

// ---- Domains and attachments ------------------------------------------------------------------------------------

TEST_CASE("hardware: CreateDomainEx maps and withholds regions", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    for (const unsigned buddy_width : {0u, 32u}) {
      Lab lab(options);
      IOMMU_DMA_RESERVED_REGION out{nullptr, 0x7000000, 16, FALSE};
      IOMMU_DMA_RESERVED_REGION large{&out, 0x6000000, 512, TRUE};
      IOMMU_DMA_RESERVED_REGION small{&large, 0x5000000, 2, TRUE};
      const PIOMMU_DMA_DOMAIN domain = lab.machine.domain(buddy_width, &small);
      REQUIRE(lab.v2.DetachDeviceEx(lab.nic) == STATUS_SUCCESS);
      REQUIRE(lab.v2.AttachDeviceEx(domain, lab.nic) == STATUS_SUCCESS);
      CHECK(lab.moves(0x5000000, 0x5000000));
      CHECK(lab.moves(0x5001FF8, 0x5001FF8));
      CHECK(lab.blocked(0x5002000));
      CHECK(lab.moves(0x6000000, 0x6000000));
      CHECK(lab.moves(0x61FFFF8, 0x61FFFF8));
      CHECK(lab.blocked(0x6200000));
      CHECK(lab.blocked(0x7000000));
      // They stay, whatever is asked for.
      CHECK(lab.v2.UnmapLogicalRange(domain, 0x5000000, 1) == STATUS_INVALID_PARAMETER);
      CHECK(lab.moves(0x5000000, 0x5000000));
    }
  });
}

TEST_CASE("hardware: attached, detached, attached elsewhere", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Lab lab(options);
    const PIOMMU_DMA_DOMAIN second = lab.machine.domain();
    const PIOMMU_DMA_DOMAIN pass = lab.machine.pass_through();
    REQUIRE(lab.map(fake::contiguous(0x5000000, kPage), 0x40000000) == STATUS_SUCCESS);
    auto physical = fake::contiguous(0x6000000, kPage);
    IOMMU_DMA_LOGICAL_ADDRESS at = 0x40000000, out = 0;
    REQUIRE(lab.v2.MapLogicalRangeEx(second, 3, &physical, &at, nullptr, nullptr, &out) == STATUS_SUCCESS);
    for (unsigned round = 0; round < 3; ++round) {
      CHECK(lab.moves(0x40000000, 0x5000000));
      CHECK(lab.blocked(0x5000000));
      REQUIRE(lab.v2.DetachDeviceEx(lab.nic) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x40000000));
      CHECK(lab.blocked(0x5000000));
      REQUIRE(lab.v2.AttachDeviceEx(second, lab.nic) == STATUS_SUCCESS);
      CHECK(lab.moves(0x40000000, 0x6000000));
      REQUIRE(lab.v2.DetachDeviceEx(lab.nic) == STATUS_SUCCESS);
      REQUIRE(lab.v2.AttachDeviceEx(pass, lab.nic) == STATUS_SUCCESS);
      CHECK(lab.moves(0x5000000, 0x5000000));
      CHECK(lab.moves(0x40000000, 0x40000000));
      // Mapping identity in a PassThrough domain has no effect.
      CHECK(lab.v2.MapIdentityRangeEx(pass, 0, &physical) == STATUS_SUCCESS);
      CHECK(lab.moves(0x6000000, 0x6000000));
      CHECK(lab.v2.UnmapIdentityRangeEx(pass, &physical) == STATUS_SUCCESS);
      CHECK(lab.moves(0x6000000, 0x6000000));
      REQUIRE(lab.v2.DetachDeviceEx(lab.nic) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x5000000));
      REQUIRE(lab.v2.AttachDeviceEx(lab.domain, lab.nic) == STATUS_SUCCESS);
    }
  });
}

TEST_CASE("hardware: devices that share a domain, an alias, and one that is somewhere else", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Lab lab(options);
    const PIOMMU_DMA_DEVICE gpu = lab.machine.device("gpu0");
    const PIOMMU_DMA_DEVICE disk = lab.machine.device("disk0");
    const PIOMMU_DMA_DOMAIN second = lab.machine.domain();
    REQUIRE(lab.v2.AttachDeviceEx(lab.domain, gpu) == STATUS_SUCCESS);
    REQUIRE(lab.v2.AttachDeviceEx(second, disk) == STATUS_SUCCESS);
    REQUIRE(lab.map(fake::contiguous(0x5000000, kPage), 0x40000000) == STATUS_SUCCESS);
    CHECK(lab.moves(0x40000000, 0x5000000, fake::kNic));
    CHECK(lab.moves(0x40000000, 0x5000000, fake::kGpu));
    CHECK(lab.moves(0x40000000, 0x5000000, fake::kGpuAlias));
    CHECK(lab.blocked(0x40000000, fake::kDisk));
    REQUIRE(lab.v2.UnmapLogicalRange(lab.domain, 0x40000000, 1) == STATUS_SUCCESS);
    CHECK(lab.blocked(0x40000000, fake::kNic));
    CHECK(lab.blocked(0x40000000, fake::kGpu));
    CHECK(lab.blocked(0x40000000, fake::kGpuAlias));
    REQUIRE(lab.map(fake::contiguous(0x6000000, kPage), 0x40000000) == STATUS_SUCCESS);
    CHECK(lab.moves(0x40000000, 0x6000000, fake::kGpuAlias));
    REQUIRE(lab.v2.DetachDeviceEx(gpu) == STATUS_SUCCESS);
    CHECK(lab.blocked(0x40000000, fake::kGpu));
    CHECK(lab.blocked(0x40000000, fake::kGpuAlias));
    CHECK(lab.moves(0x40000000, 0x6000000, fake::kNic));
  });
}

TEST_CASE("hardware: a domain with devices behind two units", "[hardware]") {
  modeled::Options options;
  options.units.assign(2, modeled::default_capabilities());
  with_all_caches(
      [](const modeled::Options& two_units) {
        Lab lab(two_units);
        const PIOMMU_DMA_DEVICE eth = lab.machine.device("eth1");  // 00:03.0 as well
        CHECK_FALSE(lab.machine.units[1]->read(fake::kNic, 0x40000000));
        REQUIRE(lab.v2.AttachDeviceEx(lab.domain, eth) == STATUS_SUCCESS);
        REQUIRE(lab.map(fake::contiguous(0x5000000, kPage), 0x40000000) == STATUS_SUCCESS);
        CHECK(lab.moves(0x40000000, 0x5000000));
        CHECK(lab.machine.units[1]->write(fake::kNic, 0x40000008, 77));
        CHECK(lab.machine.memory.get(0x5000008) == 77);
        REQUIRE(lab.v2.UnmapLogicalRange(lab.domain, 0x40000000, 1) == STATUS_SUCCESS);
        CHECK(lab.blocked(0x40000000));
        CHECK_FALSE(lab.machine.units[1]->read(fake::kNic, 0x40000008));
        REQUIRE(lab.map(fake::contiguous(0x6000000, kPage), 0x40000000) == STATUS_SUCCESS);
        REQUIRE(lab.v2.DetachDeviceEx(lab.nic) == STATUS_SUCCESS);
        CHECK(lab.blocked(0x40000000));
        CHECK(lab.machine.units[1]->read(fake::kNic, 0x40000000) == lab.machine.memory.get(0x6000000));
      },
      options);
}

TEST_CASE("hardware: unattached devices that pass through", "[hardware]") {
  modeled::Options options;
  options.policy.unattached = iommu::api::UnattachedState::PassThrough;
  with_all_caches(
      [](const modeled::Options& passing) {
        Lab lab(passing);
        CHECK(lab.blocked(0x5000000));
        CHECK(lab.moves(0x5000000, 0x5000000, fake::kDisk));
        REQUIRE(lab.map(fake::contiguous(0x6000000, kPage), 0x5000000) == STATUS_SUCCESS);
        CHECK(lab.moves(0x5000000, 0x6000000));
        REQUIRE(lab.v2.DetachDeviceEx(lab.nic) == STATUS_SUCCESS);
        CHECK(lab.moves(0x5000000, 0x5000000));
      },
      options);
}

TEST_CASE("hardware: a deleted domain leaves nothing to its successor", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Lab lab(options);
    for (unsigned round = 0; round < 4; ++round) {
      const std::size_t frames = lab.machine.frames.in_use();
      REQUIRE(lab.map(fake::contiguous(0x5000000, 0x8000), 0x40000000) == STATUS_SUCCESS);
      CHECK(lab.moves(0x40007000, 0x5007000));
      REQUIRE(lab.v2.DetachDeviceEx(lab.nic) == STATUS_SUCCESS);
      REQUIRE(lab.v2.DeleteDomain(lab.domain) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x40007000));
      lab.domain = lab.machine.domain();
      CHECK(lab.machine.frames.in_use() == frames);
      // It has the same domain id, and the same frames as tables.
      REQUIRE(lab.v2.AttachDeviceEx(lab.domain, lab.nic) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x40007000));
      REQUIRE(lab.map(fake::contiguous(0x6000000, kPage), 0x40000000) == STATUS_SUCCESS);
      CHECK(lab.moves(0x40000000, 0x6000000));
      CHECK(lab.blocked(0x40007000));
      REQUIRE(lab.v2.UnmapLogicalRange(lab.domain, 0x40000000, 1) == STATUS_SUCCESS);
    }
  });
}

// ---- Flushes ----------------------------------------------------------------------------------------------------

namespace {

/// Address of the entry for a logical page in the lowest table, by the format of the specification's section 9.8.
std::uint64_t lowest_entry(Lab& lab, std::uint64_t logical) {
  const std::uint64_t root_table = lab.unit().read64(0x20) & ~0xFFFull;  // RTADDR
  const std::uint64_t context_table = lab.machine.memory.get(root_table) & ~0xFFFull;
  std::uint64_t table = lab.machine.memory.get(context_table + 16 * fake::kNic) & ~0xFFFull;
  for (unsigned shift = 39; shift > 12; shift -= 9) {
    table = lab.machine.memory.get(table + 8 * (logical >> shift & 511)) & 0xFFFFFFFFFF000ull;
  }
  return table + 8 * (logical >> 12 & 511);
}

}  // namespace

TEST_CASE("hardware: a flush makes changed entries take effect", "[hardware]") {
  modeled::Options options;  // with small caches, an entry could have been replaced by itself
  Lab lab(options);
  REQUIRE(lab.map(fake::contiguous(0x5000000, 2 * kPage), 0x40000000) == STATUS_SUCCESS);
  const std::uint64_t entry = lowest_entry(lab, 0x40000000);
  const auto point_to = [&](std::uint64_t index, std::uint64_t physical) {
    lab.machine.memory.write64(entry + 8 * index, physical | 3);
  };
  const auto reached = [&](std::uint64_t index) {
    const std::uint64_t value = ++lab.stamp;
    REQUIRE(lab.unit().write(fake::kNic, 0x40000000 + index * kPage, value));
    for (const std::uint64_t physical : {0x5000000u, 0x5001000u, 0x6000000u, 0x6100000u}) {
      if (lab.machine.memory.get(physical) == value) return physical;
    }
    return std::uint64_t{0};
  };
  CHECK(reached(0) == 0x5000000);
  CHECK(reached(1) == 0x5001000);
  point_to(0, 0x6000000);
  point_to(1, 0x6100000);
  CHECK(reached(0) == 0x5000000);  // from the IOTLB
  CHECK(reached(1) == 0x5001000);

  SECTION("FlushDomain") {
    REQUIRE(lab.v2.FlushDomain(lab.domain) == STATUS_SUCCESS);
    CHECK(reached(0) == 0x6000000);
    CHECK(reached(1) == 0x6100000);
  }
  SECTION("FlushDomainByVaList, one page") {
    std::uint64_t pages[] = {0x40001000};
    REQUIRE(lab.v2.FlushDomainByVaList(lab.domain, TRUE, 1, pages) == STATUS_SUCCESS);
    CHECK(reached(1) == 0x6100000);
    CHECK(reached(0) == 0x5000000);  // was not in the list
  }
  SECTION("FlushDomainByVaList, both pages and the tables") {
    std::uint64_t pages[] = {0x40001000, 0x40000000};
    REQUIRE(lab.v2.FlushDomainByVaList(lab.domain, FALSE, 2, pages) == STATUS_SUCCESS);
    CHECK(reached(0) == 0x6000000);
    CHECK(reached(1) == 0x6100000);
  }
  SECTION("FlushDomain of another domain") {
    REQUIRE(lab.v2.FlushDomain(lab.machine.domain()) == STATUS_SUCCESS);
    CHECK(reached(0) == 0x5000000);
  }
}

TEST_CASE("hardware: FlushDomainByVaList with and without the tables above", "[hardware]") {
  Lab lab({});
  REQUIRE(lab.map(fake::contiguous(0x5000000, kPage), 0x40000000) == STATUS_SUCCESS);
  REQUIRE(lab.map(fake::contiguous(0x6000000, kPage), 0x40200000) == STATUS_SUCCESS);
  CHECK(lab.moves(0x40000000, 0x5000000));
  // The entry of 0x40000000 to 0x401FFFFF leads to the neighbour's table: somebody who manages tables by hand.
  const std::uint64_t neighbour = lowest_entry(lab, 0x40200000) & ~0xFFFull;
  const std::uint64_t own = lowest_entry(lab, 0x40000000) & ~0xFFFull;
  std::uint64_t above = 0;  // the table that points to `own`
  const std::uint64_t root_table = lab.unit().read64(0x20) & ~0xFFFull;
  const std::uint64_t context_table = lab.machine.memory.get(root_table) & ~0xFFFull;
  above = lab.machine.memory.get(context_table + 16 * fake::kNic) & ~0xFFFull;
  for (unsigned shift = 39; shift > 21; shift -= 9) {
    above = lab.machine.memory.get(above + 8 * (0x40000000ull >> shift & 511)) & 0xFFFFFFFFFF000ull;
  }
  REQUIRE((lab.machine.memory.get(above) & 0xFFFFFFFFFF000ull) == own);
  lab.machine.memory.write64(above, neighbour | 3);
  std::uint64_t pages[] = {0x40000000};
  REQUIRE(lab.v2.FlushDomainByVaList(lab.domain, TRUE, 1, pages) == STATUS_SUCCESS);
  CHECK(lab.moves(0x40000000, 0x5000000));  // a paging-structure cache still has the old table
  REQUIRE(lab.v2.FlushDomainByVaList(lab.domain, FALSE, 1, pages) == STATUS_SUCCESS);
  CHECK(lab.moves(0x40000000, 0x6000000));
}

// ---- Version 1 --------------------------------------------------------------------------------------------------

TEST_CASE("hardware: version 1 from end to end", "[hardware][v1]") {
  with_all_caches([](const modeled::Options& options) {
    Lab lab(options);
    PIOMMU_DMA_DOMAIN domain = nullptr;
    REQUIRE(lab.v1.CreateDomain(TRUE, &domain) == STATUS_SUCCESS);
    const PDEVICE_OBJECT gpu = lab.machine.pdo("gpu0");
    CHECK(lab.blocked(0x40000000, fake::kGpu));
    REQUIRE(lab.v1.AttachDevice(domain, gpu, 0, 1) == STATUS_SUCCESS);
    fake::MdlBuffer plain({0x5000, 0x7001});
    fake::MdlBuffer identity({0x6000, 0x6200});
    REQUIRE(lab.v1.MapLogicalRange(domain, 3, plain.mdl(), 0x40000000) == STATUS_SUCCESS);
    REQUIRE(lab.v1.MapIdentityRange(domain, 3, identity.mdl()) == STATUS_SUCCESS);
    for (const unsigned requester : {fake::kGpu, fake::kGpuAlias}) {
      CHECK(lab.moves(0x40000000, 0x5000000, requester));
      CHECK(lab.moves(0x40001000, 0x7001000, requester));
      CHECK(lab.moves(0x6000000, 0x6000000, requester));
      CHECK(lab.moves(0x6200000, 0x6200000, requester));
    }
    REQUIRE(lab.v1.UnmapLogicalRange(domain, 0x40001000, 1) == STATUS_SUCCESS);
    CHECK(lab.blocked(0x40001000, fake::kGpu));
    CHECK(lab.blocked(0x40001000, fake::kGpuAlias));
    CHECK(lab.moves(0x40000000, 0x5000000, fake::kGpu));
    REQUIRE(lab.v1.UnmapIdentityRange(domain, identity.mdl()) == STATUS_SUCCESS);
    CHECK(lab.blocked(0x6000000, fake::kGpu));
    CHECK(lab.blocked(0x6200000, fake::kGpuAlias));
    REQUIRE(lab.v1.FlushDomain(domain) == STATUS_SUCCESS);
    CHECK(lab.moves(0x40000000, 0x5000000, fake::kGpu));
    REQUIRE(lab.v1.DetachDevice(domain, gpu, 0) == STATUS_SUCCESS);
    CHECK(lab.blocked(0x40000000, fake::kGpu));
    CHECK(lab.blocked(0x40000000, fake::kGpuAlias));
    REQUIRE(lab.v1.DeleteDomain(domain) == STATUS_SUCCESS);
  });
}
