// What a NIC is made from, what it is fed with and what it counts.
//
// What it does: plain structs. What it does not do: behave.
#pragma once

#include <cstdint>

#include "models/core/latency_histogram.h"
#include "models/tlm/dma_port.h"

namespace iommu::sim {

struct NicConfig {
  TransportMode mode = TransportMode::Lt;
  core::RequesterId requester = 0;
  std::uint32_t outstanding = 8;         ///< DMA operations under way at a time
  core::Address register_base = 0;       ///< address of the register window, as it arrives at the socket `registers`
  core::Tick register_latency = 0;       ///< of one register access; a write takes effect at its end
  std::uint32_t max_payload = 256;       ///< bytes of one DMA write, 1 to 4096
  std::uint32_t max_read_request = 512;  ///< bytes of one DMA read, 1 to 4096
  std::uint32_t descriptor_batch = 4;    ///< descriptors fetched by one DMA read at most, 1 to 256
  std::uint32_t descriptors_in_progress = 16;  ///< of each ring: begun and not yet written back, at least 1
  std::uint32_t fifo_packets = 64;             ///< received packets that can wait for a descriptor, at least 1
  bool flow_control = false;                   ///< packets wait on the wire where they would be dropped otherwise
  core::Tick interrupt_moderation = 0;  ///< from one interrupt message to the next at least; 0: one for each packet
};

/// A packet from the wire.
struct NicPacket {
  core::Tick arrival = 0;    ///< of the packet's end, counted from Nic::start()
  std::uint32_t length = 0;  ///< bytes; a packet of none is ignored
  std::uint32_t number = 0;  ///< its payload is core::fill_payload's
};

struct NicCounters {
  std::uint64_t rx_packets = 0;  ///< whole in memory, without any error
  std::uint64_t rx_bytes = 0;
  std::uint64_t rx_dropped_no_descriptor = 0;
  std::uint64_t rx_dropped_fifo = 0;
  std::uint64_t rx_dropped_disabled = 0;
  std::uint64_t rx_errors = 0;   ///< packets that lost a payload or completion write, or their descriptor's fetch
  std::uint64_t tx_packets = 0;  ///< without any DMA error; corrupted ones included
  std::uint64_t tx_bytes = 0;
  std::uint64_t tx_errors = 0;     ///< packets that lost a read or completion write, or their descriptor's fetch
  std::uint64_t tx_corrupted = 0;  ///< packets with other bytes than their tag's
  std::uint64_t tx_unchecked = 0;  ///< packets whose tag says that there is nothing to compare with
  std::uint64_t interrupts = 0;    ///< messages that were accepted
  std::uint64_t dma_errors = 0;    ///< DMA operations that failed, of any kind

  [[nodiscard]] std::uint64_t rx_dropped() const {
    return rx_dropped_no_descriptor + rx_dropped_fifo + rx_dropped_disabled;
  }
  [[nodiscard]] NicCounters operator-(const NicCounters& earlier) const;

  template <class Visitor>
  void visit_counters(Visitor&& visit) const {
    visit("rx_packets", "", "packets received without any error", rx_packets);
    visit("rx_bytes", "B", "bytes of these", rx_bytes);
    visit("rx_dropped_no_descriptor", "", "packets dropped because the receive ring was empty",
          rx_dropped_no_descriptor);
    visit("rx_dropped_fifo", "", "packets dropped because the receive FIFO was full", rx_dropped_fifo);
    visit("rx_dropped_disabled", "", "packets dropped because the device was not enabled", rx_dropped_disabled);
    visit("rx_errors", "", "packets lost to a failed DMA", rx_errors);
    visit("tx_packets", "", "packets transmitted, corrupted ones included", tx_packets);
    visit("tx_bytes", "B", "bytes of these", tx_bytes);
    visit("tx_errors", "", "packets not transmitted because a DMA failed", tx_errors);
    visit("tx_corrupted", "", "packets transmitted with wrong bytes", tx_corrupted);
    visit("tx_unchecked", "", "packets transmitted with bytes of the driver's own", tx_unchecked);
    visit("interrupts", "", "interrupt messages sent", interrupts);
    visit("dma_errors", "", "DMA operations that failed", dma_errors);
  }
};

}  // namespace iommu::sim
