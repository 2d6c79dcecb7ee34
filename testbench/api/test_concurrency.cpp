// Several host threads in one system (sheet 3.1 item 10, OP-28, OP-29): serialised per domain, independent between
// domains, and caller's races named. Threads hand over at every access to memory, at locks and at polls.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <algorithm>
#include <random>

#include "testbench/api/cooperative_threads.h"
#include "testbench/api/fake_machine.h"

namespace {

/// Sentences about what went wrong inside threads; asserted afterwards.
using Problems = std::vector<std::string>;

/// Maps, uses, unmaps pages of `domain` many times, through a device that others may use as well.
void map_and_unmap(fake::Machine& machine, PIOMMU_DMA_DOMAIN domain, unsigned sid, std::uint64_t seed, unsigned rounds,
                   Problems& problems) {
  const auto& v2 = machine.v2();
  std::mt19937_64 random(seed);
  for (unsigned i = 0; i < rounds; ++i) {
    const std::uint64_t pages = 1 + random() % 5;
    const std::uint64_t base = (1 + random() % 1000000) << 12;
    auto physical = fake::contiguous(base, pages << 12);
    IOMMU_DMA_LOGICAL_ADDRESS at = 0;
    if (v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &at) != STATUS_SUCCESS) {
      problems.push_back("map failed");
      return;
    }
    const fake::Access access = machine.units[0]->dma(sid, at + (pages << 12) - 1, true);
    if (!access.ok || access.physical != base + (pages << 12) - 1) problems.push_back("a mapped page is not reached");
    if (v2.UnmapLogicalRange(domain, at, pages) != STATUS_SUCCESS) problems.push_back("unmap failed");
  }
}

}  // namespace

TEST_CASE("Threads map and unmap in one domain", "[concurrency]") {
  for (const auto path : {iommu::api::InvalidationPath::Queue, iommu::api::InvalidationPath::Registers}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      INFO("seed " << seed);
      fake::Options options;
      options.path = path;
      fake::Machine machine(options);
      const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
      REQUIRE(machine.v2().AttachDeviceEx(domain, machine.device("nic0")) == STATUS_SUCCESS);
      const std::size_t frames = machine.frames.in_use();
      machine.units[0]->latency = 2;
      machine.memory.unlocked_writes.clear();
      fake::Threads threads(seed);
      Problems problems;
      machine.host.threads = &threads;
      const auto body = [&](std::uint64_t s) {
        return [&, s] { map_and_unmap(machine, domain, fake::kNic, s, 20, problems); };
      };
      threads.run({body(10 * seed), body(10 * seed + 1), body(10 * seed + 2)});
      machine.host.threads = nullptr;
      CHECK(problems == Problems{});
      CHECK(machine.breaches == fake::Breaches{});
      CHECK(machine.frames.in_use() == frames);
      CHECK(machine.memory.unlocked_writes.empty());
      CHECK(machine.host.locks_held == 0);
    }
  }
}

TEST_CASE("Threads work in domains of their own while devices come and go", "[concurrency]") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    INFO("seed " << seed);
    fake::Options options;
    options.extra_devices = 3;
    fake::Machine machine(options);
    const auto& v2 = machine.v2();
    machine.units[0]->latency = 3;
    fake::Threads threads(seed);
    Problems problems;
    const auto body = [&](unsigned index) {
      return [&, index] {
        const PIOMMU_DMA_DEVICE device = machine.device("fn" + std::to_string(index));
        for (unsigned round = 0; round < 4; ++round) {
          const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
          if (v2.AttachDeviceEx(domain, device) != STATUS_SUCCESS) problems.push_back("attach failed");
          map_and_unmap(machine, domain, 0x0300 + index, 100 * seed + index, 5, problems);
          if (v2.DetachDeviceEx(device) != STATUS_SUCCESS) problems.push_back("detach failed");
          if (v2.DeleteDomain(domain) != STATUS_SUCCESS) problems.push_back("delete failed");
        }
        if (v2.DeleteDevice(device) != STATUS_SUCCESS) problems.push_back("DeleteDevice failed");
      };
    };
    machine.v2();
    machine.host.threads = &threads;
    threads.run({body(0), body(1), body(2)});
    machine.host.threads = nullptr;
    CHECK(problems == Problems{});
    CHECK(machine.breaches == fake::Breaches{});
    CHECK(machine.host.diagnostics.empty());
    CHECK(machine.system->domain_count() == 0);
    CHECK(machine.system->device_count() == 0);
    CHECK(machine.frames.in_use() == 4);  // the unit's own three and the context table of bus 3
  }
}

