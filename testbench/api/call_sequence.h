// Sequences of random calls as data, so that one that shows a difference can be repeated and made shorter.
//
// What it does: an operation is a kind and the numbers that decide everything about it; a sequence is drawn from a
// seed; shrink() removes operations as long as the rest still fails (delta debugging: halves, quarters, ... single
// ones). What it does not do: know what an operation means; sequence_player.h does. Numbers are taken modulo what is
// there, so that every part of a sequence is a sequence.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "api/function.h"

namespace sequence {

/// What an operation does: a function of the interface, or something that happens beside it.
enum class Kind : std::uint8_t {
  LastFunction = iommu::api::kFunctions - 1,  ///< up to here: iommu::api::Function
  ChangePolicy,                               ///< screen lock, external port, opt-in
  RunWork,                                    ///< the passive-level worker catches up
  InvalidateAll,                              ///< an operator empties all caches
};

[[nodiscard]] constexpr Kind kind_of(iommu::api::Function function) { return static_cast<Kind>(function); }

struct Operation {
  Kind kind = Kind::RunWork;
  std::array<std::uint64_t, 8> numbers{};
  std::uint64_t probes = 0;  ///< decides which DMA is tried afterwards
};

using Sequence = std::vector<Operation>;

/// `steps` operations; the functions that build something up come more often.
[[nodiscard]] Sequence draw(std::uint64_t seed, std::size_t steps);

/// The shortest sequence found that still fails: no single operation of it can be left out.
/// @param fails  true for a sequence that shows the failure; true for `sequence` itself
template <typename Fails>
[[nodiscard]] Sequence shrink(Sequence sequence, Fails fails) {
  for (std::size_t chunk = std::max<std::size_t>(sequence.size() / 2, 1);;) {
    bool shorter = false;
    for (std::size_t end = sequence.size(); end != 0;) {
      // From the back: what comes last depends on what comes first, and not the other way round.
      const std::size_t begin = end > chunk ? end - chunk : 0;
      Sequence without(sequence.begin(), sequence.begin() + static_cast<std::ptrdiff_t>(begin));
      without.insert(without.end(), sequence.begin() + static_cast<std::ptrdiff_t>(end), sequence.end());
      if (fails(without)) {
        sequence = std::move(without);
        shorter = true;
      }
      end = begin;
    }
    if (chunk == 1 && !shorter) return sequence;
    if (chunk > 1) chunk /= 2;
  }
}

}  // namespace sequence
