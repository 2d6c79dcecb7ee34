// Finds who sent a captured packet and to whom, behind the headers of the link types that network captures have.
//
// What it does: Ethernet with any number of VLAN tags (802.1Q, 802.1ad, and the older 0x9100), Linux "cooked" captures
// (SLL, SLL2), raw IP, BSD loopback (NULL, LOOP); IPv4, IPv6 and the protocol addresses of ARP. What it does not do: it
// reads no file, looks into no tunnel (the outer header counts) and at no transport protocol.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "platform/network_address.h"

namespace iommu::platform {

enum class LinkType { kEthernet, kLinuxSll, kLinuxSll2, kRawIp, kNull };

/// Bytes that a capture of this link type stores before the network layer: 14 for Ethernet, 16, 20, 0 and 4 for the
/// others in turn.
[[nodiscard]] std::size_t link_header_bytes(LinkType link);

/// True for link types whose packets carry MAC addresses; SLL and SLL2 carry the sender's only.
[[nodiscard]] bool has_mac_addresses(LinkType link);

/// An address as NetworkAddress::bytes holds it: network byte order, unused bytes 0.
using AddressBytes = std::array<std::uint8_t, 16>;

/// Sender and receiver, as far as a packet names them.
struct Endpoints {
  std::optional<AddressBytes> source;
  std::optional<AddressBytes> destination;
};

/// The stored part of a packet ends before its addresses do.
class PacketTooShort : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The addresses of family `wanted` in a packet of which `size` bytes are stored at `data`. Both are empty for a packet
/// of another protocol, and if None is wanted. Throws PacketTooShort if too few bytes are stored to see the addresses,
/// or to see whether there are any; its text reads, for example, "20 bytes are stored, its IPv4 addresses end at byte
/// 34".
[[nodiscard]] Endpoints find_endpoints(LinkType link, AddressFamily wanted, const std::uint8_t* data, std::size_t size);

/// The usual notation: dotted decimal, RFC 5952, or lower-case hexadecimal pairs with colons; "" for None.
[[nodiscard]] std::string to_text(AddressFamily family, const AddressBytes& bytes);

}  // namespace iommu::platform
