// Streams of accesses for generator masters: linear, strided and uniformly random, with a share of writes and of
// deliberate escapes.
//
// What it does: says which access comes next, as an offset relative to the master's window. The same configuration
// gives the same accesses on every platform. What it does not do: it issues nothing, knows no time and no addresses,
// and doesn't know what is mapped.
#pragma once

#include <cstdint>
#include <string>

#include "models/core/random.h"

namespace iommu::core {

enum class Pattern {
  kLinear,   ///< one transfer after the other
  kStrided,  ///< each transfer `stride_bytes` after the one before
  kRandom,   ///< uniformly among the window's slots; a slot is a transfer rounded up to 64 bytes
};

/// What an AccessPattern is made from. Percentages are rounded to 10^-7 percent.
struct AccessPatternConfig {
  Pattern pattern = Pattern::kLinear;
  std::uint64_t window_bytes = 0;    ///< transfer_bytes to 2^62
  std::uint64_t mapped_bytes = 0;    ///< window_bytes to 2^62: what follows the window and is mapped too; 0: nothing
  std::uint32_t transfer_bytes = 0;  ///< 1 to 2^31: length of each access
  std::uint64_t stride_bytes = 0;    ///< at least 1 if strided; otherwise unused
  double write_percent = 0;          ///< 0 to 100: share of writes; the others are reads
  double escape_percent = 0;         ///< 0 to 100: share of accesses that lie outside the window
  std::uint64_t seed = 0;            ///< any
};

/// What is wrong with `config`, for example "transfer_bytes is 0, must be 1 to 2147483648"; empty if nothing is.
[[nodiscard]] std::string find_problem(const AccessPatternConfig& config);

/// One access of a generator master.
struct Access {
  std::uint64_t offset;  ///< bytes from the start of the window
  std::uint32_t length;  ///< bytes, always the configured transfer size
  bool write;
  bool escape;  ///< lies outside the window on purpose
};

/// An endless sequence of accesses.
///
/// - Linear: offsets 0, T, 2T, ... (T is the transfer size); strided: 0, S, 2S, ... Where a transfer would cross the
/// window's end, the sequence
///   starts again at 0, so that the end is never crossed and a window's last odd bytes stay untouched.
/// - Random: offset k * U, where U is T rounded up to 64 bytes (as pcie-bench does, so that an access starts at a cache
/// line) and k is uniform among
///   all slots whose T bytes fit in the window.
/// - An escape replaces no access of the pattern but comes in between. It is at one of `kEscapePages` page-aligned
/// offsets, uniformly, the first
///   of which is the window's size, or mapped_bytes, rounded up to 4 KiB. Whoever places the window must leave [escape_begin, escape_end)
///   unmapped if escapes shall fault.
/// - Offsets, writes and escapes are drawn from streams 1, 2 and 3 of the seed: what is drawn for one leaves the others
/// as they are. Access number n is a
///   write or not whatever escape_percent is.
class AccessPattern {
 public:
  static constexpr std::uint64_t kPageBytes = 4096;
  static constexpr std::uint64_t kEscapePages = 64;

  /// Throws std::invalid_argument with find_problem's text if that isn't empty.
  explicit AccessPattern(const AccessPatternConfig& config);

  /// The next access.
  Access next();

  /// The first offset of an escape.
  [[nodiscard]] std::uint64_t escape_begin() const { return escape_begin_; }
  /// One past the last byte that an escape can touch.
  [[nodiscard]] std::uint64_t escape_end() const {
    return escape_begin_ + (kEscapePages - 1) * kPageBytes + config_.transfer_bytes;
  }

 private:
  std::uint64_t next_offset();

  AccessPatternConfig config_;
  std::uint64_t write_share_;   // in billionths
  std::uint64_t escape_share_;  // in billionths
  std::uint64_t step_bytes_;    // linear and strided: from one access to the next
  std::uint64_t slot_bytes_;    // random
  std::uint64_t slots_;         // random
  std::uint64_t escape_begin_;
  std::uint64_t position_ = 0;  // linear and strided: where the next access goes
  Random offsets_;
  Random writes_;
  Random escapes_;
};

}  // namespace iommu::core
