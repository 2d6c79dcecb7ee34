// What is charged to which call: literal counts on the real machine (the accesses are those of specification 6.5 and 11.4.4),
// nesting, threads, failures, and the log.
#include <systemc>

#include "platform/host_ports.h"
#include "platform/machine.h"
#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_folder.h"

namespace {

using namespace iommu;
using platform::AccessCounts;
using platform::AccessLog;
using platform::FunctionCounters;
using platform::Machine;
using Function = api::Function;

const std::string kScenario = "[device.dma0]\ncount = 1\n";

std::vector<std::uint64_t> numbers(const AccessCounts& counts) {
  return {counts.register_reads, counts.register_writes, counts.memory_reads, counts.memory_writes};
}

/// Runs `body` as a driver of the machine's host; what it finds is looked at afterwards.
void run(Machine& machine, std::function<void(DMA_IOMMU_INTERFACE_V2&)> body) {
  machine.host->spawn("driver", [body = std::move(body)] {
    DMA_IOMMU_INTERFACE_EX interface {};
    if (!NT_SUCCESS(IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_2, 0, &interface))) return;
    body(interface.V2);
  });
  sc_core::sc_start();
}

struct Domain {
  PIOMMU_DMA_DEVICE device = nullptr;
  PIOMMU_DMA_DOMAIN domain = nullptr;
};

Domain bring_up(Machine& machine, DMA_IOMMU_INTERFACE_V2& v2) {
  Domain made;
  static_cast<void>(v2.CreateDevice(machine.pdo(0), nullptr, &made.device));
  IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG allocator{};
  allocator.LogicalAllocatorType = IommuDmaLogicalAllocatorBuddy;
  allocator.BuddyAllocatorConfig.AddressWidth = 39;
  static_cast<void>(
      v2.CreateDomainEx(DomainTypeTranslate, IOMMU_DMA_DOMAIN_CREATION_FLAGS{}, &allocator, nullptr, &made.domain));
  static_cast<void>(v2.AttachDeviceEx(made.domain, made.device));
  return made;
}

NTSTATUS map_page(DMA_IOMMU_INTERFACE_V2& v2, PIOMMU_DMA_DOMAIN domain, IOMMU_DMA_LOGICAL_ADDRESS& logical) {
  IOMMU_MAP_PHYSICAL_ADDRESS physical{};
  physical.MapType = MapPhysicalAddressTypeContiguousRange;
  physical.ContiguousRange.Base.QuadPart = 0x800000;
  physical.ContiguousRange.Size = 4096;
  return v2.MapLogicalRangeEx(domain, IOMMU_ACCESS_READ, &physical, nullptr, nullptr, nullptr, &logical);
}

}  // namespace

TEST_CASE("exact numbers: mapping one page and unmapping it") {
  const platform::Config config = config_for(kScenario);
  Machine machine(config);
  run(machine, [&](DMA_IOMMU_INTERFACE_V2& v2) {
    const Domain made = bring_up(machine, v2);
    IOMMU_DMA_LOGICAL_ADDRESS logical = 0;
    static_cast<void>(map_page(v2, made.domain, logical));
    static_cast<void>(v2.UnmapLogicalRange(made.domain, logical, 1));
  });
  // A table of three levels: zeroed tables of levels 2 and 1 and the two entries that point to them, and the leaf.
  const FunctionCounters& map = machine.monitor.of(Function::MapLogicalRangeEx);
  CHECK(map.calls == 1);
  CHECK(map.failures == 0);
  CHECK(map.duration.count() == 1);
  CHECK(numbers(map.accesses) == std::vector<std::uint64_t>{0, 0, 0, 5});
  // The leaf takes its empty tables along: one entry of each level is cleared. Two descriptors of two words, one write of IQT, and the
  // status word until it says "completed".
  const FunctionCounters& unmap = machine.monitor.of(Function::UnmapLogicalRange);
  CHECK(unmap.calls == 1);
  CHECK(unmap.accesses.register_reads == 0);
  CHECK(unmap.accesses.register_writes == 1);
  CHECK(unmap.accesses.memory_reads >= 1);
  CHECK(unmap.accesses.memory_writes == 3 + 4);
  CHECK(unmap.duration.min() > 0);
  // Nothing else reached the machine than what was charged or counted as outside.
  AccessCounts sum = machine.monitor.outside_of_calls();
  for (std::size_t i = 0; i < api::kFunctions; ++i) {
    const AccessCounts& own = machine.monitor.of(static_cast<Function>(i)).accesses;
    sum.register_reads += own.register_reads;
    sum.register_writes += own.register_writes;
    sum.memory_reads += own.memory_reads;
    sum.memory_writes += own.memory_writes;
  }
  CHECK(sum.register_reads == machine.host->counters().registers.reads);
  CHECK(sum.register_writes == machine.host->counters().registers.writes);
  CHECK(sum.memory_reads == machine.host->counters().memory.reads);
  CHECK(sum.memory_writes == machine.host->counters().memory.writes);
}

