// One walk through the paging structures of an address space, as a resumable machine.
//
// What it does: asks for one entry at a time, checks each by the order "permission so far, then reserved bits", and
// ends with a mapping or the cause of a fault. What it does not do: read memory, know time, caches or fault codes.
#pragma once

#include "models/core/address_space.h"
#include "models/core/outcome.h"
#include "models/core/request.h"

namespace iommu::core {

/// Where a walk may begin: below a cached upper part, or at the root.
struct WalkStart {
  Address table = 0;                                 ///< host address of the table of `level`
  std::uint8_t level = 0;                            ///< level of the first entry to read
  Permissions permissions = Permissions::ReadWrite;  ///< accumulated above
};

class Walk {
 public:
  /// Begins at the root. The input address must lie within space.input_bits.
  Walk(const AddressSpace& space, Address input, Permissions wanted, bool zero_length);

  /// Continues from a cached upper part instead; only before the first entry was given. May end the walk at once, when
  /// the upper part does not have the permission that is wanted.
  void skip_to(const WalkStart& start);

  [[nodiscard]] bool done() const { return done_; }
  /// Host address of the 8-byte entry that is needed next, and its level.
  [[nodiscard]] Address entry_address() const { return table_ + 8u * PageFormat::index(input_, level_); }
  [[nodiscard]] unsigned level() const { return level_; }

  /// The entry asked for; `readable` false when the memory system refused.
  void give(bool readable, std::uint64_t entry) {
    if (!readable) return end_without_access();
    allowed_ &= entry;
    // An entry without read and write permission is not present; VT-d reports it as the missing permission. Permission
    // comes before the entry's reserved bits, which mean nothing in an entry that is not present.
    if ((allowed_ & wanted_bits_) != wanted_bits_ && !permitted()) return end_without_permission();
    const PageFormat& format = *space_.format;
    const PageFormat::Level& at_level = format.level[level_];
    if (level_ == 1 || ((entry & format.leaf_bit) != 0 && at_level.leaf_supported)) return end_in_leaf(entry);
    if ((entry & at_level.reserved_in_table) != 0) return end(FaultCause::ReservedSet);
    table_ = entry & format.address_mask;
    --level_;
  }

  /// Where the walk would begin next time with this upper part cached: set by the last give() that went down a level.
  [[nodiscard]] WalkStart position() const { return {table_, static_cast<std::uint8_t>(level_), permissions()}; }

  /// Valid when done().
  [[nodiscard]] const WalkOutcome& outcome() const { return outcome_; }
  [[nodiscard]] const AddressSpace& space() const { return space_; }
  [[nodiscard]] Address input() const { return input_; }

 private:
  void end_without_access();
  void end_without_permission();
  void end_in_leaf(std::uint64_t entry);
  void end(const WalkOutcome& outcome);
  [[nodiscard]] Permissions permissions() const { return space_.format->permissions(allowed_); }
  [[nodiscard]] bool permitted() const { return space_.permits(permissions(), wanted_, zero_length_); }

  AddressSpace space_;
  Address input_;
  Permissions wanted_;
  bool zero_length_;
  bool done_ = false;
  unsigned level_;
  Address table_;
  std::uint64_t wanted_bits_;                  // of an entry, for `wanted_`
  std::uint64_t allowed_ = ~std::uint64_t{0};  // the bits that all entries so far have: those of permissions count
  WalkOutcome outcome_ = FaultCause::NoRead;
};

}  // namespace iommu::core
