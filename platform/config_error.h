// What the user of the simulator did wrong, with the place where it stands.
//
// Does: name file, line and column in front of a message. Does not: decide exit codes (command_line.cpp: always 2),
// describe faults of modeled hardware (those are results, never exceptions).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace iommu::platform {

/// A place in a scenario file, or the command line. `line` 0 means: no line is known (a whole file, or `--set`).
struct Location {
  std::string source;        ///< file as the user named it, or "--set"
  std::uint32_t line = 0;    ///< from 1
  std::uint32_t column = 0;  ///< from 1

  /// "file:line:column", or only the source; empty when nothing is known.
  [[nodiscard]] std::string text() const;
};

/// A mistake of the user: what() is one or more complete lines of the form "file:line:column: key = value: what is
/// wrong, what is allowed".
class ConfigError : public std::runtime_error {
 public:
  explicit ConfigError(const std::string& message) : std::runtime_error(message) {}
  ConfigError(const Location& where, const std::string& message);
};

/// Collects mistakes, so that the user sees all of them at once.
class Problems {
 public:
  void add(const Location& where, const std::string& message) { add(ConfigError(where, message)); }
  void add(const ConfigError& error) { messages_.emplace_back(error.what()); }
  /// Throws one ConfigError with a line for each mistake added so far, in that order; returns when there are none.
  void throw_if_any() const;

 private:
  std::vector<std::string> messages_;
};

}  // namespace iommu::platform
