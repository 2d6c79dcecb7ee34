#include "platform/validation/plot.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "platform/units.h"
#include "platform/validation/number_format.h"

namespace iommu::platform::validation {

namespace {

constexpr double kWidth = 760;
constexpr double kHeight = 440;
constexpr double kLeft = 78;
constexpr double kRight = 24;
constexpr double kTop = 84;  // title and legend
constexpr double kBottom = 62;
constexpr const char* kInk = "#222222";
constexpr const char* kGrid = "#dddddd";
constexpr const char* kMeasured = "#1f5fa8";
constexpr const char* kPublished = "#d9730d";
constexpr const char* kBand = "#f7d9b8";
constexpr const char* kOut = "#c0182b";

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else {
      result += c;
    }
  }
  return result;
}

std::string px(double value) { return fixed_text(value, 1); }

class Svg {
 public:
  Svg() {
    text_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + px(kWidth) + "\" height=\"" + px(kHeight) +
            "\" viewBox=\"0 0 " + px(kWidth) + " " + px(kHeight) +
            "\" font-family=\"DejaVu Sans, Arial, Helvetica, sans-serif\" font-size=\"13\">\n<rect width=\"" +
            px(kWidth) + "\" height=\"" + px(kHeight) + "\" fill=\"#ffffff\"/>\n";
  }
  void line(double x1, double y1, double x2, double y2, const char* colour, double width) {
    text_ += "<line x1=\"" + px(x1) + "\" y1=\"" + px(y1) + "\" x2=\"" + px(x2) + "\" y2=\"" + px(y2) + "\" stroke=\"" +
             colour + "\" stroke-width=\"" + px(width) + "\"/>\n";
  }
  void path(const std::string& element, const std::string& points, const std::string& style) {
    text_ += "<" + element + " points=\"" + points + "\" " + style + "/>\n";
  }
  void circle(double x, double y, double radius, const std::string& style) {
    text_ += "<circle cx=\"" + px(x) + "\" cy=\"" + px(y) + "\" r=\"" + px(radius) + "\" " + style + "/>\n";
  }
  void box(double x, double y, double width, double height, const char* colour) {
    text_ += "<rect x=\"" + px(x) + "\" y=\"" + px(y) + "\" width=\"" + px(width) + "\" height=\"" + px(height) +
             "\" fill=\"" + colour + "\"/>\n";
  }
  /// `anchor`: start, middle or end. `turn`: degrees.
  void text(double x, double y, const std::string& words, const char* anchor, int size = 13, int turn = 0) {
    text_ += "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\" text-anchor=\"" + anchor + "\" font-size=\"" +
             std::to_string(size) + "\" fill=\"" + kInk + "\"";
    if (turn != 0) text_ += " transform=\"rotate(" + std::to_string(turn) + " " + px(x) + " " + px(y) + ")\"";
    text_ += ">" + escaped(words) + "</text>\n";
  }
  [[nodiscard]] std::string take() { return std::move(text_) + "</svg>\n"; }

 private:
  std::string text_;
};

