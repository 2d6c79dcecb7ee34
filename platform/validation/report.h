// Verdicts as text: a table for the terminal, CSV, JSON, a page.
//
// What it does: format. Everything is the same on every machine. What it does not do: draw (plot.h), write files
// (validate_command.cpp).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "platform/validation/verdict.h"

namespace iommu::platform::validation {

inline constexpr const char* kValidationSchema = "iommu-vp/validation/1";

/// "613", "24.31", "0.714": about four significant digits, at least the integer part.
[[nodiscard]] std::string measured_text(double value);
/// "±10 ns", "±1 %", "20 to 25 Gb/s", "at most 5 %".
[[nodiscard]] std::string tolerance_text(const Tolerance& tolerance, const std::string& unit);
/// "+2.1 ns (+0.3 %)".
[[nodiscard]] std::string deviation_text(const PointVerdict& verdict, const std::string& unit);

/// All points, notes of those that are out, and a line for each experiment.
[[nodiscard]] std::string report_as_text(const std::vector<ExperimentVerdict>& verdicts);
/// experiment,series,point,unit,measured,published,low,high,tolerance,deviation,share_of_tolerance,verdict,note
[[nodiscard]] std::string report_as_csv(const std::vector<ExperimentVerdict>& verdicts);
[[nodiscard]] nlohmann::ordered_json report_as_json(const std::vector<ExperimentVerdict>& verdicts, Form form);
/// The page docs/validation.md; its plots are expected in `plots`, relative to it.
[[nodiscard]] std::string report_as_markdown(const std::vector<ExperimentVerdict>& verdicts, Form form,
                                             const std::string& plots);

/// What there is: a line for each experiment, or all points of each with what they are held to.
[[nodiscard]] std::string list_experiments(const std::vector<Experiment>& experiments);
[[nodiscard]] std::string list_points(const std::vector<Experiment>& experiments);

}  // namespace iommu::platform::validation
