#include "platform/preset_file.h"

#include <algorithm>
#include <vector>

#include "platform/suggest.h"

namespace iommu::platform {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFolder = "presets";

bool is_preset(const fs::path& folder, const fs::path& file) {
  return folder == kFolder && file.extension() == ".toml";
}

fs::path folder_beside_program() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return program.parent_path() / kFolder;
}

}  // namespace

fs::path find_base_file(const fs::path& directory, const std::string& name) {
  const fs::path written = (directory / name).lexically_normal();
  std::error_code error;
  const fs::path asked = name;
  if (fs::exists(written, error) || !is_preset(asked.parent_path(), asked)) return written;
  const fs::path beside = folder_beside_program() / asked.filename();
  return fs::exists(beside, error) ? beside : written;
}

std::string known_presets(const fs::path& path) {
  if (!is_preset(path.parent_path().filename(), path)) return "";
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_beside_program(), error)) {
    if (entry.path().extension() == ".toml") names.push_back((kFolder / entry.path().filename()).generic_string());
  }
  if (names.empty()) return "";
  std::sort(names.begin(), names.end());
  std::string text = did_you_mean((kFolder / path.filename()).generic_string(), names) + "; presets:";
  for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? " " : ", ") + names[i];
  return text;
}

}  // namespace iommu::platform
