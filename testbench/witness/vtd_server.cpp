// The model's side of the outside witness: one VT-d unit without time, driven by text lines on standard input.
//
// What it does: answers QEMU's qtest commands readl, readq, writel, writeq, write, b64read and memset on a machine with
// the same RAM as the QEMU beside it, with the unit's registers at the address where q35 has them, and two commands for
// devices: `dma_read SID ADDRESS LENGTH` and `dma_write SID ADDRESS 0xBYTES`. Both answer `done` or `fault`, a read
// also the bytes, zeros where it was blocked. What it does not do: judge (witness.py does), time, interrupts.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/vtd/functional_unit.h"

namespace {

using iommu::core::Address;

constexpr Address kGiB = Address{1} << 30;
constexpr Address kRegisterBase = 0xFED90000;

/// 2 GiB of RAM from 0 and 1 GiB from 4 GiB on, as q35 lays out 3 GiB; kept by page as it is touched.
class SparseMemory final : public iommu::core::PhysicalMemory {
 public:
  bool read(Address address, void* data, std::size_t bytes) override {
    if (!is_ram(address, bytes)) return false;
    each_page(address, bytes, [&](Page& page, std::size_t at, std::size_t done, std::size_t count) {
      std::memcpy(static_cast<std::uint8_t*>(data) + done, page.data() + at, count);
    });
    return true;
  }

  bool write(Address address, const void* data, std::size_t bytes) override {
    if (!is_ram(address, bytes)) return false;
    each_page(address, bytes, [&](Page& page, std::size_t at, std::size_t done, std::size_t count) {
      std::memcpy(page.data() + at, static_cast<const std::uint8_t*>(data) + done, count);
    });
    return true;
  }

 private:
  using Page = std::array<std::uint8_t, iommu::core::kPageBytes>;

  static bool is_ram(Address address, std::size_t bytes) {
    const Address end = address + bytes;
    return end >= address && (end <= 2 * kGiB || (address >= 4 * kGiB && end <= 5 * kGiB));
  }

  template <typename Function>
  void each_page(Address address, std::size_t bytes, const Function& function) {
    std::size_t done = 0;
    while (done < bytes) {
      const auto at = static_cast<std::size_t>((address + done) % iommu::core::kPageBytes);
      const std::size_t count = std::min(bytes - done, static_cast<std::size_t>(iommu::core::kPageBytes) - at);
      function(pages_[(address + done) / iommu::core::kPageBytes], at, done, count);
      done += count;
    }
  }

  std::unordered_map<Address, Page> pages_;
};

/// Looks like QEMU's unit to software, so that the same programming means the same.
iommu::vtd::Capabilities like_qemu(unsigned width) {
  iommu::vtd::Capabilities capabilities;
  capabilities.version_major = 1;
  capabilities.host_address_bits = width;
  capabilities.mgaw_bits = width;
  capabilities.levels = width == 39 ? std::vector<unsigned>{3} : std::vector<unsigned>{3, 4};
  capabilities.large_page_level = 3;
  capabilities.domain_bits = 16;
  capabilities.fault_records = 1;
  capabilities.max_address_mask = 18;
  capabilities.zero_length_read = false;
  capabilities.plmr = false;
  capabilities.phmr = false;
  capabilities.snoop_control = false;
  capabilities.coherent_walk = false;
  return capabilities;
}

std::optional<std::vector<std::uint8_t>> from_hex(const std::string& text) {
  if (text.size() < 2 || text.size() % 2 != 0 || text.compare(0, 2, "0x") != 0) return std::nullopt;
  std::vector<std::uint8_t> bytes;
  bytes.reserve(text.size() / 2);
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  for (std::size_t i = 2; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return bytes;
}

std::string to_hex(const std::vector<std::uint8_t>& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string to_base64(const std::vector<std::uint8_t>& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k) word = (word << 8) | (k < left ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) text += k <= left ? kDigits[(word >> (18 - 6 * k)) & 63] : '=';
  }
  return text;
}

/// Caches that overflow in nearly every case.
iommu::core::CacheConfig small_caches() {
  iommu::core::CacheConfig caches;
  caches.context_entries = 1;
  caches.iotlb.sets = 2;
  caches.iotlb.ways = 1;
  caches.walk.entries = {0, 0, 1, 1, 1, 1};
  return caches;
}

class Server {
 public:
  Server(const iommu::vtd::Capabilities& capabilities, const iommu::core::CacheConfig& caches)
      : unit_(capabilities, memory_, caches) {}

