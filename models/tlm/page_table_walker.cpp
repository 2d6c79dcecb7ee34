#include "models/tlm/page_table_walker.h"

#include <algorithm>
#include <cstring>

namespace iommu::sim {

namespace {

// What at most one walk at a time is for, when that is so.
std::uint64_t region_of(const WalkJob& job) {
  constexpr unsigned kRegionShift = 21;
  return (job.input >> kRegionShift) | (std::uint64_t{job.space.domain} << (64 - kRegionShift));
}

}  // namespace

// One walk under way. `mark` is the time up to which its stages are charged.
struct PageTableWalker::Active {
  enum class Next : std::uint8_t { Read, Finish, Free, Reply };

  WalkJob* job = nullptr;
  WalkClient* client = nullptr;
  core::Walk walk{core::AddressSpace{}, 0, core::Permissions::Read, false};
  AccessSlot* slot = nullptr;
  Next next = Next::Read;
  core::Tick mark = 0;
  core::Tick arrival = 0;
  std::uint64_t region = 0;   // region_of(job), which may be gone before the slot is free
  core::Tick ended = 0;       // AT: when the walk did
  bool started = false;       // AT: has a slot
  bool replied = false;       // AT: the job is the client's again
  bool fill_pending = false;  // the last entry read led one level down
  bool stale = false;         // an invalidation came in between: nothing of this walk may be cached
};

PageTableWalker::PageTableWalker(sc_core::sc_module_name name, const WalkerConfig& config)
    : sc_module(name),
      memory("memory"),
      config_(config),
      cache_(config.cache),
      slots_(config.slots),
      initiator_(memory, ReadEnded{this}) {
  require_picosecond_resolution();
  caching_ = std::any_of(config.cache.entries.begin() + 2, config.cache.entries.end(),
                         [](std::uint32_t entries) { return entries != 0; });
  if (!caching_) config_.cache_latency = 0;
  memory.register_nb_transport_bw(this, &PageTableWalker::backward);
  memory.register_invalidate_direct_mem_ptr(this, &PageTableWalker::withdraw_grants);
  using SC_CURRENT_USER_MODULE = PageTableWalker;
  SC_METHOD(run_due);
  sensitive << queue_.event();
  dont_initialize();
}

PageTableWalker::~PageTableWalker() = default;

::tlm::tlm_sync_enum PageTableWalker::backward(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                               sc_core::sc_time& delay) {
  return initiator_.backward(payload, phase, delay);
}

void PageTableWalker::ReadEnded::operator()(::tlm::tlm_generic_payload& payload, core::Tick at) const {
  walker->read_ended(*static_cast<Active*>(AccessPool::slot_of(payload).user), at);
}

PageTableWalker::Active& PageTableWalker::take_active(WalkJob& job, WalkClient* client) {
  if (free_.empty()) {
    all_.push_back(std::make_unique<Active>());
    free_.push_back(all_.back().get());
  }
  Active& active = *free_.back();
  free_.pop_back();
  active.job = &job;
  active.region = region_of(job);
  active.client = client;
  active.walk = core::Walk(job.space, job.input, job.wanted, job.zero_length);
  if (active.slot == nullptr) active.slot = &pool_.take();
  active.slot->user = &active;
  active.started = active.replied = false;
  active.fill_pending = false;
  active.stale = false;
  running_.push_back(&active);
  ++counters_.walks;
  return active;
}

void PageTableWalker::release_active(Active& active) {
  running_.erase(std::find(running_.begin(), running_.end(), &active));
  // In AT a target may hold the payload a little longer: the slot is the pool's again. In LT it stays.
  if (active.client != nullptr) {
    pool_.give_back(*active.slot);
    active.slot = nullptr;
  }
  free_.push_back(&active);
}

// Takes a slot at `now`: looks into the caches; returns when the first read is due, or the end when the walk is over
// already.
core::Tick PageTableWalker::begin(Active& active, core::Tick now) {
  active.mark = now + config_.cache_latency;
  active.job->stages->charge(core::Stage::WalkCache, config_.cache_latency);
  if (caching_) {
    if (const auto known = cache_.find(active.job->space, active.job->input)) active.walk.skip_to(*known);
  }
  return active.walk.done() ? active.mark : active.mark + config_.level_overhead;
}

void PageTableWalker::fill_cache(Active& active) {
  if (active.fill_pending && !active.stale) cache_.fill(active.job->space, active.job->input, active.walk.position());
  active.fill_pending = false;
}

// An entry has arrived at `at`: charges its time and lets the walk take it.
void PageTableWalker::entry_arrived(Active& active, const core::StructureRead& read, core::Tick at, core::Tick waited) {
  const unsigned level = active.walk.level();
  active.job->stages->charge(core::walk_level_stage(level), at - active.mark - waited);
  active.job->stages->charge(core::Stage::MemoryWait, waited);
  active.mark = at;
  ++active.job->entries_read;
  ++counters_.entries_read;
  ++counters_.reads_by_level[level];
  active.walk.give(read.readable, read.words[0]);
  active.fill_pending = caching_ && !active.walk.done();
}

void PageTableWalker::read_ended(Active& active, core::Tick at) {
  entry_arrived(active, active.slot->result(), at, active.slot->extension.wait);
  active.next = active.walk.done() ? Active::Next::Finish : Active::Next::Read;
  queue_.push(active.walk.done() ? at : at + config_.level_overhead, &active);
}

void PageTableWalker::walk_blocking(WalkJob& job, core::Tick now) {
  Active& active = take_active(job, nullptr);
  job.entries_read = 0;
  const core::Tick start = slots_.begin(config_.one_walk_per_superpage ? region_free(job, now) : now);
  job.start = start;
  if (start > now) ++counters_.waited;
  job.stages->charge(core::Stage::WalkSlotWait, start - now);
  core::Tick at = begin(active, start);
  while (!active.walk.done()) {
    if (!read_direct(active, at)) read_by_transaction(active, at);
    if (active.fill_pending) fill_cache(active);
    if (!active.walk.done()) at += config_.level_overhead;
  }
  slots_.release(start, at + config_.recovery);
  if (config_.one_walk_per_superpage) region_until_[region_of(job)] = at + config_.recovery;
  job.stages->charge(core::Stage::WalkReply, config_.reply);
  job.outcome = active.walk.outcome();
  job.end = at + config_.reply;
  if (!std::holds_alternative<core::Mapping>(job.outcome)) ++counters_.faults;
  release_active(active);
}

// LT: reads the next entry at `at`, which becomes the time of its arrival.
void PageTableWalker::read_by_transaction(Active& active, core::Tick& at) {
  const core::Address address = active.walk.entry_address();
  const core::Tick begin = at;
  active.slot->prepare(::tlm::TLM_READ_COMMAND, address, 8);
  sc_core::sc_time delay = delay_until(at);
  memory->b_transport(*active.slot, delay);
  at = now_ticks(delay);
  const core::Tick waited = active.slot->extension.wait;
  if (config_.dmi && active.slot->is_dmi_allowed()) keep_grant(address, at - begin - waited);
  entry_arrived(active, active.slot->result(), at, waited);
}

bool PageTableWalker::read_direct(Active& active, core::Tick& at) {
  const core::Address address = active.walk.entry_address();
  for (std::size_t i = 0; i < grants_.size(); ++i) {
    if (address < grants_[i].first || address > grants_[i].last || grants_[i].last - address < 7) continue;
    if (i != 0) std::swap(grants_[0], grants_[i]);
    const Grant& grant = grants_.front();
    core::StructureRead read;
    read.readable = true;
    std::memcpy(read.words.data(), grant.bytes + (address - grant.first), 8);
    at += grant.latency;
    entry_arrived(active, read, at, 0);
    return true;
  }
  return false;
}

// Memory has said that it would grant direct access to where a read has just taken `latency`.
void PageTableWalker::keep_grant(core::Address address, core::Tick latency) {
  ::tlm::tlm_generic_payload wanted;
  wanted.set_read();
  wanted.set_address(address);
  ::tlm::tlm_dmi granted;
  if (!memory->get_direct_mem_ptr(wanted, granted) || !granted.is_read_allowed()) return;
  grants_.insert(grants_.begin(),
                 {granted.get_start_address(), granted.get_end_address(), granted.get_dmi_ptr(), latency});
}

void PageTableWalker::withdraw_grants(sc_dt::uint64 first, sc_dt::uint64 last) {
  grants_.erase(std::remove_if(grants_.begin(), grants_.end(),
                               [&](const Grant& grant) { return grant.first <= last && grant.last >= first; }),
                grants_.end());
}

// LT: when the last walk of this region has ended, `now` at the earliest.
core::Tick PageTableWalker::region_free(const WalkJob& job, core::Tick now) {
  // Nobody comes with a time before the kernel's, so what has ended by then may be forgotten.
  constexpr std::size_t kRemembered = 4096;
  if (region_until_.size() > kRemembered) {
    for (auto entry = region_until_.begin(); entry != region_until_.end();) {
      entry = entry->second <= now_ticks() ? region_until_.erase(entry) : std::next(entry);
    }
  }
  const auto found = region_until_.find(region_of(job));
  return found == region_until_.end() ? now : std::max(now, found->second);
}

void PageTableWalker::walk(WalkJob& job, WalkClient& client) {
  Active& active = take_active(job, &client);
  job.entries_read = 0;
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
  const core::Tick due = begin(active, now);
  active.next = active.walk.done() ? Active::Next::Finish : Active::Next::Read;
  queue_.push(due, &active);
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
  for (Active* active : running_) {
    if (active->replied) continue;
    if (scope.kind == core::TranslationScope::Kind::Global || active->job->space.domain == scope.domain)
      active->stale = true;
  }
}

void PageTableWalker::clear() {
  cache_.invalidate({});
  for (Active* active : running_) active->stale = true;
}

}  // namespace iommu::sim
