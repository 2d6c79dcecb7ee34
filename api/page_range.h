// Logical pages in a row.
#pragma once

#include <cstdint>

namespace iommu::api {

struct PageRange {
  std::uint64_t first_page = 0;
  std::uint64_t pages = 0;
};

}  // namespace iommu::api
