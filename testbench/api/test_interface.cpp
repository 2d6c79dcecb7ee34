// IoGetIommuInterfaceEx, IoGetIommuInterface (sheet 2.4, 2.5, OP-30) and what a table of functions is good for: two systems
// stay apart, the ninth is refused.
//
//   condition                                       status
//   ----------------------------------------------  -------------------------------------------
//   Version other than 1 and 2                      STATUS_INVALID_PARAMETER_1, diagnostic
//   Flags not zero                                  STATUS_INVALID_PARAMETER_2
//   InterfaceOut NULL                               STATUS_INVALID_PARAMETER_3
//   outside of any system; a system without IOMMU   STATUS_NOT_SUPPORTED
//   IoGetIommuInterface: Version other than 1       STATUS_INVALID_PARAMETER_1, diagnostic
//   IoGetIommuInterface: InterfaceOut NULL          STATUS_INVALID_PARAMETER_2
//   ninth system                                    STATUS_INSUFFICIENT_RESOURCES, diagnostic
//   the unit can't be started                       the status of the start (test_vtd_driver.cpp)
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <cstring>
#include <memory>

#include "testbench/api/fake_machine.h"

TEST_CASE("IoGetIommuInterfaceEx fills exactly the bytes of version 2", "[interface]") {
  fake::Machine machine;
  alignas(8) unsigned char storage[sizeof(DMA_IOMMU_INTERFACE_EX)];
  std::memset(storage, 0xA5, sizeof storage);
  auto* interface_out = reinterpret_cast<PDMA_IOMMU_INTERFACE_EX>(storage);
  CHECK(IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_2, 0, interface_out) == STATUS_SUCCESS);
  CHECK(interface_out->Size == 192);
  CHECK(interface_out->Version == 2);
  for (std::size_t i = 192; i < sizeof storage; ++i) CHECK(storage[i] == 0xA5);
  // Every one of the 22 members is there.
  for (std::size_t i = 16; i < 192; i += 8) {
    std::uint64_t member = 0;
    std::memcpy(&member, storage + i, 8);
    CHECK(member != 0);
    CHECK(member != 0xA5A5A5A5A5A5A5A5);
  }
  CHECK(machine.units[0]->translating());
  CHECK(machine.host.diagnostics.empty());
}

TEST_CASE("IoGetIommuInterfaceEx fills exactly the bytes of version 1", "[interface]") {
  fake::Machine machine;
  alignas(8) unsigned char storage[sizeof(DMA_IOMMU_INTERFACE_EX)];
  std::memset(storage, 0xA5, sizeof storage);
  auto* interface_out = reinterpret_cast<PDMA_IOMMU_INTERFACE_EX>(storage);
  CHECK(IoGetIommuInterfaceEx(1, 0, interface_out) == STATUS_SUCCESS);
  CHECK(interface_out->Size == 120);
  CHECK(interface_out->Version == 1);
  for (std::size_t i = 120; i < sizeof storage; ++i) CHECK(storage[i] == 0xA5);
  for (std::size_t i = 16; i < 120; i += 8) {
    std::uint64_t member = 0;
    std::memcpy(&member, storage + i, 8);
    CHECK(member != 0);
    CHECK(member != 0xA5A5A5A5A5A5A5A5);
  }
  // DMA_IOMMU_INTERFACE_EX_VERSION without a number names version 1.
  DMA_IOMMU_INTERFACE_EX again{};
  CHECK(IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION, 0, &again) == STATUS_SUCCESS);
  CHECK(again.Version == 1);
}

