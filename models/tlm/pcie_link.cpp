#include "models/tlm/pcie_link.h"

#include <algorithm>
#include <string>

#include "models/tlm/pcie_link_state.h"

namespace iommu::sim {

namespace {

constexpr std::uint32_t kCreditBytes = 64;

core::PcieConfig checked(const core::PcieConfig& config, const std::string& who) {
  const std::string problem = core::validate(config);
  if (problem.empty()) return config;
  SC_REPORT_ERROR("iommu-vp", (who + ": " + problem).c_str());
  return {};
}

}  // namespace

PcieLink::PcieLink(sc_core::sc_module_name name, const PcieLinkConfig& config)
    : sc_module(name),
      device("device"),
      host("host"),
      config_(config),
      timing_(checked(config.pcie, this->name())),
      timed_tags_(config.tags),
      timed_credits_(config.posted_credits),
      initiator_(host, HostEnded{this}),
      due_(std::make_unique<TimedQueue<Due>>()),
      writes_(std::make_unique<Lane>()),
      reads_(std::make_unique<Lane>()) {
  require_picosecond_resolution();
  device.register_b_transport(this, &PcieLink::b_transport);
  device.register_nb_transport_fw(this, &PcieLink::nb_transport_fw);
  device.register_transport_dbg(this, &PcieLink::transport_dbg);
  device.register_get_direct_mem_ptr(this, &PcieLink::get_direct_mem_ptr);
  host.register_nb_transport_bw(this, &PcieLink::host_bw);
  host.register_invalidate_direct_mem_ptr(this, &PcieLink::invalidate_direct_mem_ptr);
  using SC_CURRENT_USER_MODULE = PcieLink;
  SC_METHOD(run_due);
  sensitive << due_->event();
  dont_initialize();
}

PcieLink::~PcieLink() = default;

/// What is no DMA, or one that the link doesn't take.
bool PcieLink::answer_at_once(::tlm::tlm_generic_payload& payload) {
  payload.set_dmi_allowed(false);
  ::tlm::tlm_response_status status = ::tlm::TLM_INCOMPLETE_RESPONSE;
  if (payload.get_command() == ::tlm::TLM_IGNORE_COMMAND) {
    status = ::tlm::TLM_OK_RESPONSE;
  } else if (payload.get_byte_enable_ptr() != nullptr) {
    status = ::tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  } else if (payload.get_data_length() == 0 || payload.get_data_ptr() == nullptr ||
             payload.get_streaming_width() < payload.get_data_length()) {
    status = ::tlm::TLM_BURST_ERROR_RESPONSE;
  }
  if (status == ::tlm::TLM_INCOMPLETE_RESPONSE) return false;
  payload.set_response_status(status);
  return true;
}

PcieLink::Dma& PcieLink::take(::tlm::tlm_generic_payload& payload, core::Tick arrival) {
  if (free_.empty()) {
    dmas_.push_back(std::make_unique<Dma>());
    free_.push_back(dmas_.back().get());
  }
  Dma& dma = *free_.back();
  free_.pop_back();
  dma.payload = &payload;
  dma.extension = payload.get_extension<DmaExtension>();
  if (dma.extension != nullptr) dma.extension->clear_report();
  dma.atomic = dma.extension != nullptr && dma.extension->atomic;
  dma.posted = payload.is_write() && !dma.atomic;
  dma.arrival = dma.end = arrival;
  dma.accepted = 0;
  dma.next_part = 0;
  dma.waits = false;
  cut(dma);
  dma.open = dma.parts.size();
  return dma;
}

void PcieLink::cut(Dma& dma) {
  const std::uint32_t length = dma.payload->get_data_length();
  for (std::uint32_t offset = 0; offset < length;) {
    const core::Address address = dma.payload->get_address() + offset;
    Part& part = dma.parts.emplace_back();
    part.dma = &dma;
    part.offset = offset;
    part.length = dma.atomic   ? length
                  : dma.posted ? timing_.next_write(address, length - offset)
                               : timing_.next_read_request(address, length - offset);
    part.at = dma.arrival;
    if (dma.posted) part.credits = (part.length + kCreditBytes - 1) / kCreditBytes;
    // A write that is larger than the whole buffer takes all of it.
    if (config_.posted_credits != 0) part.credits = std::min(part.credits, config_.posted_credits);
    offset += part.length;
  }
}

void PcieLink::release(Dma& dma) {
  for (Part& part : dma.parts) {
    if (part.slot == nullptr) continue;
    if (dma.extension == nullptr) part.slot->set_extension(&part.slot->extension);
    pool_.give_back(*part.slot);
  }
  dma.parts.clear();
  free_.push_back(&dma);
}

/// Puts the request on the wire as soon as that is free; at `turn` it has its tag or credits. Afterwards it is at the
/// host.
void PcieLink::start(Part& part, core::Tick turn) {
  const bool payload = part.dma->posted || part.dma->atomic;
  const std::uint32_t bytes = timing_.config().request_overhead_bytes + (payload ? part.length : 0);
  const core::Tick wire = timing_.on_wire(bytes);
  const core::Tick begin = up_.reserve(turn, wire);
  part.wait = begin - part.dma->arrival;
  part.wire = wire;
  part.at = begin + wire + config_.propagation + config_.root_complex;
  part.dma->accepted = begin + wire;
  ++(part.dma->posted ? counters_.writes : counters_.read_requests);
  counters_.up_bytes += bytes;
  counters_.up_busy += wire;
}

/// The transaction for the host, on the initiator's own data.
void PcieLink::prepare(Part& part) {
  const Dma& dma = *part.dma;
  AccessSlot& slot = pool_.take();
  part.slot = &slot;
  slot.user = &part;
  slot.point_to(dma.payload->get_command(), dma.payload->get_address() + part.offset,
                dma.payload->get_data_ptr() + part.offset, part.length);
  if (dma.extension == nullptr) {
    slot.clear_extension(&slot.extension);
    return;
  }
  const DmaExtension& from = *dma.extension;
  slot.extension.requester = from.requester;
  slot.extension.address_type = from.address_type;
  slot.extension.zero_length = from.zero_length;
  slot.extension.atomic = from.atomic;
  slot.extension.has_pasid = from.has_pasid;
  slot.extension.pasid = from.pasid;
  slot.extension.clear_report();
}

/// Sends what the host has answered down, as soon as the wire is free. A failed request is answered without data.
void PcieLink::complete(Part& part) {
  core::Address address = part.dma->payload->get_address() + part.offset;
  std::uint32_t left = part.slot->is_response_ok() ? part.length : 0;
  core::Tick wire = 0;
  do {
    const std::uint32_t length = timing_.next_completion(address, left);
    const std::uint32_t bytes = timing_.config().completion_overhead_bytes + length;
    wire += timing_.on_wire(bytes);
    counters_.down_bytes += bytes;
    ++counters_.completions;
    address += length;
    left -= length;
  } while (left != 0);
  const core::Tick begin = down_.reserve(part.at, wire);
  part.wait += begin - part.at;
  part.wire += wire;
  part.at = begin + wire + config_.propagation;
  counters_.down_busy += wire;
}

/// All parts have ended: the DMA takes as long as its last part, whose stages it gets; any failed part fails it.
void PcieLink::finish(Dma& dma) {
  const Part* last = &dma.parts.front();
  const Part* failed = nullptr;
  for (const Part& part : dma.parts) {
    if (part.at > last->at) last = &part;
    if (failed == nullptr && !part.slot->is_response_ok()) failed = &part;
  }
  dma.end = last->at;
  dma.payload->set_response_status(failed == nullptr ? ::tlm::TLM_OK_RESPONSE : failed->slot->get_response_status());
  if (dma.extension != nullptr) report(dma, *last, failed);
}

void PcieLink::report(const Dma& dma, const Part& last, const Part* failed) const {
  DmaExtension& report = *dma.extension;
  const DmaExtension& from = last.slot->extension;
  report.outcome = failed == nullptr ? from.outcome : core::OutcomeClass::Fault;
  report.fault_reason = failed == nullptr ? std::uint8_t{0} : failed->slot->extension.fault_reason;
  report.stages = from.stages;
  // A host that accounts for nothing but waiting is what lies downstream of the link.
  const core::Tick explained = report.stages.total();
  if (explained + from.wait < last.host_time) {
    const core::Stage rest = explained == 0 ? core::Stage::Downstream : core::Stage::Upstream;
    report.stages.charge(rest, last.host_time - explained - from.wait);
  }
  report.stages.charge(core::Stage::DownstreamWait, from.wait);
  report.stages.charge(core::Stage::LinkWait, last.wait);
  report.stages.charge(core::Stage::LinkWire, last.wire);
  report.stages.charge(core::Stage::LinkLatency, (dma.posted ? 1 : 2) * config_.propagation);
  report.stages.charge(core::Stage::RootComplex, config_.root_complex);
  report.accepted = dma.posted ? dma.accepted : 0;
}

// --- Blocking: one DMA from its request to its response within one call.

void PcieLink::b_transport(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  if (answer_at_once(payload)) return;
  Dma& dma = take(payload, now_ticks(delay));
  const bool in_order = dma.arrival >= latest_arrival_;
  latest_arrival_ = std::max(latest_arrival_, dma.arrival);
  core::Tick turn = dma.arrival;
  if (in_order) turn = std::max({turn, latest_write_, dma.posted ? 0 : latest_read_});
  for (Part& part : dma.parts) {
    run_blocking(part, std::max(turn, now_ticks()));
    turn = dma.arrival + part.wait;
  }
  (dma.posted ? latest_write_ : latest_read_) = turn;
  while (!dma.answered.empty()) complete_first(dma);
  finish(dma);
  delay = delay_until(dma.end);
  release(dma);
}

void PcieLink::run_blocking(Part& part, core::Tick turn) {
  Dma& dma = *part.dma;
  const core::Tick free = dma.posted ? timed_credits_.earliest(turn, part.credits) : tag_free(dma, turn);
  if (free > turn) ++(dma.posted ? counters_.waited_for_credits : counters_.waited_for_tag);
  start(part, free);
  prepare(part);
  const core::Tick up = std::max(part.at, now_ticks());
  sc_core::sc_time delay = delay_until(up);
  host->b_transport(*part.slot, delay);
  const core::Tick at = now_ticks(delay);
  part.host_time = at - part.at;
  part.at = at;
  if (dma.posted) {
    timed_credits_.hold(part.credits, at);
    return;
  }
  const auto after = std::upper_bound(dma.answered.begin(), dma.answered.end(), at,
                                      [](core::Tick time, const Part* other) { return time < other->at; });
  dma.answered.insert(after, &part);
}

/// When the next read of the DMA has a tag. Its earlier ones hold theirs until their completions have come, in the
/// order of their answers: completions go down only as far as that is needed, since the next read's answer may come
/// before the others'.
core::Tick PcieLink::tag_free(Dma& dma, core::Tick now) {
  if (config_.tags == 0) return now;
  for (;;) {
    const auto held = static_cast<std::uint32_t>(dma.answered.size());
    const core::Tick free = timed_tags_.earliest(now, held + 1);
    if (dma.answered.empty() || free <= dma.answered.front()->at) return free;
    complete_first(dma);
  }
}

void PcieLink::complete_first(Dma& dma) {
  Part& part = *dma.answered.front();
  dma.answered.erase(dma.answered.begin());
  complete(part);
  timed_tags_.hold(1, part.at);
}

unsigned PcieLink::transport_dbg(::tlm::tlm_generic_payload& payload) { return host->transport_dbg(payload); }

bool PcieLink::get_direct_mem_ptr(::tlm::tlm_generic_payload& payload, ::tlm::tlm_dmi& dmi) {
  return host->get_direct_mem_ptr(payload, dmi);
}

void PcieLink::invalidate_direct_mem_ptr(sc_dt::uint64 first, sc_dt::uint64 last) {
  device->invalidate_direct_mem_ptr(first, last);
}

}  // namespace iommu::sim
