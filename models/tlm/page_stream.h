// The receive side of a network card as a stream of pages: packets arrive at a rate and are written into pages that
// software has given to rings.
//
// What it does: offers packets of one size at a rate (or as fast as it can write them), keeps what it cannot write yet
// in a buffer and drops what does not fit, reads a descriptor, writes the payload and a completion for each packet, tells
// its client of each page that is full, counts, and measures each packet. What it does not do: interpret descriptors and
// completions (their bytes only cost time), registers, interrupts: software gives pages by calls; know who translates
// its DMA.
//
// A page holds a whole number of buffers, each takes one packet. A ring's pages are filled in the order in which they
// were posted, the buffers of a page from its start on. The packet at the head of the buffer waits until its ring has a
// page: packets behind it wait with it.
//
// One packet: its descriptor is read; when that has ended, its payload is written; when that has been accepted by a
// link, or has ended, its completion is written. It is received when all of them have ended. Packets overlap within the
// limit of outstanding DMA. One whose DMA fails counts as failed and takes its buffer all the same.
//
// Event by event in LT and AT alike.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "models/core/latency_histogram.h"
#include "models/core/random.h"
#include "models/tlm/dma_port.h"

namespace iommu::sim {

enum class RingOrder : std::uint8_t { RoundRobin, Random };

struct PageStreamConfig {
  TransportMode mode = TransportMode::Lt;
  core::RequesterId requester = 0;
  std::uint32_t outstanding = 8;
  std::uint32_t rings = 1;
  std::uint32_t ring_pages = 1;                   ///< pages that one ring can have at a time
  std::uint32_t buffer_bytes = core::kPageBytes;  ///< a divisor of the page's size
  std::uint32_t packet_bytes = core::kPageBytes;  ///< at most buffer_bytes
  std::uint64_t count = 0;                        ///< packets, the warm-up included
  std::uint64_t warmup = 0;                       ///< packets after which on_warm() is called; less than count
  std::uint64_t offered_kbit_per_s = 0;           ///< of payload; 0: the next packet is there whenever it can be begun
  std::uint64_t nic_buffer_bytes = 0;             ///< for packets whose payload has not left; with a rate only
  std::uint32_t descriptor_bytes = 0;             ///< read for each packet; 0: no read
  std::uint32_t completion_bytes = 0;             ///< written for each packet; 0: no write
  RingOrder order = RingOrder::RoundRobin;
  std::uint64_t seed = 1;  ///< of the rings' order
};

struct PageStreamCounters {
  std::uint64_t offered = 0;          ///< packets that arrived
  std::uint64_t received = 0;         ///< packets whose DMA has ended well
  std::uint64_t dropped = 0;          ///< packets that did not fit into the buffer
  std::uint64_t failed = 0;           ///< packets with a DMA that failed
  std::uint64_t bytes = 0;            ///< of the received packets' payload
  std::uint64_t waited_for_page = 0;  ///< packets that found no page in their ring
};

class PageStreamClient {
 public:
  virtual ~PageStreamClient() = default;
  /// All buffers of a posted page are full; from a process of the device. It may be posted again from here.
  virtual void page_used(std::uint32_t ring, std::uint32_t slot) = 0;
};

class PageStream : public sc_core::sc_module, private DmaClient {
 public:
  DmaPort port;
  tlm_utils::simple_initiator_socket<DmaPort, kSocketWidthBits>& socket;  ///< the port's

  /// `config` makes sense; the platform checks it.
  PageStream(sc_core::sc_module_name name, const PageStreamConfig& config);
  ~PageStream() override;

  /// Before start().
  void set_client(PageStreamClient& client) { client_ = &client; }
  /// Where a ring's descriptors and completions are, as the device sees it: one entry for each buffer of the ring.
  void set_ring(std::uint32_t ring, core::Address descriptors, core::Address completions);
  /// Called once, when `warmup` packets have been received, dropped or have failed. Before start().
  void on_warm(std::function<void()> callback) { on_warm_ = std::move(callback); }

  /// Gives the page at device address `page` to a ring. `slot`, less than ring_pages, is software's name for it and
  /// tells which descriptors it has; it is not posted already.
  void post(std::uint32_t ring, std::uint32_t slot, core::Address page);
  /// Begins, once: the first packet arrives now. From any process.
  void start();
  /// All packets have been received, dropped or have failed.
  [[nodiscard]] bool done() const { return handled_ == config_.count; }
  [[nodiscard]] const sc_core::sc_event& done_event() const { return done_event_; }
  [[nodiscard]] std::uint64_t handled() const { return handled_; }

