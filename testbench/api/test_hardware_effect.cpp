// What the mapping functions do to the hardware: real bytes that a device writes and reads through the modeled VT-d unit.
//
// Each mapping call, with each kind of descriptor, is followed by DMA that moves data; each call that takes something
// away is preceded by DMA that warms IOTLB, paging-structure caches and context cache, and followed by DMA that shows
// what hardware does now. Every case runs with default caches and with caches of a few entries.
//
//   function                                    after it, hardware
//   ------------------------------------------  -------------------------------------------------------------------
//   MapLogicalRangeEx, MapLogicalRange          reaches each page where it was put, with these permissions
//   UnmapLogicalRange                           blocks these pages and no others, 4 KiB of a large page included
//   MapIdentityRangeEx, MapIdentityRange        reaches each page at its own address
//   UnmapIdentityRangeEx, UnmapIdentityRange    blocks these pages and no others
//   ReserveLogicalAddressRange                  blocks the range still
//   MapReservedLogicalRange                     reaches the segment
//   UnmapReservedLogicalRange                   blocks the segment, not its neighbours
//   FreeReservedLogicalAddressRange             blocks the range; its addresses and tables serve others
#include <numeric>

#include "testbench/api/hardware_lab.h"

using namespace hardware;

// ---- Plain mappings ---------------------------------------------------------------------------------------------

TEST_CASE("hardware: MapLogicalRangeEx with each descriptor, and its removal", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Descriptors physical;
    for (const IOMMU_MAP_PHYSICAL_ADDRESS& descriptor : physical.all()) {
      Lab lab(options);
      INFO("type " << descriptor.MapType);
      REQUIRE(lab.blocked(0x40000000));
      REQUIRE(lab.map(descriptor, 0x40000000) == STATUS_SUCCESS);
      for (std::uint64_t page = 0; page < 3; ++page) {
        CHECK(lab.moves(0x40000000 + page * kPage + 0x18, 0x5000000 + page * kPage + 0x18));
        CHECK(lab.moves(0x40000000 + page * kPage + 0xFF8, 0x5000000 + page * kPage + 0xFF8));
      }
      CHECK(lab.blocked(0x40003000));
      CHECK(lab.blocked(0x3FFFF000));
      // Everything is warm now.
      REQUIRE(lab.v2.UnmapLogicalRange(lab.domain, 0x40001000, 1) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x40001000));
      CHECK(lab.moves(0x40000000, 0x5000000));
      CHECK(lab.moves(0x40002000, 0x5002000));
      REQUIRE(lab.v2.UnmapLogicalRange(lab.domain, 0x40000000, 1) == STATUS_SUCCESS);
      REQUIRE(lab.v2.UnmapLogicalRange(lab.domain, 0x40002000, 1) == STATUS_SUCCESS);
      for (std::uint64_t page = 0; page < 3; ++page) CHECK(lab.blocked(0x40000000 + page * kPage));
    }
  });
}

TEST_CASE("hardware: a DMA of several pages goes to frames that are not in a row", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Lab lab(options);
    std::vector<PFN_NUMBER> frames = {0x7010, 0x5020, 0x6030};
    REQUIRE(lab.map(fake::pfn_array(frames), 0x40000000) == STATUS_SUCCESS);
    std::vector<std::uint8_t> sent(2 * kPage), received(2 * kPage);
    std::iota(sent.begin(), sent.end(), std::uint8_t{3});
    const auto bytes = static_cast<std::uint32_t>(sent.size());
    REQUIRE(lab.unit().dma(fake::kNic, 0x40000800, AccessKind::Write, sent.data(), bytes));
    std::vector<std::uint8_t> memory(2 * kPage);
    lab.machine.memory.read(0x7010800, memory.data(), 0x800);
    lab.machine.memory.read(0x5020000, memory.data() + 0x800, 0x1000);
    lab.machine.memory.read(0x6030000, memory.data() + 0x1800, 0x800);
    CHECK(memory == sent);
    REQUIRE(lab.unit().dma(fake::kNic, 0x40000800, AccessKind::Read, received.data(), bytes));
    CHECK(received == sent);
  });
}

TEST_CASE("hardware: permissions", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Lab lab(options);
    for (unsigned permissions = 0; permissions < 4; ++permissions) {
      INFO("permissions " << permissions);
      const std::uint64_t at = 0x40000000 + permissions * kPage;
      REQUIRE(lab.map(fake::contiguous(0x5000000, kPage), at, permissions) == STATUS_SUCCESS);
      CHECK(lab.reads(at) == ((permissions & IOMMU_ACCESS_READ) != 0));
      CHECK(lab.writes(at) == ((permissions & IOMMU_ACCESS_WRITE) != 0));
    }
    // Another mapping at the same place has its own permissions, whatever was cached.
    REQUIRE(lab.v2.UnmapLogicalRange(lab.domain, 0x40003000, 1) == STATUS_SUCCESS);
    REQUIRE(lab.map(fake::contiguous(0x5000000, kPage), 0x40003000, IOMMU_ACCESS_READ) == STATUS_SUCCESS);
    CHECK(lab.reads(0x40003000));
    CHECK_FALSE(lab.writes(0x40003000));
  });
}

