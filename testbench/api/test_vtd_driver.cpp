// VtdDriver through the interface: bringing a unit up (vtd sheet 1.4), obeying its capabilities (1.2, 1.3),
// invalidation by queue and by registers (5.1, 5.5), write buffers and caching mode (4.3, 4.5, 4.6), hardware that errs
// or is silent.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

using fake::Seen;
using iommu::api::InvalidationPath;

namespace {

std::vector<Seen> without_waits(const std::vector<Seen>& seen) {
  std::vector<Seen> result;
  for (const Seen& one : seen) {
    if (one.kind != Seen::Wait) result.push_back(one);
  }
  return result;
}

/// Maps one page in a domain with nic0, lets the device use it, unmaps it.
struct Cycle {
  explicit Cycle(fake::Machine& m) : machine(m), v2(m.v2()), domain(m.domain(0)) {
    if (v2.AttachDeviceEx(domain, machine.device("nic0")) != STATUS_SUCCESS) throw std::runtime_error("attach failed");
  }
  NTSTATUS map(std::uint64_t logical = 0x10000, std::uint64_t bytes = 0x1000) {
    auto physical = fake::contiguous(0x500000, bytes);
    return v2.MapLogicalRangeEx(domain, 3, &physical, &logical, nullptr, nullptr, &out);
  }
  NTSTATUS unmap(std::uint64_t logical = 0x10000, std::uint64_t pages = 1) {
    return v2.UnmapLogicalRange(domain, logical, pages);
  }
  bool works(std::uint64_t logical = 0x10000) { return machine.units[0]->dma(fake::kNic, logical, true).ok; }
  fake::Machine& machine;
  const DMA_IOMMU_INTERFACE_V2& v2;
  PIOMMU_DMA_DOMAIN domain;
  IOMMU_DMA_LOGICAL_ADDRESS out = 0;
};

}  // namespace

TEST_CASE("A unit is brought up: queue, root table, global invalidation in order, translation", "[vtd]") {
  fake::Machine machine;
  machine.units[0]->pmen = 0x80000001;  // firmware left protected memory on
  REQUIRE(machine.open() == STATUS_SUCCESS);
  auto& unit = *machine.units[0];
  CHECK(unit.translating());
  CHECK(unit.queue_enabled());
  CHECK(unit.pmen == 0);
  const std::vector<Seen> expected = {{Seen::ContextGlobal, 0, 0, 0, 0, false, false},
                                      {Seen::IotlbGlobal, 0, 0, 0, 0, false, true},
                                      {Seen::Wait, 0, 0, 0, 0, false, false}};
  CHECK(unit.seen == expected);
  CHECK(unit.dma(fake::kNic, 0x1000, true) == "context not present");
  CHECK(machine.frames.in_use() == 3);  // root table, queue, status word
  CHECK(machine.breaches.empty());
  CHECK(machine.host.diagnostics.empty());
}

TEST_CASE("A unit is brought up with invalidation registers", "[vtd]") {
  fake::Options options;
  options.path = InvalidationPath::Registers;
  fake::Machine machine(options);
  REQUIRE(machine.open() == STATUS_SUCCESS);
  CHECK(machine.units[0]->translating());
  CHECK_FALSE(machine.units[0]->queue_enabled());
  const std::vector<Seen> expected = {{Seen::ContextGlobal, 0, 0, 0, 0, false, false},
                                      {Seen::IotlbGlobal, 0, 0, 0, 0, false, true}};
  CHECK(machine.units[0]->seen == expected);
  CHECK(machine.frames.in_use() == 1);
  CHECK(machine.breaches.empty());
}

TEST_CASE("A unit without a queue is driven by registers", "[vtd]") {
  fake::Options options;
  options.units[0].qi = false;
  fake::Machine machine(options);
  Cycle cycle(machine);
  CHECK_FALSE(machine.units[0]->queue_enabled());
  CHECK(cycle.map() == STATUS_SUCCESS);
  CHECK(cycle.works());
  CHECK(cycle.unmap() == STATUS_SUCCESS);
  CHECK_FALSE(cycle.works());
  CHECK(machine.breaches.empty());
}

