#include "models/core/payload_pattern.h"

#include <algorithm>
#include <array>

#include "models/core/random.h"

namespace iommu::core {
namespace {

constexpr std::size_t kWord = 8;
using Word = std::array<unsigned char, kWord>;

std::uint64_t packet_key(std::uint64_t packet_number) { return mix64(packet_number ^ 0x696f6d6d752d7670U); }

Word word_bytes(std::uint64_t key, std::uint64_t index) {
  const std::uint64_t value = mix64(key + index * kGoldenGamma);
  Word bytes{};
  for (std::size_t i = 0; i < kWord; ++i) bytes[i] = static_cast<unsigned char>(value >> (8 * i));
  return bytes;
}

/// Calls `piece(index in data, expected bytes, count)` for each run of bytes that lies in one word, until it returns
/// false.
template <typename Piece>
void for_each_word(std::uint64_t packet_number, std::uint32_t offset, std::size_t n, Piece piece) {
  const std::uint64_t key = packet_key(packet_number);
  std::uint64_t index = offset / kWord;
  std::size_t skip = offset % kWord;
  for (std::size_t done = 0; done < n; ++index) {
    const Word word = word_bytes(key, index);
    const std::size_t count = std::min(kWord - skip, n - done);
    if (!piece(done, word.data() + skip, count)) return;
    done += count;
    skip = 0;
  }
}

}  // namespace

void fill_payload(std::uint64_t packet_number, std::uint32_t offset, void* data, std::size_t n) {
  auto* out = static_cast<unsigned char*>(data);
  for_each_word(packet_number, offset, n, [out](std::size_t at, const unsigned char* expected, std::size_t count) {
    std::copy_n(expected, count, out + at);
    return true;
  });
}

std::optional<std::size_t> find_payload_mismatch(std::uint64_t packet_number, std::uint32_t offset, const void* data,
                                                 std::size_t n) {
  const auto* in = static_cast<const unsigned char*>(data);
  std::optional<std::size_t> mismatch;
  for_each_word(packet_number, offset, n, [&](std::size_t at, const unsigned char* expected, std::size_t count) {
    if (std::equal(expected, expected + count, in + at)) return true;
    mismatch = at + static_cast<std::size_t>(std::mismatch(expected, expected + count, in + at).first - expected);
    return false;
  });
  return mismatch;
}

}  // namespace iommu::core
