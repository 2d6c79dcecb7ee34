// The initiator's half of the non-blocking base protocol, for any legal target.
//
// What it does: sends requests one at a time by the exclusion rule, takes early completion, immediate END_REQ or
// BEGIN_RESP, or the full four phases, and reports each end once with its time. What it does not do: own payloads,
// limit how many are outstanding, wait.
#pragma once

#include <optional>
#include <tlm>

#include "models/tlm/fifo.h"
#include "models/tlm/time.h"

namespace iommu::sim {

/// `Socket` is an initiator socket. `Ended` is called as ended(payload, at): a response that was not early has ended at
/// `at`, now or later.
template <class Socket, class Ended>
class NbInitiator {
 public:
  NbInitiator(Socket& socket, Ended ended) : socket_(socket), ended_(ended) {}

  /// Sends or queues a request at the kernel's time. Returns the time of its end when the target completed it early;
  /// otherwise `Ended` is called later, never from within this call.
  std::optional<core::Tick> issue(::tlm::tlm_generic_payload& payload) {
    if (in_request_ != nullptr) {
      waiting_.push_back(&payload);
      return std::nullopt;
    }
    return send_now(payload);
  }

  /// A request sent now would not be queued.
  [[nodiscard]] bool free() const { return in_request_ == nullptr; }
  /// The same as issue() for a request that comes `delay` after the kernel's time; only when free(). True when the target
  /// completed it early: `delay` is then its end's.
  bool issue_ahead(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) { return send(payload, delay); }

  /// To be called from the socket's nb_transport_bw.
  ::tlm::tlm_sync_enum backward(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase, sc_core::sc_time& delay) {
    if (phase == ::tlm::END_REQ) {
      request_ended(payload);
      return ::tlm::TLM_ACCEPTED;
    }
    if (phase == ::tlm::BEGIN_RESP) {
      request_ended(payload);  // BEGIN_RESP implies END_REQ
      const core::Tick at = kernel_time_.now(delay);
      phase = ::tlm::END_RESP;
      ended_(payload, at);
      return ::tlm::TLM_COMPLETED;
    }
    return ::tlm::TLM_ACCEPTED;
  }

 private:
  std::optional<core::Tick> send_now(::tlm::tlm_generic_payload& payload) {
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    if (!send(payload, delay)) return std::nullopt;
    return kernel_time_.now(delay);
  }

  bool send(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    ::tlm::tlm_phase phase = ::tlm::BEGIN_REQ;
    in_request_ = &payload;
    const ::tlm::tlm_sync_enum status = socket_->nb_transport_fw(payload, phase, delay);
    if (status == ::tlm::TLM_COMPLETED) {
      in_request_ = nullptr;
      return true;
    }
    if (status == ::tlm::TLM_UPDATED) {
      if (in_request_ == &payload) in_request_ = nullptr;  // END_REQ or BEGIN_RESP
      if (phase == ::tlm::BEGIN_RESP) {
        phase = ::tlm::END_RESP;
        sc_core::sc_time until = delay;
        socket_->nb_transport_fw(payload, phase, until);
        return true;
      }
    }
    return false;
  }

  void request_ended(const ::tlm::tlm_generic_payload& payload) {
    if (in_request_ != &payload) return;
    in_request_ = nullptr;
    while (in_request_ == nullptr && !waiting_.empty()) {
      ::tlm::tlm_generic_payload* next = waiting_.front();
      waiting_.pop_front();
      if (const auto at = send_now(*next)) ended_(*next, *at);
    }
  }

  KernelTime kernel_time_;
  Socket& socket_;
  Ended ended_;
  ::tlm::tlm_generic_payload* in_request_ = nullptr;  // BEGIN_REQ sent, END_REQ not seen
  Fifo<::tlm::tlm_generic_payload*> waiting_;
};

}  // namespace iommu::sim
