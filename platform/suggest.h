// "Did you mean": the nearest of a list of words.
//
// Does: compare by edit distance. Does not: know what the words are.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace iommu::platform {

/// Smallest number of insertions, deletions, replacements and swaps of neighbours that make `b` from `a` (optimal
/// string alignment).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, the first one of several; empty when none is within max(1, a third of the length of
/// word's last dotted part). A candidate that is `word` with a "_unit" behind it counts as distance 1.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// `; did you mean "x"?`, or `otherwise` when nothing is near.
[[nodiscard]] std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates,
                                       std::string_view otherwise = "");

}  // namespace iommu::platform
