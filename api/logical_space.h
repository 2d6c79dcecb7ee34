// Who owns which page of a domain's logical address space.
//
// What it does: keeps the ranges that mappings, tokens and reserved regions occupy, answers whether a range is free or wholly
// of one kind, and runs the domain's allocator, if it has one: a block is reusable when the last of its pages is
// released. What it does not do: page tables, physical addresses, permissions, locks. Pages mapped with
// IOMMU_ACCESS_NONE are owned like any other.
#pragma once

#include <cstdint>
#include <optional>

#include "api/buddy_allocator.h"
#include "api/page_map.h"

namespace iommu::api {

/// All addresses are page numbers (byte address >> 12).
class LogicalSpace {
 public:
  enum class Owner : std::uint8_t {
    Mapping,   ///< MapLogicalRangeEx
    Identity,  ///< MapIdentityRangeEx
    Token,     ///< ReserveLogicalAddressRange, mapped or not
    Reserved,  ///< a reserved region, or a range that the hardware does not translate
  };

  /// @param width_bits      of the byte-address space, 13 to 63
  /// @param with_allocator  a buddy allocator chooses addresses; else callers do
  LogicalSpace(unsigned width_bits, bool with_allocator);

  [[nodiscard]] bool has_allocator() const { return buddy_.has_value(); }
  [[nodiscard]] std::uint64_t total_pages() const { return std::uint64_t{1} << (width_bits_ - 12); }
  [[nodiscard]] unsigned width_bits() const { return width_bits_; }

  /// True when [first, first + pages) is inside the space.
  [[nodiscard]] bool contains(std::uint64_t first, std::uint64_t pages) const;
  /// True when some page of the range has an owner.
  [[nodiscard]] bool overlaps(std::uint64_t first, std::uint64_t pages) const;
  /// True when every page of the range belongs to `owner`.
  [[nodiscard]] bool all_owned(std::uint64_t first, std::uint64_t pages, Owner owner) const;

  /// Claims a free range for ever, from the allocator as well. False when part of it has an owner or is outside.
  [[nodiscard]] bool reserve(std::uint64_t first, std::uint64_t pages);
  /// Claims a free range at an address of the caller's choice; for spaces without an allocator.
  void claim(std::uint64_t first, std::uint64_t pages, Owner owner);
  /// Claims a range that the allocator chooses inside [min_page, max_page]; nothing when there is none.
  [[nodiscard]] std::optional<std::uint64_t> allocate(std::uint64_t pages, std::uint64_t min_page,
                                                      std::uint64_t max_page, Owner owner);
  /// Takes the latest allocate() back as if it had not been; nothing else was done in between.
  void cancel(std::uint64_t first);
  /// Releases a range that is all_owned() by one owner other than Owner::Reserved.
  void release(std::uint64_t first, std::uint64_t pages);

  [[nodiscard]] const std::optional<BuddyAllocator>& allocator() const { return buddy_; }

 private:
  struct Interval {
    std::uint64_t end = 0;  // one past the last page
    Owner owner = Owner::Mapping;
    bool whole = false;  // all pages that were asked for with one block of the allocator
  };
  struct Remainder {
    std::uint64_t pages = 0;
  };

  void own(std::uint64_t first, std::uint64_t end, Owner owner, bool whole);
  void release_of_block(std::uint64_t interval_first, const Interval& interval, std::uint64_t first, std::uint64_t end);

  unsigned width_bits_;
  std::optional<BuddyAllocator> buddy_;
  PageMap<Interval> owned_;        // by first page
  PageMap<Remainder> remainders_;  // by first page of a block of which a part was released: the pages still owned
};

}  // namespace iommu::api