  /// The reply to one command line.
  std::string execute(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    const auto number = [&words]() -> std::optional<std::uint64_t> {
      std::string word;
      if (!(words >> word)) return std::nullopt;
      char* end = nullptr;
      const std::uint64_t value = std::strtoull(word.c_str(), &end, 0);
      return *end == '\0' ? std::optional(value) : std::nullopt;
    };
    const auto address = number();
    if (!address) return "FAIL address missing";
    if (command == "readl") return read_word(*address, 4);
    if (command == "readq") return read_word(*address, 8);
    const auto second = number();
    if (!second) return "FAIL second argument missing";
    if (command == "writel") return write_word(*address, 4, *second);
    if (command == "writeq") return write_word(*address, 8, *second);
    if (command == "b64read") {
      std::vector<std::uint8_t> bytes(*second);
      memory_.read(*address, bytes.data(), bytes.size());
      return "OK " + to_base64(bytes);
    }
    std::string third;
    words >> third;
    if (command == "memset") {
      const std::vector<std::uint8_t> bytes(*second,
                                            static_cast<std::uint8_t>(std::strtoul(third.c_str(), nullptr, 0)));
      memory_.write(*address, bytes.data(), bytes.size());
      return "OK";
    }
    if (command == "dma_read") {
      const auto length = std::strtoul(third.c_str(), nullptr, 0);
      std::vector<std::uint8_t> bytes(length);
      const std::string status = dma(iommu::core::AccessKind::Read, *address, *second, bytes);
      return status + " " + to_hex(bytes);
    }
    auto bytes = from_hex(third);
    if (!bytes) return "FAIL no bytes";
    if (command == "write") {
      memory_.write(*address, bytes->data(), bytes->size());
      return "OK";
    }
    if (command == "dma_write") return dma(iommu::core::AccessKind::Write, *address, *second, *bytes);
    return "FAIL unknown command";
  }

 private:
  [[nodiscard]] bool is_register(Address address) const {
    return address >= kRegisterBase && address - kRegisterBase < unit_.front_end().register_window_bytes();
  }

  std::string read_word(Address address, std::uint32_t bytes) {
    std::uint64_t value = 0;
    if (is_register(address)) {
      value = unit_.read_register(static_cast<std::uint32_t>(address - kRegisterBase), bytes);
    } else {
      memory_.read(address, &value, bytes);
    }
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "OK 0x%016llx", static_cast<unsigned long long>(value));
    return text.data();
  }

  std::string write_word(Address address, std::uint32_t bytes, std::uint64_t value) {
    if (is_register(address)) {
      unit_.write_register(static_cast<std::uint32_t>(address - kRegisterBase), bytes, value);
    } else {
      memory_.write(address, &value, bytes);
    }
    return "OK";
  }

  std::string dma(iommu::core::AccessKind kind, std::uint64_t requester, Address address,
                  std::vector<std::uint8_t>& bytes) {
    iommu::core::Request request;
    request.kind = kind;
    request.requester = static_cast<iommu::core::RequesterId>(requester);
    request.address = address;
    request.length = static_cast<std::uint32_t>(bytes.size());
    return unit_.dma(request, bytes.data()).completed ? "OK done" : "OK fault";
  }

  SparseMemory memory_;
  iommu::vtd::FunctionalUnit unit_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string width = argc == 3 ? argv[1] : "";
  const std::string caches = argc == 3 ? argv[2] : "";
  if ((width != "39" && width != "48") || (caches != "default" && caches != "small")) {
    std::cerr << "usage: vtd_server WIDTH CACHES\n"
                 "WIDTH is the address width of the unit: 39 or 48\n"
                 "CACHES is default or small\n";
    return 2;
  }
  const auto capabilities = like_qemu(width == "39" ? 39 : 48);
  if (const std::string problem = iommu::vtd::validate(capabilities); !problem.empty()) {
    std::cerr << "vtd_server: " << problem << '\n';
    return 1;
  }
  std::ios::sync_with_stdio(false);
  Server server(capabilities, caches == "small" ? small_caches() : iommu::core::CacheConfig{});
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << server.execute(line) << '\n';
    if (std::cin.rdbuf()->in_avail() <= 0) std::cout.flush();
  }
  return 0;
}
