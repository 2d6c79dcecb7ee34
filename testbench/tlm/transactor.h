// An initiator for tests of targets: one transaction at a time, blocking or non-blocking, each with its end.
//
// What it does: builds payloads, writes down ends, answers backward calls in the way the test asks for. What it does
// not do: wait.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <string>
#include <vector>

#include "models/tlm/dma_extension.h"
#include "models/tlm/socket_width.h"
#include "models/tlm/time.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace iommu::sim::testing {

/// Matches a message that has this text in it.
inline auto containing(const std::string& text) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(text);
#else
  return Catch::Matchers::Contains(text);
#endif
}

/// A payload with data of its own and reference counting that only counts.
struct TestPayload : ::tlm::tlm_generic_payload, private ::tlm::tlm_mm_interface {
  std::vector<unsigned char> bytes;
  std::vector<unsigned char> enables;
  DmaExtension extension;
  unsigned freed = 0;

  TestPayload(::tlm::tlm_command command, core::Address address, std::vector<unsigned char> data)
      : tlm_generic_payload(), bytes(std::move(data)) {
    set_mm(this);
    acquire();
    set_command(command);
    set_address(address);
    set_data_ptr(bytes.data());
    set_data_length(static_cast<unsigned>(bytes.size()));
    set_streaming_width(static_cast<unsigned>(bytes.size()));
    set_extension(&extension);
  }
  ~TestPayload() override { clear_extension(&extension); }
  void enable(std::vector<unsigned char> pattern) {
    enables = std::move(pattern);
    set_byte_enable_ptr(enables.data());
    set_byte_enable_length(static_cast<unsigned>(enables.size()));
  }

 private:
  void free(::tlm::tlm_generic_payload*) override { ++freed; }
};

class Transactor : public sc_core::sc_module {
 public:
  struct Event {
    std::string what;
    core::Tick at;
    core::Address address;
    friend bool operator==(const Event& a, const Event& b) {
      return a.what == b.what && a.at == b.at && a.address == b.address;
    }
    friend std::ostream& operator<<(std::ostream& out, const Event& e) {
      return out << e.what << " @" << e.at << " " << std::hex << e.address << std::dec;
    }
  };

  tlm_utils::simple_initiator_socket<Transactor, kSocketWidthBits> socket;
  std::vector<Event> log;
  std::vector<std::pair<sc_dt::uint64, sc_dt::uint64>> invalidations;
  /// END_RESP comes this long after BEGIN_RESP, by a forward call; 0: at once, by TLM_COMPLETED.
  core::Tick response_time = 0;
  /// Annotated to an END_RESP by TLM_COMPLETED.
  core::Tick completion_delay = 0;

  explicit Transactor(sc_core::sc_module_name name) : sc_module(name), socket("socket") {
    socket.register_nb_transport_bw(this, &Transactor::backward);
    socket.register_invalidate_direct_mem_ptr(this, &Transactor::invalidated);
    using SC_CURRENT_USER_MODULE = Transactor;
    SC_METHOD(end_response);
    sensitive << response_due_;
    dont_initialize();
  }

  /// Blocking; `delay` goes in annotated. Returns the absolute end.
  core::Tick blocking(TestPayload& payload, core::Tick delay = 0) {
    sc_core::sc_time time = to_sc_time(delay);
    socket->b_transport(payload, time);
    return now_ticks(time);
  }
  /// Non-blocking; the target must complete early. Returns the absolute end.
  core::Tick early(TestPayload& payload, core::Tick delay = 0) {
    sc_core::sc_time time = to_sc_time(delay);
    ::tlm::tlm_phase phase = ::tlm::BEGIN_REQ;
    if (socket->nb_transport_fw(payload, phase, time) != ::tlm::TLM_COMPLETED) return 0;
    return now_ticks(time);
  }
  /// Non-blocking; whatever happens is in the log.
  void begin(TestPayload& payload, core::Tick delay = 0) {
    sc_core::sc_time time = to_sc_time(delay);
    ::tlm::tlm_phase phase = ::tlm::BEGIN_REQ;
    const auto status = socket->nb_transport_fw(payload, phase, time);
    if (status == ::tlm::TLM_COMPLETED) note("completed", now_ticks(time), payload);
    if (status == ::tlm::TLM_ACCEPTED) note("accepted", now_ticks(time), payload);
    if (status == ::tlm::TLM_UPDATED) answer("updated ", payload, phase, time);
  }

 private:
  void note(const std::string& what, core::Tick at, const ::tlm::tlm_generic_payload& payload) {
    log.push_back({what, at, payload.get_address()});
  }
  bool answer(const std::string& how, ::tlm::tlm_generic_payload& payload, const ::tlm::tlm_phase& phase,
              const sc_core::sc_time& delay) {
    const bool response = phase == ::tlm::BEGIN_RESP;
    note(how + (response ? "BEGIN_RESP" : phase == ::tlm::END_REQ ? "END_REQ" : "?"), now_ticks(delay), payload);
    if (!response) return false;
    if (responding_ != nullptr) note("exclusion broken", now_ticks(delay), payload);
    if (response_time == 0 && how.empty()) return true;
    responding_ = &payload;
    response_due_.notify(delay + to_sc_time(response_time));
    return false;
  }
  ::tlm::tlm_sync_enum backward(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase, sc_core::sc_time& delay) {
    if (!answer("", payload, phase, delay)) return ::tlm::TLM_ACCEPTED;
    phase = ::tlm::END_RESP;
    delay += to_sc_time(completion_delay);
    return ::tlm::TLM_COMPLETED;
  }
  void end_response() {
    ::tlm::tlm_generic_payload& payload = *responding_;
    responding_ = nullptr;
    ::tlm::tlm_phase phase = ::tlm::END_RESP;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    socket->nb_transport_fw(payload, phase, delay);
  }
  void invalidated(sc_dt::uint64 first, sc_dt::uint64 last) { invalidations.emplace_back(first, last); }

  ::tlm::tlm_generic_payload* responding_ = nullptr;
  sc_core::sc_event response_due_;
};

}  // namespace iommu::sim::testing
