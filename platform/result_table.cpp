#include "platform/result_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "platform/units.h"

namespace iommu::platform {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kColumns = 100;
constexpr std::size_t kTitleColumns = 22;

/// Terminal cells of UTF-8 text: continuation bytes take none (wide characters are not told apart).
std::size_t cells(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string left(const std::string& text, std::size_t width) {
  return text + std::string(width > cells(text) ? width - cells(text) : 0, ' ');
}

std::string right(const std::string& text, std::size_t width) {
  return std::string(width > cells(text) ? width - cells(text) : 0, ' ') + text;
}

std::string fixed(double value, int decimals) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  return buffer.data();
}

/// "1,234,567".
std::string grouped(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

/// "1 fault", "2 faults".
std::string counted(std::uint64_t value, const std::string& what) {
  return grouped(value) + " " + what + (value == 1 ? "" : "s");
}

/// Nanoseconds with a unit that keeps them short.
std::string time_text(double ns) {
  if (ns >= 1e9) return fixed(ns / 1e9, 3) + " s";
  if (ns >= 1e6) return fixed(ns / 1e6, 3) + " ms";
  if (ns >= 1e3) return fixed(ns / 1e3, 3) + " us";
  return fixed(ns, 1) + " ns";
}

double time_of(const Json& summary) { return summary.value("mean_ns", 0.0) * summary.value("count", 0.0); }

/// Rows of one block, laid out when all are known.
class Block {
 public:
  explicit Block(std::vector<std::string> header) { rows_.push_back(std::move(header)); }

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] bool empty() const { return rows_.size() == 1; }

  /// First column to the left, the others to the right.
  [[nodiscard]] std::string text() const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()), 0);
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], cells(row[i]));
    }
    widths[0] = std::max<std::size_t>(widths[0], 18);
    for (std::size_t i = 1; i < widths.size(); ++i) widths[i] = std::max<std::size_t>(widths[i], 8);
    std::string result;
    for (const auto& row : rows_) {
      std::string line = left(row[0], widths[0]);
      for (std::size_t i = 1; i < row.size(); ++i) line += "  " + right(row[i], widths[i]);
      result += line + "\n";
    }
    return result;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::vector<std::string> latency_header(const std::string& what) {
  return {what, "count", "share", "p50 ns", "p90 ns", "p99 ns", "p99.9 ns", "max ns"};
}

