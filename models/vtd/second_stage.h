// VT-d's second-stage paging entries (specification 3.7 and 9.8 on) as a core::PageFormat.
//
// What it does: builds the format for a unit's host address width, large pages and snoop control. What it does not do:
// accessed and dirty bits, execute permission, memory types: legacy mode ignores them.
#pragma once

#include "models/core/page_format.h"

namespace iommu::vtd {

/// The format as a unit with these capabilities checks it.
/// @param host_address_bits  HAW: address bits 51:HAW are reserved
/// @param large_page_level   highest level with leaves: 1 (4 KiB only), 2 (CAP.SSLPS = 2 MiB) or 3 (also 1 GiB)
/// @param snoop_control      ECAP.SC; without it bit 11 of a leaf is reserved
[[nodiscard]] constexpr core::PageFormat second_stage_format(unsigned host_address_bits, unsigned large_page_level,
                                                             bool snoop_control) {
  constexpr std::uint64_t kBit11 = std::uint64_t{1} << 11;
  constexpr std::uint64_t kBit62 = std::uint64_t{1} << 62;
  core::PageFormat format;
  format.read_bit = 1;
  format.write_bit = 2;
  format.leaf_bit = std::uint64_t{1} << 7;
  format.snoop_bit = snoop_control ? kBit11 : 0;
  format.address_mask = core::low_mask(52) & ~core::low_mask(12);
  const std::uint64_t beyond_host = format.address_mask & ~core::low_mask(host_address_bits);
  for (unsigned level = 1; level <= core::kMaxLevels; ++level) {
    core::PageFormat::Level& rules = format.level[level];
    rules.leaf_supported = level <= large_page_level;
    // PS at a level without leaves is a reserved bit; at the lowest level it is ignored.
    rules.reserved_in_table = beyond_host | kBit11 | kBit62 | (rules.leaf_supported ? 0 : format.leaf_bit);
    const std::uint64_t below_page =
        core::level_bytes(level) - core::kPageBytes;  // 20:12 of a 2 MiB leaf, 29:12 of 1 GiB
    rules.reserved_in_leaf = beyond_host | kBit62 | below_page | (snoop_control ? 0 : kBit11);
  }
  format.note_tables();
  return format;
}

}  // namespace iommu::vtd
