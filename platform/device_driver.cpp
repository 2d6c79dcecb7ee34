#include "platform/device_driver.h"

#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace iommu::platform {

DeviceDriver::DeviceDriver(Machine& machine, std::size_t index) : machine_(machine), index_(index) {}

void DeviceDriver::run() {
  if (check(IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_2, 0, &interface_), "IoGetIommuInterfaceEx")) work();
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
  NTSTATUS status = interface_.V2.CreateDevice(machine_.pdo(index_), nullptr, &token_);
  if (!check(status, "CreateDevice")) return false;
  IOMMU_INTERFACE_STATE_CHANGE_FIELDS fields{};
  fields.AvailableDomainTypes = 1;
  status = interface_.V2.RegisterInterfaceStateChangeCallback(state_changed, this, token_, &fields);
  registered_ = check(status, "RegisterInterfaceStateChangeCallback");
  IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG allocator{};
  allocator.LogicalAllocatorType = IommuDmaLogicalAllocatorBuddy;
  allocator.BuddyAllocatorConfig.AddressWidth = machine_.config.ddi.address_width_bits;
  IOMMU_DMA_DOMAIN_CREATION_FLAGS flags{};
  status =
      interface_.V2.CreateDomainEx(type, flags, type == DomainTypeTranslate ? &allocator : nullptr, nullptr, &domain_);
  if (!check(status, "CreateDomainEx")) return false;
  return attach(type);
}

// Refused by policy, a driver waits for the callback that tells it of the type's availability.
bool DeviceDriver::attach(IOMMU_DMA_DOMAIN_TYPE type) {
  NTSTATUS status = interface_.V2.AttachDeviceEx(domain_, token_);
  while (status == STATUS_ACCESS_DENIED) {
    while ((available_types_ >> type & 1u) == 0) sc_core::wait(types_changed_);
    status = interface_.V2.AttachDeviceEx(domain_, token_);
  }
  attached_ = check(status, "AttachDeviceEx");
  if (attached_) report_faults();
  return attached_;
}

// Ends with the attachment.
void DeviceDriver::report_faults() {
  if (!device().config->report_faults) return;
  DEVICE_FAULT_CONFIGURATION config{fault_handler, this};
  check(interface_.V2.SetDeviceFaultReportingEx(token_, 0, TRUE, &config), "SetDeviceFaultReportingEx");
}

VOID DeviceDriver::fault_handler(PVOID context, PFAULT_INFORMATION information) {
  ++static_cast<DeviceDriver*>(context)->faults_by_type_.at(information->X64.Type);
}

VOID DeviceDriver::state_changed(PIOMMU_INTERFACE_STATE_CHANGE change, PVOID context) {
  auto& driver = *static_cast<DeviceDriver*>(context);
  if (change->PresentFields.AvailableDomainTypes == 0) return;
  ++driver.state_changes_;
  driver.available_types_ = change->AvailableDomainTypes;
  driver.types_changed_.notify(sc_core::SC_ZERO_TIME);
}

void DeviceDriver::add_callback_results(nlohmann::ordered_json& of_master) const {
  of_master["state_changes"] = state_changes_;
  of_master["available_domain_types"] = available_types_;
  static constexpr std::array<const char*, MaxFaultType> kTypes = {"UnsupportedUpstreamTransaction",
                                                                   "AddressSizeFault",
                                                                   "TlbMatchConflict",
                                                                   "ExternalFault",
                                                                   "PermissionFault",
                                                                   "AccessFlagFault",
                                                                   "TranslationFault"};
  nlohmann::ordered_json by_type = nlohmann::ordered_json::object();
  std::uint64_t delivered = 0;
  for (std::size_t type = 0; type < kTypes.size(); ++type) {
    by_type[kTypes[type]] = faults_by_type_[type];
    delivered += faults_by_type_[type];
  }
  of_master["faults_reported"] = {{"delivered", delivered}, {"by_type", std::move(by_type)}};
}

void DeviceDriver::take_down() {
  if (attached_) {
    check(interface_.V2.DetachDeviceEx(token_), "DetachDeviceEx");
    attached_ = false;
  }
  if (domain_ != nullptr) {
    check(interface_.V2.DeleteDomain(domain_), "DeleteDomain");
    domain_ = nullptr;
  }
  if (registered_) {
    check(interface_.V2.UnregisterInterfaceStateChangeCallback(state_changed, token_),
          "UnregisterInterfaceStateChangeCallback");
    registered_ = false;
  }
  if (token_ != nullptr) {
    check(interface_.V2.DeleteDevice(token_), "DeleteDevice");
    token_ = nullptr;
  }
}

IOMMU_MAP_PHYSICAL_ADDRESS DeviceDriver::contiguous(core::Address physical, std::uint64_t bytes) {
  IOMMU_MAP_PHYSICAL_ADDRESS description{};
  description.MapType = MapPhysicalAddressTypeContiguousRange;
  description.ContiguousRange.Base.QuadPart = static_cast<LONGLONG>(physical);
  description.ContiguousRange.Size = bytes;
  return description;
}

bool DeviceDriver::map(core::Address physical, std::uint64_t bytes, ULONG permissions,
                       IOMMU_DMA_LOGICAL_ADDRESS& logical) {
  IOMMU_MAP_PHYSICAL_ADDRESS description = contiguous(physical, bytes);
  const NTSTATUS status =
      interface_.V2.MapLogicalRangeEx(domain_, permissions, &description, nullptr, nullptr, nullptr, &logical);
  return check(status, "MapLogicalRangeEx");
}

bool DeviceDriver::unmap(IOMMU_DMA_LOGICAL_ADDRESS logical, std::uint64_t bytes) {
  const NTSTATUS status = interface_.V2.UnmapLogicalRange(domain_, logical, bytes / PAGE_SIZE);
  return check(status, "UnmapLogicalRange");
}

void DeviceDriver::apply(EventAction action) {
  switch (action) {
    case EventAction::Detach:
      if (!attached_) return note("a detach event found it attached to nothing");
      check(interface_.V2.DetachDeviceEx(token_), "DetachDeviceEx");
      attached_ = false;
      break;
    case EventAction::Attach:
      if (attached_ || domain_ == nullptr) return note("an attach event found nothing to attach it to");
      attached_ = check(interface_.V2.AttachDeviceEx(domain_, token_), "AttachDeviceEx");
      if (attached_) report_faults();
      break;
    case EventAction::Unmap:
      unmap_window();
      break;
    case EventAction::InvalidateDevice:
      if (token_ == nullptr) return note("an invalidate_device event found it without a token");
      check(machine_.system->invalidate_device(token_), "invalidate_device");
      break;
    case EventAction::PortExternal:
    case EventAction::PortInternal:
      machine_.system->set_external(machine_.pdo(index_), action == EventAction::PortExternal);
      break;
    case EventAction::OptIn:
    case EventAction::OptOut:
      machine_.system->set_opt_in(machine_.pdo(index_),
                                  action == EventAction::OptIn ? api::RemappingOptIn::Yes : api::RemappingOptIn::No);
      break;
    case EventAction::SurpriseRemoval:
      take_out();
      break;
    case EventAction::InvalidateGlobal:
    case EventAction::LockScreen:
    case EventAction::UnlockScreen:
      break;  // concern no device
  }
}

void DeviceDriver::take_out() { note("a surprise_removal event is for devices with a loaded driver"); }

}  // namespace iommu::platform
