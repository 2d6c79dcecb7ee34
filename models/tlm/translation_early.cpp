// AT with TranslationUnitConfig::early_hits: what needs only the unit's own caches goes on within its request's call.
//
// A simple access (translation_simple.h) that hits a known page gets no record unless memory answers it later.
#include <algorithm>

#include "models/tlm/translation_simple.h"

namespace iommu::sim {

// --- Without a record

// Whether it goes on by itself. If not, `looked_up` says whether its context has been looked up already.
TranslationUnit::Early TranslationUnit::pass_early(int port, ::tlm::tlm_generic_payload& payload,
                                                   sc_core::sc_time& delay, const core::AddressSpace*& looked_up) {
  auto* extension = payload.get_extension<DmaExtension>();
  if (!is_simple(payload, extension) || !memory_initiator_.free()) return Early::No;
  const core::Address address = payload.get_address();
  const std::uint64_t page = address >> core::kPageShift;
  const std::uint32_t who = KnownPages::who(extension->requester, payload.is_write());
  const KnownPage& known = known_->place(page, who);
  if (known.page != page || known.who != who || known.epoch != known_->epoch) return Early::No;
  looked_up = context_cache_.find(extension->requester);
  const core::Tick arrival = kernel_time_.now(delay);
  const IotlbHit hit = bound_iotlb_->hit_again(known.entry, arrival + config_.context_latency);
  if (hit.looked_up == 0) return Early::No;

  AccessSlot& slot = take_early_slot();
  slot.point_to(payload.get_command(), known.output_page | (address & (core::kPageBytes - 1)), payload.get_data_ptr(),
                payload.get_data_length());
  slot.extension.requester = extension->requester;
  add_look_ups(delay, hit.looked_up - arrival);
  Downstream& downstream = downstream_[downstream_epoch_];
  ++downstream.open;
  if (!memory_initiator_.issue_ahead(slot, delay) && !ended_within(delay)) {
    await_response(port, payload, arrival, *looked_up, hit, known);
    return Early::Accepted;
  }
  --downstream.open;
  const core::Tick end = kernel_time_.now(delay);
  downstream.until = std::max(downstream.until, end);
  ++counters_.requests;
  ++counters_.pieces;
  counters_.bytes += payload.get_data_length();
  const core::OutcomeClass outcome = slot.is_response_ok() ? core::OutcomeClass::Hit : core::OutcomeClass::Fault;
  ++counters_.outcomes[static_cast<std::size_t>(outcome)];
  payload.set_response_status(slot.get_response_status());
  extension->clear_report();
  extension->outcome = outcome;
  charge_look_ups(extension->stages, arrival, hit);
  const core::Tick waited = slot.extension.wait;
  if (waited != 0) extension->stages.charge(core::Stage::DownstreamWait, waited);
  extension->stages.charge(core::Stage::Downstream, end - hit.looked_up - waited);
  return Early::Ended;
}

// One access after the other takes the same, as long as each is over when its call returns.
AccessSlot& TranslationUnit::take_early_slot() {
  if (early_slot_ != nullptr && early_slot_->get_ref_count() > 1) {  // somebody keeps it
    pool_.give_back(*early_slot_);
    early_slot_ = nullptr;
  }
  if (early_slot_ == nullptr) early_slot_ = &pool_.take();
  return *early_slot_;
}

// Memory has answered on the backward path, from within its call.
bool TranslationUnit::ended_within(sc_core::sc_time& delay) {
  if (!ended_within_) return false;
  delay = delay_until(*ended_within_);
  ended_within_.reset();
  return true;
}

// Memory answers later: a record from here on, as if the access had had one from the beginning.
void TranslationUnit::await_response(int port, ::tlm::tlm_generic_payload& payload, core::Tick arrival,
                                     const core::AddressSpace& space, const IotlbHit& hit, const KnownPage& known) {
  if (payload.has_mm()) payload.acquire();
  Transaction& transaction = *take_transaction(payload, port, arrival);
  Piece& piece = *transaction.pieces.front();
  charge_look_ups(piece.stages, arrival, hit);
  piece.at = hit.looked_up;
  piece.flow.start_resolved(space);
  core::Mapping mapping;
  mapping.input_page = known.page << core::kPageShift;
  mapping.output_page = known.output_page;
  mapping.permissions = known.permissions;
  mapping.domain = space.domain;
  piece.flow.translation_found(mapping);
  piece.slot = early_slot_;
  piece.slot->user = &piece;
  early_slot_ = nullptr;
  piece.epoch = downstream_epoch_;
  note_outcome(piece);
  ++transaction.begun;
}

// --- With a record

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
  if (piece.flow.used_table() && is_simple(*transaction.payload, transaction.extension)) {
    known_->remember(piece.flow.request(), piece.flow.mapping().permissions, piece.flow.host_address(), piece.entry);
  }
  ++transaction.begun;
  prepare_downstream(piece);
  ++downstream_[piece.epoch].open;
  sc_core::sc_time delay = delay_until(piece.at);
  if (!memory_initiator_.issue_ahead(*piece.slot, delay)) return false;
  --downstream_[piece.epoch].open;
  downstream_ended(piece, now_ticks(delay));
  transaction.open = 0;
  finish_transaction(transaction);
  return true;
}

}  // namespace iommu::sim
