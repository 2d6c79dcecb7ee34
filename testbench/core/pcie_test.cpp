// PCI Express arithmetic against published figures of a protocol model (timing sheet, section 2): rates to four digits,
// throughput tables to 1 %.
#include "models/core/pcie.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <vector>

using namespace iommu::core;

namespace {

PcieConfig link(unsigned generation, unsigned lanes, std::uint32_t mps = 256, std::uint32_t mrrs = 512) {
  PcieConfig config;
  config.generation = generation;
  config.lanes = lanes;
  config.max_payload_bytes = mps;
  config.max_read_request_bytes = mrrs;
  return config;
}

/// Two decimals.
double gbit(std::uint64_t bits_per_s) { return static_cast<double>(bits_per_s / 10'000'000) / 100.0; }

struct Bytes {
  std::uint32_t up = 0;
  std::uint32_t down = 0;
};

Bytes write_bytes(const PcieTiming& timing, std::uint32_t size) {
  Bytes bytes;
  for (std::uint32_t at = 0; at < size;) {
    const std::uint32_t part = timing.next_write(at, size - at);
    bytes.up += part + timing.config().request_overhead_bytes;
    at += part;
  }
  return bytes;
}

Bytes read_bytes(const PcieTiming& timing, std::uint32_t size) {
  Bytes bytes;
  for (std::uint32_t at = 0; at < size;) {
    const std::uint32_t request = timing.next_read_request(at, size - at);
    bytes.up += timing.config().request_overhead_bytes;
    for (std::uint32_t done = 0; done < request;) {
      const std::uint32_t part = timing.next_completion(at + done, request - done);
      bytes.down += part + timing.config().completion_overhead_bytes;
      done += part;
    }
    at += request;
  }
  return bytes;
}

/// Gb/s of payload when the link is all there is.
double rate(const PcieTiming& timing, std::uint32_t size, std::uint32_t busier) {
  return static_cast<double>(timing.usable_bits_per_s()) / 1e9 * size / busier;
}

}  // namespace

TEST_CASE("Raw and usable rates", "[pcie]") {
  CHECK(gbit(PcieTiming(link(3, 8)).raw_bits_per_s()) == Approx(63.01).margin(0.011));
  CHECK(gbit(PcieTiming(link(3, 16)).raw_bits_per_s()) == Approx(126.03).margin(0.011));
  CHECK(gbit(PcieTiming(link(4, 16)).raw_bits_per_s()) == Approx(252.06).margin(0.011));
  CHECK(gbit(PcieTiming(link(5, 16)).raw_bits_per_s()) == Approx(504.12).margin(0.011));
  CHECK(gbit(PcieTiming(link(1, 1)).raw_bits_per_s()) == 2.0);
  CHECK(gbit(PcieTiming(link(2, 4)).raw_bits_per_s()) == 16.0);
  CHECK(gbit(PcieTiming(link(3, 8)).usable_bits_per_s()) == Approx(57.88).margin(0.011));
  CHECK(gbit(PcieTiming(link(3, 8, 128)).usable_bits_per_s()) == Approx(56.67).margin(0.011));
  CHECK(gbit(PcieTiming(link(3, 16)).usable_bits_per_s()) == Approx(113.70).margin(0.02));
  CHECK(gbit(PcieTiming(link(4, 16)).usable_bits_per_s()) == Approx(227.40).margin(0.04));
  CHECK(gbit(PcieTiming(link(5, 16)).usable_bits_per_s()) == Approx(454.80).margin(0.08));
}

