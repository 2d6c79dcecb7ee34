// The translation unit's blocking side: one DMA from its request to its response within one call.
#include <algorithm>

#include "models/tlm/translation_simple.h"

namespace iommu::sim {

// --- Simple accesses: translation_simple.h

// The initiator's own payload goes on, under its other address; its translation was there at `translated`.
inline void TranslationUnit::access_simple(::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                           sc_core::sc_time& delay, core::Address host, core::Tick translated,
                                           core::OutcomeClass outcome) {
  ++counters_.requests;
  ++counters_.pieces;
  counters_.bytes += payload.get_data_length();
  const core::Address address = payload.get_address();
  Downstream& downstream = downstream_[downstream_epoch_];
  payload.set_address(host);
  ++downstream.open;
  bound_memory_->b_transport(payload, delay);
  --downstream.open;
  payload.set_address(address);
  payload.set_dmi_allowed(false);
  const core::Tick end = kernel_time_.now(delay);
  downstream.until = std::max(downstream.until, end);
  const core::Tick waited = extension.wait;
  if (waited != 0) {
    extension.wait = 0;
    extension.stages.charge(core::Stage::DownstreamWait, waited);
  }
  extension.stages.charge(core::Stage::Downstream, end - translated - waited);
  if (!payload.is_response_ok()) outcome = core::OutcomeClass::Fault;
  extension.outcome = outcome;
  ++counters_.outcomes[static_cast<std::size_t>(outcome)];
}

// The IOTLB has it, and all checks are passed.
inline void TranslationUnit::pass_simple(::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                         sc_core::sc_time& delay, core::Tick arrival, const IotlbAnswer& answer,
                                         core::Address host) {
  extension.clear_report();
  charge_look_ups(extension.stages, arrival, answer);
  add_look_ups(delay, answer.ready - arrival);
  const bool merged = answer.kind == IotlbAnswer::Kind::Merged;
  access_simple(payload, extension, delay, host, answer.ready,
                merged ? core::OutcomeClass::Merged : core::OutcomeClass::Hit);
}

void TranslationUnit::b_transport(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  auto* extension = payload.get_extension<DmaExtension>();
  if (!is_simple(payload, extension)) return run_in_full(port, payload, delay);
  const core::Address address = payload.get_address();
  const std::uint64_t page = address >> core::kPageShift;
  const std::uint32_t who = KnownPages::who(extension->requester, payload.is_write());
  KnownPage& known = known_->place(page, who);
  if (known.page != page || known.who != who || known.epoch != known_->epoch) {
    return run_unknown(port, payload, *extension, delay);
  }
  const core::AddressSpace* space = context_cache_.find(extension->requester);
  const core::Tick arrival = kernel_time_.now(delay);
  const IotlbHit hit = bound_iotlb_->hit_again(known.entry, arrival + config_.context_latency);
  if (hit.looked_up == 0) return run_known(port, payload, *extension, delay, *space, known);
  extension->clear_report();
  charge_look_ups(extension->stages, arrival, hit);
  add_look_ups(delay, hit.looked_up - arrival);
  const core::Address host = known.output_page | (address & (core::kPageBytes - 1));
  access_simple(payload, *extension, delay, host, hit.looked_up, core::OutcomeClass::Hit);
}

// All checks are known to be passed, if the IOTLB still says the same.
void TranslationUnit::run_known(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                sc_core::sc_time& delay, const core::AddressSpace& space, KnownPage& known) {
  const core::Address address = payload.get_address();
  const core::Tick arrival = kernel_time_.now(delay);
  const core::Address host = known.output_page | (address & (core::kPageBytes - 1));
  const IotlbAnswer answer = iotlb->lookup(space.tag, address, arrival + config_.context_latency, false);
  const bool as_known = answer.kind != IotlbAnswer::Kind::Miss && answer.mapping.permissions == known.permissions &&
                        answer.mapping.output(address) == host;
  if (!as_known) return run_answered(port, payload, extension, delay, arrival, space, answer);
  known.entry = answer.entry;
  pass_simple(payload, extension, delay, arrival, answer, host);
}

// A page that the requester has not accessed like this, or that something has changed for since.
void TranslationUnit::run_unknown(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                  sc_core::sc_time& delay) {
  const core::AddressSpace* space = find_space(simple_request(payload, extension));
  if (space == nullptr) return run_in_full(port, payload, delay);
  const core::Tick arrival = kernel_time_.now(delay);
  const IotlbAnswer answer = iotlb->lookup(space->tag, payload.get_address(), arrival + config_.context_latency, false);
  run_answered(port, payload, extension, delay, arrival, *space, answer);
}

// The IOTLB has answered; what the answer means has to be looked at.
void TranslationUnit::run_answered(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                   sc_core::sc_time& delay, core::Tick arrival, const core::AddressSpace& space,
                                   const IotlbAnswer& answer) {
  if (answer.kind == IotlbAnswer::Kind::Miss)
    return walk_simple(port, payload, extension, delay, arrival, space, answer);
  const core::Request request = simple_request(payload, extension);
  const core::Address host = answer.mapping.output(request.address);
  if (!space.permits(answer.mapping.permissions, request.wanted(), false) ||
      front_end_->check_output(request, &space, host)) {
    return go_on_in_full(port, payload, delay, arrival, space, answer, nullptr);
  }
  known_->remember(request, answer.mapping, answer.entry, known_->epoch);
  pass_simple(payload, extension, delay, arrival, answer, host);
}

core::Request TranslationUnit::simple_request(const ::tlm::tlm_generic_payload& payload,
                                              const DmaExtension& extension) {
  core::Request request;
  request.address = payload.get_address();
  request.length = payload.get_data_length();
  request.kind = payload.is_write() ? core::AccessKind::Write : core::AccessKind::Read;
  request.requester = extension.requester;
  return request;
}

// What comes before the IOTLB, when all of it is passed: the space, or nullptr with nothing done.
const core::AddressSpace* TranslationUnit::find_space(const core::Request& request) {
  if (front_end_->gate(request).kind != core::Gate::Kind::Translate) return nullptr;
  const core::AddressSpace* space = context_cache_.peek(request.requester);
  if (space == nullptr || space->pass_through || front_end_->check_input(request, *space)) return nullptr;
  return context_cache_.find(request.requester);
}

void TranslationUnit::walk_simple(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                  sc_core::sc_time& delay, core::Tick arrival, const core::AddressSpace& space,
                                  const IotlbAnswer& answer) {
  const core::Request request = simple_request(payload, extension);
  const std::uint64_t epoch = known_->epoch;
  extension.clear_report();
  charge_look_ups(extension.stages, arrival, answer);
  SimpleWalk walk;
  WalkJob& job = walk.job;
  job.space = space;
  job.input = request.address;
  job.wanted = request.wanted();
  job.stages = &extension.stages;
  walk.requester = request.requester;
  simple_walks_.push_back(&walk);
  add_look_ups(delay, answer.ready - arrival);
  walker->walk_blocking(job, delay);
  // Others that came later may still be waiting for memory.
  if (simple_walks_.back() != &walk)
    std::swap(*std::find(simple_walks_.begin(), simple_walks_.end(), &walk), simple_walks_.back());
  simple_walks_.pop_back();
  const core::Mapping* mapping = std::get_if<core::Mapping>(&job.outcome);
  if (walk.stale || mapping == nullptr ||
      front_end_->check_output(request, &job.space, mapping->output(request.address))) {
    go_on_in_full(port, payload, delay, arrival, job.space, answer, &walk);
    return;
  }
  iotlb->fill(job.space.tag, request.address, *mapping, job.end);
  known_->remember(request, *mapping, {}, epoch);
  access_simple(payload, extension, delay, mapping->output(request.address), job.end,
                core::walk_outcome(job.entries_read));
}

// What is neither simple nor refused: a record for the whole and one for each page.
void TranslationUnit::run_in_full(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  if (payload.get_command() == ::tlm::TLM_IGNORE_COMMAND) {
    payload.set_response_status(::tlm::TLM_OK_RESPONSE);
    return;
  }
  if (refuse(payload) != nullptr) {
    payload.set_response_status(::tlm::TLM_BURST_ERROR_RESPONSE);
    return;
  }
  Transaction& transaction = *take_transaction(payload, port, now_ticks(delay));
  core::Tick at = transaction.end;
  for (Piece* piece : transaction.pieces) {
    begin_piece(*piece, at);
    at = run_blocking(*piece);
  }
  conclude_blocking(transaction, delay);
}

void TranslationUnit::conclude_blocking(Transaction& transaction, sc_core::sc_time& delay) {
  finish_transaction(transaction);
  delay = delay_until(transaction.end);
  release(transaction);
}

// It is not as simple as it seemed: goes on with a record of what has been found, from the IOTLB's answer on or from the
// end of its walk.
void TranslationUnit::go_on_in_full(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay,
                                    core::Tick arrival, const core::AddressSpace& space, const IotlbAnswer& answer,
                                    const SimpleWalk* walk) {
  core::StageTimes spent;
  if (walk != nullptr) spent = *walk->job.stages;
  Transaction& transaction = *take_transaction(payload, port, arrival);
  Piece& piece = *transaction.pieces.front();
  enter_flight(piece);
  piece.flow.start_resolved(space);
  if (walk == nullptr) {
    piece.stages.charge(core::Stage::ContextCache, config_.context_latency);
    piece.at += config_.context_latency;
    take_answer(piece, answer);
  } else {
    piece.stages = spent;
    piece.at = walk->job.end;
    piece.walking = true;
    piece.stale = walk->stale;
    piece.job = walk->job;
    piece.flow.walked(walk->job.outcome);
  }
  run_blocking(piece);
  conclude_blocking(transaction, delay);
}

// --- All others

// One page's part, which has begun; returns when its translation was there, which is when the next part begins.
core::Tick TranslationUnit::run_blocking(Piece& piece) {
  using Need = core::TranslationFlow::Need;
  for (;;) {
    while (piece.flow.need() != Need::Done) step_blocking(piece);
    // Only a memory that waits inside b_transport lets an invalidation come in between.
    if (!piece.stale) break;
    restart(piece, piece.at);
  }
  if (piece.walking && piece.flow.route() != core::TranslationFlow::Route::Blocked) {
    iotlb->fill(piece.flow.space().tag, piece.flow.request().address, piece.flow.mapping(), piece.at);
  }
  if (config_.in_order) order_delivery(piece);
  no_longer_in_flight(piece);
  note_outcome(piece);
  const core::Tick translated = piece.at;
  if (piece.flow.route() != core::TranslationFlow::Route::Memory) return translated;
  prepare_downstream(piece);
  sc_core::sc_time delay = delay_until(piece.at);
  ++downstream_[piece.epoch].open;
  memory->b_transport(*piece.slot, delay);
  --downstream_[piece.epoch].open;
  downstream_ended(piece, now_ticks(delay));
  return translated;
}

void TranslationUnit::take_answer(Piece& piece, const IotlbAnswer& answer) {
  piece.stages.charge(core::Stage::IotlbPortWait, answer.start - piece.at);
  piece.stages.charge(core::Stage::Iotlb, answer.looked_up - answer.start);
  piece.stages.charge(core::Stage::MergeWait, answer.ready - answer.looked_up);
  piece.at = answer.ready;
  if (answer.kind == IotlbAnswer::Kind::Miss) {
    piece.flow.translation_missing();
  } else {
    piece.merged = answer.kind == IotlbAnswer::Kind::Merged;
    piece.flow.translation_found(answer.mapping);
  }
}

void TranslationUnit::step_blocking(Piece& piece) {
  using Need = core::TranslationFlow::Need;
  core::TranslationFlow& flow = piece.flow;
  switch (flow.need()) {
    case Need::ContextLookup: {
      piece.stages.charge(core::Stage::ContextCache, config_.context_latency);
      piece.at += config_.context_latency;
      const core::AddressSpace* space = context_cache_.find(flow.request().requester);
      if (space != nullptr) {
        flow.context_found(*space);
      } else {
        flow.context_missing();
      }
      break;
    }
    case Need::ContextRead: {
      if (piece.slot == nullptr) piece.slot = &pool_.take();
      begin_context_read(piece, *piece.slot);
      sc_core::sc_time delay = delay_until(piece.at);
      structures->b_transport(*piece.slot, delay);
      context_read_ended(piece, now_ticks(delay));
      flow.context_read(piece.slot->result());
      if (flow.has_space() && !piece.stale) {
        context_cache_.fill(flow.request().requester, flow.space());
        known_->forget();  // another context may have gone
      }
      break;
    }
    case Need::IotlbLookup: {
      if (config_.in_order) order_look_up(piece);
      take_answer(piece, iotlb->lookup(flow.space().tag, flow.request().address, piece.at, false));
      break;
    }
    case Need::Walk:
      piece.walking = true;
      piece.job.space = flow.space();
      piece.job.input = flow.request().address;
      piece.job.wanted = flow.request().wanted();
      piece.job.zero_length = flow.request().zero_length;
      piece.job.stages = &piece.stages;
      {
        sc_core::sc_time delay = delay_until(piece.at);
        walker->walk_blocking(piece.job, delay);
      }
      piece.at = piece.job.end;
      if (config_.in_order) upstream_of(piece).look_ups_from = piece.job.start;
      flow.walked(piece.job.outcome);
      break;
    case Need::Done:
      break;
  }
}

}  // namespace iommu::sim
