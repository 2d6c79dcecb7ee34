// The capture that is shipped, against what tcpdump 4.99.3 says of it; FILE stands for
// configs/captures/tcp-bulk-and-requests.pcap:
//   tcpdump -nn -e -r FILE [ether src 02:00:00:00:00:01] | sed -E 's/.*, length ([0-9]+): .*/\1/' | awk '{s+=$1} END
//   {print NR, s}' tcpdump -nn -e --nano -r FILE            (first and last lines; one pair of late packets around line
//   784)
#include <string>
#include <vector>

#include "platform/capture.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace {

using iommu::platform::Capture;
using iommu::platform::CapturedPacket;

const std::string kPath = std::string(IOMMU_CAPTURES) + "/tcp-bulk-and-requests.pcap";

TEST_CASE("The shipped capture has the packets and bytes that tcpdump counts") {
  for (const char* near : {"10.0.0.1", "02:00:00:00:00:01"}) {
    const auto summary = Capture::open(kPath, near).summary();
    CHECK(summary.packets == 4222);
    CHECK(summary.bytes == 3180359);
    CHECK(summary.transmit_packets == 1959);
    CHECK(summary.transmit_bytes == 818412);
    CHECK(summary.max_length == 1514);
    CHECK(summary.duration_ps == 254135235000);
    CHECK(summary.reordered_packets == 13);
  }
  const auto far = Capture::open(kPath, "10.0.0.2").summary();
  CHECK(far.transmit_packets == 2263);
  CHECK(far.transmit_bytes == 2361947);
}

TEST_CASE("The shipped capture begins and ends as tcpdump prints it") {
  const std::vector<CapturedPacket> packets = Capture::open(kPath, "10.0.0.1").packets();
  REQUIRE(packets.size() == 4222);
  const std::vector<CapturedPacket> first{
      {0, 42, true},         {36674000, 42, false},     {40750000, 74, true},   {59177000, 74, false},
      {70474000, 66, true},  {160117000, 139, true},    {176641000, 66, false}, {923610000, 225, false},
      {974395000, 66, true}, {1141772000, 1514, false}, {1157064000, 66, true}, {1158667000, 1514, false}};
  for (std::size_t i = 0; i < first.size(); ++i) {
    CHECK(packets[i].arrival_ps == first[i].arrival_ps);
    CHECK(packets[i].length == first[i].length);
    CHECK(packets[i].transmit == first[i].transmit);
  }
  CHECK(packets.back().arrival_ps == 254135235000);
  CHECK(packets.back().length == 213);
  CHECK_FALSE(packets.back().transmit);
}

TEST_CASE("The shipped capture's late packets are put in order") {
  // In the file, 7,581,283 ns (66 bytes, from 10.0.0.1) follows 7,582,099 ns.
  const std::vector<CapturedPacket> packets = Capture::open(kPath, "10.0.0.1").packets();
  CHECK(packets[783].arrival_ps == 7581283000);
  CHECK(packets[783].length == 66);
  CHECK(packets[783].transmit);
  CHECK(packets[784].arrival_ps == 7582099000);
  CHECK(packets[784].length == 1514);
  for (std::size_t i = 1; i < packets.size(); ++i) REQUIRE(packets[i - 1].arrival_ps <= packets[i].arrival_ps);
}

}  // namespace