TEST_CASE("From major version 6 on the queue is the only way", "[vtd]") {
  fake::Options options;
  options.units[0].ver = 0x60;
  {
    fake::Machine machine(options);
    Cycle cycle(machine);
    CHECK(cycle.map() == STATUS_SUCCESS);
    CHECK(cycle.unmap() == STATUS_SUCCESS);
    CHECK(machine.breaches.empty());
  }
  options.path = InvalidationPath::Registers;
  {
    fake::Machine machine(options);
    CHECK(machine.open() == STATUS_NOT_SUPPORTED);
    CHECK(machine.host.reported("start", "VER.MAX is 6") == 1);
    CHECK(machine.frames.in_use() == 0);
  }
  options.units[0].qi = false;
  options.path = InvalidationPath::Queue;
  {
    fake::Machine machine(options);
    CHECK(machine.open() == STATUS_NOT_SUPPORTED);
    CHECK(machine.host.reported("start", "neither invalidation queue") == 1);
  }
}

TEST_CASE("Setting the root pointer invalidates by itself with ESRTPS", "[vtd]") {
  fake::Options options;
  options.units[0].esrtps = true;
  fake::Machine machine(options);
  REQUIRE(machine.open() == STATUS_SUCCESS);
  CHECK(machine.units[0]->seen.empty());
  CHECK(machine.units[0]->translating());
}

TEST_CASE("A unit that firmware left running is stopped first", "[vtd]") {
  fake::Machine machine;
  machine.units[0]->firmware_gsts = 0xC4000000;  // TES, RTPS, QIES
  Cycle cycle(machine);
  CHECK(cycle.map() == STATUS_SUCCESS);
  CHECK(cycle.works());
  CHECK(machine.breaches.empty());
}

TEST_CASE("A unit without protected memory has no PMEN to look at", "[vtd]") {
  fake::Options options;
  options.units[0].protected_regions = false;
  fake::Machine machine(options);
  machine.units[0]->pmen = 0x80000001;
  REQUIRE(machine.open() == STATUS_SUCCESS);
  CHECK(machine.units[0]->pmen == 0x80000001);
}

TEST_CASE("Units that can't do what they are to do are named", "[vtd]") {
  fake::Options options;
  options.units[0].sagaw = 0x11;  // 2 and 6 levels: historic
  fake::Machine depth(options);
  CHECK(depth.open() == STATUS_NOT_SUPPORTED);
  CHECK(depth.host.reported("start", "unit iommu0: CAP.SAGAW") == 1);
  CHECK(depth.open() == STATUS_NOT_SUPPORTED);

  options = {};
  options.units[0].pt = false;
  options.policy.unattached = iommu::api::UnattachedState::PassThrough;
  fake::Machine pass(options);
  CHECK(pass.open() == STATUS_NOT_SUPPORTED);
  CHECK(pass.host.reported("start", "ECAP.PT = 0") == 1);

  options = {};
  options.units.resize(2);
  options.units[0].sagaw = 0x2;
  options.units[1].sagaw = 0x4;
  fake::Machine apart(options);
  CHECK(apart.open() == STATUS_NOT_SUPPORTED);
  CHECK(apart.host.reported("start", "no depth of page tables in common") == 1);
}

TEST_CASE("Bringing up fails at every frame that is missing and gives all back", "[vtd]") {
  fake::Options options;
  options.policy.unattached = iommu::api::UnattachedState::PassThrough;
  // Root table, queue, status word, context tables of buses 0, 1 and 2.
  for (std::uint64_t budget = 0; budget < 6; ++budget) {
    fake::Machine machine(options);
    machine.frames.budget = budget;
    CHECK(machine.open() == STATUS_INSUFFICIENT_RESOURCES);
    CHECK(machine.frames.in_use() == 0);
    CHECK_FALSE(machine.units[0]->translating());
  }
  fake::Machine machine(options);
  machine.frames.budget = 6;
  CHECK(machine.open() == STATUS_SUCCESS);
}

