// The bytes that a packet's payload consists of, derived from the packet's number and the byte's offset alone.
//
// What it does: whoever produces a payload and whoever checks it agree on every byte without storing any. Data that
// were moved to the wrong place, swapped, left from an earlier packet or cut short show as a mismatch. What it does not
// do: it knows nothing of packets' lengths, of memory or of simulated time.
//
// Bytes 8*w to 8*w+7 of packet p are, least significant byte first, the word
//
//     mix64(mix64(p XOR 0x696f6d6d752d7670) + w * kGoldenGamma)                      (models/core/random.h)
//
// mix64 is a bijection and kGoldenGamma is odd. Hence two words of one packet always differ, and so do the words of two
// packets at one offset: an exchange of aligned words is found with certainty. Other mistakes leave each byte right
// with a chance of 1 in 256.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace iommu::core {

/// Writes bytes `offset` to `offset + n - 1` of the payload of packet `packet_number` to `data`. Any split of a payload
/// into pieces gives the same bytes. Offsets do not wrap at 2^32.
void fill_payload(std::uint64_t packet_number, std::uint32_t offset, void* data, std::size_t n);

/// Compares `n` bytes at `data` with what fill_payload would write; returns the index in `data` of the first that
/// differs, or nothing if all agree.
[[nodiscard]] std::optional<std::size_t> find_payload_mismatch(std::uint64_t packet_number, std::uint32_t offset,
                                                               const void* data, std::size_t n);

/// True if all `n` bytes at `data` are what fill_payload would write.
[[nodiscard]] inline bool check_payload(std::uint64_t packet_number, std::uint32_t offset, const void* data,
                                        std::size_t n) {
  return !find_payload_mismatch(packet_number, offset, data, n);
}

}  // namespace iommu::core
