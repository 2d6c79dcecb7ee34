// VT-d's in-memory records of legacy mode: root and context entries (chapter 9) and invalidation descriptors (6.5.2).
//
// What it does: names their fields once, on 64-bit words, for the model and for system software. What it does not do:
// read memory, check anything, or know scalable mode.
#pragma once

#include <cstdint>

#include "models/regs/register.h"

namespace iommu::vtd {

using regs::Field;

/// A 128-bit record as two little-endian 64-bit words.
struct Record128 {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;
};

/// Requests to these addresses are interrupts and never translated (3.15): 0xFEE00000 to 0xFEEFFFFF.
inline constexpr std::uint64_t kInterruptRangeBase = 0xFEE00000;
inline constexpr std::uint64_t kInterruptRangeBytes = 0x100000;

/// Root and context tables: 256 entries of 16 bytes in one 4 KiB page each.
inline constexpr std::uint32_t kRootEntryBytes = 16;
inline constexpr std::uint32_t kContextEntryBytes = 16;

/// Root entry (9.1), fields of word `lo`; word `hi` is reserved.
namespace root_entry {
inline constexpr Field P{"P", 0, 1};
inline constexpr Field CTP{"CTP", 12, 52};
inline constexpr std::uint64_t kReservedLo = 0xFFE;
}  // namespace root_entry

/// Context entry (9.3).
namespace context_entry {
// word lo
inline constexpr Field P{"P", 0, 1};
inline constexpr Field FPD{"FPD", 1, 1};
inline constexpr Field TT{"TT", 2, 2};
inline constexpr Field SSPTPTR{"SSPTPTR", 12, 52};
inline constexpr std::uint64_t kReservedLo = 0xFF0;
// word hi
inline constexpr Field AW{"AW", 0, 3};
inline constexpr Field IGNORED{"IGNORED", 3, 4};
inline constexpr Field DID{"DID", 8, 16};
inline constexpr std::uint64_t kReservedHi = 0xFFFFFFFFFF000080;

inline constexpr std::uint64_t kTtUntranslated = 0;  ///< requests use the second-stage table
inline constexpr std::uint64_t kTtDeviceTlb = 1;     ///< as 0, and translated and translation requests are allowed
inline constexpr std::uint64_t kTtPassThrough = 2;
}  // namespace context_entry

/// The AW code of a table with this many levels (3 -> 1, 4 -> 2, 5 -> 3) and the SAGAW bit that announces it.
[[nodiscard]] constexpr std::uint64_t address_width_code(unsigned levels) { return levels - 2; }
/// Levels of an AW code; 0 for codes that name no supported table.
[[nodiscard]] constexpr unsigned levels_of_code(std::uint64_t code) {
  return code >= 1 && code <= 3 ? static_cast<unsigned>(code) + 2 : 0;
}
/// Input width in bits of a table with this many levels: 39, 48 or 57.
[[nodiscard]] constexpr unsigned input_bits_of_levels(unsigned levels) { return 12 + 9 * levels; }

/// Invalidation descriptors (6.5.2), 128-bit form.
namespace descriptor {
inline constexpr std::uint32_t kBytes = 16;
inline constexpr Field TYPE_LO{"TYPE[3:0]", 0, 4};
inline constexpr Field TYPE_HI{"TYPE[6:4]", 9, 3};
inline constexpr std::uint64_t kContextCache = 1;
inline constexpr std::uint64_t kIotlb = 2;
inline constexpr std::uint64_t kDeviceTlb = 3;
inline constexpr std::uint64_t kInterruptEntryCache = 4;
inline constexpr std::uint64_t kWait = 5;
inline constexpr std::uint64_t kLastKnown = 9;  ///< types 6 to 9 belong to scalable mode

namespace context_cache {
inline constexpr Field G{"G", 4, 2};
inline constexpr Field DID{"DID", 16, 16};
inline constexpr Field SID{"SID", 32, 16};
inline constexpr Field FM{"FM", 48, 2};
}  // namespace context_cache

namespace iotlb {
inline constexpr Field G{"G", 4, 2};
inline constexpr Field DW{"DW", 6, 1};
inline constexpr Field DR{"DR", 7, 1};
inline constexpr Field DID{"DID", 16, 16};
// word hi
inline constexpr Field AM{"AM", 0, 6};
inline constexpr Field IH{"IH", 6, 1};
inline constexpr Field ADDR{"ADDR", 12, 52};
}  // namespace iotlb

namespace wait {
inline constexpr Field IF{"IF", 4, 1};
inline constexpr Field SW{"SW", 5, 1};
inline constexpr Field FN{"FN", 6, 1};
inline constexpr Field PD{"PD", 7, 1};
inline constexpr Field STATUS_DATA{"STATUS_DATA", 32, 32};
// word hi
inline constexpr Field STATUS_ADDRESS{"STATUS_ADDRESS", 2, 62};
}  // namespace wait

// Granularities of context-cache and IOTLB invalidation.
inline constexpr std::uint64_t kGlobal = 1;
inline constexpr std::uint64_t kDomain = 2;
inline constexpr std::uint64_t kSelective = 3;  ///< a device in the context cache, a page range in the IOTLB
}  // namespace descriptor

}  // namespace iommu::vtd
