#include "testbench/api/interface_user.h"

#include <optional>
#include <stdexcept>
#include <utility>

namespace {
iommu::api::System* the_current_system = nullptr;
}

iommu::api::System* iommu::api::current_system() { return the_current_system; }

namespace testing_api {

InterfaceUser::~InterfaceUser() { close(); }

void InterfaceUser::close() {
  if (the_current_system == system.get()) the_current_system = nullptr;
  system.reset();
}

void InterfaceUser::add_devices(std::size_t units, unsigned extra_devices) {
  const auto add = [&](const std::string& name, std::optional<std::size_t> unit, std::vector<std::uint16_t> ids) {
    objects_[name] = std::make_unique<char>();
    iommu::api::PdoDescription pdo;
    pdo.name = name;
    pdo.object = reinterpret_cast<PDEVICE_OBJECT>(objects_[name].get());
    if (unit && *unit < units) pdo.unit = unit;
    pdo.requester_ids = std::move(ids);
    description.pdos.push_back(pdo);
  };
  add("nic0", 0, {0x0018});
  add("disk0", 0, {0x0100});
  add("gpu0", 0, {0x0200, 0x0210});
  add("usb0", std::nullopt, {0x00A0});
  add("odd0", 0, {});
  if (units > 1) add("eth1", 1, {0x0018});
  for (unsigned i = 0; i < extra_devices; ++i) {
    add("fn" + std::to_string(i), 0, {static_cast<std::uint16_t>(0x0300 + i)});
  }
}

void InterfaceUser::make_system() {
  system = std::make_unique<iommu::api::System>(description);
  make_current();
}

void InterfaceUser::make_current() { the_current_system = system.get(); }

NTSTATUS InterfaceUser::open() {
  make_current();
  return IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_2, 0, &interface);
}

const DMA_IOMMU_INTERFACE_V2& InterfaceUser::v2() {
  if (interface.Size == 0 && open() != STATUS_SUCCESS) throw std::runtime_error("the interface could not be had");
  return interface.V2;
}

const DMA_IOMMU_INTERFACE_V1& InterfaceUser::v1() {
  if (interface_1.Size != 0) return interface_1.V1;
  make_current();
  if (IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_1, 0, &interface_1) != STATUS_SUCCESS) {
    throw std::runtime_error("version 1 could not be had");
  }
  return interface_1.V1;
}

PDEVICE_OBJECT InterfaceUser::pdo(const std::string& name) const {
  return reinterpret_cast<PDEVICE_OBJECT>(objects_.at(name).get());
}

PIOMMU_DMA_DEVICE InterfaceUser::device(const std::string& name) {
  PIOMMU_DMA_DEVICE handle = nullptr;
  if (v2().CreateDevice(pdo(name), nullptr, &handle) != STATUS_SUCCESS) throw std::runtime_error("CreateDevice failed");
  return handle;
}

PIOMMU_DMA_DOMAIN InterfaceUser::domain(unsigned buddy_width, PIOMMU_DMA_RESERVED_REGION regions) {
  PIOMMU_DMA_DOMAIN handle = nullptr;
  IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG config{};
  config.LogicalAllocatorType = buddy_width == 0 ? IommuDmaLogicalAllocatorNone : IommuDmaLogicalAllocatorBuddy;
  config.BuddyAllocatorConfig.AddressWidth = buddy_width;
  if (v2().CreateDomainEx(DomainTypeTranslate, {}, &config, regions, &handle) != STATUS_SUCCESS) {
    throw std::runtime_error("CreateDomainEx failed");
  }
  return handle;
}

PIOMMU_DMA_DOMAIN InterfaceUser::pass_through() {
  PIOMMU_DMA_DOMAIN handle = nullptr;
  if (v2().CreateDomainEx(DomainTypePassThrough, {}, nullptr, nullptr, &handle) != STATUS_SUCCESS) {
    throw std::runtime_error("CreateDomainEx failed");
  }
  return handle;
}

}  // namespace testing_api