TEST_CASE("Handshakes that take time are waited for", "[vtd]") {
  for (const auto path : {InvalidationPath::Queue, InvalidationPath::Registers}) {
    fake::Options options;
    options.path = path;
    fake::Machine machine(options);
    machine.units[0]->latency = 20;
    machine.units[0]->pmen = 0x80000001;
    Cycle cycle(machine);
    CHECK(machine.units[0]->translating());
    CHECK(machine.units[0]->pmen == 0);
    CHECK(cycle.map() == STATUS_SUCCESS);
    CHECK(cycle.works());
    CHECK(cycle.unmap() == STATUS_SUCCESS);
    CHECK_FALSE(cycle.works());
    CHECK(machine.host.relaxed >= 100);
    CHECK(machine.breaches.empty());
  }
}

TEST_CASE("Register and queue invalidation carry out the same requests", "[vtd]") {
  std::vector<std::vector<Seen>> seen;
  for (const auto path : {InvalidationPath::Queue, InvalidationPath::Registers}) {
    fake::Options options;
    options.path = path;
    options.units[0].mamv = 9;
    fake::Machine machine(options);
    const auto& v2 = machine.v2();
    Cycle cycle(machine);
    const PIOMMU_DMA_DEVICE gpu = machine.device("gpu0");
    CHECK(v2.AttachDeviceEx(cycle.domain, gpu) == STATUS_SUCCESS);
    CHECK(cycle.map(0x10000, 0x10000) == STATUS_SUCCESS);
    CHECK(cycle.works());
    CHECK(cycle.unmap(0x10000, 3) == STATUS_SUCCESS);
    CHECK(cycle.unmap(0x13000, 13) == STATUS_SUCCESS);
    CHECK(cycle.map(0x200000, 0x400000) == STATUS_SUCCESS);
    CHECK(cycle.unmap(0x200000, 0x400) == STATUS_SUCCESS);
    CHECK(v2.DetachDeviceEx(gpu) == STATUS_SUCCESS);
    CHECK(machine.breaches.empty());
    seen.push_back(without_waits(machine.units[0]->seen));
  }
  CHECK(seen[0] == seen[1]);
  CHECK(seen[0].size() == 8);
}

TEST_CASE("The queue wraps around", "[vtd]") {
  fake::Machine machine;
  Cycle cycle(machine);
  for (unsigned i = 0; i < 1000; ++i) {
    if (cycle.map() != STATUS_SUCCESS || !cycle.works() || cycle.unmap() != STATUS_SUCCESS || cycle.works()) {
      FAIL("cycle " << i);
    }
  }
  CHECK(without_waits(machine.units[0]->seen).size() == 1002);
  CHECK(machine.units[0]->seen.size() == 1002 + 1001);
  CHECK(machine.breaches.empty());
}

TEST_CASE("Draining is asked for where the unit has it", "[vtd]") {
  for (const auto path : {InvalidationPath::Queue, InvalidationPath::Registers}) {
    fake::Options options;
    options.path = path;
    options.units[0].drain = false;
    fake::Machine machine(options);
    Cycle cycle(machine);
    CHECK(cycle.map() == STATUS_SUCCESS);
    CHECK(cycle.unmap() == STATUS_SUCCESS);
    for (const Seen& seen : machine.units[0]->seen) CHECK_FALSE(seen.drains);
    CHECK(machine.breaches.empty());
  }
}

