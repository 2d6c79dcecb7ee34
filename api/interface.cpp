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

/// A free function that calls a member of the system in a slot.
template <std::size_t Slot, auto Member, typename = decltype(Member)>
struct Trampoline;

template <std::size_t Slot, auto Member, typename Result, typename... Args>
struct Trampoline<Slot, Member, Result (System::*)(Args...)> {
  static Result call(Args... args) {
    System* system = pool.systems[Slot];
    if constexpr (std::is_void_v<Result>) {
      if (system != nullptr) (system->*Member)(args...);
    } else {
      return system == nullptr ? STATUS_UNSUCCESSFUL : (system->*Member)(args...);
    }
  }
};

template <std::size_t Slot>
constexpr DMA_IOMMU_INTERFACE_V2 make_table() {
  DMA_IOMMU_INTERFACE_V2 table{};
  table.CreateDomainEx = Trampoline<Slot, &System::create_domain_ex>::call;
  table.DeleteDomain = Trampoline<Slot, &System::delete_domain>::call;
  table.AttachDeviceEx = Trampoline<Slot, &System::attach_device_ex>::call;
  table.DetachDeviceEx = Trampoline<Slot, &System::detach_device_ex>::call;
  table.FlushDomain = Trampoline<Slot, &System::flush_domain>::call;
  table.FlushDomainByVaList = Trampoline<Slot, &System::flush_domain_by_va_list>::call;
  table.QueryInputMappings = Trampoline<Slot, &System::query_input_mappings>::call;
  table.MapLogicalRangeEx = Trampoline<Slot, &System::map_logical_range_ex>::call;
  table.UnmapLogicalRange = Trampoline<Slot, &System::unmap_logical_range>::call;
  table.MapIdentityRangeEx = Trampoline<Slot, &System::map_identity_range_ex>::call;
  table.UnmapIdentityRangeEx = Trampoline<Slot, &System::unmap_identity_range_ex>::call;
  table.SetDeviceFaultReportingEx = Trampoline<Slot, &System::set_device_fault_reporting_ex>::call;
  table.ConfigureDomain = Trampoline<Slot, &System::configure_domain>::call;
  table.QueryAvailableDomainTypes = Trampoline<Slot, &System::query_available_domain_types>::call;
  table.RegisterInterfaceStateChangeCallback =
      Trampoline<Slot, &System::register_interface_state_change_callback>::call;
  table.UnregisterInterfaceStateChangeCallback =
      Trampoline<Slot, &System::unregister_interface_state_change_callback>::call;
  table.ReserveLogicalAddressRange = Trampoline<Slot, &System::reserve_logical_address_range>::call;
  table.FreeReservedLogicalAddressRange = Trampoline<Slot, &System::free_reserved_logical_address_range>::call;
  table.MapReservedLogicalRange = Trampoline<Slot, &System::map_reserved_logical_range>::call;
  table.UnmapReservedLogicalRange = Trampoline<Slot, &System::unmap_reserved_logical_range>::call;
  table.CreateDevice = Trampoline<Slot, &System::create_device>::call;
  table.DeleteDevice = Trampoline<Slot, &System::delete_device>::call;
  return table;
}

template <std::size_t... Slots>
constexpr std::array<DMA_IOMMU_INTERFACE_V2, sizeof...(Slots)> make_tables(std::index_sequence<Slots...>) {
  return {make_table<Slots>()...};
}

constexpr std::array<DMA_IOMMU_INTERFACE_V2, kInterfaceSlots> kTables =
    make_tables(std::make_index_sequence<kInterfaceSlots>());

/// OP-30: the checks of IoGetIommuInterfaceEx that need no system.
NTSTATUS check_request(ULONG version, ULONGLONG flags, PDMA_IOMMU_INTERFACE_EX interface_out) {
  if (version != DMA_IOMMU_INTERFACE_EX_VERSION_2) return STATUS_INVALID_PARAMETER_1;
  if (flags != 0) return STATUS_INVALID_PARAMETER_2;
  if (interface_out == nullptr) return STATUS_INVALID_PARAMETER_3;
  return STATUS_SUCCESS;
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

const DMA_IOMMU_INTERFACE_V2& interface_table(std::size_t index) { return kTables[index]; }

NTSTATUS System::get_interface(ULONG version, ULONGLONG flags, PDMA_IOMMU_INTERFACE_EX interface_out) {
  constexpr const char* kFunction = "IoGetIommuInterfaceEx";
  if (const NTSTATUS status = check_request(version, flags, interface_out); !NT_SUCCESS(status)) {
    if (status == STATUS_INVALID_PARAMETER_1) {
      report(Severity::Note, kFunction, "",
             "version " + std::to_string(version) + " is asked for; this machine offers version 2");
    }
    return status;
  }
  if (const NTSTATUS status = start(); !NT_SUCCESS(status)) return status;
  if (!slot_) {
    const std::optional<InterfaceSlot> slot = claim_interface_slot(*this);
    if (!slot) {
      report(
          Severity::Error, kFunction, "",
          std::to_string(kInterfaceSlots) + " systems have their interface already: there is none left for this one");
      return STATUS_INSUFFICIENT_RESOURCES;
    }
    slot_ = slot->index;
    serial_ = slot->serial;
  }
  // Only what version 2 has: the caller's structure may end there.
  interface_out->Size = offsetof(DMA_IOMMU_INTERFACE_EX, V2) + sizeof(DMA_IOMMU_INTERFACE_V2);
  interface_out->Version = version;
  std::memcpy(&interface_out->V2, &interface_table(*slot_), sizeof(DMA_IOMMU_INTERFACE_V2));
  return STATUS_SUCCESS;
}

}  // namespace iommu::api

extern "C" NTSTATUS IoGetIommuInterfaceEx(ULONG Version, ULONGLONG Flags, PDMA_IOMMU_INTERFACE_EX InterfaceOut) {
  iommu::api::System* system = iommu::api::current_system();
  if (system != nullptr) return system->get_interface(Version, Flags, InterfaceOut);
  const NTSTATUS status = iommu::api::check_request(Version, Flags, InterfaceOut);
  return NT_SUCCESS(status) ? STATUS_NOT_SUPPORTED : status;
}
