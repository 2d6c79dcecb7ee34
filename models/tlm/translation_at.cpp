// The translation unit's non-blocking side: the same steps as in LT, each at its simulated time.
//
// A piece runs ahead of the kernel while it only meets what belongs to it (context cache, IOTLB), and waits for its
// time before it meets what others use too: structure reads, the walker, the way to memory. Before each of those it
// looks whether an invalidation has overtaken it.
#include <algorithm>

#include "models/tlm/translation_state.h"

namespace iommu::sim {

::tlm::tlm_sync_enum TranslationUnit::nb_transport_fw(int port, ::tlm::tlm_generic_payload& payload,
                                                      ::tlm::tlm_phase& phase, sc_core::sc_time& delay) {
  if (phase == ::tlm::END_RESP) {
    response_ended(port);
    return ::tlm::TLM_COMPLETED;
  }
  if (phase != ::tlm::BEGIN_REQ) return ::tlm::TLM_ACCEPTED;
  const core::AddressSpace* looked_up = nullptr;
  if (config_.early_hits && delay == sc_core::SC_ZERO_TIME) {
    const Early early = pass_early(port, payload, delay, looked_up);
    if (early == Early::Ended) return ::tlm::TLM_COMPLETED;
    if (early == Early::Accepted) return end_request(phase, delay);
  }
  if (payload.get_command() == ::tlm::TLM_IGNORE_COMMAND) {
    payload.set_response_status(::tlm::TLM_OK_RESPONSE);
    return ::tlm::TLM_COMPLETED;
  }
  if (refuse(payload) != nullptr) {
    payload.set_response_status(::tlm::TLM_BURST_ERROR_RESPONSE);
    return ::tlm::TLM_COMPLETED;
  }
  if (payload.has_mm()) payload.acquire();
  Transaction& transaction = *take_transaction(payload, port, now_ticks(delay));
  Piece& first = *transaction.pieces.front();
  if (config_.in_order) upstream_of(first).undelivered.push_back(&transaction);
  if (looked_up != nullptr) {
    begin_resolved(first, *looked_up);
  } else {
    begin_piece(first, transaction.end);
  }
  bool ended = false;
  in_forward_ = true;
  if (delay == sc_core::SC_ZERO_TIME) {
    progress(first);
    ended = may_go_early(first) && goes_early(first);
  } else {
    schedule(first);
  }
  in_forward_ = false;
  if (ended) {
    delay = delay_until(transaction.end);
    release(transaction);
    if (payload.has_mm()) payload.release();
    return ::tlm::TLM_COMPLETED;
  }
  return end_request(phase, delay);
}

::tlm::tlm_sync_enum TranslationUnit::end_request(::tlm::tlm_phase& phase, sc_core::sc_time& delay) {
  phase = ::tlm::END_REQ;
  delay = sc_core::SC_ZERO_TIME;
  return ::tlm::TLM_UPDATED;
}

// Behind a context look-up that has found this.
void TranslationUnit::begin_resolved(Piece& piece, const core::AddressSpace& space) {
  enter_flight(piece);
  piece.flow.start_resolved(space);
  piece.stages.charge(core::Stage::ContextCache, config_.context_latency);
  piece.at += config_.context_latency;
}

::tlm::tlm_sync_enum TranslationUnit::memory_bw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                                sc_core::sc_time& delay) {
  return memory_initiator_.backward(payload, phase, delay);
}

::tlm::tlm_sync_enum TranslationUnit::structures_bw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                                    sc_core::sc_time& delay) {
  return structure_initiator_.backward(payload, phase, delay);
}

void TranslationUnit::AccessEnded::operator()(::tlm::tlm_generic_payload& payload, core::Tick at) const {
  auto* known = static_cast<Piece*>(AccessPool::slot_of(payload).user);
  if (known == nullptr) {  // of an access that is being sent without a record
    unit->ended_within_ = at;
    return;
  }
  Piece& piece = *known;
  --unit->downstream_[piece.epoch].open;
  unit->downstream_event_.notify(delay_until(at));
  unit->downstream_ended(piece, at);
  unit->piece_ended(piece);
}

