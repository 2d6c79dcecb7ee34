// Where a packet's addresses are found, for each link type, and what happens when the stored bytes end before them.
#include "platform/packet_addresses.h"

#include <string>

#include "testbench/platform/capture_bytes.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace {

using namespace capture_bytes;
using iommu::platform::AddressFamily;
using iommu::platform::Endpoints;
using iommu::platform::find_endpoints;
using iommu::platform::LinkType;
using iommu::platform::PacketTooShort;
using iommu::platform::to_text;

/// "SOURCE > DESTINATION", with "-" for an address that isn't there.
std::string endpoints(LinkType link, AddressFamily family, const Bytes& packet) {
  const Endpoints found = find_endpoints(link, family, packet.data(), packet.size());
  return (found.source ? to_text(family, *found.source) : "-") + " > " +
         (found.destination ? to_text(family, *found.destination) : "-");
}

std::string too_short(LinkType link, AddressFamily family, const Bytes& packet) {
  try {
    return endpoints(link, family, packet);
  } catch (const PacketTooShort& error) {
    return error.what();
  }
}

Bytes first(const Bytes& bytes, std::size_t n) {
  return Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
}

constexpr auto kIpv4Family = AddressFamily::Ipv4;
constexpr auto kIpv6Family = AddressFamily::Ipv6;
constexpr auto kMacFamily = AddressFamily::Mac;

TEST_CASE("Ethernet: addresses of IPv4, IPv6, ARP and the link itself") {
  const Bytes v4 = ethernet(kMacA, kMacB, 0x0800, ipv4(kIpA, kIpB));
  CHECK(endpoints(LinkType::kEthernet, kIpv4Family, v4) == "10.0.0.1 > 10.0.0.2");
  CHECK(endpoints(LinkType::kEthernet, kIpv6Family, v4) == "- > -");
  CHECK(endpoints(LinkType::kEthernet, kMacFamily, v4) == "02:00:00:00:00:0a > 02:00:00:00:00:0b");
  CHECK(endpoints(LinkType::kEthernet, AddressFamily::None, v4) == "- > -");
  const Bytes v6 = ethernet(kMacA, kMacB, 0x86dd, ipv6(kIp6A, kIp6B));
  CHECK(endpoints(LinkType::kEthernet, kIpv6Family, v6) == "fd00::1 > fd00::2");
  CHECK(endpoints(LinkType::kEthernet, kIpv4Family, v6) == "- > -");
  const Bytes who_has = ethernet(kMacA, Bytes(6, 0xff), 0x0806, arp(kMacA, kIpA, kIpB));
  CHECK(endpoints(LinkType::kEthernet, kIpv4Family, who_has) == "10.0.0.1 > 10.0.0.2");
  CHECK(endpoints(LinkType::kEthernet, kIpv6Family, who_has) == "- > -");
  CHECK(endpoints(LinkType::kEthernet, kMacFamily, who_has) == "02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff");
}

TEST_CASE("Ethernet: VLAN tags are skipped, one or several, of each kind") {
  const Bytes ip = ipv4(kIpA, kIpB);
  CHECK(endpoints(LinkType::kEthernet, kIpv4Family, ethernet(kMacA, kMacB, 0x8100, vlan(7, 0x0800, ip))) ==
        "10.0.0.1 > 10.0.0.2");
  const Bytes provider = ethernet(kMacA, kMacB, 0x88a8, vlan(1, 0x9100, vlan(2, 0x8100, vlan(0xefff, 0x0800, ip))));
  CHECK(endpoints(LinkType::kEthernet, kIpv4Family, provider) == "10.0.0.1 > 10.0.0.2");
  const Bytes v6 = ethernet(kMacA, kMacB, 0x8100, vlan(7, 0x86dd, ipv6(kIp6A, kIp6B)));
  CHECK(endpoints(LinkType::kEthernet, kIpv6Family, v6) == "fd00::1 > fd00::2");
  const Bytes who_has = ethernet(kMacA, kMacB, 0x8100, vlan(7, 0x0806, arp(kMacA, kIpA, kIpB)));
  CHECK(endpoints(LinkType::kEthernet, kIpv4Family, who_has) == "10.0.0.1 > 10.0.0.2");
}

