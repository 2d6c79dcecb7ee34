// A translation unit with its neighbours, for tests: VT-d front end, IOTLB, walker, a small timed memory behind all its
// sockets, and one initiator that speaks blocking or non-blocking.
#pragma once

#include <tlm_utils/multi_passthrough_target_socket.h>
#include <tlm_utils/simple_initiator_socket.h>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "models/tlm/translation_unit.h"
#include "models/vtd/front_end.h"
#include "testbench/platform/new_simulation.h"

namespace iommu::test {

using core::Address;
using core::Tick;

/// Host memory of `bytes` from address 0. Every access takes `latency`; no contention. Four-phase on request.
class TestMemory : public sc_core::sc_module {
 public:
  tlm_utils::multi_passthrough_target_socket<TestMemory, sim::kSocketWidthBits> socket;
  Tick latency = 50000;
  bool four_phases = false;
  bool says_dmi = false;    ///< transactions say that direct access would be granted
  bool grants = true;       ///< direct access, to whoever asks
  Address grant_bytes = 0;  ///< of one grant of direct access, a power of two; 0: all of memory
  Tick direct_latency = 0;  ///< of reads; writes take 1 ns more
  std::uint64_t asked = 0;  ///< for direct access
  Tick request_phase = 0;   ///< four phases: from BEGIN_REQ to END_REQ
  bool within = false;      ///< two phases: answers on the backward path, from within the request's call
  std::vector<tlm::tlm_generic_payload*>* kept =
      nullptr;  ///< two phases: payloads are kept here, for others to release
  std::vector<std::uint8_t> bytes;
  std::uint64_t accesses = 0;
  std::function<void(Address, bool)> on_access;  ///< (address, write) before it is done
  std::function<void(Address)> after_access;     ///< blocking: when it is done, before the call returns
  std::function<Tick(Address)> waits;            ///< blocking: how long it waits for something busy, besides `latency`

  TestMemory(sc_core::sc_module_name name, std::size_t size) : sc_module(name), socket("socket"), bytes(size, 0) {
    socket.register_b_transport(this, &TestMemory::b_transport);
    socket.register_nb_transport_fw(this, &TestMemory::nb_transport_fw);
    socket.register_transport_dbg(this, &TestMemory::transport_dbg);
    socket.register_get_direct_mem_ptr(this, &TestMemory::get_direct_mem_ptr);
    using SC_CURRENT_USER_MODULE = TestMemory;
    SC_METHOD(run_due);
    sensitive << due_.event();
    dont_initialize();
  }
  /// Takes back what was granted.
  void withdraw_dmi(Address first, Address last) {
    for (int i = 0; i < static_cast<int>(socket.size()); ++i) socket[i]->invalidate_direct_mem_ptr(first, last);
  }
  void write64(Address address, std::uint64_t value) { std::memcpy(&bytes.at(address), &value, 8); }
  [[nodiscard]] std::uint64_t read64(Address address) const {
    std::uint64_t value = 0;
    std::memcpy(&value, &bytes.at(address), 8);
    return value;
  }

