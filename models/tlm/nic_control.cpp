// The NIC's registers, interrupts and results.
#include <algorithm>
#include <cstring>
#include <utility>

#include "models/tlm/nic.h"
#include "models/tlm/nic_operation.h"
#include "models/tlm/nic_registers.h"

namespace iommu::sim {

// ---- Access.

void Nic::b_transport(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  delay += to_sc_time(config_.register_latency);
  access(payload, now_ticks(delay));
}

::tlm::tlm_sync_enum Nic::nb_transport_fw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                          sc_core::sc_time& delay) {
  if (phase == ::tlm::BEGIN_REQ) b_transport(payload, delay);
  return ::tlm::TLM_COMPLETED;
}

unsigned Nic::transport_dbg(::tlm::tlm_generic_payload& payload) {
  const core::Address address = payload.get_address();
  const std::uint32_t bytes = payload.get_data_length();
  if (removed_ || !payload.is_read() || (bytes != 4 && bytes != 8) || address < config_.register_base ||
      address - config_.register_base >= nic::kWindowBytes) {
    return 0;
  }
  const std::uint64_t value = read_register(static_cast<std::uint32_t>(address - config_.register_base), bytes);
  std::memcpy(payload.get_data_ptr(), &value, bytes);
  return bytes;
}

void Nic::access(::tlm::tlm_generic_payload& payload, core::Tick end) {
  run_actions();  // those that are due at this very time come first
  const core::Address address = payload.get_address();
  const std::uint32_t bytes = payload.get_data_length();
  if (removed_) {
    payload.set_response_status(::tlm::TLM_ADDRESS_ERROR_RESPONSE);
  } else if (payload.get_byte_enable_ptr() != nullptr) {
    payload.set_response_status(::tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
  } else if (bytes == 0 || bytes > 8 || payload.get_streaming_width() < bytes) {
    payload.set_response_status(::tlm::TLM_BURST_ERROR_RESPONSE);
  } else if (address < config_.register_base || address - config_.register_base >= nic::kWindowBytes) {
    payload.set_response_status(::tlm::TLM_ADDRESS_ERROR_RESPONSE);
  } else if (payload.is_read()) {
    const std::uint64_t value = read_register(static_cast<std::uint32_t>(address - config_.register_base), bytes);
    std::memcpy(payload.get_data_ptr(), &value, bytes);
    payload.set_response_status(::tlm::TLM_OK_RESPONSE);
  } else if (payload.is_write()) {
    std::uint64_t value = 0;
    std::memcpy(&value, payload.get_data_ptr(), bytes);
    write_register(static_cast<std::uint32_t>(address - config_.register_base), bytes, value, end);
    payload.set_response_status(::tlm::TLM_OK_RESPONSE);
  } else {
    payload.set_response_status(::tlm::TLM_OK_RESPONSE);  // TLM_IGNORE_COMMAND
  }
}

std::uint64_t Nic::read_register(std::uint32_t offset, std::uint32_t size_bytes) {
  namespace s = nic::status;
  std::uint64_t status = bank_.get(nic::STATUS);
  status = s::ENABLED.set(status, enabled_ ? 1 : 0);
  status = s::IDLE.set(status, idle() ? 1 : 0);
  bank_.set(nic::STATUS, status);
  bank_.set(nic::RX_HEAD, rx_.head());
  bank_.set(nic::TX_HEAD, tx_.head());
  bank_.set(nic::RX_PACKETS, total_.rx_packets);
  bank_.set(nic::RX_BYTES, total_.rx_bytes);
  bank_.set(nic::RX_DROPPED, total_.rx_dropped());
  bank_.set(nic::RX_ERRORS, total_.rx_errors);
  bank_.set(nic::TX_PACKETS, total_.tx_packets);
  bank_.set(nic::TX_BYTES, total_.tx_bytes);
  bank_.set(nic::TX_ERRORS, total_.tx_errors);
  bank_.set(nic::TX_CORRUPTED, total_.tx_corrupted);
  bank_.set(nic::INTERRUPTS, total_.interrupts);
  bank_.set(nic::DMA_ERRORS, total_.dma_errors);
  return bank_.read(offset, size_bytes);
}

void Nic::note_bad_write() { bank_.set(nic::STATUS, nic::status::BAD_WRITE.set(bank_.get(nic::STATUS), 1)); }

/// Ring registers keep their values while the device uses them.
bool Nic::write_allowed(std::uint32_t offset) const {
  const auto within = [offset](const regs::Register& reg) {
    return offset >= reg.offset && offset < reg.offset + reg.width_bits / 8U;
  };
  const bool configures = within(nic::RX_BASE) || within(nic::RX_SIZE) || within(nic::TX_BASE) || within(nic::TX_SIZE);
  return !configures || (bank_.get(nic::CTRL) == 0 && !enabled_ && idle());
}

void Nic::write_register(std::uint32_t offset, std::uint32_t size_bytes, std::uint64_t value, core::Tick end) {
  if (!write_allowed(offset)) {
    note_bad_write();
    return;
  }
  const regs::WriteEffect effect = bank_.write(offset, size_bytes, value);
  if (effect.where == nullptr) return;
  const std::uint32_t written = effect.where->offset;
  if (written != nic::CTRL.offset && written != nic::RX_TAIL.offset && written != nic::TX_TAIL.offset) return;
  const Action action{written, effect.new_value};
  if (end <= now_ticks() && actions_.empty()) {
    act(action);
  } else {
    actions_.push(end, action);
  }
}

void Nic::run_actions() {
  Action action;
  while (actions_.pop_due(action)) act(action);
}

void Nic::act(const Action& action) {
  if (removed_) return;
  if (action.offset == nic::CTRL.offset) {
    enable_wanted_ = nic::ctrl::ENABLE.get(action.value) != 0;
    if (!enable_wanted_) {
      disable();
    } else if (!enabled_ && idle()) {
      enable();
    }
    return;
  }
  const bool receive = action.offset == nic::RX_TAIL.offset;
  NicQueue& queue = receive ? rx_ : tx_;
  if (!queue.set_tail(static_cast<std::uint32_t>(action.value), now_ticks())) {
    bank_.set(action.offset, queue.tail());
    note_bad_write();
  } else if (receive) {
    pump_receive();
  } else {
    pump_transmit();
  }
}

// ---- Enabling.

/// False when the ring's size is not one that a ring can have; size 0 is no ring.
bool Nic::start_ring(NicQueue& queue, const regs::Register& base, const regs::Register& size) {
  const std::uint64_t entries = bank_.get(size);
  if (entries == 1 || entries > 65536) return false;
  if (entries != 0) queue.start(bank_.get(base), static_cast<std::uint32_t>(entries));
  return true;
}

void Nic::enable() {
  namespace s = nic::status;
  enabled_ = true;
  tx_offset_ = 0;
  rx_packet_ = tx_packet_ = {};
  bank_.set(nic::RX_TAIL, 0);
  bank_.set(nic::TX_TAIL, 0);
  std::uint64_t status = bank_.get(nic::STATUS);
  status = s::RX_BAD.set(status, start_ring(rx_, nic::RX_BASE, nic::RX_SIZE) ? 0 : 1);
  status = s::TX_BAD.set(status, start_ring(tx_, nic::TX_BASE, nic::TX_SIZE) ? 0 : 1);
  bank_.set(nic::STATUS, status);
  // Packets that flow control has held up.
  if (started_ && next_packet_ < packets_.size()) arrival_event_.notify(sc_core::SC_ZERO_TIME);
}

void Nic::disable() {
  enabled_ = false;
  rx_.stop();
  tx_.stop();
  interrupt_pending_ = false;
  for (; !fifo_.empty(); fifo_.pop_front()) handle(total_.rx_dropped_disabled);
}

// ---- Removal.

void Nic::remove() {
  if (std::exchange(removed_, true)) return;
  enable_wanted_ = false;
  disable();
  port.drop_waiting();
  // What has arrived and isn't handled had been begun.
  while (handled_ < next_packet_) handle(total_.rx_errors);
  if (started_ && next_packet_ < packets_.size()) arrival_event_.notify(sc_core::SC_ZERO_TIME);
}

// ---- Interrupts: the first goes out at once, further ones at least interrupt_moderation apart.

void Nic::raise_interrupt() {
  if (config_.interrupt_moderation == 0 || !interrupt_sent_ ||
      now_ticks() >= last_interrupt_ + config_.interrupt_moderation) {
    send_interrupt();
  } else if (!interrupt_pending_) {
    interrupt_pending_ = true;
    interrupt_event_.notify(delay_until(last_interrupt_ + config_.interrupt_moderation));
  }
}

void Nic::interrupt_timer() {
  if (std::exchange(interrupt_pending_, false)) send_interrupt();
}

void Nic::send_interrupt() {
  if (nic::int_ctrl::ENABLE.get(bank_.get(nic::INT_CTRL)) == 0) return;
  interrupt_sent_ = true;
  last_interrupt_ = now_ticks();
  Operation& operation = take_operation(nullptr);
  operation.kind = Operation::Kind::Interrupt;
  operation.address = bank_.get(nic::INT_ADDRESS);
  operation.length = 4;
  operation.write = true;
  operation.buffer[0] = bank_.get(nic::INT_DATA);
  port.issue(operation);
}

// ---- Results.

/// Counts a descriptor whose completion is in memory, and with the last one its packet.
void Nic::account(NicQueue& queue, const NicJob& job) {
  PacketTotal& packet = receives(queue) ? rx_packet_ : tx_packet_;
  packet.bytes += job.bytes;
  packet.end = std::max(packet.end, job.end);
  packet.failed = packet.failed || job.failed;
  packet.corrupted = packet.corrupted || job.corrupted;
  packet.unchecked = packet.unchecked || job.tag == nic::descriptor::kUncheckedTag;
  if (!job.end_of_packet) return;
  const PacketTotal total = std::exchange(packet, {});
  if (receives(queue)) {
    if (total.failed) {
      handle(total_.rx_errors);
      return;
    }
    total_.rx_bytes += total.bytes;
    rx_latency_.add(total.end - job.begin);
    handle(total_.rx_packets);
  } else if (total.failed) {
    ++total_.tx_errors;
  } else {
    ++total_.tx_packets;
    total_.tx_bytes += total.bytes;
    if (total.corrupted) ++total_.tx_corrupted;
    if (total.unchecked) ++total_.tx_unchecked;
    tx_latency_.add(total.end - job.begin);
  }
}

}  // namespace iommu::sim