TEST_CASE("hardware: 4 KiB of a large page are unmapped", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Lab lab(options);
    for (const std::uint64_t bytes : {std::uint64_t{0x200000}, std::uint64_t{0x40000000}}) {
      INFO("a page of " << bytes << " bytes");
      REQUIRE(lab.map(fake::contiguous(0x80000000, bytes), 0x100000000) == STATUS_SUCCESS);
      CHECK(lab.moves(0x100000000, 0x80000000));
      CHECK(lab.moves(0x100000000 + bytes - 8, 0x80000000 + bytes - 8));
      REQUIRE(lab.v2.UnmapLogicalRange(lab.domain, 0x100123000, 1) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x100123000));
      CHECK(lab.blocked(0x100123FF8));
      CHECK(lab.moves(0x100122FF8, 0x80122FF8));
      CHECK(lab.moves(0x100124000, 0x80124000));
      CHECK(lab.moves(0x100000000 + bytes - 8, 0x80000000 + bytes - 8));
      REQUIRE(lab.map(fake::contiguous(0x5000000, kPage), 0x100123000) == STATUS_SUCCESS);
      CHECK(lab.moves(0x100123008, 0x5000008));
      REQUIRE(lab.v2.UnmapLogicalRange(lab.domain, 0x100000000, bytes / kPage) == STATUS_SUCCESS);
      for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{0x123000}, bytes - kPage}) {
        CHECK(lab.blocked(0x100000000 + offset));
      }
    }
  });
}

TEST_CASE("hardware: an address that is mapped anew reaches the new memory, tables that come back lead nowhere old",
          "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Lab lab(options);
    for (std::uint64_t round = 0; round < 20; ++round) {
      const std::uint64_t physical = 0x5000000 + round * kPage;
      REQUIRE(lab.map(fake::contiguous(physical, kPage), 0x40000000) == STATUS_SUCCESS);
      CHECK(lab.moves(0x40000000, physical));
      // The tables of this address go, and come back at other places of the tree.
      REQUIRE(lab.v2.UnmapLogicalRange(lab.domain, 0x40000000, 1) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x40000000));
      const std::uint64_t other = 0x8000000000 + (round << 30);
      REQUIRE(lab.map(fake::contiguous(0x6000000, kPage), other) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x40000000));
      CHECK(lab.moves(other, 0x6000000));
      REQUIRE(lab.v2.UnmapLogicalRange(lab.domain, other, 1) == STATUS_SUCCESS);
    }
  });
}

TEST_CASE("hardware: MapLogicalRangeEx at addresses of the allocator", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Lab lab(options);
    const PIOMMU_DMA_DOMAIN buddy = lab.machine.domain(32);
    REQUIRE(lab.v2.DetachDeviceEx(lab.nic) == STATUS_SUCCESS);
    REQUIRE(lab.v2.AttachDeviceEx(buddy, lab.nic) == STATUS_SUCCESS);
    Descriptors physical;
    for (IOMMU_MAP_PHYSICAL_ADDRESS descriptor : physical.all()) {
      IOMMU_DMA_LOGICAL_ADDRESS at = 0;
      REQUIRE(lab.v2.MapLogicalRangeEx(buddy, 3, &descriptor, nullptr, nullptr, nullptr, &at) == STATUS_SUCCESS);
      CHECK(lab.moves(at + 0x2008, 0x5002008));
      CHECK(lab.blocked(at + 0x3000));  // the slack of the block
      REQUIRE(lab.v2.UnmapLogicalRange(buddy, at, 3) == STATUS_SUCCESS);
      CHECK(lab.blocked(at + 0x2008));
    }
  });
}

// ---- Identity ---------------------------------------------------------------------------------------------------

TEST_CASE("hardware: MapIdentityRangeEx with each descriptor, and its removal", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Descriptors physical;
    for (const IOMMU_MAP_PHYSICAL_ADDRESS& descriptor : physical.all()) {
      Lab lab(options);
      INFO("type " << descriptor.MapType);
      REQUIRE(lab.map_identity(descriptor) == STATUS_SUCCESS);
      for (std::uint64_t page = 0; page < 3; ++page) {
        CHECK(lab.moves(0x5000010 + page * kPage, 0x5000010 + page * kPage));
      }
      CHECK(lab.blocked(0x5003000));
      REQUIRE(lab.unmap_identity(fake::contiguous(0x5001000, kPage)) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x5001000));
      CHECK(lab.moves(0x5000000, 0x5000000));
      CHECK(lab.moves(0x5002000, 0x5002000));
      REQUIRE(lab.map_identity(fake::contiguous(0x5001000, kPage)) == STATUS_SUCCESS);
      REQUIRE(lab.unmap_identity(descriptor) == STATUS_SUCCESS);
      for (std::uint64_t page = 0; page < 3; ++page) CHECK(lab.blocked(0x5000000 + page * kPage));
    }
  });
}

