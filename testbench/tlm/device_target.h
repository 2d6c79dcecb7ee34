// A small timed memory for tests of devices, that answers in each way that the base protocol allows, and a client that
// writes down what a DmaPort tells it.
//
// What it does: every access takes latency(address); address ranges can fail; each access is logged with its effective
// time. What it does not do: contention.
#pragma once

#include <tlm_utils/simple_target_socket.h>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/core/random.h"
#include "models/tlm/dma_port.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace iommu::sim::testing {

enum class Answer {
  Early,            // TLM_COMPLETED, the latency annotated
  UpdatedResponse,  // TLM_UPDATED with BEGIN_RESP, the latency annotated
  Backward,         // TLM_ACCEPTED; BEGIN_RESP at the end, nothing annotated
  BackwardAhead,    // TLM_ACCEPTED; BEGIN_RESP halfway, the rest of the latency annotated
  FourPhase,        // END_REQ after `accept`, BEGIN_RESP at the end; keeps the payload until `linger` after END_RESP
};

struct TargetAccess {
  core::Tick at;
  bool write;
  core::Address address;
  std::uint32_t length;
  friend bool operator==(const TargetAccess& a, const TargetAccess& b) {
    return a.at == b.at && a.write == b.write && a.address == b.address && a.length == b.length;
  }
};

