// core::probe on a VT-d unit: the answer of hardware, and no trace of having asked.
#include "models/core/probe.h"

#include "testbench/vtd/rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;
using Route = core::TranslationFlow::Route;

/// Probes one access; with `cached`, sees the unit's caches.
core::TranslationFlow probe(Rig& rig, core::AccessKind kind, core::Address address, bool cached = true) {
  core::TranslationFlow flow(rig.unit.front_end(), Rig::request(kind, address));
  core::probe(
      flow, rig.memory, [&](core::RequesterId sid) { return cached ? rig.unit.context_cache().peek(sid) : nullptr; },
      [&](const core::AddressSpace& space, core::Address input) -> const core::Mapping* {
        const core::IotlbEntry* entry = cached ? rig.unit.iotlb().peek(space.tag, input) : nullptr;
        return entry == nullptr ? nullptr : &entry->mapping;
      });
  return flow;
}

TEST_CASE("a probe of a mapped page gives the host address and fills nothing") {
  Rig rig;
  rig.map(0x1000, 0x900000);
  rig.map(0x40000000, 0x80000000, 3);
  rig.on();
  CHECK(probe(rig, core::AccessKind::Write, 0x1678).host_address() == 0x900678);
  CHECK(probe(rig, core::AccessKind::Read, 0x40123456).host_address() == 0x80123456);
  CHECK(probe(rig, core::AccessKind::Read, 0x40123456).mapping().level == 3);
  CHECK(rig.unit.iotlb().size() == 0);
  CHECK(rig.unit.context_cache().peek(Rig::kSid) == nullptr);
  CHECK(rig.unit.walk_cache().counters().lookups == 0);
  CHECK(rig.unit.walk_cache().counters().fills == 0);
  CHECK(rig.unit.context_cache().counters().lookups == 0);
  CHECK(rig.memory.writes.empty());
}

TEST_CASE("a probe that hardware would block says so with the reason, and records nothing") {
  Rig rig;
  rig.map(0x1000, 0x900000, 1, kR);
  rig.map(0x2000, 0xFEE00000);
  rig.on();
  struct {
    core::AccessKind kind;
    core::Address address;
    std::uint8_t reason;
  } const cases[] = {{core::AccessKind::Write, 0x1000, 0x05},
                     {core::AccessKind::Read, 0x3000, 0x06},
                     {core::AccessKind::Read, 0x2000, 0x0E},
                     {core::AccessKind::Read, 0x0001000000000000, 0x04},
                     {core::AccessKind::Read, 0xFEE00000, 0x29}};
  for (const auto& c : cases) {
    const core::TranslationFlow flow = probe(rig, c.kind, c.address);
    CHECK(flow.route() == Route::Blocked);
    CHECK(flow.fault().reason == c.reason);
  }
  CHECK(rig.no_fault());
  CHECK(rig.unit.front_end().fault_counters().recorded == 0);
  rig.memory.put(rig.tables.context_entry(Rig::kSid), 0);
  CHECK(probe(rig, core::AccessKind::Read, 0x1000).fault().reason == 0x02);
  CHECK(rig.no_fault());
}

TEST_CASE("a probe sees what hardware has cached, stale or not") {
  Rig rig;
  rig.map(0x1000, 0x900000);
  rig.on();
  REQUIRE(rig.reads(0x1000));
  rig.map(0x1000, 0x901000);
  CHECK(probe(rig, core::AccessKind::Read, 0x1000).host_address() == 0x900000);
  CHECK(probe(rig, core::AccessKind::Read, 0x1000, false).host_address() == 0x901000);
  rig.w64(kIotlb, 0x9000000000000000);
  CHECK(probe(rig, core::AccessKind::Read, 0x1000).host_address() == 0x901000);
}

TEST_CASE("a probe does not renew what it looks at") {
  core::CacheConfig caches;
  caches.iotlb.ways = 2;
  Rig rig(capabilities(), caches);
  for (const core::Address input : {0x1000ull, 0x2000ull, 0x3000ull}) rig.map(input, 0x900000);
  rig.on();
  REQUIRE(rig.reads(0x1000));
  REQUIRE(rig.reads(0x2000));
  CHECK(probe(rig, core::AccessKind::Read, 0x1000).route() == Route::Memory);
  REQUIRE(rig.reads(0x3000));
  CHECK(rig.unit.iotlb().peek(Rig::kSid, 0x1000) == nullptr);
  CHECK(rig.unit.iotlb().peek(Rig::kSid, 0x2000) != nullptr);
}

TEST_CASE("a probe while translation is off, of pass-through, and of interrupts") {
  Rig rig;
  CHECK(probe(rig, core::AccessKind::Read, 0x5678).host_address() == 0x5678);
  rig.tables.context(Rig::kSid, kTtPass, 0, 2, 5);
  rig.on();
  CHECK(probe(rig, core::AccessKind::Read, 0x5678).host_address() == 0x5678);
  core::TranslationFlow flow(rig.unit.front_end(), Rig::request(core::AccessKind::Write, 0xFEE00000, 4));
  core::probe(
      flow, rig.memory, [](core::RequesterId) { return nullptr; },
      [](const core::AddressSpace&, core::Address) { return nullptr; });
  CHECK(flow.interrupt());
  CHECK(rig.messages.empty());
}

}  // namespace
