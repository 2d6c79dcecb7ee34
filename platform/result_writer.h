// Results as files: result.json and latency.csv.
//
// Does: put the measured part of a result and the scenario together, write both files deterministically and in one
// piece. Does not: measure (simulation.h), print to the terminal (result_table.h). Nothing that differs from run to run
// goes in: no wall-clock time, host name or absolute path.
//
// The measured part, as Simulation::run returns it:
//   simulated_ns, requests, faults
//   requests_per_us  completions of all masters, from the first that began (or ended its warm-up) to the last end
//   counted_from_ns  when the counters of iommu, memory and bus began: 0, or when all warm-ups were over
//   latency   summary (latency_json) of all requests, end to end
//   stages    { stage: summary and "share" of the whole time }
//   outcomes  { hit, merged, walk, fault...: summary, may have "stages" }
//   masters   { device: { requests, bytes, faults, rate_per_us, gbit_per_s, latency, histogram (when asked for), stages, outcomes } }
//             of a page stream also "stream": { packets, drops, misses and walk reads per page, times of software }
//   iommu     { "0": { counters } }
//   memory, llc (lines, when there is one), bus, host, payload { counters }
//   ddi       { function: { calls, failures, latency, registers and memory { reads, writes } }, outside_of_calls: the last two }
// Members that are not there are not shown; further ones are written to result.json as they are.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "models/core/latency_histogram.h"
#include "platform/config.h"

namespace iommu::platform {

/// The version of result.json's layout.
inline constexpr const char* kResultSchema = "iommu-vp/result/1";

/// { count, min_ns, mean_ns, p50_ns, p90_ns, p99_ns, p99_9_ns, max_ns } of a histogram of picoseconds; all 0 when it is
/// empty.
[[nodiscard]] nlohmann::ordered_json latency_json(const core::LatencyHistogram& histogram);

/// The whole result: schema, version, name, seed, mode, the measured part, the resolved scenario. Measured doubles are
/// rounded to six decimals, so that the value in memory is the value in the file.
[[nodiscard]] nlohmann::ordered_json complete_result(const Config& config, const nlohmann::ordered_json& measured);

/// JSON text of two-space indentation; doubles in plain decimal notation with at least one decimal, never an exponent.
[[nodiscard]] std::string to_json_text(const nlohmann::ordered_json& result);

/// latency.csv: master,outcome,stage,count,min_ns,mean_ns,p50_ns,p90_ns,p99_ns,p99_9_ns,max_ns,share. "all" and "total"
/// stand for sums; share is the part of the master's (or everybody's) whole time.
[[nodiscard]] std::string to_csv_text(const nlohmann::ordered_json& result);

/// Makes `directory` (with parents) when it is not there. Throws ConfigError when that does not work.
void prepare_directory(const std::filesystem::path& directory);

/// Writes `text` under a temporary name beside `path` and renames it, so that nobody sees half a file. Throws
/// ConfigError.
void write_file(const std::filesystem::path& path, const std::string& text);

}  // namespace iommu::platform
