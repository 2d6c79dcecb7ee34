#include "platform/physical_frames.h"

#include <algorithm>

namespace iommu::platform {

namespace {
constexpr core::Address kFirstFrame = 0x100000;
}

std::vector<MemoryRange> memory_ranges(std::uint64_t size_bytes) {
  std::vector<MemoryRange> ranges{{0, std::min<std::uint64_t>(size_bytes, kHoleBase)}};
  if (size_bytes > kHoleEnd) ranges.push_back({kHoleEnd, size_bytes - kHoleEnd});
  return ranges;
}

PhysicalFrames::PhysicalFrames(std::uint64_t memory_bytes)
    : low_next_(kFirstFrame),
      low_end_(std::min<std::uint64_t>(memory_bytes, kHoleBase) & ~(core::kPageBytes - 1)),
      high_next_(kHoleEnd),
      high_end_(std::max<std::uint64_t>(memory_bytes, kHoleEnd) & ~(core::kPageBytes - 1)) {}

std::optional<core::Address> PhysicalFrames::allocate() {
  core::Address frame = 0;
  if (!free_.empty()) {
    frame = free_.back();
    free_.pop_back();
  } else if (low_next_ + core::kPageBytes <= low_end_) {
    frame = low_next_;
    low_next_ += core::kPageBytes;
  } else if (high_next_ + core::kPageBytes <= high_end_) {
    frame = high_next_;
    high_next_ += core::kPageBytes;
  } else {
    return std::nullopt;
  }
  ++in_use_;
  most_in_use_ = std::max(most_in_use_, in_use_);
  return frame;
}

void PhysicalFrames::free(core::Address frame) {
  --in_use_;
  free_.push_back(frame);
}

std::optional<core::Address> PhysicalFrames::allocate_range(std::uint64_t bytes, std::uint64_t alignment,
                                                            core::Address highest) {
  const std::uint64_t size = (bytes + core::kPageBytes - 1) & ~(core::kPageBytes - 1);
  const core::Address high = (high_next_ + alignment - 1) & ~(alignment - 1);
  if (high <= high_end_ && size <= high_end_ - high && high <= highest && size - 1 <= highest - high) {
    high_next_ = high + size;
    return high;
  }
  const core::Address end = std::min(low_end_, highest == ~core::Address{0} ? low_end_ : highest + 1);
  if (size > end) return std::nullopt;
  const core::Address low = (end - size) & ~(alignment - 1);
  if (low < low_next_) return std::nullopt;
  low_end_ = low;
  return low;
}

}  // namespace iommu::platform
