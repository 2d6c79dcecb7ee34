// Memory: times to the picosecond, data, errors, direct access, and what a huge one costs.
#include "models/tlm/memory.h"

#include <unistd.h>
#include <cstdint>
#include <cstring>
#include <fstream>

#include "testbench/platform/new_simulation.h"
#include "testbench/tlm/transactor.h"

using namespace iommu;
using sim::Memory;
using sim::MemoryConfig;
using sim::testing::containing;
using sim::testing::TestPayload;
using sim::testing::Transactor;
using Bytes = std::vector<unsigned char>;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

// At 0x10000, 100 ns, 25.6 GB/s: 64 bytes take 2.5 ns.
MemoryConfig plain() {
  MemoryConfig config;
  config.base = 0x10000;
  config.size_bytes = kMiB;
  config.latency = 100'000;
  config.bandwidth_mbytes_per_s = 25'600;
  config.channels = 1;
  return config;
}

struct Bench {
  Memory memory;
  Transactor cpu{"cpu"};
  explicit Bench(const MemoryConfig& config) : memory("memory", config) {
    cpu.socket.bind(memory.socket);
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
  }
  core::Tick write(core::Address address, std::size_t bytes, core::Tick delay = 0) {
    TestPayload payload(tlm::TLM_WRITE_COMMAND, address, Bytes(bytes, 0x5A));
    return cpu.blocking(payload, delay);
  }
  tlm::tlm_response_status status(TestPayload& payload) {
    cpu.blocking(payload);
    return payload.get_response_status();
  }
};

}  // namespace

