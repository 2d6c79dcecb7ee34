#include "platform/validation/runs.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>

#include "platform/child_processes.h"
#include "platform/result_writer.h"

namespace iommu::platform::validation {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// A folder of its own that is gone afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code error;
    const fs::path name = fs::temp_directory_path(error);
    std::string made = (name / "iommu-vp-validate-XXXXXX").string();
    if (!error && mkdtemp(made.data()) == nullptr) error = std::error_code(errno, std::generic_category());
    if (error) {
      throw ConfigError("TMPDIR: no folder for the runs can be made: " + error.message());
    }
    path_ = made;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

template <class Visit>
void visit_points(const std::vector<Experiment>& experiments, Visit&& visit) {
  for (const Experiment& experiment : experiments) {
    for (const Series& series : experiment.series) {
      for (const Point& point : series.points) visit(experiment, series, point);
    }
  }
}

std::string name_of(const Experiment& experiment, const Series& series, const Point& point) {
  return experiment.id + " " + series.key + " " + point.name;
}

/// Results by the text of their scenarios.
std::map<std::string, Json> run_all(const std::vector<PlannedRun>& runs, std::size_t jobs,
                                    const RunProgress& progress) {
  const TemporaryFolder folder;
  std::vector<std::vector<std::string>> commands;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const fs::path base = folder.path() / ("run" + std::to_string(i));
    write_file(base.string() + ".toml", runs[i].text);
    commands.push_back({"run", base.string() + ".toml", "--out=" + base.string(), "--quiet"});
  }
  std::map<std::string, Json> results;
  std::string failures;
  run_children(
      commands,
      [&](std::size_t index, const ChildResult& ended) {
        const PlannedRun& run = runs[index];
        if (ended.exit_code == 0) {
          std::ifstream stream(folder.path() / ("run" + std::to_string(index)) / "result.json");
          results[run.text] = Json::parse(stream);
        } else if (failures.empty()) {
          failures = run.wanted_by + ": the run ended with exit code " + std::to_string(ended.exit_code) + "\n" +
                     ended.errors + "its scenario:\n" + run.text;
        }
        progress(index + 1, runs.size());
      },
      jobs);
  if (!failures.empty()) throw FailedRun(failures);
  return results;
}

}  // namespace

std::vector<PlannedRun> plan(const std::vector<Experiment>& experiments) {
  std::vector<PlannedRun> runs;
  std::map<std::string, std::size_t> known;
  visit_points(experiments, [&](const Experiment& experiment, const Series& series, const Point& point) {
    for (const Scenario& scenario : point.runs) {
      const std::string text = scenario.to_toml();
      if (known.insert({text, runs.size()}).second) runs.push_back({text, name_of(experiment, series, point)});
    }
  });
  return runs;
}

std::vector<ExperimentVerdict> run_experiments(const std::vector<Experiment>& experiments, std::size_t jobs,
                                               const RunProgress& progress) {
  const std::map<std::string, Json> results = run_all(plan(experiments), jobs, progress);
  std::vector<ExperimentVerdict> verdicts;
  const Experiment* last_experiment = nullptr;
  const Series* last_series = nullptr;
  visit_points(experiments, [&](const Experiment& experiment, const Series& series, const Point& point) {
    if (&experiment != last_experiment) verdicts.push_back({&experiment, {}});
    if (&series != last_series) verdicts.back().series.push_back({&series, {}});
    last_experiment = &experiment;
    last_series = &series;
    std::vector<const Json*> own;
    for (const Scenario& scenario : point.runs) own.push_back(&results.at(scenario.to_toml()));
    double measured = 0;
    try {
      measured = point.measure(Results(own));
    } catch (const MissingResult& missing) {
      throw MissingResult(name_of(experiment, series, point) + ": " + missing.what());
    }
    verdicts.back().series.back().points.push_back(judge(point, measured, series.note));
  });
  return verdicts;
}

}  // namespace iommu::platform::validation
