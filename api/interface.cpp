#include "api/interface.h"

#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "api/system.h"

namespace iommu::api {

namespace {

struct SlotPool {
  std::array<System*, kInterfaceSlots> systems{};
  std::uint16_t last_serial = 0;
};
SlotPool pool;

/// A free function that calls a member of the system in a slot, and tells the system's observer.
template <std::size_t Slot, Function Which, auto Member, typename = decltype(Member)>
struct Trampoline;

template <std::size_t Slot, Function Which, auto Member, typename Result, typename... Args>
struct Trampoline<Slot, Which, Member, Result (System::*)(Args...)> {
  static Result call(Args... args) {
    System* system = pool.systems[Slot];
    CallObserver* observer = system == nullptr ? nullptr : system->observer();
    if (observer != nullptr) observer->entered(Which);
    if constexpr (std::is_void_v<Result>) {
      if (system != nullptr) (system->*Member)(args...);
      if (observer != nullptr) observer->returned(Which, STATUS_SUCCESS);
    } else {
      const NTSTATUS status = system == nullptr ? STATUS_UNSUCCESSFUL : (system->*Member)(args...);
      if (observer != nullptr) observer->returned(Which, status);
      return status;
    }
  }
};

template <std::size_t Slot>
constexpr DMA_IOMMU_INTERFACE_V2 make_v2() {
  using F = Function;
  DMA_IOMMU_INTERFACE_V2 table{};
  table.CreateDomainEx = Trampoline<Slot, F::CreateDomainEx, &System::create_domain_ex>::call;
  table.DeleteDomain = Trampoline<Slot, F::DeleteDomain, &System::delete_domain>::call;
  table.AttachDeviceEx = Trampoline<Slot, F::AttachDeviceEx, &System::attach_device_ex>::call;
  table.DetachDeviceEx = Trampoline<Slot, F::DetachDeviceEx, &System::detach_device_ex>::call;
  table.FlushDomain = Trampoline<Slot, F::FlushDomain, &System::flush_domain>::call;
  table.FlushDomainByVaList = Trampoline<Slot, F::FlushDomainByVaList, &System::flush_domain_by_va_list>::call;
  table.QueryInputMappings = Trampoline<Slot, F::QueryInputMappings, &System::query_input_mappings>::call;
  table.MapLogicalRangeEx = Trampoline<Slot, F::MapLogicalRangeEx, &System::map_logical_range_ex>::call;
  table.UnmapLogicalRange = Trampoline<Slot, F::UnmapLogicalRange, &System::unmap_logical_range>::call;
  table.MapIdentityRangeEx = Trampoline<Slot, F::MapIdentityRangeEx, &System::map_identity_range_ex>::call;
  table.UnmapIdentityRangeEx = Trampoline<Slot, F::UnmapIdentityRangeEx, &System::unmap_identity_range_ex>::call;
  table.SetDeviceFaultReportingEx =
      Trampoline<Slot, F::SetDeviceFaultReportingEx, &System::set_device_fault_reporting_ex>::call;
  table.ConfigureDomain = Trampoline<Slot, F::ConfigureDomain, &System::configure_domain>::call;
  table.QueryAvailableDomainTypes =
      Trampoline<Slot, F::QueryAvailableDomainTypes, &System::query_available_domain_types>::call;
  table.RegisterInterfaceStateChangeCallback = Trampoline<Slot, F::RegisterInterfaceStateChangeCallback,
                                                          &System::register_interface_state_change_callback>::call;
  table.UnregisterInterfaceStateChangeCallback = Trampoline<Slot, F::UnregisterInterfaceStateChangeCallback,
                                                            &System::unregister_interface_state_change_callback>::call;
  table.ReserveLogicalAddressRange =
      Trampoline<Slot, F::ReserveLogicalAddressRange, &System::reserve_logical_address_range>::call;
  table.FreeReservedLogicalAddressRange =
      Trampoline<Slot, F::FreeReservedLogicalAddressRange, &System::free_reserved_logical_address_range>::call;
  table.MapReservedLogicalRange =
      Trampoline<Slot, F::MapReservedLogicalRange, &System::map_reserved_logical_range>::call;
  table.UnmapReservedLogicalRange =
      Trampoline<Slot, F::UnmapReservedLogicalRange, &System::unmap_reserved_logical_range>::call;
  table.CreateDevice = Trampoline<Slot, F::CreateDevice, &System::create_device>::call;
  table.DeleteDevice = Trampoline<Slot, F::DeleteDevice, &System::delete_device>::call;
  return table;
}

/// Version 1: the members that it shares with version 2 are the same functions.
template <std::size_t Slot>
constexpr DMA_IOMMU_INTERFACE_V1 make_v1() {
  using F = Function;
  const DMA_IOMMU_INTERFACE_V2 v2 = make_v2<Slot>();
  DMA_IOMMU_INTERFACE_V1 table{};
  table.CreateDomain = Trampoline<Slot, F::CreateDomain, &System::create_domain>::call;
  table.DeleteDomain = v2.DeleteDomain;
  table.AttachDevice = Trampoline<Slot, F::AttachDevice, &System::attach_device>::call;
  table.DetachDevice = Trampoline<Slot, F::DetachDevice, &System::detach_device>::call;
  table.FlushDomain = v2.FlushDomain;
  table.FlushDomainByVaList = v2.FlushDomainByVaList;
  table.QueryInputMappings = v2.QueryInputMappings;
  table.MapLogicalRange = Trampoline<Slot, F::MapLogicalRange, &System::map_logical_range>::call;
  table.UnmapLogicalRange = v2.UnmapLogicalRange;
  table.MapIdentityRange = Trampoline<Slot, F::MapIdentityRange, &System::map_identity_range>::call;
  table.UnmapIdentityRange = Trampoline<Slot, F::UnmapIdentityRange, &System::unmap_identity_range>::call;
  table.SetDeviceFaultReporting =
      Trampoline<Slot, F::SetDeviceFaultReporting, &System::set_device_fault_reporting>::call;
  table.ConfigureDomain = v2.ConfigureDomain;
  return table;
}

struct Tables {
  DMA_IOMMU_INTERFACE_V1 v1;
  DMA_IOMMU_INTERFACE_V2 v2;
};

template <std::size_t... Slots>
constexpr std::array<Tables, sizeof...(Slots)> make_tables(std::index_sequence<Slots...>) {
  return {Tables{make_v1<Slots>(), make_v2<Slots>()}...};
}

constexpr std::array<Tables, kInterfaceSlots> kTables = make_tables(std::make_index_sequence<kInterfaceSlots>());

/// OP-30: the checks of IoGetIommuInterfaceEx that need no system.
NTSTATUS check_request_ex(ULONG version, ULONGLONG flags, PDMA_IOMMU_INTERFACE_EX interface_out) {
  if (version != DMA_IOMMU_INTERFACE_EX_VERSION_1 && version != DMA_IOMMU_INTERFACE_EX_VERSION_2) {
    return STATUS_INVALID_PARAMETER_1;
  }
  if (flags != 0) return STATUS_INVALID_PARAMETER_2;
  if (interface_out == nullptr) return STATUS_INVALID_PARAMETER_3;
  return STATUS_SUCCESS;
}

/// The same of IoGetIommuInterface.
NTSTATUS check_request(ULONG version, PDMA_IOMMU_INTERFACE interface_out) {
  if (version != DMA_IOMMU_INTERFACE_VERSION_1) return STATUS_INVALID_PARAMETER_1;
  return interface_out == nullptr ? STATUS_INVALID_PARAMETER_2 : STATUS_SUCCESS;
}

}  // namespace

std::optional<InterfaceSlot> claim_interface_slot(System& system) {
  for (std::size_t index = 0; index < kInterfaceSlots; ++index) {
    if (pool.systems[index] != nullptr) continue;
    pool.systems[index] = &system;
    if (++pool.last_serial == 0) ++pool.last_serial;
    return InterfaceSlot{index, pool.last_serial};
  }
  return std::nullopt;
}

void release_interface_slot(std::size_t index) { pool.systems[index] = nullptr; }

NTSTATUS System::take_slot(const char* function) {
  if (const NTSTATUS status = start(); !NT_SUCCESS(status)) return status;
  if (slot_) return STATUS_SUCCESS;
  const std::optional<InterfaceSlot> slot = claim_interface_slot(*this);
  if (!slot) {
    report(Severity::Error, function, "",
           std::to_string(kInterfaceSlots) + " systems have their interface already: there is none left for this one");
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  slot_ = slot->index;
  serial_ = slot->serial;
  return STATUS_SUCCESS;
}

void System::refuse_version(const char* function, ULONG version, const char* offered) const {
  report(Severity::Note, function, "",
         "version " + std::to_string(version) + " is asked for; this machine offers " + offered);
}

NTSTATUS System::get_interface(ULONG version, ULONGLONG flags, PDMA_IOMMU_INTERFACE_EX interface_out) {
  constexpr const char* kFunction = "IoGetIommuInterfaceEx";
  if (const NTSTATUS status = check_request_ex(version, flags, interface_out); !NT_SUCCESS(status)) {
    if (status == STATUS_INVALID_PARAMETER_1) refuse_version(kFunction, version, "versions 1 and 2");
    return status;
  }
  if (const NTSTATUS status = take_slot(kFunction); !NT_SUCCESS(status)) return status;
  // Only what the version has: the caller's structure may end there.
  interface_out->Version = version;
  const Tables& tables = kTables[*slot_];
  if (version == DMA_IOMMU_INTERFACE_EX_VERSION_1) {
    interface_out->Size = offsetof(DMA_IOMMU_INTERFACE_EX, V1) + sizeof tables.v1;
    std::memcpy(&interface_out->V1, &tables.v1, sizeof tables.v1);
  } else {
    interface_out->Size = offsetof(DMA_IOMMU_INTERFACE_EX, V2) + sizeof tables.v2;
    std::memcpy(&interface_out->V2, &tables.v2, sizeof tables.v2);
  }
  return STATUS_SUCCESS;
}

NTSTATUS System::get_old_interface(ULONG version, PDMA_IOMMU_INTERFACE interface_out) {
  constexpr const char* kFunction = "IoGetIommuInterface";
  if (const NTSTATUS status = check_request(version, interface_out); !NT_SUCCESS(status)) {
    if (status == STATUS_INVALID_PARAMETER_1) refuse_version(kFunction, version, "version 1");
    return status;
  }
  if (const NTSTATUS status = take_slot(kFunction); !NT_SUCCESS(status)) return status;
  interface_out->Version = version;
  // Its members are those of version 1, in the same order.
  static_assert(sizeof(DMA_IOMMU_INTERFACE) ==
                offsetof(DMA_IOMMU_INTERFACE, CreateDomain) + sizeof(DMA_IOMMU_INTERFACE_V1));
  std::memcpy(reinterpret_cast<unsigned char*>(interface_out) + offsetof(DMA_IOMMU_INTERFACE, CreateDomain),
              &kTables[*slot_].v1, sizeof(DMA_IOMMU_INTERFACE_V1));
  return STATUS_SUCCESS;
}

}  // namespace iommu::api

extern "C" NTSTATUS IoGetIommuInterfaceEx(ULONG Version, ULONGLONG Flags, PDMA_IOMMU_INTERFACE_EX InterfaceOut) {
  iommu::api::System* system = iommu::api::current_system();
  if (system != nullptr) return system->get_interface(Version, Flags, InterfaceOut);
  const NTSTATUS status = iommu::api::check_request_ex(Version, Flags, InterfaceOut);
  return NT_SUCCESS(status) ? STATUS_NOT_SUPPORTED : status;
}

extern "C" NTSTATUS IoGetIommuInterface(ULONG Version, PDMA_IOMMU_INTERFACE InterfaceOut) {
  iommu::api::System* system = iommu::api::current_system();
  if (system != nullptr) return system->get_old_interface(Version, InterfaceOut);
  const NTSTATUS status = iommu::api::check_request(Version, InterfaceOut);
  return NT_SUCCESS(status) ? STATUS_NOT_SUPPORTED : status;
}
