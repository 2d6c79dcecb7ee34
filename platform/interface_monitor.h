// What each function of the IOMMU interface costs: calls, time, and the register and memory accesses that they cause.
//
// What it does: is told of calls by the API layer and of accesses by the host's ports, and charges each access to the innermost call of
// the thread that makes it. On demand it writes down every access. What it does not do: change, delay or judge anything, or know what an
// access means (transaction_decoder.h).
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "api/function.h"
#include "api/ports.h"
#include "models/core/latency_histogram.h"

namespace iommu::platform {

/// One access of system software, complete.
struct Access {
  enum class Space : std::uint8_t { Registers, Memory };
  Space space = Space::Memory;
  bool write = false;
  std::size_t unit = 0;       ///< Registers: number of the IOMMU in the scenario
  core::Address address = 0;  ///< Registers: offset in the unit's window; Memory: physical address
  std::uint32_t bytes = 0;    ///< 4 or 8; 4096 when a page is filled with zeros
  std::uint64_t value = 0;    ///< what was read or written; 0 for a page of zeros
  core::Tick begin = 0;
  core::Tick end = 0;
};

struct AccessCounts {
  std::uint64_t register_reads = 0;
  std::uint64_t register_writes = 0;
  std::uint64_t memory_reads = 0;
  std::uint64_t memory_writes = 0;  ///< a page of zeros is one
  void add(const Access& access);
};

/// Calls that failed with one status.
struct FailedCalls {
  api::Function function{};
  NTSTATUS status = STATUS_SUCCESS;
  std::uint64_t calls = 0;
  core::Tick first = 0;  ///< when the first one returned
};

/// Of one function. A call counts when it returns, its accesses when they end.
struct FunctionCounters {
  std::uint64_t calls = 0;
  std::uint64_t failures = 0;
  core::LatencyHistogram duration;  ///< simulated time, calls inside of callbacks included
  AccessCounts accesses;            ///< without those of calls inside of callbacks
};

/// A call that was written down.
struct LoggedCall {
  static constexpr core::Tick kRunning = std::numeric_limits<core::Tick>::max();
  api::Function function{};
  core::Tick begin = 0;
  core::Tick end = kRunning;
  NTSTATUS status = STATUS_SUCCESS;  ///< meaningful when it has returned
};

struct LoggedAccess {
  Access access;
  std::optional<std::size_t> call;  ///< index into AccessLog::calls; none: outside of calls
};

/// What an observer of the machine wants written down, and what was.
struct AccessLog {
  std::bitset<api::kFunctions> chosen;  ///< by api::Function
  bool outside_of_calls = false;
  std::vector<LoggedCall> calls;       ///< in the order of their begin
  std::vector<LoggedAccess> accesses;  ///< in the order of their end
};

class InterfaceMonitor final : public api::CallObserver {
 public:
  void entered(api::Function function) override;
  void returned(api::Function function, NTSTATUS status) override;
  /// Called by the ports at the end of each access, on the thread that made it.
  void accessed(const Access& access);

  /// From now on into `log`, which outlives the monitor; null: nowhere. Calls that are under way are not written down.
  void log_to(AccessLog* log) { log_ = log; }

  [[nodiscard]] const FunctionCounters& of(api::Function function) const {
    return functions_[static_cast<std::size_t>(function)];
  }
  /// One entry for each function and failure status that it returned, in the order of the first time.
  [[nodiscard]] const std::vector<FailedCalls>& failed_calls() const { return failed_; }
  /// Start of units, interrupt handlers, the passive-level worker.
  [[nodiscard]] const AccessCounts& outside_of_calls() const { return outside_; }

 private:
  struct Call {
    const void* thread = nullptr;
    api::Function function{};
    core::Tick begin = 0;
    AccessLog* log = nullptr;  // where it is written down
    std::size_t index = 0;     // among that log's calls
  };

  std::array<FunctionCounters, api::kFunctions> functions_{};
  AccessCounts outside_;
  std::vector<FailedCalls> failed_;
  [[nodiscard]] std::vector<Call>::iterator innermost_of(const void* thread);

  std::vector<Call> running_;  // of all threads, a few, each thread's innermost last
  AccessLog* log_ = nullptr;
};

}  // namespace iommu::platform
