// Logical pages in a row.
#pragma once

#include <cstdint>

namespace iommu::api {

struct PageRange {
  std::uint64_t first_page = 0;
  std::uint64_t pages = 0;
};

/// Pages of the widest table (five levels, 57 bits): a range that covers every logical space.
inline constexpr std::uint64_t kWholeSpacePages = std::uint64_t{1} << 45;

}  // namespace iommu::api
