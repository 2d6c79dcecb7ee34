// The seam between the command line and the modeled platform.
//
// Does: say how a resolved scenario becomes a running platform and what it gives back. Does not: know files of results,
// tables, expectations (result_writer.h, expectations.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "platform/config.h"

namespace iommu::platform {

/// Hears how far a run is. Called from inside the simulation, as often as is convenient; costs little.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  /// `done` of `total` units of work (requests or packets); `total` 0 when it is not known.
  virtual void progress(double simulated_ns, std::uint64_t done, std::uint64_t total) = 0;
};

/// One elaborated platform. One per process: SystemC can't elaborate twice.
class Simulation {
 public:
  virtual ~Simulation() = default;

  /// Builds and binds all modules and opens every file that the scenario names, down to checking that each can be used;
  /// simulates nothing. Throws ConfigError (with Config::where of the key) for what only shows now, for instance a
  /// truncated capture.
  static std::unique_ptr<Simulation> elaborate(const Config& config);

  /// Runs to the end, once, and returns the measured part of the result; result_writer.h says which members the reports
  /// look at.
  virtual nlohmann::ordered_json run(ProgressSink& progress) = 0;

  /// A mistake of the scenario that only showed in run(), as a ConfigError would name it (a loaded driver that refuses
  /// to begin): run() has ended early and its result means nothing.
  [[nodiscard]] virtual std::optional<std::string> failure() const { return std::nullopt; }
};

/// How the command line gets its simulation: Simulation::elaborate, or a test's own.
using SimulationFactory = std::function<std::unique_ptr<Simulation>(const Config&)>;

}  // namespace iommu::platform
