// The way through the tables that most walks take, without the state that faults need.
//
// What it does: takes entries that give all that is wanted and have no reserved bit, down to the leaf, on its own few
// values, which a loop keeps in registers. What it does not do: anything else: such an entry it leaves alone, and a
// core::Walk goes on from there.
#pragma once

#include "models/core/walk.h"

namespace iommu::core {

class PlainWalk {
 public:
  /// As a Walk. `space` has to outlive it.
  PlainWalk(const AddressSpace& space, Address input, Permissions wanted)
      : format_(*space.format),
        input_(input),
        wanted_(format_.bits_of(wanted)),
        checked_(wanted_ | format_.notable_in_table),
        table_(space.root),
        level_(space.levels),
        shift_(level_shift(level_)) {}

  /// Continues from a cached upper part; false, with nothing changed, when that does not have what is wanted.
  [[nodiscard]] bool skip_to(const WalkStart& start) {
    const std::uint64_t allowed = format_.bits_of(start.permissions);
    if ((allowed & wanted_) != wanted_) return false;
    table_ = start.table;
    level_ = start.level;
    shift_ = level_shift(level_);
    allowed_ = allowed;
    return true;
  }

  /// Host address of the 8-byte entry that is needed next, and its level; of the leaf when it is taken.
  [[nodiscard]] Address entry_address() const { return table_ + 8u * ((input_ >> shift_) & PageFormat::kIndexMask); }
  [[nodiscard]] std::size_t level() const { return level_; }

  /// Takes the entry asked for if it plainly leads to another table; false, with nothing changed, when not.
  [[nodiscard]] bool descend(std::uint64_t entry) {
    // What all entries before it give is known to be enough.
    if (level_ == 1 || (entry & checked_) != wanted_) return false;
    step_down(entry);
    return true;
  }

  /// Takes an entry that does not descend() if it is plainly a leaf, which ends the walk; false, with nothing changed, when
  /// a Walk has to look at it.
  [[nodiscard]] bool take_leaf(std::uint64_t entry) {
    const PageFormat::Level& rules = format_.level[level_];
    const bool leaf = level_ == 1 || ((entry & format_.leaf_bit) != 0 && rules.leaf_supported);
    if (!leaf || (entry & (wanted_ | rules.reserved_in_leaf)) != wanted_) return false;
    allowed_ &= entry;
    leaf_ = entry;
    return true;
  }

  /// As Walk::position().
  [[nodiscard]] WalkStart position() const {
    return {table_, static_cast<std::uint8_t>(level_), format_.permissions(allowed_)};
  }

  /// Valid when a leaf is taken.
  [[nodiscard]] Mapping mapping(std::uint32_t domain) const {
    Mapping mapping;
    mapping.level = static_cast<std::uint8_t>(level_);
    mapping.input_page = input_ & (~std::uint64_t{0} << shift_);
    mapping.output_page = leaf_ & format_.address_mask;
    mapping.permissions = format_.permissions(allowed_);
    mapping.snoop = (leaf_ & format_.snoop_bit) != 0;
    mapping.domain = domain;
    return mapping;
  }

 private:
  void step_down(std::uint64_t entry) {
    allowed_ &= entry;
    table_ = entry & format_.address_mask;
    --level_;
    shift_ -= kLevelBits;
  }

  const PageFormat& format_;
  Address input_;
  std::uint64_t wanted_;   // bits of an entry
  std::uint64_t checked_;  // the same, and those that an entry to a table has at none or only at some level
  Address table_;
  std::size_t level_;
  unsigned shift_;                             // level_shift() of level_
  std::uint64_t allowed_ = ~std::uint64_t{0};  // the bits that all entries so far have
  std::uint64_t leaf_ = 0;
};

}  // namespace iommu::core
