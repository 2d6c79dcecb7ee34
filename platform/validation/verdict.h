// Whether what was measured agrees with what was published.
//
// What it does: turn tolerances into bounds, compare, count. What it does not do: run scenarios, format reports.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "platform/validation/experiment.h"

namespace iommu::platform::validation {

/// Inclusive; an absent one does not bound.
struct Bounds {
  std::optional<double> low;
  std::optional<double> high;
};
/// Absolute and Percent need a published value; without one nothing is allowed (an experiment's defect).
[[nodiscard]] Bounds bounds_of(const Point& point);

struct PointVerdict {
  const Point* point = nullptr;
  double measured = 0;
  Bounds bounds;
  bool in = false;
  /// From the published value; without one, from the bound that is passed, 0 inside.
  double deviation = 0;
  /// The deviation as a share of what is allowed in its direction: over 1 means out. Where only one side is bounded,
  /// 0 inside.
  double share = 0;
  std::string note;  ///< the point's or its series'
};
[[nodiscard]] PointVerdict judge(const Point& point, double measured, const std::string& series_note = "");

struct SeriesVerdict {
  const Series* series = nullptr;
  std::vector<PointVerdict> points;
};

struct ExperimentVerdict {
  const Experiment* experiment = nullptr;
  std::vector<SeriesVerdict> series;

  [[nodiscard]] std::size_t points() const;
  [[nodiscard]] std::size_t points_in() const;
  struct Worst {
    const SeriesVerdict* series = nullptr;
    const PointVerdict* point = nullptr;
  };
  /// The point with the largest share of its tolerance, where one within a range without a published value counts as 0;
  /// the first one of equals. Nothing without points.
  [[nodiscard]] Worst worst() const;
};

}  // namespace iommu::platform::validation
