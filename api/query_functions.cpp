// QueryInputMappings.
#include "api/system.h"

namespace iommu::api {

NTSTATUS System::query_input_mappings(PDEVICE_OBJECT, PINPUT_MAPPING_ELEMENT, ULONG, PULONG) {
  return absent("QueryInputMappings");
}

}  // namespace iommu::api
