// What is counted of one master's DMA: how many, how long, how each was translated, where the time went.
//
// What it does: takes one finished operation's report at a time; a window can be restarted. What it does not do: print,
// know units of results (ticks here), or know modules.
//
// A rate is completions over the time in which they came: from the first operation's wish, or from begin_rate() on (the
// end of a warm-up), to the last completion.
#pragma once

#include <array>
#include <cstdint>

#include "models/core/latency_histogram.h"
#include "models/core/stages.h"
#include "models/tlm/dma_extension.h"

namespace iommu::sim {

struct DmaStatistics {
  std::uint64_t requests = 0;                        ///< operations that have ended, failed ones included
  std::uint64_t bytes = 0;                           ///< moved by operations that succeeded
  std::uint64_t faults = 0;                          ///< operations that failed
  std::array<std::uint64_t, 256> faults_by_reason{}; /**< the same by the translation unit's code; under 0 those that
                                                        were blocked silently or refused by a target */
  std::uint64_t stage_sum_mismatches = 0;            ///< operations whose stages don't sum to their latency: must be 0
  core::Tick window_start = 0;                       ///< time of the last restart()
  core::Tick first_ready = ~core::Tick{0};           ///< when the first operation was wanted
  core::Tick last_end = 0;                           ///< when the last operation ended
  core::Tick rate_from = 0;                          ///< of begin_rate(); 0: not called
  std::uint64_t requests_before_rate = 0;            ///< of `requests`: ended at rate_from or before
  std::uint64_t bytes_before_rate = 0;               ///< of `bytes`, likewise

  bool keeps_latencies = true;  ///< false: only the counters above; latencies stay empty

  [[nodiscard]] const core::LatencyHistogram& of_outcome(core::OutcomeClass outcome) const;  ///< failed ones included
  /// Of the outcome's operations that spent time there, by stage.
  [[nodiscard]] const std::array<core::LatencyHistogram, core::kStageCount>& stages_of_outcome(
      core::OutcomeClass outcome) const;

  // Sums over outcomes, made when asked for: an operation is recorded once for itself and once for each stage.
  [[nodiscard]] core::LatencyHistogram latency() const;                    ///< of all operations
  [[nodiscard]] core::LatencyHistogram by_stage(core::Stage stage) const;  ///< of those that spent time there
  [[nodiscard]] core::Tick stage_ticks(core::Stage stage) const;           ///< sum over all operations

  /// Counts one operation that took `latency` ticks, which `report.stages` should sum to. A failed one has the outcome
  /// Fault and moved no bytes, whatever `length` is.
  void record(const DmaExtension& report, core::Tick latency_ticks, std::uint64_t length);
  /// The same for one that was wanted at `ready` and ended at `end`, which the rate needs to know.
  void record(const DmaExtension& report, core::Tick ready, core::Tick end, std::uint64_t length);

  /// The rate is of operations that end after `at`.
  void begin_rate(core::Tick at);
  [[nodiscard]] core::Tick rate_begin() const { return rate_from != 0 ? rate_from : first_ready; }
  /// Length of the time that the rate is of; 0: nothing has ended in it.
  [[nodiscard]] core::Tick rate_time() const { return last_end > rate_begin() ? last_end - rate_begin() : 0; }
  [[nodiscard]] std::uint64_t rate_requests() const { return requests - requests_before_rate; }
  [[nodiscard]] std::uint64_t rate_bytes() const { return bytes - bytes_before_rate; }

  /// Forgets everything; operations under way count in the window in which they end.
  void restart(core::Tick now);

  /// Adds another master's counts and latencies; times stay its own.
  void merge(const DmaStatistics& other);

  /// Calls visit(name, unit, description, value) for each plain counter.
  template <class Visitor>
  void visit_counters(Visitor&& visit) const {
    visit("requests", "", "operations that have ended, failed ones included", requests);
    visit("bytes", "B", "bytes moved by operations that succeeded", bytes);
    visit("faults", "", "operations that failed", faults);
    visit("stage_sum_mismatches", "", "operations whose stages don't sum to their latency", stage_sum_mismatches);
  }

 private:
  struct Outcome {
    core::LatencyHistogram latency;
    std::array<core::LatencyHistogram, core::kStageCount> stages;
  };
  // An operation that took in each stage what the last one of its outcome took is only counted: it is sorted in when
  // another one comes or somebody asks.
  struct Last {
    std::uint64_t repeats = 0;
    core::Tick latency = 0;
    std::uint32_t charged = 0;                             // as of core::StageTimes; 0: nothing can be like it
    std::uint32_t count = 0;                               // of these
    std::array<std::uint8_t, core::kStageCount> stages{};  // which they are
    std::array<core::Tick, core::kStageCount> ticks{};     // what each of them took

    [[nodiscard]] bool same(const core::StageTimes& times, core::Tick latency_ticks) const {
      if (times.charged() != charged || latency_ticks != latency || charged == 0) return false;
      for (std::size_t i = 0; i < count; ++i) {
        if (times.of_charged(stages[i]) != ticks[i]) return false;
      }
      return true;
    }
  };
  [[gnu::noinline]] void record_fault(const DmaExtension& report, core::Tick latency_ticks);
  void record_times(const DmaExtension& report, core::Tick latency_ticks);
  [[gnu::noinline]] void record_another(const DmaExtension& report, core::Tick latency_ticks);
  void settle(std::size_t outcome) const;
  [[nodiscard]] const Outcome& settled(core::OutcomeClass outcome) const;
  mutable std::array<Outcome, core::kOutcomeCount> outcomes_;
  mutable std::array<Last, core::kOutcomeCount> last_;
};

}  // namespace iommu::sim
