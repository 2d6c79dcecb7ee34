// One format of multi-level page tables with 512 entries of 8 bytes a table, as data.
//
// What it does: says which bits of an entry mean what at each level, decodes entries for the walker and encodes them
// for system software. What it does not do: read memory, walk, or know which architecture it belongs to (models/vtd
// makes the instances).
#pragma once

#include <array>
#include <cstdint>

#include "models/core/types.h"

namespace iommu::core {

/// Most levels of any format; level 1 holds the 4 KiB leaves, the root table is at the highest level.
inline constexpr unsigned kMaxLevels = 5;

/// What an entry says.
struct PageEntry {
  Permissions permissions = Permissions::None;
  bool leaf = false;          ///< maps a page; otherwise points to the table of the next lower level
  bool reserved_set = false;  ///< a bit that must be zero at this level is one
  bool snoop = false;         ///< leaf: force the access to be snooped
  Address address = 0;        ///< of the page or the table
};

/// Entry layout of one format. The masks are ready to use; see vtd::second_stage_format() for how one is made.
struct PageFormat {
  std::uint64_t read_bit = 0;
  std::uint64_t write_bit = 0;
  std::uint64_t leaf_bit = 0;   ///< at levels above 1: entry is a leaf; ignored at level 1
  std::uint64_t snoop_bit = 0;  ///< 0 where the format has none
  std::uint64_t address_mask = 0;
  struct Level {
    std::uint64_t reserved_in_table = 0;  ///< must be zero in an entry that points to a table
    std::uint64_t reserved_in_leaf = 0;   ///< must be zero in a leaf
    bool leaf_supported = false;
  };
  std::array<Level, kMaxLevels + 1> level{};  ///< indexed by level; [0] is unused
  /// leaf_bit and what reserved_in_table has at any level above 1: without them an entry there points to a table. See
  /// note_tables().
  std::uint64_t notable_in_table = ~std::uint64_t{0};

  /// To be called when everything else is set; without it walks look at each entry in full.
  constexpr void note_tables() {
    notable_in_table = leaf_bit;
    for (unsigned above = 2; above <= kMaxLevels; ++above) notable_in_table |= level[above].reserved_in_table;
  }

  static constexpr unsigned kIndexMask = (1u << kLevelBits) - 1;
  /// Index into the table of `at_level` for an input address.
  [[nodiscard]] static constexpr unsigned index(Address input, unsigned at_level) {
    return static_cast<unsigned>(input >> level_shift(at_level)) & kIndexMask;
  }

  [[nodiscard]] constexpr Permissions permissions(std::uint64_t entry) const {
    return ((entry & read_bit) != 0 ? Permissions::Read : Permissions::None) |
           ((entry & write_bit) != 0 ? Permissions::Write : Permissions::None);
  }
  /// The bits of an entry that give these permissions.
  [[nodiscard]] constexpr std::uint64_t bits_of(Permissions wanted) const {
    return (allows(wanted, Permissions::Read) ? read_bit : 0) | (allows(wanted, Permissions::Write) ? write_bit : 0);
  }

  [[nodiscard]] constexpr PageEntry decode(std::uint64_t entry, unsigned at_level) const {
    PageEntry result;
    result.permissions = permissions(entry);
    result.leaf = at_level == 1 || ((entry & leaf_bit) != 0 && level[at_level].leaf_supported);
    const std::uint64_t reserved = result.leaf ? level[at_level].reserved_in_leaf : level[at_level].reserved_in_table;
    result.reserved_set = (entry & reserved) != 0;
    result.snoop = result.leaf && (entry & snoop_bit) != 0;
    result.address = entry & address_mask;
    return result;
  }

  /// An entry that points to the next lower table at a 4 KiB aligned host address, with all permissions.
  [[nodiscard]] constexpr std::uint64_t table_entry(Address table) const {
    return read_bit | write_bit | (table & address_mask);
  }

  /// A leaf at `at_level` for a page aligned to that level's size; None gives a not-present entry that keeps the
  /// address.
  [[nodiscard]] constexpr std::uint64_t leaf_entry(Address page, Permissions permissions, unsigned at_level) const {
    return bits_of(permissions) | (at_level > 1 ? leaf_bit : 0) | (page & address_mask);
  }
};

}  // namespace iommu::core
