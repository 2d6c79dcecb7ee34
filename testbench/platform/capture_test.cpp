// Captures read from files that are written here byte by byte: formats, byte orders, link types, directions, order, and
// every refusal with its message.
#include "platform/capture.h"

#include <string>
#include <vector>

#include "testbench/platform/capture_bytes.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace {

using namespace capture_bytes;
using iommu::platform::Capture;
using iommu::platform::CapturedPacket;
using iommu::platform::CaptureError;

const Bytes kAToB = ethernet(kMacA, kMacB, 0x0800, ipv4(kIpA, kIpB));  // 34 bytes
const Bytes kBToA = ethernet(kMacB, kMacA, 0x0800, ipv4(kIpB, kIpA));

Capture read(const Bytes& bytes, const std::string& local_address) {
  const File file(bytes);
  return Capture::open(file.path(), local_address);
}

/// Why the capture is refused; also holds what() together.
std::string refusal(const Bytes& bytes, const std::string& local_address = "10.0.0.1") {
  const File file(bytes);
  try {
    static_cast<void>(Capture::open(file.path(), local_address));
  } catch (const CaptureError& error) {
    CHECK(error.path() == file.path());
    CHECK(std::string(error.what()) == file.path() + ": " + error.reason());
    return error.reason();
  }
  return "accepted";
}

std::vector<std::uint64_t> arrivals(const Capture& capture) {
  std::vector<std::uint64_t> result;
  for (const CapturedPacket& packet : capture.packets()) result.push_back(packet.arrival_ps);
  return result;
}

std::vector<std::uint32_t> lengths(const Capture& capture) {
  std::vector<std::uint32_t> result;
  for (const CapturedPacket& packet : capture.packets()) result.push_back(packet.length);
  return result;
}

/// One letter a packet: t or r.
std::string directions(const Capture& capture) {
  std::string result;
  for (const CapturedPacket& packet : capture.packets()) result += packet.transmit ? 't' : 'r';
  return result;
}

Bytes cut(Bytes bytes, std::size_t n) {
  bytes.resize(bytes.size() - n);
  return bytes;
}

TEST_CASE("pcap with microseconds and nanoseconds, in both byte orders") {
  for (const bool big : {false, true}) {
    Pcap micro(kEthernet, Pcap::kMicro, big);
    micro.add(1700000000, 999999, kAToB, 1514).add(1700000001, 1, kBToA, 60).add(1700000003, 0, kAToB, 66);
    const Capture from_micro = read(micro.bytes(), "10.0.0.1");
    CHECK(arrivals(from_micro) == std::vector<std::uint64_t>{0, 2'000'000, 2'000'001'000'000});
    CHECK(lengths(from_micro) == std::vector<std::uint32_t>{1514, 60, 66});
    CHECK(directions(from_micro) == "trt");

    Pcap nano(kEthernet, Pcap::kNano, big);
    nano.add(1700000000, 999999999, kBToA, 64).add(1700000001, 0, kAToB, 65).add(1700000001, 7, kBToA, 9014);
    const Capture from_nano = read(nano.bytes(), "10.0.0.1");
    CHECK(arrivals(from_nano) == std::vector<std::uint64_t>{0, 1000, 8000});
    CHECK(lengths(from_nano) == std::vector<std::uint32_t>{64, 65, 9014});
    CHECK(directions(from_nano) == "rtr");
  }
}

TEST_CASE("pcapng in both byte orders, with micro-, nano- and binary fractions of a second") {
  for (const bool big : {false, true}) {
    Pcapng micro(big);
    micro.add_interface(kEthernet).add(5'000'000, kAToB, 1514).add(5'000'003, kBToA, 60);
    const Capture from_micro = read(micro.bytes(), "10.0.0.2");
    CHECK(arrivals(from_micro) == std::vector<std::uint64_t>{0, 3'000'000});
    CHECK(lengths(from_micro) == std::vector<std::uint32_t>{1514, 60});
    CHECK(directions(from_micro) == "rt");

    Pcapng nano(big);
    nano.add_interface(kEthernet, 9).add(1'700'000'000'000'000'001, kAToB).add(1'700'000'000'000'000'003, kBToA);
    CHECK(arrivals(read(nano.bytes(), "10.0.0.1")) == std::vector<std::uint64_t>{0, 2000});

    Pcapng binary(big);  // units of 2^-10 s
    binary.add_interface(kEthernet, 0x8a).add(1024, kAToB).add(1025, kBToA);
    CHECK(arrivals(read(binary.bytes(), "10.0.0.1")) == std::vector<std::uint64_t>{0, 976'562'000});
  }
}

