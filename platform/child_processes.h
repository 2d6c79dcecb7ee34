// This program run several times side by side.
//
// Does: start, collect output without mixing it, limit the number at once. Does not: know what the children do.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace iommu::platform {

struct ChildResult {
  int exit_code = 0;   ///< 128 + signal when one ended it
  std::string output;  ///< standard output
  std::string errors;  ///< standard error
};

/// Runs this program once with each of `commands` (arguments without the program's name), `jobs` at a time, or as many as the
/// process may use processors when that is 0. `done` hears of each child in the order of `commands`, as early as that order allows.
/// Throws std::system_error when no child can be started.
void run_children(const std::vector<std::vector<std::string>>& commands,
                  const std::function<void(std::size_t index, const ChildResult&)>& done, std::size_t jobs = 0);

}  // namespace iommu::platform
