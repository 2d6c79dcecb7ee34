// Memory behind a last-level cache: times to the picosecond for each kind of access.
#include "models/tlm/memory.h"
#include "testbench/platform/new_simulation.h"
#include "testbench/tlm/transactor.h"

using namespace iommu;
using core::Traffic;
using sim::Memory;
using sim::MemoryConfig;
using sim::testing::TestPayload;
using sim::testing::Transactor;
using Bytes = std::vector<unsigned char>;
using Kind = core::LastLevelCache::Kind;

namespace {

constexpr core::Tick kLater = 1'000'000'000;

// 100 ns, 25.6 GB/s: 64 bytes take 2.5 ns. The cache: 4 sets of 4 ways, 20 ns.
MemoryConfig cached() {
  MemoryConfig config;
  config.base = 0x10000;
  config.size_bytes = 1 << 20;
  config.latency = 100'000;
  config.bandwidth_mbytes_per_s = 25'600;
  config.cache.size_bytes = 4 * 4 * 64;
  config.cache.ways = 4;
  config.cache_latency = 20'000;
  return config;
}

struct Bench {
  Memory memory;
  Transactor cpu{"cpu"};
  explicit Bench(const MemoryConfig& config) : memory("memory", config) {
    cpu.socket.bind(memory.socket);
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
  }
  /// How long it takes; each comes when the channels are free.
  core::Tick takes(Traffic traffic, tlm::tlm_command command, core::Address address, std::size_t bytes = 64) {
    TestPayload payload(command, address, Bytes(bytes, 0x5A));
    payload.extension.traffic = traffic;
    at_ += kLater;
    return cpu.blocking(payload, at_) - at_;
  }
  core::Tick read(Traffic traffic, core::Address address, std::size_t bytes = 64) {
    return takes(traffic, tlm::TLM_READ_COMMAND, address, bytes);
  }
  core::Tick write(Traffic traffic, core::Address address, std::size_t bytes = 64) {
    return takes(traffic, tlm::TLM_WRITE_COMMAND, address, bytes);
  }

 private:
  core::Tick at_ = 0;
};

}  // namespace

