// A master's direct memory access through the translation unit: it goes where and as long as the translation allows, in
// the latency that memory grants. The rig's memory takes 50 ns an access; context cache and IOTLB take 1 and 2.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <memory>

#include "models/tlm/bus.h"
#include "models/tlm/dma_master.h"
#include "models/tlm/memory.h"
#include "models/tlm/pcie_link.h"
#include "testbench/platform/new_simulation.h"
#include "testbench/tlm/translation_rig.h"

using namespace iommu;
using core::OutcomeClass;
using core::Stage;
using test::Rig;

namespace {

constexpr core::RequesterId kDevice = 0x18;  // 00:03.0
constexpr core::Tick kDirect = 31'000;       // a read as the memory grants it, unlike the 50 ns of a transaction
constexpr std::uint64_t kPageOfDomain5 = 0x32 | (std::uint64_t{5} << 16);

struct NoClient : sim::DmaClient {
  void dma_done(sim::DmaOperation&) override {}
};

sim::DmaPortConfig direct_port() {
  sim::DmaPortConfig config;
  config.requester = kDevice;
  config.dmi = true;
  return config;
}

// A rig with a port that uses what is granted, with or without a link in between.
struct Bench {
  NoClient client;
  std::unique_ptr<Rig> rig;
  sim::DmaPort port{"port", direct_port(), client};
  std::unique_ptr<sim::PcieLink> link;
  core::Address table = 0;

  static void run(const std::function<void(Bench&)>& body, bool with_link = false) {
    test::new_simulation();
    Bench bench;
    bench.rig = std::make_unique<Rig>("rig", test::RigConfig{}, [&] { body(bench); });
    bench.rig->memory.direct_latency = kDirect;
    if (with_link) {
      sim::PcieLinkConfig config;
      config.propagation = 130'000;
      bench.link = std::make_unique<sim::PcieLink>("link", config);
      bench.port.socket.bind(bench.link->device);
      bench.link->host.bind(bench.rig->unit.dma);
    } else {
      bench.port.socket.bind(bench.rig->unit.dma);
    }
    sc_core::sc_start();
  }

  void enable() {
    rig->enable();
    table = rig->new_table();
    rig->context(kDevice, table, 5);
  }
  core::Address map(core::Address input, core::Address output, unsigned permissions) {
    return rig->map(table, input, output, permissions);
  }

  struct Done : sim::DmaOperation {
    std::array<unsigned char, 128> buffer{};
    core::Tick took = 0;
    std::uint64_t accesses = 0;  // of memory
  };
  /// One access now; returns when it has ended.
  Done access(core::Address address, bool write = false, std::uint32_t length = 64, unsigned char fill = 0) {
    Done done;
    done.buffer.fill(fill);
    done.address = address;
    done.data = done.buffer.data();
    done.length = length;
    done.write = write;
    return run_one(done);
  }
  Done run_one(Done done) {
    done.data = done.buffer.data();
    done.ready_at = sim::now_ticks();
    const std::uint64_t before = rig->memory.accesses;
    const core::Tick end = port.perform(done, sim::now_ticks());
    CHECK(end == done.end);
    CHECK(done.stages.total() == done.end - done.ready_at);
    done.took = done.end - done.issued_at;
    done.accesses = rig->memory.accesses - before;
    sc_core::wait(sim::delay_until(end));
    return done;
  }
};

}  // namespace

