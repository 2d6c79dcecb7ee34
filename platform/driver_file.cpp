#include "platform/driver_file.h"

namespace iommu::platform {

namespace fs = std::filesystem;

std::optional<fs::path> find_driver_file(const InputFile& driver) {
  std::error_code error;
  if (fs::exists(driver.path, error) && !fs::is_directory(driver.path, error)) return fs::absolute(driver.path);
  const fs::path name = driver.shown;
  if (name.has_parent_path()) return std::nullopt;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return std::nullopt;
  const fs::path beside = program.parent_path() / "drivers" / name;
  if (fs::exists(beside, error) && !fs::is_directory(beside, error)) return beside;
  return std::nullopt;
}

}  // namespace iommu::platform
