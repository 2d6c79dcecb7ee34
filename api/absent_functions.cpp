// The functions that this version does not have: each says so and touches nothing.
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::absent(const char* function) const {
  report(Severity::Note, function, "", "this version does not have it and answers STATUS_NOT_IMPLEMENTED");
  return STATUS_NOT_IMPLEMENTED;
}

NTSTATUS System::flush_domain(PIOMMU_DMA_DOMAIN) { return absent("FlushDomain"); }

NTSTATUS System::flush_domain_by_va_list(PIOMMU_DMA_DOMAIN, BOOLEAN, ULONG, PVOID) {
  return absent("FlushDomainByVaList");
}

NTSTATUS System::query_input_mappings(PDEVICE_OBJECT, PINPUT_MAPPING_ELEMENT, ULONG, PULONG) {
  return absent("QueryInputMappings");
}

NTSTATUS System::map_identity_range_ex(PIOMMU_DMA_DOMAIN, ULONG, PIOMMU_MAP_PHYSICAL_ADDRESS) {
  return absent("MapIdentityRangeEx");
}

NTSTATUS System::unmap_identity_range_ex(PIOMMU_DMA_DOMAIN, PIOMMU_MAP_PHYSICAL_ADDRESS) {
  return absent("UnmapIdentityRangeEx");
}

NTSTATUS System::set_device_fault_reporting_ex(PIOMMU_DMA_DEVICE, ULONG, BOOLEAN, PDEVICE_FAULT_CONFIGURATION) {
  return absent("SetDeviceFaultReportingEx");
}

NTSTATUS System::configure_domain(PIOMMU_DMA_DOMAIN, PDOMAIN_CONFIGURATION) { return absent("ConfigureDomain"); }

NTSTATUS System::register_interface_state_change_callback(PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK, PVOID,
                                                          PIOMMU_DMA_DEVICE, PIOMMU_INTERFACE_STATE_CHANGE_FIELDS) {
  return absent("RegisterInterfaceStateChangeCallback");
}

NTSTATUS System::unregister_interface_state_change_callback(PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK, PIOMMU_DMA_DEVICE) {
  return absent("UnregisterInterfaceStateChangeCallback");
}

NTSTATUS System::reserve_logical_address_range(PIOMMU_DMA_DOMAIN, SIZE_T, PIOMMU_DMA_LOGICAL_ADDRESS,
                                               PIOMMU_DMA_LOGICAL_ADDRESS, PIOMMU_DMA_LOGICAL_ADDRESS,
                                               PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN*) {
  return absent("ReserveLogicalAddressRange");
}

NTSTATUS System::free_reserved_logical_address_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN) {
  return absent("FreeReservedLogicalAddressRange");
}

NTSTATUS System::map_reserved_logical_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN, SIZE_T, ULONG,
                                            PIOMMU_MAP_PHYSICAL_ADDRESS,
                                            PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT) {
  return absent("MapReservedLogicalRange");
}

NTSTATUS System::unmap_reserved_logical_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT) {
  return absent("UnmapReservedLogicalRange");
}

}  // namespace iommu::api