TEST_CASE("direct DMA: the first access goes the whole way, those that follow take the granted latency") {
  Bench::run([](Bench& bench) {
    bench.enable();
    bench.map(0x400000, 0x200000, 3);
    bench.rig->memory.bytes[0x200040] = 0xA5;
    // 1 context cache + 2 x 50 root and context entry + 2 IOTLB + 1 walk cache + 4 x (2 + 50) walk + 50 access.
    const Bench::Done first = bench.access(0x400000);
    CHECK(first.took == 362'000);
    CHECK_FALSE(first.direct);
    const Bench::Done read = bench.access(0x400040);
    CHECK(read.direct);
    CHECK(read.ok());
    CHECK(read.took == 31'000);
    CHECK(read.freed_at == read.end);
    CHECK(read.stages.of(Stage::Downstream) == 31'000);
    CHECK(read.accesses == 0);
    CHECK(read.buffer[0] == 0xA5);
    const Bench::Done write = bench.access(0x400080, true, 16, 0x5A);
    CHECK(write.direct);
    CHECK(write.took == 32'000);
    CHECK(write.accesses == 0);
    CHECK(bench.rig->memory.bytes[0x20007F] == 0);
    CHECK(bench.rig->memory.bytes[0x200080] == 0x5A);
    CHECK(bench.rig->memory.bytes[0x20008F] == 0x5A);
    CHECK(bench.rig->memory.bytes[0x200090] == 0);
    // Nothing but the first is counted.
    CHECK(bench.port.statistics.requests == 1);
    CHECK(bench.port.statistics.latency().count() == 1);
    CHECK(bench.rig->unit.counters().requests == 1);
    CHECK(bench.rig->iotlb.counters().lookups == 1);
  });
}

TEST_CASE("direct DMA: time that an operation has waited before is issue wait") {
  Bench::run([](Bench& bench) {
    bench.enable();
    bench.map(0x400000, 0x200000, 3);
    static_cast<void>(bench.access(0x400000));
    Bench::Done late;
    late.address = 0x400000;
    late.length = 8;
    late.data = late.buffer.data();
    late.ready_at = sim::now_ticks();
    CHECK(bench.port.perform(late, sim::now_ticks() + 7'000) == sim::now_ticks() + 38'000);
    CHECK(late.direct);
    CHECK(late.stages.of(Stage::IssueWait) == 7'000);
    CHECK(late.stages.of(Stage::Downstream) == 31'000);
  });
}

TEST_CASE("direct DMA: a page that is unmapped and invalidated can't be reached by its grant") {
  const bool with_link = GENERATE(false, true);
  Bench::run(
      [](Bench& bench) {
        bench.enable();
        const core::Address leaf = bench.map(0x400000, 0x200000, 3);
        bench.map(0x401000, 0x201000, 3);
        static_cast<void>(bench.access(0x400000));
        static_cast<void>(bench.access(0x401000));
        CHECK(bench.access(0x400000).direct);
        // Until software invalidates, what was granted holds as what a cache holds.
        bench.rig->memory.write64(leaf, 0);
        CHECK(bench.access(0x400000).direct);
        bench.rig->submit_and_wait({{kPageOfDomain5, 0x400000}});
        const Bench::Done after = bench.access(0x400000);
        CHECK_FALSE(after.direct);
        CHECK_FALSE(after.ok());
        CHECK(after.outcome == OutcomeClass::Fault);
        CHECK(after.fault_reason == 0x06);
        CHECK_FALSE(bench.access(0x400000).ok());
        // Its neighbour was not touched.
        CHECK(bench.access(0x401000).direct);
        // Mapped elsewhere: granted anew.
        bench.rig->memory.write64(leaf, 0x300000 | 3);
        bench.rig->memory.bytes[0x300000] = 0xC3;
        CHECK_FALSE(bench.access(0x400000).direct);
        const Bench::Done elsewhere = bench.access(0x400000);
        CHECK(elsewhere.direct);
        CHECK(elsewhere.buffer[0] == 0xC3);
        bench.rig->submit_and_wait({{kPageOfDomain5, 0x401000}});
        CHECK(bench.access(0x400000).direct);
        CHECK_FALSE(bench.access(0x401000).direct);
      },
      with_link);
}

TEST_CASE("direct DMA: an invalidation of all contexts withdraws every grant") {
  Bench::run([](Bench& bench) {
    bench.enable();
    bench.map(0x400000, 0x200000, 3);
    bench.map(0x401000, 0x201000, 3);
    static_cast<void>(bench.access(0x400000));
    static_cast<void>(bench.access(0x401000));
    bench.rig->memory.write64(test::kContextTable + 16u * kDevice, 0);
    bench.rig->submit_and_wait({{0x11, 0}});
    CHECK(bench.access(0x400000).fault_reason == 0x02);
    CHECK(bench.access(0x401000).fault_reason == 0x02);
  });
}

TEST_CASE("direct DMA: a write does not go through what was granted for reading") {
  Bench::run([](Bench& bench) {
    bench.enable();
    bench.map(0x400000, 0x200000, 1);
    static_cast<void>(bench.access(0x400000));
    CHECK(bench.access(0x400000).direct);
    const Bench::Done write = bench.access(0x400000, true, 64, 0x5A);
    CHECK_FALSE(write.direct);
    CHECK(write.fault_reason == 0x05);
    CHECK(bench.rig->memory.bytes[0x200000] == 0);
    // Nor a read through what was granted for writing.
    bench.map(0x401000, 0x201000, 2);
    CHECK(bench.access(0x401000, true).ok());
    CHECK(bench.access(0x401000, true).direct);
    const Bench::Done read = bench.access(0x401000);
    CHECK_FALSE(read.direct);
    CHECK(read.fault_reason == 0x06);
  });
}

TEST_CASE("direct DMA: a grant ends with its page") {
  Bench::run([](Bench& bench) {
    bench.enable();
    bench.map(0x400000, 0x200000, 3);
    bench.map(0x401000, 0x300000, 3);  // not behind the other in memory
    bench.rig->memory.bytes[0x201000] = 0x11;
    bench.rig->memory.bytes[0x300000] = 0x22;
    static_cast<void>(bench.access(0x400000));
    CHECK(bench.access(0x400FC0).direct);  // its last byte is the page's
    const Bench::Done crossing = bench.access(0x400FC1);
    CHECK_FALSE(crossing.direct);
    CHECK(crossing.ok());
    CHECK(crossing.buffer[63] == 0x22);
    CHECK_FALSE(bench.access(0x400FC1).direct);
    CHECK_FALSE(bench.access(0x402000).ok());
  });
}

TEST_CASE("direct DMA: a large leaf is one grant, for all of its pages") {
  Bench::run([](Bench& bench) {
    bench.enable();
    bench.rig->map(bench.table, 0x400000, 0x200000, 3, 2);
    bench.rig->memory.bytes[0x3FF000] = 0x77;
    static_cast<void>(bench.access(0x400000));
    const Bench::Done last = bench.access(0x5FF000);
    CHECK(last.direct);
    CHECK(last.buffer[0] == 0x77);
    CHECK(bench.access(0x4FFFE0).direct);  // crosses 4 KiB within the leaf
    CHECK(bench.rig->unit.counters().requests == 1);
    // An invalidation of one of its pages takes all of it.
    bench.rig->submit_and_wait({{kPageOfDomain5, 0x480000}});
    CHECK_FALSE(bench.access(0x5FF000).direct);
  });
}

TEST_CASE("direct DMA: zero-length reads and atomic accesses are made by the translation unit") {
  Bench::run([](Bench& bench) {
    bench.enable();
    bench.map(0x400000, 0x200000, 1);
    static_cast<void>(bench.access(0x400000));
    Bench::Done atomic;
    atomic.address = 0x400000;
    atomic.length = 8;
    atomic.atomic = true;
    CHECK(bench.run_one(atomic).fault_reason == 0x05);
    Bench::Done probe;
    probe.address = 0x400000;
    probe.zero_length = true;
    const Bench::Done probed = bench.run_one(probe);
    CHECK(probed.ok());
    CHECK_FALSE(probed.direct);
    CHECK(probed.accesses == 0);
  });
}

TEST_CASE("direct DMA: nothing that translation being off has granted outlives its being switched on") {
  Bench::run([](Bench& bench) {
    Rig& rig = *bench.rig;
    rig.write(0x20, test::kRootTable, 8);
    rig.write(0x18, 0x40000000, 4);
    while ((rig.read(0x1C, 4) & 0x40000000) == 0) continue;
    CHECK_FALSE(bench.access(0x400000).direct);
    CHECK(bench.access(0x400000).direct);
    rig.write(0x18, 0x80000000, 4);
    const core::Tick written = sim::now_ticks();
    const auto begin = [&](core::Address address) {
      Bench::Done done;
      done.address = address;
      done.length = 64;
      done.data = done.buffer.data();
      done.ready_at = sim::now_ticks();
      static_cast<void>(bench.port.perform(done, sim::now_ticks()));
      return done;
    };
    // A transaction that is under way makes the drain, which begins 10 ns after the command, take time.
    sc_core::wait(sc_core::sc_time(5, sc_core::SC_NS));
    CHECK(begin(0x500000).end == written + 55'000);
    CHECK(begin(0x500000).direct);
    // In this time more is granted.
    sc_core::wait(sc_core::sc_time(15, sc_core::SC_NS));
    CHECK(begin(0x600000).outcome == OutcomeClass::Untranslated);
    CHECK(begin(0x600000).direct);
    while ((rig.read(0x1C, 4) & 0x80000000) == 0) continue;
    for (const core::Address address : {0x400000u, 0x500000u, 0x600000u}) {
      const Bench::Done after = bench.access(address);
      CHECK_FALSE(after.direct);
      CHECK(after.fault_reason == 0x01);
    }
  });
}

TEST_CASE("direct DMA: a target that grants nothing is asked once, and again when something is withdrawn") {
  Bench::run([](Bench& bench) {
    bench.enable();
    bench.map(0x400000, 0x200000, 3);
    bench.rig->memory.grants = false;
    for (int i = 0; i < 3; ++i) CHECK_FALSE(bench.access(0x400000).direct);
    CHECK(bench.rig->memory.asked == 1);
    bench.rig->memory.grants = true;
    CHECK_FALSE(bench.access(0x400000).direct);
    CHECK_FALSE(bench.access(0x400000).direct);
    bench.rig->unit.dma[1]->invalidate_direct_mem_ptr(0x400FFF, 0x400FFF);
    CHECK_FALSE(bench.access(0x400000).direct);
    CHECK(bench.access(0x400000).direct);
    CHECK(bench.rig->memory.asked == 2);
  });
}

namespace {

// Translation is off: the unit passes everything as it is.
struct Path : sc_core::sc_module {
  sim::PcieLink link;
  sim::Iotlb iotlb{"iotlb", {}};
  sim::PageTableWalker walker{"walker", {}};
  sim::TranslationUnit unit{"unit", {}, std::make_unique<vtd::FrontEnd>(vtd::Capabilities())};
  sim::Bus bus{"bus", {}};  // 2.5 ns each way
  sim::Memory memory;
  tlm_utils::simple_initiator_socket<Path, sim::kSocketWidthBits> cpu{"cpu"};
  std::function<void()> body;

  explicit Path(sc_core::sc_module_name name)
      : sc_module(name), link("link", link_config()), memory("memory", memory_config()) {
    link.host.bind(unit.dma);
    unit.memory.bind(bus.initiators);
    unit.structures.bind(bus.initiators);
    walker.memory.bind(bus.initiators);
    unit.iotlb(iotlb);
    unit.walker(walker);
    cpu.bind(unit.registers);
    bus.connect(memory.socket, 0x100000, 16u << 20);
    using SC_CURRENT_USER_MODULE = Path;
    SC_THREAD(run);
  }
  void run() { body(); }
  static sim::PcieLinkConfig link_config() {
    sim::PcieLinkConfig config;
    config.propagation = 130'000;
    config.root_complex = 100'000;
    return config;
  }
  static sim::MemoryConfig memory_config() {
    sim::MemoryConfig config;  // 70 ns
    config.base = 0x100000;
    config.size_bytes = 16u << 20;
    config.bandwidth_mbytes_per_s = 25'600;
    return config;
  }
};

}  // namespace

TEST_CASE("direct DMA through link, unit and bus takes the latency of bus and memory, and is withdrawn through them") {
  test::new_simulation();
  NoClient client;
  sim::DmaPort port("port", direct_port(), client);
  Path path("path");
  port.socket.bind(path.link.device);
  path.body = [&] {
    std::array<unsigned char, 64> buffer{};
    sim::DmaOperation operation;
    operation.data = buffer.data();
    operation.length = 64;
    const auto read = [&](core::Address address) {
      operation.address = address;
      operation.ready_at = sim::now_ticks();
      sc_core::wait(sim::delay_until(port.perform(operation, sim::now_ticks())));
      CHECK(operation.ok());
      return operation.direct;
    };
    CHECK_FALSE(read(0x200000));
    CHECK(read(0x200040));
    CHECK(operation.end - operation.issued_at == 75'000);
    CHECK(operation.stages.of(Stage::Downstream) == 75'000);
    CHECK(path.link.counters().read_requests == 1);
    CHECK(path.unit.counters().requests == 1);
    CHECK(path.bus.counters().transactions == 1);
    CHECK(path.memory.counters().reads == 1);
    CHECK(path.memory.counters().busy == 2'500);
    CHECK(port.statistics.requests == 1);
    path.memory.socket[0]->invalidate_direct_mem_ptr(0x300000, 0x300000);
    CHECK_FALSE(read(0x200040));
    CHECK(read(0x200040));
  };
  sc_core::sc_start();
}
