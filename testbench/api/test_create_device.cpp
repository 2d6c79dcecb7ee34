// CreateDevice (sheet 3.2, OP-2, OP-6, OP-10, OP-31).
//
//   condition                                            status
//   ---------------------------------------------------  ---------------------------------
//   PDO NULL, or no PDO of this system                   STATUS_INVALID_PARAMETER, diagnostic
//   device not behind an IOMMU                           STATUS_NOT_FOUND
//   any configuration (the platform is not ARM64)        STATUS_INVALID_PARAMETER_2
//   DmaDeviceOut NULL                                    STATUS_INVALID_PARAMETER_3, diagnostic
//   the bus driver gives no requester id                 STATUS_UNSUCCESSFUL, diagnostic
//   as many tokens as there may be                       STATUS_INSUFFICIENT_RESOURCES
//   several errors                                       the first one of this table
//   else                                                 STATUS_SUCCESS; a second token for one PDO, too
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

namespace {
PIOMMU_DMA_DEVICE untouched() { return reinterpret_cast<PIOMMU_DMA_DEVICE>(std::uintptr_t{0x55}); }
}  // namespace

TEST_CASE("CreateDevice makes a token and touches no hardware", "[create_device]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const auto accesses = machine.units[0]->accesses;
  const auto writes = machine.memory.writes;
  PIOMMU_DMA_DEVICE device = untouched();
  CHECK(v2.CreateDevice(machine.pdo("nic0"), nullptr, &device) == STATUS_SUCCESS);
  CHECK(device != untouched());
  CHECK(device != nullptr);
  CHECK(machine.system->device_count() == 1);
  CHECK(machine.units[0]->accesses == accesses);
  CHECK(machine.memory.writes == writes);
  CHECK(machine.host.diagnostics.empty());
  CHECK(machine.breaches.empty());
}

TEST_CASE("CreateDevice: a PDO that is NULL or of no device", "[create_device]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  PIOMMU_DMA_DEVICE device = untouched();
  CHECK(v2.CreateDevice(nullptr, nullptr, &device) == STATUS_INVALID_PARAMETER);
  CHECK(machine.host.reported("CreateDevice", "parameter 1 is NULL") == 1);
  int other = 0;
  CHECK(v2.CreateDevice(reinterpret_cast<PDEVICE_OBJECT>(&other), nullptr, &device) == STATUS_INVALID_PARAMETER);
  CHECK(machine.host.reported("CreateDevice", "no physical device object of this system") == 1);
  CHECK(device == untouched());
  CHECK(machine.system->device_count() == 0);
}

TEST_CASE("CreateDevice: the device is not behind an IOMMU", "[create_device]") {
  fake::Machine machine;
  PIOMMU_DMA_DEVICE device = untouched();
  CHECK(machine.v2().CreateDevice(machine.pdo("usb0"), nullptr, &device) == STATUS_NOT_FOUND);
  CHECK(device == untouched());
}

TEST_CASE("CreateDevice: every configuration is refused on a platform that is not ARM64", "[create_device]") {
  fake::Machine machine;
  IOMMU_DEVICE_CREATION_CONFIGURATION config{};
  for (const auto type : {IommuDeviceCreationConfigTypeNone, IommuDeviceCreationConfigTypeAcpi,
                          IommuDeviceCreationConfigTypeDeviceId, IommuDeviceCreationConfigTypePasid}) {
    config.ConfigType = type;
    PIOMMU_DMA_DEVICE device = untouched();
    CHECK(machine.v2().CreateDevice(machine.pdo("nic0"), &config, &device) == STATUS_INVALID_PARAMETER_2);
    CHECK(device == untouched());
  }
  CHECK(machine.system->device_count() == 0);
}

TEST_CASE("CreateDevice: no place for the handle", "[create_device]") {
  fake::Machine machine;
  CHECK(machine.v2().CreateDevice(machine.pdo("nic0"), nullptr, nullptr) == STATUS_INVALID_PARAMETER_3);
  CHECK(machine.host.reported("CreateDevice", "parameter 3 is NULL") == 1);
  CHECK(machine.system->device_count() == 0);
}

TEST_CASE("CreateDevice: the bus driver can't say which requester the device is", "[create_device]") {
  fake::Machine machine;
  PIOMMU_DMA_DEVICE device = untouched();
  CHECK(machine.v2().CreateDevice(machine.pdo("odd0"), nullptr, &device) == STATUS_UNSUCCESSFUL);
  CHECK(machine.host.reported("CreateDevice", "odd0") == 1);
  CHECK(device == untouched());
}

TEST_CASE("CreateDevice: more tokens than there may be", "[create_device]") {
  fake::Options options;
  options.policy.max_devices = 2;
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  PIOMMU_DMA_DEVICE first = machine.device("nic0");
  machine.device("disk0");
  PIOMMU_DMA_DEVICE device = untouched();
  CHECK(v2.CreateDevice(machine.pdo("gpu0"), nullptr, &device) == STATUS_INSUFFICIENT_RESOURCES);
  CHECK(device == untouched());
  CHECK(v2.DeleteDevice(first) == STATUS_SUCCESS);
  CHECK(v2.CreateDevice(machine.pdo("gpu0"), nullptr, &device) == STATUS_SUCCESS);
}

TEST_CASE("CreateDevice: checks come in the order of the parameters", "[create_device]") {
  fake::Options options;
  options.policy.max_devices = 0;
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  IOMMU_DEVICE_CREATION_CONFIGURATION config{};
  PIOMMU_DMA_DEVICE device = nullptr;
  CHECK(v2.CreateDevice(nullptr, &config, nullptr) == STATUS_INVALID_PARAMETER);
  CHECK(v2.CreateDevice(machine.pdo("usb0"), &config, nullptr) == STATUS_NOT_FOUND);
  CHECK(v2.CreateDevice(machine.pdo("odd0"), &config, nullptr) == STATUS_INVALID_PARAMETER_2);
  CHECK(v2.CreateDevice(machine.pdo("odd0"), nullptr, nullptr) == STATUS_INVALID_PARAMETER_3);
  CHECK(v2.CreateDevice(machine.pdo("odd0"), nullptr, &device) == STATUS_UNSUCCESSFUL);
  CHECK(v2.CreateDevice(machine.pdo("nic0"), nullptr, &device) == STATUS_INSUFFICIENT_RESOURCES);
}

TEST_CASE("CreateDevice: one PDO may have two tokens", "[create_device]") {
  fake::Machine machine;
  const PIOMMU_DMA_DEVICE first = machine.device("nic0");
  const PIOMMU_DMA_DEVICE second = machine.device("nic0");
  CHECK(first != second);
  CHECK(machine.system->device_count() == 2);
}
