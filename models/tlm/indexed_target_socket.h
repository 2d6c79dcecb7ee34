// A target socket for any number of initiators that says which of them calls, without steps of its own on the way.
//
// What it does: all that tlm_utils::multi_passthrough_target_socket does, which it is, and registers the module's functions
// itself; the calls of an initiator's socket go straight to them. What it does not do: the same for sockets that are bound
// through another multi-socket: these take the usual way.
#pragma once

#include <tlm_utils/multi_passthrough_target_socket.h>
#include <deque>

namespace iommu::sim {

/// Module has the four functions of the forward interface with an index in front, b_transport(int, ...) and so on, and
/// makes this class a friend when they are private. The index counts initiators' sockets in the order of their binding.
template <class Module, unsigned kWidth>
class IndexedTargetSocket : public tlm_utils::multi_passthrough_target_socket<Module, kWidth> {
  using Usual = tlm_utils::multi_passthrough_target_socket<Module, kWidth>;
  using Forward = ::tlm::tlm_fw_transport_if<>;

 public:
  IndexedTargetSocket(const char* name, Module& module) : Usual(name), module_(module) {
    this->register_b_transport(&module, &Module::b_transport);
    this->register_nb_transport_fw(&module, &Module::nb_transport_fw);
    this->register_transport_dbg(&module, &Module::transport_dbg);
    this->register_get_direct_mem_ptr(&module, &Module::get_direct_mem_ptr);
  }

  /// Called once for each initiator's socket that is bound: what that calls from then on.
  Forward& get_base_interface() override {
    Forward& usual = Usual::get_base_interface();
    return entries_.emplace_back(module_, usual, static_cast<int>(this->m_binders.size()) - 1);
  }
  const Forward& get_base_interface() const override { return Usual::get_base_interface(); }

 private:
  class Entry : public Forward {
   public:
    Entry(Module& module, Forward& usual, int index) : module_(module), usual_(usual), index_(index) {}

    void b_transport(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override {
      module_.b_transport(index_, payload, delay);
    }
    ::tlm::tlm_sync_enum nb_transport_fw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                         sc_core::sc_time& delay) override {
      return module_.nb_transport_fw(index_, payload, phase, delay);
    }
    bool get_direct_mem_ptr(::tlm::tlm_generic_payload& payload, ::tlm::tlm_dmi& dmi) override {
      return module_.get_direct_mem_ptr(index_, payload, dmi);
    }
    unsigned transport_dbg(::tlm::tlm_generic_payload& payload) override {
      return module_.transport_dbg(index_, payload);
    }
    // The other side is found through the port that is bound.
    void register_port(sc_core::sc_port_base& port, const char* type) override { usual_.register_port(port, type); }

   private:
    Module& module_;
    Forward& usual_;
    int index_;
  };

  Module& module_;
  std::deque<Entry> entries_;  // stay where they are
};

}  // namespace iommu::sim
