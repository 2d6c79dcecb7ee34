// A seeded random number generator that gives the same numbers with every compiler and on every platform, which the
// standard library's distributions do not promise.
//
// What it is: xoshiro256** (Blackman and Vigna, 2018), its state filled by splitmix64 from a 64-bit seed and a stream
// number. Streams of one seed serve independent decisions, so that a change in how often one is drawn leaves the others
// as they were. What it is not: fit for cryptography.
#pragma once

#include <array>
#include <cstdint>

namespace iommu::core {

/// The finishing step of splitmix64 (variant 13 of Stafford): a bijection of 64-bit values in which each input bit
/// changes about half of the output bits.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

/// The odd constant by which splitmix64 advances: 2^64 divided by the golden ratio.
inline constexpr std::uint64_t kGoldenGamma = 0x9e3779b97f4a7c15U;

class Random {
 public:
  /// Any seed and any stream are allowed; different pairs give unrelated sequences. Stream 0 fills the state with the
  /// first four outputs of splitmix64(seed); stream s does so from seed XOR mix64(s * kGoldenGamma).
  explicit constexpr Random(std::uint64_t seed, std::uint64_t stream = 0) {
    std::uint64_t state = seed ^ mix64(stream * kGoldenGamma);
    for (std::uint64_t& word : state_) word = mix64(state += kGoldenGamma);
  }

  /// Continues from a state of the generator, which must not be all zeros.
  explicit constexpr Random(const std::array<std::uint64_t, 4>& state) : state_(state) {}

  /// The next 64 random bits.
  constexpr std::uint64_t next() {
    const std::uint64_t result = rotate_left(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate_left(state_[3], 45);
    return result;
  }

  /// A number from 0 to bound - 1, each exactly as likely as the others: the lowest 2^64 mod `bound` values of next()
  /// are drawn again, the rest is taken modulo `bound`. A bound of 0 stands for 2^64.
  constexpr std::uint64_t below(std::uint64_t bound) {
    if (bound == 0) return next();
    const std::uint64_t excess = (0 - bound) % bound;
    std::uint64_t value = next();
    while (value < excess) value = next();
    return value % bound;
  }

  /// True with a chance of `part` in `whole`: never at 0, always from `whole` on. Asks below() once whatever the
  /// chance.
  constexpr bool chance(std::uint64_t part, std::uint64_t whole) { return below(whole) < part; }

 private:
  static constexpr std::uint64_t rotate_left(std::uint64_t value, int count) {
    return (value << count) | (value >> (64 - count));
  }

  std::array<std::uint64_t, 4> state_{};
};

}  // namespace iommu::core