TEST_CASE("IoGetIommuInterface gives version 1's functions", "[interface]") {
  fake::Machine machine;
  alignas(8) unsigned char storage[sizeof(DMA_IOMMU_INTERFACE) + 8];
  std::memset(storage, 0xA5, sizeof storage);
  auto* old = reinterpret_cast<PDMA_IOMMU_INTERFACE>(storage);
  CHECK(IoGetIommuInterface(DMA_IOMMU_INTERFACE_VERSION, old) == STATUS_SUCCESS);
  CHECK(old->Version == 1);
  for (std::size_t i = 112; i < sizeof storage; ++i) CHECK(storage[i] == 0xA5);
  DMA_IOMMU_INTERFACE_EX extended{};
  REQUIRE(IoGetIommuInterfaceEx(1, 0, &extended) == STATUS_SUCCESS);
  CHECK(std::memcmp(storage + 8, &extended.V1, 104) == 0);
  std::memset(storage, 0xA5, sizeof storage);
  CHECK(IoGetIommuInterface(2, old) == STATUS_INVALID_PARAMETER_1);
  CHECK(IoGetIommuInterface(0, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("IoGetIommuInterface", "offers version 1") == 2);
  CHECK(IoGetIommuInterface(1, nullptr) == STATUS_INVALID_PARAMETER_2);
  for (const unsigned char byte : storage) CHECK(byte == 0xA5);
}

TEST_CASE("IoGetIommuInterfaceEx refuses with the caller's structure untouched", "[interface]") {
  fake::Machine machine;
  alignas(8) unsigned char storage[sizeof(DMA_IOMMU_INTERFACE_EX)];
  std::memset(storage, 0xA5, sizeof storage);
  auto* interface_out = reinterpret_cast<PDMA_IOMMU_INTERFACE_EX>(storage);
  for (const ULONG version : {0u, 3u, 4u, 0xFFFFFFFFu}) {
    CHECK(IoGetIommuInterfaceEx(version, 0, interface_out) == STATUS_INVALID_PARAMETER_1);
  }
  CHECK(machine.host.reported("IoGetIommuInterfaceEx", "offers versions 1 and 2") == 4);
  CHECK(IoGetIommuInterfaceEx(2, 1, interface_out) == STATUS_INVALID_PARAMETER_2);
  CHECK(IoGetIommuInterfaceEx(2, 1ull << 63, interface_out) == STATUS_INVALID_PARAMETER_2);
  CHECK(IoGetIommuInterfaceEx(2, 0, nullptr) == STATUS_INVALID_PARAMETER_3);
  // In order.
  CHECK(IoGetIommuInterfaceEx(3, 1, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(IoGetIommuInterfaceEx(2, 1, nullptr) == STATUS_INVALID_PARAMETER_2);
  for (const unsigned char byte : storage) CHECK(byte == 0xA5);
  CHECK_FALSE(machine.units[0]->translating());
}

TEST_CASE("IoGetIommuInterfaceEx outside of a system, and where there is no IOMMU", "[interface]") {
  DMA_IOMMU_INTERFACE_EX interface_out{};
  CHECK(IoGetIommuInterfaceEx(2, 0, &interface_out) == STATUS_NOT_SUPPORTED);
  CHECK(IoGetIommuInterfaceEx(1, 0, &interface_out) == STATUS_NOT_SUPPORTED);
  CHECK(IoGetIommuInterfaceEx(3, 0, &interface_out) == STATUS_INVALID_PARAMETER_1);
  DMA_IOMMU_INTERFACE old{};
  CHECK(IoGetIommuInterface(1, &old) == STATUS_NOT_SUPPORTED);
  CHECK(IoGetIommuInterface(1, nullptr) == STATUS_INVALID_PARAMETER_2);
  fake::Options options;
  options.units.clear();
  fake::Machine machine(options);
  CHECK(machine.open() == STATUS_NOT_SUPPORTED);
  CHECK(machine.interface.Size == 0);
}

TEST_CASE("IoGetIommuInterfaceEx twice gives the same functions and starts the units once", "[interface]") {
  fake::Machine machine;
  REQUIRE(machine.open() == STATUS_SUCCESS);
  const DMA_IOMMU_INTERFACE_EX first = machine.interface;
  const auto accesses = machine.units[0]->accesses;
  REQUIRE(machine.open() == STATUS_SUCCESS);
  CHECK(std::memcmp(&first.V2, &machine.interface.V2, sizeof first.V2) == 0);
  CHECK(machine.units[0]->accesses == accesses);
}

TEST_CASE("Two systems stay apart", "[interface]") {
  fake::Machine left;
  fake::Machine right;
  const auto& l = left.v2();
  const auto& r = right.v2();
  CHECK(std::memcmp(&l, &r, sizeof l) != 0);
  // The table decides, not the thread that calls: right is current now.
  right.make_current();
  const PIOMMU_DMA_DOMAIN left_domain = left.domain(32);
  const PIOMMU_DMA_DOMAIN right_domain = right.domain(32);
  const PIOMMU_DMA_DEVICE left_device = left.device("nic0");
  CHECK(left_domain != right_domain);
  CHECK(left.system->domain_count() == 1);
  CHECK(right.system->domain_count() == 1);
  const auto right_accesses = right.units[0]->accesses;
  const auto right_memory = right.memory.contents();
  CHECK(l.AttachDeviceEx(left_domain, left_device) == STATUS_SUCCESS);
  auto physical = fake::contiguous(0x5000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS address = 0;
  CHECK(l.MapLogicalRangeEx(left_domain, 3, &physical, nullptr, nullptr, nullptr, &address) == STATUS_SUCCESS);
  CHECK(left.units[0]->dma(fake::kNic, address, true).ok);
  CHECK(right.units[0]->dma(fake::kNic, address, true) == "context not present");
  CHECK(right.units[0]->accesses == right_accesses);
  CHECK(right.memory.contents() == right_memory);
  // Handles of one are none of the other's, and its PDOs neither.
  CHECK(r.AttachDeviceEx(left_domain, left_device) == STATUS_INVALID_PARAMETER_1);
  CHECK(r.DetachDeviceEx(left_device) == STATUS_INVALID_PARAMETER_1);
  CHECK(r.DeleteDomain(left_domain) == STATUS_INVALID_PARAMETER_1);
  PIOMMU_DMA_DEVICE device = nullptr;
  CHECK(r.CreateDevice(left.pdo("nic0"), nullptr, &device) == STATUS_INVALID_PARAMETER);
  CHECK(right.host.reported("DeleteDomain", "is a handle of another system") == 1);
  CHECK(left.host.diagnostics.empty());
}

TEST_CASE("The ninth system is refused until another one is gone", "[interface]") {
  std::vector<std::unique_ptr<fake::Machine>> machines;
  for (unsigned i = 0; i < 8; ++i) {
    machines.push_back(std::make_unique<fake::Machine>());
    REQUIRE(machines.back()->open() == STATUS_SUCCESS);
  }
  fake::Machine ninth;
  CHECK(ninth.open() == STATUS_INSUFFICIENT_RESOURCES);
  CHECK(ninth.interface.Size == 0);
  CHECK(ninth.host.reported("IoGetIommuInterfaceEx", "8 systems have their interface already") == 1);
  for (auto& machine : machines) CHECK(machine->domain(32) != nullptr);

  // What is left of a system that is gone reaches nobody.
  const DMA_IOMMU_INTERFACE_V2 dead = machines[3]->v2();
  const PIOMMU_DMA_DOMAIN dead_domain = machines[3]->domain(32);
  machines[3].reset();
  CHECK(dead.DeleteDomain(dead_domain) == STATUS_UNSUCCESSFUL);
  ULONG types = 0x77;
  dead.QueryAvailableDomainTypes(nullptr, &types);
  CHECK(types == 0x77);

  CHECK(ninth.open() == STATUS_SUCCESS);
  CHECK(ninth.v2().DeleteDomain(dead_domain) == STATUS_INVALID_PARAMETER_1);
  CHECK(ninth.host.reported("DeleteDomain", "is a handle of another system") == 1);
}

TEST_CASE("A description that contradicts itself is refused with a sentence", "[interface]") {
  fake::Machine machine;
  const auto message = [](iommu::api::SystemDescription description) -> std::string {
    try {
      iommu::api::System system(std::move(description));
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message(machine.description).empty());
  auto d = machine.description;
  d.memory = nullptr;
  CHECK(message(d) == "memory, frames and host must be given");
  d = machine.description;
  d.policy.max_leaf_level = 4;
  CHECK(message(d) == "max_leaf_level is 4: 1 to 3 are allowed");
  d = machine.description;
  d.policy.max_logical_width_bits = 12;
  CHECK(message(d) == "max_logical_width_bits is 12: 13 to 63 are allowed");
  d = machine.description;
  d.policy.poll_limit = 0;
  CHECK(message(d) == "poll_limit is 0: at least 1 is needed");
  d = machine.description;
  d.units[0].registers = nullptr;
  CHECK(message(d) == "unit iommu0 has no registers");
  d = machine.description;
  d.pdos[0].object = nullptr;
  CHECK(message(d) == "device nic0 has no device object");
  d = machine.description;
  d.pdos[1].object = d.pdos[0].object;
  CHECK(message(d) == "devices nic0 and disk0 have one device object");
  d = machine.description;
  d.pdos[1].unit = 1;
  CHECK(message(d) == "device disk0 is behind unit 1, there are 1");
  d = machine.description;
  d.pdos[1].requester_ids = d.pdos[0].requester_ids;
  CHECK(message(d) == "devices nic0 and disk0 have one requester id");
  d = machine.description;
  d.pdos[0].requester_ids = {5, 5};
  CHECK(message(d) == "device nic0 has one requester id twice");
}
