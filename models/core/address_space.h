// What the context structures resolved to for one requester.
//
// What it does: everything that a walk and the caches need to know about an address space, as a value. What it does not
// do: own tables.
#pragma once

#include "models/core/page_format.h"
#include "models/core/types.h"

namespace iommu::core {

struct AddressSpace {
  bool pass_through = false;  ///< input addresses are host addresses, no tables
  bool suppress_faults =
      false;  ///< faults of this space are blocked silently where the architecture lets software ask so
  bool translated_allowed = false;     ///< translated and translation requests are served
  bool zero_length_read_any = false;   ///< a zero-length read is content with write permission alone
  std::uint8_t levels = 0;             ///< of the table, 3 to 5
  std::uint8_t input_bits = 0;         ///< input addresses at or above 2^input_bits fault
  std::uint8_t output_bits = 0;        ///< host address width
  RequesterId tag = 0;                 ///< what translations are looked up by
  std::uint32_t domain = 0;            ///< what translations are invalidated by
  Address root = 0;                    ///< host address of the top table
  const PageFormat* format = nullptr;  ///< owned by the front end, lives as long as it

  /// True when `granted` lets a request through that wants `wanted`.
  [[nodiscard]] constexpr bool permits(Permissions granted, Permissions wanted, bool zero_length) const {
    if (allows(granted, wanted)) return true;
    return zero_length && zero_length_read_any && granted != Permissions::None;
  }
};

}  // namespace iommu::core
