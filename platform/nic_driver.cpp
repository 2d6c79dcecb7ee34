#include "platform/nic_driver.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "models/core/payload_pattern.h"
#include "models/tlm/nic_registers.h"
#include "platform/nic_traffic.h"

namespace iommu::platform {

namespace {

namespace desc = sim::nic::descriptor;

constexpr ULONG kReadWrite = IOMMU_ACCESS_READ | IOMMU_ACCESS_WRITE;

std::uint64_t whole_pages(std::uint64_t bytes) { return (bytes + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE; }

}  // namespace

NicDriver::NicDriver(Machine& machine, std::size_t index) : DeviceDriver(machine, index) {
  read_capture();
  buffer_stride_ = whole_pages(settings().buffer_bytes);
  allocate(rx_, settings().rx_ring);
  allocate(tx_, settings().tx_ring);
}

void NicDriver::read_capture() {
  NicTraffic traffic = read_nic_traffic(machine_.config, *device().config, settings().buffer_bytes);
  for (const sim::NicPacket& packet : traffic.outgoing) {
    to_transmit_.push_back({packet.arrival, packet.length, packet.number});
  }
  received_total_ = traffic.arriving.size();
  device().nic->set_packets(std::move(traffic.arriving));
}

void NicDriver::allocate(Ring& ring, std::uint32_t size) {
  ring.size = size;
  ring.buffers.resize(size);
  const auto descriptors = machine_.frames.allocate_range(whole_pages(size * std::uint64_t{desc::kBytes}), PAGE_SIZE);
  const auto buffers = machine_.frames.allocate_range(size * buffer_stride_, PAGE_SIZE);
  if (!descriptors || !buffers) {
    const std::string key = "device." + device().config->name;
    throw ConfigError(machine_.config.where(key), key + ": rings and buffers don't fit into memory.size_bytes = " +
                                                      std::to_string(machine_.config.memory.size_bytes));
  }
  ring.physical = *descriptors;
  ring.buffers_physical = *buffers;
  for (std::uint32_t i = 0; i < size; ++i) ring.buffers[i].physical = *buffers + i * buffer_stride_;
}

void NicDriver::work() {
  if (bring_up(DomainTypeTranslate) && map_ring(rx_, IOMMU_ACCESS_WRITE) && map_ring(tx_, IOMMU_ACCESS_READ)) {
    start_device();
    broken_ = !give_receive_buffers();
    const core::Tick origin = host().now();
    device().nic->start();
    bool all_posted = to_transmit_.empty();
    for (;;) {
      take_received();
      take_transmitted();
      if (!broken_) broken_ = !give_receive_buffers();
      if (!all_posted && !broken_) all_posted = transmit_due(origin);
      const bool transmit_over = (all_posted || broken_) && tx_.empty();
      const bool receive_over = device().nic->receive_done() && device().nic->idle();
      if (transmit_over && receive_over) break;
      // Until the next packet is due, or something comes back; a look every 50 us finds what no interrupt tells (a failed descriptor).
      core::Tick patience = 50'000'000;
      if (!all_posted && !broken_ && !tx_.full()) {
        const core::Tick due = origin + to_transmit_[next_outgoing_].at;
        if (due <= host().now()) continue;
        patience = std::min(patience, due - host().now());
      }
      if (!host().wait_interrupt(device().vector, patience)) skip_lost();
    }
    take_received();
    take_transmitted();
    stop_device();
  }
  unmap_ring(rx_);
  unmap_ring(tx_);
  take_down();
}

bool NicDriver::map_ring(Ring& ring, ULONG buffer_permissions) {
  ring.mapped = map(ring.physical, whole_pages(ring.size * std::uint64_t{desc::kBytes}), kReadWrite, ring.logical);
  if (ring.mapped && settings().policy == MappingPolicy::Reserved) {
    return check(interface_.V2.ReserveLogicalAddressRange(domain(), ring.size * buffer_stride_, nullptr, nullptr,
                                                          nullptr, &ring.buffers_reserved),
                 "ReserveLogicalAddressRange");
  }
  if (!ring.mapped || per_packet()) return ring.mapped;
  ring.buffers_mapped =
      map(ring.buffers_physical, ring.size * buffer_stride_, buffer_permissions, ring.buffers_logical);
  if (!ring.buffers_mapped) return false;
  for (std::uint32_t i = 0; i < ring.size; ++i) {
    ring.buffers[i].logical = ring.buffers_logical + i * buffer_stride_;
    ring.buffers[i].mapped = true;
  }
  return true;
}

void NicDriver::unmap_ring(Ring& ring) {
  for (Buffer& buffer : ring.buffers) release_buffer(buffer);
  if (ring.buffers_reserved != nullptr) {
    check(interface_.V2.FreeReservedLogicalAddressRange(ring.buffers_reserved), "FreeReservedLogicalAddressRange");
    ring.buffers_reserved = nullptr;
  }
  if (ring.buffers_mapped) unmap(ring.buffers_logical, ring.size * buffer_stride_);
  if (ring.mapped) unmap(ring.logical, whole_pages(ring.size * std::uint64_t{desc::kBytes}));
}

void NicDriver::write_register(const regs::Register& reg, std::uint64_t value) {
  const core::Address address = device().registers + reg.offset;
  if (reg.width_bits == 64) {
    host().write<std::uint64_t>(address, value);
  } else {
    host().write<std::uint32_t>(address, static_cast<std::uint32_t>(value));
  }
}

void NicDriver::start_device() {
  namespace n = sim::nic;
  write_register(n::RX_BASE, rx_.logical);
  write_register(n::RX_SIZE, rx_.size);
  write_register(n::TX_BASE, tx_.logical);
  write_register(n::TX_SIZE, tx_.size);
  write_register(n::INT_ADDRESS, sim::Host::kInterruptBase);
  write_register(n::INT_DATA, device().vector);
  write_register(n::INT_CTRL, n::int_ctrl::ENABLE.of(1));
  write_register(n::CTRL, n::ctrl::ENABLE.of(1));
  const core::Address status = device().registers + n::STATUS.offset;
  while (n::status::ENABLED.get(host().read<std::uint32_t>(status)) == 0) continue;
}

void NicDriver::stop_device() {
  namespace n = sim::nic;
  write_register(n::CTRL, 0);
  const core::Address status = device().registers + n::STATUS.offset;
  while (n::status::IDLE.get(host().read<std::uint32_t>(status)) == 0) continue;
}

bool NicDriver::map_buffer(Ring& ring, Buffer& buffer, ULONG permissions) {
  if (buffer.mapped) return true;
  if (ring.buffers_reserved != nullptr) {
    IOMMU_MAP_PHYSICAL_ADDRESS physical = contiguous(buffer.physical, buffer_stride_);
    const SIZE_T offset = buffer.physical - ring.buffers_physical;
    buffer.mapped = check(
        interface_.V2.MapReservedLogicalRange(ring.buffers_reserved, offset, permissions, &physical, &buffer.segment),
        "MapReservedLogicalRange");
    buffer.logical = ring.buffers_reserved->LogicalAddressBase + offset;
    return buffer.mapped;
  }
  buffer.mapped = map(buffer.physical, buffer_stride_, permissions, buffer.logical);
  return buffer.mapped;
}

void NicDriver::release_buffer(Buffer& buffer) {
  if (!per_packet() || !buffer.mapped) return;
  if (buffer.segment.OwningToken != nullptr) {
    check(interface_.V2.UnmapReservedLogicalRange(&buffer.segment), "UnmapReservedLogicalRange");
  } else {
    unmap(buffer.logical, buffer_stride_);
  }
  buffer.mapped = false;
}

// Every free receive descriptor goes to the NIC; false when a buffer can't be mapped.
bool NicDriver::give_receive_buffers() {
  const std::uint32_t before = rx_.tail;
  bool mapped = true;
  while (!rx_.full()) {
    Buffer& buffer = rx_.buffers[rx_.tail];
    mapped = map_buffer(rx_, buffer, IOMMU_ACCESS_WRITE);
    if (!mapped) break;
    const core::Address at = rx_.physical + rx_.tail * std::uint64_t{desc::kBytes};
    host().write<std::uint64_t>(at, buffer.logical);
    host().write<std::uint64_t>(at + 8, desc::LENGTH.of(settings().buffer_bytes));
    rx_.tail = rx_.next(rx_.tail);
  }
  if (rx_.tail != before) write_register(sim::nic::RX_TAIL, rx_.tail);
  return mapped;
}

void NicDriver::take_received() {
  while (!rx_.empty()) {
    const core::Address at = rx_.physical + rx_.head * std::uint64_t{desc::kBytes};
    const auto word = host().read<std::uint64_t>(at + 8);
    if (desc::DONE.get(word) == 0) return;
    Buffer& buffer = rx_.buffers[rx_.head];
    // The device has lost the buffer before the CPU looks into it.
    release_buffer(buffer);
    if (desc::ERROR.get(word) != 0) {
      ++receive_errors_;
    } else {
      ++received_;
      const unsigned char* data = machine_.memory->host_pointer(buffer.physical);
      if (!core::check_payload(desc::TAG.get(word), 0, data, desc::length_of(word))) ++corrupted_;
    }
    rx_.head = rx_.next(rx_.head);
  }
}

// Posts what is due; true when nothing is left to post.
bool NicDriver::transmit_due(core::Tick origin) {
  const std::uint32_t before = tx_.tail;
  while (next_outgoing_ < to_transmit_.size() && !tx_.full()) {
    const Outgoing& packet = to_transmit_[next_outgoing_];
    if (origin + packet.at > host().now()) break;
    Buffer& buffer = tx_.buffers[tx_.tail];
    core::fill_payload(packet.number, 0, machine_.memory->host_pointer(buffer.physical), packet.length);
    if (!map_buffer(tx_, buffer, IOMMU_ACCESS_READ)) {
      broken_ = true;
      break;
    }
    const core::Address at = tx_.physical + tx_.tail * std::uint64_t{desc::kBytes};
    host().write<std::uint64_t>(at, buffer.logical);
    host().write<std::uint64_t>(
        at + 8, desc::LENGTH.of(packet.length) | desc::END_OF_PACKET.of(1) | desc::TAG.of(packet.number));
    tx_.tail = tx_.next(tx_.tail);
    ++next_outgoing_;
  }
  if (tx_.tail != before) write_register(sim::nic::TX_TAIL, tx_.tail);
  return next_outgoing_ == to_transmit_.size();
}

void NicDriver::take_transmitted() {
  while (!tx_.empty()) {
    const core::Address at = tx_.physical + tx_.head * std::uint64_t{desc::kBytes};
    const auto word = host().read<std::uint64_t>(at + 8);
    if (desc::DONE.get(word) == 0) return;
    release_buffer(tx_.buffers[tx_.head]);
    ++(desc::ERROR.get(word) != 0 ? transmit_errors_ : transmitted_);
    tx_.head = tx_.next(tx_.head);
  }
}

// A descriptor that the NIC has passed without being able to write it back (its ring was out of reach) is lost.
void NicDriver::skip_lost() {
  const auto passed = [&](const Ring& ring, const regs::Register& head) {
    const auto index = host().read<std::uint32_t>(device().registers + head.offset);
    return index < ring.size ? index : ring.head;
  };
  for (const std::uint32_t head = passed(rx_, sim::nic::RX_HEAD); rx_.head != head;) {
    take_received();
    if (rx_.head == head) break;
    ++receive_errors_;
    release_buffer(rx_.buffers[rx_.head]);
    rx_.head = rx_.next(rx_.head);
  }
  for (const std::uint32_t head = passed(tx_, sim::nic::TX_HEAD); tx_.head != head;) {
    take_transmitted();
    if (tx_.head == head) break;
    ++transmit_errors_;
    release_buffer(tx_.buffers[tx_.head]);
    tx_.head = tx_.next(tx_.head);
  }
}

void NicDriver::unmap_window() { note("an unmap event is for generators: a NIC has no window"); }

void NicDriver::add_results(nlohmann::ordered_json& of_master, nlohmann::ordered_json& payload) const {
  const sim::NicCounters counters = device().nic->counters();
  counters.visit_counters(
      [&](const char* name, const char*, const char*, std::uint64_t value) { of_master[name] = value; });
  of_master["driver_received"] = received_;
  of_master["driver_receive_errors"] = receive_errors_;
  of_master["driver_transmitted"] = transmitted_;
  of_master["driver_transmit_errors"] = transmit_errors_;
  payload["checked"] = payload.value("checked", std::uint64_t{0}) + received_ + counters.tx_packets;
  payload["corrupted"] = payload.value("corrupted", std::uint64_t{0}) + corrupted_ + counters.tx_corrupted;
}

}  // namespace iommu::platform
