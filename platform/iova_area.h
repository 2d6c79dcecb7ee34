// Logical pages (IOVAs) for mappings that never last: an allocator without search, as fast drivers have one.
//
// What it does: hands out ranges one behind the other, beginning anew at the area's start when its end is reached, or
// single pages drawn at random so that two in a row lie in different 2 MiB regions; never a page that is in use. What it
// does not do: map, or find the best place.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_set>

#include "models/core/random.h"

namespace iommu::platform {

class IovaArea {
 public:
  IovaArea(std::uint64_t first_page, std::uint64_t pages, std::uint64_t seed)
      : first_(first_page), pages_(pages), random_(seed) {}

  /// The next `count` pages in a row that are free; nothing when there are none in the whole area. Ranges of one size
  /// that is a power of two are aligned to it when the area is.
  [[nodiscard]] std::optional<std::uint64_t> take_range(std::uint64_t count);
  /// Nothing when a thousand draws did not find a free page.
  [[nodiscard]] std::optional<std::uint64_t> take_scattered();
  void give_back(std::uint64_t first_page, std::uint64_t count);
  [[nodiscard]] std::uint64_t in_use() const { return used_.size(); }

 private:
  [[nodiscard]] bool free(std::uint64_t first_page, std::uint64_t count) const;

  std::uint64_t first_;
  std::uint64_t pages_;
  core::Random random_;
  std::uint64_t next_ = 0;             // offset of the next range
  std::uint64_t last_region_ = ~0ULL;  // of the page drawn last
  std::unordered_set<std::uint64_t> used_;
};

}  // namespace iommu::platform