TEST_CASE("Ethernet: other protocols have no network addresses, however short") {
  const Bytes lldp = ethernet(kMacA, kMacB, 0x88cc, {});
  CHECK(endpoints(LinkType::kEthernet, kIpv4Family, lldp) == "- > -");
  CHECK(endpoints(LinkType::kEthernet, kIpv6Family, lldp) == "- > -");
  const Bytes bpdu = ethernet(kMacA, kMacB, 0x0026, Bytes(38));  // 802.3 length
  CHECK(endpoints(LinkType::kEthernet, kIpv4Family, bpdu) == "- > -");
}

TEST_CASE("ARP: only that of IPv4 counts, with any size of hardware address") {
  const Bytes infiniband = Bytes{0, 32, 8, 0, 20, 4, 0, 1} + Bytes(20, 0xaa) + kIpA + Bytes(20) + kIpB;
  CHECK(endpoints(LinkType::kEthernet, kIpv4Family, ethernet(kMacA, kMacB, 0x0806, infiniband)) ==
        "10.0.0.1 > 10.0.0.2");
  Bytes other = arp(kMacA, kIpA, kIpB);
  other[5] = 6;  // six bytes of protocol address
  CHECK(endpoints(LinkType::kEthernet, kIpv4Family, ethernet(kMacA, kMacB, 0x0806, other)) == "- > -");
}

TEST_CASE("Linux cooked captures: network addresses, and the sender's MAC address") {
  const Bytes sent = sll(4, kMacA, 0x0800, ipv4(kIpA, kIpB));
  CHECK(endpoints(LinkType::kLinuxSll, kIpv4Family, sent) == "10.0.0.1 > 10.0.0.2");
  CHECK(endpoints(LinkType::kLinuxSll, kMacFamily, sent) == "02:00:00:00:00:0a > -");
  CHECK(endpoints(LinkType::kLinuxSll, kIpv6Family, sll(0, kMacB, 0x86dd, ipv6(kIp6B, kIp6A))) == "fd00::2 > fd00::1");
  CHECK(endpoints(LinkType::kLinuxSll, kMacFamily, sll(4, {}, 0x0800, ipv4(kIpA, kIpB))) ==
        "- > -");  // a tunnel: no MAC
  CHECK(endpoints(LinkType::kLinuxSll, kIpv4Family, sll(4, kMacA, 0x8100, vlan(7, 0x0800, ipv4(kIpA, kIpB)))) ==
        "10.0.0.1 > 10.0.0.2");

  const Bytes sent2 = sll2(4, kMacA, 0x0800, ipv4(kIpA, kIpB));
  CHECK(endpoints(LinkType::kLinuxSll2, kIpv4Family, sent2) == "10.0.0.1 > 10.0.0.2");
  CHECK(endpoints(LinkType::kLinuxSll2, kMacFamily, sent2) == "02:00:00:00:00:0a > -");
  CHECK(endpoints(LinkType::kLinuxSll2, kIpv6Family, sll2(0, kMacB, 0x86dd, ipv6(kIp6B, kIp6A))) ==
        "fd00::2 > fd00::1");
  CHECK(endpoints(LinkType::kLinuxSll2, kIpv4Family, sll2(0, kMacB, 0x0806, arp(kMacB, kIpB, kIpA))) ==
        "10.0.0.2 > 10.0.0.1");
  CHECK(endpoints(LinkType::kLinuxSll2, kMacFamily, sll2(4, {}, 0x0800, ipv4(kIpA, kIpB))) == "- > -");
}

TEST_CASE("Raw IP: the version tells the protocol") {
  CHECK(endpoints(LinkType::kRawIp, kIpv4Family, ipv4(kIpA, kIpB)) == "10.0.0.1 > 10.0.0.2");
  CHECK(endpoints(LinkType::kRawIp, kIpv6Family, ipv4(kIpA, kIpB)) == "- > -");
  CHECK(endpoints(LinkType::kRawIp, kIpv6Family, ipv6(kIp6A, kIp6B)) == "fd00::1 > fd00::2");
  CHECK(endpoints(LinkType::kRawIp, kIpv4Family, Bytes{0x50}) == "- > -");
  CHECK(endpoints(LinkType::kRawIp, kMacFamily, ipv4(kIpA, kIpB)) == "- > -");
}