TEST_CASE("Throughput of writes, reads and both, within 1 % of the published model", "[pcie]") {
  struct Row {
    unsigned generation, lanes;
    std::uint32_t size;
    double write, read, both;  // Gb/s, MPS 256, MRRS 512
  };
  for (const Row& row :
       {Row{3, 8, 64, 42.1, 44.1, 33.1}, Row{3, 8, 128, 48.7, 50.1, 42.1}, Row{3, 8, 256, 52.9, 53.7, 48.7},
        Row{3, 8, 512, 52.9, 53.7, 50.7}, Row{3, 8, 1024, 52.9, 53.7, 50.7}, Row{4, 16, 64, 165.4, 173.3, 129.9},
        Row{4, 16, 256, 207.9, 210.9, 191.5}, Row{4, 16, 512, 207.9, 210.9, 199.4}}) {
    INFO("generation " << row.generation << " size " << row.size);
    const PcieTiming timing(link(row.generation, row.lanes));
    const Bytes write = write_bytes(timing, row.size);
    const Bytes read = read_bytes(timing, row.size);
    CHECK(rate(timing, row.size, write.up) == Approx(row.write).epsilon(0.01));
    CHECK(rate(timing, row.size, read.down) == Approx(row.read).epsilon(0.01));
    CHECK(rate(timing, row.size, write.up + read.up) == Approx(row.both).epsilon(0.01));
  }
}

TEST_CASE("Writes are cut at MPS and 4 KiB, requests at MRRS and 4 KiB", "[pcie]") {
  const PcieTiming timing(link(3, 8, 128, 512));
  CHECK(timing.next_write(0, 1) == 1);
  CHECK(timing.next_write(0, 128) == 128);
  CHECK(timing.next_write(0, 129) == 128);
  CHECK(timing.next_write(0x40, 300) == 128);
  CHECK(timing.next_write(0xFC0, 300) == 64);
  CHECK(timing.next_read_request(0, 513) == 512);
  CHECK(timing.next_read_request(0x1F80, 513) == 128);
  CHECK(write_bytes(timing, 257).up == 257 + 3 * 24);
  CHECK(read_bytes(timing, 2048).up == 4 * 24);
}

TEST_CASE("A read that is not aligned to the completion boundary costs a short completion more", "[pcie]") {
  const PcieTiming timing(link(3, 8));
  CHECK(timing.next_completion(0, 64) == 64);
  CHECK(timing.next_completion(0, 600) == 256);
  CHECK(timing.next_completion(0x10, 600) == 48);
  CHECK(timing.next_completion(0x3F, 600) == 1);
  CHECK(timing.next_completion(0x10, 20) == 20);
  PcieConfig wide = link(3, 8);
  wide.completion_boundary_bytes = 128;
  CHECK(PcieTiming(wide).next_completion(0x10, 600) == 112);
}

TEST_CASE("Bytes on the wire take whole picoseconds, rounded up once", "[pcie]") {
  // 8 GT/s x 8, MPS 256: 8e6/(8000 x 8 x 128/130) ps a byte = 126.953125; x 203 x 1538 / (203 x 1538 - 16 x 1538 - 4 x 203)
  // = 138.2056...
  const PcieTiming timing(link(3, 8));
  CHECK(timing.on_wire(0) == 0);
  CHECK(timing.on_wire(1) == 139);
  CHECK(timing.on_wire(88) == 12163);  // 88 x 138.2056
  CHECK(timing.on_wire(10000) == 1382057);
  // The slowest and the fastest link.
  CHECK(PcieTiming(link(1, 1)).on_wire(1) == 4355);
  CHECK(PcieTiming(link(5, 16)).on_wire(4096) == 72050);
}

TEST_CASE("Values that make no sense are named", "[pcie]") {
  CHECK(validate(link(3, 8)).empty());
  CHECK(validate(link(0, 8)) == "generation = 0: allowed: 1 to 5");
  CHECK(validate(link(6, 8)) == "generation = 6: allowed: 1 to 5");
  CHECK(validate(link(3, 12)) == "lanes = 12: allowed: 1, 2, 4, 8 or 16");
  CHECK(validate(link(3, 32)) == "lanes = 32: allowed: 1, 2, 4, 8 or 16");
  CHECK(validate(link(3, 8, 64)) == "max_payload_bytes = 64: allowed: a power of two from 128 to 4096");
  CHECK(validate(link(3, 8, 256, 8192)) == "max_read_request_bytes = 8192: allowed: a power of two from 128 to 4096");
  PcieConfig config = link(3, 8);
  config.completion_boundary_bytes = 32;
  CHECK(validate(config) == "completion_boundary_bytes = 32: allowed: 64 or 128");
  config = link(3, 8);
  config.ack_interval_bytes = 31;
  CHECK(validate(config) == "ack_interval_bytes = 31: allowed: 0, or 32 and more");
}