TEST_CASE("A full queue makes submitters wait, not fail", "[concurrency]") {
  // 150 unmaps of two descriptors each, for a queue that holds 255.
  constexpr unsigned kThreads = 150;
  fake::Options options;
  options.extra_devices = kThreads;
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  Problems problems;
  std::vector<std::function<void()>> bodies;
  for (unsigned i = 0; i < kThreads; ++i) {
    const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
    REQUIRE(v2.AttachDeviceEx(domain, machine.device("fn" + std::to_string(i))) == STATUS_SUCCESS);
    auto physical = fake::contiguous(0x100000, 0x1000);
    IOMMU_DMA_LOGICAL_ADDRESS at = 0;
    REQUIRE(v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &at) == STATUS_SUCCESS);
    REQUIRE(machine.units[0]->dma(0x0300 + i, at, true).ok);
    bodies.emplace_back([&, domain, at, i] {
      if (v2.UnmapLogicalRange(domain, at, 1) != STATUS_SUCCESS) problems.push_back("unmap failed");
      if (machine.units[0]->dma(0x0300 + i, at, true).ok) problems.push_back("returned before the invalidation");
    });
  }
  // The unit takes nothing from its queue until it has been full for a while.
  machine.units[0]->hold_queue(true);
  std::uint64_t fullest = 0;
  unsigned full_for = 0;
  machine.host.on_relax.emplace_back([&] {
    fullest = std::max(fullest, machine.units[0]->queued());
    if (fullest >= 254 && ++full_for == 500) machine.units[0]->hold_queue(false);
  });
  fake::Threads threads(9);
  machine.host.threads = &threads;
  threads.run(bodies);
  machine.host.threads = nullptr;
  CHECK(fullest == 254);
  CHECK(problems == Problems{});
  CHECK(machine.breaches == fake::Breaches{});
}

TEST_CASE("Attach and detach of one device at the same time are named and take effect in turn", "[concurrency]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN first = machine.domain(32);
  const PIOMMU_DMA_DOMAIN second = machine.domain(32);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  REQUIRE(v2.AttachDeviceEx(first, device) == STATUS_SUCCESS);
  machine.units[0]->latency = 10;
  fake::Threads threads(3);
  machine.host.threads = &threads;
  NTSTATUS detached = STATUS_UNSUCCESSFUL;
  NTSTATUS attached = STATUS_UNSUCCESSFUL;
  bool detaching = false;
  machine.host.on_relax.emplace_back([&] { detaching = true; });
  threads.run({[&] { detached = v2.DetachDeviceEx(device); },
               [&] {
                 while (!detaching) threads.yield();
                 attached = v2.AttachDeviceEx(second, device);
               }});
  machine.host.threads = nullptr;
  CHECK(detached == STATUS_SUCCESS);
  CHECK(attached == STATUS_SUCCESS);
  CHECK(machine.host.reported("AttachDeviceEx", "device nic0: is called while DetachDeviceEx runs") == 1);
  CHECK(v2.DeleteDomain(first) == STATUS_SUCCESS);
  CHECK(v2.DeleteDomain(second) == STATUS_RESOURCE_IN_USE);
  CHECK(machine.breaches.empty());
}

TEST_CASE("A domain that is deleted while another thread waits for it is named", "[concurrency]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  auto physical = fake::contiguous(0x100000, 0x400000);
  IOMMU_DMA_LOGICAL_ADDRESS at = 0;
  IOMMU_DMA_LOGICAL_ADDRESS other = 0x77;
  fake::Threads threads(1);
  NTSTATUS mapped = STATUS_UNSUCCESSFUL;
  NTSTATUS deleted = STATUS_UNSUCCESSFUL;
  NTSTATUS late = STATUS_SUCCESS;
  const auto first_write = machine.memory.writes;
  machine.host.threads = &threads;
  threads.run({[&] { mapped = v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &at); },
               [&] {
                 while (machine.memory.writes == first_write) threads.yield();
                 deleted = v2.DeleteDomain(domain);
               },
               [&] {
                 while (machine.memory.writes == first_write) threads.yield();
                 // Waits for the lock until the domain is gone, or comes first; the order is the seed's.
                 while (deleted != STATUS_SUCCESS && machine.memory.writes < first_write + 3) threads.yield();
                 late = v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &other);
               }});
  machine.host.threads = nullptr;
  CHECK(mapped == STATUS_SUCCESS);
  CHECK(deleted == STATUS_SUCCESS);
  const bool refused = late == STATUS_INVALID_PARAMETER_1;
  CHECK((refused || late == STATUS_SUCCESS));
  CHECK((other == 0x77) == refused);
  CHECK(machine.host.reported("MapLogicalRangeEx", "was deleted") == (refused ? 1 : 0));
  CHECK(machine.frames.in_use() == 3);
  CHECK(machine.breaches.empty());
}
