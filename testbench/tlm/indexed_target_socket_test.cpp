// IndexedTargetSocket: which initiator calls what, and that it still binds in every way that its base does.
#include "models/tlm/indexed_target_socket.h"

#include <tlm_utils/multi_passthrough_initiator_socket.h>
#include <tlm_utils/simple_initiator_socket.h>
#include <vector>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "models/tlm/socket_width.h"

namespace {

using namespace iommu;
constexpr unsigned kWidth = sim::kSocketWidthBits;

// Writes down who called what.
class Target : public sc_core::sc_module {
 public:
  sim::IndexedTargetSocket<Target, kWidth> socket;
  std::vector<std::pair<int, char>> calls;

  explicit Target(sc_core::sc_module_name name) : sc_module(name), socket("socket", *this) {}

 private:
  friend class sim::IndexedTargetSocket<Target, kWidth>;
  void b_transport(int index, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    calls.emplace_back(index, 'b');
    delay += sc_core::sc_time(7, sc_core::SC_PS);
    payload.set_response_status(::tlm::TLM_OK_RESPONSE);
  }
  ::tlm::tlm_sync_enum nb_transport_fw(int index, ::tlm::tlm_generic_payload&, ::tlm::tlm_phase& phase,
                                       sc_core::sc_time&) {
    calls.emplace_back(index, 'n');
    phase = ::tlm::END_REQ;
    return ::tlm::TLM_UPDATED;
  }
  unsigned transport_dbg(int index, ::tlm::tlm_generic_payload&) {
    calls.emplace_back(index, 'd');
    return 5;
  }
  bool get_direct_mem_ptr(int index, ::tlm::tlm_generic_payload&, ::tlm::tlm_dmi& dmi) {
    calls.emplace_back(index, 'm');
    dmi.set_start_address(0x40);
    return true;
  }
};

class Initiator : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<Initiator, kWidth> socket;
  int answers = 0;
  sc_dt::uint64 invalidated = 0;

  explicit Initiator(sc_core::sc_module_name name) : sc_module(name), socket("socket") {
    socket.register_nb_transport_bw(this, &Initiator::nb_transport_bw);
    socket.register_invalidate_direct_mem_ptr(this, &Initiator::invalidate);
  }

 private:
  ::tlm::tlm_sync_enum nb_transport_bw(::tlm::tlm_generic_payload&, ::tlm::tlm_phase&, sc_core::sc_time&) {
    ++answers;
    return ::tlm::TLM_ACCEPTED;
  }
  void invalidate(sc_dt::uint64 first, sc_dt::uint64) { invalidated = first; }
};

// Every call of the forward interface, and what comes back.
template <class Socket>
void call_everything(Socket& socket) {
  ::tlm::tlm_generic_payload payload;
  sc_core::sc_time delay(3, sc_core::SC_PS);
  socket->b_transport(payload, delay);
  CHECK(delay == sc_core::sc_time(10, sc_core::SC_PS));
  CHECK(payload.is_response_ok());
  ::tlm::tlm_phase phase = ::tlm::BEGIN_REQ;
  CHECK(socket->nb_transport_fw(payload, phase, delay) == ::tlm::TLM_UPDATED);
  CHECK(phase == ::tlm::END_REQ);
  CHECK(socket->transport_dbg(payload) == 5);
  ::tlm::tlm_dmi dmi;
  CHECK(socket->get_direct_mem_ptr(payload, dmi));
  CHECK(dmi.get_start_address() == 0x40);
}

void call_back(Target& target, int index) {
  ::tlm::tlm_generic_payload payload;
  ::tlm::tlm_phase phase = ::tlm::BEGIN_RESP;
  sc_core::sc_time delay;
  CHECK(target.socket[index]->nb_transport_bw(payload, phase, delay) == ::tlm::TLM_ACCEPTED);
  target.socket[index]->invalidate_direct_mem_ptr(0x1000 + static_cast<sc_dt::uint64>(index), 0x2000);
}

