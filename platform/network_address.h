// MAC, IPv4 and IPv6 addresses as text, for telling a capture's directions apart.
//
// Does: parse and compare. Does not: resolve names, know prefixes or ports.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace iommu::platform {

enum class AddressFamily { None, Mac, Ipv4, Ipv6 };

/// One address in network byte order: the first 6 (MAC), 4 (IPv4) or 16 (IPv6) bytes count, the others are 0.
struct NetworkAddress {
  AddressFamily family = AddressFamily::None;
  std::array<std::uint8_t, 16> bytes{};
  std::string text;  ///< as the user wrote it

  friend bool operator==(const NetworkAddress& a, const NetworkAddress& b) {
    return a.family == b.family && a.bytes == b.bytes;
  }
};

/// Parses "02:00:00:00:00:01", "10.0.0.1" or "fd00::1"; "" is None. Nothing when it is none of these.
[[nodiscard]] std::optional<NetworkAddress> parse_network_address(std::string_view text);

}  // namespace iommu::platform
