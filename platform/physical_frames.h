// Who uses which part of the modeled memory.
//
// What it does: knows where memory is reachable (a hole for device registers lies below 4 GiB), hands out 4 KiB frames for tables and
// contiguous ranges for buffers, takes frames back. What it does not do: touch memory.
#pragma once

#include <optional>
#include <vector>

#include "api/ports.h"

namespace iommu::platform {

/// Device registers, IOMMU registers and interrupt messages have the addresses from here up to 4 GiB.
inline constexpr core::Address kHoleBase = 0xC0000000;
inline constexpr core::Address kHoleEnd = 0x100000000;

/// A reachable part of memory.
struct MemoryRange {
  core::Address base = 0;
  std::uint64_t bytes = 0;
};
/// The one or two parts of a memory of `size_bytes` from address 0 on.
[[nodiscard]] std::vector<MemoryRange> memory_ranges(std::uint64_t size_bytes);

class PhysicalFrames final : public api::FrameAllocator {
 public:
  /// The first MiB stays unused.
  explicit PhysicalFrames(std::uint64_t memory_bytes);

  [[nodiscard]] std::optional<core::Address> allocate() override;
  void free(core::Address frame) override;

  /// A range for buffers, aligned to `alignment` (a power of two, at least 4 KiB), with no byte above `highest`; never given back. Nothing
  /// when there is none.
  [[nodiscard]] std::optional<core::Address> allocate_range(std::uint64_t bytes, std::uint64_t alignment,
                                                            core::Address highest = ~core::Address{0});

  [[nodiscard]] std::uint64_t frames_in_use() const { return in_use_; }
  [[nodiscard]] std::uint64_t most_frames_in_use() const { return most_in_use_; }

 private:
  // Below the hole, frames grow upwards and ranges downwards; above it, ranges grow upwards and frames take what is left of it.
  core::Address low_next_;
  core::Address low_end_;
  core::Address high_next_;
  core::Address high_end_;
  std::vector<core::Address> free_;
  std::uint64_t in_use_ = 0;
  std::uint64_t most_in_use_ = 0;
};

}  // namespace iommu::platform
