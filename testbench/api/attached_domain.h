// A machine with nic0 attached to one domain, for the tests of mapping functions.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <stdexcept>

#include "testbench/api/fake_machine.h"

namespace fake {

/// Breaks no rule of the hardware until it goes.
struct AttachedDomain {
  /// @param buddy_width  of the allocator; 0: none
  explicit AttachedDomain(unsigned buddy_width, const Options& options = {},
                          PIOMMU_DMA_RESERVED_REGION regions = nullptr)
      : machine(options), v2(machine.v2()), domain(machine.domain(buddy_width, regions)), unit(*machine.units[0]) {
    device = machine.device("nic0");
    if (v2.AttachDeviceEx(domain, device) != STATUS_SUCCESS) throw std::runtime_error("AttachDeviceEx failed");
    did = unit.context(kNic).did;
  }
  ~AttachedDomain() { CHECK(machine.breaches == Breaches{}); }
  AttachedDomain(const AttachedDomain&) = delete;
  AttachedDomain& operator=(const AttachedDomain&) = delete;

  /// The status of a call that must change nothing.
  template <typename Call>
  NTSTATUS unchanged(Call call) {
    const Snapshot before = snapshot(machine);
    const NTSTATUS status = call();
    CHECK(snapshot(machine) == before);
    return status;
  }

  Access read(std::uint64_t address) { return unit.dma(kNic, address, false); }
  Access write(std::uint64_t address) { return unit.dma(kNic, address, true); }

  /// MapLogicalRangeEx at an explicit address, or where the allocator wants it, that must succeed.
  std::uint64_t map_at(std::uint64_t logical, IOMMU_MAP_PHYSICAL_ADDRESS physical, ULONG permissions = 3) {
    return map(&logical, physical, permissions);
  }
  std::uint64_t map_any(IOMMU_MAP_PHYSICAL_ADDRESS physical, ULONG permissions = 3) {
    return map(nullptr, physical, permissions);
  }
  NTSTATUS unmap(std::uint64_t logical, std::uint64_t pages) { return v2.UnmapLogicalRange(domain, logical, pages); }

  NTSTATUS map_identity(IOMMU_MAP_PHYSICAL_ADDRESS physical, ULONG permissions = 3) {
    return v2.MapIdentityRangeEx(domain, permissions, &physical);
  }
  NTSTATUS unmap_identity(IOMMU_MAP_PHYSICAL_ADDRESS physical) { return v2.UnmapIdentityRangeEx(domain, &physical); }

  /// ReserveLogicalAddressRange that must succeed.
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN reserve_at(std::uint64_t logical, std::uint64_t bytes) {
    return reserve(&logical, bytes);
  }
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN reserve_any(std::uint64_t bytes) { return reserve(nullptr, bytes); }
  NTSTATUS map_reserved(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token, std::uint64_t offset,
                        IOMMU_MAP_PHYSICAL_ADDRESS physical, IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT& segment,
                        ULONG permissions = 3) {
    return v2.MapReservedLogicalRange(token, offset, permissions, &physical, &segment);
  }

  Machine machine;
  const DMA_IOMMU_INTERFACE_V2& v2;
  PIOMMU_DMA_DOMAIN domain;
  PIOMMU_DMA_DEVICE device = nullptr;
  Unit& unit;
  unsigned did = 0;

 private:
  std::uint64_t map(std::uint64_t* logical, IOMMU_MAP_PHYSICAL_ADDRESS physical, ULONG permissions) {
    IOMMU_DMA_LOGICAL_ADDRESS out = 0;
    if (v2.MapLogicalRangeEx(domain, permissions, &physical, logical, nullptr, nullptr, &out) != STATUS_SUCCESS) {
      throw std::runtime_error("MapLogicalRangeEx failed");
    }
    return out;
  }
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN reserve(std::uint64_t* logical, std::uint64_t bytes) {
    PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
    if (v2.ReserveLogicalAddressRange(domain, bytes, logical, nullptr, nullptr, &token) != STATUS_SUCCESS) {
      throw std::runtime_error("ReserveLogicalAddressRange failed");
    }
    return token;
  }
};

/// Descriptors that are wrong whatever they are for, on a machine of 46 physical bits; `visit(descriptor)`.
template <typename Visit>
void for_each_malformed(Visit visit) {
  IOMMU_MAP_PHYSICAL_ADDRESS physical = contiguous(0x1000, 0x1000);
  for (const int type : {3, 4, -1}) {
    physical.MapType = static_cast<IOMMU_MAP_PHYSICAL_ADDRESS_TYPE>(type);
    visit(&physical);
  }
  visit(static_cast<IOMMU_MAP_PHYSICAL_ADDRESS*>(nullptr));
  const std::pair<std::uint64_t, std::uint64_t> ranges[] = {{0x1800, 0x1000},
                                                            {0x1000, 0x1800},
                                                            {0x1000, 0},
                                                            {0xFFFFFFFFFFFFF000, 0x2000},
                                                            {0x1000, 0xFFFFFFFFFFFFF000},
                                                            {0x400000000000, 0x1000},
                                                            {0x3FFFFFFFF000, 0x2000}};
  for (const auto& [base, bytes] : ranges) {
    physical = contiguous(base, bytes);
    visit(&physical);
  }
  std::vector<PFN_NUMBER> frames = {1, 0x400000000};
  physical = pfn_array(frames);
  visit(&physical);
  frames = {1, 2};
  physical = pfn_array(frames);
  physical.PfnArray.NumberOfPages = 0;
  visit(&physical);
  physical = pfn_array(frames);
  physical.PfnArray.PageFrame = nullptr;
  visit(&physical);
  MdlBuffer buffer({1, 0x400000000});
  physical = buffer.descriptor();
  visit(&physical);
  MmGetMdlPfnArray(buffer.mdl())[1] = 2;
  physical.Mdl.Mdl = nullptr;
  visit(&physical);
  physical = buffer.descriptor();
  buffer.mdl()->ByteCount = 0x1FFF;
  visit(&physical);
  buffer.mdl()->ByteCount = 0;
  visit(&physical);
  buffer.mdl()->ByteCount = 0x1000;
  buffer.mdl()->ByteOffset = 0x800;
  visit(&physical);
}

}  // namespace fake
