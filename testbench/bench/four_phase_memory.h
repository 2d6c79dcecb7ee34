// The modeled memory's bytes behind a target that keeps to all four phases of the base protocol.
//
// What it does: END_REQ one nanosecond after BEGIN_REQ, BEGIN_RESP after the latency, each a call of its own at its time. What it does not do:
// one response at a time (its initiators end responses at once), contend.
#pragma once

#include <tlm_utils/multi_passthrough_target_socket.h>

#include "models/tlm/memory.h"
#include "models/tlm/timed_queue.h"

namespace iommu::bench {

class FourPhaseMemory : public sc_core::sc_module {
 public:
  tlm_utils::multi_passthrough_target_socket<FourPhaseMemory, sim::kSocketWidthBits> socket;

  FourPhaseMemory(sc_core::sc_module_name name, sim::Memory& bytes) : sc_module(name), socket("socket"), bytes_(bytes) {
    socket.register_nb_transport_fw(this, &FourPhaseMemory::forward);
    socket.register_b_transport(this, &FourPhaseMemory::b_transport);
    using SC_CURRENT_USER_MODULE = FourPhaseMemory;
    SC_METHOD(run_due);
    sensitive << due_.event();
    dont_initialize();
  }

 private:
  struct Due {
    ::tlm::tlm_generic_payload* payload;
    int port;
    bool respond;
  };
  static constexpr core::Tick kRequestPhase = 1'000;
  static constexpr core::Tick kLatency = 70'000;

  void move(::tlm::tlm_generic_payload& payload) {
    const bool moved = payload.is_read()
                           ? bytes_.read(payload.get_address(), payload.get_data_ptr(), payload.get_data_length())
                           : bytes_.write(payload.get_address(), payload.get_data_ptr(), payload.get_data_length());
    payload.set_response_status(moved ? ::tlm::TLM_OK_RESPONSE : ::tlm::TLM_ADDRESS_ERROR_RESPONSE);
  }
  void b_transport(int, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    move(payload);
    delay += sim::to_sc_time(kLatency);
  }
  ::tlm::tlm_sync_enum forward(int port, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                               sc_core::sc_time& delay) {
    if (phase != ::tlm::BEGIN_REQ) return ::tlm::TLM_COMPLETED;
    payload.acquire();
    due_.push(sim::now_ticks(delay) + kRequestPhase, {&payload, port, false});
    due_.push(sim::now_ticks(delay) + kLatency, {&payload, port, true});
    return ::tlm::TLM_ACCEPTED;
  }
  void run_due() {
    Due due{};
    while (due_.pop_due(due)) {
      ::tlm::tlm_phase phase = due.respond ? ::tlm::BEGIN_RESP : ::tlm::END_REQ;
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      if (due.respond) move(*due.payload);
      socket[due.port]->nb_transport_bw(*due.payload, phase, delay);
      if (due.respond) due.payload->release();
    }
  }

  sim::Memory& bytes_;
  sim::TimedQueue<Due> due_;
};

}  // namespace iommu::bench
