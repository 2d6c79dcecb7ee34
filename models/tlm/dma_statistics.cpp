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
  const auto outcome = static_cast<std::size_t>(report.outcome);
  ++requests;
  if (report.outcome == core::OutcomeClass::Fault) {
    ++faults;
    ++faults_by_reason[report.fault_reason];
  } else {
    bytes += length;
  }
  if (!keeps_latencies) return;
  Outcome& of = outcomes_[outcome];
  if (of.same(report.stages, latency_ticks)) {
    ++of.repeats;
    return;
  }
  if (!of.add(report.stages, latency_ticks)) ++stage_sum_mismatches;
}

bool DmaStatistics::Outcome::add(const core::StageTimes& times, core::Tick latency_ticks) {
  settle();
  latency.add(latency_ticks);
  core::Tick sum = 0;
  for (std::uint32_t left = times.charged(); left != 0; left &= left - 1) {
    const auto stage = static_cast<unsigned>(__builtin_ctz(left));
    const core::Tick ticks = times.of_charged(stage);
    last[stage] = ticks;
    if (ticks == 0) continue;
    sum += ticks;
    stages[stage].add(ticks);
  }
  last_latency = latency_ticks;
  last_charged = sum == latency_ticks ? times.charged() : 0;
  return sum == latency_ticks;
}

bool DmaStatistics::Outcome::same(const core::StageTimes& times, core::Tick latency_ticks) const {
  if (latency_ticks != last_latency || times.charged() != last_charged || last_charged == 0) return false;
  for (std::uint32_t left = last_charged; left != 0; left &= left - 1) {
    const auto stage = static_cast<unsigned>(__builtin_ctz(left));
    if (times.of_charged(stage) != last[stage]) return false;
  }
  return true;
}

void DmaStatistics::Outcome::settle() {
  if (repeats == 0) return;
  latency.add_again(repeats);
  for (std::uint32_t left = last_charged; left != 0; left &= left - 1) {
    const auto stage = static_cast<unsigned>(__builtin_ctz(left));
    if (last[stage] != 0) stages[stage].add_again(repeats);
  }
  repeats = 0;
}

DmaStatistics::Outcome& DmaStatistics::settled(core::OutcomeClass outcome) const {
  Outcome& found = outcomes_[static_cast<std::size_t>(outcome)];
  found.settle();
  return found;
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
  for (Outcome& outcome : outcomes_) {
    outcome.settle();
    all.merge(outcome.latency);
  }
  return all;
}

core::LatencyHistogram DmaStatistics::by_stage(core::Stage stage) const {
  core::LatencyHistogram all;
  for (Outcome& outcome : outcomes_) {
    outcome.settle();
    all.merge(outcome.stages[static_cast<std::size_t>(stage)]);
  }
  return all;
}

core::Tick DmaStatistics::stage_ticks(core::Stage stage) const {
  core::Tick sum = 0;
  for (Outcome& outcome : outcomes_) {
    outcome.settle();
    sum += outcome.stages[static_cast<std::size_t>(stage)].sum();
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
    Outcome& own = outcomes_[o];
    Outcome& from = other.outcomes_[o];
    own.settle();
    from.settle();
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
