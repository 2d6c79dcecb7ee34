// One path from a master to memory, with the translation unit or something in its place, and a load that keeps it busy.
//
// What it does: builds master, link (or none), unit, bus and memory; runs a number of 64-byte reads through it, one after the other (LT) or with
// many outstanding (AT). What it does not do: measure. A simulation may hold several paths; those that are not run cost nothing.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "models/core/random.h"
#include "models/tlm/bus.h"
#include "models/tlm/dma_port.h"
#include "models/tlm/pcie_link.h"
#include "testbench/bench/our_unit.h"
#include "testbench/bench/stand_ins.h"

namespace iommu::bench {

enum class UnitKind : std::uint8_t { Ours, PassThrough, Minimal, MinimalByDmi };
enum class Addresses : std::uint8_t {
  Sequential,   ///< line after line through 64 pages
  RandomPages,  ///< random lines of 64 pages
  NewPages,     ///< 1024 pages in turn: more than any look-up structure here holds
};

struct PathConfig {
  UnitKind kind = UnitKind::Ours;
  sim::TransportMode mode = sim::TransportMode::Lt;
  bool link = true;
  bool statistics = true;
  bool dmi = false;  ///< LT: the master accesses memory directly where that is granted
  Addresses addresses = Addresses::Sequential;
  std::uint32_t outstanding = 36;  ///< AT
  OurUnitConfig ours;
};

class Path : public sc_core::sc_module, private sim::DmaClient {
 public:
  Path(sc_core::sc_module_name name, const PathConfig& config)
      : sc_module(name),
        port_("port", sim::DmaPortConfig{config.mode, kRequester, config.outstanding, config.dmi}, *this),
        bus_("bus", {}),
        memory_("memory", memory_config()),
        mode_(config.mode),
        dmi_(config.dmi) {
    port_.statistics.keeps_latencies = config.statistics;
    write_tables(memory_, kPages);
    if (config.link) link_ = std::make_unique<sim::PcieLink>("link", link_config());
    switch (config.kind) {
      case UnitKind::Ours:
        ours_ = std::make_unique<OurUnit>("ours", config.ours);
        ours_->unit.structures.bind(bus_.initiators);
        ours_->walker.memory.bind(bus_.initiators);
        connect(ours_->unit);
        break;
      case UnitKind::PassThrough:
        pass_through_ = std::make_unique<PassThrough>("pass_through");
        connect(*pass_through_);
        break;
      case UnitKind::Minimal:
      case UnitKind::MinimalByDmi:
        minimal_ = std::make_unique<MinimalUnit>("minimal", kTopTable, config.kind == UnitKind::MinimalByDmi);
        connect(*minimal_);
        break;
    }
    bus_.connect(memory_.socket, 0, kMemoryBytes);
    make_addresses(config.addresses, config.kind == UnitKind::PassThrough ? kFrames : kInput);
    operations_.resize(mode_ == sim::TransportMode::At ? config.outstanding : 1);
    for (Operation& operation : operations_) {
      operation.data = operation.buffer;
      operation.length = sizeof operation.buffer;
    }
    using SC_CURRENT_USER_MODULE = Path;
    SC_METHOD(begin);
    sensitive << begin_;
    dont_initialize();
  }

  /// After elaboration, once.
  void enable() {
    if (ours_ != nullptr) ours_->enable();
  }
  /// Does `count` DMAs to their end.
  void run(std::uint64_t count) {
    if (mode_ == sim::TransportMode::Lt) {
      Operation& operation = operations_.front();
      core::Tick at = std::max(operation.end, sim::now_ticks());
      for (std::uint64_t i = 0; i < count; ++i) {
        operation.address = next_address();
        operation.ready_at = at;
        at = port_.perform(operation, at);
      }
      performed_ += count;
    } else {
      left_ = count;
      begin_.notify(sc_core::SC_ZERO_TIME);
      sc_core::sc_start();
    }
  }
  /// That every DMA so far was what the row says; ends the program when not.
  void check(core::OutcomeClass outcome) const {
    const sim::DmaStatistics& statistics = port_.statistics;
    if (dmi_) {
      // What is not direct is counted: no more than one for each page and the contexts' first.
      if (statistics.faults == 0 && performed_ > kAddresses && statistics.requests <= kPages) return;
      std::fprintf(stderr, "%s: %llu of %llu DMAs were not direct\n", name(),
                   static_cast<unsigned long long>(statistics.requests), static_cast<unsigned long long>(performed_));
      std::exit(1);
    }
    const std::uint64_t as_said = statistics.of_outcome(outcome).count();
    if (statistics.faults == 0 && statistics.requests - as_said <= kAddresses) return;
    std::fprintf(stderr, "%s: %llu of %llu DMAs were %s, %llu faults\n", name(),
                 static_cast<unsigned long long>(as_said), static_cast<unsigned long long>(statistics.requests),
                 core::outcome_name(outcome), static_cast<unsigned long long>(statistics.faults));
    std::exit(1);
  }

 private:
  static constexpr std::uint64_t kPages = 1024;
  static constexpr std::size_t kAddresses = 4096;
  struct Operation : sim::DmaOperation {
    unsigned char buffer[64] = {};
  };

  // The defaults of docs/parameters.md.
  static sim::MemoryConfig memory_config() {
    sim::MemoryConfig config;
    config.size_bytes = kMemoryBytes;
    config.bandwidth_mbytes_per_s = 25'600;
    return config;
  }
  static sim::PcieLinkConfig link_config() {
    sim::PcieLinkConfig config;
    config.propagation = 130'000;
    config.root_complex = 100'000;
    return config;
  }
  template <class Unit>
  void connect(Unit& unit) {
    if (link_ != nullptr) {
      port_.socket.bind(link_->device);
      link_->host.bind(unit.dma);
    } else {
      port_.socket.bind(unit.dma);
    }
    unit.memory.bind(bus_.initiators);
  }
  void make_addresses(Addresses kind, core::Address base) {
    core::Random random(1);
    for (std::uint64_t i = 0; i < kAddresses; ++i) {
      std::uint64_t offset = 64 * i;
      if (kind == Addresses::RandomPages) offset = 64 * (random.next() % kAddresses);
      if (kind == Addresses::NewPages) offset = (i % kPages) * core::kPageBytes + 64 * (i % 64);
      addresses_.push_back(base + offset);
    }
  }
  core::Address next_address() { return addresses_[next_++ % kAddresses]; }

  void begin() {
    for (Operation& operation : operations_) issue(operation);
  }
  void issue(sim::DmaOperation& operation) {
    if (left_ == 0) return;
    --left_;
    operation.address = next_address();
    operation.ready_at = sim::now_ticks();
    port_.issue(operation);
  }
  void dma_done(sim::DmaOperation& operation) override { issue(operation); }

  sim::DmaPort port_;
  std::unique_ptr<sim::PcieLink> link_;
  std::unique_ptr<OurUnit> ours_;
  std::unique_ptr<PassThrough> pass_through_;
  std::unique_ptr<MinimalUnit> minimal_;
  sim::Bus bus_;
  sim::Memory memory_;
  sim::TransportMode mode_;
  bool dmi_;
  std::uint64_t performed_ = 0;  // LT
  std::vector<Operation> operations_;
  std::vector<core::Address> addresses_;
  std::size_t next_ = 0;
  std::uint64_t left_ = 0;
  sc_core::sc_event begin_;
};

}  // namespace iommu::bench