TEST_CASE("Caching mode: what was not present is invalidated when it becomes present", "[vtd]") {
  fake::Options options;
  options.units[0].cm = true;
  fake::Machine machine(options);
  auto& unit = *machine.units[0];
  const auto& v2 = machine.v2();
  CHECK(unit.dma(fake::kNic, 0x10000, true) == "context not present");  // cached
  unit.seen.clear();
  Cycle cycle(machine);
  const unsigned did = unit.context(fake::kNic).did;
  const std::vector<Seen> attach = {{Seen::ContextDevice, 0, fake::kNic, 0, 0, false, false},
                                    {Seen::IotlbDomain, 0, 0, 0, 0, false, true},
                                    {Seen::IotlbDomain, did, 0, 0, 0, false, true},
                                    {Seen::Wait, 0, 0, 0, 0, false, false}};
  CHECK(unit.seen == attach);
  CHECK_FALSE(cycle.works());  // cached as not present
  unit.seen.clear();
  CHECK(cycle.map() == STATUS_SUCCESS);
  REQUIRE(unit.seen.size() == 2);
  CHECK(unit.seen[0] == Seen{Seen::IotlbPages, did, 0, 0x10000, 0, false, true});
  CHECK(cycle.works());
  CHECK(cycle.unmap() == STATUS_SUCCESS);
  CHECK_FALSE(cycle.works());
  CHECK(cycle.map() == STATUS_SUCCESS);
  CHECK(cycle.works());
  (void)v2;
  CHECK(machine.breaches.empty());
}

TEST_CASE("Write buffers are flushed where nothing else makes entries visible", "[vtd]") {
  fake::Options options;
  options.units[0].rwbf = true;
  for (const bool esrtps : {false, true}) {
    for (const auto unattached : {iommu::api::UnattachedState::Blocked, iommu::api::UnattachedState::PassThrough}) {
      options.units[0].esrtps = esrtps;
      options.policy.unattached = unattached;
      fake::Machine machine(options);
      REQUIRE(machine.open() == STATUS_SUCCESS);
      const bool passes = unattached == iommu::api::UnattachedState::PassThrough;
      CHECK(machine.units[0]->dma(fake::kDisk, 0x4000, true).ok == passes);
      Cycle cycle(machine);
      CHECK(cycle.map() == STATUS_SUCCESS);
      CHECK(cycle.works());
      CHECK(cycle.map(0x20000) == STATUS_SUCCESS);
      CHECK(cycle.works(0x20000));
      CHECK(cycle.unmap() == STATUS_SUCCESS);
      CHECK_FALSE(cycle.works());
      CHECK(machine.breaches.empty());
    }
  }
}

TEST_CASE("A descriptor that the unit refuses is reported, replaced, and made good by a global invalidation", "[vtd]") {
  fake::Machine machine;
  auto& unit = *machine.units[0];
  Cycle cycle(machine);
  const unsigned did = unit.context(fake::kNic).did;
  REQUIRE(cycle.map() == STATUS_SUCCESS);
  REQUIRE(cycle.works());
  unit.seen.clear();
  unit.refuse = [](const Seen& request) { return request.kind == Seen::IotlbPages; };
  CHECK(cycle.unmap() == STATUS_SUCCESS);
  CHECK_FALSE(cycle.works());
  const std::vector<Seen> expected = {{Seen::ContextGlobal, 0, 0, 0, 0, false, false},
                                      {Seen::IotlbGlobal, 0, 0, 0, 0, false, true}};
  CHECK(without_waits(unit.seen) == expected);
  CHECK(machine.host.reported("queued invalidation", "unit iommu0") == 1);
  CHECK(machine.host.reported("queued invalidation", "IQERCD.IQEI = 4") == 1);
  // IOTLB, page-selective, drains, DID; ADDR = 0x10000 with IH = 0: the tables went, too.
  char words[64];
  std::snprintf(words, sizeof words, "(0x%X, 0x10000)", 0x2u | 0x30u | 0xC0u | did << 16);
  CHECK(machine.host.reported("queued invalidation", words) == 1);
  unit.refuse = nullptr;
  CHECK(cycle.map() == STATUS_SUCCESS);
  CHECK(cycle.unmap() == STATUS_SUCCESS);
  CHECK(machine.breaches.empty());
}

