// A folder of its own for a test's scenario files, which is the current folder while the test runs, so that messages
// name files shortly.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "platform/config.h"

class ScenarioFolder {
 public:
  ScenarioFolder() : before_(std::filesystem::current_path()) {
    std::string pattern = (std::filesystem::temp_directory_path() / "iommu-vp-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = pattern;
    std::filesystem::current_path(path_);
  }
  ScenarioFolder(const ScenarioFolder&) = delete;
  ScenarioFolder& operator=(const ScenarioFolder&) = delete;
  ~ScenarioFolder() {
    std::error_code ignored;
    std::filesystem::current_path(before_, ignored);
    std::filesystem::remove_all(path_, ignored);
  }

  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }

  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream stream(path_ / name);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path before_;
  std::filesystem::path path_;
};

/// What load_config says to s.toml with this text; empty when it has nothing to say.
inline std::string message_for(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const ScenarioFolder folder;
  folder.write("s.toml", text);
  folder.write("ok.pcap", "not looked at");
  try {
    (void)iommu::platform::load_config("s.toml", overrides);
  } catch (const iommu::platform::ConfigError& error) {
    return error.what();
  }
  return "";
}

/// The Config of s.toml with this text.
inline iommu::platform::Config config_for(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const ScenarioFolder folder;
  folder.write("s.toml", text);
  folder.write("ok.pcap", "not looked at");
  return iommu::platform::load_config("s.toml", overrides);
}