/// From values to places.
class Frame {
 public:
  Frame(const Axis& axis, const SeriesVerdict& series) : log_(axis.scale == Axis::Scale::Log2) {
    double x_low = std::numeric_limits<double>::infinity();
    double x_high = -x_low;
    double y_low = x_low;
    double y_high = x_high;
    const auto cover = [&](const std::optional<double>& y) {
      if (!y || !std::isfinite(*y)) return;
      y_low = std::min(y_low, *y);
      y_high = std::max(y_high, *y);
    };
    for (const PointVerdict& point : series.points) {
      x_low = std::min(x_low, at(point.point->x));
      x_high = std::max(x_high, at(point.point->x));
      cover(point.measured);
      cover(point.point->published);
      cover(point.bounds.low);
      cover(point.bounds.high);
    }
    if (!std::isfinite(y_low)) y_low = y_high = 0;
    // From 0, unless that would waste more than half of the picture.
    if (y_low > 0 && y_low < y_high / 2) y_low = 0;
    if (y_high - y_low < 1e-9) y_high = y_low + 1;
    ticks_ = round_ticks(y_low, y_high, 6);
    const double margin = x_high > x_low ? (x_high - x_low) * 0.03 : 1;
    x_low_ = x_low - margin;
    x_high_ = x_high + margin;
  }
  [[nodiscard]] double x(double value) const {
    return kLeft + (at(value) - x_low_) / (x_high_ - x_low_) * (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double y(double value) const {
    const double share = (value - ticks_.at.front()) / (ticks_.at.back() - ticks_.at.front());
    return kHeight - kBottom - std::clamp(share, 0.0, 1.0) * (kHeight - kTop - kBottom);
  }
  [[nodiscard]] const Ticks& ticks() const { return ticks_; }

 private:
  [[nodiscard]] double at(double value) const { return log_ ? std::log2(std::max(value, 1e-9)) : value; }

  bool log_;
  Ticks ticks_;
  double x_low_ = 0;
  double x_high_ = 1;
};

void draw_axes(Svg& svg, const Frame& frame, const SeriesVerdict& series) {
  const Axis& axis = series.series->axis;
  for (const double tick : frame.ticks().at) {
    svg.line(kLeft, frame.y(tick), kWidth - kRight, frame.y(tick), kGrid, 1);
    svg.text(kLeft - 8, frame.y(tick) + 4.5, fixed_text(tick, frame.ticks().decimals), "end");
  }
  double free_from = 0;  // labels that would touch the one before are left out
  for (const PointVerdict& point : series.points) {
    const double x = frame.x(point.point->x);
    svg.line(x, kTop, x, kHeight - kBottom, kGrid, 1);
    const std::string label = axis.ticks == Axis::Ticks::Bytes ? size_text(static_cast<std::uint64_t>(point.point->x))
                                                               : number_text(point.point->x);
    const double half = static_cast<double>(display_width(label)) * 3.7;
    if (x - half < free_from) continue;
    svg.text(x, kHeight - kBottom + 19, label, "middle", 12);
    free_from = x + half + 5;
  }
  svg.line(kLeft, kTop, kLeft, kHeight - kBottom, kInk, 1.2);
  svg.line(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, kInk, 1.2);
  svg.text((kLeft + kWidth - kRight) / 2, kHeight - 16, axis.label, "middle");
  svg.text(20, (kTop + kHeight - kBottom) / 2, series.series->unit, "middle", 13, -90);
}

void draw_data(Svg& svg, const Frame& frame, const SeriesVerdict& series) {
  const auto place = [&](double x, double y) { return px(frame.x(x)) + "," + px(frame.y(y)) + " "; };
  std::string upper;
  std::string lower;
  std::string measured;
  for (const PointVerdict& point : series.points) {
    const double x = point.point->x;
    upper += place(x, point.bounds.high.value_or(frame.ticks().at.back()));
    lower.insert(0, place(x, point.bounds.low.value_or(frame.ticks().at.front())));
    if (std::isfinite(point.measured)) measured += place(x, point.measured);
  }
  svg.path("polygon", upper + lower, std::string("fill=\"") + kBand + "\" fill-opacity=\"0.65\"");
  svg.path("polyline", measured, std::string("fill=\"none\" stroke=\"") + kMeasured + "\" stroke-width=\"2\"");
  for (const PointVerdict& point : series.points) {
    const double x = frame.x(point.point->x);
    if (point.point->published) {
      svg.circle(x, frame.y(*point.point->published), 4.5, std::string("fill=\"") + kPublished + "\"");
    }
    if (!std::isfinite(point.measured)) continue;
    svg.circle(x, frame.y(point.measured), 2.6, std::string("fill=\"") + kMeasured + "\"");
    if (!point.in) {
      svg.circle(x, frame.y(point.measured), 9,
                 std::string("fill=\"none\" stroke=\"") + kOut + "\" stroke-width=\"2\"");
    }
  }
}

void draw_legend(Svg& svg, const SeriesVerdict& series) {
  const double y = 62;
  double x = kLeft;
  svg.line(x, y - 4, x + 26, y - 4, kMeasured, 2);
  svg.circle(x + 13, y - 4, 2.6, std::string("fill=\"") + kMeasured + "\"");
  svg.text(x + 32, y, "measured in the model", "start");
  x += 205;
  const bool published = std::any_of(series.points.begin(), series.points.end(),
                                     [](const PointVerdict& point) { return point.point->published.has_value(); });
  if (published) {
    svg.circle(x + 6, y - 4, 4.5, std::string("fill=\"") + kPublished + "\"");
    svg.text(x + 17, y, "published", "start");
    x += 110;
  }
  svg.box(x, y - 11, 24, 13, kBand);
  svg.text(x + 30, y, "tolerance", "start");
  x += 120;
  const bool out =
      std::any_of(series.points.begin(), series.points.end(), [](const PointVerdict& point) { return !point.in; });
  if (out) {
    svg.circle(x + 9, y - 4, 8, std::string("fill=\"none\" stroke=\"") + kOut + "\" stroke-width=\"2\"");
    svg.text(x + 23, y, "out", "start");
  }
}

}  // namespace

bool has_plot(const Series& series) { return !series.axis.label.empty() && series.points.size() > 1; }

std::string plot_name(const Experiment& experiment, const Series& series) {
  std::string name = experiment.id;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name + "-" + series.key + ".svg";
}

std::string plot_as_svg(const Experiment& experiment, const SeriesVerdict& series) {
  Svg svg;
  const Frame frame(series.series->axis, series);
  svg.text(kLeft, 24, experiment.id + ": " + experiment.title, "start", 16);
  svg.text(kLeft, 43, series.series->title, "start");
  draw_legend(svg, series);
  draw_axes(svg, frame, series);
  draw_data(svg, frame, series);
  return svg.take();
}

}  // namespace iommu::platform::validation
