// A PCI Express link as arithmetic: how a DMA is cut into TLPs, and how long their bytes take on the wire.
//
// What it does: cuts requests at MRRS, writes at MPS, completions at MPS and the read completion boundary, all at 4 KiB;
// counts header, framing and data-link bytes; turns bytes into time at the rate that the acknowledge, flow-control and
// skip traffic leaves. What it does not do: queue, count credits or tags, know addresses beyond their alignment, or
// model retries.
#pragma once

#include <cstdint>
#include <string>

#include "models/core/types.h"

namespace iommu::core {

struct PcieConfig {
  unsigned generation = 3;                       ///< 1 to 5: 2.5, 5, 8, 16, 32 GT/s
  unsigned lanes = 8;                            ///< 1, 2, 4, 8, 16
  std::uint32_t max_payload_bytes = 256;         ///< MPS: 128 to 4096, a power of two
  std::uint32_t max_read_request_bytes = 512;    ///< MRRS: the same
  std::uint32_t completion_boundary_bytes = 64;  ///< RCB: 64 or 128
  std::uint32_t request_overhead_bytes = 24;     ///< of a memory request: 64-bit header, framing, sequence, LCRC
  std::uint32_t completion_overhead_bytes = 20;  ///< of a completion with data
  std::uint32_t ack_interval_bytes = 0;  ///< byte times from one acknowledge to the next; 0: default_ack_interval()
};

/// Empty when the values make sense, else a sentence that says what does not.
[[nodiscard]] std::string validate(const PcieConfig& config);

/// Acknowledge interval in byte times for a width and MPS: the values of the specification's tables that published
/// models use for 8 GT/s (x8: 163, 203, 182, 246 for MPS 128 to 1024; x16: 168 for MPS 256). Widths and payloads in
/// between take the nearest of them.
[[nodiscard]] std::uint32_t default_ack_interval(unsigned lanes, std::uint32_t max_payload_bytes);

class PcieTiming {
 public:
  /// `config` must be valid.
  explicit PcieTiming(const PcieConfig& config);

  /// Time of `bytes` on the wire, overheads of the data link layer included; rounded up.
  [[nodiscard]] Tick on_wire(std::uint32_t bytes) const;
  /// Rate for TLP bytes in bits a second, rounded down.
  [[nodiscard]] std::uint64_t usable_bits_per_s() const;
  /// The same before acknowledge, flow-control and skip traffic is taken off.
  [[nodiscard]] std::uint64_t raw_bits_per_s() const;

  /// Bytes of the first TLP of what is left of a write, a read request, or the completions of one read request.
  [[nodiscard]] std::uint32_t next_write(Address address, std::uint32_t left) const;
  [[nodiscard]] std::uint32_t next_read_request(Address address, std::uint32_t left) const;
  [[nodiscard]] std::uint32_t next_completion(Address address, std::uint32_t left) const;

  [[nodiscard]] const PcieConfig& config() const { return config_; }

 private:
  PcieConfig config_;
  std::uint64_t ticks_numerator_;  // of one byte: numerator / denominator picoseconds
  std::uint64_t ticks_denominator_;
  std::uint64_t whole_ticks_;  // of one byte, and what remains of the numerator
  std::uint64_t rest_;
};

}  // namespace iommu::core
