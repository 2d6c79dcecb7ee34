// Messages of drivers.
//
// What it does: printf as Windows' kernel has it: l means 32 bits, I64, %wZ, %ws, no floating point. What it does not do:
// print.
#pragma once

#include <cstdarg>
#include <string>

namespace iommu::platform::lab {

/// Without line ends at the end. UTF-16 beyond ASCII becomes '?'.
[[nodiscard]] std::string format_message(const char* format, std::va_list arguments);

}  // namespace iommu::platform::lab
