// The translation unit's blocking side: one DMA from its request to its response within one call.
#include <algorithm>

#include "models/tlm/translation_state.h"

namespace iommu::sim {

void TranslationUnit::b_transport(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  auto* extension = payload.get_extension<DmaExtension>();
  if (const Known* page = known(payload, extension)) return run_known(port, payload, *extension, delay, *page);
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
  if (transaction.pieces.size() == 1) remember(*transaction.pieces.front());
  finish_transaction(transaction);
  delay = delay_until(transaction.end);
  release(transaction);
}

// --- Accesses to known pages: what most of them are, without the machinery that the others need.

const TranslationUnit::Known* TranslationUnit::known(const ::tlm::tlm_generic_payload& payload,
                                                     const DmaExtension* extension) const {
  if (extension == nullptr || !extension->plain() || refuse(payload) != nullptr) return nullptr;
  if (payload.get_byte_enable_ptr() != nullptr || config_.in_order) return nullptr;
  const core::Address address = payload.get_address();
  if ((address & (core::kPageBytes - 1)) + payload.get_data_length() > core::kPageBytes) return nullptr;
  const std::uint64_t page = address >> core::kPageShift;
  const std::uint32_t who = KnownPages::who(extension->requester, payload.is_write());
  const Known& found = known_->place(page, who);
  return found.page == page && found.who == who && found.epoch == known_->epoch ? &found : nullptr;
}

void TranslationUnit::remember(const Piece& piece) {
  const core::TranslationFlow& flow = piece.flow;
  const core::Request& request = flow.request();
  const DmaExtension* extension = piece.transaction->extension;
  const bool passed = flow.route() == core::TranslationFlow::Route::Memory && flow.used_table() && flow.mapping_valid();
  // Without its context in the cache the next access needs more than look-ups.
  if (!passed || extension == nullptr || !extension->plain() || context_cache_.peek(request.requester) == nullptr)
    return;
  const std::uint64_t page = request.address >> core::kPageShift;
  const std::uint32_t who = KnownPages::who(request.requester, request.kind == core::AccessKind::Write);
  known_->place(page, who) = {page, who, flow.mapping().permissions, known_->epoch,
                              flow.host_address() & ~(core::kPageBytes - 1)};
}

void TranslationUnit::run_known(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                sc_core::sc_time& delay, const Known& known) {
  const core::Address address = payload.get_address();
  const core::Tick arrival = now_ticks(delay);
  const core::AddressSpace& space = *context_cache_.find(extension.requester);
  const IotlbAnswer answer = iotlb->lookup(space.tag, address, arrival + config_.context_latency, false);
  const bool as_known = answer.kind != IotlbAnswer::Kind::Miss && answer.mapping.permissions == known.permissions &&
                        (answer.mapping.output(address) & ~(core::kPageBytes - 1)) == known.output_page;
  if (!as_known) {
    Transaction& transaction = *take_transaction(payload, port, arrival);
    Piece& piece = *transaction.pieces.front();
    enter_flight(piece);
    piece.stages.charge(core::Stage::ContextCache, config_.context_latency);
    piece.at += config_.context_latency;
    piece.flow.start_resolved(space);
    take_answer(piece, answer);
    run_blocking(piece);
    remember(piece);
    finish_transaction(transaction);
    delay = delay_until(transaction.end);
    release(transaction);
    return;
  }
  ++counters_.requests;
  ++counters_.pieces;
  counters_.bytes += payload.get_data_length();
  extension.clear_report();
  core::StageTimes& stages = extension.stages;
  stages.charge(core::Stage::ContextCache, config_.context_latency);
  stages.charge(core::Stage::Iotlb, answer.looked_up - answer.start);
  if (const core::Tick port_wait = answer.start - (arrival + config_.context_latency); port_wait != 0) {
    stages.charge(core::Stage::IotlbPortWait, port_wait);
  }
  if (answer.ready != answer.looked_up) stages.charge(core::Stage::MergeWait, answer.ready - answer.looked_up);
  if (const core::Tick took = answer.ready - arrival; took != known_->looked_up) {
    known_->looked_up = took;
    known_->looked_up_time = to_sc_time(took);
  }
  delay += known_->looked_up_time;

  // The initiator's own payload goes on, under its other address.
  const std::uint8_t epoch = downstream_epoch_;
  payload.set_address(known.output_page | (address & (core::kPageBytes - 1)));
  ++downstream_[epoch].open;
  memory->b_transport(payload, delay);
  --downstream_[epoch].open;
  payload.set_address(address);
  payload.set_dmi_allowed(false);
  const core::Tick end = now_ticks(delay);
  downstream_[epoch].until = std::max(downstream_[epoch].until, end);
  const core::Tick waited = extension.wait;
  extension.wait = 0;
  stages.charge(core::Stage::Downstream, end - answer.ready - waited);
  if (waited != 0) stages.charge(core::Stage::DownstreamWait, waited);
  extension.outcome = !payload.is_response_ok()                  ? core::OutcomeClass::Fault
                      : answer.kind == IotlbAnswer::Kind::Merged ? core::OutcomeClass::Merged
                                                                 : core::OutcomeClass::Hit;
  ++counters_.outcomes[static_cast<std::size_t>(extension.outcome)];
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
      walker->walk_blocking(piece.job, piece.at);
      piece.at = piece.job.end;
      if (config_.in_order) upstream_of(piece).look_ups_from = piece.job.start;
      flow.walked(piece.job.outcome);
      break;
    case Need::Done:
      break;
  }
}

}  // namespace iommu::sim
