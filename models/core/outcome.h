// How a translation ends: a mapping or a fault, no third case.
//
// What it does: defines both and the causes that the generic parts can find. What it does not do: fault codes of an
// architecture (a front end turns causes into codes) or recording.
#pragma once

#include <cstdint>
#include <variant>

#include "models/core/types.h"

namespace iommu::core {

/// A translation of one page, valid for the whole page.
struct Mapping {
  Address input_page = 0;   ///< input address of the page's first byte
  Address output_page = 0;  ///< host address of the page's first byte
  std::uint8_t level = 1;   ///< level of the leaf: 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB
  Permissions permissions = Permissions::None;
  bool snoop = false;  ///< the leaf forces the access to be snooped
  std::uint32_t domain = 0;

  [[nodiscard]] constexpr Address output(Address input) const {
    return output_page | (input & (level_bytes(level) - 1));
  }
};

/// What the architecture-neutral parts can find wrong.
enum class FaultCause : std::uint8_t {
  NoWrite,           ///< write permission missing (a not-present entry included)
  NoRead,            ///< read permission missing
  TopTableAccess,    ///< the root of the paging structures can't be read
  LowerTableAccess,  ///< another paging structure can't be read
  ReservedSet,       ///< a paging entry has a reserved bit set
};

/// The cause when `granted` is not enough for `wanted`: a missing write permission is named before a missing read
/// permission.
[[nodiscard]] constexpr FaultCause missing_permission(Permissions granted, Permissions wanted) {
  const bool write_missing = allows(wanted, Permissions::Write) && !allows(granted, Permissions::Write);
  return write_missing ? FaultCause::NoWrite : FaultCause::NoRead;
}

/// A blocked request.
struct Fault {
  std::uint8_t reason = 0;  ///< code of the architecture; 0 where nothing is ever recorded
  bool recorded = true;     ///< false: blocked silently (suppressed, or a protected memory region)
};

using Outcome = std::variant<Mapping, Fault>;
using WalkOutcome = std::variant<Mapping, FaultCause>;

}  // namespace iommu::core
