// What stands in the place of the translation unit when the rest of a path is timed: the floors of the benchmarks.
//
// What it does: PassThrough forwards every call as it is; MinimalUnit is the least that translates: an array of pages, a
// straight walk of four levels, one latency. What it does not do: check, count, fault, invalidate.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>
#include <array>
#include <cstring>

#include "models/tlm/socket_width.h"
#include "models/tlm/time.h"

namespace iommu::bench {

class PassThrough : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<PassThrough, sim::kSocketWidthBits> dma;
  tlm_utils::simple_initiator_socket<PassThrough, sim::kSocketWidthBits> memory;

  explicit PassThrough(sc_core::sc_module_name name) : sc_module(name), dma("dma"), memory("memory") {
    dma.register_b_transport(this, &PassThrough::b_transport);
    dma.register_nb_transport_fw(this, &PassThrough::forward);
    dma.register_get_direct_mem_ptr(this, &PassThrough::direct);
    memory.register_nb_transport_bw(this, &PassThrough::backward);
  }

 private:
  void b_transport(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    memory->b_transport(payload, delay);
  }
  ::tlm::tlm_sync_enum forward(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase, sc_core::sc_time& delay) {
    return memory->nb_transport_fw(payload, phase, delay);
  }
  ::tlm::tlm_sync_enum backward(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase, sc_core::sc_time& delay) {
    return dma->nb_transport_bw(payload, phase, delay);
  }
  bool direct(::tlm::tlm_generic_payload& payload, ::tlm::tlm_dmi& dmi) {
    return memory->get_direct_mem_ptr(payload, dmi);
  }
};

/// LT only. Maps by the table at `root`; entries have their address in bits 51:12.
class MinimalUnit : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<MinimalUnit, sim::kSocketWidthBits> dma;
  tlm_utils::simple_initiator_socket<MinimalUnit, sim::kSocketWidthBits> memory;

  MinimalUnit(sc_core::sc_module_name name, core::Address root, bool by_dmi)
      : sc_module(name), dma("dma"), memory("memory"), root_(root), by_dmi_(by_dmi) {
    dma.register_b_transport(this, &MinimalUnit::b_transport);
    read_.set_read();
    read_.set_data_ptr(reinterpret_cast<unsigned char*>(&entry_));
    read_.set_data_length(sizeof entry_);
    read_.set_streaming_width(sizeof entry_);
    read_.set_byte_enable_ptr(nullptr);
  }

 private:
  static constexpr std::size_t kEntries = 128;
  struct Entry {
    std::uint64_t page = ~std::uint64_t{0};
    core::Address frame = 0;
  };

  void b_transport(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    const core::Address input = payload.get_address();
    const std::uint64_t page = input >> core::kPageShift;
    Entry& entry = pages_[page % kEntries];
    if (entry.page != page) {
      entry.frame = walk(input, delay);
      entry.page = page;
    }
    delay += latency_;
    payload.set_address(entry.frame | (input & (core::kPageBytes - 1)));
    memory->b_transport(payload, delay);
    payload.set_address(input);
  }

  core::Address walk(core::Address input, sc_core::sc_time& delay) {
    core::Address table = root_;
    for (unsigned shift = 39; shift >= core::kPageShift; shift -= 9) {
      const core::Address address = table + 8 * ((input >> shift) & 511);
      table = (by_dmi_ ? read_direct(address, delay) : read(address, delay)) & 0xFFFFFFFFFF000;
    }
    return table;
  }
  std::uint64_t read(core::Address address, sc_core::sc_time& delay) {
    read_.set_address(address);
    read_.set_response_status(::tlm::TLM_INCOMPLETE_RESPONSE);
    memory->b_transport(read_, delay);
    return entry_;
  }
  std::uint64_t read_direct(core::Address address, sc_core::sc_time& delay) {
    if (granted_.get_dmi_ptr() == nullptr) {
      read_.set_address(address);
      memory->get_direct_mem_ptr(read_, granted_);
    }
    delay += granted_.get_read_latency();
    std::memcpy(&entry_, granted_.get_dmi_ptr() + (address - granted_.get_start_address()), sizeof entry_);
    return entry_;
  }

  core::Address root_;
  bool by_dmi_;
  sc_core::sc_time latency_ = sim::to_sc_time(3000);
  std::array<Entry, kEntries> pages_;
  ::tlm::tlm_generic_payload read_;
  std::uint64_t entry_ = 0;
  ::tlm::tlm_dmi granted_;
};

}  // namespace iommu::bench
