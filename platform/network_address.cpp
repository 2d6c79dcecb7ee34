#include "platform/network_address.h"

#include <arpa/inet.h>

#include <cctype>
#include <cstddef>

namespace iommu::platform {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Six pairs of hexadecimal digits with ':' or '-' between them.
bool parse_mac(std::string_view text, std::array<std::uint8_t, 16>& bytes) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < 6; ++i) {
    const int high = hex_digit(text[3 * i]);
    const int low = hex_digit(text[3 * i + 1]);
    if (high < 0 || low < 0) return false;
    if (i < 5 && (text[3 * i + 2] != text[2] || (text[2] != ':' && text[2] != '-'))) return false;
    bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

}  // namespace

std::optional<NetworkAddress> parse_network_address(std::string_view text) {
  NetworkAddress result;
  result.text = std::string(text);
  if (text.empty()) return result;
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  if (parse_mac(text, result.bytes)) {
    result.family = AddressFamily::Mac;
  } else if (inet_pton(AF_INET, result.text.c_str(), result.bytes.data()) == 1) {
    result.family = AddressFamily::Ipv4;
  } else if (inet_pton(AF_INET6, result.text.c_str(), result.bytes.data()) == 1) {
    result.family = AddressFamily::Ipv6;
  } else {
    return std::nullopt;
  }
  return result;
}

}  // namespace iommu::platform
