// From a scenario file to its report.
//
// Does: load, elaborate, run, evaluate expectations, write files. Does not: parse the command line.
#pragma once

#include <string>
#include <vector>

#include "platform/simulation.h"

namespace iommu::platform {

struct RunOptions {
  std::vector<std::string> overrides;  ///< "key=value"
  std::string out;                     ///< folder for results; empty: no files
  bool quiet = false;                  ///< neither table nor progress; mistakes and violated expectations are shown
};

/// Runs one scenario in this process; returns an exit code. Throws ConfigError.
[[nodiscard]] int run_scenario(const std::string& file, const RunOptions& options, const SimulationFactory& factory);

/// Runs several scenarios, each in a child process, as many at once as there are processors; results go to out/<file's
/// stem>/. Shows their output in the order of `files`. Returns the highest exit code. Throws ConfigError when two files
/// have the same stem and results are to be written.
[[nodiscard]] int run_scenarios(const std::vector<std::string>& files, const RunOptions& options);

/// Does everything that run_scenario does before simulating, and prints the resolved scenario. Throws ConfigError.
[[nodiscard]] int check_scenario(const std::string& file, const std::vector<std::string>& overrides,
                                 const SimulationFactory& factory);

}  // namespace iommu::platform
