// Host physical memory for tests: any size, costs what is touched, refuses where it is told to.
//
// What it does: reads and writes with bounds, pages that refuse (as poisoned memory or an unclaimed address would), and
// a log of the reads, so that a test can say which structures were fetched. What it does not do: time.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <set>
#include <unordered_map>
#include <vector>

#include "models/core/physical_memory.h"

namespace iommu::test {

class SparseMemory final : public core::PhysicalMemory {
 public:
  struct Read {
    core::Address address;
    std::size_t bytes;
    friend bool operator==(const Read& a, const Read& b) { return a.address == b.address && a.bytes == b.bytes; }
  };

  explicit SparseMemory(unsigned address_bits = 46) : limit_(std::uint64_t{1} << address_bits) {}

  bool read(core::Address address, void* data, std::size_t bytes) override {
    reads.push_back({address, bytes});
    if (!allowed(address, bytes)) return false;
    auto* out = static_cast<std::uint8_t*>(data);
    for (std::size_t i = 0; i < bytes; ++i) {
      const auto page = pages_.find((address + i) >> 12);
      out[i] = page == pages_.end() ? std::uint8_t{0} : page->second[(address + i) & 0xFFF];
    }
    return true;
  }

  bool write(core::Address address, const void* data, std::size_t bytes) override {
    writes.push_back({address, bytes});
    if (!allowed(address, bytes)) return false;
    const auto* in = static_cast<const std::uint8_t*>(data);
    for (std::size_t i = 0; i < bytes; ++i) pages_[(address + i) >> 12][(address + i) & 0xFFF] = in[i];
    return true;
  }

  /// The test's own accesses: no log, no refusals.
  void put(core::Address address, std::uint64_t value) {
    std::memcpy(&pages_[address >> 12][address & 0xFFF], &value, sizeof value);
  }
  [[nodiscard]] std::uint64_t get(core::Address address) const {
    std::uint64_t value = 0;
    const auto page = pages_.find(address >> 12);
    if (page != pages_.end()) std::memcpy(&value, &page->second[address & 0xFFF], sizeof value);
    return value;
  }
  [[nodiscard]] std::uint32_t get32(core::Address address) const {
    const std::uint64_t both = get(address & ~core::Address{7});
    return static_cast<std::uint32_t>((address & 4) != 0 ? both >> 32 : both);
  }

  /// From now on the 4 KiB page of this address refuses every access.
  void refuse(core::Address address) { refused_.insert(address >> 12); }
  void accept(core::Address address) { refused_.erase(address >> 12); }

  std::vector<Read> reads;   ///< every read by the unit, refused ones included
  std::vector<Read> writes;  ///< every write by the unit

 private:
  [[nodiscard]] bool allowed(core::Address address, std::size_t bytes) const {
    if (address >= limit_ || bytes > limit_ - address) return false;
    if (refused_.empty()) return true;
    for (core::Address page = address >> 12; page <= (address + (bytes == 0 ? 0 : bytes - 1)) >> 12; ++page) {
      if (refused_.count(page) != 0) return false;
    }
    return true;
  }

  std::uint64_t limit_;
  std::unordered_map<std::uint64_t, std::array<std::uint8_t, 4096>> pages_;
  std::set<std::uint64_t> refused_;
};

}  // namespace iommu::test
