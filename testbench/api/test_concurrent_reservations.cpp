// Reserved ranges, identity pages and several host threads (sheet 3.1 items 7 to 10, 3.21 to 3.23, OP-28, OP-29):
// segments come and go in one domain, a token is freed under somebody's hands, a thread ends where it waits. Threads hand
// over at every access to memory, at locks and at polls.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <random>
#include <utility>

#include "testbench/api/cooperative_threads.h"
#include "testbench/api/fake_machine.h"

namespace {

/// Sentences about what went wrong inside threads; asserted afterwards.
using Problems = std::vector<std::string>;
using Token = PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN;
using Segment = IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT;

constexpr NTSTATUS kPending = 0x103;  // of a call that has not returned

/// A machine with nic0 attached to a domain without an allocator.
struct ReservedBench {
  explicit ReservedBench(const fake::Options& options = {})
      : machine(options), v2(machine.v2()), domain(machine.domain(0)) {
    if (v2.AttachDeviceEx(domain, machine.device("nic0")) != STATUS_SUCCESS) throw std::runtime_error("attach failed");
  }
  Token reserve(std::uint64_t at, std::uint64_t bytes) {
    Token token = nullptr;
    if (v2.ReserveLogicalAddressRange(domain, bytes, &at, nullptr, nullptr, &token) != STATUS_SUCCESS) {
      throw std::runtime_error("reserve failed");
    }
    return token;
  }
  NTSTATUS map(Token token, std::uint64_t offset, std::uint64_t base, std::uint64_t bytes, Segment& segment) {
    auto physical = fake::contiguous(base, bytes);
    return v2.MapReservedLogicalRange(token, offset, 3, &physical, &segment);
  }
  fake::Machine machine;
  const DMA_IOMMU_INTERFACE_V2& v2;
  PIOMMU_DMA_DOMAIN domain;
};

}  // namespace

TEST_CASE("Threads map and unmap segments of one token and of their own, in one domain", "[concurrency]") {
  for (const auto path : {iommu::api::InvalidationPath::Queue, iommu::api::InvalidationPath::Registers}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      INFO("seed " << seed);
      fake::Options options;
      options.path = path;
      options.units[0].cm = seed % 2 == 0;
      ReservedBench bench(options);
      fake::Machine& machine = bench.machine;
      const std::size_t frames = machine.frames.in_use();
      const Token shared = bench.reserve(0x200000, 0x40000);
      machine.units[0]->latency = 2;
      machine.memory.unlocked_writes.clear();
      fake::Threads threads(seed);
      Problems problems;
      const auto body = [&](unsigned index) {
        return [&, index] {
          std::mt19937_64 random(100 * seed + index);
          const Token own = bench.reserve(0x1000000 + 0x100000 * index, 0x10000);
          for (unsigned i = 0; i < 15; ++i) {
            const Token token = random() % 2 == 0 ? own : shared;
            const std::uint64_t pages = 1 + random() % 4;
            const std::uint64_t offset = token == own ? 0x1000 * (random() % 12) : 0x10000 * index;
            const std::uint64_t at = token->LogicalAddressBase + offset;
            const std::uint64_t base = (1 + random() % 1000000) << 12;
            Segment segment{};
            if (bench.map(token, offset, base, pages << 12, segment) != STATUS_SUCCESS) problems.push_back("map");
            const fake::Access access = machine.units[0]->dma(fake::kNic, at + (pages << 12) - 1, true);
            if (!access.ok || access.physical != base + (pages << 12) - 1) problems.push_back("not reached");
            if (bench.v2.UnmapReservedLogicalRange(&segment) != STATUS_SUCCESS) problems.push_back("unmap");
            // Nobody else maps there.
            if (machine.units[0]->dma(fake::kNic, at, true).ok) problems.push_back("reached after the unmap");
          }
          if (bench.v2.FreeReservedLogicalAddressRange(own) != STATUS_SUCCESS) problems.push_back("free");
        };
      };
      machine.host.threads = &threads;
      threads.run({body(0), body(1), body(2)});
      machine.host.threads = nullptr;
      CHECK(bench.v2.FreeReservedLogicalAddressRange(shared) == STATUS_SUCCESS);
      CHECK(problems == Problems{});
      CHECK(machine.breaches == fake::Breaches{});
      CHECK(machine.frames.in_use() == frames);
      CHECK(machine.memory.unlocked_writes.empty());
      CHECK(machine.host.diagnostics.empty());
    }
  }
}

