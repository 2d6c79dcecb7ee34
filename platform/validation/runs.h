// The runs behind experiments: each scenario once, in a process of its own, many at a time.
//
// What it does: collect the scenarios of all points, run this program with each, read the results, measure every point.
// What it does not do: judge beyond verdict.h, print results.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "platform/validation/experiment.h"
#include "platform/validation/verdict.h"

namespace iommu::platform::validation {

/// A scenario that does not run: the message names the point and says what the run said.
class FailedRun : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A scenario and the point that first wants it: "V1 bdw 1MiB".
struct PlannedRun {
  std::string text;
  std::string wanted_by;
};
/// Every scenario of the experiments once, in the order of the points.
[[nodiscard]] std::vector<PlannedRun> plan(const std::vector<Experiment>& experiments);

/// Called after each run with the number of those that are done and of all.
using RunProgress = std::function<void(std::size_t done, std::size_t all)>;

/// Runs and judges. `jobs`: processes at a time, 0 for as many as there are processors. Verdicts stand in the order of the
/// experiments whatever ends first, and point into `experiments`. Throws FailedRun, MissingResult, std::system_error.
[[nodiscard]] std::vector<ExperimentVerdict> run_experiments(const std::vector<Experiment>& experiments,
                                                             std::size_t jobs, const RunProgress& progress);

}  // namespace iommu::platform::validation
