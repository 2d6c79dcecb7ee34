// Where the shared object that a scenario names is found.
//
// What it does: looks beside the scenario and, for a bare name, in the folder `drivers` beside the running program. What it
// does not do: open it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "platform/config.h"

namespace iommu::platform {

/// The file as written, relative to the file that names it; a name without folder that is not there is looked for in
/// `drivers` beside the program, so that a shipped scenario works from any build folder. Nothing: nowhere.
[[nodiscard]] std::optional<std::filesystem::path> find_driver_file(const InputFile& driver);

}  // namespace iommu::platform
