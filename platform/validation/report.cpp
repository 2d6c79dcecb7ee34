#include "platform/validation/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "platform/units.h"
#include "platform/validation/number_format.h"
#include "platform/validation/plot.h"

namespace iommu::platform::validation {

namespace {

using Json = nlohmann::ordered_json;

using Row = std::vector<std::string>;

/// Columns as wide as their widest cell; `left` of them to the left, the others to the right.
std::string aligned(const std::vector<Row>& rows, std::size_t left, const std::string& indent) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line = indent;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - display_width(row[i]), ' ');
      line += (i == 0 ? "" : "  ") + (i < left ? row[i] + padding : padding + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string published_text(const Point& point) { return point.published ? number_text(*point.published) : "-"; }

const char* verdict_text(const PointVerdict& verdict) { return verdict.in ? "ok" : "out"; }

Row cells(const PointVerdict& verdict, const std::string& unit) {
  return {verdict.point->name,           measured_text(verdict.measured) + " " + unit,   published_text(*verdict.point),
          deviation_text(verdict, unit), tolerance_text(verdict.point->tolerance, unit), verdict_text(verdict)};
}

std::string worst_text(const ExperimentVerdict& verdict) {
  const ExperimentVerdict::Worst worst = verdict.worst();
  if (worst.point == nullptr) return "none";
  return worst.series->series->key + " " + worst.point->point->name + ", " +
         deviation_text(*worst.point, worst.series->series->unit);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + "\"";
}

double rounded(double value) { return std::round(value * 1e6) / 1e6; }

std::string optional_csv(const std::optional<double>& value) { return value ? number_text(rounded(*value)) : ""; }
Json optional_json(const std::optional<double>& value) { return value ? Json(rounded(*value)) : Json(nullptr); }

/// Each reason once, with the points that it is for.
std::vector<std::string> notes_of(const SeriesVerdict& series) {
  std::vector<std::pair<std::string, std::string>> notes;
  for (const PointVerdict& point : series.points) {
    if (point.in) continue;
    const std::string reason = point.note.empty() ? "no known reason" : point.note;
    const auto found = std::find_if(notes.begin(), notes.end(), [&](const auto& note) { return note.first == reason; });
    if (found == notes.end()) {
      notes.emplace_back(reason, point.point->name);
    } else {
      found->second += ", " + point.point->name;
    }
  }
  std::vector<std::string> lines;
  for (const auto& [reason, points] : notes) lines.push_back("out (" + points + "): " + reason);
  return lines;
}

std::string count_text(const ExperimentVerdict& verdict) {
  return std::to_string(verdict.points_in()) + " of " + std::to_string(verdict.points());
}

std::string markdown_row(const Row& row) {
  std::string line = "|";
  for (const std::string& cell : row) line += " " + cell + " |";
  return line + "\n";
}

}  // namespace

std::string measured_text(double value) {
  if (!std::isfinite(value)) return "none";
  const double size = std::abs(value);
  return fixed_text(value, size >= 999.95 ? 0 : size >= 99.995 ? 1 : size >= 9.9995 ? 2 : 3);
}

std::string tolerance_text(const Tolerance& tolerance, const std::string& unit) {
  switch (tolerance.kind) {
    case Tolerance::Kind::Absolute:
      return "±" + number_text(tolerance.width) + " " + unit;
    case Tolerance::Kind::Percent:
      return "±" + number_text(tolerance.width) + " %";
    case Tolerance::Kind::Range:
      break;
  }
  if (!tolerance.from) return "at most " + number_text(tolerance.to.value_or(0)) + " " + unit;
  if (!tolerance.to) return "at least " + number_text(*tolerance.from) + " " + unit;
  return number_text(*tolerance.from) + " to " + number_text(*tolerance.to) + " " + unit;
}

std::string deviation_text(const PointVerdict& verdict, const std::string& unit) {
  if (!std::isfinite(verdict.deviation)) return "none";
  const auto sign = [](double value) { return value < 0 ? "" : "+"; };
  std::string text = sign(verdict.deviation) + measured_text(verdict.deviation) + " " + unit;
  const std::optional<double>& published = verdict.point->published;
  if (published && *published != 0) {
    const double share = verdict.deviation / std::abs(*published) * 100;
    text += std::string(" (") + sign(share) + fixed_text(share, 1) + " %)";
  }
  return text;
}

std::string report_as_text(const std::vector<ExperimentVerdict>& verdicts) {
  std::string text;
  for (const ExperimentVerdict& experiment : verdicts) {
    text +=
        experiment.experiment->id + ": " + experiment.experiment->title + " (" + experiment.experiment->source + ")\n";
    for (const SeriesVerdict& series : experiment.series) {
      text += "\n  " + series.series->title + " [" + series.series->key + "]\n";
      std::vector<Row> rows{{"point", "measured", "published", "deviation", "tolerance", "verdict"}};
      for (const PointVerdict& point : series.points) rows.push_back(cells(point, series.series->unit));
      text += aligned(rows, 1, "  ");
      for (const std::string& note : notes_of(series)) text += "  " + note + "\n";
    }
    text += "\n";
  }
  std::vector<Row> summary{{"experiment", "title", "within", "worst deviation"}};
  for (const ExperimentVerdict& experiment : verdicts) {
    summary.push_back(
        {experiment.experiment->id, experiment.experiment->title, count_text(experiment), worst_text(experiment)});
  }
  return text + aligned(summary, 4, "");
}

std::string report_as_csv(const std::vector<ExperimentVerdict>& verdicts) {
  std::string text =
      "experiment,series,point,unit,measured,published,low,high,tolerance,deviation,share_of_tolerance,verdict,note\n";
  for (const ExperimentVerdict& experiment : verdicts) {
    for (const SeriesVerdict& series : experiment.series) {
      for (const PointVerdict& point : series.points) {
        const Row row{experiment.experiment->id,
                      series.series->key,
                      point.point->name,
                      series.series->unit,
                      optional_csv(point.measured),
                      optional_csv(point.point->published),
                      optional_csv(point.bounds.low),
                      optional_csv(point.bounds.high),
                      tolerance_text(point.point->tolerance, series.series->unit),
                      optional_csv(point.deviation),
                      optional_csv(point.share),
                      verdict_text(point),
                      point.in ? "" : point.note};
        for (std::size_t i = 0; i < row.size(); ++i) text += (i == 0 ? "" : ",") + csv_field(row[i]);
        text += "\n";
      }
    }
  }
  return text;
}

Json report_as_json(const std::vector<ExperimentVerdict>& verdicts, Form form) {
  Json json;
  json["schema"] = kValidationSchema;
  json["form"] = form == Form::Short ? "short" : "full";
  Json& experiments = json["experiments"] = Json::array();
  for (const ExperimentVerdict& experiment : verdicts) {
    Json node{{"id", experiment.experiment->id},
              {"title", experiment.experiment->title},
              {"source", experiment.experiment->source},
              {"points", experiment.points()},
              {"points_in", experiment.points_in()}};
    for (const SeriesVerdict& series : experiment.series) {
      Json table{{"key", series.series->key}, {"title", series.series->title}, {"unit", series.series->unit}};
      for (const PointVerdict& point : series.points) {
        table["points"].push_back({{"name", point.point->name},
                                   {"x", point.point->x},
                                   {"measured", rounded(point.measured)},
                                   {"published", optional_json(point.point->published)},
                                   {"low", optional_json(point.bounds.low)},
                                   {"high", optional_json(point.bounds.high)},
                                   {"deviation", rounded(point.deviation)},
                                   {"share_of_tolerance", rounded(point.share)},
                                   {"verdict", verdict_text(point)},
                                   {"note", point.in ? "" : point.note}});
      }
      node["series"].push_back(std::move(table));
    }
    experiments.push_back(std::move(node));
  }
  return json;
}

std::string report_as_markdown(const std::vector<ExperimentVerdict>& verdicts, Form form, const std::string& plots) {
  std::string text =
      "# Validation\n\n"
      "What the model gives beside what was measured on real machines or follows from published models. Made by "
      "`iommu-vp validate --out docs`,\n"
      "which also writes `validation.csv`, `validation.json` and the plots. All numbers are simulated: they are the "
      "same on every machine.\n\n"
      "A point is *ok* when the measured value is within the tolerance, which was set with the experiment and not "
      "after its result. "
      "Points that are out stay here\n"
      "with the reason, as far as it is known.\n\n";
  if (form == Form::Short) text += "Short form: fewer points, fewer samples.\n\n";
  text += markdown_row({"experiment", "title", "points within", "worst deviation"}) + "|---|---|---|---|\n";
  for (const ExperimentVerdict& experiment : verdicts) {
    text += markdown_row(
        {experiment.experiment->id, experiment.experiment->title, count_text(experiment), worst_text(experiment)});
  }
  for (const ExperimentVerdict& experiment : verdicts) {
    text += "\n## " + experiment.experiment->id + ": " + experiment.experiment->title + "\n\n";
    text += "Source: " + experiment.experiment->source + ".\n\n" + experiment.experiment->setup + "\n";
    if (!experiment.experiment->differences.empty()) text += "\nDifferences from the source:\n\n";
    for (const std::string& difference : experiment.experiment->differences) text += "- " + difference + "\n";
    for (const SeriesVerdict& series : experiment.series) {
      text += "\n### " + experiment.experiment->id + ", " + series.series->title + "\n\n";
      if (has_plot(*series.series)) {
        text += "![" + series.series->title + "](" + plots + "/" + plot_name(*experiment.experiment, *series.series) +
                ")\n\n";
      }
      text += markdown_row({"point", "measured", "published", "deviation", "tolerance", "verdict"}) +
              "|---|---:|---:|---:|---:|---|\n";
      for (const PointVerdict& point : series.points) {
        Row row = cells(point, series.series->unit);
        if (!point.in) row.back() = "**out**";
        text += markdown_row(row);
      }
      const std::vector<std::string> notes = notes_of(series);
      if (!notes.empty()) text += "\n";
      for (const std::string& note : notes) text += "- " + note + "\n";
    }
  }
  return text;
}

std::string list_experiments(const std::vector<Experiment>& experiments) {
  std::vector<Row> rows;
  for (const Experiment& experiment : experiments) {
    std::size_t points = 0;
    for (const Series& series : experiment.series) points += series.points.size();
    rows.push_back({experiment.id, experiment.title, std::to_string(points) + " points", experiment.source});
  }
  return aligned(rows, 4, "");
}

std::string list_points(const std::vector<Experiment>& experiments) {
  std::vector<Row> rows{{"experiment", "series", "point", "published", "unit", "tolerance"}};
  for (const Experiment& experiment : experiments) {
    for (const Series& series : experiment.series) {
      for (const Point& point : series.points) {
        rows.push_back({experiment.id, series.key, point.name, published_text(point), series.unit,
                        tolerance_text(point.tolerance, series.unit)});
      }
    }
  }
  return aligned(rows, 6, "");
}

}  // namespace iommu::platform::validation
