// Numbers in diagnostics.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace iommu::api {

/// "0x1F000".
[[nodiscard]] inline std::string hex(std::uint64_t value) {
  char text[19];
  std::snprintf(text, sizeof text, "0x%llX", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace iommu::api
