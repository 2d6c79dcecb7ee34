// AT with TranslationUnitConfig::early_hits: what needs only the unit's own caches goes on within its request's call.
#include "models/tlm/translation_state.h"

namespace iommu::sim {

// It has its host address within its request's call.
bool TranslationUnit::may_go_early(const Piece& piece) const {
  return config_.early_hits && !config_.in_order && piece.flow.need() == core::TranslationFlow::Need::Done &&
         piece.flow.route() == core::TranslationFlow::Route::Memory && piece.transaction->pieces.size() == 1 &&
         memory_initiator_.free();
}

// The access goes on with the time of the look-ups annotated. True when it has ended: finish_transaction() has been done.
bool TranslationUnit::goes_early(Piece& piece) {
  no_longer_in_flight(piece);
  note_outcome(piece);
  Transaction& transaction = *piece.transaction;
  ++transaction.begun;
  prepare_downstream(piece);
  ++downstream_[piece.epoch].open;
  const auto at = memory_initiator_.issue_ahead(*piece.slot, piece.at);
  if (!at) return false;
  --downstream_[piece.epoch].open;
  downstream_ended(piece, *at);
  transaction.open = 0;
  finish_transaction(transaction);
  return true;
}

}  // namespace iommu::sim
