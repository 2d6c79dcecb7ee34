// A scenario as written: all keys of a file, its bases and the overrides, each with the value that wins.
//
// Does: read files, follow `base`, lay the layers over each other, refuse unknown keys. Does not: convert or check
// values (config.cpp).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "platform/expectations.h"
#include "platform/parameters.h"

namespace iommu::platform {

/// The value of one key.
struct Entry {
  const Parameter* parameter = nullptr;
  RawValue value;
  Location key_where;
  std::filesystem::path
      directory;  ///< of the file that holds it: what relative paths are relative to; empty for the current one
  int layer = 0;  ///< larger wins: bases, then the file, then --set in the order of the command line
};

/// A named table, or one element of an array of tables (then the name is its index).
struct Instance {
  std::string group;  ///< "iommu", "device" or "event"
  std::string name;
  Location where;
};

struct ScenarioSource {
  std::map<std::string, Entry> entries;  ///< by dotted key
  std::vector<Instance> instances;       ///< in the order of the files
  std::vector<Expectation> expectations;

  [[nodiscard]] std::vector<std::string> names_of(const std::string& group) const;
};

/// Reads everything. Keys override each other one by one; [[event]] tables replace those of a base as a whole. Throws
/// ConfigError.
[[nodiscard]] ScenarioSource read_scenario(const std::string& file, const std::vector<std::string>& overrides);
/// The same for a scenario that is in no file; `shown` names it in messages.
[[nodiscard]] ScenarioSource read_scenario_text(const std::string& text, const std::string& shown,
                                                const std::vector<std::string>& overrides);

}  // namespace iommu::platform
