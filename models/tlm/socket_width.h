// The width that sockets are declared with.
//
// What it does: one number, since only sockets of equal width bind. What it does not do: limit the length of a
// transaction, or take part in timing.
#pragma once

namespace iommu::sim {

inline constexpr unsigned kSocketWidthBits = 64;

}  // namespace iommu::sim
