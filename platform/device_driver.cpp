#include "platform/device_driver.h"

#include <cinttypes>
#include <cstdio>

namespace iommu::platform {

const char* function_name(InterfaceFunction function) {
  static constexpr const char* kNames[] = {"CreateDevice",      "DeleteDevice",     "CreateDomainEx",
                                           "DeleteDomain",      "AttachDeviceEx",   "DetachDeviceEx",
                                           "MapLogicalRangeEx", "UnmapLogicalRange"};
  return kNames[static_cast<std::size_t>(function)];
}

DeviceDriver::DeviceDriver(Machine& machine, std::size_t index, InterfaceCounters& counters)
    : machine_(machine), index_(index), interface_(counters) {}

void DeviceDriver::run() {
  if (check(interface_.open(), "IoGetIommuInterfaceEx")) work();
  finished_at_ = host().now();
  finished_ = true;
}

bool DeviceDriver::check(NTSTATUS status, const char* function) {
  if (NT_SUCCESS(status)) return true;
  char text[64];
  std::snprintf(text, sizeof text, "returned status 0x%08" PRIX32, static_cast<std::uint32_t>(status));
  machine_.diagnostics.push_back({api::Severity::Error, function, "device " + device().config->name, text});
  return false;
}

void DeviceDriver::note(const std::string& message) {
  machine_.diagnostics.push_back({api::Severity::Warning, "driver", "device " + device().config->name, message});
}

bool DeviceDriver::bring_up(IOMMU_DMA_DOMAIN_TYPE type) {
  NTSTATUS status = interface_.call(InterfaceFunction::CreateDevice, &DMA_IOMMU_INTERFACE_V2::CreateDevice,
                                    machine_.pdo(index_), nullptr, &token_);
  if (!check(status, "CreateDevice")) return false;
  IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG allocator{};
  allocator.LogicalAllocatorType = IommuDmaLogicalAllocatorBuddy;
  allocator.BuddyAllocatorConfig.AddressWidth = machine_.config.ddi.address_width_bits;
  IOMMU_DMA_DOMAIN_CREATION_FLAGS flags{};
  status = interface_.call(InterfaceFunction::CreateDomainEx, &DMA_IOMMU_INTERFACE_V2::CreateDomainEx, type, flags,
                           type == DomainTypeTranslate ? &allocator : nullptr, nullptr, &domain_);
  if (!check(status, "CreateDomainEx")) return false;
  status = interface_.call(InterfaceFunction::AttachDeviceEx, &DMA_IOMMU_INTERFACE_V2::AttachDeviceEx, domain_, token_);
  attached_ = check(status, "AttachDeviceEx");
  return attached_;
}

void DeviceDriver::take_down() {
  if (attached_) {
    check(interface_.call(InterfaceFunction::DetachDeviceEx, &DMA_IOMMU_INTERFACE_V2::DetachDeviceEx, token_),
          "DetachDeviceEx");
    attached_ = false;
  }
  if (domain_ != nullptr) {
    check(interface_.call(InterfaceFunction::DeleteDomain, &DMA_IOMMU_INTERFACE_V2::DeleteDomain, domain_),
          "DeleteDomain");
    domain_ = nullptr;
  }
  if (token_ != nullptr) {
    check(interface_.call(InterfaceFunction::DeleteDevice, &DMA_IOMMU_INTERFACE_V2::DeleteDevice, token_),
          "DeleteDevice");
    token_ = nullptr;
  }
}

bool DeviceDriver::map(core::Address physical, std::uint64_t bytes, ULONG permissions,
                       IOMMU_DMA_LOGICAL_ADDRESS& logical) {
  IOMMU_MAP_PHYSICAL_ADDRESS description{};
  description.MapType = MapPhysicalAddressTypeContiguousRange;
  description.ContiguousRange.Base.QuadPart = static_cast<LONGLONG>(physical);
  description.ContiguousRange.Size = bytes;
  const NTSTATUS status =
      interface_.call(InterfaceFunction::MapLogicalRangeEx, &DMA_IOMMU_INTERFACE_V2::MapLogicalRangeEx, domain_,
                      permissions, &description, nullptr, nullptr, nullptr, &logical);
  return check(status, "MapLogicalRangeEx");
}

bool DeviceDriver::unmap(IOMMU_DMA_LOGICAL_ADDRESS logical, std::uint64_t bytes) {
  const NTSTATUS status =
      interface_.call(InterfaceFunction::UnmapLogicalRange, &DMA_IOMMU_INTERFACE_V2::UnmapLogicalRange, domain_,
                      logical, bytes / PAGE_SIZE);
  return check(status, "UnmapLogicalRange");
}

void DeviceDriver::apply(EventAction action) {
  switch (action) {
    case EventAction::Detach:
      if (!attached_) return note("a detach event found it attached to nothing");
      check(interface_.call(InterfaceFunction::DetachDeviceEx, &DMA_IOMMU_INTERFACE_V2::DetachDeviceEx, token_),
            "DetachDeviceEx");
      attached_ = false;
      break;
    case EventAction::Attach:
      if (attached_ || domain_ == nullptr) return note("an attach event found nothing to attach it to");
      attached_ = check(
          interface_.call(InterfaceFunction::AttachDeviceEx, &DMA_IOMMU_INTERFACE_V2::AttachDeviceEx, domain_, token_),
          "AttachDeviceEx");
      break;
    case EventAction::Unmap:
      unmap_window();
      break;
    case EventAction::InvalidateDevice:
      if (token_ == nullptr) return note("an invalidate_device event found it without a token");
      check(machine_.system->invalidate_device(token_), "invalidate_device");
      break;
    case EventAction::InvalidateGlobal:
      break;  // concerns no device
  }
}

}  // namespace iommu::platform
