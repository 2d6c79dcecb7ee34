// A network card with a receive and a transmit ring in memory, reached by DMA only.
//
// What it does: receives packets that arrive at given times (descriptor fetch, payload writes, completion write),
// transmits what its driver posts (fetch, payload reads, check of the bytes, completion write), sends interrupt
// messages, counts, and measures each packet. A DMA that fails costs the packet and sets the descriptor's error flag;
// the NIC goes on. What it does not do: offloads, several queues, filters; know who translates its DMA.
//
// nic_registers.h says what the driver sees. Event by event in LT and AT alike: one state machine, no threads.
//
// Sockets
//   registers  in   the register window from NicConfig::register_base on: 4- and 8-byte accesses
//   dma        out  everything else
//
// Order: a completion is written after all payload writes (or reads) of its descriptor have ended, completions begin in
// ring order, an interrupt message goes out after its packet's completions and those of all packets before have ended.
#pragma once

#include <tlm_utils/simple_target_socket.h>
#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "models/regs/register_bank.h"
#include "models/tlm/nic_queue.h"
#include "models/tlm/nic_types.h"
#include "models/tlm/socket_width.h"

namespace iommu::sim {

class Nic : public sc_core::sc_module, private DmaClient {
 public:
  DmaPort port;
  tlm_utils::simple_initiator_socket<DmaPort, kSocketWidthBits>& dma;  ///< the port's
  tlm_utils::simple_target_socket<Nic, kSocketWidthBits> registers;

  /// Numbers outside the ranges that NicConfig names are reported as SC_ERROR.
  Nic(sc_core::sc_module_name name, const NicConfig& config);
  ~Nic() override;

  /// What will arrive, in any order; before start().
  void set_packets(std::vector<NicPacket> packets);
  /// Begins, once: arrival times count from now. From any process, or before the simulation starts.
  void start();
  /// All packets have been received or lost.
  [[nodiscard]] bool receive_done() const { return started_ && handled_ == packets_.size(); }
  [[nodiscard]] const sc_core::sc_event& receive_done_event() const { return receive_done_event_; }
  /// Packets received or lost so far.
  [[nodiscard]] std::uint64_t handled() const { return handled_; }

  /// Takes the device out of its slot, for good: DMA that is under way ends, no other begins, registers answer with an
  /// address error, packets that were begun are lost (rx_errors), later ones find the device not enabled.
  void remove();
  [[nodiscard]] bool removed() const { return removed_; }

  /// No DMA under way and nothing begun.
  [[nodiscard]] bool idle() const;

  /// Since the last restart_statistics(), which also restarts the port's.
  [[nodiscard]] NicCounters counters() const { return total_ - at_restart_; }
  [[nodiscard]] const core::LatencyHistogram& rx_latency() const { return rx_latency_; }  ///< arrival to completion
  [[nodiscard]] const core::LatencyHistogram& tx_latency() const { return tx_latency_; }  ///< doorbell to completion
  void restart_statistics();
  [[nodiscard]] const NicConfig& config() const { return config_; }

 private:
  struct Operation;
  /// What a register write sets off at its end.
  struct Action {
    std::uint32_t offset = 0;
    std::uint64_t value = 0;
  };
  /// What is known so far of the packet whose descriptors are going back to the driver.
  struct PacketTotal {
    std::uint64_t bytes = 0;
    bool failed = false;
    bool corrupted = false;
    bool unchecked = false;
    core::Tick end = 0;  // of its last completion
  };
  struct Arrived {
    core::Tick at = 0;
    std::uint32_t length = 0;
    std::uint32_t number = 0;
  };

  // Registers: nic_control.cpp.
  void b_transport(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  ::tlm::tlm_sync_enum nb_transport_fw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                       sc_core::sc_time& delay);
  unsigned transport_dbg(::tlm::tlm_generic_payload& payload);
  void access(::tlm::tlm_generic_payload& payload, core::Tick end);
  std::uint64_t read_register(std::uint32_t offset, std::uint32_t size_bytes);
  void write_register(std::uint32_t offset, std::uint32_t size_bytes, std::uint64_t value, core::Tick end);
  [[nodiscard]] bool write_allowed(std::uint32_t offset) const;
  void note_bad_write();
  void act(const Action& action);
  void run_actions();
  void enable();
  bool start_ring(NicQueue& queue, const regs::Register& base, const regs::Register& size);
  void disable();
  void raise_interrupt();
  void send_interrupt();
  void interrupt_timer();

  // Packets and DMA: nic.cpp.
  void arrivals();
  void arrive(const NicPacket& packet, core::Tick at);
  void handle(std::uint64_t& counter);
  void pump_receive();
  bool prepare_receive(const Arrived& packet);
  void pump_transmit();
  void fetch(NicQueue& queue);
  void issue_payload(NicQueue& queue, NicJob& job, bool write);
  void complete(NicQueue& queue);
  void retire(NicQueue& queue);
  void account(NicQueue& queue, const NicJob& job);
  void dma_done(DmaOperation& operation) override;
  Operation& take_operation(NicQueue* queue);
  [[nodiscard]] bool receives(const NicQueue& queue) const { return &queue == &rx_; }

  NicConfig config_;
  regs::RegisterBank bank_;
  TimedQueue<Action> actions_;
  bool enabled_ = false;
  bool enable_wanted_ = false;
  bool removed_ = false;

  NicQueue rx_;
  NicQueue tx_;
  std::vector<std::unique_ptr<Operation>> operations_;
  std::vector<Operation*> free_operations_;

  // Receive.
  std::vector<NicPacket> packets_;  // by arrival
  std::size_t next_packet_ = 0;
  core::Tick origin_ = 0;
  bool started_ = false;
  std::uint64_t handled_ = 0;
  std::deque<Arrived> fifo_;
  Arrived receiving_;           // the packet whose jobs are being made
  std::uint32_t received_ = 0;  // bytes of it that have a job
  bool receiving_now_ = false;

  // Transmit.
  std::uint32_t tx_offset_ = 0;  // in the packet whose jobs are being made
  core::Tick tx_begin_ = 0;

  // Interrupt messages.
  core::Tick last_interrupt_ = 0;
  bool interrupt_sent_ = false;  // last_interrupt_ means something
  bool interrupt_pending_ = false;

  PacketTotal rx_packet_;
  PacketTotal tx_packet_;
  NicCounters total_;
  NicCounters at_restart_;
  core::LatencyHistogram rx_latency_;
  core::LatencyHistogram tx_latency_;
  sc_core::sc_event arrival_event_;
  sc_core::sc_event interrupt_event_;
  sc_core::sc_event receive_done_event_;
};

}  // namespace iommu::sim
