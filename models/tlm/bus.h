// N initiators to M targets, by address.
//
// What it does: decodes, forwards blocking, non-blocking, debug and direct (DMI) access, adds its latency on the way
// there and on the way back, and keeps the exclusion rules of the base protocol where a target doesn't complete early:
// one request at a time to each target, one response at a time to each initiator. What it does not do: arbitrate or
// limit bandwidth (a pure latency; contention is the targets' own), change addresses (targets see absolute ones), split
// transactions: one that doesn't lie within one range is an address error.
//
// Every forward phase takes request_latency, every backward phase response_latency; an early completion and a blocking
// call take both. An unmapped access takes request_latency. Ignorable phases end here.
#pragma once

#include <tlm_utils/multi_passthrough_initiator_socket.h>
#include <deque>
#include <string>
#include <vector>

#include "models/core/address_map.h"
#include "models/tlm/fifo.h"
#include "models/tlm/indexed_target_socket.h"
#include "models/tlm/socket_width.h"
#include "models/tlm/time.h"

namespace iommu::sim {

struct BusConfig {
  core::Tick request_latency = 2'500;
  core::Tick response_latency = 2'500;
};

struct BusCounters {
  std::uint64_t transactions = 0;      ///< timed ones, unmapped ones included
  std::uint64_t unmapped = 0;          ///< timed ones that no target serves
  std::uint64_t queued_requests = 0;   ///< non-blocking ones that found their target's request phase taken
  std::uint64_t queued_responses = 0;  ///< non-blocking ones that found their initiator's response phase taken
};

class Bus : public sc_core::sc_module {
 public:
  /// Any number, all with the same view of the addresses.
  IndexedTargetSocket<Bus, kSocketWidthBits> initiators;
  /// Bound by connect().
  tlm_utils::multi_passthrough_initiator_socket<Bus, kSocketWidthBits> targets;

  Bus(sc_core::sc_module_name name, const BusConfig& config);
  ~Bus() override;

  /// Binds a target socket and gives it the `size` bytes from `base` on; returns the target's number. Empty, wrapping
  /// and overlapping ranges are reported as SC_ERROR at the end of elaboration.
  template <class Socket>
  std::size_t connect(Socket& target, core::Address base, std::uint64_t size) {
    targets.bind(target);
    const std::size_t number = target_names_.size();
    target_names_.emplace_back(target.name());
    add_range(number, base, size);
    return number;
  }
  /// One more range of a target that connect() has returned.
  void add_range(std::size_t target, core::Address base, std::uint64_t size);

  /// Complete after elaboration.
  [[nodiscard]] const core::AddressMap& map() const { return map_; }
  [[nodiscard]] const BusCounters& counters() const { return counters_; }
  void restart_counters() { counters_ = BusCounters(); }
  /// Non-blocking transactions under way that their targets didn't complete early.
  [[nodiscard]] std::size_t open_transactions() const { return open_.size(); }

 private:
  friend class IndexedTargetSocket<Bus, kSocketWidthBits>;
  // A non-blocking transaction under way.
  struct Open {
    ::tlm::tlm_generic_payload* payload = nullptr;
    std::size_t initiator = 0;
    std::size_t target = 0;
    core::Tick at = 0;         // when what it waits for was due
    bool target_done = false;  // the target has completed early and wants no END_RESP
    std::size_t index = 0;     // in open_
  };
  // A phase that is taken by at most one transaction, and those that wait for it, first come, first served.
  struct Exclusive {
    Open* taken_by = nullptr;
    core::Tick free_at = 0;
    Fifo<Open*> waiting;
  };
  // What a call has returned.
  struct Step {
    ::tlm::tlm_sync_enum status;
    ::tlm::tlm_phase phase;
    core::Tick at;
    [[nodiscard]] bool updated_to(const ::tlm::tlm_phase& other) const {
      return status == ::tlm::TLM_UPDATED && phase == other;
    }
    [[nodiscard]] bool response_ended() const { return status == ::tlm::TLM_COMPLETED || updated_to(::tlm::END_RESP); }
  };

  void end_of_elaboration() override;
  [[nodiscard]] const core::AddressRange* decode(const ::tlm::tlm_generic_payload& payload) const;

  void b_transport(int initiator, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned transport_dbg(int initiator, ::tlm::tlm_generic_payload& payload);
  bool get_direct_mem_ptr(int initiator, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_dmi& dmi);
  void invalidate_direct_mem_ptr(int target, sc_dt::uint64 first, sc_dt::uint64 last);

  // Non-blocking, in bus_nb.cpp.
  ::tlm::tlm_sync_enum nb_transport_fw(int initiator, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                       sc_core::sc_time& delay);
  ::tlm::tlm_sync_enum nb_transport_bw(int target, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                       sc_core::sc_time& delay);
  ::tlm::tlm_sync_enum begin_request(int initiator, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay);
  ::tlm::tlm_sync_enum end_response(int initiator, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  Step send_request(Open& open, core::Tick due);
  Step send_response(Open& open, core::Tick due);
  bool queue_response(Open& open, core::Tick due);
  void respond(Open& open, core::Tick due);
  void request_ended(const Open& open, core::Tick at);
  void response_ended(Open& open, core::Tick at);
  void next_request(std::size_t target);
  void next_response(std::size_t initiator);
  Open& take(std::size_t initiator, std::size_t target, ::tlm::tlm_generic_payload& payload);
  void give_back(Open& open);

  BusConfig config_;
  sc_core::sc_time request_time_;  // of config_, converted once
  sc_core::sc_time response_time_;
  core::AddressMap map_;
  std::vector<core::AddressRange> ranges_;  // as given; they become map_ at the end of elaboration
  std::vector<std::string> target_names_;
  BusCounters counters_;
  std::vector<Exclusive> requests_;   // by target
  std::vector<Exclusive> responses_;  // by initiator
  std::deque<Open> all_;              // never shrinks
  std::vector<Open*> free_;
  std::vector<Open*> open_;
};

}  // namespace iommu::sim
