// The order of one port's requests, when TranslationUnitConfig::in_order asks for it.
//
// AT: two waits, both ended by what they wait for. A look-up waits while its port has a miss whose walk has no slot; a
// piece that is ready waits until its DMA is its port's oldest. Walks and structure reads wait for neither, so the
// oldest DMA always gets on. Where the number of DMAs between look-up and delivery is limited, a look-up also waits for
// one of them to be delivered; the oldest DMA, and one that counts already, wait for no such place and pass those that
// do. LT: the same as times, in the order of calls.
#include <algorithm>

#include "models/tlm/translation_state.h"

namespace iommu::sim {

TranslationUnit::Upstream& TranslationUnit::upstream_of(const Piece& piece) {
  return upstream_[static_cast<std::size_t>(piece.transaction->port)];
}

bool TranslationUnit::is_write(const Piece& piece) { return piece.transaction->request.kind != core::AccessKind::Read; }

std::uint32_t TranslationUnit::ahead_limit(bool write) const {
  return write ? config_.order_writes : config_.order_reads;
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

void TranslationUnit::order_look_up(Piece& piece) {
  Upstream& upstream = upstream_of(piece);
  wait_in_order(piece, upstream.look_ups_from);
  const bool write = is_write(piece);
  if (ahead_limit(write) != 0 && !piece.transaction->ahead) {
    piece.transaction->ahead = true;
    const std::deque<core::Tick>& deliveries = upstream.deliveries[write];
    if (deliveries.size() == ahead_limit(write)) wait_in_order(piece, deliveries.front());
  }
  // A look-up that waited for its place has kept those behind it waiting, which may need none.
  if (ahead_limit(true) + ahead_limit(false) != 0) upstream.look_ups_from = piece.at;
}

void TranslationUnit::order_delivery(Piece& piece) {
  Upstream& upstream = upstream_of(piece);
  wait_in_order(piece, upstream.delivered_until);
  upstream.delivered_until = piece.at;
  if (!piece.transaction->ahead || piece.transaction->pieces.back() != &piece) return;
  const bool write = is_write(piece);
  std::deque<core::Tick>& deliveries = upstream.deliveries[write];
  deliveries.push_back(piece.at);
  if (deliveries.size() > ahead_limit(write)) deliveries.pop_front();
}

// --- AT: look-ups

// Whether the port's next look-up is this one's and can be now; otherwise it is called again when that may be so.
bool TranslationUnit::may_look_up(Piece& piece) {
  if (piece.at > now_ticks()) {
    schedule(piece);
    return false;
  }
  Upstream& upstream = upstream_of(piece);
  const bool woken = upstream.woken == &piece;
  if (woken) upstream.woken = nullptr;
  const bool write = is_write(piece);
  const bool limited = ahead_limit(write) != 0;
  const bool passes = limited && needs_no_place(piece);
  const bool next = upstream.look_ups.empty() || upstream.look_ups.front() == &piece;
  if (upstream.missing == nullptr && (passes || (next && !must_wait_for_place(piece)))) {
    if (piece.looking_up)
      upstream.look_ups.erase(std::find(upstream.look_ups.begin(), upstream.look_ups.end(), &piece));
    piece.looking_up = false;
    if (limited && !piece.transaction->ahead) {
      piece.transaction->ahead = true;
      ++upstream.ahead[write];
    }
    return true;
  }
  if (!piece.looking_up) upstream.look_ups.insert(passes ? upstream.look_ups.begin() : upstream.look_ups.end(), &piece);
  piece.looking_up = true;
  if (woken) wake_look_up(upstream);  // the place that it was woken for is taken: perhaps another needs none
  return false;
}

// Counts among those not yet delivered already, or all others wait for it.
bool TranslationUnit::needs_no_place(const Piece& piece) {
  return piece.transaction->ahead || upstream_of(piece).undelivered.front() == piece.transaction;
}

bool TranslationUnit::must_wait_for_place(const Piece& piece) {
  const bool write = is_write(piece);
  const std::uint32_t limit = ahead_limit(write);
  return limit != 0 && upstream_of(piece).ahead[write] >= limit && !needs_no_place(piece);
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
  if (upstream.missing != nullptr || upstream.look_ups.empty() || upstream.woken != nullptr) return;
  Piece* next = upstream.look_ups.front();
  if (must_wait_for_place(*next)) {
    const Transaction& oldest = *upstream.undelivered.front();
    next = oldest.pieces[oldest.begun];
    if (!next->looking_up) return;
  }
  upstream.woken = next;
  wait_in_order(*next, now_ticks());
  schedule(*next);
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
  if (upstream.woken == &piece) upstream.woken = nullptr;
  if (piece.looking_up) upstream.look_ups.erase(std::find(upstream.look_ups.begin(), upstream.look_ups.end(), &piece));
  piece.looking_up = false;
  if (upstream.missing == &piece) upstream.missing = nullptr;
  wake_look_up(upstream);
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
  if (transaction.ahead) --upstream.ahead[is_write(*transaction.pieces.front())];
  if (upstream.undelivered.empty()) return;
  wake_look_up(upstream);
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