void TranslationUnit::ReadEnded::operator()(::tlm::tlm_generic_payload& payload, core::Tick at) const {
  auto& piece = *static_cast<Piece*>(AccessPool::slot_of(payload).user);
  unit->context_read_ended(piece, at);
  unit->schedule(piece);
}

void TranslationUnit::schedule(Piece& piece) { queue_.push(piece.at, &piece); }

void TranslationUnit::run_due() {
  Piece* piece = nullptr;
  while (queue_.pop_due(piece)) handle(*piece);
  Transaction* transaction = nullptr;
  while (responses_.pop_due(transaction)) respond(*transaction);
}

// The kernel has reached the piece's time.
void TranslationUnit::handle(Piece& piece) {
  if (piece.stale) {
    restart(piece, now_ticks());
  } else if (piece.next == Piece::Next::ContextData) {
    piece.flow.context_read(piece.slot->result());
    if (piece.flow.has_space()) {
      context_cache_.fill(piece.flow.request().requester, piece.flow.space());
      known_->forget();  // another context may have gone
    }
  }
  piece.next = Piece::Next::Step;
  progress(piece);
}

void TranslationUnit::progress(Piece& piece) {
  using Need = core::TranslationFlow::Need;
  for (;;) {
    switch (piece.flow.need()) {
      case Need::ContextLookup: {
        piece.stages.charge(core::Stage::ContextCache, config_.context_latency);
        piece.at += config_.context_latency;
        const core::AddressSpace* space = context_cache_.find(piece.flow.request().requester);
        if (space != nullptr) {
          piece.flow.context_found(*space);
        } else {
          piece.flow.context_missing();
        }
        break;
      }
      case Need::ContextRead:
        if (piece.at > now_ticks() || in_forward_) return schedule(piece);
        if (piece.slot == nullptr) piece.slot = &pool_.take();
        begin_context_read(piece, *piece.slot);
        if (const auto ended = structure_initiator_.issue(*piece.slot)) {
          context_read_ended(piece, *ended);
          schedule(piece);
        }
        return;
      case Need::IotlbLookup:
        if (config_.in_order && !may_look_up(piece)) return;
        look_up_translation(piece);
        if (config_.in_order) looked_up(piece);
        if (piece.merged) return;  // walk_done() of the walk under way goes on with it
        break;
      case Need::Walk:
        if (piece.at > now_ticks() || in_forward_) return schedule(piece);
        piece.job.space = piece.flow.space();
        piece.job.input = piece.flow.request().address;
        piece.job.wanted = piece.flow.request().wanted();
        piece.job.zero_length = piece.flow.request().zero_length;
        piece.job.stages = &piece.stages;
        piece.job.user = &piece;
        walker->walk(piece.job, *this);
        return;
      case Need::Done:
        if (in_forward_ && may_go_early(piece)) return;  // nb_transport_fw() goes on with it
        if (piece.at > now_ticks() || in_forward_) return schedule(piece);
        if (config_.in_order && !may_be_delivered(piece)) return;
        return conclude(piece);
    }
  }
}

void TranslationUnit::look_up_translation(Piece& piece) {
  core::TranslationFlow& flow = piece.flow;
  Piece* walked = walk_under_way(piece);
  const IotlbAnswer answer = iotlb->lookup(flow.space().tag, flow.request().address, piece.at, walked != nullptr);
  piece.stages.charge(core::Stage::IotlbPortWait, answer.start - piece.at);
  piece.stages.charge(core::Stage::Iotlb, answer.looked_up - answer.start);
  piece.stages.charge(core::Stage::MergeWait, answer.ready - answer.looked_up);
  piece.at = answer.ready;
  if (answer.kind != IotlbAnswer::Kind::Miss) {
    piece.entry = answer.entry;
    flow.translation_found(answer.mapping);
  } else if (walked != nullptr) {
    piece.merged = true;
    walked->waiters.push_back(&piece);
  } else {
    piece.walking = true;
    flow.translation_missing();
    note_walk(piece);
  }
}

