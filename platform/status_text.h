// What the interface answers and reports, in words.
//
// What it does: names the NTSTATUS values of wdm.h and the severities of diagnostics. What it does not do: decide which one fits.
#pragma once

#include <string>

#include "api/ports.h"
#include "api/wdm.h"

namespace iommu::platform {

/// "STATUS_SUCCESS"; "status 0xC0001234" for one that wdm.h does not have.
[[nodiscard]] std::string status_text(NTSTATUS status);
/// "note", "warning" or "error".
[[nodiscard]] const char* severity_name(api::Severity severity);

}  // namespace iommu::platform
