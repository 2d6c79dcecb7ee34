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
  by_outcome[outcome].add(latency_ticks);
  core::Tick sum = 0;
  auto& by_stage = by_outcome_stage[outcome];
  report.stages.visit([&](std::size_t stage, core::Tick ticks) {
    sum += ticks;
    by_stage[stage].add(ticks);
  });
  if (sum != latency_ticks) ++stage_sum_mismatches;
}

void DmaStatistics::begin_rate(core::Tick at) {
  rate_from = at;
  requests_before_rate = requests;
  bytes_before_rate = bytes;
}

core::LatencyHistogram DmaStatistics::latency() const {
  core::LatencyHistogram all;
  for (const core::LatencyHistogram& outcome : by_outcome) all.merge(outcome);
  return all;
}

core::LatencyHistogram DmaStatistics::by_stage(core::Stage stage) const {
  core::LatencyHistogram all;
  for (const auto& stages : by_outcome_stage) all.merge(stages[static_cast<std::size_t>(stage)]);
  return all;
}

core::Tick DmaStatistics::stage_ticks(core::Stage stage) const {
  core::Tick sum = 0;
  for (const auto& stages : by_outcome_stage) sum += stages[static_cast<std::size_t>(stage)].sum();
  return sum;
}

void DmaStatistics::restart(core::Tick now) {
  const bool latencies = keeps_latencies;
  *this = DmaStatistics();
  keeps_latencies = latencies;
  window_start = now;
}

}  // namespace iommu::sim