using Calls = std::vector<std::pair<int, char>>;

TEST_CASE("initiators' sockets are told apart by the order in which they are bound, both ways") {
  Target target("target");
  Initiator first("first"), second("second"), third("third");
  first.socket.bind(target.socket);
  second.socket(target.socket);
  third.socket.bind(target.socket);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  CHECK(target.socket.size() == 3);
  call_everything(second.socket);
  CHECK(target.calls == Calls{{1, 'b'}, {1, 'n'}, {1, 'd'}, {1, 'm'}});
  target.calls.clear();
  call_everything(third.socket);
  call_everything(first.socket);
  CHECK(target.calls == Calls{{2, 'b'}, {2, 'n'}, {2, 'd'}, {2, 'm'}, {0, 'b'}, {0, 'n'}, {0, 'd'}, {0, 'm'}});
  for (int index = 0; index < 3; ++index) call_back(target, index);
  CHECK(first.answers == 1);
  CHECK(second.answers == 1);
  CHECK(third.answers == 1);
  CHECK(first.invalidated == 0x1000);
  CHECK(second.invalidated == 0x1001);
  CHECK(third.invalidated == 0x1002);
}

// The socket of a module around the target, bound to it.
class Around : public sc_core::sc_module {
 public:
  tlm_utils::multi_passthrough_target_socket<Around, kWidth> socket;
  Target target;

  explicit Around(sc_core::sc_module_name name) : sc_module(name), socket("socket"), target("target") {
    socket.bind(target.socket);
  }
};

TEST_CASE("a socket of a module around it hands its initiators on") {
  Around around("around");
  Initiator first("first"), second("second");
  first.socket.bind(around.socket);
  second.socket.bind(around.socket);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  CHECK(around.target.socket.size() == 2);
  call_everything(second.socket);
  call_everything(first.socket);
  CHECK(around.target.calls == Calls{{1, 'b'}, {1, 'n'}, {1, 'd'}, {1, 'm'}, {0, 'b'}, {0, 'n'}, {0, 'd'}, {0, 'm'}});
  call_back(around.target, 1);
  CHECK(first.answers == 0);
  CHECK(second.answers == 1);
}

class MultiInitiator : public sc_core::sc_module {
 public:
  tlm_utils::multi_passthrough_initiator_socket<MultiInitiator, kWidth> socket;
  std::vector<int> answers;

  explicit MultiInitiator(sc_core::sc_module_name name) : sc_module(name), socket("socket") {
    socket.register_nb_transport_bw(this, &MultiInitiator::nb_transport_bw);
    socket.register_invalidate_direct_mem_ptr(this, &MultiInitiator::invalidate);
  }

 private:
  ::tlm::tlm_sync_enum nb_transport_bw(int index, ::tlm::tlm_generic_payload&, ::tlm::tlm_phase&, sc_core::sc_time&) {
    answers.push_back(index);
    return ::tlm::TLM_ACCEPTED;
  }
  void invalidate(int, sc_dt::uint64, sc_dt::uint64) {}
};

TEST_CASE("a multi-socket of initiators reaches it, beside a simple one") {
  Target target("target"), other("other");
  Initiator simple("simple");
  MultiInitiator multi("multi");
  multi.socket.bind(other.socket);
  simple.socket.bind(target.socket);
  multi.socket.bind(target.socket);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  REQUIRE(multi.socket.size() == 2);
  ::tlm::tlm_fw_transport_if<>* second = multi.socket[1];
  call_everything(second);
  CHECK(other.calls.empty());
  CHECK(target.calls == Calls{{1, 'b'}, {1, 'n'}, {1, 'd'}, {1, 'm'}});
  call_back(target, 1);
  CHECK(multi.answers == std::vector<int>{1});
  target.calls.clear();
  call_everything(simple.socket);
  CHECK(target.calls == Calls{{0, 'b'}, {0, 'n'}, {0, 'd'}, {0, 'm'}});
}

}  // namespace
