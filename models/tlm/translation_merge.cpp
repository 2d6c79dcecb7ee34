// AT: misses of one page share a walk.
//
// The walks under way, and those that wait for them.
#include <algorithm>

#include "models/tlm/translation_state.h"

namespace iommu::sim {

// A requester's page; addresses that reach the IOTLB have at most 57 bits.
std::uint64_t TranslationUnit::walk_key(const Piece& piece) {
  return piece.flow.request().address >> core::kPageShift << 16 | piece.flow.space().tag;
}

// At most one: others that miss the page wait for it. One that waits in order has walked already.
TranslationUnit::Piece* TranslationUnit::walk_under_way(const Piece& piece) const {
  const auto found = std::find(walk_keys_.begin(), walk_keys_.end(), walk_key(piece));
  return found == walk_keys_.end() ? nullptr : walks_[static_cast<std::size_t>(found - walk_keys_.begin())];
}

void TranslationUnit::note_walk(Piece& piece) {
  piece.walk_index = walks_.size();
  walks_.push_back(&piece);
  walk_keys_.push_back(walk_key(piece));
}

void TranslationUnit::forget_walk(Piece& piece) {
  if (piece.walk_index == Piece::kNotInFlight) return;
  walks_[piece.walk_index] = walks_.back();
  walk_keys_[piece.walk_index] = walk_keys_.back();
  walks_.back()->walk_index = piece.walk_index;
  walks_.pop_back();
  walk_keys_.pop_back();
  piece.walk_index = Piece::kNotInFlight;
}

// A walk has ended: those who waited for its page take its mapping, or its fault when they want the same; others look for themselves.
void TranslationUnit::serve_waiters(Piece& walked, const core::WalkOutcome* outcome) {
  std::vector<Piece*> waiters;
  waiters.swap(walked.waiters);
  const bool mapped = outcome != nullptr && std::holds_alternative<core::Mapping>(*outcome);
  walked.walking = walked.walking && mapped;
  for (Piece* waiter : waiters) {
    const core::Tick now = std::max(waiter->at, now_ticks());
    waiter->stages.charge(core::Stage::MergeWait, now - waiter->at);
    waiter->at = now;
    const bool same_wish = waiter->flow.request().wanted() == walked.flow.request().wanted() &&
                           waiter->flow.request().zero_length == walked.flow.request().zero_length;
    if (waiter->stale) {
      restart(*waiter, now);
    } else if (outcome != nullptr && (mapped || same_wish)) {
      waiter->flow.walked(*outcome);
    } else {
      waiter->merged = false;
    }
    schedule(*waiter);
  }
}

}  // namespace iommu::sim
