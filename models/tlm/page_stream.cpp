#include "models/tlm/page_stream.h"

#include <algorithm>

#include "models/core/payload_pattern.h"

namespace iommu::sim {

namespace {

constexpr std::uint32_t kProbeBytes = 64;
constexpr std::uint64_t kNoPacket = ~std::uint64_t{0};

}  // namespace

struct PageStream::Operation : DmaOperation {
  Kind kind = Kind::Payload;
};

/// A packet whose DMA is under way.
struct PageStream::Packet {
  std::uint64_t number = 0;
  std::uint32_t ring = 0;
  std::uint32_t slot = 0;
  std::uint32_t buffer = 0;  // of the page
  core::Address page = 0;
  core::Tick arrival = 0;
  unsigned open = 0;  // steps that have not ended
  bool failed = false;
  bool left = false;                    // its payload is the device's no longer
  std::array<Operation, 3> operations;  // by Kind
  std::vector<unsigned char> payload;
  std::array<unsigned char, 64> descriptor{};
  std::array<unsigned char, 64> completion{};
};

struct PageStream::ProbeOperation : Operation {
  Probe* asked = nullptr;
  std::array<unsigned char, kProbeBytes> bytes{};
};

PageStream::PageStream(sc_core::sc_module_name name, const PageStreamConfig& config)
    : sc_module(name),
      port("port", DmaPortConfig{config.mode, config.requester, config.outstanding}, *this),
      socket(port.socket),
      config_(config),
      random_(config.seed),
      rings_(config.rings) {
  for (Ring& ring : rings_) {
    ring.to_fill.resize(config.ring_pages);
    ring.packets.resize(std::size_t{config.ring_pages} * buffers_per_page(), kNoPacket);
  }
  if (config_.offered_kbit_per_s != 0) {
    // Bits by 1000 bits a second, in ticks.
    const std::uint64_t numerator = std::uint64_t{config_.packet_bytes} * 8 * 1'000'000'000;
    interval_ = numerator / config_.offered_kbit_per_s;
    interval_rest_ = numerator % config_.offered_kbit_per_s;
  }
  using SC_CURRENT_USER_MODULE = PageStream;
  SC_METHOD(arrivals);
  sensitive << arrival_event_;
  dont_initialize();
}

PageStream::~PageStream() = default;

void PageStream::set_ring(std::uint32_t ring, core::Address descriptors, core::Address completions) {
  rings_[ring].descriptors = descriptors;
  rings_[ring].completions = completions;
}

void PageStream::start() {
  if (started_) return;
  started_ = true;
  counted_from_ = next_arrival_ = now_ticks();
  arrival_event_.notify(sc_core::SC_ZERO_TIME);
}

void PageStream::post(std::uint32_t ring, std::uint32_t slot, core::Address page) {
  Ring& to = rings_[ring];
  to.posted.push_back({slot, page});
  to.to_fill[slot] = buffers_per_page();
  std::fill_n(to.packets.begin() + static_cast<std::ptrdiff_t>(std::size_t{slot} * buffers_per_page()),
              buffers_per_page(), kNoPacket);
  pump();
}

std::optional<std::uint64_t> PageStream::packet_in(std::uint32_t ring, std::uint32_t slot, std::uint32_t buffer) const {
  const std::uint64_t number = rings_[ring].packets[std::size_t{slot} * buffers_per_page() + buffer];
  if (number == kNoPacket) return std::nullopt;
  return number;
}

void PageStream::restart_counters() {
  counters_ = PageStreamCounters();
  latency_ = core::LatencyHistogram();
  outcomes_ = {};
  counted_from_ = now_ticks();
}

// ---- Arrivals ---------------------------------------------------------------------------------------------------

std::uint32_t PageStream::next_ring() {
  if (config_.order == RingOrder::Random) return static_cast<std::uint32_t>(random_.below(config_.rings));
  const std::uint32_t ring = ring_turn_;
  ring_turn_ = ring_turn_ + 1 == config_.rings ? 0 : ring_turn_ + 1;
  return ring;
}

void PageStream::step_arrival() {
  next_arrival_ += interval_;
  rest_ += interval_rest_;
  if (rest_ < config_.offered_kbit_per_s) return;
  rest_ -= config_.offered_kbit_per_s;
  ++next_arrival_;
}

void PageStream::arrive(core::Tick at) {
  const Waiting packet{arrived_++, next_ring(), at, false};
  ++counters_.offered;
  if (config_.offered_kbit_per_s != 0 && buffered_bytes_ + config_.packet_bytes > config_.nic_buffer_bytes) {
    ++counters_.dropped;
    count_handled();
    return;
  }
  buffered_bytes_ += config_.packet_bytes;
  buffer_.push_back(packet);
}

void PageStream::arrivals() {
  if (config_.offered_kbit_per_s != 0) {
    while (arrived_ < config_.count && next_arrival_ <= now_ticks()) {
      arrive(next_arrival_);
      step_arrival();
      pump();
    }
    if (arrived_ < config_.count) arrival_event_.notify(delay_until(next_arrival_));
  }
  pump();
}

// Begins what can be begun, in the order of arrival. Without a rate the next packet is there when the one before it has
// been begun.
void PageStream::pump() {
  // page_used() may post a page while packets are being begun.
  if (pumping_ || !started_) return;
  pumping_ = true;
  while (port.has_room()) {
    if (buffer_.empty()) {
      if (config_.offered_kbit_per_s != 0 || arrived_ == config_.count) break;
      arrive(now_ticks());
    }
    Waiting& head = buffer_.front();
    if (rings_[head.ring].posted.empty()) {
      if (!head.told) ++counters_.waited_for_page;
      head.told = true;
      break;
    }
    const Waiting packet = head;
    buffer_.pop_front();
    begin(packet);
  }
  pumping_ = false;
}

// ---- One packet -------------------------------------------------------------------------------------------------

PageStream::Packet& PageStream::take_packet() {
  if (free_packets_.empty()) {
    Packet& made = *packets_.emplace_back(std::make_unique<Packet>());
    made.payload.resize(config_.packet_bytes);
    for (std::size_t kind = 0; kind < made.operations.size(); ++kind) {
      made.operations[kind].kind = static_cast<Kind>(kind);
      made.operations[kind].cookie = &made;
    }
    made.operations[0].data = made.descriptor.data();
    made.operations[1].data = made.payload.data();
    made.operations[2].data = made.completion.data();
    free_packets_.push_back(&made);
  }
  Packet& packet = *free_packets_.back();
  free_packets_.pop_back();
  return packet;
}

void PageStream::begin(const Waiting& waiting) {
  Ring& ring = rings_[waiting.ring];
  Packet& packet = take_packet();
  packet.number = waiting.number;
  packet.ring = waiting.ring;
  packet.arrival = waiting.arrival;
  packet.slot = ring.posted.front().slot;
  packet.page = ring.posted.front().page;
  packet.buffer = ring.next_buffer;
  packet.failed = packet.left = false;
  if (++ring.next_buffer == buffers_per_page()) {
    ring.next_buffer = 0;
    ring.posted.pop_front();
  }
  packet.open = 1;
  if (config_.descriptor_bytes == 0) {
    write_payload(packet);
    return;
  }
  const std::uint64_t entry = std::uint64_t{packet.slot} * buffers_per_page() + packet.buffer;
  issue(packet.operations[0], ring.descriptors + entry * config_.descriptor_bytes, config_.descriptor_bytes, false,
        packet.number >= config_.warmup);
}

void PageStream::issue(Operation& operation, core::Address address, std::uint32_t length, bool write, bool counted) {
  operation.address = address;
  operation.length = length;
  operation.write = write;
  operation.ready_at = now_ticks();
  operation.counted = counted;
  port.issue(operation);
}

void PageStream::write_payload(Packet& packet) {
  core::fill_payload(packet.number, 0, packet.payload.data(), config_.packet_bytes);
  issue(packet.operations[1], packet.page + std::uint64_t{packet.buffer} * config_.buffer_bytes, config_.packet_bytes,
        true, packet.number >= config_.warmup);
}

/// The buffer has its room again, and the completion may follow: posted writes stay in order.
void PageStream::payload_left(Packet& packet) {
  if (packet.left) return;
  packet.left = true;
  buffered_bytes_ -= config_.packet_bytes;
  if (config_.completion_bytes == 0 || packet.failed) return;
  ++packet.open;
  const std::uint64_t entry = std::uint64_t{packet.slot} * buffers_per_page() + packet.buffer;
  issue(packet.operations[2], rings_[packet.ring].completions + entry * config_.completion_bytes,
        config_.completion_bytes, true, packet.number >= config_.warmup);
}

void PageStream::dma_accepted(DmaOperation& operation) {
  const auto& own = static_cast<Operation&>(operation);
  if (own.kind == Kind::Payload) payload_left(*static_cast<Packet*>(own.cookie));
  pump();
}

void PageStream::dma_done(DmaOperation& operation) {
  auto& own = static_cast<Operation&>(operation);
  if (own.kind == Kind::Probe) {
    auto& probe = static_cast<ProbeOperation&>(own);
    probe.asked->passed = probe.ok();
    probe.asked->end = probe.end;
    probe.asked->over = true;
    probe.asked->done.notify(sc_core::SC_ZERO_TIME);
    free_probes_.push_back(&probe);
    pump();
    return;
  }
  Packet& packet = *static_cast<Packet*>(own.cookie);
  ++outcomes_[static_cast<std::size_t>(own.kind)][static_cast<std::size_t>(own.outcome)];
  if (!own.ok()) packet.failed = true;
  if (own.kind == Kind::Descriptor && own.ok()) {
    write_payload(packet);
  } else {
    // Without its descriptor a packet can go nowhere.
    if (own.kind != Kind::Completion) payload_left(packet);
    if (--packet.open == 0) end_packet(packet);
  }
  pump();
}

void PageStream::end_packet(Packet& packet) {
  Ring& ring = rings_[packet.ring];
  ring.packets[std::size_t{packet.slot} * buffers_per_page() + packet.buffer] =
      packet.failed ? kNoPacket : packet.number;
  last_end_ = now_ticks();
  if (packet.failed) {
    ++counters_.failed;
  } else {
    ++counters_.received;
    counters_.bytes += config_.packet_bytes;
    latency_.add(last_end_ - packet.arrival);
  }
  const std::uint32_t slot = packet.slot;
  const std::uint32_t number = packet.ring;
  free_packets_.push_back(&packet);
  count_handled();
  if (--ring.to_fill[slot] == 0 && client_ != nullptr) client_->page_used(number, slot);
}

void PageStream::count_handled() {
  ++handled_;
  if (handled_ == config_.warmup && on_warm_) on_warm_();
  if (done()) done_event_.notify(sc_core::SC_ZERO_TIME);
}

// ---- Probes -----------------------------------------------------------------------------------------------------

void PageStream::probe(Probe& probe) {
  if (free_probes_.empty()) {
    ProbeOperation& made = *probes_.emplace_back(std::make_unique<ProbeOperation>());
    made.kind = Kind::Probe;
    made.data = made.bytes.data();
    free_probes_.push_back(&made);
  }
  ProbeOperation& operation = *free_probes_.back();
  free_probes_.pop_back();
  probe.over = false;
  operation.asked = &probe;
  issue(operation, probe.address, kProbeBytes, false, false);
}

}  // namespace iommu::sim