TEST_CASE("MapReservedLogicalRange does not wait for a token that is being freed", "[concurrency]") {
  ReservedBench bench;
  const Token token = bench.reserve(0x200000, 0x2000);
  bench.machine.units[0]->latency = 10;
  fake::Threads threads(4);
  NTSTATUS freed = kPending;
  NTSTATUS mapped = STATUS_SUCCESS;
  bool freeing = false;
  bool returned_before = false;
  Segment segment{token, 0x77, 0x99};
  bench.machine.host.on_relax.emplace_back([&] { freeing = true; });
  bench.machine.host.threads = &threads;
  threads.run({[&] { freed = bench.v2.FreeReservedLogicalAddressRange(token); },
               [&] {
                 while (!freeing) threads.yield();
                 mapped = bench.map(token, 0, 0x700000, 0x1000, segment);
                 returned_before = freed == kPending;
               }});
  bench.machine.host.threads = nullptr;
  CHECK(freed == STATUS_SUCCESS);
  CHECK(mapped == STATUS_UNSUCCESSFUL);
  CHECK(returned_before);
  CHECK((segment.Offset == 0x77 && segment.Size == 0x99));
  CHECK(bench.machine.host.diagnostics.empty());
  CHECK(bench.map(token, 0, 0x700000, 0x1000, segment) == STATUS_INVALID_PARAMETER_1);
  CHECK(bench.machine.breaches.empty());
}

TEST_CASE("MapReservedLogicalRange and FreeReservedLogicalAddressRange take effect in turn", "[concurrency]") {
  unsigned free_first = 0;
  unsigned map_first = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    ReservedBench bench;
    const Token token = bench.reserve(0x200000, 0x2000);
    auto physical = fake::contiguous(0x100000, 0x1000);
    IOMMU_DMA_LOGICAL_ADDRESS at = 0x5000;
    IOMMU_DMA_LOGICAL_ADDRESS out = 0;
    REQUIRE(bench.v2.MapLogicalRangeEx(bench.domain, 3, &physical, &at, nullptr, nullptr, &out) == STATUS_SUCCESS);
    bench.machine.units[0]->latency = 10;
    fake::Threads threads(seed);
    NTSTATUS freed = kPending;
    NTSTATUS mapped = kPending;
    bool holding = false;
    Segment segment{};
    bench.machine.host.on_relax.emplace_back([&] { holding = true; });
    bench.machine.host.threads = &threads;
    // The first thread holds the domain's lock while the others come.
    threads.run({[&] { (void)bench.v2.UnmapLogicalRange(bench.domain, at, 1); },
                 [&] {
                   while (!holding) threads.yield();
                   freed = bench.v2.FreeReservedLogicalAddressRange(token);
                 },
                 [&] {
                   while (!holding) threads.yield();
                   mapped = bench.map(token, 0, 0x700000, 0x1000, segment);
                 }});
    bench.machine.host.threads = nullptr;
    const bool reached = bench.machine.units[0]->dma(fake::kNic, 0x200000, true).ok;
    if (mapped == STATUS_SUCCESS) {
      ++map_first;
      CHECK(freed == STATUS_RESOURCE_IN_USE);
      CHECK(reached);
      CHECK(bench.v2.UnmapReservedLogicalRange(&segment) == STATUS_SUCCESS);
      CHECK(bench.v2.FreeReservedLogicalAddressRange(token) == STATUS_SUCCESS);
    } else {
      ++free_first;
      CHECK(mapped == STATUS_UNSUCCESSFUL);
      CHECK(freed == STATUS_SUCCESS);
      CHECK_FALSE(reached);
      CHECK(segment.OwningToken == nullptr);
    }
    CHECK(bench.machine.frames.in_use() == 5);  // the unit's own three, a context table, the root
    CHECK(bench.machine.host.diagnostics.empty());
    CHECK(bench.machine.breaches == fake::Breaches{});
  }
  CHECK(free_first > 0);
  CHECK(map_first > 0);
}

TEST_CASE("A token that two threads free goes once", "[concurrency]") {
  ReservedBench bench;
  const Token token = bench.reserve(0x200000, 0x2000);
  bench.machine.units[0]->latency = 5;
  fake::Threads threads(2);
  NTSTATUS status[2] = {kPending, kPending};
  const auto body = [&](unsigned index) {
    return [&, index] { status[index] = bench.v2.FreeReservedLogicalAddressRange(token); };
  };
  bench.machine.host.threads = &threads;
  threads.run({body(0), body(1)});
  bench.machine.host.threads = nullptr;
  if (status[0] != STATUS_SUCCESS) std::swap(status[0], status[1]);
  CHECK(status[0] == STATUS_SUCCESS);
  CHECK(status[1] == STATUS_INVALID_PARAMETER_1);
  CHECK(bench.machine.host.reported("FreeReservedLogicalAddressRange", "token 1: was freed by another thread") == 1);
  CHECK(bench.machine.breaches == fake::Breaches{});
}