void TranslationUnit::walk_done(WalkJob& job) {
  Piece& piece = *static_cast<Piece*>(job.user);
  piece.at = job.end;
  forget_walk(piece);
  if (piece.stale) {
    restart(piece, job.end);
    progress(piece);
    return;
  }
  piece.flow.walked(job.outcome);
  if (piece.flow.route() != core::TranslationFlow::Route::Blocked) {
    iotlb->fill(piece.flow.space().tag, piece.flow.request().address, piece.flow.mapping(), job.end);
  }
  serve_waiters(piece, &job.outcome);
  progress(piece);
}

// The flow is done and its time has come: the access goes to memory, and the next page's part begins.
void TranslationUnit::conclude(Piece& piece) {
  no_longer_in_flight(piece);
  note_outcome(piece);
  Transaction& transaction = *piece.transaction;
  ++transaction.begun;
  Piece* next = transaction.begun < transaction.pieces.size() ? transaction.pieces[transaction.begun] : nullptr;
  bool ended = true;
  if (piece.flow.route() == core::TranslationFlow::Route::Memory) {
    prepare_downstream(piece);
    if (const auto at = memory_initiator_.issue(*piece.slot)) {
      downstream_ended(piece, *at);
    } else {
      ++downstream_[piece.epoch].open;
      ended = false;
    }
  }
  if (config_.in_order && next == nullptr) delivered(transaction);
  if (next != nullptr) begin_piece(*next, now_ticks());
  if (ended) piece_ended(piece);  // the transaction is gone if this was the last
  if (next != nullptr) progress(*next);
}

void TranslationUnit::piece_ended(Piece& piece) {
  Transaction& transaction = *piece.transaction;
  if (--transaction.open != 0) return;
  finish_transaction(transaction);
  if (in_forward_ || (config_.exact_responses && transaction.end > now_ticks())) {
    responses_.push(std::max(transaction.end, now_ticks()), &transaction);
  } else {
    respond(transaction);
  }
}

// One response at a time to each initiator.
void TranslationUnit::respond(Transaction& transaction) {
  const auto port = static_cast<std::size_t>(transaction.port);
  if (upstream_[port].in_response != nullptr) {
    upstream_[port].ready.push_back(&transaction);
  } else {
    send_response(transaction);
  }
}

void TranslationUnit::send_response(Transaction& transaction) {
  const auto port = static_cast<std::size_t>(transaction.port);
  ::tlm::tlm_generic_payload& payload = *transaction.payload;
  ::tlm::tlm_phase phase = ::tlm::BEGIN_RESP;
  sc_core::sc_time delay = delay_until(std::max(transaction.end, now_ticks()));
  upstream_[port].in_response = &transaction;
  const ::tlm::tlm_sync_enum status = dma[transaction.port]->nb_transport_bw(payload, phase, delay);
  const bool ended = status == ::tlm::TLM_COMPLETED || (status == ::tlm::TLM_UPDATED && phase == ::tlm::END_RESP);
  if (ended && upstream_[port].in_response == &transaction) response_ended(transaction.port);
}

void TranslationUnit::response_ended(int port) {
  Upstream& upstream = upstream_[static_cast<std::size_t>(port)];
  Transaction* transaction = upstream.in_response;
  if (transaction == nullptr) return;
  upstream.in_response = nullptr;
  ::tlm::tlm_generic_payload& payload = *transaction->payload;
  release(*transaction);
  if (payload.has_mm()) payload.release();
  if (upstream.ready.empty()) return;
  Transaction* next = upstream.ready.front();
  upstream.ready.pop_front();
  send_response(*next);
}

}  // namespace iommu::sim
