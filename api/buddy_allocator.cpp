#include "api/buddy_allocator.h"

#include <algorithm>

namespace iommu::api {

namespace {

constexpr std::uint64_t order_pages(unsigned order) { return std::uint64_t{1} << order; }

unsigned order_for(std::uint64_t pages) {
  unsigned order = 0;
  while (order_pages(order) < pages) ++order;
  return order;
}

/// The lowest multiple of `step` (a power of two) at or above `value`; nothing when it does not fit 64 bits.
std::optional<std::uint64_t> round_up(std::uint64_t value, std::uint64_t step) {
  const std::uint64_t rounded = (value + step - 1) & ~(step - 1);
  if (rounded < value) return std::nullopt;
  return rounded;
}

/// True when pages [first, first + pages) lie in [min_page, max_page].
bool within(std::uint64_t first, std::uint64_t pages, std::uint64_t min_page, std::uint64_t max_page) {
  return first >= min_page && first <= max_page && pages - 1 <= max_page - first;
}

}  // namespace

BuddyAllocator::BuddyAllocator(unsigned width_bits, std::size_t recent_blocks)
    : max_order_(std::clamp(width_bits, kMinWidthBits, kMaxWidthBits) - 12),
      recent_limit_(recent_blocks),
      free_pages_(order_pages(max_order_)),
      free_(max_order_ + 1),
      lowest_(max_order_ + 1, kNone),
      lowest_from_(max_order_ + 2, kNone) {
  add_free({0, max_order_});
}

void BuddyAllocator::add_free(Block block) {
  free_[block.order].insert(block.first);
  if (block.first < lowest_[block.order]) set_lowest(block.order, block.first);
}

bool BuddyAllocator::remove_free(Block block) {
  PageMap<NoValue>& blocks = free_[block.order];
  if (!blocks.erase(block.first)) return false;
  if (block.first == lowest_[block.order]) {
    set_lowest(block.order, blocks.empty() ? kNone : blocks.front().page);
  }
  return true;
}

// Most changes are those of small blocks, so that few orders lie below.
void BuddyAllocator::set_lowest(unsigned order, std::uint64_t page) {
  lowest_[order] = page;
  for (unsigned o = order + 1; o-- > 0;) {
    const std::uint64_t lowest = std::min(lowest_[o], lowest_from_[o + 1]);
    if (lowest_from_[o] == lowest) return;
    lowest_from_[o] = lowest;
  }
}

std::optional<BuddyAllocator::Block> BuddyAllocator::free_block_of(std::uint64_t page) const {
  for (unsigned order = 0; order <= max_order_; ++order) {
    const std::uint64_t first = page & ~(order_pages(order) - 1);
    if (free_[order].find(first) != nullptr) return Block{first, order};
  }
  return std::nullopt;
}

bool BuddyAllocator::withhold(std::uint64_t first_page, std::uint64_t pages) {
  if (pages == 0 || first_page >= total_pages() || pages > total_pages() - first_page) return false;
  merge_recent();
  const std::uint64_t end = first_page + pages;
  for (std::uint64_t page = first_page; page < end;) {
    const std::optional<Block> block = free_block_of(page);
    if (!block) return false;
    page = block->first + order_pages(block->order);
  }
  for (std::uint64_t page = first_page; page < end;) {
    const Block block = *free_block_of(page);
    const std::uint64_t block_end = block.first + order_pages(block.order);
    const std::uint64_t cut_end = std::min(end, block_end);
    remove_free(block);
    insert_free_range(block.first, page);
    insert_free_range(cut_end, block_end);
    page = cut_end;
  }
  free_pages_ -= pages;
  return true;
}

// Cuts a range out of one former block into aligned blocks, which are by construction not buddies of free ones.
void BuddyAllocator::insert_free_range(std::uint64_t first, std::uint64_t end) {
  while (first < end) {
    unsigned order = 0;
    while ((first & order_pages(order)) == 0 && order_pages(order + 1) <= end - first) ++order;
    add_free({first, order});
    first += order_pages(order);
  }
}

std::uint64_t BuddyAllocator::take(std::uint64_t pages, std::uint64_t min_page, std::uint64_t max_page) {
  if (pages == 0 || pages > total_pages()) return kNone;
  const unsigned order = order_for(pages);
  latest_place_.reset();
  if (!latest_recent_.empty()) latest_recent_.clear();
  std::uint64_t first = recent_.empty() ? kNone : allocate_recent(order, pages, min_page, max_page);
  if (first == kNone) first = allocate_lowest(order, pages, min_page, max_page);
  if (first == kNone && merging_helps(order, pages, min_page, max_page)) {
    latest_recent_ = recent_;
    merge_recent();
    first = allocate_lowest(order, pages, min_page, max_page);
  }
  if (first == kNone) return kNone;
  in_use_.insert(first).order = order;
  free_pages_ -= order_pages(order);
  latest_ = Block{first, order};
  return first;
}

// A place that merging creates holds pages of a recently freed block, and is free where it does not. To look costs far
// less than to merge to no avail.
bool BuddyAllocator::merging_helps(unsigned order, std::uint64_t pages, std::uint64_t min_page,
                                   std::uint64_t max_page) const {
  const std::uint64_t size = order_pages(order);
  const std::optional<std::uint64_t> lowest_start = round_up(min_page, size);
  if (!lowest_start) return false;
  return std::any_of(recent_.begin(), recent_.end(), [&](const Block& block) {
    const std::uint64_t last_place = (block.first + order_pages(block.order) - 1) & ~(size - 1);
    const std::uint64_t place = std::max(block.first & ~(size - 1), *lowest_start);
    return place <= last_place && within(place, pages, min_page, max_page) && free_or_recent(place, order);
  });
}

bool BuddyAllocator::free_or_recent(std::uint64_t first, unsigned order) const {
  const std::uint64_t end = first + order_pages(order);
  for (std::uint64_t page = first; page < end;) {
    std::uint64_t next = page;
    for (unsigned o = 0; o < order && next == page; ++o) {
      const std::uint64_t start = page & ~(order_pages(o) - 1);
      if (free_[o].find(start) != nullptr) next = start + order_pages(o);
    }
    for (auto it = recent_.begin(); it != recent_.end() && next == page; ++it) {
      if (page >= it->first && page - it->first < order_pages(it->order)) next = it->first + order_pages(it->order);
    }
    if (next == page) return false;
    page = next;
  }
  return true;
}

void BuddyAllocator::cancel() {
  if (!in_use_.erase(latest_.first)) return;
  free_pages_ += order_pages(latest_.order);
  if (latest_place_) {
    recent_.insert(recent_.begin() + static_cast<std::ptrdiff_t>(*latest_place_), latest_);
  } else {
    insert_and_merge(latest_);
  }
  unmerge_recent();
}

// Free blocks are always merged as far as they go, so taking the blocks out again restores what was there.
void BuddyAllocator::unmerge_recent() {
  for (const Block& block : latest_recent_) {
    const Block around = *free_block_of(block.first);
    remove_free(around);
    insert_free_range(around.first, block.first);
    insert_free_range(block.first + order_pages(block.order), around.first + order_pages(around.order));
  }
  if (!latest_recent_.empty()) recent_ = latest_recent_;
  latest_recent_.clear();
}

std::uint64_t BuddyAllocator::allocate_recent(unsigned order, std::uint64_t pages, std::uint64_t min_page,
                                              std::uint64_t max_page) {
  for (auto it = recent_.rbegin(); it != recent_.rend(); ++it) {
    if (it->order != order || !within(it->first, pages, min_page, max_page)) continue;
    const std::uint64_t first = it->first;
    const auto at = std::next(it).base();
    latest_place_ = static_cast<std::size_t>(at - recent_.begin());
    recent_.erase(at);
    return first;
  }
  return kNone;
}

// The free block of this order or a higher one that holds the lowest place from an aligned page on; kNone when there is none.
BuddyAllocator::Block BuddyAllocator::lowest_source(unsigned order, std::uint64_t lowest_start) const {
  if (lowest_start <= lowest_from_[order]) {
    Block source{lowest_from_[order], order};
    while (lowest_[source.order] != source.first) ++source.order;
    return source;
  }
  Block source{kNone, order};
  std::uint64_t best = kNone;
  for (unsigned o = order; o <= max_order_; ++o) {
    if (lowest_[o] == kNone) continue;
    // The first block that ends beyond the lowest possible start holds this order's lowest place.
    const std::uint64_t reach = order_pages(o) - 1;
    const auto* found = free_[o].at_or_after(lowest_start > reach ? lowest_start - reach : 0);
    if (found == nullptr) continue;
    const std::uint64_t place = std::max(found->page, lowest_start);
    if (place >= best) continue;
    source = Block{found->page, o};
    best = place;
  }
  return source;
}

// The usual case: the first of all free blocks of this order or a higher one gives its beginning. Each rest of it is the first free block of
// its order then, so that nothing has to be searched for.
std::uint64_t BuddyAllocator::split_lowest(Block source, unsigned order) {
  PageMap<NoValue>& blocks = free_[source.order];
  blocks.erase(source.first);
  lowest_[source.order] = blocks.empty() ? kNone : blocks.front().page;
  for (unsigned o = source.order; o-- > order;) {
    lowest_[o] = source.first + order_pages(o);
    free_[o].insert(lowest_[o]);
  }
  for (unsigned o = source.order + 1; o-- > order;) lowest_from_[o] = std::min(lowest_[o], lowest_from_[o + 1]);
  if (order != 0) set_lowest(order - 1, lowest_[order - 1]);
  return source.first;
}

std::uint64_t BuddyAllocator::allocate_lowest(unsigned order, std::uint64_t pages, std::uint64_t min_page,
                                              std::uint64_t max_page) {
  const std::optional<std::uint64_t> lowest_start = round_up(min_page, order_pages(order));
  if (!lowest_start) return kNone;
  const Block source = lowest_source(order, *lowest_start);
  if (source.first == kNone) return kNone;
  const std::uint64_t best = std::max(source.first, *lowest_start);
  if (!within(best, pages, min_page, max_page)) return kNone;  // then no higher one is
  if (best == source.first && best == lowest_from_[order]) return split_lowest(source, order);
  remove_free(source);
  Block part = source;
  while (part.order > order) {
    --part.order;
    const std::uint64_t upper = part.first + order_pages(part.order);
    if (best >= upper) {
      add_free(part);
      part.first = upper;
    } else {
      add_free({upper, part.order});
    }
  }
  return best;
}

bool BuddyAllocator::free(std::uint64_t first_page) {
  const auto* found = in_use_.find(first_page);
  if (found == nullptr) return false;
  const Block block{first_page, found->order};
  in_use_.erase(first_page);
  free_pages_ += order_pages(block.order);
  recent_.push_back(block);
  if (recent_.size() > recent_limit_) {
    const Block oldest = recent_.front();
    recent_.pop_front();
    insert_and_merge(oldest);
  }
  return true;
}

void BuddyAllocator::insert_and_merge(Block block) {
  while (block.order < max_order_) {
    const std::uint64_t buddy = block.first ^ order_pages(block.order);
    if (!remove_free({buddy, block.order})) break;
    block.first = std::min(block.first, buddy);
    ++block.order;
  }
  add_free(block);
}

void BuddyAllocator::merge_recent() {
  while (!recent_.empty()) {
    const Block oldest = recent_.front();
    recent_.pop_front();
    insert_and_merge(oldest);
  }
}

std::uint64_t BuddyAllocator::block_pages(std::uint64_t first_page) const {
  const auto* found = in_use_.find(first_page);
  return found == nullptr ? 0 : order_pages(found->order);
}

std::size_t BuddyAllocator::free_blocks() const {
  std::size_t count = recent_.size();
  for (const auto& blocks : free_) count += blocks.size();
  return count;
}

}  // namespace iommu::api
