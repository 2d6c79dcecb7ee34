// Legacy-mode tables written by hand into memory: bit positions are those of the architecture (root entry 9.1, context
// entry 9.3, second-stage entries 9.8 to 9.13), spelled here a second time so that the model's own descriptions are not
// trusted.
#pragma once

#include <cstdint>

#include "testbench/core/sparse_memory.h"

namespace iommu::test {

/// Bits of second-stage entries.
inline constexpr std::uint64_t kR = 1;
inline constexpr std::uint64_t kW = 2;
inline constexpr std::uint64_t kRW = 3;
inline constexpr std::uint64_t kPS = 0x80;
inline constexpr std::uint64_t kSNP = 0x800;

/// Translation types of a context entry (bits 3:2).
inline constexpr std::uint64_t kTtTable = 0;
inline constexpr std::uint64_t kTtAts = 1;
inline constexpr std::uint64_t kTtPass = 2;
inline constexpr std::uint64_t kTtReserved = 3;

class TableBuilder {
 public:
  explicit TableBuilder(SparseMemory& memory, core::Address first_page = 0x100000)
      : memory_(memory), next_(first_page), root_(page()) {}

  /// An empty table of 4 KiB.
  core::Address page() {
    const core::Address at = next_;
    next_ += 0x1000;
    return at;
  }

  [[nodiscard]] core::Address root() const { return root_; }
  [[nodiscard]] core::Address root_entry(core::RequesterId sid) const { return root_ + 16 * (sid >> 8); }
  /// The context entry of a requester; its bus gets a context table when it has none.
  core::Address context_entry(core::RequesterId sid) {
    const core::Address entry = root_entry(sid);
    if ((memory_.get(entry) & 1) == 0) memory_.put(entry, page() | 1);
    return (memory_.get(entry) & ~core::Address{0xFFF}) + 16 * (sid & 0xFF);
  }

  /// @param aw 1: 3 levels, 2: 4 levels, 3: 5 levels
  void context(core::RequesterId sid, std::uint64_t tt, core::Address table, std::uint64_t aw, std::uint64_t did,
               std::uint64_t lo_bits = 1) {
    const core::Address entry = context_entry(sid);
    memory_.put(entry, table | (tt << 2) | lo_bits);
    memory_.put(entry + 8, aw | (did << 8));
  }

  /// The entry of `level` (1 is the table of 4 KiB leaves) for an input address, with every table above it in place.
  core::Address entry(core::Address table, unsigned levels, core::Address input, unsigned level) {
    for (unsigned at = levels; at > level; --at) {
      const core::Address slot = table + 8 * ((input >> (12 + 9 * (at - 1))) & 0x1FF);
      if ((memory_.get(slot) & 3) == 0) memory_.put(slot, page() | 3);
      table = memory_.get(slot) & 0x000FFFFFFFFFF000;
    }
    return table + 8 * ((input >> (12 + 9 * (level - 1))) & 0x1FF);
  }

  /// A leaf; `bits` are its permissions and whatever else a test wants set.
  void map(core::Address table, unsigned levels, core::Address input, core::Address host, unsigned level = 1,
           std::uint64_t bits = kRW) {
    memory_.put(entry(table, levels, input, level), host | bits | (level > 1 ? kPS : 0));
  }

 private:
  SparseMemory& memory_;
  core::Address next_;
  core::Address root_;
};

}  // namespace iommu::test
