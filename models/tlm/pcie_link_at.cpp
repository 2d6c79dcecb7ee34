// The link's non-blocking side: the same steps as in LT, each at its simulated time.
//
// A part whose turn it is takes the wire for as soon as that is free; so a part on its way up costs one event, a read's
// answer one more.
#include <algorithm>

#include "models/tlm/pcie_link_state.h"

namespace iommu::sim {

::tlm::tlm_sync_enum PcieLink::nb_transport_fw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                               sc_core::sc_time& delay) {
  if (phase == ::tlm::END_RESP) {
    response_ended();
    return ::tlm::TLM_COMPLETED;
  }
  if (phase != ::tlm::BEGIN_REQ) return ::tlm::TLM_ACCEPTED;
  if (answer_at_once(payload)) return ::tlm::TLM_COMPLETED;
  if (payload.has_mm()) payload.acquire();
  Dma& dma = take(payload, now_ticks(delay));
  if (delay == sc_core::SC_ZERO_TIME) {
    in_forward_ = true;
    arrive(dma);
    in_forward_ = false;
  } else {
    due_->push(dma.arrival, {Due::What::Arrival, 0, &dma, nullptr});
  }
  phase = ::tlm::END_REQ;
  delay = sc_core::SC_ZERO_TIME;
  return ::tlm::TLM_UPDATED;
}

::tlm::tlm_sync_enum PcieLink::host_bw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                       sc_core::sc_time& delay) {
  return initiator_.backward(payload, phase, delay);
}

void PcieLink::HostEnded::operator()(::tlm::tlm_generic_payload& payload, core::Tick at) const {
  link->host_ended(*static_cast<Part*>(AccessPool::slot_of(payload).user), at);
}

void PcieLink::run_due() {
  Due due;
  while (due_->pop_due(due)) handle(due);
}

void PcieLink::handle(const Due& due) {
  switch (due.what) {
    case Due::What::Arrival:
      return arrive(*due.dma);
    case Due::What::AtHost:
      return send_up(*due.part);
    case Due::What::Answered:
      complete(*due.part);
      if (config_.tags != 0) due_->push(due.part->at, {Due::What::Tag, 0, nullptr, nullptr});
      return part_ended(*due.part);
    case Due::What::Tag:
      --tags_in_use_;
      return admit();
    case Due::What::Credits:
      credits_in_use_ -= due.credits;
      return admit();
  }
}

void PcieLink::arrive(Dma& dma) {
  dma.order = arrivals_++;
  (dma.posted ? writes_ : reads_)->append(dma);
  admit();
}

/// Whose turn it is: the oldest, or, when that is a read without a tag, the oldest write.
void PcieLink::admit() {
  for (;;) {
    const Dma* write = writes_->first;
    const Dma* read = reads_->first;
    const bool read_first = read != nullptr && (write == nullptr || read->order < write->order);
    if (read_first && admit_first(*reads_)) continue;
    if (write == nullptr || !admit_first(*writes_)) return;
  }
}

/// Lets the lane's next part go when it has a tag or credits.
bool PcieLink::admit_first(Lane& lane) {
  Dma& dma = *lane.first;
  Part& part = dma.parts[dma.next_part];
  const bool free = dma.posted ? config_.posted_credits == 0 || credits_in_use_ + part.credits <= config_.posted_credits
                               : config_.tags == 0 || tags_in_use_ < config_.tags;
  if (!free) {
    if (!dma.waits) ++(dma.posted ? counters_.waited_for_credits : counters_.waited_for_tag);
    dma.waits = true;
    return false;
  }
  dma.waits = false;
  if (dma.posted) {
    credits_in_use_ += part.credits;
  } else {
    ++tags_in_use_;
  }
  start(part, now_ticks());
  due_->push(part.at, {Due::What::AtHost, 0, nullptr, &part});
  if (++dma.next_part == dma.parts.size()) {
    lane.first = dma.next;
    if (dma.posted) tell_accepted(dma);
  }
  return true;
}

void PcieLink::tell_accepted(Dma& dma) {
  if (dma.extension == nullptr) return;
  dma.extension->accepted = dma.accepted;
  if (in_forward_ || !dma.extension->tell_accepted) return;  // it reads the extension when the call returns
  ::tlm::tlm_phase phase = DMA_ACCEPTED;
  sc_core::sc_time delay = delay_until(dma.accepted);
  device->nb_transport_bw(*dma.payload, phase, delay);
}

void PcieLink::send_up(Part& part) {
  prepare(part);
  if (const auto at = initiator_.issue(*part.slot)) host_ended(part, *at);
}

/// The host's response, at `at` or known by now to come then.
void PcieLink::host_ended(Part& part, core::Tick at) {
  part.host_time = at - part.at;
  part.at = at;
  if (!part.dma->posted) {
    due_->push(at, {Due::What::Answered, 0, nullptr, &part});
    return;
  }
  if (config_.posted_credits != 0) due_->push(at, {Due::What::Credits, part.credits, nullptr, nullptr});
  part_ended(part);
}

void PcieLink::part_ended(Part& part) {
  Dma& dma = *part.dma;
  if (--dma.open != 0) return;
  finish(dma);
  respond(dma);
}

// One response at a time to the device.
void PcieLink::respond(Dma& dma) {
  if (in_response_ != nullptr) {
    responses_.push_back(&dma);
  } else {
    send_response(dma);
  }
}

void PcieLink::send_response(Dma& dma) {
  ::tlm::tlm_phase phase = ::tlm::BEGIN_RESP;
  sc_core::sc_time delay = delay_until(std::max(dma.end, now_ticks()));
  in_response_ = &dma;
  const ::tlm::tlm_sync_enum status = device->nb_transport_bw(*dma.payload, phase, delay);
  const bool ended = status == ::tlm::TLM_COMPLETED || (status == ::tlm::TLM_UPDATED && phase == ::tlm::END_RESP);
  if (ended && in_response_ == &dma) response_ended();
}

void PcieLink::response_ended() {
  if (in_response_ == nullptr) return;
  Dma& dma = *in_response_;
  in_response_ = nullptr;
  ::tlm::tlm_generic_payload& payload = *dma.payload;
  release(dma);
  if (payload.has_mm()) payload.release();
  if (responses_.empty()) return;
  Dma* next = responses_.front();
  responses_.pop_front();
  send_response(*next);
}

}  // namespace iommu::sim
