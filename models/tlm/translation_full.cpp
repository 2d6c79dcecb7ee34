// The translation unit's blocking side for what is not simple: a record for each DMA and each of its pages, whose
// core::TranslationFlow says what comes next.
#include <algorithm>

#include "models/tlm/translation_simple.h"

namespace iommu::sim {

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

// It is not as simple as it seemed: a record for it, with its context looked up.
TranslationUnit::Transaction& TranslationUnit::take_resolved(int port, ::tlm::tlm_generic_payload& payload,
                                                             core::Tick arrival, const core::AddressSpace& space) {
  Transaction& transaction = *take_transaction(payload, port, arrival);
  Piece& piece = *transaction.pieces.front();
  enter_flight(piece);
  piece.flow.start_resolved(space);
  return transaction;
}

// Goes on from the IOTLB's answer.
void TranslationUnit::go_on_answered(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay,
                                     core::Tick arrival, const core::AddressSpace& space, const IotlbAnswer& answer) {
  Transaction& transaction = take_resolved(port, payload, arrival, space);
  Piece& piece = *transaction.pieces.front();
  piece.stages.charge(core::Stage::ContextCache, config_.context_latency);
  piece.at += config_.context_latency;
  take_answer(piece, answer);
  run_blocking(piece);
  conclude_blocking(transaction, delay);
}

// Goes on from the end of its walk.
void TranslationUnit::go_on_walked(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay,
                                   core::Tick arrival, const SimpleWalk& walk) {
  const core::StageTimes spent = *walk.job.stages;
  Transaction& transaction = take_resolved(port, payload, arrival, walk.job.space);
  Piece& piece = *transaction.pieces.front();
  piece.stages = spent;
  piece.at = walk.job.end;
  piece.walking = true;
  piece.stale = walk.stale;
  piece.job = walk.job;
  end_simple_walk(walk);
  piece.flow.walked(piece.job.outcome);
  run_blocking(piece);
  conclude_blocking(transaction, delay);
}

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
