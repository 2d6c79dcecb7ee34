#include "platform/validate_command.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "platform/command_line.h"
#include "platform/result_writer.h"
#include "platform/suggest.h"
#include "platform/validation/experiments.h"
#include "platform/validation/plot.h"
#include "platform/validation/report.h"
#include "platform/validation/runs.h"

namespace iommu::platform {

namespace {

namespace fs = std::filesystem;
using validation::Experiment;
using validation::ExperimentVerdict;
using validation::Form;
using validation::SeriesVerdict;

constexpr const char* kPlotFolder = "validation";

std::string upper_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

/// Those that were asked for, in the order in which there are.
std::vector<Experiment> chosen(const std::vector<std::string>& ids, Form form) {
  std::vector<Experiment> experiments = validation::all_experiments(form);
  if (ids.empty()) return experiments;
  const auto unwanted = [&](const Experiment& experiment) {
    return std::none_of(ids.begin(), ids.end(), [&](const std::string& id) { return upper_case(id) == experiment.id; });
  };
  experiments.erase(std::remove_if(experiments.begin(), experiments.end(), unwanted), experiments.end());
  return experiments;
}

void write_reports(const fs::path& folder, const std::vector<ExperimentVerdict>& verdicts, Form form) {
  write_file(folder / "validation.csv", validation::report_as_csv(verdicts));
  write_file(folder / "validation.json", to_json_text(validation::report_as_json(verdicts, form)));
  write_file(folder / "validation.md", validation::report_as_markdown(verdicts, form, kPlotFolder));
  for (const ExperimentVerdict& experiment : verdicts) {
    for (const SeriesVerdict& series : experiment.series) {
      if (!validation::has_plot(*series.series)) continue;
      write_file(folder / kPlotFolder / validation::plot_name(*experiment.experiment, *series.series),
                 validation::plot_as_svg(*experiment.experiment, series));
    }
  }
}

/// "V1 bdw 1MiB" -> "v1-bdw-1mib.toml".
std::string file_name(const std::string& point) {
  std::string name;
  for (const char c : point) {
    const auto letter = static_cast<unsigned char>(c);
    name += std::isalnum(letter) != 0 || c == '.' ? static_cast<char>(std::tolower(letter)) : '-';
  }
  return name + ".toml";
}

int write_scenarios(const fs::path& folder, const std::vector<Experiment>& experiments) {
  prepare_directory(folder);
  std::vector<std::string> names;
  for (const validation::PlannedRun& run : validation::plan(experiments)) {
    std::string name = run.wanted_by;
    // A point of several runs: the further ones are numbered.
    const auto same = std::count(names.begin(), names.end(), run.wanted_by);
    if (same != 0) name += " " + std::to_string(same + 1);
    names.push_back(run.wanted_by);
    write_file(folder / file_name(name), run.text);
  }
  std::cout << names.size() << " scenarios in " << folder.string() << "\n";
  return kExitOk;
}

}  // namespace

std::string experiments_problem(const std::vector<std::string>& experiments) {
  std::vector<std::string> known;
  for (const Experiment& experiment : validation::all_experiments(Form::Short)) known.push_back(experiment.id);
  for (const std::string& id : experiments) {
    if (std::find(known.begin(), known.end(), upper_case(id)) != known.end()) continue;
    std::string problem = "unknown experiment \"" + id + "\"" + did_you_mean(upper_case(id), known) + "; allowed:";
    for (const std::string& name : known) problem += " " + name;
    return problem;
  }
  return "";
}

int validate(const ValidateOptions& options) {
  const Form form = options.short_form ? Form::Short : Form::Full;
  const std::vector<Experiment> experiments = chosen(options.experiments, form);
  if (options.list) {
    std::cout << (options.experiments.empty() ? list_experiments(experiments) : list_points(experiments));
    return kExitOk;
  }
  if (!options.scenarios.empty()) return write_scenarios(options.scenarios, experiments);
  // Before the runs: minutes of them should not be lost to a mistyped folder.
  if (!options.out.empty()) prepare_directory(fs::path(options.out) / kPlotFolder);

  const bool show_progress = isatty(STDERR_FILENO) == 1;
  const auto progress = [&](std::size_t done, std::size_t all) {
    if (show_progress) std::cerr << "\r\033[K" << done << " of " << all << " runs done" << std::flush;
  };
  std::vector<ExperimentVerdict> verdicts;
  try {
    verdicts = validation::run_experiments(experiments, options.jobs, progress);
  } catch (const validation::FailedRun& failure) {
    if (show_progress) std::cerr << "\r\033[K";
    std::cerr << failure.what();
    return kExitUser;
  }
  if (show_progress) std::cerr << "\r\033[K" << std::flush;
  if (!options.out.empty()) write_reports(options.out, verdicts, form);
  std::cout << (options.markdown ? report_as_markdown(verdicts, form, kPlotFolder) : report_as_text(verdicts));
  const bool all_in = std::all_of(verdicts.begin(), verdicts.end(), [](const ExperimentVerdict& experiment) {
    return experiment.points_in() == experiment.points();
  });
  return all_in ? kExitOk : kExitViolated;
}

}  // namespace iommu::platform
