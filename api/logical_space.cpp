#include "api/logical_space.h"

#include <algorithm>

namespace iommu::api {

LogicalSpace::LogicalSpace(unsigned width_bits, bool with_allocator) : width_bits_(width_bits) {
  if (with_allocator) buddy_.emplace(width_bits);
}

bool LogicalSpace::contains(std::uint64_t first, std::uint64_t pages) const {
  return first < total_pages() && pages <= total_pages() - first;
}

LogicalSpace::Intervals::const_iterator LogicalSpace::first_ending_after(std::uint64_t page) const {
  auto it = owned_.upper_bound(page);
  if (it != owned_.begin() && std::prev(it)->second.end > page) --it;
  return it;
}

bool LogicalSpace::overlaps(std::uint64_t first, std::uint64_t pages) const {
  const auto it = first_ending_after(first);
  return it != owned_.end() && it->first < first + pages;
}

bool LogicalSpace::all_owned(std::uint64_t first, std::uint64_t pages, Owner owner) const {
  const std::uint64_t end = first + pages;
  for (auto it = first_ending_after(first); first < end; ++it) {
    if (it == owned_.end() || it->first > first || it->second.owner != owner) return false;
    first = it->second.end;
  }
  return true;
}

bool LogicalSpace::reserve(std::uint64_t first, std::uint64_t pages) {
  if (pages == 0 || !contains(first, pages) || overlaps(first, pages)) return false;
  if (buddy_ && !buddy_->withhold(first, pages)) return false;
  owned_[first] = Interval{first + pages, Owner::Reserved};
  return true;
}

void LogicalSpace::claim(std::uint64_t first, std::uint64_t pages, Owner owner) {
  owned_[first] = Interval{first + pages, owner};
}

std::optional<std::uint64_t> LogicalSpace::allocate(std::uint64_t pages, std::uint64_t min_page, std::uint64_t max_page,
                                                    Owner owner) {
  if (!buddy_) return std::nullopt;
  const std::optional<std::uint64_t> first = buddy_->allocate(pages, min_page, max_page);
  if (!first) return std::nullopt;
  live_[*first] = pages;
  claim(*first, pages, owner);
  return first;
}

void LogicalSpace::cancel(std::uint64_t first) {
  owned_.erase(first);
  live_.erase(first);
  buddy_->cancel();
}

void LogicalSpace::release(std::uint64_t first, std::uint64_t pages) {
  const std::uint64_t end = first + pages;
  for (std::uint64_t page = first; page < end;) {
    const auto it = owned_.find(first_ending_after(page)->first);
    const std::uint64_t interval_first = it->first;
    const std::uint64_t interval_end = it->second.end;
    const Owner owner = it->second.owner;
    if (interval_first < page) {
      it->second.end = page;
    } else {
      owned_.erase(it);
    }
    if (interval_end > end) owned_[end] = Interval{interval_end, owner};
    page = interval_end;
  }
  if (buddy_) release_blocks(first, end);
}

void LogicalSpace::release_blocks(std::uint64_t first, std::uint64_t end) {
  auto it = live_.upper_bound(first);
  if (it != live_.begin()) --it;
  while (it != live_.end() && it->first < end) {
    const std::uint64_t block_end = it->first + buddy_->block_pages(it->first);
    const std::uint64_t from = std::max(first, it->first);
    const std::uint64_t to = std::min(end, block_end);
    if (from < to) it->second -= to - from;
    if (it->second == 0) {
      buddy_->free(it->first);
      it = live_.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace iommu::api
