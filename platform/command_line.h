// The iommu-vp command line: run, check, explain, validate, params.
//
// Does: parse arguments, run scenarios, show and write results, decide exit codes. Does not: simulate (simulation.h,
// explain.h).
#pragma once

#include <string>
#include <vector>

#include "platform/explanation.h"
#include "platform/simulation.h"

namespace iommu::platform {

// Exit codes. Of several scenarios the highest one wins.
inline constexpr int kExitOk = 0;
inline constexpr int kExitViolated = 1;  ///< an expectation doesn't hold, a point of an experiment is out
inline constexpr int kExitUser = 2;      ///< wrong command line, scenario or input file; nothing half-written
inline constexpr int kExitInternal = 3;  ///< a defect of the simulator

/// Runs the program with `arguments` (without the program's name) on the process's own output streams; returns the exit
/// code. `factory` makes the simulations, `explainer` the explanations.
[[nodiscard]] int run_command_line(const std::vector<std::string>& arguments, const SimulationFactory& factory,
                                   const Explainer& explainer);

}  // namespace iommu::platform
