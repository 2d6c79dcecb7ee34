// A NIC between a test's register accesses and a small timed memory, and what a driver of it needs.
//
// What it does: writes descriptors and registers, reads them back. What it does not do: decide when; tests script that.
#pragma once

#include <utility>

#include "models/core/payload_pattern.h"
#include "models/tlm/nic.h"
#include "testbench/tlm/device_target.h"

namespace iommu::sim::testing {

/// Register accesses from a test.
class Mmio : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<Mmio, 64> socket;
  bool non_blocking = false;
  core::Tick took = 0;  // of the last access
  ::tlm::tlm_response_status status = ::tlm::TLM_INCOMPLETE_RESPONSE;
  core::Tick ahead = 0;  // delay that each access comes with

  explicit Mmio(sc_core::sc_module_name name) : sc_module(name), socket("socket") {}

  std::uint64_t read(core::Address address, std::uint32_t bytes) {
    std::uint64_t value = 0;
    access(::tlm::TLM_READ_COMMAND, address, &value, bytes);
    return value;
  }
  std::uint32_t read32(core::Address address) { return static_cast<std::uint32_t>(read(address, 4)); }
  std::uint64_t read64(core::Address address) { return read(address, 8); }
  void write32(core::Address address, std::uint32_t value) { access(::tlm::TLM_WRITE_COMMAND, address, &value, 4); }
  void write64(core::Address address, std::uint64_t value) { access(::tlm::TLM_WRITE_COMMAND, address, &value, 8); }
  void access(::tlm::tlm_command command, core::Address address, void* data, std::uint32_t bytes,
              unsigned char* enables = nullptr) {
    ::tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<unsigned char*>(data));
    payload.set_data_length(bytes);
    payload.set_streaming_width(bytes);
    payload.set_byte_enable_ptr(enables);
    payload.set_byte_enable_length(enables == nullptr ? 0 : 1);
    sc_core::sc_time delay = to_sc_time(ahead);
    if (non_blocking) {
      ::tlm::tlm_phase phase = ::tlm::BEGIN_REQ;
      CHECK(socket->nb_transport_fw(payload, phase, delay) == ::tlm::TLM_COMPLETED);
    } else {
      socket->b_transport(payload, delay);
    }
    took = to_ticks(delay) - ahead;
    status = payload.get_response_status();
  }
};

inline constexpr core::Address kRegisterBase = 0xFEB00000;
inline constexpr core::Address kRxRing = 0x1000;
inline constexpr core::Address kTxRing = 0x2000;
inline constexpr core::Address kRxBuffers = 0x10000;  // 0x1000 apart
inline constexpr core::Address kTxBuffers = 0x80000;

// Flags of a descriptor's second word.
inline constexpr std::uint64_t kDone = 0x1'0000;
inline constexpr std::uint64_t kEnd = 0x2'0000;
inline constexpr std::uint64_t kError = 0x4'0000;

struct NicBench {
  Nic nic;
  DeviceTarget memory{"memory"};
  Mmio mmio{"mmio"};
  Script script{"script"};

  static NicConfig in(TransportMode mode, NicConfig config = {}) {
    config.mode = mode;
    config.requester = 0x0100;
    config.register_base = kRegisterBase;
    return config;
  }
  explicit NicBench(const NicConfig& config) : nic("nic", config) {
    nic.dma.bind(memory.socket);
    mmio.socket.bind(nic.registers);
  }

  /// Rings of `rx` and `tx` descriptors, the device enabled.
  void set_up(std::uint32_t rx, std::uint32_t tx) {
    mmio.write64(kRegisterBase + 0x100, kRxRing);
    mmio.write32(kRegisterBase + 0x108, rx);
    mmio.write64(kRegisterBase + 0x200, kTxRing);
    mmio.write32(kRegisterBase + 0x208, tx);
    mmio.write32(kRegisterBase + 0x000, 1);
  }
  void interrupts_on() {
    mmio.write64(kRegisterBase + 0x010, 0xFF000);  // inside the test's memory
    mmio.write32(kRegisterBase + 0x018, 0x4321);
    mmio.write32(kRegisterBase + 0x01C, 1);
  }
  void rx_descriptor(std::uint32_t index, std::uint32_t length, core::Address buffer = 0) {
    memory.poke<std::uint64_t>(kRxRing + 16 * index, buffer != 0 ? buffer : rx_buffer(index));
    memory.poke<std::uint64_t>(kRxRing + 16 * index + 8, length & 0xFFFF);
  }
  [[nodiscard]] static core::Address rx_buffer(std::uint32_t index) { return kRxBuffers + 0x1000 * index; }
  void rx_tail(std::uint32_t index) { mmio.write32(kRegisterBase + 0x110, index); }
  [[nodiscard]] std::uint64_t rx_word1(std::uint32_t index) const {
    return memory.peek<std::uint64_t>(kRxRing + 16 * index + 8);
  }
  /// A packet, or a part of it, with its bytes.
  void tx_descriptor(std::uint32_t index, core::Address buffer, std::uint32_t length, std::uint32_t packet,
                     std::uint32_t offset = 0, bool end = true) {
    memory.poke<std::uint64_t>(kTxRing + 16 * index, buffer);
    memory.poke<std::uint64_t>(kTxRing + 16 * index + 8,
                               (length & 0xFFFF) | (end ? kEnd : 0) | (std::uint64_t{packet} << 32));
    core::fill_payload(packet, offset, memory.bytes.data() + buffer, length);
  }
  void tx_tail(std::uint32_t index) { mmio.write32(kRegisterBase + 0x210, index); }
  [[nodiscard]] std::uint64_t tx_word1(std::uint32_t index) const {
    return memory.peek<std::uint64_t>(kTxRing + 16 * index + 8);
  }
  [[nodiscard]] bool received(core::Address buffer, std::uint32_t packet, std::uint32_t length,
                              std::uint32_t offset = 0) const {
    return core::check_payload(packet, offset, memory.bytes.data() + buffer, length);
  }
  /// Times of the accesses to [begin, end).
  [[nodiscard]] std::vector<core::Tick> times(core::Address begin, core::Address end, bool write) const {
    std::vector<core::Tick> result;
    for (const TargetAccess& access : memory.log) {
      if (access.address >= begin && access.address < end && access.write == write) result.push_back(access.at);
    }
    return result;
  }
};

}  // namespace iommu::sim::testing
