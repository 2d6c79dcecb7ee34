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
  if (!known.entry.found()) return run_known(port, payload, *extension, delay, *space, known);
  const IotlbHit hit = bound_iotlb_->hit_again(known.entry, arrival + config_.context_latency);
  if (hit.looked_up == 0) return run_known(port, payload, *extension, delay, *space, known);
  extension->clear_report();
  charge_look_ups(extension->stages, arrival, hit);
  add_look_ups(delay, hit.looked_up - arrival);
  const core::Address host = known.output_page | (address & (core::kPageBytes - 1));
  access_simple(payload, *extension, delay, host, hit.looked_up, core::OutcomeClass::Hit);
}

// All checks are known to be passed, if the IOTLB still says the same.
inline void TranslationUnit::run_known(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                       sc_core::sc_time& delay, const core::AddressSpace& space, KnownPage& known) {
  const core::Address address = payload.get_address();
  const core::Tick arrival = kernel_time_.now(delay);
  const core::Tick from = arrival + config_.context_latency;
  const IotlbMiss miss = bound_iotlb_->miss(space.tag, address, from);
  if (!miss.none()) {
    known.entry.serial = core::IotlbRef::kNone;
    return walk_simple(port, payload, extension, delay, arrival, space, miss, &known);
  }
  const IotlbAnswer answer = bound_iotlb_->lookup(space.tag, address, from, false);
  const core::Address host = known.output_page | (address & (core::kPageBytes - 1));
  const bool as_known = answer.kind != IotlbAnswer::Kind::Miss && answer.mapping.permissions == known.permissions &&
                        answer.mapping.output(address) == host;
  if (!as_known) return run_answered(port, payload, extension, delay, arrival, space, answer);
  known.entry = answer.entry;
  pass_simple(payload, extension, delay, arrival, answer, host);
}

// A page that the requester has not accessed like this, or that something has changed for since. In order all pages are:
// none is ever remembered.
void TranslationUnit::run_unknown(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                  sc_core::sc_time& delay) {
  if (config_.in_order) return run_in_full(port, payload, delay);
  const core::Request request = simple_request(payload, extension);
  const core::AddressSpace* space = find_space(request);
  if (space == nullptr) return run_in_full(port, payload, delay);
  const core::Tick arrival = kernel_time_.now(delay);
  const core::Tick from = arrival + config_.context_latency;
  const IotlbMiss miss = bound_iotlb_->miss(space->tag, request.address, from);
  if (!miss.none()) return walk_simple(port, payload, extension, delay, arrival, *space, miss, nullptr);
  const IotlbAnswer answer = bound_iotlb_->lookup(space->tag, request.address, from, false);
  run_answered(port, payload, extension, delay, arrival, *space, answer);
}

// The IOTLB has answered; what the answer means has to be looked at.
void TranslationUnit::run_answered(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                   sc_core::sc_time& delay, core::Tick arrival, const core::AddressSpace& space,
                                   const IotlbAnswer& answer) {
  const core::Request request = simple_request(payload, extension);
  if (answer.kind == IotlbAnswer::Kind::Miss) {
    const IotlbMiss miss{answer.start, answer.looked_up};
    return walk_simple(port, payload, extension, delay, arrival, space, miss, nullptr);
  }
  const core::Address host = answer.mapping.output(request.address);
  if (!space.permits(answer.mapping.permissions, request.wanted(), false) ||
      front_end_->check_output(request, &space, host)) {
    return go_on_answered(port, payload, delay, arrival, space, answer);
  }
  known_->remember(request, answer.mapping.permissions, host, answer.entry);
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
inline const core::AddressSpace* TranslationUnit::find_space(const core::Request& request) {
  const core::AddressSpace* space = context_cache_.peek(request.requester);
  if (space == nullptr || space->pass_through || !front_end_->passes(request, *space)) return nullptr;
  context_cache_.use(request.requester);
  return space;
}

inline TranslationUnit::SimpleWalk& TranslationUnit::begin_simple_walk() {
  if (simple_walks_open_ == simple_walks_.size()) add_simple_walk();
  return *simple_walks_[simple_walks_open_++];
}

void TranslationUnit::add_simple_walk() { simple_walks_.push_back(std::make_unique<SimpleWalk>()); }

// Others that came later are still waiting for memory.
void TranslationUnit::end_earlier_walk(const SimpleWalk& walk) {
  const auto place = std::find_if(simple_walks_.begin(), simple_walks_.end(),
                                  [&walk](const std::unique_ptr<SimpleWalk>& other) { return other.get() == &walk; });
  std::swap(*place, simple_walks_[simple_walks_open_]);
}

// `known` is its page, or nullptr when that is not known.
inline void TranslationUnit::walk_simple(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                         sc_core::sc_time& delay, core::Tick arrival, const core::AddressSpace& space,
                                         const IotlbMiss& miss, const KnownPage* known) {
  const core::Address address = payload.get_address();
  extension.clear_report();
  charge_look_ups(extension.stages, arrival, IotlbHit{miss.start, miss.looked_up});
  SimpleWalk& walk = begin_simple_walk();
  WalkJob& job = walk.job;
  job.space = space;
  job.input = address;
  job.wanted = payload.is_write() ? core::Permissions::Write : core::Permissions::Read;
  job.stages = &extension.stages;
  walk.requester = extension.requester;
  walk.stale = false;
  add_look_ups(delay, miss.looked_up - arrival);
  const std::uint64_t changes = known_->changes;
  bound_walker_->walk_blocking(job, delay);
  const core::Mapping* mapping = std::get_if<core::Mapping>(&job.outcome);
  if (walk.stale || mapping == nullptr) return go_on_walked(port, payload, delay, arrival, walk);
  const core::Address host = mapping->output(address);
  // Memory may have waited: the page may be another's by now, or no longer known.
  const bool unchanged = known_->changes == changes;
  const bool as_known = known != nullptr && unchanged && known->permissions == mapping->permissions &&
                        (known->output_page ^ host) < core::kPageBytes;
  if (!as_known && !note_walked(payload, extension, walk, host, unchanged)) {
    return go_on_walked(port, payload, delay, arrival, walk);
  }
  const core::Tick end = job.end;
  bound_iotlb_->fill(job.space.tag, address, *mapping, end);
  const core::OutcomeClass outcome = core::walk_outcome(job.entries_read);
  end_simple_walk(walk);
  access_simple(payload, extension, delay, host, end, outcome);
}

// What a walk has found that was not known: false when the access is blocked.
bool TranslationUnit::note_walked(const ::tlm::tlm_generic_payload& payload, const DmaExtension& extension,
                                  const SimpleWalk& walk, core::Address host, bool unchanged) {
  const core::Request request = simple_request(payload, extension);
  if (front_end_->check_output(request, &walk.job.space, host)) return false;
  if (unchanged) {
    known_->remember(request, std::get<core::Mapping>(walk.job.outcome).permissions, host, {});
  }
  return true;
}

}  // namespace iommu::sim