TEST_CASE("the start of the unit is outside of calls, and a function without hardware has none") {
  const platform::Config config = config_for(kScenario);
  Machine machine(config);
  ULONG types = 0;
  run(machine, [&](DMA_IOMMU_INTERFACE_V2& v2) {
    const Domain made = bring_up(machine, v2);
    v2.QueryAvailableDomainTypes(made.device, &types);
  });
  CHECK((types & 1u) == 1);
  const AccessCounts& outside = machine.monitor.outside_of_calls();
  CHECK(outside.register_reads >= 3);   // VER, CAP, ECAP and polls of GSTS
  CHECK(outside.register_writes == 7);  // IQT, IQA, GCMD.QIE, RTADDR, GCMD.SRTP, IQT, GCMD.TE
  CHECK(outside.memory_writes == 9);    // zeros: root table, queue, status; three descriptors of two words
  const FunctionCounters& query = machine.monitor.of(Function::QueryAvailableDomainTypes);
  CHECK(query.calls == 1);
  CHECK(query.failures == 0);
  CHECK(query.duration.max() == 0);
  CHECK(numbers(query.accesses) == std::vector<std::uint64_t>{0, 0, 0, 0});
}

TEST_CASE("a failed call is counted, with the accesses that it made") {
  const platform::Config config = config_for(kScenario);
  Machine machine(config);
  run(machine, [&](DMA_IOMMU_INTERFACE_V2& v2) {
    const Domain made = bring_up(machine, v2);
    static_cast<void>(v2.UnmapLogicalRange(made.domain, 0x1001, 1));
    static_cast<void>(v2.AttachDeviceEx(made.domain, made.device));
  });
  CHECK(machine.monitor.of(Function::UnmapLogicalRange).calls == 1);
  CHECK(machine.monitor.of(Function::UnmapLogicalRange).failures == 1);
  CHECK(numbers(machine.monitor.of(Function::UnmapLogicalRange).accesses) == std::vector<std::uint64_t>{0, 0, 0, 0});
  CHECK(machine.monitor.of(Function::AttachDeviceEx).calls == 2);
  CHECK(machine.monitor.of(Function::AttachDeviceEx).failures == 1);
}

TEST_CASE("version 1 has counters of its own and shares those of common functions") {
  const platform::Config config = config_for(kScenario);
  Machine machine(config);
  machine.host->spawn("driver", [&] {
    DMA_IOMMU_INTERFACE_EX interface {};
    static_cast<void>(IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_1, 0, &interface));
    PIOMMU_DMA_DOMAIN domain = nullptr;
    static_cast<void>(interface.V1.CreateDomain(1, &domain));
    static_cast<void>(interface.V1.DeleteDomain(domain));
  });
  sc_core::sc_start();
  CHECK(machine.monitor.of(Function::CreateDomain).calls == 1);
  CHECK(machine.monitor.of(Function::CreateDomainEx).calls == 0);
  CHECK(machine.monitor.of(Function::DeleteDomain).calls == 1);
}

namespace {

/// A monitor and a port on a host of its own; calls are whatever the test says.
struct Bench {
  const platform::Config config = config_for(kScenario);
  Machine machine{config};
  platform::InterfaceMonitor monitor;
  platform::HostMemoryPort memory{*machine.host, monitor};
  platform::HostRegisterPort registers{*machine.host, config.iommus[0].base_address, 0, monitor};
};

}  // namespace

