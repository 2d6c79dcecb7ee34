// QueryInputMappings (OP-14).
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::query_input_mappings(PDEVICE_OBJECT physical_device_object, PINPUT_MAPPING_ELEMENT buffer,
                                      ULONG buffer_length, PULONG return_length) {
  constexpr const char* kFunction = "QueryInputMappings";
  if (return_length != nullptr) *return_length = 0;
  if (!modeled()) return STATUS_UNSUCCESSFUL;  // documented for Arm64 only
  const Requester* requester = find_requester(physical_device_object);
  if (requester == nullptr) {
    report(Severity::Warning, kFunction, "device object",
           physical_device_object == nullptr ? "parameter 1 is NULL"
                                             : "parameter 1 is no physical device object of this system");
    return STATUS_INVALID_PARAMETER_1;
  }
  if (buffer == nullptr && buffer_length != 0) return STATUS_INVALID_PARAMETER_2;
  const std::vector<core::RequesterId>& ids = requester->pdo.requester_ids;
  if (!requester->pdo.unit || ids.empty()) return STATUS_UNSUCCESSFUL;
  const auto needed = static_cast<ULONG>(ids.size() * sizeof(INPUT_MAPPING_ELEMENT));
  if (return_length != nullptr) *return_length = needed;
  if (buffer_length < needed) return STATUS_BUFFER_TOO_SMALL;
  for (std::size_t i = 0; i < ids.size(); ++i) buffer[i].InputMappingId = ids[i];
  return STATUS_SUCCESS;
}

}  // namespace iommu::api
