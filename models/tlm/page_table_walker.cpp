#include "models/tlm/page_table_walker.h"

#include <algorithm>

#include "models/tlm/walker_state.h"

namespace iommu::sim {

PageTableWalker::PageTableWalker(sc_core::sc_module_name name, const WalkerConfig& config)
    : sc_module(name),
      memory("memory"),
      config_(config),
      kernel_time_(*this),
      cache_(config.cache),
      slots_(config.slots),
      initiator_(memory, ReadEnded{this}) {
  require_picosecond_resolution();
  caching_ = std::any_of(config.cache.entries.begin() + 2, config.cache.entries.end(),
                         [](std::uint32_t entries) { return entries != 0; });
  if (!caching_) config_.cache_latency = 0;
  plain_ = !caching_ && !config.dmi;
  ends_later_ = config.one_walk_per_superpage || config.reply != 0;
  cache_latency_time_ = to_sc_time(config_.cache_latency);
  level_overhead_time_ = to_sc_time(config_.level_overhead);
  memory.register_nb_transport_bw(this, &PageTableWalker::backward);
  memory.register_invalidate_direct_mem_ptr(this, &PageTableWalker::withdraw_grants);
  using SC_CURRENT_USER_MODULE = PageTableWalker;
  SC_METHOD(run_due);
  sensitive << queue_.event();
  dont_initialize();
}

PageTableWalker::~PageTableWalker() = default;

void PageTableWalker::end_of_elaboration() { bound_memory_ = memory.operator->(); }

::tlm::tlm_sync_enum PageTableWalker::backward(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                               sc_core::sc_time& delay) {
  return initiator_.backward(payload, phase, delay);
}

void PageTableWalker::ReadEnded::operator()(::tlm::tlm_generic_payload& payload, core::Tick at) const {
  walker->read_ended(*static_cast<Active*>(AccessPool::slot_of(payload).user), at);
}

PageTableWalker::Active& PageTableWalker::make_active() {
  Active& made = *all_.emplace_back(std::make_unique<Active>());
  free_.reserve(all_.size());
  return made;
}

void PageTableWalker::fill_cache(Active& active) {
  if (active.fill_pending && !active.stale) cache_.fill(active.job->space, active.job->input, active.walk.position());
  active.fill_pending = false;
}

void PageTableWalker::read_ended(Active& active, core::Tick at) {
  const core::Tick waited = active.slot->extension.wait;
  charge_read(*active.job, active.walk.level(), at - active.mark - waited, waited);
  active.mark = at;
  active.walk.give(active.slot->is_response_ok(), active.slot->words[0]);
  active.fill_pending = caching_ && !active.walk.done();
  active.next = active.walk.done() ? Active::Next::Finish : Active::Next::Read;
  queue_.push(active.walk.done() ? at : at + config_.level_overhead, &active);
}

void PageTableWalker::walk(WalkJob& job, WalkClient& client) {
  Active& active = take_active(job, client);
  active.slot = &pool_.take();
  active.slot->user = &active;
  active.arrival = now_ticks();
  if (!may_start(active)) {
    ++counters_.waited;
    waiting_.push_back(&active);
    return;
  }
  start(active);
}

bool PageTableWalker::may_start(const Active& active) const {
  if (config_.slots != 0 && active_count_ == config_.slots) return false;
  if (!config_.one_walk_per_superpage) return true;
  const std::uint64_t region = region_of(*active.job);
  return std::none_of(running_.begin(), running_.end(),
                      [region](const Active* other) { return other->started && other->region == region; });
}

// A walk has ended: whoever has waited longest and can begin does. More than one may when none had taken the slot.
void PageTableWalker::start_waiting() {
  for (std::size_t i = 0; i < waiting_.size();) {
    if (config_.slots != 0 && active_count_ == config_.slots) return;
    Active* next = waiting_[i];
    if (may_start(*next)) {
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
      start(*next);
    } else {
      ++i;
    }
  }
}

void PageTableWalker::start(Active& active) {
  active.started = true;
  ++active_count_;
  counters_.most_active = std::max(counters_.most_active, active_count_);
  const core::Tick now = now_ticks();
  active.job->start = now;
  active.job->stages->charge(core::Stage::WalkSlotWait, now - active.arrival);
  // Looks into the caches. The walk may be over then.
  active.mark = now + config_.cache_latency;
  if (caching_) {
    active.job->stages->charge(core::Stage::WalkCache, config_.cache_latency);
    if (const auto known = cache_.find(active.job->space, active.job->input)) active.walk.skip_to(*known);
  }
  active.next = active.walk.done() ? Active::Next::Finish : Active::Next::Read;
  queue_.push(active.walk.done() ? active.mark : active.mark + config_.level_overhead, &active);
  active.client->walk_started(*active.job);
}

void PageTableWalker::run_due() {
  Active* active = nullptr;
  while (queue_.pop_due(active)) handle(*active);
}

void PageTableWalker::handle(Active& active) {
  fill_cache(active);
  if (active.next == Active::Next::Finish) return finish(active);
  if (active.next == Active::Next::Free) return free_slot(active);
  if (active.next == Active::Next::Reply) return reply(active);
  active.slot->prepare(::tlm::TLM_READ_COMMAND, active.walk.entry_address(), 8);
  if (const auto ended = initiator_.issue(*active.slot)) read_ended(active, *ended);
}

// The walk is over. Its slot is free after the recovery and its request told after the reply, whichever comes first.
void PageTableWalker::finish(Active& active) {
  active.ended = now_ticks();
  active.job->stages->charge(core::Stage::WalkReply, config_.reply);
  if (config_.recovery <= config_.reply) {
    active.next = Active::Next::Free;
    go_on_at(active, active.ended + config_.recovery);
  } else {
    active.next = Active::Next::Reply;
    go_on_at(active, active.ended + config_.reply);
  }
}

void PageTableWalker::go_on_at(Active& active, core::Tick time) {
  if (time > now_ticks()) {
    queue_.push(time, &active);
  } else if (active.next == Active::Next::Free) {
    free_slot(active);
  } else {
    reply(active);
  }
}

void PageTableWalker::free_slot(Active& active) {
  active.started = false;
  --active_count_;
  start_waiting();
  if (active.replied) {
    release_active(active);
  } else {
    active.next = Active::Next::Reply;
    go_on_at(active, active.ended + config_.reply);
  }
}

void PageTableWalker::reply(Active& active) {
  WalkJob& job = *active.job;
  WalkClient& client = *active.client;
  job.outcome = active.walk.outcome();
  job.end = now_ticks();
  if (!std::holds_alternative<core::Mapping>(job.outcome)) ++counters_.faults;
  active.replied = true;
  if (active.started) {
    active.next = Active::Next::Free;
    queue_.push(active.ended + config_.recovery, &active);
  } else {
    release_active(active);
  }
  client.walk_done(job);
}

void PageTableWalker::invalidate(const core::TranslationScope& scope) {
  cache_.invalidate(scope);
  const bool structures = !(scope.kind == core::TranslationScope::Kind::Pages && scope.leaf_only);
  if (!structures) return;
  const auto concerns = [&scope](const WalkJob& job) {
    return scope.kind == core::TranslationScope::Kind::Global || job.space.domain == scope.domain;
  };
  for (Active* active : running_) {
    if (!active->replied && concerns(*active->job)) active->stale = true;
  }
  for (Blocking* walk = blocking_; walk != nullptr; walk = walk->next) {
    if (concerns(*walk->job)) walk->stale = true;
  }
}

void PageTableWalker::clear() {
  cache_.invalidate({});
  for (Active* active : running_) active->stale = true;
  for (Blocking* walk = blocking_; walk != nullptr; walk = walk->next) walk->stale = true;
}

}  // namespace iommu::sim
