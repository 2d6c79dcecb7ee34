// The walker's blocking side: a whole walk within one call.
#include <algorithm>
#include <cstring>

#include "models/tlm/walker_state.h"

namespace iommu::sim {

void PageTableWalker::walk_blocking(WalkJob& job, sc_core::sc_time& delay) {
  plain_ ? walk_plainly(job, delay) : walk_otherwise(job, delay);
}

void PageTableWalker::walk_plainly(WalkJob& job, sc_core::sc_time& delay) {
  walk_in_slot(job, delay, [&](core::Tick start) { return walk_plain(job, delay, start); });
}

// What takes effect after a walk's end.
void PageTableWalker::end_later(WalkJob& job, sc_core::sc_time& delay) {
  if (config_.one_walk_per_superpage) region_until_[region_of(job)] = job.end + config_.recovery;
  if (config_.reply == 0) return;
  job.stages->charge(core::Stage::WalkReply, config_.reply);
  delay += to_sc_time(config_.reply);
  job.end += config_.reply;
}

void PageTableWalker::wait_for_slot(WalkJob& job, sc_core::sc_time& delay, core::Tick wait) {
  ++counters_.waited;
  job.stages->charge(core::Stage::WalkSlotWait, wait);
  delay += to_sc_time(wait);
}

// With neither caches nor direct access, as long as all entries are as they mostly are. Returns when the walk is over.
inline core::Tick PageTableWalker::walk_plain(WalkJob& job, sc_core::sc_time& delay, core::Tick now) {
  core::StageTimes& stages = *job.stages;
  if (stages.levels_charged()) return walk_from_top(job, delay, now);
  core::PlainWalk walk(job.space, job.input, job.wanted);
  AccessSlot& slot = *take_entry_slot();
  core::Tick mark = now;
  do {
    read_by_transaction(slot, walk.entry_address(), delay);
    const core::Tick at = kernel_time_.now(delay);
    core::Tick took = at - mark;
    if (slot.extension.wait != 0) took -= take_wait(job, slot);
    mark = at;
    stages.write_level(walk.level(), took);
    ++counters_.reads_by_level[walk.level()];
  } while (slot.is_response_ok() && walk.descend(slot.words[0]));
  const unsigned read = job.space.levels - static_cast<unsigned>(walk.level()) + 1;
  stages.charge_written(job.space.levels, read);
  job.entries_read = read;
  counters_.entries_read += read;
  if (!slot.is_response_ok() || !walk.take_leaf(slot.words[0])) {
    return go_on_in_full(job, delay, mark, walk.position(), slot);
  }
  give_back_entry_slot(&slot);
  job.outcome = walk.mapping(job.space.domain);
  return mark;
}

// What a plain walk has left alone in `slot`, and all that comes after it.
core::Tick PageTableWalker::go_on_in_full(WalkJob& job, sc_core::sc_time& delay, core::Tick now,
                                          const core::WalkStart& at, AccessSlot& slot) {
  Blocking reads{&job, &delay, now, &slot};
  core::Walk walk = full_walk(job, at);
  walk.give(slot.is_response_ok(), slot.words[0]);
  read_in_full(walk, reads);
  end_reads(reads, 0);
  return reads.mark;
}

core::Tick PageTableWalker::walk_from_top(WalkJob& job, sc_core::sc_time& delay, core::Tick now) {
  job.entries_read = 0;
  return walk_on(job, delay, now, {job.space.root, job.space.levels, core::Permissions::ReadWrite});
}

// A walk from `start` on, with all that may come in between; returns when it is over.
core::Tick PageTableWalker::walk_on(WalkJob& job, sc_core::sc_time& delay, core::Tick now, core::WalkStart start) {
  Blocking reads{&job, &delay, now, take_entry_slot()};
  reads.levels_charged = job.stages->levels_charged();
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
  end_reads(reads, start.level);
  if (caching_) forget_blocking(reads);
  return reads.mark;
}

// All entries from `top` down have been read.
inline void PageTableWalker::end_reads(const Blocking& reads, unsigned top) {
  if (!reads.levels_charged) reads.job->stages->charge_written(top, reads.read);
  reads.job->entries_read += reads.read;
  counters_.entries_read += reads.read;
  give_back_entry_slot(reads.slot);
}

// As long as its entries are plain; then a full walk goes on.
inline void PageTableWalker::read_plain(core::PlainWalk& walk, Blocking& reads) {
  WalkJob& job = *reads.job;
  std::uint64_t entry = 0;
  bool readable = read_entry(reads, walk.entry_address(), walk.level(), entry);
  while (readable && walk.descend(entry)) {
    if (caching_) fill_cache(reads, walk.position());
    readable = read_entry(reads, walk.entry_address(), walk.level(), entry);
  }
  if (!readable || !walk.take_leaf(entry)) {
    core::Walk full = full_walk(job, walk.position());
    give_in_full(full, reads, readable, entry);
    return read_in_full(full, reads);
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
inline bool PageTableWalker::read_entry(Blocking& reads, core::Address address, std::size_t level,
                                        std::uint64_t& entry) {
  ++reads.read;
  ++counters_.reads_by_level[level];
  bool readable = true;
  core::Tick took = 0;
  if (const Grant* grant = grant_of(address)) {
    std::memcpy(&entry, grant->bytes + (address - grant->first), sizeof entry);
    *reads.delay += grant->level_times[1];
    took = grant->level;
    reads.mark += took;
  } else {
    AccessSlot& slot = *reads.slot;
    read_by_transaction(slot, address, *reads.delay);
    const core::Tick at = kernel_time_.now(*reads.delay);
    took = at - reads.mark;
    if (slot.extension.wait != 0) took -= take_wait(*reads.job, slot);
    reads.mark = at;
    if (config_.dmi && slot.is_dmi_allowed()) keep_grant(address, took);
    entry = slot.words[0];
    readable = slot.is_response_ok();
  }
  core::StageTimes& stages = *reads.job->stages;
  reads.levels_charged ? stages.charge(core::walk_level_stage(static_cast<unsigned>(level)), took)
                       : stages.write_level(level, took);
  return readable;
}

inline void PageTableWalker::read_by_transaction(AccessSlot& slot, core::Address address, sc_core::sc_time& delay) {
  slot.set_address(address);
  slot.set_response_status(::tlm::TLM_INCOMPLETE_RESPONSE);
  slot.set_dmi_allowed(false);
  delay += level_overhead_time_;
  bound_memory_->b_transport(slot, delay);
}

// Charges what a read has waited, and returns it.
core::Tick PageTableWalker::take_wait(WalkJob& job, AccessSlot& slot) {
  const core::Tick waited = slot.extension.wait;
  slot.extension.wait = 0;
  job.stages->charge(core::Stage::MemoryWait, waited);
  return waited;
}

// What a payload that reads entries says besides their address never changes.
AccessSlot* PageTableWalker::make_entry_slot() {
  AccessSlot& slot = pool_.take();
  slot.prepare(::tlm::TLM_READ_COMMAND, 0, 8);
  return &slot;
}

// Nearly always the one that was used last.
inline AccessSlot* PageTableWalker::take_entry_slot() {
  AccessSlot* slot = entry_slot_;
  entry_slot_ = nullptr;
  return slot != nullptr ? slot : take_another_entry_slot();
}

AccessSlot* PageTableWalker::take_another_entry_slot() {
  if (entry_slots_.empty()) return make_entry_slot();
  AccessSlot* slot = entry_slots_.back();
  entry_slots_.pop_back();
  return slot;
}

inline void PageTableWalker::give_back_entry_slot(AccessSlot* slot) {
  if (entry_slot_ != nullptr) entry_slots_.push_back(entry_slot_);
  entry_slot_ = slot;
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
