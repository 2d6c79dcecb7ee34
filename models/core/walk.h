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
  void give(bool readable, std::uint64_t entry);

  /// Where the walk would begin next time with this upper part cached: set by the last give() that went down a level.
  [[nodiscard]] WalkStart position() const { return {table_, static_cast<std::uint8_t>(level_), permissions_}; }

  /// Valid when done().
  [[nodiscard]] const WalkOutcome& outcome() const { return outcome_; }
  [[nodiscard]] const AddressSpace& space() const { return space_; }
  [[nodiscard]] Address input() const { return input_; }

 private:
  void end(WalkOutcome outcome);

  AddressSpace space_;
  Address input_;
  Permissions wanted_;
  bool zero_length_;
  bool done_ = false;
  unsigned level_;
  Address table_;
  Permissions permissions_ = Permissions::ReadWrite;
  WalkOutcome outcome_ = FaultCause::NoRead;
};

}  // namespace iommu::core