  /// Number of the packet that a buffer holds, once its page is used; buffer 0 is the page's first. Nothing when its
  /// packet has failed.
  [[nodiscard]] std::optional<std::uint64_t> packet_in(std::uint32_t ring, std::uint32_t slot,
                                                       std::uint32_t buffer) const;
  [[nodiscard]] std::uint32_t buffers_per_page() const {
    return static_cast<std::uint32_t>(core::kPageBytes / config_.buffer_bytes);
  }

  /// One read of 64 bytes beside the packets; in no statistics. Lives until `done` has been notified.
  struct Probe {
    core::Address address = 0;
    bool passed = false;
    core::Tick end = 0;
    bool over = false;
    sc_core::sc_event done;
  };
  void probe(Probe& probe);

  [[nodiscard]] const PageStreamCounters& counters() const { return counters_; }
  [[nodiscard]] const core::LatencyHistogram& packet_latency() const { return latency_; }  ///< arrival to receipt
  /// Of the DMA of each kind, by outcome: which of them had to wait for a walk.
  using OutcomeCounts = std::array<std::uint64_t, core::kOutcomeCount>;
  [[nodiscard]] const OutcomeCounts& descriptor_outcomes() const { return outcomes_[0]; }
  [[nodiscard]] const OutcomeCounts& payload_outcomes() const { return outcomes_[1]; }
  [[nodiscard]] const OutcomeCounts& completion_outcomes() const { return outcomes_[2]; }
  /// Time that the counters are of: from the last restart (or the start) to the last packet.
  [[nodiscard]] core::Tick counted_time() const { return last_end_ > counted_from_ ? last_end_ - counted_from_ : 0; }
  /// Counters and latencies begin anew. Packets under way count when they end.
  void restart_counters();
  [[nodiscard]] const PageStreamConfig& config() const { return config_; }

 private:
  enum class Kind : std::uint8_t { Descriptor, Payload, Completion, Probe };
  struct Operation;
  struct Packet;
  struct ProbeOperation;
  struct Posted {
    std::uint32_t slot = 0;
    core::Address page = 0;
  };
  struct Ring {
    core::Address descriptors = 0;
    core::Address completions = 0;
    std::deque<Posted> posted;           // the first one is being filled
    std::uint32_t next_buffer = 0;       // of the first one
    std::vector<std::uint32_t> to_fill;  // by slot: buffers whose packets have not ended
    std::vector<std::uint64_t> packets;  // by slot and buffer
  };
  struct Waiting {
    std::uint64_t number = 0;
    std::uint32_t ring = 0;
    core::Tick arrival = 0;
    bool told = false;  // counted as waiting for a page
  };

  void arrivals();
  void arrive(core::Tick at);
  void step_arrival();
  [[nodiscard]] std::uint32_t next_ring();
  void pump();
  void begin(const Waiting& waiting);
  void write_payload(Packet& packet);
  void payload_left(Packet& packet);
  void end_packet(Packet& packet);
  void count_handled();
  void issue(Operation& operation, core::Address address, std::uint32_t length, bool write, bool counted);
  void dma_done(DmaOperation& operation) override;
  void dma_accepted(DmaOperation& operation) override;
  Packet& take_packet();

  PageStreamConfig config_;
  PageStreamClient* client_ = nullptr;
  std::function<void()> on_warm_;
  core::Random random_;
  std::vector<Ring> rings_;
  std::uint32_t ring_turn_ = 0;
  std::deque<Waiting> buffer_;        // packets that have not been begun
  std::uint64_t buffered_bytes_ = 0;  // of these and of those whose payload has not left
  std::uint64_t arrived_ = 0;
  core::Tick next_arrival_ = 0;
  core::Tick interval_ = 0;  // between arrivals: whole ticks, and the rest of a fraction
  std::uint64_t interval_rest_ = 0;
  std::uint64_t rest_ = 0;
  bool started_ = false;
  bool pumping_ = false;
  std::uint64_t handled_ = 0;
  std::vector<std::unique_ptr<Packet>> packets_;
  std::vector<Packet*> free_packets_;
  std::vector<std::unique_ptr<ProbeOperation>> probes_;
  std::vector<ProbeOperation*> free_probes_;
  PageStreamCounters counters_;
  core::LatencyHistogram latency_;
  std::array<OutcomeCounts, 3> outcomes_{};
  core::Tick counted_from_ = 0;
  core::Tick last_end_ = 0;
  sc_core::sc_event arrival_event_;
  sc_core::sc_event done_event_;
};

}  // namespace iommu::sim
