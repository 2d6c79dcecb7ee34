#include "testbench/bench/map_call.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "platform/machine.h"

namespace iommu::bench {

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) { return std::chrono::duration<double, std::nano>(Clock::now() - begin).count(); }

void require(NTSTATUS status, const char* function) {
  if (NT_SUCCESS(status)) return;
  std::fprintf(stderr, "%s failed: 0x%08x\n", function, static_cast<unsigned>(status));
  std::exit(1);
}

}  // namespace

struct MapCalls::Parts {
  platform::Config config = platform::load_config_text("[device.dma0]\ncount = 1\n", "benchmark");
  platform::Machine machine{config};
  DMA_IOMMU_INTERFACE_EX interface {};
  PIOMMU_DMA_DOMAIN domain = nullptr;
  platform::AccessLog log;
  IOMMU_DMA_LOGICAL_ADDRESS kept = 0;
  std::vector<IOMMU_DMA_LOGICAL_ADDRESS> mapped{std::vector<IOMMU_DMA_LOGICAL_ADDRESS>(kCalls)};

  void on_host(std::function<void()> work) {
    machine.host->spawn("driver", std::move(work));
    sc_core::sc_start();
  }
  void map(unsigned page, IOMMU_DMA_LOGICAL_ADDRESS& logical) {
    IOMMU_MAP_PHYSICAL_ADDRESS physical{};
    physical.MapType = MapPhysicalAddressTypeContiguousRange;
    physical.ContiguousRange.Base.QuadPart = 0x80000000 + 4096LL * page;
    physical.ContiguousRange.Size = 4096;
    require(interface.V2.MapLogicalRangeEx(domain, IOMMU_ACCESS_READ, &physical, nullptr, nullptr, nullptr, &logical),
            "MapLogicalRangeEx");
  }
  double map_all() {
    const auto begin = Clock::now();
    for (unsigned i = 0; i < kCalls; ++i) map(i, mapped[i]);
    return since(begin);
  }
  double repeat() {
    const auto begin = Clock::now();
    for (const platform::LoggedAccess& logged : log.accesses) {
      const platform::Access& access = logged.access;
      if (access.space == platform::Access::Space::Registers || access.bytes != 8) {
        std::fprintf(stderr, "a map call did more than access entries\n");
        std::exit(1);
      }
      if (access.write) {
        machine.host->write<std::uint64_t>(access.address, access.value);
      } else {
        static_cast<void>(machine.host->read<std::uint64_t>(access.address));
      }
    }
    return since(begin);
  }
  void unmap_all() {
    for (const IOMMU_DMA_LOGICAL_ADDRESS logical : mapped) {
      require(interface.V2.UnmapLogicalRange(domain, logical, 1), "UnmapLogicalRange");
    }
  }
};

MapCalls::MapCalls() : parts_(std::make_unique<Parts>()) {
  Parts& p = *parts_;
  p.on_host([&p] {
    require(IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_2, 0, &p.interface), "IoGetIommuInterfaceEx");
    DMA_IOMMU_INTERFACE_V2& v2 = p.interface.V2;
    PIOMMU_DMA_DEVICE device = nullptr;
    require(v2.CreateDevice(p.machine.pdo(0), nullptr, &device), "CreateDevice");
    IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG allocator{};
    allocator.LogicalAllocatorType = IommuDmaLogicalAllocatorBuddy;
    allocator.BuddyAllocatorConfig.AddressWidth = 39;
    require(v2.CreateDomainEx(DomainTypeTranslate, IOMMU_DMA_DOMAIN_CREATION_FLAGS{}, &allocator, nullptr, &p.domain),
            "CreateDomainEx");
    require(v2.AttachDeviceEx(p.domain, device), "AttachDeviceEx");
    p.map(kCalls, p.kept);  // the tables stay
    p.log.chosen.set(static_cast<std::size_t>(api::Function::MapLogicalRangeEx));
    p.machine.monitor.log_to(&p.log);
    p.map_all();
    p.machine.monitor.log_to(nullptr);
    p.unmap_all();
  });
}

MapCalls::~MapCalls() = default;

MapCalls::Times MapCalls::measure() {
  Times times;
  parts_->on_host([this, &times] {
    times.calls_ns = parts_->map_all();
    times.transactions_ns = parts_->repeat();
    parts_->unmap_all();
  });
  return times;
}

std::size_t MapCalls::transactions() const { return parts_->log.accesses.size(); }

}  // namespace iommu::bench
