// The small value types that everything else is written in.
//
// What it does: addresses, simulated time, permissions, requester ids. What it does not do: anything else.
#pragma once

#include <cstddef>
#include <cstdint>

namespace iommu::core {

/// A byte address: of a device's request (input), or of host physical memory (output); the name of the variable says
/// which.
using Address = std::uint64_t;

/// Simulated time in picoseconds.
using Tick = std::uint64_t;

inline constexpr Tick kTicksPerNanosecond = 1000;

/// A PCI requester id: bus 15:8, device 7:3, function 2:0.
using RequesterId = std::uint16_t;

[[nodiscard]] constexpr RequesterId requester_id(unsigned bus, unsigned device, unsigned function) {
  return static_cast<RequesterId>((bus << 8) | (device << 3) | function);
}

inline constexpr unsigned kPageShift = 12;
inline constexpr std::uint64_t kPageBytes = std::uint64_t{1} << kPageShift;

/// Bits of an input address that one level of tables decodes (512 entries of 8 bytes).
inline constexpr unsigned kLevelBits = 9;
/// The lowest bit of an input address that this level of a table decodes: what is below lies within one of its leaves.
[[nodiscard]] constexpr unsigned level_shift(std::size_t level) {
  return static_cast<unsigned>(kPageShift + kLevelBits * (level - 1));
}
/// Bytes that a leaf at this level of a table maps: level 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB.
[[nodiscard]] constexpr std::uint64_t level_bytes(std::size_t level) { return std::uint64_t{1} << level_shift(level); }

/// A set of bits 0 to `bits` - 1; all ones from 64 on.
[[nodiscard]] constexpr std::uint64_t low_mask(unsigned bits) {
  return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

/// What a device may do, or wants to do, with a page.
enum class Permissions : std::uint8_t { None = 0, Read = 1, Write = 2, ReadWrite = 3 };

[[nodiscard]] constexpr Permissions operator&(Permissions a, Permissions b) {
  return static_cast<Permissions>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
}
[[nodiscard]] constexpr Permissions operator|(Permissions a, Permissions b) {
  return static_cast<Permissions>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
/// True when `granted` has everything of `wanted`.
[[nodiscard]] constexpr bool allows(Permissions granted, Permissions wanted) { return (granted & wanted) == wanted; }

}  // namespace iommu::core
