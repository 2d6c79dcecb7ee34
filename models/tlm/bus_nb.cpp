// The bus's non-blocking side. Targets that complete early pass straight through; for the others the bus remembers who
// waits for what, and keeps the exclusion rules on both of its sides.
//
// Calls may nest (a target may answer from within a request, an initiator may send its next request from within a
// response): an Open isn't touched after a call in which it may have ended, unless that call's result says that it has
// not.
#include <algorithm>

#include "models/tlm/bus.h"
#include "models/tlm/dma_extension.h"

namespace iommu::sim {

namespace {

void charge_wait(const ::tlm::tlm_generic_payload& payload, core::Tick ticks) {
  if (ticks == 0) return;
  if (auto* extension = payload.get_extension<DmaExtension>()) extension->wait += ticks;
}

}  // namespace

Bus::Open& Bus::take(std::size_t initiator, std::size_t target, ::tlm::tlm_generic_payload& payload) {
  if (free_.empty()) {
    all_.emplace_back();
    free_.push_back(&all_.back());
  }
  Open& open = *free_.back();
  free_.pop_back();
  open = {&payload, initiator, target, 0, false, open_.size()};
  open_.push_back(&open);
  if (payload.has_mm()) payload.acquire();
  return open;
}

void Bus::give_back(Open& open) {
  ::tlm::tlm_generic_payload& payload = *open.payload;
  open_[open.index] = open_.back();
  open_[open.index]->index = open.index;
  open_.pop_back();
  free_.push_back(&open);
  if (payload.has_mm()) payload.release();
}

::tlm::tlm_sync_enum Bus::nb_transport_fw(int initiator, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                          sc_core::sc_time& delay) {
  if (phase == ::tlm::BEGIN_REQ) return begin_request(initiator, payload, phase, delay);
  if (phase == ::tlm::END_RESP) return end_response(initiator, payload, delay);
  return ::tlm::TLM_ACCEPTED;
}

::tlm::tlm_sync_enum Bus::begin_request(int initiator, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                        sc_core::sc_time& delay) {
  ++counters_.transactions;
  const core::Tick due = now_ticks(delay) + config_.request_latency;
  const core::AddressRange* range = decode(payload);
  if (range == nullptr) {
    ++counters_.unmapped;
    payload.set_response_status(::tlm::TLM_ADDRESS_ERROR_RESPONSE);
    delay = delay_until(due);
    return ::tlm::TLM_COMPLETED;
  }
  Open& open = take(static_cast<std::size_t>(initiator), range->target, payload);
  Exclusive& requests = requests_[range->target];
  if (requests.taken_by != nullptr || !requests.waiting.empty()) {
    ++counters_.queued_requests;
    open.at = due;
    requests.waiting.push_back(&open);
    return ::tlm::TLM_ACCEPTED;
  }
  Step step = send_request(open, due);
  if (step.status == ::tlm::TLM_ACCEPTED) return step.status;
  core::Tick back = step.at + config_.response_latency;
  if (step.status == ::tlm::TLM_COMPLETED) {
    give_back(open);
  } else if (step.updated_to(::tlm::BEGIN_RESP)) {
    if (queue_response(open, back)) {
      step.phase = ::tlm::END_REQ;  // which BEGIN_RESP implies
    } else {
      Exclusive& responses = responses_[open.initiator];
      responses.taken_by = &open;
      charge_wait(payload, std::max(back, responses.free_at) - back);
      back = std::max(back, responses.free_at);
    }
  }
  if (!requests.waiting.empty()) next_request(range->target);
  phase = step.phase;
  delay = delay_until(back);
  return step.status;
}

// `due` is when it reaches the target if that has ended the request before.
Bus::Step Bus::send_request(Open& open, core::Tick due) {
  Exclusive& requests = requests_[open.target];
  const core::Tick start = std::max({due, requests.free_at, now_ticks()});
  charge_wait(*open.payload, start - due);
  requests.taken_by = &open;
  Step step{::tlm::TLM_ACCEPTED, ::tlm::BEGIN_REQ, 0};
  sc_core::sc_time delay = delay_until(start);
  step.status = targets[static_cast<int>(open.target)]->nb_transport_fw(*open.payload, step.phase, delay);
  step.at = now_ticks(delay);
  // An early completion may lie far ahead and says nothing about when the next request may begin.
  if (step.status == ::tlm::TLM_COMPLETED) request_ended(open, 0);
  if (step.status == ::tlm::TLM_UPDATED) request_ended(open, step.at);
  return step;
}

void Bus::request_ended(const Open& open, core::Tick at) {
  Exclusive& requests = requests_[open.target];
  if (requests.taken_by != &open) return;
  requests.taken_by = nullptr;
  requests.free_at = std::max(requests.free_at, at);
}

void Bus::next_request(std::size_t target) {
  Exclusive& requests = requests_[target];
  while (requests.taken_by == nullptr && !requests.waiting.empty()) {
    Open& open = *requests.waiting.front();
    requests.waiting.pop_front();
    const Step step = send_request(open, open.at);
    const core::Tick back = step.at + config_.response_latency;
    if (step.status == ::tlm::TLM_COMPLETED) {
      open.target_done = true;
      respond(open, back);
    } else if (step.updated_to(::tlm::BEGIN_RESP)) {
      respond(open, back);
    } else if (step.updated_to(::tlm::END_REQ)) {
      ::tlm::tlm_phase phase = ::tlm::END_REQ;
      sc_core::sc_time delay = delay_until(back);
      initiators[static_cast<int>(open.initiator)]->nb_transport_bw(*open.payload, phase, delay);
    }
  }
}

::tlm::tlm_sync_enum Bus::nb_transport_bw(int target, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                          sc_core::sc_time& delay) {
  if (phase != ::tlm::END_REQ && phase != ::tlm::BEGIN_RESP) return ::tlm::TLM_ACCEPTED;
  const auto number = static_cast<std::size_t>(target);
  const auto found = std::find_if(open_.begin(), open_.end(), [&](const Open* candidate) {
    return candidate->payload == &payload && candidate->target == number;
  });
  if (found == open_.end()) {
    SC_REPORT_ERROR("iommu-vp", ("bus '" + std::string(name()) + "': " + target_names_[number] +
                                 " answers a transaction that it doesn't have")
                                    .c_str());
    return ::tlm::TLM_COMPLETED;
  }
  Open& open = **found;
  const std::size_t initiator = open.initiator;
  const core::Tick at = now_ticks(delay);
  const core::Tick back = at + config_.response_latency;
  request_ended(open, at);  // BEGIN_RESP implies it
  ::tlm::tlm_sync_enum result = ::tlm::TLM_ACCEPTED;
  if (phase == ::tlm::END_REQ) {
    sc_core::sc_time later = delay_until(back);
    initiators[static_cast<int>(initiator)]->nb_transport_bw(payload, phase, later);
    phase = ::tlm::END_REQ;
  } else if (!queue_response(open, back)) {
    const Step step = send_response(open, back);
    if (step.response_ended()) {
      open.target_done = true;  // it hears of the end by this call's return
      response_ended(open, step.at);
      next_response(initiator);
      phase = ::tlm::END_RESP;
      delay = delay_until(step.at + config_.request_latency);
      result = ::tlm::TLM_COMPLETED;
    }
  }
  next_request(number);
  return result;
}

// False when the initiator's response phase is free.
bool Bus::queue_response(Open& open, core::Tick due) {
  Exclusive& responses = responses_[open.initiator];
  if (responses.taken_by == nullptr && responses.waiting.empty()) return false;
  ++counters_.queued_responses;
  open.at = due;
  responses.waiting.push_back(&open);
  return true;
}

Bus::Step Bus::send_response(Open& open, core::Tick due) {
  Exclusive& responses = responses_[open.initiator];
  const core::Tick start = std::max({due, responses.free_at, now_ticks()});
  charge_wait(*open.payload, start - due);
  responses.taken_by = &open;
  Step step{::tlm::TLM_ACCEPTED, ::tlm::BEGIN_RESP, 0};
  sc_core::sc_time delay = delay_until(start);
  step.status = initiators[static_cast<int>(open.initiator)]->nb_transport_bw(*open.payload, step.phase, delay);
  step.at = now_ticks(delay);
  return step;
}

void Bus::respond(Open& open, core::Tick due) {
  if (queue_response(open, due)) return;
  const std::size_t initiator = open.initiator;
  const Step step = send_response(open, due);
  if (!step.response_ended()) return;
  response_ended(open, step.at);
  next_response(initiator);
}

// The initiator has ended the response at `at`; the target hears of it, and the transaction is over.
void Bus::response_ended(Open& open, core::Tick at) {
  Exclusive& responses = responses_[open.initiator];
  responses.taken_by = nullptr;
  responses.free_at = std::max(responses.free_at, at);
  if (!open.target_done) {
    ::tlm::tlm_phase phase = ::tlm::END_RESP;
    sc_core::sc_time delay = delay_until(at + config_.request_latency);
    targets[static_cast<int>(open.target)]->nb_transport_fw(*open.payload, phase, delay);
  }
  give_back(open);
}

void Bus::next_response(std::size_t initiator) {
  Exclusive& responses = responses_[initiator];
  while (responses.taken_by == nullptr && !responses.waiting.empty()) {
    Open& open = *responses.waiting.front();
    responses.waiting.pop_front();
    const Step step = send_response(open, open.at);
    if (step.response_ended()) response_ended(open, step.at);
  }
}

::tlm::tlm_sync_enum Bus::end_response(int initiator, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const auto number = static_cast<std::size_t>(initiator);
  Open* open = responses_[number].taken_by;
  if (open == nullptr || open->payload != &payload) {
    SC_REPORT_ERROR("iommu-vp", ("bus '" + std::string(name()) + "': initiator " + std::to_string(initiator) +
                                 " ends a response that it wasn't sent")
                                    .c_str());
    return ::tlm::TLM_COMPLETED;
  }
  response_ended(*open, now_ticks(delay));
  next_response(number);
  return ::tlm::TLM_COMPLETED;
}

}  // namespace iommu::sim
