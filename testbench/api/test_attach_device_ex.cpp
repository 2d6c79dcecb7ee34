// AttachDeviceEx (sheet 3.6, 3.1 items 1, 2, 10, OP-9, OP-10, OP-11, OP-29, OP-31).
//
//   condition                                            status
//   ---------------------------------------------------  ---------------------------------------
//   bad domain handle                                    STATUS_INVALID_PARAMETER_1, diagnostic
//   bad device handle                                    STATUS_INVALID_PARAMETER_2, diagnostic
//   the device is attached, to this or another domain,   STATUS_INVALID_PARAMETER
//     through this or another token
//   PassThrough domain, unit without pass-through        STATUS_ACCESS_DENIED
//   no domain id, or no frame for a context table        STATUS_INSUFFICIENT_RESOURCES
//   several errors                                       the first one of this table
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

TEST_CASE("AttachDeviceEx gives a device the mappings of its domain", "[attach]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  auto& unit = *machine.units[0];
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  auto physical = fake::contiguous(0x123456000, 0x2000);
  IOMMU_DMA_LOGICAL_ADDRESS address = 0;
  // Mapped before and after.
  REQUIRE(v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &address) == STATUS_SUCCESS);
  CHECK(unit.dma(fake::kNic, address, false) == "context not present");
  CHECK(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
  CHECK(unit.dma(fake::kNic, address + 0x1FFF, true).physical == 0x123457FFF);
  REQUIRE(v2.MapLogicalRangeEx(domain, 1, &physical, nullptr, nullptr, nullptr, &address) == STATUS_SUCCESS);
  CHECK(unit.dma(fake::kNic, address, false).physical == 0x123456000);
  CHECK(unit.dma(fake::kNic, address, true) == "no write permission");
  CHECK(unit.dma(fake::kDisk, address, false) == "context not present");
  const fake::Unit::Context entry = unit.context(fake::kNic);
  CHECK(entry.tt == 0);
  CHECK(entry.did != 0);
  CHECK(machine.breaches.empty());
  CHECK(machine.host.diagnostics.empty());
}

TEST_CASE("AttachDeviceEx: not present to present needs no invalidation", "[attach]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const std::size_t before = machine.units[0]->seen.size();
  REQUIRE(v2.AttachDeviceEx(machine.domain(32), machine.device("nic0")) == STATUS_SUCCESS);
  CHECK(machine.units[0]->seen.size() == before);
}

TEST_CASE("AttachDeviceEx covers every requester id of a device", "[attach]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  REQUIRE(v2.AttachDeviceEx(machine.domain(32), machine.device("gpu0")) == STATUS_SUCCESS);
  const auto first = machine.units[0]->context(fake::kGpu);
  const auto alias = machine.units[0]->context(fake::kGpuAlias);
  CHECK(first.present);
  CHECK(alias.present);
  CHECK(first.root == alias.root);
  CHECK(first.did == alias.did);
  CHECK_FALSE(machine.units[0]->context(0x0208).present);
}

TEST_CASE("AttachDeviceEx: several devices share a domain, on several units", "[attach]") {
  fake::Options options;
  options.units.resize(2);
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  for (const char* name : {"nic0", "disk0", "eth1"}) {
    REQUIRE(v2.AttachDeviceEx(domain, machine.device(name)) == STATUS_SUCCESS);
  }
  auto physical = fake::contiguous(0x5000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS address = 0;
  REQUIRE(v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &address) == STATUS_SUCCESS);
  CHECK(machine.units[0]->dma(fake::kNic, address, true).physical == 0x5000);
  CHECK(machine.units[0]->dma(fake::kDisk, address, true).physical == 0x5000);
  CHECK(machine.units[1]->dma(fake::kNic, address, true).physical == 0x5000);
  CHECK(machine.units[0]->context(fake::kNic).did == machine.units[0]->context(fake::kDisk).did);
  REQUIRE(v2.UnmapLogicalRange(domain, address, 1) == STATUS_SUCCESS);
  CHECK(machine.units[0]->dma(fake::kNic, address, true) == "not mapped");
  CHECK(machine.units[0]->dma(fake::kDisk, address, true) == "not mapped");
  CHECK(machine.units[1]->dma(fake::kNic, address, true) == "not mapped");
  CHECK(machine.breaches.empty());
}

