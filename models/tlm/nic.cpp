// Packets and DMA. Each function that may have something to do is called whenever something has changed that it waits
// for; it does all it can and returns.
#include "models/tlm/nic.h"

#include <algorithm>
#include <string>
#include <utility>

#include "models/core/payload_pattern.h"
#include "models/tlm/nic_operation.h"
#include "models/tlm/nic_registers.h"

namespace iommu::sim {

namespace {

NicConfig checked(const NicConfig& config, const char* name) {
  const auto check = [&](const char* what, std::uint64_t value, std::uint64_t most) {
    if (value >= 1 && value <= most) return;
    SC_REPORT_ERROR("iommu-vp", (std::string(name) + ": " + what + " is " + std::to_string(value) + ", must be 1 to " +
                                 std::to_string(most))
                                    .c_str());
  };
  check("max_payload", config.max_payload, 4096);
  check("max_read_request", config.max_read_request, 4096);
  check("descriptor_batch", config.descriptor_batch, 256);
  check("descriptors_in_progress", config.descriptors_in_progress, 65536);
  check("fifo_packets", config.fifo_packets, 0xFFFFFFFF);
  check("outstanding", config.outstanding, 0xFFFFFFFF);
  return config;
}

std::vector<regs::PlacedRegister> placed_registers() {
  std::vector<regs::PlacedRegister> placed;
  for (const regs::Register* reg : nic::kMap) placed.push_back({reg, reg->offset, 0});
  return placed;
}

}  // namespace

Nic::Nic(sc_core::sc_module_name name, const NicConfig& config)
    : sc_module(name),
      port("port", DmaPortConfig{config.mode, config.requester, config.outstanding}, *this),
      dma(port.socket),
      registers("registers"),
      config_(checked(config, this->name())),
      bank_(nic::kWindowBytes, placed_registers()),
      rx_(config_.descriptors_in_progress),
      tx_(config_.descriptors_in_progress) {
  registers.register_b_transport(this, &Nic::b_transport);
  registers.register_nb_transport_fw(this, &Nic::nb_transport_fw);
  registers.register_transport_dbg(this, &Nic::transport_dbg);
  using SC_CURRENT_USER_MODULE = Nic;
  SC_METHOD(arrivals);
  sensitive << arrival_event_;
  dont_initialize();
  SC_METHOD(run_actions);
  sensitive << actions_.event();
  dont_initialize();
  SC_METHOD(interrupt_timer);
  sensitive << interrupt_event_;
  dont_initialize();
}

Nic::~Nic() = default;

NicCounters NicCounters::operator-(const NicCounters& earlier) const {
  NicCounters result = *this;
  result.rx_packets -= earlier.rx_packets;
  result.rx_bytes -= earlier.rx_bytes;
  result.rx_dropped_no_descriptor -= earlier.rx_dropped_no_descriptor;
  result.rx_dropped_fifo -= earlier.rx_dropped_fifo;
  result.rx_dropped_disabled -= earlier.rx_dropped_disabled;
  result.rx_errors -= earlier.rx_errors;
  result.tx_packets -= earlier.tx_packets;
  result.tx_bytes -= earlier.tx_bytes;
  result.tx_errors -= earlier.tx_errors;
  result.tx_corrupted -= earlier.tx_corrupted;
  result.tx_unchecked -= earlier.tx_unchecked;
  result.interrupts -= earlier.interrupts;
  result.dma_errors -= earlier.dma_errors;
  return result;
}

void Nic::restart_statistics() {
  at_restart_ = total_;
  rx_latency_ = core::LatencyHistogram();
  tx_latency_ = core::LatencyHistogram();
  port.statistics.restart(now_ticks());
}

bool Nic::idle() const { return port.idle() && (removed_ || (rx_.quiet() && tx_.quiet() && !receiving_now_)); }

// ---- Arrival.

void Nic::set_packets(std::vector<NicPacket> packets) {
  packets.erase(std::remove_if(packets.begin(), packets.end(), [](const NicPacket& p) { return p.length == 0; }),
                packets.end());
  std::stable_sort(packets.begin(), packets.end(),
                   [](const NicPacket& a, const NicPacket& b) { return a.arrival < b.arrival; });
  packets_ = std::move(packets);
}

void Nic::start() {
  if (started_) return;
  started_ = true;
  origin_ = now_ticks();
  if (packets_.empty()) {
    receive_done_event_.notify(sc_core::SC_ZERO_TIME);
  } else {
    arrival_event_.notify(to_sc_time(packets_.front().arrival));
  }
}

void Nic::arrivals() {
  const core::Tick now = now_ticks();
  while (next_packet_ < packets_.size()) {
    const core::Tick at = origin_ + packets_[next_packet_].arrival;
    if (at > now) {
      arrival_event_.notify(delay_until(at));
      return;
    }
    // With flow control the packet stays on the wire; whoever makes room notifies.
    if (config_.flow_control && !removed_ && (!rx_.running() || fifo_.size() >= config_.fifo_packets)) return;
    arrive(packets_[next_packet_++], at);
  }
}

void Nic::arrive(const NicPacket& packet, core::Tick at) {
  if (!rx_.running()) {
    handle(total_.rx_dropped_disabled);
  } else if (fifo_.size() >= config_.fifo_packets) {
    handle(total_.rx_dropped_fifo);
  } else {
    fifo_.push_back({at, packet.length, packet.number});
    pump_receive();
  }
}

/// One more packet is handled, in a way that `counter` counts.
void Nic::handle(std::uint64_t& counter) {
  ++counter;
  if (++handled_ == packets_.size()) receive_done_event_.notify(sc_core::SC_ZERO_TIME);
}

// ---- Receive.

void Nic::pump_receive() {
  while (true) {
    while (receiving_now_) {
      if (!rx_.job_room()) return;
      NicJob& job = rx_.add_job();
      job.descriptor = rx_.take_fetched();
      job.tag = receiving_.number;
      job.packet_offset = received_;
      job.begin = receiving_.at;
      job.failed = job.descriptor.bad;
      if (!job.descriptor.bad) {
        job.bytes = std::min(nic::descriptor::length_of(job.descriptor.word1), receiving_.length - received_);
      }
      received_ += job.bytes;
      // Nothing can follow a descriptor that is not known.
      job.end_of_packet = job.descriptor.bad || received_ == receiving_.length;
      receiving_now_ = !job.end_of_packet;
      issue_payload(rx_, job, true);
    }
    if (!rx_.running() || fifo_.empty()) return;
    if (!prepare_receive(fifo_.front())) return;
    if (receiving_now_) receiving_ = fifo_.front();
    fifo_.pop_front();
    if (config_.flow_control) arrival_event_.notify(sc_core::SC_ZERO_TIME);
  }
}

/// True when the packet can leave the FIFO: its descriptors are there (receiving_now_), or it is dropped.
bool Nic::prepare_receive(const Arrived& packet) {
  if (rx_.fetched_room(packet.length)) {
    receiving_now_ = true;
    received_ = 0;
    return true;
  }
  if (rx_.fetching()) return false;
  if (rx_.can_fetch()) {
    fetch(rx_);
    return false;
  }
  // The ring is empty; with flow control the driver's next doorbell is waited for unless it has no more to give.
  if (config_.flow_control && rx_.fetched() + 1 < rx_.entries()) return false;
  handle(total_.rx_dropped_no_descriptor);
  return true;
}

// ---- Transmit.

void Nic::pump_transmit() {
  while (tx_.running() && tx_.job_room()) {
    if (tx_.fetched() == 0) {
      if (tx_.can_fetch()) fetch(tx_);
      return;
    }
    NicJob& job = tx_.add_job();
    job.descriptor = tx_.take_fetched();
    if (tx_offset_ == 0) tx_begin_ = tx_.doorbell_of(job.descriptor.index);
    job.begin = tx_begin_;
    job.packet_offset = tx_offset_;
    const std::uint64_t word1 = job.descriptor.word1;
    if (job.descriptor.bad) {
      job.failed = true;
      job.end_of_packet = true;  // nothing can be said of what follows: it is taken as a packet of its own
    } else {
      job.bytes = nic::descriptor::length_of(word1);
      job.tag = static_cast<std::uint32_t>(nic::descriptor::TAG.get(word1));
      job.end_of_packet = nic::descriptor::END_OF_PACKET.get(word1) != 0;
    }
    tx_offset_ = job.end_of_packet ? 0 : tx_offset_ + job.bytes;
    issue_payload(tx_, job, false);
  }
}

// ---- DMA.

Nic::Operation& Nic::take_operation(NicQueue* queue) {
  if (free_operations_.empty()) {
    operations_.push_back(std::make_unique<Operation>());
    const std::uint32_t batch_bytes = config_.descriptor_batch * nic::descriptor::kBytes;
    const std::uint32_t bytes = std::max({config_.max_payload, config_.max_read_request, batch_bytes});
    operations_.back()->buffer.resize((bytes + 7) / 8);
    free_operations_.push_back(operations_.back().get());
  }
  Operation& operation = *free_operations_.back();
  free_operations_.pop_back();
  operation.data = operation.bytes();
  operation.queue = queue;
  operation.ready_at = now_ticks();
  return operation;
}

void Nic::fetch(NicQueue& queue) {
  const NicQueue::Fetch read = queue.begin_fetch(config_.descriptor_batch);
  Operation& operation = take_operation(&queue);
  operation.kind = Operation::Kind::Fetch;
  operation.address = read.address;
  operation.length = read.count * nic::descriptor::kBytes;
  operation.write = false;
  port.issue(operation);
}

/// All DMA of a job's payload; none crosses a 4 KiB boundary, which PCI Express forbids.
void Nic::issue_payload(NicQueue& queue, NicJob& job, bool write) {
  const std::uint32_t most = write ? config_.max_payload : config_.max_read_request;
  for (std::uint32_t done = 0; done < job.bytes;) {
    const core::Address address = job.descriptor.buffer + done;
    const auto in_page = static_cast<std::uint32_t>(core::kPageBytes - address % core::kPageBytes);
    Operation& operation = take_operation(&queue);
    operation.kind = Operation::Kind::Payload;
    operation.job = &job;
    operation.address = address;
    operation.length = std::min({most, job.bytes - done, in_page});
    operation.write = write;
    operation.packet_offset = job.packet_offset + done;
    if (write) core::fill_payload(job.tag, operation.packet_offset, operation.data, operation.length);
    done += operation.length;
    ++job.open;
    port.issue(operation);
  }
  if (job.open == 0) complete(queue);
}

/// Writes the completions whose turn it is.
void Nic::complete(NicQueue& queue) {
  namespace d = nic::descriptor;
  while (NicJob* job = queue.next_completion()) {
    queue.packet_failed = queue.packet_failed || job->failed;
    bool error = job->failed;
    if (job->end_of_packet) {
      job->packet_failed = std::exchange(queue.packet_failed, false);
      error = job->packet_failed;
    }
    Operation& operation = take_operation(&queue);
    operation.kind = Operation::Kind::Completion;
    operation.job = job;
    operation.address = queue.word1_address(job->descriptor.index);
    operation.length = 8;
    operation.write = true;
    operation.buffer[0] = d::LENGTH.of(job->bytes) | d::DONE.of(1) | d::END_OF_PACKET.of(job->end_of_packet ? 1 : 0) |
                          d::ERROR.of(error ? 1 : 0) | d::TAG.of(job->tag);
    port.issue(operation);
  }
}

/// Gives the descriptors back whose completions are written, in ring order.
void Nic::retire(NicQueue& queue) {
  while (const NicJob* job = queue.oldest_written()) {
    const bool end_of_packet = job->end_of_packet;
    account(queue, *job);
    queue.pop_job();
    if (end_of_packet) raise_interrupt();
  }
}

void Nic::dma_done(DmaOperation& ended) {
  auto& operation = static_cast<Operation&>(ended);
  if (!operation.ok()) ++total_.dma_errors;
  if (removed_) return;  // what it belongs to is lost
  NicQueue* queue = operation.queue;
  NicJob* job = operation.job;
  switch (operation.kind) {
    case Operation::Kind::Fetch:
      queue->end_fetch(operation.ok() ? operation.buffer.data() : nullptr);
      break;
    case Operation::Kind::Payload:
      if (!operation.ok()) {
        job->failed = true;
      } else if (!operation.write && job->tag != nic::descriptor::kUncheckedTag &&
                 !core::check_payload(job->tag, operation.packet_offset, operation.data, operation.length)) {
        job->corrupted = true;
      }
      if (--job->open == 0) complete(*queue);
      break;
    case Operation::Kind::Completion:
      job->failed = job->failed || !operation.ok();
      job->written = true;
      job->end = operation.end;
      retire(*queue);
      break;
    case Operation::Kind::Interrupt:
      if (operation.ok()) ++total_.interrupts;
      break;
  }
  free_operations_.push_back(&operation);
  pump_receive();
  pump_transmit();
  if (enable_wanted_ && !enabled_ && idle()) enable();
}

}  // namespace iommu::sim
