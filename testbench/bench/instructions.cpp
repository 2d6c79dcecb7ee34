// Work for an instruction counter: COUNT 64-byte reads through an initiator with default statistics, the translation unit and a memory.
//
// usage: iommu-instructions CASE COUNT (no arguments: names the cases)
//
// What it does: one case, the same instructions in every run; `plain` has a target that only says OK in their place, and no statistics: what a call
// costs. What it does not do: count or take the time (scripts/measure-instructions and scripts/compare-others do, as the difference of two COUNTs).
#include <tlm_utils/simple_target_socket.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "testbench/bench/four_phase_memory.h"
#include "testbench/bench/initiators.h"
#include "testbench/bench/our_unit.h"

namespace iommu::bench {
namespace {

// 64 pages stay in the IOTLB, 1024 never do.
constexpr std::uint64_t kPagesThatHit = 64;
constexpr std::uint64_t kPagesThatMiss = 1024;
constexpr std::uint32_t kOutstanding = 36;

/// Says OK.
class NoTarget : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<NoTarget, sim::kSocketWidthBits> socket;

  explicit NoTarget(sc_core::sc_module_name name) : sc_module(name), socket("socket") {
    socket.register_b_transport(this, &NoTarget::b_transport);
  }

 private:
  void b_transport(::tlm::tlm_generic_payload& payload, sc_core::sc_time&) {
    payload.set_response_status(::tlm::TLM_OK_RESPONSE);
  }
};

int run_plain(std::uint64_t count) {
  NoTarget target("target");
  LtInitiator initiator("initiator", Lines(kPagesThatHit, 64));
  initiator.socket.bind(target.socket);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  return initiator.run_plain(count) == count ? 0 : 1;
}

struct Case {
  const char* name;
  bool plain = false;        ///< none of the below
  bool walk = false;         ///< four entries read for each access; otherwise an IOTLB hit
  bool dmi = false;          ///< of the walker
  bool at = false;           ///< non-blocking; otherwise blocking
  bool early = false;        ///< AT: early_hits
  bool four_phases = false;  ///< otherwise memory completes early
  bool new_page = false;     ///< each access is to another page than the one before; otherwise line after line
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  const auto add = [&cases](const char* name) -> Case& {
    cases.emplace_back().name = name;
    return cases.back();
  };
  add("plain").plain = true;
  add("lt_hit");
  add("lt_hit_other_page").new_page = true;
  add("lt_walk").walk = true;
  Case& by_dmi = add("lt_walk_dmi");
  by_dmi.walk = by_dmi.dmi = true;
  add("at_hit").at = true;
  Case& early = add("at_early");
  early.at = early.early = true;
  Case& strict = add("at_four_phases");
  strict.at = strict.four_phases = true;
  return cases;
}

int run(const Case& which, std::uint64_t count) {
  if (which.plain) return run_plain(count);
  const std::uint64_t pages = which.walk ? kPagesThatMiss : kPagesThatHit;
  const Lines lines(pages, which.walk || which.at || which.new_page ? 1 : 64);
  sim::MemoryConfig memory_config;
  memory_config.size_bytes = kMemoryBytes;
  memory_config.bandwidth_mbytes_per_s = 25'600;
  sim::Memory memory("memory", memory_config);
  write_tables(memory, pages);
  OurUnitConfig config = which.walk ? always_walks() : OurUnitConfig();
  config.unit.exact_responses = which.four_phases;
  config.unit.early_hits = which.early;
  config.walker.dmi = which.dmi;
  OurUnit ours("ours", config);
  std::unique_ptr<FourPhaseMemory> four_phases;
  if (which.four_phases) {
    four_phases = std::make_unique<FourPhaseMemory>("four_phases", memory);
    ours.unit.memory.bind(four_phases->socket);
  } else {
    ours.unit.memory.bind(memory.socket);
  }
  ours.unit.structures.bind(memory.socket);
  ours.walker.memory.bind(memory.socket);

  std::unique_ptr<LtInitiator> lt;
  std::unique_ptr<AtInitiator> at;
  if (!which.at) {
    lt = std::make_unique<LtInitiator>("initiator", lines);
    lt->socket.bind(ours.unit.dma);
  } else {
    at = std::make_unique<AtInitiator>("initiator", lines, kOutstanding, which.four_phases);
    at->socket.bind(ours.unit.dma);
  }
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  ours.enable();
  if (lt != nullptr) lt->run(count);
  if (at != nullptr) at->run(count);

  const sim::DmaStatistics& statistics = lt != nullptr ? lt->statistics : at->statistics;
  const auto outcome = which.walk ? core::OutcomeClass::Walk4 : core::OutcomeClass::Hit;
  const std::uint64_t as_said = statistics.of_outcome(outcome).count();
  const bool good = statistics.requests == count && statistics.faults == 0 && as_said + 2 * kPagesThatHit >= count &&
                    statistics.stage_sum_mismatches == 0;
  if (!good) {
    std::fprintf(stderr, "%s: of %llu DMAs %llu were what the case says\n", which.name,
                 static_cast<unsigned long long>(count), static_cast<unsigned long long>(as_said));
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace iommu::bench

int sc_main(int argc, char** argv) {
  using namespace iommu::bench;
  if (argc != 3) {
    for (const Case& known : all_cases()) std::printf("%s\n", known.name);
    return argc == 1 ? 0 : 2;
  }
  for (const Case& known : all_cases()) {
    if (std::strcmp(known.name, argv[1]) == 0) return run(known, std::strtoull(argv[2], nullptr, 10));
  }
  std::fprintf(stderr, "iommu-instructions: no case '%s'\n", argv[1]);
  return 2;
}
