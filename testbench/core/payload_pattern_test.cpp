// Payload derivation: golden bytes, independence of how a payload is split, and the mistakes that it must reveal.
#include "models/core/payload_pattern.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include "models/core/random.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace {

using iommu::core::check_payload;
using iommu::core::fill_payload;
using iommu::core::find_payload_mismatch;
using Bytes = std::vector<std::uint8_t>;

Bytes payload(std::uint64_t packet, std::uint32_t offset, std::size_t n) {
  Bytes bytes(n);
  fill_payload(packet, offset, bytes.data(), n);
  return bytes;
}

// Golden bytes from an implementation in Python that was written apart from the C++.
const Bytes kPacket0{0x6d, 0x67, 0xc7, 0x76, 0x76, 0xcb, 0x9a, 0x14, 0x07, 0x3e, 0xbc, 0xe6,
                     0x9b, 0xe0, 0x84, 0x7a, 0x18, 0x55, 0x43, 0xc7, 0x06, 0xea, 0x75, 0x42};
const Bytes kPacket5{0xfb, 0x9f, 0x5f, 0x42, 0xff, 0x38, 0x1f, 0x39, 0xb2, 0xee, 0x48, 0xd2, 0xa8, 0xd7, 0x57, 0x8f};
const Bytes kLastPacket{0x91, 0x3c, 0x00, 0x3b, 0xed, 0xc3, 0xde, 0xdb};

TEST_CASE("Payload bytes are the golden ones") {
  CHECK(payload(0, 0, 24) == kPacket0);
  CHECK(payload(5, 0, 16) == kPacket5);
  CHECK(payload(UINT64_MAX, 0, 8) == kLastPacket);
  CHECK(payload(0, 3, 9) == Bytes(kPacket0.begin() + 3, kPacket0.begin() + 12));
}

TEST_CASE("Any split of a payload gives the same bytes") {
  const std::uint64_t packet = 4711;
  const Bytes whole = payload(packet, 0, 1514);
  for (std::uint32_t offset = 0; offset < 40; ++offset) {
    for (std::size_t n = 0; n < 40; ++n) {
      const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(offset);
      REQUIRE(payload(packet, offset, n) == Bytes(begin, begin + static_cast<std::ptrdiff_t>(n)));
      REQUIRE(check_payload(packet, offset, whole.data() + offset, n));
    }
  }
  iommu::core::Random random(20240611);
  for (int round = 0; round < 200; ++round) {
    Bytes pieces;
    while (pieces.size() < whole.size()) {
      const std::size_t n = std::min<std::size_t>(random.below(200), whole.size() - pieces.size());
      const Bytes piece = payload(packet, static_cast<std::uint32_t>(pieces.size()), n);
      pieces.insert(pieces.end(), piece.begin(), piece.end());
    }
    REQUIRE(pieces == whole);
  }
}

TEST_CASE("Nothing outside the requested bytes is written") {
  Bytes buffer(64, 0xee);
  fill_payload(1, 5, buffer.data() + 10, 21);
  CHECK(std::all_of(buffer.begin(), buffer.begin() + 10, [](std::uint8_t b) { return b == 0xee; }));
  CHECK(std::all_of(buffer.begin() + 31, buffer.end(), [](std::uint8_t b) { return b == 0xee; }));
  fill_payload(1, 5, buffer.data(), 0);
  CHECK(buffer[0] == 0xee);
  CHECK(check_payload(1, 5, nullptr, 0));
}

TEST_CASE("Offsets do not wrap at 2^32") {
  const std::uint32_t last = UINT32_MAX;  // byte 7 of a word, followed by byte 2^32
  const Bytes across = payload(3, last, 9);
  CHECK(across[0] == payload(3, last - 7, 8)[7]);
  const Bytes start = payload(3, 0, 8);
  CHECK_FALSE(std::equal(across.begin() + 1, across.end(), start.begin()));
}

TEST_CASE("Each changed bit is found at its byte") {
  for (std::size_t n : {1U, 7U, 8U, 9U, 66U}) {
    Bytes bytes = payload(77, 13, n);
    REQUIRE(find_payload_mismatch(77, 13, bytes.data(), n) == std::nullopt);
    for (std::size_t i = 0; i < n; ++i) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ (1U << bit));
        REQUIRE(find_payload_mismatch(77, 13, bytes.data(), n) == std::optional<std::size_t>(i));
        REQUIRE_FALSE(check_payload(77, 13, bytes.data(), n));
        bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ (1U << bit));
      }
    }
  }
}

TEST_CASE("The first of several wrong bytes is reported") {
  Bytes bytes = payload(8, 0, 100);
  bytes[97] ^= 1;
  bytes[41] ^= 1;
  CHECK(find_payload_mismatch(8, 0, bytes.data(), 100) == std::optional<std::size_t>(41));
}

TEST_CASE("Another packet's data are found in every word") {
  for (std::uint64_t other = 1; other <= 64; ++other) {
    for (const std::uint64_t packet : {std::uint64_t{0}, std::uint64_t{1000}, std::uint64_t{1} << 40}) {
      for (std::uint32_t offset = 0; offset < 1512; offset += 8) {
        const Bytes stale = payload(packet + other, offset, 8);
        REQUIRE_FALSE(check_payload(packet, offset, stale.data(), 8));
      }
    }
  }
}

TEST_CASE("Shifted and swapped data are found") {
  const std::size_t n = 1514;
  for (std::uint32_t shift = 1; shift <= 4096; ++shift) {
    const Bytes shifted = payload(12, shift, n);
    const auto mismatch = find_payload_mismatch(12, 0, shifted.data(), n);
    REQUIRE(mismatch.has_value());
    REQUIRE(*mismatch < 8);
  }
  Bytes swapped = payload(12, 0, n);
  std::swap_ranges(swapped.begin() + 64, swapped.begin() + 128, swapped.begin() + 512);
  CHECK(find_payload_mismatch(12, 0, swapped.data(), n) == std::optional<std::size_t>(64));
}

TEST_CASE("Data cut short are found where they end") {
  const std::size_t n = 1514;
  Bytes cut = payload(12, 0, n);
  std::fill(cut.begin() + 900, cut.end(), std::uint8_t{0});
  const auto mismatch = find_payload_mismatch(12, 0, cut.data(), n);
  REQUIRE(mismatch.has_value());
  CHECK(*mismatch >= 900);
  CHECK(*mismatch < 908);
}

TEST_CASE("All byte values are about equally frequent") {
  // 256,000 bytes: each value 1,000 times expected. Chi-square with 255 degrees of freedom: 99.99 % of random data lie
  // below 347.7.
  std::vector<double> count(256);
  for (std::uint64_t packet = 0; packet < 256; ++packet) {
    for (const std::uint8_t byte : payload(packet, 0, 1000)) count[byte] += 1;
  }
  const double chi_square = std::accumulate(count.begin(), count.end(), 0.0,
                                            [](double sum, double c) { return sum + (c - 1000) * (c - 1000) / 1000; });
  CHECK(chi_square < 347.7);
}

}  // namespace
