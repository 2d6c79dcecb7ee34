#include "platform/status_text.h"

#include <array>
#include <cinttypes>
#include <cstdio>

namespace iommu::platform {

std::string status_text(NTSTATUS status) {
  struct Name {
    NTSTATUS status;
    const char* text;
  };
  static constexpr Name kNames[] = {
      {STATUS_SUCCESS, "STATUS_SUCCESS"},
      {STATUS_UNSUCCESSFUL, "STATUS_UNSUCCESSFUL"},
      {STATUS_NOT_IMPLEMENTED, "STATUS_NOT_IMPLEMENTED"},
      {STATUS_INVALID_PARAMETER, "STATUS_INVALID_PARAMETER"},
      {STATUS_ACCESS_DENIED, "STATUS_ACCESS_DENIED"},
      {STATUS_BUFFER_TOO_SMALL, "STATUS_BUFFER_TOO_SMALL"},
      {STATUS_INVALID_PARAMETER_MIX, "STATUS_INVALID_PARAMETER_MIX"},
      {STATUS_NONE_MAPPED, "STATUS_NONE_MAPPED"},
      {STATUS_INSUFFICIENT_RESOURCES, "STATUS_INSUFFICIENT_RESOURCES"},
      {STATUS_NOT_SUPPORTED, "STATUS_NOT_SUPPORTED"},
      {STATUS_INVALID_PARAMETER_1, "STATUS_INVALID_PARAMETER_1"},
      {STATUS_INVALID_PARAMETER_2, "STATUS_INVALID_PARAMETER_2"},
      {STATUS_INVALID_PARAMETER_3, "STATUS_INVALID_PARAMETER_3"},
      {STATUS_INVALID_PARAMETER_4, "STATUS_INVALID_PARAMETER_4"},
      {STATUS_INVALID_PARAMETER_5, "STATUS_INVALID_PARAMETER_5"},
      {STATUS_INVALID_PARAMETER_6, "STATUS_INVALID_PARAMETER_6"},
      {STATUS_INVALID_PARAMETER_7, "STATUS_INVALID_PARAMETER_7"},
      {STATUS_NOT_FOUND, "STATUS_NOT_FOUND"},
      {STATUS_RESOURCE_IN_USE, "STATUS_RESOURCE_IN_USE"},
  };
  for (const Name& name : kNames) {
    if (name.status == status) return name.text;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "status 0x%08" PRIX32, static_cast<std::uint32_t>(status));
  return text.data();
}

const char* severity_name(api::Severity severity) {
  switch (severity) {
    case api::Severity::Note:
      return "note";
    case api::Severity::Warning:
      return "warning";
    case api::Severity::Error:
      break;
  }
  return "error";
}

}  // namespace iommu::platform
