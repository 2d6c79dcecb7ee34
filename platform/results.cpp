#include "platform/results.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "platform/result_writer.h"
#include "platform/status_text.h"

namespace iommu::platform {

namespace {

using nlohmann::ordered_json;

double nanoseconds(core::Tick ticks) { return static_cast<double>(ticks) / 1000.0; }

double share(core::Tick part, core::Tick whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

// One summary for each stage that took time, with its share of the `whole`: all the time of all requests of the master.
ordered_json summaries(const std::array<core::LatencyHistogram, core::kStageCount>& by_stage, core::Tick whole) {
  ordered_json stages = ordered_json::object();
  for (std::size_t i = 0; i < core::kStageCount; ++i) {
    if (by_stage[i].empty()) continue;
    ordered_json stage = latency_json(by_stage[i]);
    stage["share"] = share(by_stage[i].sum(), whole);
    stages[core::stage_name(static_cast<core::Stage>(i))] = std::move(stage);
  }
  return stages;
}

core::Tick whole_time(const sim::DmaStatistics& statistics) {
  core::Tick whole = 0;
  for (std::size_t i = 0; i < core::kStageCount; ++i) whole += statistics.stage_ticks(static_cast<core::Stage>(i));
  return whole;
}

ordered_json stages_json(const sim::DmaStatistics& statistics) {
  std::array<core::LatencyHistogram, core::kStageCount> by_stage;
  for (std::size_t i = 0; i < core::kStageCount; ++i) by_stage[i] = statistics.by_stage(static_cast<core::Stage>(i));
  return summaries(by_stage, whole_time(statistics));
}

// Every outcome, those that never happened with a count of 0, so that expectations can name them.
ordered_json outcomes_json(const sim::DmaStatistics& statistics) {
  ordered_json outcomes = ordered_json::object();
  for (std::size_t o = 0; o < core::kOutcomeCount; ++o) {
    const core::LatencyHistogram& histogram = statistics.of_outcome(static_cast<core::OutcomeClass>(o));
    ordered_json outcome = latency_json(histogram);
    if (histogram.count() != 0) {
      outcome["stages"] =
          summaries(statistics.stages_of_outcome(static_cast<core::OutcomeClass>(o)), whole_time(statistics));
    }
    outcomes[core::outcome_name(static_cast<core::OutcomeClass>(o))] = std::move(outcome);
  }
  return outcomes;
}

ordered_json reasons_json(const std::array<std::uint64_t, 256>& by_reason) {
  ordered_json reasons = ordered_json::object();
  for (std::size_t reason = 0; reason < by_reason.size(); ++reason) {
    if (by_reason[reason] == 0) continue;
    char name[8];
    std::snprintf(name, sizeof name, "%02Xh", static_cast<unsigned>(reason));
    reasons[reason == 0 ? "unrecorded" : name] = by_reason[reason];
  }
  return reasons;
}

ordered_json iommu_json(const IommuInstance& iommu) {
  const sim::TranslationCounters& unit = iommu.unit->counters();
  ordered_json json;
  json["requests"] = unit.requests;
  json["pages"] = unit.pieces;
  json["bytes"] = unit.bytes;
  json["retries"] = unit.retries;
  std::uint64_t blocked = 0;
  for (const std::uint64_t count : unit.faults_by_reason) blocked += count;
  json["blocked"] = blocked;
  json["faults_by_reason"] = reasons_json(unit.faults_by_reason);
  json["fault_records"] = {{"recorded", iommu.front_end->fault_counters().recorded},
                           {"overflowed", iommu.front_end->fault_counters().overflowed}};
  json["messages"] = unit.messages;

  const core::IotlbCounters& iotlb = iommu.iotlb->counters();
  const double lookups = static_cast<double>(iotlb.lookups);
  json["iotlb"] = {{"lookups", iotlb.lookups},
                   {"hits", iotlb.hits},
                   {"hits_4KiB", iotlb.hits_by_level[1]},
                   {"hits_2MiB", iotlb.hits_by_level[2]},
                   {"hits_1GiB", iotlb.hits_by_level[3]},
                   {"merged", iotlb.merged},
                   {"misses", iotlb.misses},
                   {"hit_ratio", iotlb.lookups == 0 ? 0.0 : static_cast<double>(iotlb.hits) / lookups},
                   {"fills", iotlb.fills},
                   {"evictions", iotlb.evictions},
                   {"invalidated", iotlb.invalidated}};
  const core::ContextCacheCounters& context = iommu.unit->context_counters();
  json["context_cache"] = {{"lookups", context.lookups},
                           {"hits", context.hits},
                           {"fills", context.fills},
                           {"invalidated", context.invalidated}};
  const core::WalkCacheCounters& cache = iommu.walker->cache_counters();
  json["walk_cache"] = {{"lookups", cache.lookups},        {"l2_hits", cache.hits[2]}, {"l3_hits", cache.hits[3]},
                        {"l4_hits", cache.hits[4]},        {"l5_hits", cache.hits[5]}, {"fills", cache.fills},
                        {"invalidated", cache.invalidated}};
  const sim::WalkerCounters& walker = iommu.walker->counters();
  json["walker"] = {{"walks", walker.walks},
                    {"faults", walker.faults},
                    {"entries_read", walker.entries_read},
                    {"l1_reads", walker.reads_by_level[1]},
                    {"l2_reads", walker.reads_by_level[2]},
                    {"l3_reads", walker.reads_by_level[3]},
                    {"l4_reads", walker.reads_by_level[4]},
                    {"l5_reads", walker.reads_by_level[5]},
                    {"waited_for_slot", walker.waited}};
  const vtd::CommandCounters& commands = iommu.front_end->command_counters();
  json["invalidation"] = {{"descriptors", commands.descriptors},
                          {"waits", commands.waits},
                          {"register_commands", commands.register_commands},
                          {"context_global", commands.context_global},
                          {"context_domain", commands.context_domain},
                          {"context_device", commands.context_device},
                          {"iotlb_global", commands.iotlb_global},
                          {"iotlb_domain", commands.iotlb_domain},
                          {"iotlb_page", commands.iotlb_page},
                          {"queue_errors", commands.queue_errors},
                          {"busy_ns", nanoseconds(unit.command_time)}};
  json["out_of_order_arrivals"] = iommu.iotlb->out_of_order() + iommu.walker->out_of_order();
  return json;
}

ordered_json link_json(const sim::PcieLink& link) {
  const sim::PcieLinkCounters& counters = link.counters();
  return {{"read_requests", counters.read_requests},
          {"writes", counters.writes},
          {"completions", counters.completions},
          {"up_bytes", counters.up_bytes},
          {"down_bytes", counters.down_bytes},
          {"up_busy_ns", nanoseconds(counters.up_busy)},
          {"down_busy_ns", nanoseconds(counters.down_busy)},
          {"waited_for_tag", counters.waited_for_tag},
          {"waited_for_credits", counters.waited_for_credits}};
}

// Per us, and payload in 10^9 bits a second.
void add_rate(ordered_json& json, std::uint64_t requests, std::uint64_t bytes, core::Tick time) {
  const double ns = nanoseconds(time);
  json["rate_per_us"] = time == 0 ? 0.0 : static_cast<double>(requests) * 1000.0 / ns;
  json["gbit_per_s"] = time == 0 ? 0.0 : static_cast<double>(bytes) * 8.0 / ns;
}

ordered_json histogram_json(const core::LatencyHistogram& histogram) {
  ordered_json buckets = ordered_json::array();
  histogram.visit_buckets([&](core::Tick value, std::uint64_t count) {
    buckets.push_back(ordered_json::array({nanoseconds(value), count}));
  });
  return buckets;
}

// Of all masters together: from the first that began to the last that ended.
core::Tick common_time(const std::vector<std::unique_ptr<DeviceDriver>>& drivers) {
  core::Tick begin = ~core::Tick{0};
  core::Tick end = 0;
  for (const auto& driver : drivers) {
    const sim::DmaStatistics& statistics = driver->device().statistics();
    begin = std::min(begin, statistics.rate_begin());
    end = std::max(end, statistics.last_end);
  }
  return end > begin ? end - begin : 0;
}

ordered_json cache_json(const core::LastLevelCache& cache) {
  using Kind = core::LastLevelCache::Kind;
  static constexpr std::array<std::pair<const char*, Kind>, core::LastLevelCache::kKinds> kKinds = {
      {{"dma_read", Kind::DmaRead},
       {"dma_write", Kind::DmaWrite},
       {"structure", Kind::Structure},
       {"host", Kind::Host}}};
  ordered_json json;
  for (const auto& [name, kind] : kKinds) {
    const core::LastLevelCacheCounters& counters = cache.counters(kind);
    json[name] = {{"hits", counters.hits}, {"misses", counters.misses}, {"evictions", counters.evictions}};
  }
  return json;
}

ordered_json access_json(const sim::HostAccessCounters& counters) {
  return {{"reads", counters.reads}, {"writes", counters.writes}, {"bytes", counters.bytes}};
}

void add_accesses(ordered_json& json, const AccessCounts& counts) {
  json["registers"] = {{"reads", counts.register_reads}, {"writes", counts.register_writes}};
  json["memory"] = {{"reads", counts.memory_reads}, {"writes", counts.memory_writes}};
}

// All functions of version 2; those of version 1 when they were called.
ordered_json ddi_json(const InterfaceMonitor& monitor) {
  ordered_json ddi = ordered_json::object();
  for (std::size_t i = 0; i < api::kFunctions; ++i) {
    const auto which = static_cast<api::Function>(i);
    const FunctionCounters& counters = monitor.of(which);
    if (i >= api::kV2Functions && counters.calls == 0) continue;
    ordered_json function = {{"calls", counters.calls}, {"failures", counters.failures}};
    function["latency"] = latency_json(counters.duration);
    add_accesses(function, counters.accesses);
    ddi[api::function_name(which)] = std::move(function);
  }
  add_accesses(ddi["outside_of_calls"], monitor.outside_of_calls());
  return ddi;
}

}  // namespace

ordered_json measured_part(const Machine& machine, const std::vector<std::unique_ptr<DeviceDriver>>& drivers,
                           core::Tick end) {
  sim::DmaStatistics all;
  ordered_json masters = ordered_json::object();
  ordered_json payload = {{"checked", 0}, {"corrupted", 0}};
  std::uint64_t rate_requests = 0;
  for (const auto& driver : drivers) {
    const sim::DmaStatistics& statistics = driver->device().statistics();
    all.merge(statistics);
    rate_requests += statistics.rate_requests();
    ordered_json master = {
        {"requests", statistics.requests}, {"bytes", statistics.bytes}, {"faults", statistics.faults}};
    master["finished"] = driver->finished();
    add_rate(master, statistics.rate_requests(), statistics.rate_bytes(), statistics.rate_time());
    master["faults_by_reason"] = reasons_json(statistics.faults_by_reason);
    master["latency"] = latency_json(statistics.latency());
    if (machine.config.statistics.histograms) master["histogram"] = histogram_json(statistics.latency());
    master["outcomes"] = outcomes_json(statistics);
    master["stages"] = stages_json(statistics);
    if (driver->device().link != nullptr) master["link"] = link_json(*driver->device().link);
    // A loaded driver's callbacks are its own; a page stream's driver has none.
    const bool callbacks = driver->device().stream == nullptr && driver->device().config->nic.driver.shown.empty();
    if (callbacks) driver->add_callback_results(master);
    driver->add_results(master, payload);
    if (driver->device().nic != nullptr) {
      master["rx_packet_latency"] = latency_json(driver->device().nic->rx_latency());
      master["tx_packet_latency"] = latency_json(driver->device().nic->tx_latency());
    }
    masters[driver->device().config->name] = std::move(master);
  }

  ordered_json result;
  result["simulated_ns"] = nanoseconds(end);
  result["requests"] = all.requests;
  result["bytes"] = all.bytes;
  result["faults"] = all.faults;
  result["stage_sum_mismatches"] = all.stage_sum_mismatches;
  const core::Tick time = common_time(drivers);
  result["requests_per_us"] = time == 0 ? 0.0 : static_cast<double>(rate_requests) * 1000.0 / nanoseconds(time);
  result["counted_from_ns"] = nanoseconds(machine.counted_from());
  result["latency"] = latency_json(all.latency());
  result["stages"] = stages_json(all);
  result["outcomes"] = outcomes_json(all);
  result["payload"] = std::move(payload);
  result["masters"] = std::move(masters);
  ordered_json& iommus = result["iommu"] = ordered_json::object();
  for (const IommuInstance& iommu : machine.iommus) iommus[iommu.config->name] = iommu_json(iommu);

  const sim::MemoryCounters& memory = machine.memory->counters();
  result["memory"] = {{"reads", memory.reads},
                      {"writes", memory.writes},
                      {"bytes_read", memory.bytes_read},
                      {"bytes_written", memory.bytes_written},
                      {"refused", memory.refused},
                      {"refresh_waits", memory.refresh_waits},
                      {"wait_ns", nanoseconds(memory.wait)},
                      {"busy_ns", nanoseconds(memory.busy)},
                      {"out_of_order_arrivals", machine.memory->out_of_order()},
                      {"table_frames", machine.frames.frames_in_use()},
                      {"most_table_frames", machine.frames.most_frames_in_use()}};
  if (machine.memory->cache() != nullptr) result["llc"] = cache_json(*machine.memory->cache());
  result["bus"] = {{"transactions", machine.bus->counters().transactions},
                   {"unmapped", machine.bus->counters().unmapped}};
  const sim::HostCounters& host = machine.host->counters();
  result["host"] = {{"registers", access_json(host.registers)},
                    {"memory", access_json(host.memory)},
                    {"errors", host.errors},
                    {"access_ns", nanoseconds(host.access_time)},
                    {"interrupts", host.interrupts}};
  result["ddi"] = ddi_json(machine.monitor);
  // Counted by severity, so that expectations can name them.
  std::array<std::uint64_t, 3> by_severity{machine.monitor.failed_calls().size()};
  for (const api::Diagnostic& diagnostic : machine.diagnostics) {
    ++by_severity[static_cast<std::size_t>(diagnostic.severity)];
  }
  ordered_json& reported = result["reported"] = ordered_json::object();
  for (const api::Severity severity : {api::Severity::Note, api::Severity::Warning, api::Severity::Error}) {
    reported[std::string(severity_name(severity)) + "s"] = by_severity[static_cast<std::size_t>(severity)];
  }
  ordered_json& diagnostics = result["diagnostics"] = ordered_json::array();
  const std::uint64_t late = machine.memory->out_of_order();
  if (late > all.requests / 4) {
    diagnostics.push_back(
        {{"severity", "note"},
         {"function", "timing"},
         {"object", "memory"},
         {"message", std::to_string(late) + " accesses came with an earlier time than one before (mode = \"lt\" with "
                                            "requests in flight); mode = \"at\" has the exact order"}});
  }
  for (const FailedCalls& failed : machine.monitor.failed_calls()) {
    char first[48];
    std::snprintf(first, sizeof first, "%.1f ns", nanoseconds(failed.first));
    diagnostics.push_back(
        {{"severity", "note"},
         {"function", api::function_name(failed.function)},
         {"object", ""},
         {"message", failed.calls == 1 ? "returned " + status_text(failed.status) + " at " + first
                                       : std::to_string(failed.calls) + " calls returned " +
                                             status_text(failed.status) + ", the first at " + first}});
  }
  for (const api::Diagnostic& diagnostic : machine.diagnostics) {
    diagnostics.push_back({{"severity", severity_name(diagnostic.severity)},
                           {"function", diagnostic.function},
                           {"object", diagnostic.object},
                           {"message", diagnostic.message}});
  }
  return result;
}

}  // namespace iommu::platform
