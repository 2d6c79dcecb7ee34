// A series as a picture: what was measured as a line, what was published as dots, the tolerance as a band. SVG.
//
// What it does: lay out axes, ticks, legend; mark points that are out. Only elements that every viewer knows, no script. What
// it does not do: write files, draw series without an axis.
#pragma once

#include <string>

#include "platform/validation/verdict.h"

namespace iommu::platform::validation {

/// True when there is something to draw: an axis and at least two points.
[[nodiscard]] bool has_plot(const Series& series);
/// "v1-bdw.svg".
[[nodiscard]] std::string plot_name(const Experiment& experiment, const Series& series);
[[nodiscard]] std::string plot_as_svg(const Experiment& experiment, const SeriesVerdict& series);

}  // namespace iommu::platform::validation
