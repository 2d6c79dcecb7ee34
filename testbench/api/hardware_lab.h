// What the tests of hardware effects have in common: a device on modeled hardware, and data that it moves.
//
// What it does: says in one word whether an access moves data between a logical and a physical address, or is blocked;
// runs a case with default caches and with caches of a few entries. What it does not do: expect anything by itself.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <array>
#include <cstdint>
#include <vector>

#include "testbench/api/modeled_machine.h"

namespace hardware {

using iommu::core::AccessKind;

/// A machine with nic0 attached to a domain without allocator.
struct Lab {
  explicit Lab(const modeled::Options& options) : machine(options), v2(machine.v2()), v1(machine.v1()) {
    nic = machine.device("nic0");
    domain = machine.domain();
    REQUIRE(v2.AttachDeviceEx(domain, nic) == STATUS_SUCCESS);
  }

  modeled::Machine machine;
  const DMA_IOMMU_INTERFACE_V2& v2;
  const DMA_IOMMU_INTERFACE_V1& v1;
  PIOMMU_DMA_DEVICE nic = nullptr;
  PIOMMU_DMA_DOMAIN domain = nullptr;
  std::uint64_t stamp = 0x1000;  // what devices write: another value each time

  modeled::Unit& unit() { return *machine.units[0]; }

  /// A device's write arrives at the physical address, and its read brings back what is there.
  bool moves(std::uint64_t logical, std::uint64_t physical, unsigned requester = fake::kNic) {
    const std::uint64_t value = ++stamp;
    if (!unit().write(requester, logical, value) || machine.memory.get(physical) != value) return false;
    machine.memory.write64(physical, value + 0x7700);
    return unit().read(requester, logical) == value + 0x7700;
  }
  /// Neither reads nor writes get through, and memory stays as it is.
  bool blocked(std::uint64_t logical, unsigned requester = fake::kNic) {
    return !unit().read(requester, logical) && !unit().write(requester, logical, 0xBAD);
  }
  bool reads(std::uint64_t logical) { return unit().read(fake::kNic, logical).has_value(); }
  bool writes(std::uint64_t logical) { return unit().write(fake::kNic, logical, ++stamp); }

  NTSTATUS map(IOMMU_MAP_PHYSICAL_ADDRESS physical, std::uint64_t at, ULONG permissions = 3) {
    IOMMU_DMA_LOGICAL_ADDRESS out = 0;
    return v2.MapLogicalRangeEx(domain, permissions, &physical, &at, nullptr, nullptr, &out);
  }
  NTSTATUS map_identity(IOMMU_MAP_PHYSICAL_ADDRESS physical, ULONG permissions = 3) {
    return v2.MapIdentityRangeEx(domain, permissions, &physical);
  }
  NTSTATUS unmap_identity(IOMMU_MAP_PHYSICAL_ADDRESS physical) { return v2.UnmapIdentityRangeEx(domain, &physical); }
};

/// Runs a case with default caches and with small ones.
template <typename Case>
void with_all_caches(Case run, modeled::Options options = {}) {
  SECTION("default caches") { run(options); }
  SECTION("small caches") {
    options.caches = modeled::small_caches();
    run(options);
  }
}

/// The three descriptors of pages 0x5000, 0x5001, 0x5002, at 0x5000000.
struct Descriptors {
  std::vector<PFN_NUMBER> frames = {0x5000, 0x5001, 0x5002};
  fake::MdlBuffer mdl{frames};
  std::array<IOMMU_MAP_PHYSICAL_ADDRESS, 3> all() {
    return {fake::contiguous(0x5000000, 0x3000), fake::pfn_array(frames), mdl.descriptor()};
  }
};

inline constexpr std::uint64_t kPage = 0x1000;

}  // namespace hardware
