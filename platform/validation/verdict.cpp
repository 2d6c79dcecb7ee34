#include "platform/validation/verdict.h"

#include <cmath>
#include <limits>

namespace iommu::platform::validation {

namespace {

// A bound that was computed is not missed for the last bit.
double slack(double bound) { return std::abs(bound) * 1e-12; }

/// By how much a bound is passed; 0 inside.
double beyond(double measured, const Bounds& bounds) {
  if (bounds.low && measured < *bounds.low - slack(*bounds.low)) return measured - *bounds.low;
  if (bounds.high && measured > *bounds.high + slack(*bounds.high)) return measured - *bounds.high;
  return 0;
}

double share_of(double measured, double deviation, const Point& point, const Bounds& bounds) {
  const double middle = point.published             ? *point.published
                        : bounds.low && bounds.high ? (*bounds.low + *bounds.high) / 2
                                                    : measured - deviation;
  const std::optional<double>& bound = measured < middle ? bounds.low : bounds.high;
  if (!bound) return 0;
  const double allowed = std::abs(*bound - middle);
  const double used = std::abs(measured - middle);
  if (allowed > 0) return used / allowed;
  // One-sided without a published value: beyond it by a share of the bound itself.
  if (used == 0) return 0;
  return 1 + (*bound == 0 ? used : used / std::abs(*bound));
}

}  // namespace

Bounds bounds_of(const Point& point) {
  const Tolerance& tolerance = point.tolerance;
  if (tolerance.kind == Tolerance::Kind::Range) return {tolerance.from, tolerance.to};
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  const double published = point.published.value_or(nothing);
  const double width = tolerance.kind == Tolerance::Kind::Percent ? std::abs(published) * tolerance.width / 100  //
                                                                  : tolerance.width;
  return {published - width, published + width};
}

PointVerdict judge(const Point& point, double measured, const std::string& series_note) {
  PointVerdict verdict;
  verdict.point = &point;
  verdict.measured = measured;
  verdict.bounds = bounds_of(point);
  const double passed = beyond(measured, verdict.bounds);
  const auto unusable = [](const std::optional<double>& bound) { return bound && std::isnan(*bound); };
  verdict.in =
      passed == 0 && std::isfinite(measured) && !unusable(verdict.bounds.low) && !unusable(verdict.bounds.high);
  verdict.deviation = point.published ? measured - *point.published : passed;
  verdict.share = std::isfinite(measured) ? share_of(measured, verdict.deviation, point, verdict.bounds)
                                          : std::numeric_limits<double>::infinity();
  verdict.note = point.note.empty() ? series_note : point.note;
  return verdict;
}

std::size_t ExperimentVerdict::points() const {
  std::size_t count = 0;
  for (const SeriesVerdict& one : series) count += one.points.size();
  return count;
}

std::size_t ExperimentVerdict::points_in() const {
  std::size_t count = 0;
  for (const SeriesVerdict& one : series) {
    for (const PointVerdict& point : one.points) count += point.in ? 1 : 0;
  }
  return count;
}

ExperimentVerdict::Worst ExperimentVerdict::worst() const {
  Worst worst;
  double most = 0;
  for (const SeriesVerdict& one : series) {
    for (const PointVerdict& point : one.points) {
      // Within a range nothing says what would have been better.
      const double share = point.in && !point.point->published ? 0 : point.share;
      if (worst.point == nullptr || share > most) {
        worst = {&one, &point};
        most = share;
      }
    }
  }
  return worst;
}

}  // namespace iommu::platform::validation
