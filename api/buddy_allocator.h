// The logical-address allocator of a domain: a buddy system of 4 KiB pages over [0, 2^width).
//
// What it does: hands out blocks of a power of two pages, aligned to their own size, within bounds; prefers low
// addresses; withholds reserved ranges for ever; keeps a few recently freed blocks at hand, as Windows documents of its
// own. Memory is proportional to the blocks in use and to the holes between them, never to the space.
// What it does not do: map anything, lock, or place an allocation at an address of the caller's choice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "api/page_map.h"

namespace iommu::api {

/// All addresses are page numbers (byte address >> 12).
class BuddyAllocator {
 public:
  static constexpr unsigned kMinWidthBits = 13;
  static constexpr unsigned kMaxWidthBits = 63;
  static constexpr std::size_t kDefaultRecentBlocks = 16;

  /// @param width_bits     bits of the byte-address space, kMinWidthBits to kMaxWidthBits
  /// @param recent_blocks  how many freed blocks are kept for re-use before they merge with their neighbours
  explicit BuddyAllocator(unsigned width_bits, std::size_t recent_blocks = kDefaultRecentBlocks);

  /// Takes a range out for ever. False, and no change, when it is empty, leaves the space, or is not wholly free.
  [[nodiscard]] bool withhold(std::uint64_t first_page, std::uint64_t pages);

  /// Allocates the next power of two >= `pages`, aligned to its size. The `pages` pages lie in [min_page, max_page];
  /// the rest of the block may lie beyond max_page. Nothing, and no change, when no such block is free, or pages is 0.
  [[nodiscard]] std::optional<std::uint64_t> allocate(std::uint64_t pages, std::uint64_t min_page = 0,
                                                      std::uint64_t max_page = ~std::uint64_t{0}) {
    const std::uint64_t first = take(pages, min_page, max_page);
    if (first == kNone) return std::nullopt;
    return first;
  }

  /// Takes the latest allocate() back as if it had not been, provided that nothing was allocated or freed since.
  void cancel();

  /// Gives a block back by its first page. False when no block in use starts there.
  bool free(std::uint64_t first_page);

  /// Pages of the block in use that starts at this page, 0 when none does.
  [[nodiscard]] std::uint64_t block_pages(std::uint64_t first_page) const;

  /// Merges the recently freed blocks with their neighbours now.
  void merge_recent();

  /// Pages of the space.
  [[nodiscard]] std::uint64_t total_pages() const { return std::uint64_t{1} << max_order_; }
  /// Pages that are neither in use nor withheld.
  [[nodiscard]] std::uint64_t free_pages() const { return free_pages_; }
  /// Number of free blocks, those not yet merged included.
  [[nodiscard]] std::size_t free_blocks() const;
  [[nodiscard]] std::size_t blocks_in_use() const { return in_use_.size(); }

 private:
  /// Instead of a page number: greater than all of them.
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  struct Block {
    std::uint64_t first = 0;
    unsigned order = 0;
  };
  struct NoValue {};
  struct InUse {
    unsigned order = 0;
  };

  [[nodiscard]] std::uint64_t take(std::uint64_t pages, std::uint64_t min_page, std::uint64_t max_page);
  [[nodiscard]] std::optional<Block> free_block_of(std::uint64_t page) const;
  [[nodiscard]] std::uint64_t allocate_recent(unsigned order, std::uint64_t pages, std::uint64_t min_page,
                                              std::uint64_t max_page);
  [[nodiscard]] std::uint64_t allocate_lowest(unsigned order, std::uint64_t pages, std::uint64_t min_page,
                                              std::uint64_t max_page);
  [[nodiscard]] std::uint64_t split_lowest(Block source, unsigned order);
  [[nodiscard]] bool merging_helps(unsigned order, std::uint64_t pages, std::uint64_t min_page,
                                   std::uint64_t max_page) const;
  [[nodiscard]] bool free_or_recent(std::uint64_t first, unsigned order) const;
  [[nodiscard]] Block lowest_source(unsigned order, std::uint64_t lowest_start) const;
  void add_free(Block block);
  bool remove_free(Block block);
  void set_lowest(unsigned order, std::uint64_t page);
  void insert_free_range(std::uint64_t first, std::uint64_t end);
  void insert_and_merge(Block block);
  void unmerge_recent();

  unsigned max_order_;
  std::size_t recent_limit_;
  std::uint64_t free_pages_;
  std::vector<PageMap<NoValue>> free_;       // by order
  std::vector<std::uint64_t> lowest_;        // by order: the first free block, kNone when there is none
  std::vector<std::uint64_t> lowest_from_;   // by order: the first free block of this order or a higher one
  PageMap<InUse> in_use_;                    // by first page
  std::deque<Block> recent_;                 // newest last
  Block latest_;                             // of allocate(), for cancel()
  std::optional<std::size_t> latest_place_;  // where it stood in recent_
  std::deque<Block> latest_recent_;          // recent_ before allocate() merged it
};

}  // namespace iommu::api