TEST_CASE("memory: what arrives during a refresh begins at its end") {
  for (const core::Tick refresh : {core::Tick{350'000}, core::Tick{700'000}}) {
    test::new_simulation();
    MemoryConfig config = plain();
    config.refresh_interval = 7'800'000;
    config.refresh = refresh;
    Bench b(config);
    CHECK(b.write(0x10000, 64) == 102'500);  // the first refresh begins at 7.8 us
    CHECK(b.write(0x10000, 64, 7'799'999) == 7'902'499);
    CHECK(b.write(0x10000, 64, 7'800'000) == 7'800'000 + refresh + 102'500);
    CHECK(b.write(0x10000, 64, 15'600'000 + refresh - 1) == 15'600'000 + refresh + 102'500);
    CHECK(b.write(0x10000, 64, 23'400'000 + refresh) == 23'400'000 + refresh + 102'500);
    CHECK(b.memory.counters().refresh_waits == 2);
    CHECK(b.memory.counters().wait == refresh + 1);
  }
}

TEST_CASE("memory: from one refresh to the next, doubled") {
  const auto ends = [](core::Tick interval) {
    test::new_simulation();
    MemoryConfig config = plain();
    config.refresh_interval = interval;
    config.refresh = 350'000;
    Bench b(config);
    std::vector<core::Tick> result;
    for (const core::Tick at : std::vector<core::Tick>{7'800'000, 15'600'000, 23'400'000, 31'200'000}) {
      result.push_back(b.write(0x10000, 64, at) - at);
    }
    return result;
  };
  CHECK(ends(7'800'000) == std::vector<core::Tick>{452'500, 452'500, 452'500, 452'500});
  CHECK(ends(15'600'000) == std::vector<core::Tick>{102'500, 452'500, 102'500, 452'500});
}

TEST_CASE("memory: ranks doubled") {
  // The refreshes of page 0x11's rank, the second one, begin a quarter of the interval later, then an eighth.
  const auto ends = [](std::uint32_t ranks) {
    test::new_simulation();
    MemoryConfig config = plain();
    config.refresh_interval = 8'000'000;
    config.refresh = 350'000;
    config.ranks = ranks;
    Bench b(config);
    std::vector<core::Tick> result;
    for (const core::Tick at : std::vector<core::Tick>{9'000'000, 10'000'000})
      result.push_back(b.write(0x11000, 64, at) - at);
    return result;
  };
  CHECK(ends(4) == std::vector<core::Tick>{102'500, 452'500});
  CHECK(ends(8) == std::vector<core::Tick>{452'500, 102'500});
}

TEST_CASE("memory: ranks are refreshed one after the other") {
  MemoryConfig config = plain();
  config.refresh_interval = 8'000'000;
  config.refresh = 350'000;
  config.ranks = 4;
  Bench b(config);
  // Page 0x10 is of rank 0, 0x11 of rank 1, whose refreshes begin a quarter of the interval later.
  CHECK(b.write(0x10000, 64, 8'000'000) == 8'000'000 + 350'000 + 102'500);
  CHECK(b.write(0x11000, 64, 9'000'000) == 9'102'500);
  CHECK(b.write(0x11000, 64, 10'000'000) == 10'000'000 + 350'000 + 102'500);
  CHECK(b.write(0x13FC0, 64, 14'349'999) == 14'350'000 + 102'500);
  CHECK(b.write(0x14000, 64, 14'400'000) == 14'502'500);
  CHECK(b.write(0x14000, 64, 16'000'000) == 16'000'000 + 350'000 + 102'500);
}

TEST_CASE("memory: latency plus the bytes' own time, rounded up once") {
  Bench b(plain());
  CHECK(b.write(0x10000, 64) == 102'500);
  // One byte takes 39.0625 ps, on a channel that is free again at 2,500 ps: from 1 ms on it is.
  CHECK(b.write(0x10000, 1, 1'000'000'000) == 1'000'100'040);
  // 3 bytes: 117.1875 ps.
  CHECK(b.write(0x10000, 3, 2'000'000'000) == 2'000'100'118);
  CHECK(b.write(0x10000, 4096, 3'000'000'000) == 3'000'260'000);
  CHECK(b.memory.counters().writes == 4);
  CHECK(b.memory.counters().bytes_written == 4164);
  CHECK(b.memory.counters().busy == 2'500 + 40 + 118 + 160'000);
  CHECK(b.memory.counters().wait == 0);
  CHECK(b.memory.counters().reads == 0);
}

TEST_CASE("memory: bandwidth that is no whole number of picoseconds a byte") {
  MemoryConfig config = plain();
  config.bandwidth_mbytes_per_s = 30'000;
  Bench b(config);
  CHECK(b.write(0x10000, 64) == 102'134);                       // 2133.33
  CHECK(b.write(0x10000, 90, 1'000'000'000) == 1'000'103'000);  // 3000 exactly
}

TEST_CASE("memory: without a limit of bandwidth only the latency is left") {
  MemoryConfig config = plain();
  config.bandwidth_mbytes_per_s = 0;
  Bench b(config);
  CHECK(b.write(0x10000, 64) == 100'000);
  CHECK(b.write(0x10000, 65536) == 100'000);
  CHECK(b.memory.counters().wait == 0);
}

TEST_CASE("memory: transactions back to back are served at the channel's bandwidth, and say how long they waited") {
  Bench b(plain());
  const std::array<core::Tick, 4> ends = {102'500, 105'000, 107'500, 110'000};
  const std::array<core::Tick, 4> waits = {0, 2'500, 5'000, 7'500};
  for (unsigned i = 0; i < 4; ++i) {
    TestPayload payload(tlm::TLM_READ_COMMAND, 0x10000 + 64 * i, Bytes(64));
    payload.extension.wait = 7;
    CHECK(b.cpu.blocking(payload) == ends.at(i));
    CHECK(payload.extension.wait == waits.at(i) + 7);
  }
  CHECK(b.memory.counters().wait == 15'000);
  CHECK(b.memory.counters().busy == 10'000);
  CHECK(b.memory.counters().reads == 4);
  CHECK(b.memory.counters().bytes_read == 256);
  b.memory.restart_counters();
  CHECK(b.memory.counters().reads == 0);
  CHECK(b.memory.counters().busy == 0);
}

TEST_CASE("memory: k channels serve k transactions at a time") {
  MemoryConfig config = plain();
  config.channels = 3;
  Bench b(config);
  for (core::Tick end : std::vector<core::Tick>{102'500, 102'500, 102'500, 105'000, 105'000, 105'000, 107'500}) {
    CHECK(b.write(0x10000, 64) == end);
  }
}

TEST_CASE("memory: channels doubled") {
  const auto ends = [](std::uint32_t channels) {
    test::new_simulation();
    MemoryConfig config = plain();
    config.channels = channels;
    Bench b(config);
    std::vector<core::Tick> result;
    for (int i = 0; i < 8; ++i) result.push_back(b.write(0x10000, 64));
    return result;
  };
  CHECK(ends(2) == std::vector<core::Tick>{102'500, 102'500, 105'000, 105'000, 107'500, 107'500, 110'000, 110'000});
  CHECK(ends(4) == std::vector<core::Tick>{102'500, 102'500, 102'500, 102'500, 105'000, 105'000, 105'000, 105'000});
}

TEST_CASE("memory: channels without limit never make anybody wait") {
  MemoryConfig config = plain();
  config.channels = 0;
  Bench b(config);
  for (int i = 0; i < 20; ++i) CHECK(b.write(0x10000, 64) == 102'500);
}

TEST_CASE("memory: an annotated delay is part of now") {
  Bench b(plain());
  CHECK(b.write(0x10000, 64, 1'000) == 103'500);  // busy from 1,000 to 3,500
  CHECK(b.write(0x10000, 64, 2'000) == 106'000);  // begins at 3,500
  CHECK(b.write(0x10000, 64, 50'000) == 152'500);
  CHECK(b.memory.out_of_order() == 0);
  // Late callers get what was left free before the use from 50,000 to 52,500, if it is long enough.
  CHECK(b.write(0x10000, 64, 10'000) == 112'500);
  CHECK(b.memory.out_of_order() == 1);
  CHECK(b.write(0x10000, 64, 48'000) == 155'000);
  CHECK(b.memory.out_of_order() == 2);
}

TEST_CASE("memory: non-blocking completes early with the times and data of blocking") {
  Memory lt("lt", plain());
  Memory at("at", plain());
  Transactor a("a");
  Transactor b("b");
  a.socket.bind(lt.socket);
  b.socket.bind(at.socket);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  std::uint32_t state = 12345;
  for (int i = 0; i < 500; ++i) {
    state = state * 1664525U + 1013904223U;
    const auto command = (state >> 8) % 2 == 0 ? tlm::TLM_READ_COMMAND : tlm::TLM_WRITE_COMMAND;
    const core::Address address = 0x10000 + (state >> 9) % 4096;
    const Bytes data((state >> 21) % 300, static_cast<unsigned char>(state >> 16));
    TestPayload blocking(command, address, data);
    TestPayload early(command, address, data);
    const auto delay = static_cast<core::Tick>(i) * 700 + state % 100;
    REQUIRE(a.blocking(blocking, delay) == b.early(early, delay));
    REQUIRE(blocking.bytes == early.bytes);
    REQUIRE(blocking.get_response_status() == early.get_response_status());
    REQUIRE(blocking.extension.wait == early.extension.wait);
  }
  CHECK(std::memcmp(lt.host_pointer(0x10000), at.host_pointer(0x10000), 8192) == 0);
  CHECK(lt.counters().wait == at.counters().wait);
  CHECK(lt.counters().refused == at.counters().refused);  // those without bytes
  CHECK(lt.counters().refused > 0);
}

TEST_CASE("memory: other phases than a request are let pass") {
  Bench b(plain());
  TestPayload payload(tlm::TLM_READ_COMMAND, 0x10000, Bytes(4));
  tlm::tlm_phase phase = tlm::END_RESP;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  CHECK(b.cpu.socket->nb_transport_fw(payload, phase, delay) == tlm::TLM_ACCEPTED);
  CHECK(b.memory.counters().reads == 0);
}

TEST_CASE("memory: byte enables of any length repeat") {
  Bench b(plain());
  TestPayload write(tlm::TLM_WRITE_COMMAND, 0x10000, {1, 2, 3, 4, 5, 6, 7, 8});
  write.enable({0xFF, 0, 0xFF});
  CHECK(b.status(write) == tlm::TLM_OK_RESPONSE);
  Bytes seen(8);
  REQUIRE(b.memory.read(0x10000, seen.data(), 8));
  CHECK(seen == Bytes{1, 0, 3, 4, 0, 6, 7, 0});
  TestPayload read(tlm::TLM_READ_COMMAND, 0x10000, Bytes(8, 0xEE));
  read.enable({0, 0xFF});
  CHECK(b.status(read) == tlm::TLM_OK_RESPONSE);
  CHECK(read.bytes == Bytes{0xEE, 0, 0xEE, 4, 0xEE, 6, 0xEE, 0});
  // Longer than the data: only its beginning counts.
  TestPayload more(tlm::TLM_WRITE_COMMAND, 0x10000, {9, 9});
  more.enable({0, 0xFF, 0xFF, 0xFF});
  CHECK(b.status(more) == tlm::TLM_OK_RESPONSE);
  REQUIRE(b.memory.read(0x10000, seen.data(), 4));
  CHECK(Bytes(seen.begin(), seen.begin() + 4) == Bytes{1, 9, 3, 4});
}

TEST_CASE("memory: a streaming width repeats the address") {
  Bench b(plain());
  TestPayload write(tlm::TLM_WRITE_COMMAND, 0x10000 + kMiB - 4, {1, 2, 3, 4, 5, 6});
  write.set_streaming_width(4);
  CHECK(b.status(write) == tlm::TLM_OK_RESPONSE);
  Bytes seen(4);
  REQUIRE(b.memory.read(0x10000 + kMiB - 4, seen.data(), 4));
  CHECK(seen == Bytes{5, 6, 3, 4});
  TestPayload read(tlm::TLM_READ_COMMAND, 0x10000 + kMiB - 4, Bytes(6));
  read.set_streaming_width(4);
  CHECK(b.status(read) == tlm::TLM_OK_RESPONSE);
  CHECK(read.bytes == Bytes{5, 6, 3, 4, 5, 6});
  write.set_streaming_width(5);
  CHECK(b.status(write) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
}

TEST_CASE("memory: what it refuses takes the latency and no channel") {
  Bench b(plain());
  const auto refused = [&](TestPayload& payload) {
    CHECK(b.cpu.blocking(payload) == 100'000);
    return payload.get_response_status();
  };
  TestPayload below(tlm::TLM_READ_COMMAND, 0xFFFF, Bytes(1, 0x77));
  CHECK(refused(below) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(below.bytes == Bytes{0x77});
  TestPayload above(tlm::TLM_READ_COMMAND, 0x10000 + kMiB, Bytes(1));
  CHECK(refused(above) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  TestPayload across(tlm::TLM_WRITE_COMMAND, 0x10000 + kMiB - 3, Bytes(4, 1));
  CHECK(refused(across) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(*b.memory.host_pointer(0x10000 + kMiB - 1) == 0);
  TestPayload wrapping(tlm::TLM_WRITE_COMMAND, ~core::Address{0}, Bytes(4, 1));
  CHECK(refused(wrapping) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  TestPayload empty(tlm::TLM_READ_COMMAND, 0x10000, Bytes());
  CHECK(refused(empty) == tlm::TLM_BURST_ERROR_RESPONSE);
  TestPayload still(tlm::TLM_READ_COMMAND, 0x10000, Bytes(4));
  still.set_streaming_width(0);
  CHECK(refused(still) == tlm::TLM_BURST_ERROR_RESPONSE);
  TestPayload enables(tlm::TLM_READ_COMMAND, 0x10000, Bytes(4));
  enables.enable({0xFF});
  enables.set_byte_enable_length(0);
  CHECK(refused(enables) == tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
  TestPayload unknown(static_cast<tlm::tlm_command>(3), 0x10000, Bytes(4));
  CHECK(refused(unknown) == tlm::TLM_COMMAND_ERROR_RESPONSE);
  CHECK(b.memory.counters().refused == 8);
  CHECK(b.memory.counters().reads + b.memory.counters().writes == 0);
  CHECK(b.memory.counters().busy == 0);

  TestPayload ignore(tlm::TLM_IGNORE_COMMAND, 0, Bytes());
  CHECK(b.cpu.blocking(ignore) == 0);
  CHECK(ignore.get_response_status() == tlm::TLM_OK_RESPONSE);
}

TEST_CASE("memory: the last byte is served") {
  Bench b(plain());
  TestPayload last(tlm::TLM_WRITE_COMMAND, 0x10000 + kMiB - 1, {0x42});
  CHECK(b.status(last) == tlm::TLM_OK_RESPONSE);
  CHECK(*b.memory.host_pointer(0x10FFFF) == 0x42);
  CHECK(b.memory.host_pointer(0x110000) == nullptr);
  CHECK(b.memory.host_pointer(0xFFFF) == nullptr);
}

TEST_CASE("memory: one that ends with the last of all addresses") {
  MemoryConfig config = plain();
  config.base = ~core::Address{0} - 4095;
  config.size_bytes = 4096;
  Bench b(config);
  TestPayload last(tlm::TLM_WRITE_COMMAND, ~core::Address{0}, {0x42});
  CHECK(b.status(last) == tlm::TLM_OK_RESPONSE);
  TestPayload across(tlm::TLM_READ_COMMAND, ~core::Address{0}, Bytes(2));
  CHECK(b.status(across) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
}

TEST_CASE("memory: debug access moves what it can, without time or counting") {
  Bench b(plain());
  TestPayload write(tlm::TLM_WRITE_COMMAND, 0x10FFFE, {1, 2, 3, 4});
  CHECK(b.cpu.socket->transport_dbg(write) == 2);
  TestPayload read(tlm::TLM_READ_COMMAND, 0x10FFFC, Bytes(4));
  CHECK(b.cpu.socket->transport_dbg(read) == 4);
  CHECK(read.bytes == Bytes{0, 0, 1, 2});
  TestPayload outside(tlm::TLM_READ_COMMAND, 0x110000, Bytes(4));
  CHECK(b.cpu.socket->transport_dbg(outside) == 0);
  TestPayload ignore(tlm::TLM_IGNORE_COMMAND, 0x10000, Bytes(4));
  CHECK(b.cpu.socket->transport_dbg(ignore) == 0);
  CHECK(b.memory.counters().reads + b.memory.counters().writes == 0);
  CHECK(b.write(0x10000, 64) == 102'500);

  const std::uint32_t value = 0x11223344;
  std::uint32_t seen = 0;
  CHECK(b.memory.write(0x10010, &value, 4));
  CHECK(b.memory.read(0x10010, &seen, 4));
  CHECK(seen == 0x11223344);
  CHECK_FALSE(b.memory.write(0x10FFFE, &value, 4));
  CHECK_FALSE(b.memory.read(0xFFFF, &seen, 4));
  CHECK(*b.memory.host_pointer(0x10FFFE) == 1);
}

TEST_CASE("memory: 1 TiB costs what is touched, and direct access to it is contiguous") {
  const auto resident_pages = [] {
    std::ifstream statm("/proc/self/statm");
    long size = 0;
    long resident = 0;
    statm >> size >> resident;
    return resident;
  };
  MemoryConfig config = plain();
  config.base = 0;
  config.size_bytes = std::uint64_t{1} << 40;
  Bench b(config);
  const long before = resident_pages();
  constexpr core::Address kFar = (std::uint64_t{1} << 40) - 4096;
  b.write(0x1000, 64);
  b.write(kFar, 64);
  TestPayload untouched(tlm::TLM_READ_COMMAND, std::uint64_t{1} << 39, Bytes(8, 0xEE));
  CHECK(b.status(untouched) == tlm::TLM_OK_RESPONSE);
  CHECK(untouched.bytes == Bytes(8, 0));
  CHECK((resident_pages() - before) * ::sysconf(_SC_PAGESIZE) < 16 * static_cast<long>(kMiB));

  tlm::tlm_dmi dmi;
  TestPayload anywhere(tlm::TLM_READ_COMMAND, 0x123456789A, Bytes(8));
  REQUIRE(b.cpu.socket->get_direct_mem_ptr(anywhere, dmi));
  CHECK(dmi.get_start_address() == 0);
  CHECK(dmi.get_end_address() == 0xFFFFFFFFFF);
  CHECK(dmi.is_read_write_allowed());
  CHECK(dmi.get_read_latency() == sc_core::sc_time(100, sc_core::SC_NS));
  CHECK(dmi.get_write_latency() == sc_core::sc_time(100, sc_core::SC_NS));
  CHECK(dmi.get_dmi_ptr()[0x1000] == 0x5A);
  CHECK(dmi.get_dmi_ptr()[kFar] == 0x5A);
  CHECK(b.memory.host_pointer(kFar) - b.memory.host_pointer(0x1000) == static_cast<std::ptrdiff_t>(kFar) - 0x1000);
}

TEST_CASE("memory: direct access outside is denied for that address alone") {
  Bench b(plain());
  tlm::tlm_dmi dmi;
  TestPayload outside(tlm::TLM_READ_COMMAND, 0xFFFF, Bytes(8));
  CHECK_FALSE(b.cpu.socket->get_direct_mem_ptr(outside, dmi));
  CHECK(dmi.is_none_allowed());
  CHECK(dmi.get_start_address() == 0xFFFF);
  CHECK(dmi.get_end_address() == 0xFFFF);
  TestPayload inside(tlm::TLM_READ_COMMAND, 0x10000, Bytes(8));
  CHECK(b.status(inside) == tlm::TLM_OK_RESPONSE);
  CHECK(inside.is_dmi_allowed());
}

TEST_CASE("memory: a size that can't be reserved is an error that says what to lower") {
  MemoryConfig config = plain();
  config.base = 0;
  config.size_bytes = std::uint64_t{1} << 62;
  CHECK_THROWS_WITH(Memory("memory", config),
                    containing("memory 'memory': this host can't reserve 4611686018427387904 bytes of address "
                               "space (Cannot allocate memory); lower memory.size_bytes"));
}

TEST_CASE("memory: no bytes, and a range beyond the last address, are errors") {
  MemoryConfig config = plain();
  config.size_bytes = 0;
  CHECK_THROWS_WITH(Memory("empty", config), containing("memory 'empty' has no bytes; set size_bytes"));
  config.base = ~core::Address{0};
  config.size_bytes = 2;
  CHECK_THROWS_WITH(Memory("beyond", config), containing("memory 'beyond' goes beyond the last address"));
}