std::vector<std::string> latency_row(const std::string& name, const Json& summary, double whole) {
  std::vector<std::string> row{name, grouped(summary.value("count", std::uint64_t{0}))};
  const double share = summary.value("share", whole > 0 ? time_of(summary) / whole : 0.0);
  row.push_back(fixed(100 * share, 1) + " %");
  for (const char* column : {"p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "max_ns"})
    row.push_back(fixed(summary.value(column, 0.0), 1));
  return row;
}

/// Stages in the order in which a request passes them, then the sum.
void stage_block(const std::string& title, const Json& scope, std::string& out) {
  if (!scope.contains("stages") || !scope.contains("latency")) return;
  const double whole = time_of(scope.at("latency"));
  Block block(latency_header(title));
  for (const auto& stage : scope.at("stages").items()) {
    if (stage.value().value("count", std::uint64_t{0}) == 0) continue;
    block.add(latency_row(stage.key(), stage.value(), whole));
  }
  block.add(latency_row("total", scope.at("latency"), whole));
  out += "\n" + block.text();
}

void outcome_block(const Json& result, double whole, std::string& out) {
  if (!result.contains("outcomes")) return;
  Block block(latency_header("outcome"));
  for (const auto& outcome : result.at("outcomes").items()) {
    if (outcome.value().value("count", std::uint64_t{0}) == 0) continue;
    block.add(latency_row(outcome.key(), outcome.value(), whole));
  }
  if (!block.empty()) out += "\n" + block.text();
}

void master_block(const Json& result, double whole, std::string& out) {
  if (!result.contains("masters")) return;
  Block latencies(latency_header("master"));
  Block amounts({"master", "requests", "bytes", "faults"});
  for (const auto& master : result.at("masters").items()) {
    const Json& value = master.value();
    if (value.contains("latency")) latencies.add(latency_row(master.key(), value.at("latency"), whole));
    amounts.add({master.key(), grouped(value.value("requests", std::uint64_t{0})),
                 grouped(value.value("bytes", std::uint64_t{0})), grouped(value.value("faults", std::uint64_t{0}))});
  }
  if (!latencies.empty()) out += "\n" + latencies.text();
  if (!amounts.empty()) out += "\n" + amounts.text();
}

/// Scalars below `node` as "name value", names dotted.
void collect_counters(const Json& node, const std::string& prefix, std::vector<std::string>& counters) {
  for (const auto& item : node.items()) {
    const Json& value = item.value();
    const std::string name = prefix.empty() ? item.key() : prefix + "." + item.key();
    if (value.is_object()) {
      collect_counters(value, name, counters);
    } else if (value.is_number_float()) {
      if (value.get<double>() != 0) counters.push_back(name + " " + fixed(value.get<double>(), 3));
    } else if (value.is_number_unsigned()) {
      if (value.get<std::uint64_t>() != 0) counters.push_back(name + " " + grouped(value.get<std::uint64_t>()));
    } else if (value.is_number()) {
      if (value.get<std::int64_t>() != 0) counters.push_back(name + " " + value.dump());
    } else if (value.is_boolean() || value.is_string()) {
      counters.push_back(name + " " + (value.is_string() ? value.get<std::string>() : value.dump()));
    }
  }
}

/// "title: a 1, b 2, ..." broken at 100 columns.
void counter_lines(const std::string& title, const Json& node, std::string& out) {
  std::vector<std::string> counters;
  collect_counters(node, "", counters);
  if (counters.empty()) return;
  std::string line = left(title, kTitleColumns);
  for (std::size_t i = 0; i < counters.size(); ++i) {
    const std::string piece = counters[i] + (i + 1 < counters.size() ? "," : "");
    if (cells(line) + 1 + cells(piece) > kColumns && cells(line) > kTitleColumns) {
      out += line + "\n";
      line = left("", kTitleColumns);
    }
    line += " " + piece;
  }
  out += line + "\n";
}

std::string count_at(const Json& node, const char* group, const char* counter) {
  return grouped(node.contains(group) ? node.at(group).value(counter, std::uint64_t{0}) : 0);
}

/// The interface's functions that were called, with what they cost.
void interface_block(const Json& result, std::string& out) {
  if (!result.contains("ddi")) return;
  Block block({"function", "calls", "failed", "mean ns", "reg rd", "reg wr", "mem rd", "mem wr"});
  for (const auto& item : result.at("ddi").items()) {
    const Json& function = item.value();
    const std::uint64_t calls = function.value("calls", std::uint64_t{0});
    if (calls == 0) continue;
    const double mean = function.contains("latency") ? function.at("latency").value("mean_ns", 0.0) : 0.0;
    block.add({item.key(), grouped(calls), grouped(function.value("failures", std::uint64_t{0})), fixed(mean, 1),
               count_at(function, "registers", "reads"), count_at(function, "registers", "writes"),
               count_at(function, "memory", "reads"), count_at(function, "memory", "writes")});
  }
  if (!block.empty()) out += "\n" + block.text();
}

// What system software and drivers reported; the first few, all of them are in result.json.
void diagnostic_lines(const Json& result, std::string& out) {
  constexpr std::size_t kShown = 5;
  if (!result.contains("diagnostics") || result.at("diagnostics").empty()) return;
  const Json& diagnostics = result.at("diagnostics");
  out += '\n';
  for (std::size_t i = 0; i < diagnostics.size() && i < kShown; ++i) {
    const Json& one = diagnostics.at(i);
    const std::string object = one.value("object", "");
    out += one.value("severity", "") + ": " + one.value("function", "") + (object.empty() ? "" : ", " + object) + ": " +
           one.value("message", "") + '\n';
  }
  if (diagnostics.size() > kShown) out += "and " + std::to_string(diagnostics.size() - kShown) + " more\n";
}

}  // namespace

std::string to_table(const Json& result) {
  std::string out = result.value("name", std::string()) + "  (iommu-vp " + result.value("version", std::string()) +
                    ", mode " + result.value("mode", std::string()) + ", seed " +
                    std::to_string(result.value("seed", std::uint64_t{0})) + ")\n";
  out += counted(result.value("requests", std::uint64_t{0}), "request") + " in " +
         time_text(result.value("simulated_ns", 0.0)) + ", " +
         counted(result.value("faults", std::uint64_t{0}), "fault") + "\n";
  const double whole = result.contains("latency") ? time_of(result.at("latency")) : 0.0;
  stage_block("stage", result, out);
  outcome_block(result, whole, out);
  master_block(result, whole, out);
  interface_block(result, out);

  std::string counters;
  for (const char* group : {"iommu", "memory", "llc", "bus", "host", "payload"}) {
    if (!result.contains(group)) continue;
    if (std::string(group) != "iommu") {
      counter_lines(group, result.at(group), counters);
      continue;
    }
    for (const auto& item : result.at(group).items()) {
      const Json& node = item.value();
      counter_lines("iommu." + item.key(), node.is_object() ? node : Json{{"value", node}}, counters);
    }
  }
  if (!counters.empty()) out += "\n" + counters;
  diagnostic_lines(result, out);
  return out;
}

}  // namespace iommu::platform
