// Packet captures as a workload: when each packet of a pcap or pcapng file was on the wire, how long it was, and in
// which direction it went.
//
// What it does: reads whole files with libpcap (pcap with micro- and nanoseconds in both byte orders, pcapng) and
// refuses what it can't use, saying why. What it does not do: it hands out no payload (captures are often cut after the
// headers; models/core/payload_pattern.h derives payloads), and knows nothing of simulated time.
//
// Decisions:
// - Length: that of the Ethernet frame without its frame check sequence, as the packet had it on the wire, whatever
// part of it is stored. Where a
//   capture has a header of its own in the place of the Ethernet header (SLL, SLL2, raw IP, NULL, LOOP), the 14 bytes
//   of an Ethernet header are counted in its stead.
// - Direction: a packet is transmitted if its source is the local address, otherwise received, be it of another
// protocol (LLDP, or IPv6 where the
//   local address is IPv4) or not. A MAC address tells the directions of all protocols.
// - Order: packets are sorted by time, those of equal times in the file's order, since machines that stamp on several
// processors write some a few
//   microseconds late. A packet that is more than kReorderToleranceNs older than one before it is refused: then the
//   clock was set while recording, or recordings were pasted one behind the other, and the times mean nothing.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "platform/network_address.h"

namespace iommu::platform {

/// Why a capture can't be used. what() is "PATH: REASON".
class CaptureError : public std::runtime_error {
 public:
  CaptureError(const std::string& path, const std::string& reason);
  /// The file, as the caller named it.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// What is wrong, without the path.
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  std::string path_;
  std::string reason_;
};

struct CapturedPacket {
  std::uint64_t arrival_ps;  ///< since the capture's earliest packet
  std::uint32_t length;      ///< bytes of the Ethernet frame, 14 to Capture::kMaxLength
  bool transmit;             ///< sent by the local address; otherwise received
};

/// What a capture holds, all packets together.
struct CaptureSummary {
  std::uint64_t packets = 0;
  std::uint64_t transmit_packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t transmit_bytes = 0;
  std::uint64_t reordered_packets = 0;  ///< stamped earlier than a packet that stands before them in the file
  std::uint64_t duration_ps = 0;        ///< from the earliest packet to the latest
  std::uint32_t max_length = 0;
};

/// A capture that has been read completely; at least one packet, in the order of their times.
class Capture {
 public:
  /// The longest frame that is believed: no hardware and no offload builds longer ones.
  static constexpr std::uint32_t kMaxLength = 1U << 20;
  static constexpr std::uint64_t kReorderToleranceNs = 10'000'000;

  /// Reads `path`. With a `local` of family None, all packets are received. Throws CaptureError if the file is missing,
  /// unreadable, empty, no capture, cut off, of a link type that isn't supported, without packets, or longer than 213
  /// days; if a packet is older than the tolerance allows, has an impossible length or time, or too few stored bytes to
  /// see its addresses; and if no packet comes from or goes to `local`.
  [[nodiscard]] static Capture open(const std::string& path, const NetworkAddress& local);

  /// The same with an address as text: IPv4, IPv6 or MAC, "" for none; CaptureError if it is something else.
  [[nodiscard]] static Capture open(const std::string& path, const std::string& local_address);

  [[nodiscard]] const std::vector<CapturedPacket>& packets() const { return packets_; }
  [[nodiscard]] const CaptureSummary& summary() const { return summary_; }

 private:
  Capture() = default;

  std::vector<CapturedPacket> packets_;
  CaptureSummary summary_;
};

}  // namespace iommu::platform