TEST_CASE("AttachDeviceEx: domains on one unit have domain ids of their own", "[attach]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN one = machine.domain(32);
  const PIOMMU_DMA_DOMAIN two = machine.domain(32);
  REQUIRE(v2.AttachDeviceEx(one, machine.device("nic0")) == STATUS_SUCCESS);
  REQUIRE(v2.AttachDeviceEx(two, machine.device("disk0")) == STATUS_SUCCESS);
  CHECK(machine.units[0]->context(fake::kNic).did != machine.units[0]->context(fake::kDisk).did);
  auto physical = fake::contiguous(0x5000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS address = 0;
  REQUIRE(v2.MapLogicalRangeEx(one, 3, &physical, nullptr, nullptr, nullptr, &address) == STATUS_SUCCESS);
  CHECK(machine.units[0]->dma(fake::kNic, address, true).ok);
  CHECK(machine.units[0]->dma(fake::kDisk, address, true) == "not mapped");
}

TEST_CASE("AttachDeviceEx to a PassThrough domain", "[attach]") {
  fake::Options options;
  options.units[0].sagaw = 0xE;
  options.units[0].mgaw_bits = 57;
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  REQUIRE(v2.AttachDeviceEx(machine.pass_through(), machine.device("nic0")) == STATUS_SUCCESS);
  CHECK(machine.units[0]->context(fake::kNic).tt == 2);
  CHECK(machine.units[0]->context(fake::kNic).aw == 3);  // the largest of SAGAW
  CHECK(machine.units[0]->dma(fake::kNic, 0x123456789, true).physical == 0x123456789);
  CHECK(machine.breaches.empty());
}

TEST_CASE("AttachDeviceEx: PassThrough is not allowed behind a unit that has it not", "[attach]") {
  fake::Options options;
  fake::UnitOptions without;
  without.pt = false;
  options.units.push_back(without);
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.pass_through();
  const PIOMMU_DMA_DEVICE device = machine.device("eth1");
  const fake::Snapshot before = fake::snapshot(machine);
  CHECK(v2.AttachDeviceEx(domain, device) == STATUS_ACCESS_DENIED);
  CHECK(fake::snapshot(machine) == before);
  CHECK(v2.AttachDeviceEx(domain, machine.device("nic0")) == STATUS_SUCCESS);
}

TEST_CASE("AttachDeviceEx: an attached device is refused", "[attach]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  const PIOMMU_DMA_DOMAIN other = machine.domain(32);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const PIOMMU_DMA_DEVICE second = machine.device("nic0");
  REQUIRE(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
  const fake::Snapshot before = fake::snapshot(machine);
  CHECK(v2.AttachDeviceEx(domain, device) == STATUS_INVALID_PARAMETER);
  CHECK(v2.AttachDeviceEx(other, device) == STATUS_INVALID_PARAMETER);
  CHECK(v2.AttachDeviceEx(other, second) == STATUS_INVALID_PARAMETER);
  CHECK(fake::snapshot(machine) == before);
}

TEST_CASE("AttachDeviceEx recognises handles that are none, in order", "[attach]") {
  fake::Machine machine;
  fake::Machine elsewhere;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  CHECK(v2.AttachDeviceEx(nullptr, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(v2.AttachDeviceEx(domain, nullptr) == STATUS_INVALID_PARAMETER_2);
  CHECK(machine.host.reported("AttachDeviceEx", "device: parameter 2 is NULL") == 1);
  CHECK(v2.AttachDeviceEx(elsewhere.domain(32), device) == STATUS_INVALID_PARAMETER_1);
  CHECK(v2.AttachDeviceEx(domain, elsewhere.device("nic0")) == STATUS_INVALID_PARAMETER_2);
  CHECK(machine.host.reported("AttachDeviceEx", "device: parameter 2 is a handle of another system") == 1);
  REQUIRE(v2.DeleteDevice(device) == STATUS_SUCCESS);
  CHECK(v2.AttachDeviceEx(domain, device) == STATUS_INVALID_PARAMETER_2);
}

TEST_CASE("AttachDeviceEx: all domain ids of a unit are taken", "[attach]") {
  fake::Options options;
  options.units[0].nd = 0;  // 16 ids, of which 0 is reserved
  options.extra_devices = 16;
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  std::vector<PIOMMU_DMA_DEVICE> devices;
  std::vector<PIOMMU_DMA_DOMAIN> domains;
  for (unsigned i = 0; i < 16; ++i) {
    devices.push_back(machine.device("fn" + std::to_string(i)));
    domains.push_back(i % 2 == 0 ? machine.domain(32) : machine.pass_through());
  }
  std::set<unsigned> ids;
  for (unsigned i = 0; i < 15; ++i) {
    REQUIRE(v2.AttachDeviceEx(domains[i], devices[i]) == STATUS_SUCCESS);
    ids.insert(machine.units[0]->context(0x0300 + i).did);
  }
  CHECK(ids.size() == 15);
  CHECK(*ids.begin() == 1);
  CHECK(*ids.rbegin() == 15);
  const fake::Snapshot before = fake::snapshot(machine);
  CHECK(v2.AttachDeviceEx(domains[15], devices[15]) == STATUS_INSUFFICIENT_RESOURCES);
  CHECK(fake::snapshot(machine) == before);
  // A domain that is there already needs no other id.
  CHECK(v2.AttachDeviceEx(domains[0], devices[15]) == STATUS_SUCCESS);
  CHECK(v2.DetachDeviceEx(devices[0]) == STATUS_SUCCESS);
  CHECK(v2.DetachDeviceEx(devices[15]) == STATUS_SUCCESS);
  CHECK(v2.AttachDeviceEx(domains[15], devices[15]) == STATUS_SUCCESS);
}

TEST_CASE("AttachDeviceEx without a frame for the context table changes nothing", "[attach]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  const PIOMMU_DMA_DEVICE device = machine.device("disk0");
  machine.frames.budget = 0;
  const fake::Snapshot before = fake::snapshot(machine);
  CHECK(v2.AttachDeviceEx(domain, device) == STATUS_INSUFFICIENT_RESOURCES);
  CHECK(fake::snapshot(machine) == before);
  CHECK(v2.DeleteDevice(device) == STATUS_SUCCESS);
  machine.frames.budget.reset();
  CHECK(v2.AttachDeviceEx(domain, machine.device("disk0")) == STATUS_SUCCESS);
  CHECK(v2.DeleteDomain(domain) == STATUS_RESOURCE_IN_USE);
}
