#include "api/logical_space.h"

#include <algorithm>

namespace iommu::api {

LogicalSpace::LogicalSpace(unsigned width_bits, bool with_allocator) : width_bits_(width_bits) {
  if (with_allocator) buddy_.emplace(width_bits);
}

bool LogicalSpace::contains(std::uint64_t first, std::uint64_t pages) const {
  return first < total_pages() && pages <= total_pages() - first;
}

bool LogicalSpace::overlaps(std::uint64_t first, std::uint64_t pages) const {
  const auto* last = owned_.at_or_before(first + pages - 1);
  return last != nullptr && last->end > first;
}

bool LogicalSpace::all_owned(std::uint64_t first, std::uint64_t pages, Owner owner) const {
  const std::uint64_t end = first + pages;
  while (first < end) {
    const auto* interval = owned_.at_or_before(first);
    if (interval == nullptr || interval->end <= first || interval->owner != owner) return false;
    first = interval->end;
  }
  return true;
}

void LogicalSpace::own(std::uint64_t first, std::uint64_t end, Owner owner, bool whole) {
  auto& interval = owned_.insert(first);
  interval.end = end;
  interval.owner = owner;
  interval.whole = whole;
}

bool LogicalSpace::reserve(std::uint64_t first, std::uint64_t pages) {
  if (pages == 0 || !contains(first, pages) || overlaps(first, pages)) return false;
  if (buddy_ && !buddy_->withhold(first, pages)) return false;
  own(first, first + pages, Owner::Reserved, false);
  return true;
}

void LogicalSpace::claim(std::uint64_t first, std::uint64_t pages, Owner owner) {
  own(first, first + pages, owner, false);
}

std::optional<std::uint64_t> LogicalSpace::allocate(std::uint64_t pages, std::uint64_t min_page, std::uint64_t max_page,
                                                    Owner owner) {
  if (!buddy_) return std::nullopt;
  const std::optional<std::uint64_t> first = buddy_->allocate(pages, min_page, max_page);
  if (!first) return std::nullopt;
  own(*first, *first + pages, owner, true);
  return first;
}

void LogicalSpace::cancel(std::uint64_t first) {
  owned_.erase(first);
  buddy_->cancel();
}

void LogicalSpace::release(std::uint64_t first, std::uint64_t pages) {
  const std::uint64_t end = first + pages;
  for (std::uint64_t page = first; page < end;) {
    auto* found = owned_.at_or_before(page);
    const std::uint64_t interval_first = found->page;
    const Interval interval = *found;
    if (interval_first < page) {
      found->end = page;
      found->whole = false;
    } else {
      owned_.erase(page);
    }
    if (interval.end > end) own(end, interval.end, interval.owner, false);
    if (buddy_) release_of_block(interval_first, interval, page, std::min(end, interval.end));
    page = interval.end;
  }
}

// Pages [first, end) of an interval. What is left of a block is counted from the first time that a part of it is released.
void LogicalSpace::release_of_block(std::uint64_t interval_first, const Interval& interval, std::uint64_t first,
                                    std::uint64_t end) {
  if (interval.whole && first == interval_first && end == interval.end) {
    buddy_->free(first);
    return;
  }
  if (interval.whole) remainders_.insert(interval_first).pages = interval.end - interval_first;
  auto* remainder = remainders_.at_or_before(first);
  remainder->pages -= end - first;
  if (remainder->pages != 0) return;
  buddy_->free(remainder->page);
  remainders_.erase(remainder->page);
}

}  // namespace iommu::api
