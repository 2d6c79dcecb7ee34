#include "platform/explain_report.h"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "platform/status_text.h"

namespace iommu::platform {

namespace {

double nanoseconds(core::Tick ticks) { return static_cast<double>(ticks) / 1000.0; }

std::string ns_text(core::Tick ticks) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", nanoseconds(ticks));
  return text.data();
}

const char* space_name(const Transaction& transaction) {
  return transaction.space == Access::Space::Registers ? "register" : "memory";
}

std::string answer_text(const ExplainedCall& call) {
  return call.has_status ? status_text(call.status) : "returns nothing";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string transaction_line(const Transaction& transaction, core::Tick begin) {
  std::string kind = std::string(space_name(transaction)) + (transaction.write ? " write" : " read");
  if (transaction.accesses > 1) kind += " x" + std::to_string(transaction.accesses);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%10s  %-18s  ", ns_text(transaction.begin - begin).c_str(), kind.c_str());
  return text.data() + transaction.text + "\n";
}

std::string sums_text(const ExplainedCall& call) {
  const AccessCounts& counts = call.accesses;
  return "registers: " + std::to_string(counts.register_reads) + " read, " + std::to_string(counts.register_writes) +
         " written; memory: " + std::to_string(counts.memory_reads) + " read, " + std::to_string(counts.memory_writes) +
         " written; " + ns_text(call.duration) + " ns; " + answer_text(call);
}

/// Everything below the title of a situation.
std::string body_text(const ExplainedCall& call) {
  std::string text = call.set_up.empty() ? "" : "after " + joined(call.set_up) + "\n";
  if (!call.refused.empty()) return text + "not possible here: " + call.refused + "\n";
  for (const Transaction& transaction : call.transactions) text += transaction_line(transaction, call.begin);
  if (call.transactions.empty()) text += "            no register or memory access\n";
  text += sums_text(call) + "\n";
  for (const api::Diagnostic& diagnostic : call.diagnostics) {
    text += std::string(severity_name(diagnostic.severity)) + ": " + diagnostic.function +
            (diagnostic.object.empty() ? "" : ", " + diagnostic.object) + ": " + diagnostic.message + "\n";
  }
  return text;
}

nlohmann::ordered_json call_json(const ExplainedCall& call) {
  nlohmann::ordered_json json;
  json["situation"] = call.situation;
  json["set_up"] = call.set_up;
  if (!call.refused.empty()) {
    json["refused"] = call.refused;
    return json;
  }
  if (call.has_status) json["status"] = status_text(call.status);
  json["simulated_ns"] = nanoseconds(call.duration);
  json["registers"] = {{"reads", call.accesses.register_reads}, {"writes", call.accesses.register_writes}};
  json["memory"] = {{"reads", call.accesses.memory_reads}, {"writes", call.accesses.memory_writes}};
  nlohmann::ordered_json& lines = json["transactions"] = nlohmann::ordered_json::array();
  for (const Transaction& transaction : call.transactions) {
    lines.push_back({{"begin_ns", nanoseconds(transaction.begin - call.begin)},
                     {"end_ns", nanoseconds(transaction.end - call.begin)},
                     {"space", space_name(transaction)},
                     {"write", transaction.write},
                     {"accesses", transaction.accesses},
                     {"text", transaction.text}});
  }
  nlohmann::ordered_json& diagnostics = json["diagnostics"] = nlohmann::ordered_json::array();
  for (const api::Diagnostic& diagnostic : call.diagnostics) {
    diagnostics.push_back({{"severity", severity_name(diagnostic.severity)},
                           {"function", diagnostic.function},
                           {"object", diagnostic.object},
                           {"message", diagnostic.message}});
  }
  return json;
}

std::string sums_row(const Explanation& explanation, const ExplainedCall& call) {
  std::string row = "| " + explanation.function + " | " + call.situation + " | ";
  if (!call.refused.empty()) return row + "| | | | | not possible: " + call.refused + " |\n";
  const AccessCounts& counts = call.accesses;
  for (const std::uint64_t count :
       {counts.register_reads, counts.register_writes, counts.memory_reads, counts.memory_writes}) {
    row += std::to_string(count) + " | ";
  }
  return row + ns_text(call.duration) + " | " + answer_text(call) + " |\n";
}

constexpr const char* kIntroduction = R"(# From the interface to registers

What each function of `DMA_IOMMU_INTERFACE_V2` does to the modeled VT-d hardware: every register access and every memory access of system
software, in order, with the time in ns since the call began. `IoGetIommuInterfaceEx` comes first, since it starts the unit; the calls of
the other functions come after it and after those that stand behind `after`.

- `x2` on a memory write: one record of 16 bytes, written as two words. `x4` on a read: repeated with the same answer (polling).
- Registers and fields have their names of the VT-d specification; `<-` is written, `->` is read. Registers with many fields show those that
  are not 0.
- Addresses are physical, those behind `logical` are the domain's. Domain ids (`DID`) are decimal.

The machine has one IOMMU and one device, 00:03.0, that does no DMA meanwhile, and the defaults of `docs/parameters.md`. With other timing
parameters, or when devices keep the unit busy, times and numbers of polls differ. For one function and other settings:

    iommu-vp explain UnmapLogicalRange --set ddi.invalidation=register

This page is made by `iommu-vp explain --markdown`; a test compares.
)";

}  // namespace

std::string explanation_as_text(const Explanation& explanation) {
  std::string text;
  for (const ExplainedCall& call : explanation.calls) {
    text += (text.empty() ? "" : "\n") + explanation.function + ": " + call.situation + "\n" + body_text(call);
  }
  return text;
}

nlohmann::ordered_json explanation_as_json(const Explanation& explanation) {
  nlohmann::ordered_json json;
  json["function"] = explanation.function;
  nlohmann::ordered_json& calls = json["calls"] = nlohmann::ordered_json::array();
  for (const ExplainedCall& call : explanation.calls) calls.push_back(call_json(call));
  return json;
}

std::string explanations_as_markdown(const std::vector<Explanation>& explanations,
                                     const std::vector<std::string>& overrides) {
  std::string text = kIntroduction;
  if (!overrides.empty()) text += "\nDifferent from the defaults here: " + joined(overrides) + ".\n";
  text +=
      "\n## Sums\n\n| function | situation | register reads | register writes | memory reads | memory writes | ns | "
      "answer |\n";
  text += "|---|---|---|---|---|---|---|---|\n";
  for (const Explanation& explanation : explanations) {
    for (const ExplainedCall& call : explanation.calls) text += sums_row(explanation, call);
  }
  for (const Explanation& explanation : explanations) {
    text += "\n## " + explanation.function + "\n";
    for (const ExplainedCall& call : explanation.calls) {
      text += "\n### " + explanation.function + ": " + call.situation + "\n\n```text\n" + body_text(call) + "```\n";
    }
  }
  return text;
}

}  // namespace iommu::platform