class DeviceTarget : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<DeviceTarget, 64> socket;

  Answer answer = Answer::Early;
  std::function<core::Tick(core::Address)> latency = [](core::Address) { return core::Tick{100}; };
  core::Tick accept = 7;
  core::Tick linger = 50;
  std::vector<unsigned char> bytes;  // of addresses 0 on
  std::vector<TargetAccess> log;
  std::function<void(::tlm::tlm_generic_payload&)> before;  // sees each access first, may set an error response
  bool exclusion_broken = false;  // a request came before the end of the one before, or data past the end
  std::uint64_t payloads_seen = 0;

  explicit DeviceTarget(sc_core::sc_module_name name, std::size_t size = 1 << 20)
      : sc_module(name), socket("socket"), bytes(size) {
    socket.register_b_transport(this, &DeviceTarget::b_transport);
    socket.register_nb_transport_fw(this, &DeviceTarget::nb_transport_fw);
    using SC_CURRENT_USER_MODULE = DeviceTarget;
    SC_METHOD(run_due);
    sensitive << steps_.event();
    dont_initialize();
  }

  template <class Value>
  void poke(core::Address address, Value value) {
    std::memcpy(bytes.data() + address, &value, sizeof value);
  }
  template <class Value>
  [[nodiscard]] Value peek(core::Address address) const {
    Value value;
    std::memcpy(&value, bytes.data() + address, sizeof value);
    return value;
  }
  [[nodiscard]] std::size_t different_payloads() const { return seen_.size(); }

  /// Accesses to [begin, end) are blocked with a reason, as a translation unit does.
  static std::function<void(::tlm::tlm_generic_payload&)> block(core::Address begin, core::Address end,
                                                                std::uint8_t reason) {
    return [=](::tlm::tlm_generic_payload& payload) {
      if (payload.get_address() < begin || payload.get_address() >= end) return;
      auto* extension = payload.get_extension<DmaExtension>();
      extension->outcome = core::OutcomeClass::Fault;
      extension->fault_reason = reason;
      payload.set_response_status(::tlm::TLM_ADDRESS_ERROR_RESPONSE);
    };
  }

 private:
  struct Step {
    ::tlm::tlm_generic_payload* payload = nullptr;
    enum Kind { EndRequest, Respond, Release } kind = Respond;
  };

  core::Tick access(::tlm::tlm_generic_payload& payload, core::Tick at) {
    ++payloads_seen;
    ++seen_[&payload];
    log.push_back({at, payload.is_write(), payload.get_address(), payload.get_data_length()});
    payload.set_response_status(::tlm::TLM_OK_RESPONSE);
    if (before) before(payload);
    if (payload.is_response_ok() && payload.get_address() + payload.get_data_length() > bytes.size()) {
      payload.set_response_status(::tlm::TLM_ADDRESS_ERROR_RESPONSE);
    }
    if (payload.is_response_ok()) {
      unsigned char* mine = bytes.data() + payload.get_address();
      if (payload.is_write()) {
        std::memcpy(mine, payload.get_data_ptr(), payload.get_data_length());
      } else {
        std::memcpy(payload.get_data_ptr(), mine, payload.get_data_length());
      }
    }
    return latency(payload.get_address());
  }

  void b_transport(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    delay += to_sc_time(access(payload, now_ticks(delay)));
  }

  ::tlm::tlm_sync_enum nb_transport_fw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                       sc_core::sc_time& delay) {
    if (phase == ::tlm::END_RESP) {
      if (answer == Answer::FourPhase) steps_.push(now_ticks(delay) + linger, {&payload, Step::Release});
      return ::tlm::TLM_COMPLETED;
    }
    if (in_request_ != nullptr) exclusion_broken = true;
    const core::Tick at = now_ticks(delay);
    const core::Tick ticks = access(payload, at);
    switch (answer) {
      case Answer::Early:
        delay += to_sc_time(ticks);
        return ::tlm::TLM_COMPLETED;
      case Answer::UpdatedResponse:
        delay += to_sc_time(ticks);
        phase = ::tlm::BEGIN_RESP;
        return ::tlm::TLM_UPDATED;
      case Answer::Backward:
        steps_.push(at + ticks, {&payload, Step::Respond});
        break;
      case Answer::BackwardAhead:
        ends_[&payload] = at + ticks;
        steps_.push(at + ticks / 2, {&payload, Step::Respond});
        break;
      case Answer::FourPhase:
        payload.acquire();
        in_request_ = &payload;
        steps_.push(at + accept, {&payload, Step::EndRequest});
        steps_.push(at + ticks, {&payload, Step::Respond});
        break;
    }
    return ::tlm::TLM_ACCEPTED;
  }

  void run_due() {
    Step step;
    while (steps_.pop_due(step)) {
      if (step.kind == Step::Release) {
        step.payload->release();
        continue;
      }
      const bool respond = step.kind == Step::Respond;
      if (in_request_ == step.payload) in_request_ = nullptr;
      ::tlm::tlm_phase phase = respond ? ::tlm::BEGIN_RESP : ::tlm::END_REQ;
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      if (respond && answer == Answer::BackwardAhead) delay = delay_until(ends_[step.payload]);
      const ::tlm::tlm_sync_enum status = socket->nb_transport_bw(*step.payload, phase, delay);
      if (respond && status == ::tlm::TLM_COMPLETED && answer == Answer::FourPhase) {
        steps_.push(now_ticks() + linger, {step.payload, Step::Release});
      }
    }
  }

  TimedQueue<Step> steps_;
  ::tlm::tlm_generic_payload* in_request_ = nullptr;
  std::map<::tlm::tlm_generic_payload*, std::uint64_t> seen_;
  std::map<::tlm::tlm_generic_payload*, core::Tick> ends_;
};

/// Runs functions of the test at given times, from a process of the simulation.
class Script : public sc_core::sc_module {
 public:
  explicit Script(sc_core::sc_module_name name) : sc_module(name) {
    using SC_CURRENT_USER_MODULE = Script;
    SC_METHOD(run_due);
    sensitive << queue_.event();
    dont_initialize();
  }
  void at(core::Tick when, std::function<void()> what) {
    steps_.push_back(std::move(what));
    queue_.push(when, steps_.size() - 1);
  }

 private:
  void run_due() {
    std::size_t index = 0;
    while (queue_.pop_due(index)) {
      const auto step = steps_[index];  // a copy: it may add steps
      step();
    }
  }
  TimedQueue<std::size_t> queue_;
  std::vector<std::function<void()>> steps_;
};

}  // namespace iommu::sim::testing