TEST_CASE("BSD loopback: each system's number of a family, in both byte orders") {
  for (const bool big : {false, true}) {
    CHECK(endpoints(LinkType::kNull, kIpv4Family, number(2, 4, big) + ipv4(kIpA, kIpB)) == "10.0.0.1 > 10.0.0.2");
    for (const unsigned family : {10U, 24U, 28U, 30U}) {
      CHECK(endpoints(LinkType::kNull, kIpv6Family, number(family, 4, big) + ipv6(kIp6A, kIp6B)) ==
            "fd00::1 > fd00::2");
    }
    CHECK(endpoints(LinkType::kNull, kIpv4Family, number(7, 4, big) + ipv4(kIpA, kIpB)) == "- > -");  // OSI
  }
}

TEST_CASE("One byte less than the addresses need is too short, and the message says how many there are") {
  struct Case {
    LinkType link;
    AddressFamily family;
    Bytes packet;
    std::size_t needed;
    const char* message;  // with needed - 1 bytes
  };
  const Case cases[] = {
      {LinkType::kEthernet, kIpv4Family, ethernet(kMacA, kMacB, 0x0800, ipv4(kIpA, kIpB)), 34,
       "33 bytes are stored, its IPv4 addresses end at byte 34"},
      {LinkType::kEthernet, kIpv6Family, ethernet(kMacA, kMacB, 0x86dd, ipv6(kIp6A, kIp6B)), 54,
       "53 bytes are stored, its IPv6 addresses end at byte 54"},
      {LinkType::kEthernet, kIpv4Family, ethernet(kMacA, kMacB, 0x8100, vlan(7, 0x0800, ipv4(kIpA, kIpB))), 38,
       "37 bytes are stored, its IPv4 addresses end at byte 38"},
      {LinkType::kEthernet, kIpv4Family, ethernet(kMacA, kMacB, 0x0806, arp(kMacA, kIpA, kIpB)), 42,
       "41 bytes are stored, its IPv4 addresses end at byte 42"},
      {LinkType::kEthernet, kIpv4Family, ethernet(kMacA, kMacB, 0x88cc, {}), 14,
       "13 bytes are stored, its link-layer header ends at byte 14"},
      {LinkType::kEthernet, kIpv4Family, ethernet(kMacA, kMacB, 0x8100, vlan(7, 0x88cc, {})), 18,
       "17 bytes are stored, its link-layer header ends at byte 18"},
      {LinkType::kEthernet, kMacFamily, kMacB + kMacA, 12, "11 bytes are stored, its MAC addresses end at byte 12"},
      {LinkType::kLinuxSll, kIpv4Family, sll(4, kMacA, 0x0800, ipv4(kIpA, kIpB)), 36,
       "35 bytes are stored, its IPv4 addresses end at byte 36"},
      {LinkType::kLinuxSll2, kIpv6Family, sll2(4, kMacA, 0x86dd, ipv6(kIp6A, kIp6B)), 60,
       "59 bytes are stored, its IPv6 addresses end at byte 60"},
      {LinkType::kRawIp, kIpv4Family, ipv4(kIpA, kIpB), 20, "19 bytes are stored, its IPv4 addresses end at byte 20"},
      {LinkType::kRawIp, kIpv4Family, Bytes{0x50}, 1, "0 bytes are stored, its IP version is at byte 1"},
      {LinkType::kNull, kIpv6Family, number(30, 4) + ipv6(kIp6A, kIp6B), 44,
       "43 bytes are stored, its IPv6 addresses end at byte 44"},
      {LinkType::kNull, kIpv4Family, number(7, 4), 4, "3 bytes are stored, its link-layer header ends at byte 4"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.message);
    CHECK_NOTHROW(endpoints(c.link, c.family, first(c.packet, c.needed)));
    CHECK(too_short(c.link, c.family, first(c.packet, c.needed - 1)) == c.message);
    for (std::size_t n = 0; n < c.needed; ++n) {
      CHECK_THROWS_AS(endpoints(c.link, c.family, first(c.packet, n)), PacketTooShort);
    }
  }
  CHECK(too_short(LinkType::kEthernet, kMacFamily, {1}) == "1 byte is stored, its MAC addresses end at byte 12");
}

}  // namespace
