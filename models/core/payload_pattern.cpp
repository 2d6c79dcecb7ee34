#include "models/core/payload_pattern.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "models/core/random.h"

namespace iommu::core {
namespace {

constexpr std::size_t kWord = 8;

/// A word whose bytes in memory are those of `value`, least significant first, on any host.
std::uint64_t in_memory_order(std::uint64_t value) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return value;
#else
  std::array<unsigned char, kWord> bytes{};
  for (std::size_t i = 0; i < kWord; ++i) bytes[i] = static_cast<unsigned char>(value >> (8 * i));
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data(), kWord);
  return word;
#endif
}

std::uint64_t key_of(std::uint64_t packet_number) { return mix64(packet_number ^ 0x696f6d6d752d7670U); }

std::uint64_t word_at(std::uint64_t key, std::uint64_t index) {
  return in_memory_order(mix64(key + index * kGoldenGamma));
}

/// Calls `piece(index in data, the word's bytes as they lie in memory, first of them, count)` for each run of bytes
/// that lies in one word of the payload, until it returns false.
template <typename Piece>
void for_each_word(std::uint64_t packet_number, std::uint32_t offset, std::size_t n, Piece piece) {
  const std::uint64_t key = key_of(packet_number);
  std::uint64_t index = offset / kWord;
  std::size_t skip = offset % kWord;
  for (std::size_t done = 0; done < n; ++index) {
    const std::size_t count = std::min(kWord - skip, n - done);
    if (!piece(done, word_at(key, index), skip, count)) return;
    done += count;
    skip = 0;
  }
}

/// True when all bytes are whole words and right, as nearly always: without a branch for each.
bool agrees_in_words(std::uint64_t packet_number, std::uint32_t offset, const unsigned char* in, std::size_t n) {
  if (offset % kWord != 0 || n % kWord != 0) return false;
  const std::uint64_t key = key_of(packet_number);
  std::uint64_t index = offset / kWord;
  std::uint64_t differences = 0;
  for (std::size_t at = 0; at < n; at += kWord, ++index) {
    std::uint64_t found = 0;
    std::memcpy(&found, in + at, kWord);
    differences |= found ^ word_at(key, index);
  }
  return differences == 0;
}

}  // namespace

void fill_payload(std::uint64_t packet_number, std::uint32_t offset, void* data, std::size_t n) {
  auto* out = static_cast<unsigned char*>(data);
  for_each_word(packet_number, offset, n,
                [out](std::size_t at, std::uint64_t word, std::size_t skip, std::size_t count) {
                  if (count == kWord) {
                    std::memcpy(out + at, &word, kWord);  // the usual case, in one instruction
                  } else {
                    std::memcpy(out + at, reinterpret_cast<const unsigned char*>(&word) + skip, count);
                  }
                  return true;
                });
}

std::optional<std::size_t> find_payload_mismatch(std::uint64_t packet_number, std::uint32_t offset, const void* data,
                                                 std::size_t n) {
  const auto* in = static_cast<const unsigned char*>(data);
  if (agrees_in_words(packet_number, offset, in, n)) return std::nullopt;
  std::optional<std::size_t> mismatch;
  for_each_word(packet_number, offset, n, [&](std::size_t at, std::uint64_t word, std::size_t skip, std::size_t count) {
    if (count == kWord && std::memcmp(in + at, &word, kWord) == 0) return true;
    const auto* expected = reinterpret_cast<const unsigned char*>(&word) + skip;
    const auto* found = std::mismatch(expected, expected + count, in + at).first;
    if (found == expected + count) return true;
    mismatch = at + static_cast<std::size_t>(found - expected);
    return false;
  });
  return mismatch;
}

}  // namespace iommu::core