TEST_CASE("a call inside of a callback has its accesses to itself") {
  Bench bench;
  bench.machine.host->spawn("driver", [&] {
    bench.monitor.entered(Function::RegisterInterfaceStateChangeCallback);
    bench.memory.write64(0x100000, 1);
    bench.monitor.entered(Function::QueryAvailableDomainTypes);
    bench.memory.write64(0x100000, 2);
    static_cast<void>(bench.registers.read32(0x1C));
    bench.monitor.returned(Function::QueryAvailableDomainTypes, STATUS_SUCCESS);
    static_cast<void>(bench.memory.read64(0x100000));
    bench.monitor.returned(Function::RegisterInterfaceStateChangeCallback, STATUS_UNSUCCESSFUL);
    bench.memory.zero_page(0x101000);
  });
  sc_core::sc_start();
  const FunctionCounters& outer = bench.monitor.of(Function::RegisterInterfaceStateChangeCallback);
  const FunctionCounters& inner = bench.monitor.of(Function::QueryAvailableDomainTypes);
  CHECK(numbers(outer.accesses) == std::vector<std::uint64_t>{0, 0, 1, 1});
  CHECK(numbers(inner.accesses) == std::vector<std::uint64_t>{1, 0, 0, 1});
  CHECK(numbers(bench.monitor.outside_of_calls()) == std::vector<std::uint64_t>{0, 0, 0, 1});
  CHECK(outer.failures == 1);
  CHECK(inner.failures == 0);
  CHECK(outer.duration.max() > inner.duration.max());
}

TEST_CASE("calls of two threads overlap and are told apart") {
  Bench bench;
  const auto thread = [&](Function function, unsigned accesses) {
    bench.monitor.entered(function);
    for (unsigned i = 0; i < accesses; ++i) bench.memory.write64(0x100000 + 8 * std::uint64_t{i}, i);
    bench.monitor.returned(function, STATUS_SUCCESS);
  };
  bench.machine.host->spawn("a", [&] { thread(Function::MapLogicalRangeEx, 7); });
  bench.machine.host->spawn("b", [&] { thread(Function::UnmapLogicalRange, 3); });
  bench.machine.host->spawn("c", [&] { bench.memory.write64(0x200000, 0); });
  sc_core::sc_start();
  CHECK(bench.monitor.of(Function::MapLogicalRangeEx).accesses.memory_writes == 7);
  CHECK(bench.monitor.of(Function::UnmapLogicalRange).accesses.memory_writes == 3);
  CHECK(bench.monitor.outside_of_calls().memory_writes == 1);
}

TEST_CASE("the log has what was chosen, with values and times") {
  Bench bench;
  AccessLog log;
  log.chosen.set(static_cast<std::size_t>(Function::MapLogicalRangeEx));
  bench.machine.host->spawn("driver", [&] {
    bench.monitor.entered(Function::MapLogicalRangeEx);
    bench.memory.write64(0x100000, 1);  // before anybody asked
    bench.monitor.returned(Function::MapLogicalRangeEx, STATUS_SUCCESS);
    bench.monitor.log_to(&log);
    bench.memory.write64(0x100000, 2);  // outside
    bench.monitor.entered(Function::UnmapLogicalRange);
    bench.memory.write64(0x100000, 3);  // another function
    bench.monitor.returned(Function::UnmapLogicalRange, STATUS_SUCCESS);
    bench.monitor.entered(Function::MapLogicalRangeEx);
    bench.memory.write64(0x100008, 4);
    static_cast<void>(bench.memory.read64(0x100008));
    bench.registers.write64(0x88, 0x20);
    bench.memory.zero_page(0x101000);
    bench.monitor.returned(Function::MapLogicalRangeEx, STATUS_NOT_SUPPORTED);
    bench.monitor.log_to(nullptr);
    bench.memory.write64(0x100000, 5);
  });
  sc_core::sc_start();
  REQUIRE(log.calls.size() == 1);
  CHECK(log.calls[0].function == Function::MapLogicalRangeEx);
  CHECK(log.calls[0].status == STATUS_NOT_SUPPORTED);
  REQUIRE(log.accesses.size() == 4);
  using Space = platform::Access::Space;
  const auto& a = log.accesses;
  CHECK((a[0].access.space == Space::Memory && a[0].access.write && a[0].access.address == 0x100008));
  CHECK((a[0].access.bytes == 8 && a[0].access.value == 4 && a[0].call == std::size_t{0}));
  CHECK((!a[1].access.write && a[1].access.value == 4));
  CHECK((a[2].access.space == Space::Registers && a[2].access.address == 0x88 && a[2].access.value == 0x20));
  CHECK((a[3].access.bytes == 4096 && a[3].access.address == 0x101000 && a[3].access.value == 0));
  CHECK(a[0].access.begin == log.calls[0].begin);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(a[i].access.begin < a[i].access.end);
    if (i > 0) CHECK(a[i].access.begin >= a[i - 1].access.end);
  }
  CHECK(a[3].access.end == log.calls[0].end);
}
