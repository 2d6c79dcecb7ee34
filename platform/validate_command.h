// The command `iommu-vp validate`: published measurements beside what the model gives.
//
// Does: pick experiments, run them, print and write reports, decide the exit code. Does not: parse options
// (command_line.cpp), know experiments (validation/).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace iommu::platform {

struct ValidateOptions {
  std::vector<std::string> experiments;  ///< ids as the user wrote them; empty: all
  std::string out;                       ///< folder for validation.csv, .json, .md and validation/*.svg; empty: none
  std::string scenarios;                 ///< folder to write scenarios into instead of running them; empty: run
  std::size_t jobs = 0;                  ///< processes at a time; 0: as many as processors
  bool short_form = false;
  bool list = false;
  bool markdown = false;  ///< the page instead of the table
};

/// Empty when all experiments exist, else a sentence that says which does not and what is allowed.
[[nodiscard]] std::string experiments_problem(const std::vector<std::string>& experiments);

/// Returns an exit code. Throws ConfigError when files can't be written.
[[nodiscard]] int validate(const ValidateOptions& options);

}  // namespace iommu::platform
