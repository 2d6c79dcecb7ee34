#include "platform/iova_area.h"

#include "models/core/types.h"

namespace iommu::platform {

namespace {

constexpr std::uint64_t kRegionPages = core::level_bytes(2) / core::kPageBytes;
constexpr unsigned kDraws = 1000;

}  // namespace

bool IovaArea::free(std::uint64_t first_page, std::uint64_t count) const {
  for (std::uint64_t i = 0; i < count; ++i) {
    if (used_.count(first_page + i) != 0) return false;
  }
  return true;
}

std::optional<std::uint64_t> IovaArea::take_range(std::uint64_t count) {
  for (std::uint64_t tried = 0; tried <= pages_; tried += count) {
    if (next_ + count > pages_) next_ = 0;
    const std::uint64_t first = first_ + next_;
    next_ += count;
    if (next_ > pages_ || !free(first, count)) continue;
    for (std::uint64_t i = 0; i < count; ++i) used_.insert(first + i);
    return first;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> IovaArea::take_scattered() {
  const bool regions = pages_ > kRegionPages;
  for (unsigned draw = 0; draw < kDraws; ++draw) {
    const std::uint64_t page = first_ + random_.below(pages_);
    if (used_.count(page) != 0 || (regions && page / kRegionPages == last_region_)) continue;
    last_region_ = page / kRegionPages;
    used_.insert(page);
    return page;
  }
  return std::nullopt;
}

void IovaArea::give_back(std::uint64_t first_page, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) used_.erase(first_page + i);
}

}  // namespace iommu::platform
