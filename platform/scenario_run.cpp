#include "platform/scenario_run.h"

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "platform/child_processes.h"
#include "platform/command_line.h"
#include "platform/expectations.h"
#include "platform/progress_line.h"
#include "platform/result_table.h"
#include "platform/result_writer.h"
#include "platform/units.h"

namespace iommu::platform {

namespace {

namespace fs = std::filesystem;

/// One definition of "everything up to the simulation" for run and check, so that both find the same mistakes in the
/// same words.
std::unique_ptr<Simulation> prepare(const std::string& file, const std::vector<std::string>& overrides,
                                    const SimulationFactory& factory, Config& config) {
  config = load_config(file, overrides);
  return factory(config);
}

int report_expectations(const ExpectationReport& report) {
  for (const std::string& line : report.unknown) std::cerr << line << "\n";
  for (const std::string& line : report.violations) std::cerr << line << "\n";
  if (!report.unknown.empty()) return kExitUser;
  return report.violations.empty() ? kExitOk : kExitViolated;
}

void refuse_equal_stems(const std::vector<std::string>& files) {
  std::map<std::string, std::string> seen;
  for (const std::string& file : files) {
    const auto [other, fresh] = seen.insert({fs::path(file).stem().string(), file});
    if (!fresh) {
      throw ConfigError("--out: results of " + quote(other->second) + " and " + quote(file) + " would both go to " +
                        other->first + "/; allowed: files of different names");
    }
  }
}

}  // namespace

int run_scenario(const std::string& file, const RunOptions& options, const SimulationFactory& factory) {
  Config config;
  const std::unique_ptr<Simulation> simulation = prepare(file, options.overrides, factory, config);
  // Before the simulation: hours of it should not be lost to a mistyped folder.
  const bool fresh = !options.out.empty() && !fs::exists(options.out);
  if (!options.out.empty()) prepare_directory(options.out);
  nlohmann::ordered_json measured;
  {
    ProgressLine progress(config.name, !options.quiet && isatty(STDERR_FILENO) == 1);
    measured = simulation->run(progress);
  }
  // No exception: sanitizers lose track of the stack once the simulation has switched it.
  if (const std::optional<std::string> failure = simulation->failure()) {
    std::error_code ignored;
    if (fresh) fs::remove(options.out, ignored);  // there is nothing in it
    std::cerr << *failure << "\n";
    return kExitUser;
  }
  const nlohmann::ordered_json result = complete_result(config, measured);
  const std::string text = to_json_text(result);
  if (!options.out.empty()) {
    write_file(fs::path(options.out) / "result.json", text);
    write_file(fs::path(options.out) / "latency.csv", to_csv_text(result));
  }
  if (!options.quiet) std::cout << to_table(result) << std::flush;
  // What is judged is what stands in the file.
  return report_expectations(evaluate(config.expectations, nlohmann::ordered_json::parse(text)));
}

int run_scenarios(const std::vector<std::string>& files, const RunOptions& options) {
  if (!options.out.empty()) refuse_equal_stems(files);
  std::vector<std::vector<std::string>> commands;
  for (const std::string& file : files) {
    std::vector<std::string> command{"run", file};
    for (const std::string& text : options.overrides) command.push_back("--set=" + text);
    if (!options.out.empty()) command.push_back("--out=" + (fs::path(options.out) / fs::path(file).stem()).string());
    if (options.quiet) command.emplace_back("--quiet");
    commands.push_back(std::move(command));
  }
  int worst = kExitOk;
  std::string failed;
  const bool show_progress = !options.quiet && isatty(STDERR_FILENO) == 1;
  run_children(commands, [&](std::size_t index, const ChildResult& result) {
    if (show_progress) std::cerr << "\r\033[K" << std::flush;
    if (!result.output.empty()) std::cout << "== " << files[index] << " ==\n" << result.output << "\n" << std::flush;
    if (!result.errors.empty()) std::cerr << "== " << files[index] << " ==\n" << result.errors << std::flush;
    if (result.exit_code != kExitOk)
      failed += "\n  " + files[index] + ": exit code " + std::to_string(result.exit_code);
    worst = std::max(worst, result.exit_code);
    if (show_progress) std::cerr << index + 1 << " of " << files.size() << " scenarios done" << std::flush;
  });
  if (show_progress) std::cerr << "\r\033[K" << std::flush;
  if (!failed.empty()) std::cerr << "Not all scenarios passed:" << failed << "\n";
  return worst;
}

int check_scenario(const std::string& file, const std::vector<std::string>& overrides,
                   const SimulationFactory& factory) {
  Config config;
  const std::unique_ptr<Simulation> simulation = prepare(file, overrides, factory, config);
  std::cout << config.to_toml();
  return kExitOk;
}

}  // namespace iommu::platform
