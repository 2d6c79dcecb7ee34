// What is validated: a published measurement as a table of points, each with the runs that reproduce it.
//
// What it does: hold points, tolerances and measures, and build series in a few words. What it does not do: run anything
// (runs.h), judge (verdict.h), print (report.h, plot.h).
//
// An experiment is one file, v<number>_*.cpp, with one function that returns an Experiment, listed in experiments.cpp. Its published
// values are literals there, one table for each series, as they stand in the source. The device under test is called
// "dma" (kDevice) in scenarios and presets.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "platform/validation/scenario.h"

namespace iommu::platform::validation {

inline constexpr const char* kDevice = "dma";

/// Full: what docs/validation.md shows. Short: fewer points and fewer samples, to see that everything works.
enum class Form { Full, Short };

/// The results of a point's runs, in the order of Point::runs.
class Results {
 public:
  explicit Results(std::vector<const nlohmann::ordered_json*> results) : results_(std::move(results)) {}
  /// The number at a dotted path of result.json, such as "masters.dma.latency.mean_ns". Throws MissingResult.
  [[nodiscard]] double number(std::string_view path, std::size_t run = 0) const;
  [[nodiscard]] const nlohmann::ordered_json& json(std::size_t run = 0) const { return *results_[run]; }

 private:
  std::vector<const nlohmann::ordered_json*> results_;
};

/// An experiment asks for something that results do not have: a defect of the experiment.
class MissingResult : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using Measure = std::function<double(const Results&)>;

/// The number at a path, times `factor`.
[[nodiscard]] Measure value_of(std::string path, double factor = 1);
/// The device's payload over the measured time, in 10^9 bits a second, times `factor`.
[[nodiscard]] Measure gbit_per_s(double factor = 1);
/// The first run's number less the second one's.
[[nodiscard]] Measure difference_of(std::string path);
/// The first run's number as a share of the second one's.
[[nodiscard]] Measure ratio_of(std::string path);

/// How far a measured value may be from the published one: bounds, both inclusive, either may be absent.
struct Tolerance {
  enum class Kind { Absolute, Percent, Range };
  Kind kind = Kind::Absolute;
  double width = 0;            ///< Absolute and Percent
  std::optional<double> from;  ///< Range
  std::optional<double> to;
};
[[nodiscard]] Tolerance absolute(double width);
[[nodiscard]] Tolerance percent(double width);
[[nodiscard]] Tolerance between(double from, double to);
[[nodiscard]] Tolerance at_least(double from);
[[nodiscard]] Tolerance at_most(double to);

struct Point {
  std::string name;  ///< unique in its series: "1MiB"
  double x = 0;      ///< where it stands in the plot
  std::vector<Scenario> runs;
  Measure measure;
  std::optional<double> published;  ///< absent: the source gives the range only
  Tolerance tolerance;
  std::string note;  ///< shown when the point is out: why
};

/// What x is. `label` empty: the points have no order worth a plot.
struct Axis {
  std::string label;
  enum class Scale { Linear, Log2 } scale = Scale::Linear;
  enum class Ticks { Number, Bytes } ticks = Ticks::Number;
};
[[nodiscard]] Axis no_axis();
[[nodiscard]] Axis bytes_axis(std::string label);  ///< log2, ticks such as 64KiB

struct Series {
  std::string key;    ///< in file names: lower case, unique in its experiment: "bdw"
  std::string title;  ///< "BDW E5-2630v4, 64 B reads, cold"
  std::string unit;
  Axis axis;
  std::vector<Point> points;
  std::string note;  ///< of every point that is out and has none of its own

  void add(Point point) { points.push_back(std::move(point)); }
};

struct Experiment {
  std::string id;                        ///< "V1"
  std::string title;                     ///< "Serial latency against window"
  std::string source;                    ///< the publication, and its machine
  std::string setup;                     ///< what is run, in a sentence or two
  std::vector<std::string> differences;  ///< where the setup differs from the source, or simplifies it
  std::vector<Series> series;
};

}  // namespace iommu::platform::validation