TEST_CASE("A segment that two threads unmap goes once", "[concurrency]") {
  ReservedBench bench;
  const Token token = bench.reserve(0x200000, 0x2000);
  Segment segment{};
  REQUIRE(bench.map(token, 0, 0x700000, 0x1000, segment) == STATUS_SUCCESS);
  Segment copies[2] = {segment, segment};
  bench.machine.units[0]->latency = 5;
  fake::Threads threads(2);
  NTSTATUS status[2] = {kPending, kPending};
  const auto body = [&](unsigned index) {
    return [&, index] { status[index] = bench.v2.UnmapReservedLogicalRange(&copies[index]); };
  };
  bench.machine.host.threads = &threads;
  threads.run({body(0), body(1)});
  bench.machine.host.threads = nullptr;
  if (status[0] != STATUS_SUCCESS) std::swap(status[0], status[1]);
  CHECK(status[0] == STATUS_SUCCESS);
  CHECK(status[1] == STATUS_INVALID_PARAMETER);
  CHECK(bench.machine.host.diagnostics.empty());
  CHECK(bench.machine.breaches == fake::Breaches{});
}

TEST_CASE("A domain that is deleted while identity and reserve calls wait for it is named", "[concurrency]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(0);
  auto physical = fake::contiguous(0x100000, 0x1000);
  REQUIRE(v2.MapIdentityRangeEx(domain, 3, &physical) == STATUS_SUCCESS);
  // The domain's lock is held by a call that writes many entries; whoever comes then waits, DeleteDomain first.
  auto many = fake::contiguous(0x200001000, 0x100000);
  IOMMU_DMA_LOGICAL_ADDRESS at = 0x40000000;
  IOMMU_DMA_LOGICAL_ADDRESS out = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    const PIOMMU_DMA_DOMAIN victim = machine.domain(0);
    machine.host.diagnostics.clear();
    fake::Threads threads(seed);
    const auto writes = machine.memory.writes;
    const auto wait = [&] {
      while (machine.memory.writes < writes + 5) threads.yield();
    };
    NTSTATUS status[4] = {kPending, kPending, kPending, kPending};
    Token token = nullptr;
    IOMMU_DMA_LOGICAL_ADDRESS where = 0x5000;
    machine.host.threads = &threads;
    threads.run({[&] { (void)v2.MapLogicalRangeEx(victim, 3, &many, &at, nullptr, nullptr, &out); },
                 [&] { wait(), status[0] = v2.DeleteDomain(victim); },
                 [&] { wait(), status[1] = v2.MapIdentityRangeEx(victim, 3, &physical); },
                 [&] { wait(), status[2] = v2.UnmapIdentityRangeEx(victim, &physical); },
                 [&] {
                   wait();
                   status[3] = v2.ReserveLogicalAddressRange(victim, 0x1000, &where, nullptr, nullptr, &token);
                 }});
    machine.host.threads = nullptr;
    CHECK((status[1] == STATUS_SUCCESS || status[1] == STATUS_INVALID_PARAMETER_1));
    CHECK((status[2] == STATUS_SUCCESS || status[2] == STATUS_INVALID_PARAMETER ||
           status[2] == STATUS_INVALID_PARAMETER_1));
    // A token keeps its domain.
    CHECK(status[0] == (status[3] == STATUS_SUCCESS ? STATUS_RESOURCE_IN_USE : STATUS_SUCCESS));
    CHECK((token != nullptr) == (status[3] == STATUS_SUCCESS));
    if (status[3] != STATUS_SUCCESS) CHECK(status[3] == STATUS_INVALID_PARAMETER_1);
    if (token == nullptr) continue;
    CHECK(v2.FreeReservedLogicalAddressRange(token) == STATUS_SUCCESS);
    CHECK(v2.DeleteDomain(victim) == STATUS_SUCCESS);
  }
  CHECK(v2.DeleteDomain(domain) == STATUS_SUCCESS);
  CHECK(machine.frames.in_use() == 3);
  CHECK(machine.breaches == fake::Breaches{});
}

TEST_CASE("A thread that ends while it waits for an invalidation leaves nothing behind", "[concurrency]") {
  // The end of a simulation unwinds its threads out of whatever port they wait in.
  ReservedBench bench;
  const Token token = bench.reserve(0x200000, 0x2000);
  Segment first{};
  Segment second{};
  REQUIRE(bench.map(token, 0x0, 0x700000, 0x1000, first) == STATUS_SUCCESS);
  REQUIRE(bench.map(token, 0x1000, 0x800000, 0x1000, second) == STATUS_SUCCESS);
  bench.machine.units[0]->hold_queue(true);
  bool end = true;
  bench.machine.host.on_relax.emplace_back([&] {
    if (end) throw std::runtime_error("the simulation ends");
  });
  CHECK_THROWS_AS(bench.v2.UnmapReservedLogicalRange(&first), std::runtime_error);
  end = false;
  CHECK(bench.machine.host.locks_held == 0);
  bench.machine.units[0]->hold_queue(false);
  // A refused descriptor makes the driver look through what is under way.
  bench.machine.units[0]->refuse = [](const fake::Seen& seen) { return seen.kind == fake::Seen::IotlbPages; };
  CHECK(bench.v2.UnmapReservedLogicalRange(&second) == STATUS_SUCCESS);
  CHECK(bench.machine.host.reported("queued invalidation", "was refused") == 1);
  CHECK_FALSE(bench.machine.units[0]->dma(fake::kNic, 0x201000, true).ok);
}