TEST_CASE("hardware: identity pages that are not in a row", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Lab lab(options);
    std::vector<PFN_NUMBER> frames = {0x90000, 0x5001, 0x5000, 0x300000};
    REQUIRE(lab.map_identity(fake::pfn_array(frames), IOMMU_ACCESS_READ) == STATUS_SUCCESS);
    for (const PFN_NUMBER frame : frames) {
      CHECK(lab.unit().read(fake::kNic, frame * kPage) == modeled::Memory::pattern(frame * kPage));
      CHECK_FALSE(lab.writes(frame * kPage));
    }
    CHECK(lab.blocked(0x5002000));
    REQUIRE(lab.unmap_identity(fake::pfn_array(frames)) == STATUS_SUCCESS);
    for (const PFN_NUMBER frame : frames) CHECK(lab.blocked(frame * kPage));
  });
}

// ---- Reserved ranges --------------------------------------------------------------------------------------------

TEST_CASE("hardware: a reserved range from end to end, with each descriptor", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Descriptors physical;
    for (IOMMU_MAP_PHYSICAL_ADDRESS descriptor : physical.all()) {
      Lab lab(options);
      INFO("type " << descriptor.MapType);
      REQUIRE(lab.map(fake::contiguous(0x6000000, kPage), 0x40010000) == STATUS_SUCCESS);
      IOMMU_DMA_LOGICAL_ADDRESS at = 0x40000000;
      PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
      REQUIRE(lab.v2.ReserveLogicalAddressRange(lab.domain, 0x10000, &at, nullptr, nullptr, &token) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x40000000));
      std::array<IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT, 2> segments{};
      REQUIRE(lab.v2.MapReservedLogicalRange(token, 0x2000, 3, &descriptor, &segments[0]) == STATUS_SUCCESS);
      REQUIRE(lab.v2.MapReservedLogicalRange(token, 0x5000, 3, &descriptor, &segments[1]) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x40001000));
      for (std::uint64_t page = 0; page < 3; ++page) {
        CHECK(lab.moves(0x40002000 + page * kPage, 0x5000000 + page * kPage));
        CHECK(lab.moves(0x40005020 + page * kPage, 0x5000020 + page * kPage));
      }
      CHECK(lab.blocked(0x40008000));
      REQUIRE(lab.v2.UnmapReservedLogicalRange(&segments[0]) == STATUS_SUCCESS);
      for (std::uint64_t page = 0; page < 3; ++page) {
        CHECK(lab.blocked(0x40002000 + page * kPage));
        CHECK(lab.moves(0x40005000 + page * kPage, 0x5000000 + page * kPage));
      }
      CHECK(lab.moves(0x40010000, 0x6000000));
      // The same place again, with other memory.
      auto other = fake::contiguous(0x6100000, 2 * kPage);
      REQUIRE(lab.v2.MapReservedLogicalRange(token, 0x3000, 3, &other, &segments[0]) == STATUS_SUCCESS);
      CHECK(lab.moves(0x40003000, 0x6100000));
      CHECK(lab.blocked(0x40002000));
      REQUIRE(lab.v2.UnmapReservedLogicalRange(&segments[0]) == STATUS_SUCCESS);
      REQUIRE(lab.v2.UnmapReservedLogicalRange(&segments[1]) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x40005000));
      REQUIRE(lab.v2.FreeReservedLogicalAddressRange(token) == STATUS_SUCCESS);
      CHECK(lab.blocked(0x40005000));
      CHECK(lab.moves(0x40010000, 0x6000000));
      // Addresses and tables serve a plain mapping now.
      REQUIRE(lab.map(fake::contiguous(0x6200000, kPage), 0x40005000) == STATUS_SUCCESS);
      CHECK(lab.moves(0x40005000, 0x6200000));
    }
  });
}

TEST_CASE("hardware: tables of a freed range lead nowhere any more", "[hardware]") {
  with_all_caches([](const modeled::Options& options) {
    Lab lab(options);
    IOMMU_DMA_LOGICAL_ADDRESS at = 0x40000000;
    PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
    REQUIRE(lab.v2.ReserveLogicalAddressRange(lab.domain, 0x400000, &at, nullptr, nullptr, &token) == STATUS_SUCCESS);
    // A walk that faults warms the paging-structure caches.
    CHECK(lab.blocked(0x40000000));
    CHECK(lab.blocked(0x40200000));
    REQUIRE(lab.v2.FreeReservedLogicalAddressRange(token) == STATUS_SUCCESS);
    // Their frames are tables at other places now.
    REQUIRE(lab.map(fake::contiguous(0x5000000, 0x8000), 0x8000000000) == STATUS_SUCCESS);
    REQUIRE(lab.map(fake::contiguous(0x5000000, 0x8000), 0x9000000000) == STATUS_SUCCESS);
    for (std::uint64_t page = 0; page < 8; ++page) {
      CHECK(lab.blocked(0x40000000 + page * kPage));
      CHECK(lab.blocked(0x40200000 + page * kPage));
    }
  });
}
