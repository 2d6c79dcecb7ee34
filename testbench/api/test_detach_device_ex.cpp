// DetachDeviceEx (sheet 3.7, OP-9, OP-10, OP-31).
//
//   condition                                                    status
//   -----------------------------------------------------------  ---------------------------------------
//   NULL, stale, foreign or made-up handle                       STATUS_INVALID_PARAMETER_1, diagnostic
//   attached to no domain, or attached through another token     STATUS_INVALID_PARAMETER_1
//   else                                                         STATUS_SUCCESS; the device is in its
//                                                                unattached state and nothing of the
//                                                                domain is cached any more
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

using fake::Seen;

TEST_CASE("DetachDeviceEx blocks the device, whatever was cached", "[detach]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  auto& unit = *machine.units[0];
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  auto physical = fake::contiguous(0x5000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS address = 0;
  REQUIRE(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
  REQUIRE(v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &address) == STATUS_SUCCESS);
  REQUIRE(unit.dma(fake::kNic, address, true).ok);
  const unsigned did = unit.context(fake::kNic).did;
  unit.seen.clear();
  CHECK(v2.DetachDeviceEx(device) == STATUS_SUCCESS);
  CHECK(unit.dma(fake::kNic, address, true) == "context not present");
  // Sheet 4.3: context cache, then IOTLB, then the wait.
  const std::vector<Seen> expected = {{Seen::ContextDevice, did, fake::kNic, 0, 0, false, false},
                                      {Seen::IotlbDomain, did, 0, 0, 0, false, true},
                                      {Seen::Wait, 0, 0, 0, 0, false, false}};
  CHECK(unit.seen == expected);
  // The domain keeps its mappings.
  REQUIRE(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
  CHECK(unit.dma(fake::kNic, address, true).physical == 0x5000);
  CHECK(machine.breaches.empty());
}

TEST_CASE("DetachDeviceEx covers every requester id", "[detach]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DEVICE device = machine.device("gpu0");
  REQUIRE(v2.AttachDeviceEx(machine.domain(32), device) == STATUS_SUCCESS);
  machine.units[0]->seen.clear();
  CHECK(v2.DetachDeviceEx(device) == STATUS_SUCCESS);
  CHECK_FALSE(machine.units[0]->context(fake::kGpu).present);
  CHECK_FALSE(machine.units[0]->context(fake::kGpuAlias).present);
  REQUIRE(machine.units[0]->seen.size() == 4);
  CHECK(machine.units[0]->seen[0].sid == fake::kGpu);
  CHECK(machine.units[0]->seen[1].sid == fake::kGpuAlias);
  CHECK(machine.units[0]->seen[2].kind == Seen::IotlbDomain);
}

TEST_CASE("DetachDeviceEx leaves other devices of the domain attached", "[detach]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  auto& unit = *machine.units[0];
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  const PIOMMU_DMA_DEVICE nic = machine.device("nic0");
  const PIOMMU_DMA_DEVICE disk = machine.device("disk0");
  REQUIRE(v2.AttachDeviceEx(domain, nic) == STATUS_SUCCESS);
  REQUIRE(v2.AttachDeviceEx(domain, disk) == STATUS_SUCCESS);
  auto physical = fake::contiguous(0x5000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS address = 0;
  REQUIRE(v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &address) == STATUS_SUCCESS);
  CHECK(v2.DetachDeviceEx(nic) == STATUS_SUCCESS);
  CHECK(unit.dma(fake::kDisk, address, true).ok);
  REQUIRE(v2.UnmapLogicalRange(domain, address, 1) == STATUS_SUCCESS);
  CHECK(unit.dma(fake::kDisk, address, true) == "not mapped");
}

TEST_CASE("DetachDeviceEx of a device that is not attached", "[detach]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const PIOMMU_DMA_DEVICE second = machine.device("nic0");
  CHECK(v2.DetachDeviceEx(device) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.diagnostics.empty());
  REQUIRE(v2.AttachDeviceEx(machine.domain(32), device) == STATUS_SUCCESS);
  const fake::Snapshot before = fake::snapshot(machine);
  CHECK(v2.DetachDeviceEx(second) == STATUS_INVALID_PARAMETER_1);
  CHECK(fake::snapshot(machine) == before);
  CHECK(v2.DetachDeviceEx(device) == STATUS_SUCCESS);
  CHECK(v2.DetachDeviceEx(device) == STATUS_INVALID_PARAMETER_1);
}

TEST_CASE("DetachDeviceEx recognises handles that are none", "[detach]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  CHECK(v2.DetachDeviceEx(nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("DetachDeviceEx", "device: parameter 1 is NULL") == 1);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  REQUIRE(v2.DeleteDevice(device) == STATUS_SUCCESS);
  CHECK(v2.DetachDeviceEx(device) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("DetachDeviceEx", "device: parameter 1 was deleted before") == 1);
}

TEST_CASE("DetachDeviceEx returns a device to pass-through where that is the unattached state", "[detach]") {
  fake::Options options;
  options.policy.unattached = iommu::api::UnattachedState::PassThrough;
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  auto& unit = *machine.units[0];
  for (const unsigned sid : {fake::kNic, fake::kDisk, fake::kGpu, fake::kGpuAlias}) {
    CHECK(unit.dma(sid, 0x12345678, true).physical == 0x12345678);
  }
  CHECK(unit.dma(0x0020, 0x12345678, true) == "context not present");
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  auto physical = fake::contiguous(0x5000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS address = 0;
  REQUIRE(v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &address) == STATUS_SUCCESS);
  REQUIRE(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
  CHECK(unit.dma(fake::kNic, 0x12345678, true) == "not mapped");
  CHECK(unit.dma(fake::kNic, address, true).physical == 0x5000);
  CHECK(unit.dma(fake::kDisk, 0x12345678, true).ok);
  REQUIRE(v2.DetachDeviceEx(device) == STATUS_SUCCESS);
  CHECK(unit.dma(fake::kNic, 0x12345678, true).physical == 0x12345678);
  CHECK(unit.dma(fake::kNic, address, true).physical == address);
  CHECK(machine.breaches.empty());
}
