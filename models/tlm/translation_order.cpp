// The order of one port's requests, when TranslationUnitConfig::in_order asks for it.
//
// AT: two waits, both ended by what they wait for. A look-up waits while its port has a miss whose walk has no slot; a
// piece that is ready waits until its DMA is its port's oldest. Walks and structure reads wait for neither, so the
// oldest DMA always gets on. LT: the same two as times, in the order of calls.
#include <algorithm>

#include "models/tlm/translation_state.h"

namespace iommu::sim {

TranslationUnit::Upstream& TranslationUnit::upstream_of(const Piece& piece) {
  return upstream_[static_cast<std::size_t>(piece.transaction->port)];
}

// --- LT

namespace {

template <class Part>
void wait_in_order(Part& piece, core::Tick until) {
  if (until <= piece.at) return;
  piece.stages.charge(core::Stage::OrderWait, until - piece.at);
  piece.at = until;
}

}  // namespace

void TranslationUnit::order_look_up(Piece& piece) { wait_in_order(piece, upstream_of(piece).look_ups_from); }

void TranslationUnit::order_delivery(Piece& piece) {
  wait_in_order(piece, upstream_of(piece).delivered_until);
  upstream_of(piece).delivered_until = piece.at;
}

// --- AT: look-ups

// Whether the port's next look-up is this one's and can be now; otherwise it is called again when that may be so.
bool TranslationUnit::may_look_up(Piece& piece) {
  if (piece.at > now_ticks()) {
    schedule(piece);
    return false;
  }
  Upstream& upstream = upstream_of(piece);
  const bool next = upstream.look_ups.empty() || upstream.look_ups.front() == &piece;
  if (upstream.missing == nullptr && next) {
    if (piece.looking_up) upstream.look_ups.pop_front();
    piece.looking_up = false;
    return true;
  }
  if (!piece.looking_up) upstream.look_ups.push_back(&piece);
  piece.looking_up = true;
  return false;
}

// A look-up has been made: after a miss the next one has to wait.
void TranslationUnit::looked_up(Piece& piece) {
  Upstream& upstream = upstream_of(piece);
  if (piece.flow.need() == core::TranslationFlow::Need::Walk) {
    upstream.missing = &piece;
  } else {
    wake_look_up(upstream);
  }
}

void TranslationUnit::wake_look_up(Upstream& upstream) {
  if (upstream.missing != nullptr || upstream.look_ups.empty()) return;
  Piece& next = *upstream.look_ups.front();
  wait_in_order(next, now_ticks());
  schedule(next);
}

void TranslationUnit::walk_started(WalkJob& job) {
  if (!config_.in_order) return;
  Piece& piece = *static_cast<Piece*>(job.user);
  Upstream& upstream = upstream_of(piece);
  if (upstream.missing != &piece) return;
  upstream.missing = nullptr;
  wake_look_up(upstream);
}

// The piece begins anew, so that the others of its port need not wait for it here; it keeps its turn to be delivered.
void TranslationUnit::leave_look_up(Piece& piece) {
  Upstream& upstream = upstream_of(piece);
  if (upstream.missing == &piece) {
    upstream.missing = nullptr;
    wake_look_up(upstream);
  }
  if (!piece.looking_up) return;
  piece.looking_up = false;
  const bool first = upstream.look_ups.front() == &piece;
  upstream.look_ups.erase(std::find(upstream.look_ups.begin(), upstream.look_ups.end(), &piece));
  if (first) wake_look_up(upstream);
}

// --- AT: delivery

bool TranslationUnit::may_be_delivered(Piece& piece) {
  if (upstream_of(piece).undelivered.front() == piece.transaction) return true;
  piece.held = true;
  return false;
}

// The oldest DMA of its port has gone on with its last piece.
void TranslationUnit::delivered(Transaction& transaction) {
  Upstream& upstream = upstream_of(*transaction.pieces.front());
  upstream.undelivered.pop_front();
  if (upstream.undelivered.empty()) return;
  const Transaction& oldest = *upstream.undelivered.front();
  Piece& piece = *oldest.pieces[oldest.begun];
  if (piece.held) release_held(piece);
}

// It is the piece's turn, or it has to be translated anew.
void TranslationUnit::release_held(Piece& piece) {
  piece.held = false;
  wait_in_order(piece, now_ticks());
  schedule(piece);
}

}  // namespace iommu::sim