TEST_CASE("pcapng with two interfaces of one link type is one stream") {
  Pcapng two;
  two.add_interface(kEthernet).add_interface(kEthernet, 9).add(1'000'000, kAToB, 0, 0).add(1'000'000'500, kBToA, 0, 1);
  const Capture capture = read(two.bytes(), "10.0.0.1");
  CHECK(arrivals(capture) == std::vector<std::uint64_t>{0, 500'000});
  CHECK(directions(capture) == "tr");
}

TEST_CASE("Lengths are those of Ethernet frames for every link type") {
  // 1000 bytes on the wire as the capture counts them, with its own link header.
  struct Case {
    std::uint32_t link;
    Bytes packet;
    std::uint32_t length;
  };
  const Bytes ip = ipv4(kIpA, kIpB);
  const std::vector<Case> cases{{kEthernet, kAToB, 1000},
                                {kSll, sll(4, kMacA, 0x0800, ip), 998},
                                {kSll2, sll2(4, kMacA, 0x0800, ip), 994},
                                {kRaw, ip, 1014},
                                {kIpv4, ip, 1014},
                                {kIpv6, ipv6(kIp6A, kIp6B), 1014},
                                {kNull, number(2, 4, false) + ip, 1010},
                                {kLoop, number(2, 4, true) + ip, 1010}};
  for (const Case& c : cases) {
    CAPTURE(c.link);
    Pcap pcap(c.link);
    pcap.add(1, 0, c.packet, 1000);
    const Capture capture = read(pcap.bytes(), c.link == kIpv6 ? "fd00::1" : "10.0.0.1");
    CHECK(lengths(capture) == std::vector<std::uint32_t>{c.length});
    CHECK(directions(capture) == "t");
    Pcapng pcapng;
    pcapng.add_interface(c.link).add(1, c.packet, 1000);
    CHECK(lengths(read(pcapng.bytes(), "")) == std::vector<std::uint32_t>{c.length});
  }
}

TEST_CASE("Each family of local addresses tells the directions") {
  Pcap pcap;
  pcap.add(1, 0, kAToB)
      .add(1, 1, ethernet(kMacB, kMacA, 0x86dd, ipv6(kIp6B, kIp6A)))
      .add(1, 2, ethernet(kMacA, kMacB, 0x8100, vlan(5, 0x86dd, ipv6(kIp6A, kIp6B))))
      .add(1, 3, ethernet(kMacA, Bytes(6, 0xff), 0x0806, arp(kMacA, kIpA, kIpB)))
      .add(1, 4, ethernet(kMacA, kMacB, 0x88cc, {}))
      .add(1, 5, kBToA);
  CHECK(directions(read(pcap.bytes(), "10.0.0.1")) == "trrtrr");
  CHECK(directions(read(pcap.bytes(), "10.0.0.2")) == "rrrrrt");
  CHECK(directions(read(pcap.bytes(), "fd00::1")) == "rrtrrr");
  CHECK(directions(read(pcap.bytes(), "fd00:0:0::2")) == "rtrrrr");
  CHECK(directions(read(pcap.bytes(), "02:00:00:00:00:0a")) == "trtttr");
  CHECK(directions(read(pcap.bytes(), "02-00-00-00-00-0B")) == "rtrrrt");
  CHECK(directions(read(pcap.bytes(), "")) == "rrrrrr");
}

TEST_CASE("An address that only receives is enough") {
  CHECK(directions(read(Pcap().add(1, 0, kBToA).bytes(), "10.0.0.1")) == "r");
}

TEST_CASE("Without a local address no addresses are needed") {
  Pcap pcap;
  pcap.add(1, 0, {}, 1514).add(1, 1, Bytes(3), 60);
  const Capture capture = read(pcap.bytes(), "");
  CHECK(lengths(capture) == std::vector<std::uint32_t>{1514, 60});
  CHECK(directions(capture) == "rr");
}

TEST_CASE("The summary counts packets, bytes, directions and time") {
  Pcap pcap(kEthernet, Pcap::kNano);
  pcap.add(1, 100, kAToB, 1514).add(1, 50, kBToA, 60).add(2, 0, kAToB, 66);
  const auto summary = read(pcap.bytes(), "10.0.0.1").summary();
  CHECK(summary.packets == 3);
  CHECK(summary.transmit_packets == 2);
  CHECK(summary.bytes == 1640);
  CHECK(summary.transmit_bytes == 1580);
  CHECK(summary.max_length == 1514);
  CHECK(summary.reordered_packets == 1);
  CHECK(summary.duration_ps == 999'999'950'000);
}

TEST_CASE("Packets are sorted by time, equal times in the file's order") {
  Pcap pcap(kEthernet, Pcap::kNano);
  pcap.add(10, 0, kAToB, 101)
      .add(9, 999'999'990, kAToB, 102)  // across the second
      .add(10, 0, kAToB, 103)
      .add(9, 990'000'000, kAToB, 104)  // exactly 10 ms late: still put in order
      .add(10, 5, kAToB, 105);
  const Capture capture = read(pcap.bytes(), "10.0.0.1");
  CHECK(lengths(capture) == std::vector<std::uint32_t>{104, 102, 101, 103, 105});
  CHECK(arrivals(capture) ==
        std::vector<std::uint64_t>{0, 9'999'990'000, 10'000'000'000, 10'000'000'000, 10'000'005'000});
  CHECK(capture.summary().reordered_packets == 2);
}

TEST_CASE("A packet that is older than the tolerance is refused") {
  Pcap pcap(kEthernet, Pcap::kNano);
  pcap.add(10, 0, kAToB).add(9, 989'999'999, kAToB);
  CHECK(refusal(pcap.bytes()) ==
        "packet 2: it is 10000001 ns older than packet 1, more than the 10000000 ns that are put in order; was the "
        "clock set while recording?");
  Pcap late(kEthernet, Pcap::kNano);  // compared with the latest, not with its neighbour
  late.add(20, 0, kAToB).add(19, 995'000'000, kAToB).add(19, 989'000'000, kAToB);
  CHECK(refusal(late.bytes()) ==
        "packet 3: it is 11000000 ns older than packet 1, more than the 10000000 ns that are put in order; was the "
        "clock set while recording?");
  Pcap far(kEthernet, Pcap::kMicro);
  far.add(1000, 0, kAToB).add(400, 0, kAToB);
  CHECK(refusal(far.bytes()) ==
        "packet 2: it is about 600 s older than packet 1, more than the 10000000 ns that are put in order; was the "
        "clock set while recording?");
}

TEST_CASE("Times that do not fit in 64 bits of picoseconds are refused") {
  Pcap fits;
  fits.add(0, 0, kAToB).add(213 * 86400 - 1, 999999, kAToB);
  CHECK(read(fits.bytes(), "").summary().duration_ps == 18403199999999000000U);
  Pcap too_long;
  too_long.add(0, 0, kAToB).add(213 * 86400, 0, kAToB);
  CHECK(refusal(too_long.bytes()) == "the packets span more than 213 days");
}

TEST_CASE("A fraction of a second or more is refused") {
  CHECK(refusal(Pcap(kEthernet, Pcap::kNano).add(1, 1'000'000'000, kAToB).bytes()) ==
        "packet 1: its time stamp has 1000000000 ns beside the seconds");
  CHECK(refusal(Pcap(kEthernet, Pcap::kNano).add(1, 0xffffffff, kAToB).bytes()) ==
        "packet 1: its time stamp has -1 ns beside the seconds");
}

TEST_CASE("Files that are missing, empty or no captures are refused") {
  try {
    static_cast<void>(Capture::open("no-such-folder/x.pcap", "10.0.0.1"));
    FAIL("accepted");
  } catch (const CaptureError& error) {
    CHECK(std::string(error.what()) == "no-such-folder/x.pcap: No such file or directory");
  }
  try {
    static_cast<void>(Capture::open(".", "10.0.0.1"));
    FAIL("accepted");
  } catch (const CaptureError& error) {
    CHECK(std::string(error.what()) == ".: is a directory, not a capture");
  }
  CHECK(refusal({}) == "the file is empty");
  CHECK(refusal({'h', 'e', 'l', 'l', 'o', ' ', 'w', 'o', 'r', 'l', 'd', '\n'}) ==
        "not a readable pcap or pcapng capture: unknown file format");
  CHECK(refusal({0xd4, 0xc3}) ==
        "not a readable pcap or pcapng capture: truncated dump file; tried to read 4 file header bytes, only got 2");
  CHECK(refusal(cut(Pcap().bytes(), 1)).find("not a readable pcap or pcapng capture: truncated dump file") == 0);
}

TEST_CASE("Captures without packets are refused") {
  CHECK(refusal(Pcap().bytes()) == "the capture holds no packets");
  CHECK(refusal(Pcap().bytes(), "") == "the capture holds no packets");
  CHECK(refusal(Pcapng().add_interface(kEthernet).bytes()) == "the capture holds no packets");
}

TEST_CASE("Captures that are cut off are refused, wherever they are cut") {
  const Bytes pcap = Pcap().add(1, 0, kAToB).add(1, 1, kBToA).bytes();
  CHECK(refusal(cut(pcap, 1)) == "packet 2: truncated dump file; tried to read 34 captured bytes, only got 33");
  CHECK(refusal(cut(pcap, 34 + 1)) == "packet 2: truncated dump file; tried to read 16 header bytes, only got 15");
  CHECK(refusal(cut(pcap, 34 + 16)) == "accepted");  // the first packet is whole
  for (std::size_t n = 1; n < 34 + 16; ++n) CHECK(refusal(cut(pcap, n)).find("packet 2: truncated dump file") == 0);

  const Bytes pcapng = Pcapng().add_interface(kEthernet).add(1, kAToB).add(2, kBToA).bytes();
  const std::size_t block = 12 + 20 + 36;
  CHECK(refusal(cut(pcapng, block)) == "accepted");
  for (std::size_t n = 1; n < block; ++n)
    CHECK(refusal(cut(pcapng, n)).find("packet 2: truncated pcapng dump file") == 0);
}

TEST_CASE("Records with impossible lengths are refused") {
  CHECK(refusal(Pcap().add_exactly(1, 0, kAToB, 34, 33).bytes()) ==
        "packet 1: its length of 33 bytes is less than the 34 that are stored");
  CHECK(refusal(Pcap().add_exactly(1, 0, {}, 0, 0).bytes(), "") ==
        "packet 1: its length of 0 bytes is less than the 14 of its link layer");
  CHECK(refusal(Pcap().add_exactly(1, 0, Bytes(13), 13, 13).bytes(), "") ==
        "packet 1: its length of 13 bytes is less than the 14 of its link layer");
  CHECK(refusal(Pcap(kRaw).add_exactly(1, 0, {}, 0, 0).bytes(), "") ==
        "packet 1: its length of 0 bytes is less than the 1 of its link layer");
  CHECK(read(Pcap().add(1, 0, kAToB, 1 << 20).bytes(), "").summary().max_length == 1048576);
  CHECK(refusal(Pcap().add(1, 0, kAToB, (1 << 20) + 1).bytes()) ==
        "packet 1: its length of 1048577 bytes is more than any frame has (1048576)");
  CHECK(refusal(Pcap(kSll2).add(1, 0, sll2(0, kMacA, 0x0800, ipv4(kIpA, kIpB)), UINT32_MAX).bytes()) ==
        "packet 1: its length of 4294967295 bytes is more than any frame has (1048576)");
  CHECK(refusal(Pcap().add_exactly(1, 0, kAToB, 0x7fffffff, 0x7fffffff).bytes()).find("packet 1: ") == 0);
}

TEST_CASE("Packets with too few stored bytes for their addresses are refused by number") {
  Pcap pcap;
  pcap.add(1, 0, kAToB).add(1, 1, Bytes(kBToA.begin(), kBToA.begin() + 20), 1514);
  CHECK(refusal(pcap.bytes()) == "packet 2: 20 bytes are stored, its IPv4 addresses end at byte 34");
  CHECK(directions(read(pcap.bytes(), "02:00:00:00:00:0a")) == "tr");  // its MAC addresses are there
}

TEST_CASE("Unsupported link types are refused by name") {
  const char* supported =
      " is not supported; supported are EN10MB (Ethernet), LINUX_SLL, LINUX_SLL2, RAW, IPV4, IPV6, NULL, LOOP";
  CHECK(refusal(Pcap(kIeee80211).add(1, 0, kAToB).bytes()) == std::string("link type IEEE802_11") + supported);
  CHECK(refusal(Pcapng().add_interface(kIeee80211).add(1, kAToB).bytes()) ==
        std::string("link type IEEE802_11") + supported);
  CHECK(refusal(Pcap(5000).add(1, 0, kAToB).bytes()) == std::string("link type 5000") + supported);
}

TEST_CASE("pcapng with interfaces of different link types is refused") {
  CHECK(refusal(Pcapng().add_interface(kEthernet).add_interface(kRaw).add(1, kAToB).bytes()) ==
        "packet 1: an interface has a type 101 different from the type of the first interface");
}

TEST_CASE("A MAC address is refused where packets carry none") {
  CHECK(refusal(Pcap(kRaw).add(1, 0, ipv4(kIpA, kIpB)).bytes(), "02:00:00:00:00:0a") ==
        "packets of link type RAW carry no MAC addresses; give the local address as IPv4 or IPv6");
  CHECK(refusal(Pcap(kNull).add(1, 0, number(2, 4) + ipv4(kIpA, kIpB)).bytes(), "02:00:00:00:00:0a") ==
        "packets of link type NULL carry no MAC addresses; give the local address as IPv4 or IPv6");
}

TEST_CASE("A local address that is none is refused") {
  const Bytes good = Pcap().add(1, 0, kAToB).bytes();
  for (const std::string bad : {"10.0.0", "10.0.0.256", "10.0.0.1/24", " 10.0.0.1", "fd00::1%eth0", "02:00:00:00:00",
                                "02:00:00:00:00:0g", "02:00-00:00:00:01", "localhost"}) {
    CHECK(refusal(good, bad) == "local address '" + bad + "' is no IPv4, IPv6 or MAC address");
  }
}

TEST_CASE("A local address that does not occur is refused, with up to four that do") {
  Pcap pcap;
  pcap.add(1, 0, kAToB).add(1, 1, kBToA).add(1, 2, ethernet(kMacA, kMacB, 0x0800, ipv4(kIpA, {10, 0, 0, 3})));
  CHECK(refusal(pcap.bytes(), "10.0.0.9") ==
        "no packet comes from or goes to the local address 10.0.0.9; addresses seen: 10.0.0.1, 10.0.0.2, 10.0.0.3, "
        "02:00:00:00:00:0a, ...");
  CHECK(refusal(pcap.bytes(), "02:00:00:00:00:0C") ==
        "no packet comes from or goes to the local address 02:00:00:00:00:0c; addresses seen: 02:00:00:00:00:0a, "
        "02:00:00:00:00:0b, 10.0.0.1, "
        "10.0.0.2, ...");
  CHECK(refusal(Pcap(kRaw).add(1, 0, ipv4(kIpA, kIpB)).bytes(), "fd00::1") ==
        "no packet comes from or goes to the local address fd00::1; addresses seen: 10.0.0.1, 10.0.0.2");
  CHECK(refusal(Pcap(kRaw).add(1, 0, {0x50}).bytes(), "fd00::1") ==
        "no packet comes from or goes to the local address fd00::1; no packet has any address");
}

}  // namespace
