// Numbers and widths as reports and plots show them.
//
// What it does: fixed decimals, ticks of an axis, widths of UTF-8 text. What it does not do: know experiments.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace iommu::platform::validation {

/// With exactly `decimals` decimals; never "-0".
[[nodiscard]] std::string fixed_text(double value, int decimals);
/// Characters of UTF-8 text.
[[nodiscard]] std::size_t display_width(std::string_view text);

struct Ticks {
  std::vector<double> at;
  int decimals = 0;
};
/// About `wanted` round numbers (1, 2 or 5 times a power of ten apart), the first at or below `low`, the last at or above
/// `high`; low < high.
[[nodiscard]] Ticks round_ticks(double low, double high, std::size_t wanted);

}  // namespace iommu::platform::validation