 private:
  void access(tlm::tlm_generic_payload& payload) {
    ++accesses;
    const Address address = payload.get_address();
    if (on_access) on_access(address, payload.is_write());
    if (transport_dbg(0, payload) == 0) {
      payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    } else {
      payload.set_response_status(tlm::TLM_OK_RESPONSE);
    }
  }
  void b_transport(int, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    access(payload);
    if (after_access) after_access(payload.get_address());
    payload.set_dmi_allowed(says_dmi);
    const Tick waited = waits ? waits(payload.get_address()) : 0;
    if (waited != 0) payload.get_extension<sim::DmaExtension>()->wait += waited;
    delay += sim::to_sc_time(latency + waited);
  }
  tlm::tlm_sync_enum nb_transport_fw(int id, tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) {
    if (phase != tlm::BEGIN_REQ) return tlm::TLM_ACCEPTED;
    if (!four_phases) {
      access(payload);
      delay += sim::to_sc_time(latency);
      if (kept != nullptr) {
        payload.acquire();
        kept->push_back(&payload);
      }
      if (!within) return tlm::TLM_COMPLETED;
      tlm::tlm_phase response = tlm::BEGIN_RESP;
      socket[id]->nb_transport_bw(payload, response, delay);
      return tlm::TLM_ACCEPTED;
    }
    payload.acquire();
    due_.push(sim::now_ticks(delay) + request_phase, {&payload, id, false});
    due_.push(sim::now_ticks(delay) + latency, {&payload, id, true});
    return tlm::TLM_ACCEPTED;
  }
  void run_due() {
    Due due{};
    while (due_.pop_due(due)) {
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      tlm::tlm_phase phase = tlm::END_REQ;
      if (due.respond) {
        access(*due.payload);
        phase = tlm::BEGIN_RESP;
      }
      socket[due.id]->nb_transport_bw(*due.payload, phase, delay);
      if (due.respond) due.payload->release();
    }
  }
  unsigned transport_dbg(int, tlm::tlm_generic_payload& payload) {
    const Address address = payload.get_address();
    const unsigned n = payload.get_data_length();
    if (address + n > bytes.size() || address + n < address) return 0;
    if (payload.is_read()) {
      std::memcpy(payload.get_data_ptr(), &bytes[address], n);
    } else if (payload.get_byte_enable_ptr() == nullptr) {
      std::memcpy(&bytes[address], payload.get_data_ptr(), n);
    } else {
      for (unsigned i = 0; i < n; ++i) {
        if (payload.get_byte_enable_ptr()[i % payload.get_byte_enable_length()] == 0xFF)
          bytes[address + i] = payload.get_data_ptr()[i];
      }
    }
    return n;
  }
  bool get_direct_mem_ptr(int, tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) {
    ++asked;
    if (!grants || payload.get_address() >= bytes.size()) return false;
    dmi.set_read_latency(sim::to_sc_time(direct_latency));
    dmi.set_write_latency(sim::to_sc_time(direct_latency + 1'000));
    const Address first = grant_bytes == 0 ? 0 : payload.get_address() & ~(grant_bytes - 1);
    dmi.set_start_address(first);
    dmi.set_end_address(grant_bytes == 0 ? bytes.size() - 1 : first + grant_bytes - 1);
    dmi.set_dmi_ptr(bytes.data() + first);
    dmi.allow_read_write();
    return true;
  }
  struct Due {
    tlm::tlm_generic_payload* payload;
    int id;
    bool respond;
  };
  sim::TimedQueue<Due> due_;
};

/// One access of the test initiator with all that came of it.
struct Access {
  Address address = 0;
  std::uint32_t length = 64;
  bool write = false;
  core::RequesterId requester = 0x18;
  bool zero_length = false;
  bool atomic = false;
  Tick at = 0;  ///< AT: when it is issued
  std::vector<std::uint8_t> data;

  Tick issued = 0, ended = 0;
  tlm::tlm_response_status status = tlm::TLM_INCOMPLETE_RESPONSE;
  core::OutcomeClass outcome = core::OutcomeClass::Untranslated;
  core::StageTimes stages;
  std::uint8_t reason = 0;
};

class Initiator : public sc_core::sc_module, private tlm::tlm_mm_interface {
 public:
  tlm_utils::simple_initiator_socket<Initiator, sim::kSocketWidthBits> socket;
  bool accept_responses = false;  ///< answers BEGIN_RESP with TLM_ACCEPTED and sends END_RESP 7 ns later
  std::vector<std::pair<Address, Address>> dmi_withdrawn;

  explicit Initiator(sc_core::sc_module_name name) : sc_module(name), socket("socket") {
    socket.register_nb_transport_bw(this, &Initiator::nb_transport_bw);
    socket.register_invalidate_direct_mem_ptr(this, &Initiator::invalidate);
    using SC_CURRENT_USER_MODULE = Initiator;
    SC_METHOD(run_due);
    sensitive << due_.event();
    dont_initialize();
  }
  ~Initiator() override {
    for (auto& slot : slots_) slot->payload.clear_extension(&slot->extension);
  }

  /// Blocking; from a thread. Ends at the kernel's time (waits).
  void lt(Access& access) {
    Slot& slot = prepare(access);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    access.issued = sim::now_ticks();
    socket->b_transport(slot.payload, delay);
    collect(slot, sim::now_ticks(delay));
    wait(delay);
  }
  /// Blocking, sent at the kernel's time whatever has been sent before; ends in the future, for which nobody waits.
  void lt_ahead(Access& access) {
    Slot& slot = prepare(access);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    access.issued = sim::now_ticks();
    socket->b_transport(slot.payload, delay);
    collect(slot, sim::now_ticks(delay));
  }
  /// Issues at once, ends later.
  void at(Access& access) {
    Slot& slot = prepare(access);
    slot.payload.acquire();
    access.issued = sim::now_ticks();
    ++open_;
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    const auto result = socket->nb_transport_fw(slot.payload, phase, delay);
    if (result == tlm::TLM_COMPLETED) ended(slot, sim::now_ticks(delay));
  }
  /// Waits until everything has ended.
  void wait_all() {
    while (open_ != 0) wait(ended_event_);
    if (latest_ > sim::now_ticks()) wait(sim::delay_until(latest_));
  }

 private:
  struct Slot {
    tlm::tlm_generic_payload payload;
    sim::DmaExtension extension;
    Access* access = nullptr;
  };
  Slot& prepare(Access& access) {
    slots_.push_back(std::make_unique<Slot>());
    Slot& slot = *slots_.back();
    slot.access = &access;
    access.data.resize(access.length);
    auto& p = slot.payload;
    p.set_mm(this);
    p.set_command(access.write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    p.set_address(access.address);
    p.set_data_ptr(access.data.data());
    p.set_data_length(access.length);
    p.set_streaming_width(access.length);
    p.set_byte_enable_ptr(nullptr);
    p.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    slot.extension.requester = access.requester;
    slot.extension.zero_length = access.zero_length;
    slot.extension.atomic = access.atomic;
    p.set_extension(&slot.extension);
    by_payload_[&p] = &slot;
    return slot;
  }
  static void collect(Slot& slot, Tick end) {
    Access& access = *slot.access;
    access.ended = end;
    access.status = slot.payload.get_response_status();
    access.outcome = slot.extension.outcome;
    access.stages = slot.extension.stages;
    access.reason = slot.extension.fault_reason;
  }
  void ended(Slot& slot, Tick end) {
    collect(slot, end);
    latest_ = std::max(latest_, end);
    --open_;
    ended_event_.notify(sc_core::SC_ZERO_TIME);
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) {
    if (phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;
    Slot& slot = *by_payload_.at(&payload);
    if (accept_responses) {
      due_.push(sim::now_ticks(delay) + 7000, &slot);
      return tlm::TLM_ACCEPTED;
    }
    ended(slot, sim::now_ticks(delay));
    slot.payload.release();
    return tlm::TLM_COMPLETED;
  }
  void run_due() {
    Slot* slot = nullptr;
    while (due_.pop_due(slot)) {
      ended(*slot, sim::now_ticks());
      tlm::tlm_phase phase = tlm::END_RESP;
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      socket->nb_transport_fw(slot->payload, phase, delay);
      slot->payload.release();
    }
  }
  void invalidate(sc_dt::uint64 first, sc_dt::uint64 last) { dmi_withdrawn.emplace_back(first, last); }
  void free(tlm::tlm_generic_payload*) override {}

  std::vector<std::unique_ptr<Slot>> slots_;
  std::map<tlm::tlm_generic_payload*, Slot*> by_payload_;
  sim::TimedQueue<Slot*> due_;
  unsigned open_ = 0;
  Tick latest_ = 0;
  sc_core::sc_event ended_event_;
};

struct RigConfig {
  vtd::Capabilities capabilities;
  sim::TranslationUnitConfig unit;
  sim::IotlbModuleConfig iotlb;
  sim::WalkerConfig walker;
  std::size_t memory_bytes = 16u << 20;
};

// Addresses of the tables that the rig makes.
inline constexpr Address kRootTable = 0x10000;
inline constexpr Address kContextTable = 0x11000;
inline constexpr Address kQueue = 0x12000;
inline constexpr Address kStatus = 0x13000;
inline constexpr Address kTables = 0x100000;  ///< page tables are taken from here on

class Rig : public sc_core::sc_module {
 public:
  TestMemory memory;
  Initiator initiator;
  tlm_utils::simple_initiator_socket<Rig, sim::kSocketWidthBits> cpu;
  sim::Iotlb iotlb;
  sim::PageTableWalker walker;
  sim::TranslationUnit unit;
  std::function<void()> body;

  Rig(sc_core::sc_module_name name, const RigConfig& config, std::function<void()> run)
      : sc_module(name),
        memory("memory", config.memory_bytes),
        initiator("initiator"),
        cpu("cpu"),
        iotlb("iotlb", config.iotlb),
        walker("walker", config.walker),
        unit("unit", config.unit, std::make_unique<vtd::FrontEnd>(config.capabilities)),
        body(std::move(run)),
        base_(config.unit.register_base) {
    initiator.socket.bind(unit.dma);
    cpu.bind(unit.registers);
    unit.memory.bind(memory.socket);
    unit.structures.bind(memory.socket);
    walker.memory.bind(memory.socket);
    unit.iotlb(iotlb);
    unit.walker(walker);
    using SC_CURRENT_USER_MODULE = Rig;
    SC_THREAD(main);
  }

  // Registers, as software accesses them: takes time. From the body.
  std::uint64_t read(std::uint32_t offset, unsigned bytes) {
    std::uint64_t value = 0;
    reg(tlm::TLM_READ_COMMAND, offset, &value, bytes);
    return value;
  }
  void write(std::uint32_t offset, std::uint64_t value, unsigned bytes) {
    reg(tlm::TLM_WRITE_COMMAND, offset, &value, bytes);
  }

  /// Root pointer, queue and translation on, with an empty root table; each handshake polled.
  void enable() {
    write(0x20, kRootTable, 8);
    write(0x18, 0x40000000, 4);
    while ((read(0x1C, 4) & 0x40000000) == 0) continue;
    write(0x90, kQueue, 8);
    write(0x18, 0x04000000, 4);
    while ((read(0x1C, 4) & 0x04000000) == 0) continue;
    write(0x18, 0x84000000, 4);
    while ((read(0x1C, 4) & 0x80000000) == 0) continue;
  }

  /// Context entry of `requester` (bus 0) for a 4-level table at `table`.
  void context(core::RequesterId requester, Address table, std::uint16_t domain, unsigned levels = 4) {
    memory.write64(kRootTable, kContextTable | 1);
    memory.write64(kContextTable + 16u * requester, table | 1);
    memory.write64(kContextTable + 16u * requester + 8, (levels - 2u) | (std::uint64_t{domain} << 8));
  }
  Address new_table() {
    next_table_ += 0x1000;
    return kTables + next_table_ - 0x1000;
  }
  /// Maps one page by hand, bits as in the specification; makes the tables above. Returns the address of the leaf
  /// entry.
  Address map(Address table, Address input, Address output, unsigned permissions, unsigned leaf_level = 1,
              unsigned levels = 4) {
    for (unsigned level = levels; level > leaf_level; --level) {
      const Address entry = table + 8 * ((input >> (12 + 9 * (level - 1))) & 511);
      if ((memory.read64(entry) & 3) == 0) memory.write64(entry, new_table() | 3);
      table = memory.read64(entry) & 0xFFFFFFFFFF000;
    }
    const Address entry = table + 8 * ((input >> (12 + 9 * (leaf_level - 1))) & 511);
    memory.write64(entry, output | permissions | (leaf_level > 1 ? 0x80u : 0u));
    return entry;
  }
  /// Puts descriptors into the queue and rings the doorbell.
  void submit(const std::vector<std::array<std::uint64_t, 2>>& descriptors) {
    for (const auto& descriptor : descriptors) {
      memory.write64(kQueue + tail_, descriptor[0]);
      memory.write64(kQueue + tail_ + 8, descriptor[1]);
      tail_ = (tail_ + 16) % 4096;
    }
    write(0x88, tail_, 8);
  }
  /// The same with a wait descriptor at the end, polled.
  void submit_and_wait(std::vector<std::array<std::uint64_t, 2>> descriptors) {
    memory.write64(kStatus, 0);
    descriptors.push_back({(std::uint64_t{1} << 32) | 0x25, kStatus});
    submit(descriptors);
    while ((memory.read64(kStatus) & 0xFFFFFFFF) != 1) wait(sc_core::sc_time(5, sc_core::SC_NS));
  }

 private:
  void main() {
    if (body) body();
  }
  void reg(tlm::tlm_command command, std::uint32_t offset, std::uint64_t* value, unsigned bytes) {
    tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(base_ + offset);
    payload.set_data_ptr(reinterpret_cast<unsigned char*>(value));
    payload.set_data_length(bytes);
    payload.set_streaming_width(bytes);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    cpu->b_transport(payload, delay);
    wait(delay);
  }
  Address base_;
  Address next_table_ = 0;
  std::uint64_t tail_ = 0;
};

/// Builds a rig in a kernel of its own, lets `bind` add to it, and runs `body` in its thread to the end.
inline void simulate(const RigConfig& config, const std::function<void(Rig&)>& body,
                     const std::function<void(Rig&)>& bind = nullptr) {
  new_simulation();
  Rig* self = nullptr;
  Rig rig("rig", config, [&] { body(*self); });
  self = &rig;
  if (bind) bind(rig);
  sc_core::sc_start();
}

}  // namespace iommu::test
