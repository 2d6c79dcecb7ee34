#include "platform/suggest.h"

#include <algorithm>

namespace iommu::platform {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> cost((a.size() + 1) * width);
  const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& { return cost[i * width + j]; };
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        at(i, j) = i + j;
        continue;
      }
      const bool same = a[i - 1] == b[j - 1];
      at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
      }
    }
  }
  return at(a.size(), b.size());
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  const std::size_t dot = word.rfind('.');
  const std::size_t last_part = dot == std::string_view::npos ? word.size() : word.size() - dot - 1;
  std::size_t best = std::max<std::size_t>(1, last_part / 3) + 1;
  std::string result;
  for (const std::string& candidate : candidates) {
    // Many keys end with their unit, which is the part that is forgotten first.
    const bool without_unit =
        candidate.size() > word.size() && candidate.compare(0, word.size(), word) == 0 && candidate[word.size()] == '_';
    const std::size_t distance = without_unit ? 1 : edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      result = candidate;
    }
  }
  return result;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates,
                         std::string_view otherwise) {
  const std::string near = nearest(word, candidates);
  if (near.empty()) return std::string(otherwise);
  return "; did you mean \"" + near + "\"?";
}

}  // namespace iommu::platform
