// Captures and packets byte by byte, for tests of what reads them.
//
// What it does: pcap and pcapng files in both byte orders, and the headers of the supported link types, written down
// from the formats' descriptions (IETF drafts draft-ietf-opsawg-pcap and -pcapng; tcpdump.org's list of link types)
// without libpcap. What it does not do: transport headers, checksums, payloads; readers of addresses look at none of
// them.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace capture_bytes {

using Bytes = std::vector<std::uint8_t>;

inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A number of `count` bytes, most significant first if `big`.
inline Bytes number(std::uint64_t value, unsigned count, bool big = true) {
  Bytes bytes;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned shift = 8 * (big ? count - 1 - i : i);
    bytes.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  return bytes;
}

// Link types as they stand in files (LINKTYPE_ values).
inline constexpr std::uint32_t kNull = 0;
inline constexpr std::uint32_t kEthernet = 1;
inline constexpr std::uint32_t kRaw = 101;
inline constexpr std::uint32_t kIeee80211 = 105;
inline constexpr std::uint32_t kLoop = 108;
inline constexpr std::uint32_t kSll = 113;
inline constexpr std::uint32_t kIpv4 = 228;
inline constexpr std::uint32_t kIpv6 = 229;
inline constexpr std::uint32_t kSll2 = 276;

/// A pcap file: 24 bytes of header, then 16 bytes before each packet.
class Pcap {
 public:
  static constexpr std::uint32_t kMicro = 0xa1b2c3d4;
  static constexpr std::uint32_t kNano = 0xa1b23c4d;

  explicit Pcap(std::uint32_t link = kEthernet, std::uint32_t magic = kMicro, bool big = false) : big_(big) {
    bytes_ = number(magic, 4, big) + number(2, 2, big) + number(4, 2, big) + number(0, 8, big) +
             number(262144, 4, big) + number(link, 4, big);
  }
  /// `length` on the wire; 0 stands for what is stored.
  Pcap& add(std::uint32_t seconds, std::uint32_t fraction, const Bytes& packet, std::uint32_t length = 0) {
    const auto stored = static_cast<std::uint32_t>(packet.size());
    return add_exactly(seconds, fraction, packet, stored, length == 0 ? stored : length);
  }
  Pcap& add_exactly(std::uint32_t seconds, std::uint32_t fraction, const Bytes& packet, std::uint32_t stored,
                    std::uint32_t length) {
    bytes_ = bytes_ + number(seconds, 4, big_) + number(fraction, 4, big_) + number(stored, 4, big_) +
             number(length, 4, big_) + packet;
    return *this;
  }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  bool big_;
  Bytes bytes_;
};

/// A pcapng file of one section: a section header, one interface description for each add_interface, enhanced packets.
class Pcapng {
 public:
  explicit Pcapng(bool big = false) : big_(big) {
    block(0x0a0d0d0a, number(0x1a2b3c4d, 4, big) + number(1, 2, big) + number(0, 2, big) + number(UINT64_MAX, 8, big));
  }
  /// `resolution`: if_tsresol; 6 (the default of the format) is microseconds, 9 nanoseconds, 0x80 + n units of 2^-n s.
  Pcapng& add_interface(std::uint32_t link, std::uint8_t resolution = 6) {
    const Bytes option =
        resolution == 6 ? Bytes{}
                        : number(9, 2, big_) + number(1, 2, big_) + Bytes{resolution, 0, 0, 0} + number(0, 4, big_);
    block(1, number(link, 2, big_) + number(0, 2, big_) + number(262144, 4, big_) + option);
    return *this;
  }
  Pcapng& add(std::uint64_t time, const Bytes& packet, std::uint32_t length = 0, std::uint32_t interface = 0) {
    const auto stored = static_cast<std::uint32_t>(packet.size());
    block(6, number(interface, 4, big_) + number(time >> 32, 4, big_) + number(time & 0xffffffff, 4, big_) +
                 number(stored, 4, big_) + number(length == 0 ? stored : length, 4, big_) + packet +
                 Bytes((4 - stored % 4) % 4));
    return *this;
  }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  void block(std::uint32_t type, const Bytes& body) {
    const std::uint64_t length = 12 + body.size();
    bytes_ = bytes_ + number(type, 4, big_) + number(length, 4, big_) + body + number(length, 4, big_);
  }

  bool big_;
  Bytes bytes_;
};

inline const Bytes kMacA{0x02, 0, 0, 0, 0, 0x0a};  // 02:00:00:00:00:0a
inline const Bytes kMacB{0x02, 0, 0, 0, 0, 0x0b};
inline const Bytes kIpA{10, 0, 0, 1};
inline const Bytes kIpB{10, 0, 0, 2};
inline const Bytes kIp6A{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};  // fd00::1
inline const Bytes kIp6B{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};

/// 20 bytes.
inline Bytes ipv4(const Bytes& source, const Bytes& destination) {
  return Bytes{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0} + source + destination;
}
/// 40 bytes.
inline Bytes ipv6(const Bytes& source, const Bytes& destination) {
  return Bytes{0x60, 0, 0, 0, 0, 0, 59, 64} + source + destination;
}
/// 28 bytes: who has `target`, tell `sender`.
inline Bytes arp(const Bytes& sender_mac, const Bytes& sender, const Bytes& target) {
  return Bytes{0, 1, 8, 0, 6, 4, 0, 1} + sender_mac + sender + Bytes(6) + target;
}
/// 14 bytes before `rest`.
inline Bytes ethernet(const Bytes& source, const Bytes& destination, std::uint32_t type, const Bytes& rest) {
  return destination + source + number(type, 2) + rest;
}
/// 4 bytes before `rest`, which follow an EtherType of 0x8100 or its like.
inline Bytes vlan(std::uint32_t tag, std::uint32_t type, const Bytes& rest) {
  return number(tag, 2) + number(type, 2) + rest;
}
/// 16 bytes before `rest`: kind (0 to us, 4 sent by us), ARPHRD_ETHER, address length, eight bytes of address,
/// protocol.
inline Bytes sll(std::uint32_t kind, const Bytes& source_mac, std::uint32_t type, const Bytes& rest) {
  return number(kind, 2) + number(1, 2) + number(source_mac.size(), 2) + source_mac + Bytes(8 - source_mac.size()) +
         number(type, 2) + rest;
}
/// 20 bytes before `rest`: protocol, reserved, interface, ARPHRD_ETHER, kind, address length, eight bytes of address.
inline Bytes sll2(std::uint8_t kind, const Bytes& source_mac, std::uint32_t type, const Bytes& rest) {
  return number(type, 2) + number(0, 2) + number(3, 4) + number(1, 2) + Bytes{kind} + number(source_mac.size(), 1) +
         source_mac + Bytes(8 - source_mac.size()) + rest;
}

/// A file of these bytes, there until the object goes.
class File {
 public:
  explicit File(const Bytes& bytes) {
    std::string name = (std::filesystem::temp_directory_path() / "iommu-vp-capture-XXXXXX").string();
    const int descriptor = mkstemp(name.data());
    if (descriptor < 0) throw std::runtime_error("no temporary file");
    close(descriptor);
    path_ = name;
    std::ofstream out(path_, std::ios::binary);
    for (const std::uint8_t byte : bytes) out.put(static_cast<char>(byte));
  }
  ~File() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace capture_bytes
