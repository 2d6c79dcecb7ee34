// The walker's blocking side: a whole walk within one call.
#include <algorithm>
#include <cstring>

#include "models/tlm/walker_state.h"

namespace iommu::sim {

// Time is carried as a delay throughout, for the reads need one: conversions would cost as much as the levels.
void PageTableWalker::walk_blocking(WalkJob& job, sc_core::sc_time& delay) {
  const core::Tick now = kernel_time_.now(delay);
  const core::Tick start = slots_.begin(config_.one_walk_per_superpage ? region_free(job, now) : now);
  job.start = start;
  job.entries_read = 0;
  ++counters_.walks;
  if (start > now) wait_for_slot(job, delay, start - now);
  const bool direct = !grants_.empty() && !caching_;
  const core::Tick end = direct ? walk_granted(job, delay, start) : walk_from_top(job, delay, start);
  slots_.release(start, end + config_.recovery);
  if (config_.one_walk_per_superpage) region_until_[region_of(job)] = end + config_.recovery;
  if (config_.reply != 0) {
    job.stages->charge(core::Stage::WalkReply, config_.reply);
    delay += to_sc_time(config_.reply);
  }
  job.end = end + config_.reply;
}

void PageTableWalker::wait_for_slot(WalkJob& job, sc_core::sc_time& delay, core::Tick wait) {
  ++counters_.waited;
  job.stages->charge(core::Stage::WalkSlotWait, wait);
  delay += to_sc_time(wait);
}

// What most walks by direct access are: every entry is where the last one was, and is as it mostly is. Nobody comes in
// between and all take the same time, so that it is charged once. Returns when the walk is over.
inline core::Tick PageTableWalker::walk_granted(WalkJob& job, sc_core::sc_time& delay, core::Tick now) {
  core::PlainWalk walk(job.space, job.input, job.wanted);
  const Grant& grant = grants_.front();
  const unsigned char* const bytes = grant.bytes;
  const core::Address first = grant.first;
  const sc_core::sc_time level_time = grant.level_time;
  while (!walk.done()) {
    const core::Address distance = walk.entry_address() - first;
    if (distance > grant.last_entry) break;
    std::uint64_t entry = 0;
    std::memcpy(&entry, bytes + distance, sizeof entry);
    const unsigned level = walk.level();
    if (!walk.take(entry)) break;
    delay += level_time;
    ++counters_.reads_by_level[level];
  }
  const unsigned top = job.space.levels;
  const unsigned read = top - walk.level() + (walk.done() ? 1 : 0);
  const core::Tick end = now + read * grant.level;
  job.stages->charge_levels(top, read, [each = grant.level](unsigned) { return each; });
  job.entries_read = read;
  counters_.entries_read += read;
  if (!walk.done()) return walk_on(job, delay, end, walk.position());
  job.outcome = walk.mapping(job.space.domain);
  return end;
}

core::Tick PageTableWalker::walk_from_top(WalkJob& job, sc_core::sc_time& delay, core::Tick now) {
  return walk_on(job, delay, now, {job.space.root, job.space.levels, core::Permissions::ReadWrite});
}

// A walk from `start` on, with all that may come in between; returns when it is over.
core::Tick PageTableWalker::walk_on(WalkJob& job, sc_core::sc_time& delay, core::Tick now, core::WalkStart start) {
  Blocking reads{&job, &delay, now, take_entry_slot()};
  if (caching_) {
    reads.next = blocking_;
    blocking_ = &reads;
    job.stages->charge(core::Stage::WalkCache, config_.cache_latency);
    delay += cache_latency_time_;
    reads.mark += config_.cache_latency;
    if (const auto known = cache_.find(job.space, job.input)) start = *known;
  }
  core::PlainWalk walk(job.space, job.input, job.wanted);
  if (!walk.skip_to(start)) {
    read_in_full(full_walk(job, start), reads);
  } else {
    read_plain(walk, reads);
  }
  job.stages->charge_levels(start.level, reads.read, [&reads](unsigned level) { return reads.took[level]; });
  job.entries_read += reads.read;
  counters_.entries_read += reads.read;
  entry_slots_.push_back(reads.slot);
  if (caching_) forget_blocking(reads);
  return reads.mark;
}

// As long as its entries are plain; then a full walk goes on.
inline void PageTableWalker::read_plain(core::PlainWalk& walk, Blocking& reads) {
  WalkJob& job = *reads.job;
  while (!walk.done()) {
    std::uint64_t entry = 0;
    const bool readable = read_entry(reads, walk.entry_address(), walk.level(), entry);
    if (!readable || !walk.take(entry)) {
      core::Walk full = full_walk(job, walk.position());
      give_in_full(full, reads, readable, entry);
      return read_in_full(full, reads);
    }
    if (caching_ && !walk.done()) fill_cache(reads, walk.position());
  }
  job.outcome = walk.mapping(job.space.domain);
}

// A walk that has come to `start` but has to look closer at what comes next.
core::Walk PageTableWalker::full_walk(const WalkJob& job, const core::WalkStart& start) {
  core::Walk walk(job.space, job.input, job.wanted, job.zero_length);
  walk.skip_to(start);
  return walk;
}

void PageTableWalker::give_in_full(core::Walk& walk, const Blocking& reads, bool readable, std::uint64_t entry) {
  walk.give(readable, entry);
  if (caching_ && !walk.done()) fill_cache(reads, walk.position());
}

void PageTableWalker::read_in_full(core::Walk walk, Blocking& reads) {
  while (!walk.done()) {
    std::uint64_t entry = 0;
    const bool readable = read_entry(reads, walk.entry_address(), walk.level(), entry);
    give_in_full(walk, reads, readable, entry);
  }
  reads.job->outcome = walk.outcome();
  if (!std::holds_alternative<core::Mapping>(reads.job->outcome)) ++counters_.faults;
}

void PageTableWalker::fill_cache(const Blocking& reads, const core::WalkStart& start) {
  if (!reads.stale) cache_.fill(reads.job->space, reads.job->input, start);
}

// Others that came later may still be waiting for memory.
void PageTableWalker::forget_blocking(const Blocking& reads) {
  Blocking** place = &blocking_;
  while (*place != &reads) place = &(*place)->next;
  *place = reads.next;
}

// Reads the entry of `level` at `address`; false when it can't be read.
inline bool PageTableWalker::read_entry(Blocking& reads, core::Address address, unsigned level, std::uint64_t& entry) {
  ++reads.read;
  ++counters_.reads_by_level[level];
  const Grant* grant = grant_of(address);
  if (grant == nullptr) return read_by_transaction(reads, address, level, entry);
  std::memcpy(&entry, grant->bytes + (address - grant->first), sizeof entry);
  *reads.delay += grant->level_time;
  reads.took[level] = grant->level;
  reads.mark += grant->level;
  return true;
}

inline bool PageTableWalker::read_by_transaction(Blocking& reads, core::Address address, unsigned level,
                                                 std::uint64_t& entry) {
  AccessSlot& slot = *reads.slot;
  slot.set_address(address);
  slot.set_response_status(::tlm::TLM_INCOMPLETE_RESPONSE);
  slot.set_dmi_allowed(false);
  slot.extension.wait = 0;
  *reads.delay += level_overhead_time_;
  bound_memory_->b_transport(slot, *reads.delay);
  const core::Tick at = kernel_time_.now(*reads.delay);
  const core::Tick waited = slot.extension.wait;
  const core::Tick took = at - reads.mark - waited;
  reads.mark = at;
  reads.took[level] = took;
  if (waited != 0) reads.job->stages->charge(core::Stage::MemoryWait, waited);
  if (config_.dmi && slot.is_dmi_allowed()) keep_grant(address, took);
  entry = slot.words[0];
  return slot.is_response_ok();
}

// What a payload that reads entries says besides their address never changes.
AccessSlot* PageTableWalker::make_entry_slot() {
  AccessSlot& slot = pool_.take();
  slot.prepare(::tlm::TLM_READ_COMMAND, 0, 8);
  return &slot;
}

inline AccessSlot* PageTableWalker::take_entry_slot() {
  if (entry_slots_.empty()) return make_entry_slot();
  AccessSlot* slot = entry_slots_.back();
  entry_slots_.pop_back();
  return slot;
}

// Where the entry at `address` can be read directly.
const PageTableWalker::Grant* PageTableWalker::grant_of(core::Address address) {
  for (Grant& grant : grants_) {
    if (address - grant.first > grant.last_entry) continue;
    if (&grant != &grants_.front()) std::swap(grants_.front(), grant);
    return &grants_.front();
  }
  return nullptr;
}

// Memory has said that it would grant direct access to where an entry has just taken `took`.
void PageTableWalker::keep_grant(core::Address address, core::Tick took) {
  ::tlm::tlm_generic_payload wanted;
  wanted.set_read();
  wanted.set_address(address);
  ::tlm::tlm_dmi granted;
  if (!memory->get_direct_mem_ptr(wanted, granted) || !granted.is_read_allowed()) return;
  const core::Address first = granted.get_start_address();
  const core::Address bytes = granted.get_end_address() - first;
  if (bytes < 7) return;
  grants_.insert(grants_.begin(), {first, bytes - 7, granted.get_dmi_ptr(), took, to_sc_time(took)});
}

void PageTableWalker::withdraw_grants(sc_dt::uint64 first, sc_dt::uint64 last) {
  grants_.erase(std::remove_if(grants_.begin(), grants_.end(),
                               [&](const Grant& grant) {
                                 return grant.first <= last && grant.first + grant.last_entry + 7 >= first;
                               }),
                grants_.end());
}

// When the last walk of this region has ended, `now` at the earliest.
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

}  // namespace iommu::sim
