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
  latency.add(latency_ticks);
  by_outcome[outcome].add(latency_ticks);
  core::Tick sum = 0;
  const auto& stages = report.stages.all();
  for (std::size_t stage = 0; stage < core::kStageCount; ++stage) {
    const core::Tick ticks = stages[stage];
    if (ticks == 0) continue;
    sum += ticks;
    by_stage[stage].add(ticks);
    stage_ticks[stage] += ticks;
    by_outcome_stage[outcome][stage].add(ticks);
  }
  if (sum != latency_ticks) ++stage_sum_mismatches;
}

void DmaStatistics::begin_rate(core::Tick at) {
  rate_from = at;
  requests_before_rate = requests;
  bytes_before_rate = bytes;
}

void DmaStatistics::restart(core::Tick now) {
  *this = DmaStatistics();
  window_start = now;
}

}  // namespace iommu::sim
