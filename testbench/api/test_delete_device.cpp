// DeleteDevice (sheet 3.3, OP-10, OP-31).
//
//   condition                                              status
//   -----------------------------------------------------  ---------------------------------------
//   NULL, stale, foreign or made-up handle                 STATUS_INVALID_PARAMETER_1, diagnostic
//   attached to a domain (through this token)              STATUS_RESOURCE_IN_USE
//   else                                                   STATUS_SUCCESS; the handle is stale
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

TEST_CASE("DeleteDevice ends a token", "[delete_device]") {
  fake::Machine machine;
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const auto accesses = machine.units[0]->accesses;
  CHECK(machine.v2().DeleteDevice(device) == STATUS_SUCCESS);
  CHECK(machine.system->device_count() == 0);
  CHECK(machine.units[0]->accesses == accesses);
  CHECK(machine.host.diagnostics.empty());
}

TEST_CASE("DeleteDevice recognises handles that are none", "[delete_device]") {
  fake::Machine machine;
  fake::Machine other;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DEVICE foreign = other.device("nic0");
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  CHECK(v2.DeleteDevice(nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("DeleteDevice", "device: parameter 1 is NULL") == 1);
  CHECK(v2.DeleteDevice(reinterpret_cast<PIOMMU_DMA_DEVICE>(machine.domain())) == STATUS_INVALID_PARAMETER_1);
  int local = 0;
  CHECK(v2.DeleteDevice(reinterpret_cast<PIOMMU_DMA_DEVICE>(&local)) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("DeleteDevice", "device: parameter 1 is no such handle") == 2);
  CHECK(v2.DeleteDevice(foreign) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("DeleteDevice", "device: parameter 1 is a handle of another system") == 1);
  CHECK(v2.DeleteDevice(device) == STATUS_SUCCESS);
  CHECK(v2.DeleteDevice(device) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("DeleteDevice", "device: parameter 1 was deleted before") == 1);
  CHECK(other.system->device_count() == 1);
}

TEST_CASE("DeleteDevice: a handle stays stale when its place is used again", "[delete_device]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DEVICE old = machine.device("nic0");
  REQUIRE(v2.DeleteDevice(old) == STATUS_SUCCESS);
  const PIOMMU_DMA_DEVICE fresh = machine.device("nic0");
  CHECK(fresh != old);
  CHECK(v2.DeleteDevice(old) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.system->device_count() == 1);
  CHECK(v2.DeleteDevice(fresh) == STATUS_SUCCESS);
}

TEST_CASE("DeleteDevice refuses an attached device and leaves it attached", "[delete_device]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const PIOMMU_DMA_DEVICE second = machine.device("nic0");
  REQUIRE(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
  const fake::Snapshot before = fake::snapshot(machine);
  CHECK(v2.DeleteDevice(device) == STATUS_RESOURCE_IN_USE);
  CHECK(fake::snapshot(machine) == before);
  CHECK(machine.units[0]->context(fake::kNic).present);
  // The other token of the PDO is attached to nothing.
  CHECK(v2.DeleteDevice(second) == STATUS_SUCCESS);
  CHECK(machine.units[0]->context(fake::kNic).present);
  REQUIRE(v2.DetachDeviceEx(device) == STATUS_SUCCESS);
  CHECK(v2.DeleteDevice(device) == STATUS_SUCCESS);
  CHECK(machine.breaches.empty());
}
