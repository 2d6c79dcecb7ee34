// A population of cached entries in several domains, and both interfaces to invalidate them, for tests of what goes and
// what stays.
#pragma once

#include <string>

#include "testbench/vtd/rig.h"

namespace iommu::test {

/// How an invalidation is asked for.
enum class Interface { Registers, Queue };
inline const char* name_of(Interface interface) { return interface == Interface::Registers ? "registers" : "queue"; }

/// Four requesters: A and B in domain 5 (bus 3, device 2, functions 0 and 1), C in domain 6 (function 4 of the same
/// device), D in domain 5 on another bus. All of domain 5 share one table.
struct InvalidationRig : Rig {
  static constexpr core::RequesterId kA = 0x0310, kB = 0x0311, kC = 0x0314, kD = 0x0700;
  Interface interface;
  core::Address other_table;

  explicit InvalidationRig(Interface which, const vtd::Capabilities& c = capabilities(),
                           const core::CacheConfig& caches = {})
      : Rig(c, caches), interface(which), other_table(tables.page()) {
    tables.context(kB, kTtTable, table, 2, 5);
    tables.context(kC, kTtTable, other_table, 2, 6);
    tables.context(kD, kTtTable, table, 2, 5);
    on();
    if (interface == Interface::Queue) queue_on();
  }

  bool context_cached(core::RequesterId sid) { return unit.context_cache().peek(sid) != nullptr; }
  bool cached(core::RequesterId sid, core::Address input) { return unit.iotlb().peek(sid, input) != nullptr; }
  /// Level of the table that a walk would begin at: 4 when no upper part is cached.
  unsigned walk_start(core::RequesterId sid, core::Address input) {
    const core::AddressSpace* space = unit.context_cache().peek(sid);
    REQUIRE(space != nullptr);
    const auto start = unit.walk_cache().peek(*space, input);
    return start ? start->level : space->levels;
  }

  /// @param g 1 global, 2 domain, 3 device
  /// @return CAIG for the register interface, g for the queue
  std::uint64_t invalidate_context(std::uint64_t g, std::uint64_t did = 0, std::uint64_t sid = 0,
                                   std::uint64_t fm = 0) {
    if (interface == Interface::Queue) {
      // Type 1: G 5:4, DID 31:16, SID 47:32, FM 49:48 (sheet 5.5.2).
      submit(0x1 | (g << 4) | (did << 16) | (sid << 32) | (fm << 48), 0);
      return g;
    }
    // ICC 63, CIRG 62:61, FM 33:32, SID 31:16, DID 15:0 (sheet 5.1).
    w64(kCcmd, 0x8000000000000000 | (g << 61) | (fm << 32) | (sid << 16) | did);
    CHECK((r64(kCcmd) >> 63) == 0);
    return (r64(kCcmd) >> 59) & 3;
  }

  /// @param g 1 global, 2 domain, 3 pages
  std::uint64_t invalidate_iotlb(std::uint64_t g, std::uint64_t did = 0, core::Address address = 0,
                                 std::uint64_t am = 0, std::uint64_t ih = 0) {
    if (interface == Interface::Queue) {
      // Type 2: G 5:4, DID 31:16; upper quadword AM 5:0, IH 6, ADDR 63:12.
      submit(0x2 | (g << 4) | (did << 16), address | (ih << 6) | am);
      return g;
    }
    // IVA: ADDR 63:12, IH 6, AM 5:0; then IOTLB: IVT 63, IIRG 61:60, DID 47:32.
    w64(kIva, address | (ih << 6) | am);
    w64(kIotlb, 0x8000000000000000 | (g << 60) | (did << 32));
    CHECK((r64(kIotlb) >> 63) == 0);
    return (r64(kIotlb) >> 57) & 3;
  }
};

}  // namespace iommu::test
