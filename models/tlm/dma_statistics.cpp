#include "models/tlm/dma_statistics.h"

#include <algorithm>

namespace iommu::sim {

void DmaStatistics::record(const DmaExtension& report, core::Tick ready, core::Tick end, std::uint64_t length) {
  first_ready = std::min(first_ready, ready);
  last_end = std::max(last_end, end);
  if (end <= rate_from) {
    ++requests_before_rate;
    if (report.outcome != core::OutcomeClass::Fault) bytes_before_rate += length;
  }
  record(report, end - ready, length);
}

void DmaStatistics::record(const DmaExtension& report, core::Tick latency_ticks, std::uint64_t length) {
  ++requests;
  if (report.outcome == core::OutcomeClass::Fault) return record_fault(report, latency_ticks);
  bytes += length;
  record_times(report, latency_ticks);
}

void DmaStatistics::record_fault(const DmaExtension& report, core::Tick latency_ticks) {
  ++faults;
  ++faults_by_reason[report.fault_reason];
  record_times(report, latency_ticks);
}

inline void DmaStatistics::record_times(const DmaExtension& report, core::Tick latency_ticks) {
  if (!keeps_latencies) return;
  Last& last = last_[static_cast<std::size_t>(report.outcome)];
  if (!last.same(report.stages, latency_ticks)) return record_another(report, latency_ticks);
  ++last.repeats;
}

// Not inlined, so that what repeats needs no registers saved.
void DmaStatistics::record_another(const DmaExtension& report, core::Tick latency_ticks) {
  const auto outcome = static_cast<std::size_t>(report.outcome);
  settle(outcome);
  Outcome& of = outcomes_[outcome];
  Last& last = last_[outcome];
  of.latency.add(latency_ticks);
  last.count = 0;
  core::Tick sum = 0;
  for (std::uint32_t left = report.stages.charged(); left != 0; left &= left - 1) {
    const auto stage = static_cast<unsigned>(__builtin_ctz(left));
    const core::Tick ticks = report.stages.of_charged(stage);
    last.stages[last.count] = static_cast<std::uint8_t>(stage);
    last.ticks[last.count++] = ticks;
    if (ticks == 0) continue;
    sum += ticks;
    of.stages[stage].add(ticks);
  }
  last.latency = latency_ticks;
  last.charged = sum == latency_ticks ? report.stages.charged() : 0;
  if (sum != latency_ticks) ++stage_sum_mismatches;
}

void DmaStatistics::settle(std::size_t outcome) const {
  Last& last = last_[outcome];
  if (last.repeats == 0) return;
  Outcome& of = outcomes_[outcome];
  of.latency.add_again(last.repeats);
  for (std::size_t i = 0; i < last.count; ++i) {
    if (last.ticks[i] != 0) of.stages[last.stages[i]].add_again(last.repeats);
  }
  last.repeats = 0;
}

const DmaStatistics::Outcome& DmaStatistics::settled(core::OutcomeClass outcome) const {
  settle(static_cast<std::size_t>(outcome));
  return outcomes_[static_cast<std::size_t>(outcome)];
}

const core::LatencyHistogram& DmaStatistics::of_outcome(core::OutcomeClass outcome) const {
  return settled(outcome).latency;
}

const std::array<core::LatencyHistogram, core::kStageCount>& DmaStatistics::stages_of_outcome(
    core::OutcomeClass outcome) const {
  return settled(outcome).stages;
}

void DmaStatistics::begin_rate(core::Tick at) {
  rate_from = at;
  requests_before_rate = requests;
  bytes_before_rate = bytes;
}

core::LatencyHistogram DmaStatistics::latency() const {
  core::LatencyHistogram all;
  for (std::size_t o = 0; o < core::kOutcomeCount; ++o) {
    all.merge(settled(static_cast<core::OutcomeClass>(o)).latency);
  }
  return all;
}

core::LatencyHistogram DmaStatistics::by_stage(core::Stage stage) const {
  core::LatencyHistogram all;
  for (std::size_t o = 0; o < core::kOutcomeCount; ++o) {
    all.merge(settled(static_cast<core::OutcomeClass>(o)).stages[static_cast<std::size_t>(stage)]);
  }
  return all;
}

core::Tick DmaStatistics::stage_ticks(core::Stage stage) const {
  core::Tick sum = 0;
  for (std::size_t o = 0; o < core::kOutcomeCount; ++o) {
    sum += settled(static_cast<core::OutcomeClass>(o)).stages[static_cast<std::size_t>(stage)].sum();
  }
  return sum;
}

void DmaStatistics::merge(const DmaStatistics& other) {
  requests += other.requests;
  bytes += other.bytes;
  faults += other.faults;
  stage_sum_mismatches += other.stage_sum_mismatches;
  for (std::size_t i = 0; i < faults_by_reason.size(); ++i) faults_by_reason[i] += other.faults_by_reason[i];
  for (std::size_t o = 0; o < core::kOutcomeCount; ++o) {
    settle(o);
    Outcome& own = outcomes_[o];
    const Outcome& from = other.settled(static_cast<core::OutcomeClass>(o));
    own.latency.merge(from.latency);
    for (std::size_t i = 0; i < core::kStageCount; ++i) own.stages[i].merge(from.stages[i]);
  }
}

void DmaStatistics::restart(core::Tick now) {
  const bool latencies = keeps_latencies;
  *this = DmaStatistics();
  keeps_latencies = latencies;
  window_start = now;
}

}  // namespace iommu::sim
