// The translation unit's blocking side: one DMA from its request to its response within one call.
#include <algorithm>

#include "models/tlm/translation_state.h"

namespace iommu::sim {

void TranslationUnit::b_transport(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
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
  for (Piece* piece : transaction.pieces) at = run_blocking(*piece, at);
  finish_transaction(transaction);
  delay = delay_until(transaction.end);
  release(transaction);
}

// One page's part from `now` on; returns when its translation was there, which is when the next part begins.
core::Tick TranslationUnit::run_blocking(Piece& piece, core::Tick now) {
  using Need = core::TranslationFlow::Need;
  begin_piece(piece, now);
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
      if (flow.has_space() && !piece.stale) context_cache_.fill(flow.request().requester, flow.space());
      break;
    }
    case Need::IotlbLookup: {
      if (config_.in_order) order_look_up(piece);
      const IotlbAnswer answer = iotlb->lookup(flow.space().tag, flow.request().address, piece.at, false);
      piece.stages.charge(core::Stage::IotlbPortWait, answer.start - piece.at);
      piece.stages.charge(core::Stage::Iotlb, answer.looked_up - answer.start);
      piece.stages.charge(core::Stage::MergeWait, answer.ready - answer.looked_up);
      piece.at = answer.ready;
      if (answer.kind == IotlbAnswer::Kind::Miss) {
        flow.translation_missing();
      } else {
        piece.merged = answer.kind == IotlbAnswer::Kind::Merged;
        flow.translation_found(answer.mapping);
      }
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