TEST_CASE("memory with a cache: hit and miss of each kind") {
  Bench b(cached());
  CHECK(b.read(Traffic::Host, 0x10000) == 102'500);
  CHECK(b.read(Traffic::Host, 0x10000) == 20'000);
  CHECK(b.write(Traffic::Host, 0x10000) == 20'000);
  CHECK(b.read(Traffic::Dma, 0x10000) == 20'000);
  CHECK(b.write(Traffic::Dma, 0x10000) == 20'000);
  CHECK(b.read(Traffic::Structure, 0x10000, 8) == 20'000);
  CHECK(b.read(Traffic::Structure, 0x10040, 8) == 100'313);  // 312.5, rounded up
  CHECK(b.read(Traffic::Structure, 0x10078, 8) == 20'000);
  CHECK(b.read(Traffic::Dma, 0x10080) == 102'500);
  CHECK(b.read(Traffic::Dma, 0x10080) == 102'500);
  CHECK(b.write(Traffic::Dma, 0x10080) == 102'500);
  CHECK(b.read(Traffic::Dma, 0x10080) == 20'000);
  const core::LastLevelCache& cache = *b.memory.cache();
  CHECK(cache.counters(Kind::Host).hits == 2);
  CHECK(cache.counters(Kind::Host).misses == 1);
  CHECK(cache.counters(Kind::DmaRead).hits == 2);
  CHECK(cache.counters(Kind::DmaRead).misses == 2);
  CHECK(cache.counters(Kind::DmaWrite).hits == 1);
  CHECK(cache.counters(Kind::DmaWrite).misses == 1);
  CHECK(cache.counters(Kind::Structure).hits == 2);
  CHECK(cache.counters(Kind::Structure).misses == 1);
  CHECK(b.memory.counters().reads == 9);  // hits included
  CHECK(b.memory.counters().writes == 3);
  CHECK(b.memory.counters().busy == 4 * 2'500 + 313);  // without the hits
  b.memory.restart_counters();
  CHECK(cache.counters(Kind::Host).misses == 0);
}

/// A line that the host has written: how long each kind then takes.
void switches(const MemoryConfig& config, core::Tick dma_read, core::Tick structure, core::Tick dma_write) {
  Bench b(config);
  CHECK(b.write(Traffic::Host, 0x10000) == 102'500);
  CHECK(b.read(Traffic::Dma, 0x10000) == dma_read);
  CHECK(b.read(Traffic::Structure, 0x10000) == structure);
  CHECK(b.write(Traffic::Dma, 0x10000) == dma_write);
}
TEST_CASE("memory with a cache: DMA reads switched off") {
  MemoryConfig config = cached();
  config.cache.dma_reads = false;
  switches(config, 102'500, 20'000, 20'000);
}
TEST_CASE("memory with a cache: DMA writes switched off") {
  MemoryConfig config = cached();
  config.cache.dma_writes = false;
  switches(config, 20'000, 20'000, 102'500);
}
TEST_CASE("memory with a cache: structures switched off") {
  MemoryConfig config = cached();
  config.cache.structures = false;
  switches(config, 20'000, 102'500, 20'000);
}

TEST_CASE("memory with a cache: without ways for writes, those that miss always do") {
  MemoryConfig config = cached();
  config.cache.write_ways = 0;
  Bench b(config);
  CHECK(b.write(Traffic::Dma, 0x10000) == 102'500);
  CHECK(b.write(Traffic::Dma, 0x10000) == 102'500);
  CHECK(b.read(Traffic::Host, 0x10000) == 102'500);
  CHECK(b.write(Traffic::Dma, 0x10000) == 20'000);
}

TEST_CASE("memory with a cache: the cache's latency doubled") {
  MemoryConfig config = cached();
  config.cache_latency = 40'000;
  Bench b(config);
  CHECK(b.read(Traffic::Host, 0x10000) == 102'500);
  CHECK(b.read(Traffic::Host, 0x10000) == 40'000);
}

TEST_CASE("memory with a cache: its size and ways doubled") {
  // Five lines of one set: with four ways the first has gone out.
  const auto oldest = [](std::uint64_t sets, std::uint32_t ways, std::uint64_t apart) {
    core::LastLevelCacheConfig config;
    config.size_bytes = sets * ways * 64;
    config.ways = ways;
    core::LastLevelCache cache(config);
    for (std::uint64_t i = 0; i < 5; ++i) cache.access(Traffic::Host, false, i * apart, 64);
    return cache.holds(0);
  };
  CHECK_FALSE(oldest(4, 4, 4 * 64));
  CHECK(oldest(8, 4, 4 * 64));  // twice the size: three lines and two
  CHECK(oldest(4, 8, 4 * 64));
  CHECK_FALSE(oldest(8, 4, 8 * 64));
}

TEST_CASE("memory with a cache: the ways of DMA writes doubled") {
  // Four lines of one set, written in turn twice: of two ways each is out before it comes again, in four all stay.
  const auto second_round = [](std::uint32_t write_ways) {
    test::new_simulation();
    MemoryConfig config = cached();
    config.cache.write_ways = write_ways;
    Bench b(config);
    core::Tick sum = 0;
    for (unsigned i = 0; i < 8; ++i) {
      const core::Tick taken = b.write(Traffic::Dma, 0x10000 + core::Address{i % 4} * 4 * 64);
      if (i >= 4) sum += taken;
    }
    return sum;
  };
  CHECK(second_round(2) == 410'000);
  CHECK(second_round(4) == 80'000);
}

TEST_CASE("memory with a cache: of several lines only those that miss take bandwidth") {
  Bench b(cached());
  CHECK(b.read(Traffic::Host, 0x10040) == 102'500);
  CHECK(b.read(Traffic::Dma, 0x10000, 128) == 102'500);  // 105,000 without the cache
  CHECK(b.read(Traffic::Dma, 0x10030, 64) == 100'625);   // 16 of 64 bytes miss
  CHECK(b.read(Traffic::Dma, 0x10040, 64) == 20'000);
}

TEST_CASE("memory with a cache: hits don't wait for a channel, and don't take one") {
  Bench b(cached());
  b.read(Traffic::Host, 0x10000);
  TestPayload large(tlm::TLM_READ_COMMAND, 0x20000, Bytes(4096));  // channel taken for 160 ns
  TestPayload hit(tlm::TLM_READ_COMMAND, 0x10000, Bytes(64));
  TestPayload miss(tlm::TLM_READ_COMMAND, 0x10400, Bytes(64));
  constexpr core::Tick kAt = 10 * kLater;
  CHECK(b.cpu.blocking(large, kAt) == kAt + 260'000);
  CHECK(b.cpu.blocking(hit, kAt) == kAt + 20'000);
  CHECK(hit.extension.wait == 0);
  CHECK(b.cpu.blocking(miss, kAt) == kAt + 262'500);
  CHECK(miss.extension.wait == 160'000);
}

TEST_CASE("memory with a cache: whoever says nothing counts as DMA") {
  Bench b(cached());
  for (int i = 0; i < 2; ++i) {
    Bytes data(64);
    tlm::tlm_generic_payload payload;
    payload.set_command(tlm::TLM_READ_COMMAND);
    payload.set_address(0x10000);
    payload.set_data_ptr(data.data());
    payload.set_data_length(64);
    payload.set_streaming_width(64);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    b.cpu.socket->b_transport(payload, delay);
    CHECK(payload.is_response_ok());
  }
  CHECK(b.memory.cache()->counters(Kind::DmaRead).misses == 2);
}

TEST_CASE("memory with a cache: untimed accesses don't touch it, refused ones neither") {
  Bench b(cached());
  b.write(Traffic::Host, 0x10000);
  unsigned char byte = 1;
  CHECK(b.memory.write(0x10040, &byte, 1));
  TestPayload debug(tlm::TLM_READ_COMMAND, 0x10080, Bytes(64));
  CHECK(b.cpu.socket->transport_dbg(debug) == 64);
  CHECK_FALSE(b.memory.cache()->holds(0x10040));
  CHECK_FALSE(b.memory.cache()->holds(0x10080));
  CHECK(b.read(Traffic::Host, 0x10000 + (1 << 20)) == 100'000);
  CHECK_FALSE(b.memory.cache()->holds(0x10000 + (1 << 20)));
  CHECK(b.memory.cache()->counters(Kind::Host).misses == 1);
}

TEST_CASE("memory with a cache: nobody is told to access it directly") {
  for (const bool with_cache : {false, true}) {
    MemoryConfig config = cached();
    if (!with_cache) config.cache.size_bytes = 0;
    test::new_simulation();
    Bench b(config);
    TestPayload payload(tlm::TLM_READ_COMMAND, 0x10000, Bytes(64));
    b.cpu.blocking(payload);
    CHECK(payload.is_dmi_allowed() == !with_cache);
  }
}

TEST_CASE("memory with a cache: one that can't be is reported") {
  MemoryConfig config = cached();
  config.cache.size_bytes = 1000;
  sc_core::sc_report_handler::set_actions(sc_core::SC_ERROR, sc_core::SC_THROW);
  CHECK_THROWS_WITH(
      Memory("memory", config),
      sim::testing::containing("the size of a last-level cache is a multiple of its ways times 64 bytes"));
}
