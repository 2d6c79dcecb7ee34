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
        notable_(format_.leaf_bit),
        table_(space.root),
        level_(space.levels) {
    for (unsigned level = 2; level <= kMaxLevels; ++level) notable_ |= format_.level[level].reserved_in_table;
  }

  /// Continues from a cached upper part; false, with nothing changed, when that does not have what is wanted.
  [[nodiscard]] bool skip_to(const WalkStart& start) {
    const std::uint64_t allowed = format_.bits_of(start.permissions);
    if ((allowed & wanted_) != wanted_) return false;
    table_ = start.table;
    level_ = start.level;
    allowed_ = allowed;
    return true;
  }

  [[nodiscard]] bool done() const { return done_; }
  /// Host address of the 8-byte entry that is needed next, and its level; of the leaf when done().
  [[nodiscard]] Address entry_address() const { return table_ + 8u * PageFormat::index(input_, level_); }
  [[nodiscard]] unsigned level() const { return level_; }

  /// The entry asked for; false, with nothing changed, when a Walk has to look at it.
  [[nodiscard]] bool take(std::uint64_t entry) {
    // What all entries before it give is known to be enough.
    if ((entry & wanted_) != wanted_) return false;
    if (level_ == 1 || (entry & notable_) != 0) return take_notable(entry);
    allowed_ &= entry;
    table_ = entry & format_.address_mask;
    --level_;
    return true;
  }

  /// As Walk::position().
  [[nodiscard]] WalkStart position() const {
    return {table_, static_cast<std::uint8_t>(level_), format_.permissions(allowed_)};
  }

  /// Valid when done().
  [[nodiscard]] Mapping mapping(std::uint32_t domain) const {
    Mapping mapping;
    mapping.level = static_cast<std::uint8_t>(level_);
    mapping.input_page = input_ & ~(level_bytes(level_) - 1);
    mapping.output_page = leaf_ & format_.address_mask;
    mapping.permissions = format_.permissions(allowed_);
    mapping.snoop = (leaf_ & format_.snoop_bit) != 0;
    mapping.domain = domain;
    return mapping;
  }

 private:
  // A leaf, or an entry with a bit that is reserved at some level.
  [[nodiscard]] bool take_notable(std::uint64_t entry) {
    const PageFormat::Level& rules = format_.level[level_];
    const bool leaf = level_ == 1 || ((entry & format_.leaf_bit) != 0 && rules.leaf_supported);
    if (!leaf || (entry & rules.reserved_in_leaf) != 0) return false;
    allowed_ &= entry;
    leaf_ = entry;
    done_ = true;
    return true;
  }

  const PageFormat& format_;
  Address input_;
  std::uint64_t wanted_;   // bits of an entry
  std::uint64_t notable_;  // bits that an entry to a table has at none or only at some level
  Address table_;
  unsigned level_;
  bool done_ = false;
  std::uint64_t allowed_ = ~std::uint64_t{0};  // the bits that all entries so far have
  std::uint64_t leaf_ = 0;
};

}  // namespace iommu::core