TEST_CASE("A register command that the unit ignores is made good by a global invalidation", "[vtd]") {
  fake::Options options;
  options.path = InvalidationPath::Registers;
  fake::Machine machine(options);
  auto& unit = *machine.units[0];
  const auto& v2 = machine.v2();
  Cycle cycle(machine);
  REQUIRE(cycle.map() == STATUS_SUCCESS);
  REQUIRE(cycle.works());
  unit.refuse = [](const Seen& r) { return r.kind == Seen::IotlbPages || r.kind == Seen::ContextDevice; };
  CHECK(cycle.unmap() == STATUS_SUCCESS);
  CHECK_FALSE(cycle.works());
  CHECK(machine.host.reported("IOTLB invalidation", "IAIG = 0") == 1);
  const PIOMMU_DMA_DEVICE disk = machine.device("disk0");
  REQUIRE(v2.AttachDeviceEx(cycle.domain, disk) == STATUS_SUCCESS);
  CHECK(v2.DetachDeviceEx(disk) == STATUS_SUCCESS);
  CHECK(machine.host.reported("context-cache invalidation", "CAIG = 0") == 1);
  CHECK(machine.breaches.empty());
}

TEST_CASE("A unit that refuses everything is given up", "[vtd]") {
  for (const auto path : {InvalidationPath::Queue, InvalidationPath::Registers}) {
    fake::Options options;
    options.path = path;
    fake::Machine machine(options);
    Cycle cycle(machine);
    REQUIRE(cycle.map() == STATUS_SUCCESS);
    const std::size_t frames = machine.frames.in_use();
    machine.units[0]->refuse = [](const Seen& request) { return request.kind != Seen::Wait; };
    CHECK(cycle.unmap() == STATUS_UNSUCCESSFUL);
    CHECK(machine.host.reported("invalidation", "given up") == 1);
    // It may still translate the old way: addresses and tables stay taken.
    CHECK(machine.frames.in_use() == frames);
    CHECK(cycle.map() == STATUS_RESOURCE_IN_USE);
    CHECK(cycle.map(0x90000) == STATUS_UNSUCCESSFUL);
  }
}

TEST_CASE("A queue that refuses even its waits is given up", "[vtd]") {
  fake::Machine machine;
  Cycle cycle(machine);
  REQUIRE(cycle.map() == STATUS_SUCCESS);
  machine.units[0]->refuse = [](const Seen& request) { return request.kind == Seen::Wait; };
  CHECK(cycle.unmap() == STATUS_UNSUCCESSFUL);
  CHECK(machine.host.reported("queued invalidation", "refuses even a wait") == 1);
  CHECK(machine.host.relaxed < 100);
}

TEST_CASE("A unit that does not answer is given up after the poll limit", "[vtd]") {
  for (const auto path : {InvalidationPath::Queue, InvalidationPath::Registers}) {
    fake::Options options;
    options.path = path;
    options.policy.poll_limit = 1000;
    fake::Machine machine(options);
    const auto& v2 = machine.v2();
    Cycle cycle(machine);
    REQUIRE(cycle.map() == STATUS_SUCCESS);
    machine.units[0]->deaf = true;
    CHECK(cycle.unmap() == STATUS_UNSUCCESSFUL);
    CHECK(machine.host.relaxed >= 1000);
    CHECK(machine.host.reported("waiting for hardware", "gave up after 1000 polls") == 1);
    // Later calls fail at once.
    const auto relaxed = machine.host.relaxed;
    const PIOMMU_DMA_DEVICE disk = machine.device("disk0");
    CHECK(v2.AttachDeviceEx(machine.domain(32), disk) == STATUS_UNSUCCESSFUL);
    CHECK(cycle.map(0x90000) == STATUS_UNSUCCESSFUL);
    CHECK(machine.host.relaxed == relaxed);
  }
}

TEST_CASE("A unit that never starts is reported", "[vtd]") {
  fake::Options options;
  options.policy.poll_limit = 50;
  fake::Machine machine(options);
  machine.units[0]->deaf = true;
  CHECK(machine.open() == STATUS_UNSUCCESSFUL);
  CHECK(machine.host.reported("waiting for hardware", "GSTS.QIES = 1") == 1);
}
