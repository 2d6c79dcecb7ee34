// Names of the interface's functions.
//
// What it does: numbers the 22 members of DMA_IOMMU_INTERFACE_V2 in the table's order, then the seven that only version 1
// has. What it does not do: call them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace iommu::api {

enum class Function : std::uint8_t {
  CreateDomainEx,
  DeleteDomain,
  AttachDeviceEx,
  DetachDeviceEx,
  FlushDomain,
  FlushDomainByVaList,
  QueryInputMappings,
  MapLogicalRangeEx,
  UnmapLogicalRange,
  MapIdentityRangeEx,
  UnmapIdentityRangeEx,
  SetDeviceFaultReportingEx,
  ConfigureDomain,
  QueryAvailableDomainTypes,
  RegisterInterfaceStateChangeCallback,
  UnregisterInterfaceStateChangeCallback,
  ReserveLogicalAddressRange,
  FreeReservedLogicalAddressRange,
  MapReservedLogicalRange,
  UnmapReservedLogicalRange,
  CreateDevice,
  DeleteDevice,
  // version 1 only
  CreateDomain,
  AttachDevice,
  DetachDevice,
  MapLogicalRange,
  MapIdentityRange,
  UnmapIdentityRange,
  SetDeviceFaultReporting,
};

inline constexpr std::size_t kV2Functions = 22;
inline constexpr std::size_t kFunctions = 29;

[[nodiscard]] constexpr const char* function_name(Function function) {
  constexpr std::array<const char*, kFunctions> kNames = {
      "CreateDomainEx",
      "DeleteDomain",
      "AttachDeviceEx",
      "DetachDeviceEx",
      "FlushDomain",
      "FlushDomainByVaList",
      "QueryInputMappings",
      "MapLogicalRangeEx",
      "UnmapLogicalRange",
      "MapIdentityRangeEx",
      "UnmapIdentityRangeEx",
      "SetDeviceFaultReportingEx",
      "ConfigureDomain",
      "QueryAvailableDomainTypes",
      "RegisterInterfaceStateChangeCallback",
      "UnregisterInterfaceStateChangeCallback",
      "ReserveLogicalAddressRange",
      "FreeReservedLogicalAddressRange",
      "MapReservedLogicalRange",
      "UnmapReservedLogicalRange",
      "CreateDevice",
      "DeleteDevice",
      "CreateDomain",
      "AttachDevice",
      "DetachDevice",
      "MapLogicalRange",
      "MapIdentityRange",
      "UnmapIdentityRange",
      "SetDeviceFaultReporting",
  };
  return kNames[static_cast<std::size_t>(function)];
}

}  // namespace iommu::api
