// Where the preset of a machine that a scenario names as its base is found.
//
// What it does: look beside the running program for what is not beside the scenario. What it does not do: read it.
#pragma once

#include <filesystem>
#include <string>

namespace iommu::platform {

/// The file as written, relative to `directory`. When there is none and the name is "presets/NAME.toml", the file of that name
/// in the folder `presets` beside the program, if it is there: so presets can be named from anywhere.
[[nodiscard]] std::filesystem::path find_base_file(const std::filesystem::path& directory, const std::string& name);

/// For a message about `path`, which is not there: the presets beside the program, "; presets: presets/a.toml, presets/b.toml".
/// Empty when the path is in no folder `presets`, or there are none.
[[nodiscard]] std::string known_presets(const std::filesystem::path& path);

}  // namespace iommu::platform
