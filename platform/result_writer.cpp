#include "platform/result_writer.h"

#include <unistd.h>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "models/core/version.h"
#include "platform/units.h"

namespace iommu::platform {

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

/// Six decimals are finer than a picosecond's thousandth, and hide what differs between compilers in the last bit of a
/// mean.
void round_numbers(Json& node) {
  if (node.is_number_float()) {
    const auto value = node.get<double>();
    if (!std::isfinite(value)) {
      node = nullptr;
    } else {
      const double rounded = std::round(value * 1e6) / 1e6;
      node = rounded == 0 ? 0.0 : rounded;
    }
  } else if (node.is_structured()) {
    for (auto& child : node) round_numbers(child);
  }
}

std::string float_text(double value) {
  if (!std::isfinite(value)) return "null";
  const std::string text = number_text(value);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

void write_json(const Json& node, std::size_t depth, std::string& out) {
  const auto new_line = [&](std::size_t levels) { out.append("\n").append(2 * levels, ' '); };
  if (node.is_number_float()) {
    out += float_text(node.get<double>());
  } else if (!node.is_structured() || node.empty()) {
    out += node.dump();
  } else {
    const bool object = node.is_object();
    out += object ? '{' : '[';
    bool first = true;
    for (const auto& item : node.items()) {
      if (!first) out += ',';
      first = false;
      new_line(depth + 1);
      if (object) out += Json(item.key()).dump() + ": ";
      write_json(item.value(), depth + 1, out);
    }
    new_line(depth);
    out += object ? '}' : ']';
  }
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + "\"";
}

double time_of(const Json& summary) { return summary.value("mean_ns", 0.0) * summary.value("count", 0.0); }

class CsvWriter {
 public:
  [[nodiscard]] std::string take() { return std::move(text_); }

  /// Everything that `scope` (the result, or a master's part of it) knows of latencies.
  void scope(const std::string& master, const Json& scope) {
    if (!scope.contains("latency")) return;
    const double whole = time_of(scope.at("latency"));
    row(master, "all", "total", scope.at("latency"), whole);
    rows_of_stages(master, "all", scope, whole);
    if (!scope.contains("outcomes")) return;
    for (const auto& outcome : scope.at("outcomes").items()) {
      row(master, outcome.key(), "total", outcome.value(), whole);
      rows_of_stages(master, outcome.key(), outcome.value(), whole);
    }
  }

 private:
  void rows_of_stages(const std::string& master, const std::string& outcome, const Json& node, double whole) {
    if (!node.contains("stages")) return;
    for (const auto& stage : node.at("stages").items()) row(master, outcome, stage.key(), stage.value(), whole);
  }

  void row(const std::string& master, const std::string& outcome, const std::string& stage, const Json& summary,
           double whole) {
    constexpr std::array<const char*, 7> kColumns{"min_ns", "mean_ns",  "p50_ns", "p90_ns",
                                                  "p99_ns", "p99_9_ns", "max_ns"};
    text_ += csv_field(master) + ',' + csv_field(outcome) + ',' + csv_field(stage) + ',' +
             std::to_string(summary.value("count", std::uint64_t{0}));
    for (const char* column : kColumns) text_ += ',' + float_text(summary.value(column, 0.0));
    const double share = summary.value("share", whole > 0 ? time_of(summary) / whole : 0.0);
    text_ += ',' + float_text(std::round(share * 1e6) / 1e6) + '\n';
  }

  std::string text_ = "master,outcome,stage,count,min_ns,mean_ns,p50_ns,p90_ns,p99_ns,p99_9_ns,max_ns,share\n";
};

}  // namespace

Json latency_json(const core::LatencyHistogram& histogram) {
  const auto ns = [](core::Tick ticks) {
    return static_cast<double>(ticks) / static_cast<double>(core::kTicksPerNanosecond);
  };
  return {{"count", histogram.count()},
          {"min_ns", ns(histogram.min())},
          {"mean_ns", histogram.mean() / static_cast<double>(core::kTicksPerNanosecond)},
          {"p50_ns", ns(histogram.percentile(0.5))},
          {"p90_ns", ns(histogram.percentile(0.9))},
          {"p99_ns", ns(histogram.percentile(0.99))},
          {"p99_9_ns", ns(histogram.percentile(0.999))},
          {"max_ns", ns(histogram.max())}};
}

Json complete_result(const Config& config, const Json& measured) {
  Json result;
  const Json resolved = config.to_json();
  result["schema"] = kResultSchema;
  result["version"] = core::version();
  result["name"] = config.name;
  result["seed"] = config.seed;
  result["mode"] = resolved.at("mode");
  for (const auto& item : measured.items()) {
    Json value = item.value();
    round_numbers(value);
    result[item.key()] = std::move(value);
  }
  result["config"] = resolved;
  return result;
}

std::string to_json_text(const Json& result) {
  std::string text;
  write_json(result, 0, text);
  return text + "\n";
}

std::string to_csv_text(const Json& result) {
  CsvWriter writer;
  writer.scope("all", result);
  if (result.contains("masters")) {
    for (const auto& master : result.at("masters").items()) writer.scope(master.key(), master.value());
  }
  return writer.take();
}

void prepare_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (!error && !fs::is_directory(directory)) error = std::make_error_code(std::errc::not_a_directory);
  if (error) throw ConfigError("--out = " + quote(directory.string()) + ": can't be made: " + error.message());
}

void write_file(const fs::path& path, const std::string& text) {
  // The process id keeps two runs into one folder from writing into each other's file.
  fs::path temporary = path;
  temporary += ".tmp" + std::to_string(getpid());
  errno = 0;
  std::ofstream stream(temporary, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  std::error_code error;
  if (!stream) {
    error = std::error_code(errno != 0 ? errno : EIO, std::generic_category());
  } else {
    fs::rename(temporary, path, error);
  }
  if (!error) return;
  std::error_code ignored;
  fs::remove(temporary, ignored);
  throw ConfigError(path.string() + ": can't be written: " + error.message());
}

}  // namespace iommu::platform
