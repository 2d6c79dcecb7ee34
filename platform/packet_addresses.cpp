#include "platform/packet_addresses.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>

namespace iommu::platform {
namespace {

constexpr std::uint32_t kEtherIpv4 = 0x0800;
constexpr std::uint32_t kEtherArp = 0x0806;
constexpr std::uint32_t kEtherIpv6 = 0x86dd;
constexpr std::size_t kEthernetBytes = 14;
constexpr std::size_t kVlanTagBytes = 4;

std::size_t size_of(AddressFamily family) {
  switch (family) {
    case AddressFamily::Mac:
      return 6;
    case AddressFamily::Ipv4:
      return 4;
    case AddressFamily::Ipv6:
      return 16;
    case AddressFamily::None:
      break;
  }
  return 0;
}

const char* name_of(AddressFamily family) {
  switch (family) {
    case AddressFamily::Mac:
      return "MAC";
    case AddressFamily::Ipv4:
      return "IPv4";
    case AddressFamily::Ipv6:
      return "IPv6";
    case AddressFamily::None:
      break;
  }
  return "";
}

/// Reads a packet's stored bytes; whoever asks for more than there are gets PacketTooShort.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  void require(std::size_t end, const std::string& what) const {
    if (end > size_) {
      throw PacketTooShort(std::to_string(size_) + (size_ == 1 ? " byte is" : " bytes are") + " stored, its " + what +
                           " at byte " + std::to_string(end));
    }
  }
  [[nodiscard]] std::uint32_t big_endian(std::size_t offset, std::size_t count) const {
    require(offset + count, "link-layer header ends");
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value = value << 8 | data_[offset + i];
    return value;
  }
  /// The address at `offset` of a packet whose addresses end at `end_of_all`.
  [[nodiscard]] AddressBytes address(AddressFamily family, std::size_t offset, std::size_t end_of_all) const {
    require(end_of_all, std::string(name_of(family)) + " addresses end");
    AddressBytes bytes{};
    std::copy_n(data_ + offset, size_of(family), bytes.begin());
    return bytes;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

bool is_vlan_tag(std::uint32_t ether_type) {
  return ether_type == 0x8100 || ether_type == 0x88a8 || ether_type == 0x9100;
}

/// The network layer: where it starts and which protocol it is, as an EtherType (0: none that has addresses here).
struct NetworkLayer {
  std::size_t offset;
  std::uint32_t ether_type;
};

NetworkLayer skip_vlan_tags(const Bytes& bytes, NetworkLayer layer) {
  while (is_vlan_tag(layer.ether_type)) {
    layer.ether_type = bytes.big_endian(layer.offset + 2, 2);
    layer.offset += kVlanTagBytes;
  }
  return layer;
}

std::uint32_t ether_type_of_ip_version(const Bytes& bytes, std::size_t offset) {
  bytes.require(offset + 1, "IP version is");
  switch (bytes.big_endian(offset, 1) >> 4) {
    case 4:
      return kEtherIpv4;
    case 6:
      return kEtherIpv6;
    default:
      return 0;
  }
}

/// The address family of BSD loopback: in the recording machine's byte order for NULL, in network order for LOOP. All
/// families are small numbers, so that the value itself tells the order.
std::uint32_t ether_type_of_family(std::uint32_t big_endian_family) {
  const std::uint32_t family = big_endian_family > 0xffff ? big_endian_family >> 24 : big_endian_family;
  switch (family) {
    case 2:
      return kEtherIpv4;
    case 10:  // Linux
    case 24:  // NetBSD, OpenBSD
    case 28:  // FreeBSD
    case 30:  // macOS
      return kEtherIpv6;
    default:
      return 0;
  }
}

NetworkLayer find_network_layer(LinkType link, const Bytes& bytes) {
  switch (link) {
    case LinkType::kEthernet:
      return skip_vlan_tags(bytes, {kEthernetBytes, bytes.big_endian(12, 2)});
    case LinkType::kLinuxSll:
      return skip_vlan_tags(bytes, {16, bytes.big_endian(14, 2)});
    case LinkType::kLinuxSll2:
      return skip_vlan_tags(bytes, {20, bytes.big_endian(0, 2)});
    case LinkType::kRawIp:
      return {0, ether_type_of_ip_version(bytes, 0)};
    case LinkType::kNull:
      break;
  }
  return {4, ether_type_of_family(bytes.big_endian(0, 4))};
}

Endpoints mac_endpoints(LinkType link, const Bytes& bytes) {
  constexpr AddressFamily kMac = AddressFamily::Mac;
  if (link == LinkType::kEthernet) return {bytes.address(kMac, 6, 12), bytes.address(kMac, 0, 12)};
  // SLL and SLL2 give the length of the sender's address and eight bytes for it; only six-byte ones are MAC addresses.
  if (link == LinkType::kLinuxSll && bytes.big_endian(4, 2) == 6) return {bytes.address(kMac, 6, 12), std::nullopt};
  if (link == LinkType::kLinuxSll2 && bytes.big_endian(11, 1) == 6) return {bytes.address(kMac, 12, 18), std::nullopt};
  return {};
}

Endpoints arp_endpoints(const Bytes& bytes, std::size_t offset) {
  bytes.require(offset + 8, "ARP header ends");
  const std::size_t hardware_bytes = bytes.big_endian(offset + 4, 1);
  const bool of_ipv4 = bytes.big_endian(offset + 2, 2) == kEtherIpv4 && bytes.big_endian(offset + 5, 1) == 4;
  if (!of_ipv4) return {};
  const std::size_t sender = offset + 8 + hardware_bytes;
  const std::size_t target = sender + 4 + hardware_bytes;
  return {bytes.address(AddressFamily::Ipv4, sender, target + 4),
          bytes.address(AddressFamily::Ipv4, target, target + 4)};
}

Endpoints ip_endpoints(AddressFamily family, const Bytes& bytes, std::size_t offset) {
  const std::size_t size = size_of(family);
  const std::size_t source = offset + (family == AddressFamily::Ipv4 ? 12 : 8);
  const std::size_t end = source + 2 * size;
  return {bytes.address(family, source, end), bytes.address(family, source + size, end)};
}

}  // namespace

std::size_t link_header_bytes(LinkType link) {
  switch (link) {
    case LinkType::kEthernet:
      return kEthernetBytes;
    case LinkType::kLinuxSll:
      return 16;
    case LinkType::kLinuxSll2:
      return 20;
    case LinkType::kRawIp:
      return 0;
    case LinkType::kNull:
      break;
  }
  return 4;
}

bool has_mac_addresses(LinkType link) { return link != LinkType::kRawIp && link != LinkType::kNull; }

Endpoints find_endpoints(LinkType link, AddressFamily wanted, const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  if (wanted == AddressFamily::None) return {};
  if (wanted == AddressFamily::Mac) return has_mac_addresses(link) ? mac_endpoints(link, bytes) : Endpoints{};
  const NetworkLayer layer = find_network_layer(link, bytes);
  if (layer.ether_type == kEtherArp && wanted == AddressFamily::Ipv4) return arp_endpoints(bytes, layer.offset);
  const bool matches = layer.ether_type == (wanted == AddressFamily::Ipv4 ? kEtherIpv4 : kEtherIpv6);
  return matches ? ip_endpoints(wanted, bytes, layer.offset) : Endpoints{};
}

std::string to_text(AddressFamily family, const AddressBytes& bytes) {
  if (family == AddressFamily::None) return {};
  if (family != AddressFamily::Mac) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(family == AddressFamily::Ipv4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
    return text.data();
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size_of(family); ++i) {
    if (i > 0) text += ':';
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

}  // namespace iommu::platform
