// The functions that only version 1 of the interface has. They act on the objects of version 2: a domain is one without
// an allocator, a device is attached without a token.
#include "api/system.h"

namespace iommu::api {

namespace {

IOMMU_MAP_PHYSICAL_ADDRESS describe(PMDL mdl) {
  IOMMU_MAP_PHYSICAL_ADDRESS description{};
  description.MapType = MapPhysicalAddressTypeMdl;
  description.Mdl.Mdl = mdl;
  return description;
}

}  // namespace

NTSTATUS System::create_domain(BOOLEAN os_managed_page_table, PIOMMU_DMA_DOMAIN* domain_out) {
  if (missing("CreateDomain", 2, domain_out)) return STATUS_INVALID_PARAMETER_2;
  const IOMMU_DMA_DOMAIN_TYPE type = os_managed_page_table != FALSE ? DomainTypeTranslate : DomainTypeUnmanaged;
  return create_domain_ex(type, IOMMU_DMA_DOMAIN_CREATION_FLAGS{}, nullptr, nullptr, domain_out);
}

Requester* System::find_v1_device(const char* function, PDEVICE_OBJECT object, unsigned position,
                                  NTSTATUS& status) const {
  Requester* requester = find_requester(object);
  status = STATUS_SUCCESS;
  if (requester == nullptr) {
    report(Severity::Warning, function, "device object",
           "parameter " + std::to_string(position) +
               (object == nullptr ? " is NULL" : " is no physical device object of this system"));
    status = position == 1 ? STATUS_INVALID_PARAMETER_1 : STATUS_INVALID_PARAMETER_2;
  } else if (!requester->pdo.unit) {
    status = STATUS_NOT_FOUND;
  } else if (requester->pdo.requester_ids.empty()) {
    report(Severity::Error, function, "device " + requester->pdo.name, "the bus driver gives no requester id for it");
    status = STATUS_UNSUCCESSFUL;
  }
  return NT_SUCCESS(status) ? requester : nullptr;
}

NTSTATUS System::attach_device(PIOMMU_DMA_DOMAIN domain_handle, PDEVICE_OBJECT physical_device_object,
                               ULONG input_mapping_id_base, ULONG mapping_count) {
  constexpr const char* kFunction = "AttachDevice";
  const std::shared_ptr<Domain> domain = find_domain(kFunction, 1, domain_handle);
  if (!domain) return STATUS_INVALID_PARAMETER_1;
  NTSTATUS status = STATUS_SUCCESS;
  Requester* requester = find_v1_device(kFunction, physical_device_object, 2, status);
  if (requester == nullptr) return status;
  // Other values are for multi-stream devices that ACPI enumerates on Arm64.
  if (input_mapping_id_base != 0) return STATUS_INVALID_PARAMETER_3;
  if (mapping_count != 1) return STATUS_INVALID_PARAMETER_4;
  enter_requester(kFunction, *requester, "device " + requester->pdo.name);
  status = attach_locked(kFunction, domain, *requester, nullptr);
  leave_requester(*requester);
  return status;
}

NTSTATUS System::detach_device(PIOMMU_DMA_DOMAIN domain_handle, PDEVICE_OBJECT physical_device_object,
                               ULONG input_mapping_id) {
  constexpr const char* kFunction = "DetachDevice";
  const std::shared_ptr<Domain> domain = find_domain(kFunction, 1, domain_handle);
  if (!domain) return STATUS_INVALID_PARAMETER_1;
  NTSTATUS status = STATUS_SUCCESS;
  Requester* requester = find_v1_device(kFunction, physical_device_object, 2, status);
  if (requester == nullptr) return status;
  if (input_mapping_id != 0) return STATUS_INVALID_PARAMETER_3;
  enter_requester(kFunction, *requester, "device " + requester->pdo.name);
  const bool attached = requester->domain == domain && !requester->attached_by;
  status = attached ? detach_locked(*requester) : STATUS_INVALID_PARAMETER_1;
  leave_requester(*requester);
  if (NT_SUCCESS(status)) faults_.wait_for_handler(*requester);
  return status;
}

NTSTATUS System::map_logical_range(PIOMMU_DMA_DOMAIN domain, ULONG permissions, PMDL mdl, ULONGLONG logical_address) {
  IOMMU_MAP_PHYSICAL_ADDRESS description = describe(mdl);
  IOMMU_DMA_LOGICAL_ADDRESS out = 0;
  return map_logical_range_ex(domain, permissions, &description, &logical_address, nullptr, nullptr, &out);
}

NTSTATUS System::map_identity_range(PIOMMU_DMA_DOMAIN domain, ULONG permissions, PMDL mdl) {
  IOMMU_MAP_PHYSICAL_ADDRESS description = describe(mdl);
  return map_identity_range_ex(domain, permissions, &description);
}

NTSTATUS System::unmap_identity_range(PIOMMU_DMA_DOMAIN domain, PMDL mdl) {
  IOMMU_MAP_PHYSICAL_ADDRESS description = describe(mdl);
  return unmap_identity_range_ex(domain, &description);
}

NTSTATUS System::set_device_fault_reporting(PDEVICE_OBJECT physical_device_object, ULONG input_mapping_id_base,
                                            BOOLEAN enable, PDEVICE_FAULT_CONFIGURATION fault_config) {
  constexpr const char* kFunction = "SetDeviceFaultReporting";
  if (!modeled()) return STATUS_NOT_IMPLEMENTED;
  NTSTATUS status = STATUS_SUCCESS;
  Requester* requester = find_v1_device(kFunction, physical_device_object, 1, status);
  if (requester == nullptr) return status;
  return set_fault_reporting(kFunction, *requester, nullptr, input_mapping_id_base, enable, fault_config);
}

}  // namespace iommu::api
