// A PCI Express link between one device and the root complex: its DMA goes up as TLPs, data of reads come back as
// completions.
//
// What it does: cuts a DMA into write and read requests (core::PcieTiming) and passes each on as a transaction of its
// own, on the DMA's own data; takes time for the wire each way, propagation and the root complex; limits reads by tags
// and posted writes by credits; tells the initiator when it has taken over a posted write. What it does not do: count
// credits of other classes, model replays, reorder completions of one request, round payloads to dwords (byte counts
// are those of the published protocol model), or carry register accesses.
//
// Order: parts go up in the order of their arrival. A read never passes a write; a write passes reads that wait for a
// tag, as PCI Express demands. Completions come back in the order in which their data are there.
//
// A tag is held from a read's turn until its last completion has arrived at the device. Credits, in units of 64 bytes
// of payload, are held from a write's turn until it is globally visible: its response from the host.
// The DMA ends with its last part; a posted write has been accepted when its last part is on the wire.
//
// Sockets
//   device  (in)   one initiator, DmaExtension optional
//   host    (out)  the parts, usually to a translation unit
// Byte enables are refused. Debug accesses and direct ones (DMI) pass through as they are, grants with the latency that
// the host grants: what is accessed directly never uses the link.
// Both modes may not be mixed on one link: its initiator uses b_transport only, or nb_transport only.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>
#include <memory>
#include <vector>

#include "models/core/pcie.h"
#include "models/core/resource.h"
#include "models/core/timed_credits.h"
#include "models/tlm/nb_initiator.h"
#include "models/tlm/socket_width.h"
#include "models/tlm/structure_access.h"
#include "models/tlm/timed_queue.h"

namespace iommu::sim {

struct PcieLinkConfig {
  core::PcieConfig pcie;
  std::uint32_t tags = 0;            ///< read requests under way; 0: without limit
  std::uint32_t posted_credits = 0;  ///< 64 bytes of write payload each; 0: without limit
  core::Tick propagation = 0;        ///< each way: wire, PHYs, controllers
  core::Tick root_complex = 0;       ///< on the way up
};

struct PcieLinkCounters {
  std::uint64_t read_requests = 0;
  std::uint64_t writes = 0;  ///< posted write TLPs
  std::uint64_t completions = 0;
  std::uint64_t up_bytes = 0;  ///< of TLPs, overheads included
  std::uint64_t down_bytes = 0;
  core::Tick up_busy = 0;
  core::Tick down_busy = 0;
  std::uint64_t waited_for_tag = 0;      ///< read requests whose turn it was
  std::uint64_t waited_for_credits = 0;  ///< writes whose turn it was
};

class PcieLink : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<PcieLink, kSocketWidthBits> device;
  tlm_utils::simple_initiator_socket<PcieLink, kSocketWidthBits> host;

  /// A config that core::validate() objects to is reported as SC_ERROR.
  PcieLink(sc_core::sc_module_name name, const PcieLinkConfig& config);
  ~PcieLink() override;

  [[nodiscard]] const PcieLinkCounters& counters() const { return counters_; }
  void restart_counters() { counters_ = PcieLinkCounters(); }
  [[nodiscard]] const PcieLinkConfig& config() const { return config_; }

 private:
  struct Dma;
  struct Part;
  struct Lane;
  struct Due;
  struct HostEnded {
    PcieLink* link;
    void operator()(::tlm::tlm_generic_payload& payload, core::Tick at) const;
  };

  // DMA, common.
  bool answer_at_once(::tlm::tlm_generic_payload& payload);
  Dma& take(::tlm::tlm_generic_payload& payload, core::Tick arrival);
  void cut(Dma& dma);
  void release(Dma& dma);
  void start(Part& part, core::Tick turn);
  void prepare(Part& part);
  void complete(Part& part);
  void finish(Dma& dma);
  void report(const Dma& dma, const Part& last, const Part* failed) const;

  // LT.
  void b_transport(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  void run_blocking(Part& part, core::Tick turn);
  core::Tick tag_free(Dma& dma, core::Tick now);
  void complete_first(Dma& dma);

  // AT.
  ::tlm::tlm_sync_enum nb_transport_fw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                       sc_core::sc_time& delay);
  ::tlm::tlm_sync_enum host_bw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase, sc_core::sc_time& delay);
  void run_due();
  void handle(const Due& due);
  void arrive(Dma& dma);
  void admit();
  bool admit_first(Lane& lane);
  void tell_accepted(Dma& dma);
  void send_up(Part& part);
  void host_ended(Part& part, core::Tick at);
  void part_ended(Part& part);
  void respond(Dma& dma);
  void send_response(Dma& dma);
  void response_ended();

  unsigned transport_dbg(::tlm::tlm_generic_payload& payload);
  bool get_direct_mem_ptr(::tlm::tlm_generic_payload& payload, ::tlm::tlm_dmi& dmi);
  void invalidate_direct_mem_ptr(sc_dt::uint64 first, sc_dt::uint64 last);

  PcieLinkConfig config_;
  core::PcieTiming timing_;
  core::Resource up_{1};
  core::Resource down_{1};
  PcieLinkCounters counters_;
  AccessPool pool_;
  std::vector<std::unique_ptr<Dma>> dmas_;
  std::vector<Dma*> free_;

  // LT. What comes at an earlier time than the latest so far (temporal decoupling) is in no order to the others.
  core::TimedCredits timed_tags_;
  core::TimedCredits timed_credits_;
  core::Tick latest_arrival_ = 0;
  core::Tick latest_write_ = 0;  // when the wire was taken for it
  core::Tick latest_read_ = 0;

  // AT.
  NbInitiator<decltype(host), HostEnded> initiator_;
  std::unique_ptr<TimedQueue<Due>> due_;
  std::unique_ptr<Lane> writes_;  // DMA with parts that still wait for their turn
  std::unique_ptr<Lane> reads_;
  std::uint64_t arrivals_ = 0;
  std::uint32_t tags_in_use_ = 0;
  std::uint32_t credits_in_use_ = 0;
  bool in_forward_ = false;     // inside nb_transport_fw: nothing may go back to the device yet
  Dma* in_response_ = nullptr;  // BEGIN_RESP sent, END_RESP not seen
  Fifo<Dma*> responses_;
};

}  // namespace iommu::sim
