// What the walker keeps of a walk under way; private to models/tlm/page_table_walker*.cpp.
//
// What it does: takes and releases the pooled records of AT, charges each entry's time. What it does not do: read memory,
// look into caches, wait for slots.
#pragma once

#include "models/tlm/page_table_walker.h"

namespace iommu::sim {

// AT: one walk under way. `mark` is the time up to which its stages are charged.
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
  std::size_t index = 0;      // in running_
  core::Tick ended = 0;       // when the walk did
  bool started = false;       // has a slot
  bool replied = false;       // the job is the client's again
  bool fill_pending = false;  // the last entry read led one level down
  bool stale = false;         // an invalidation came in between: nothing of this walk may be cached
};

// LT: the same, on the stack of the process that walks.
struct PageTableWalker::Blocking {
  WalkJob* job;
  sc_core::sc_time* delay;
  core::Tick mark;
  AccessSlot* slot;
  unsigned read = 0;           // entries
  bool levels_charged = true;  // false: the levels' times are written, and charged at the end
  bool stale = false;
  Blocking* next = nullptr;  // in blocking_
};

// What at most one walk at a time is for, when that is so.
inline std::uint64_t PageTableWalker::region_of(const WalkJob& job) {
  constexpr unsigned kRegionShift = 21;
  return (job.input >> kRegionShift) | (std::uint64_t{job.space.domain} << (64 - kRegionShift));
}

inline PageTableWalker::Active& PageTableWalker::take_active(WalkJob& job, WalkClient& client) {
  if (free_.empty()) free_.push_back(&make_active());
  Active& active = *free_.back();
  free_.pop_back();
  job.entries_read = 0;
  active.job = &job;
  active.region = region_of(job);
  active.client = &client;
  active.walk = core::Walk(job.space, job.input, job.wanted, job.zero_length);
  active.started = active.replied = false;
  active.fill_pending = false;
  active.stale = false;
  active.index = running_.size();
  running_.push_back(&active);
  ++counters_.walks;
  return active;
}

inline void PageTableWalker::release_active(Active& active) {
  Active* last = running_.back();
  running_[active.index] = last;
  last->index = active.index;
  running_.pop_back();
  // A target may hold the payload a little longer: the slot is the pool's again.
  pool_.give_back(*active.slot);
  active.slot = nullptr;
  free_.push_back(&active);
}

// LT: `walk(start)` walks and returns the end. Time is carried as a delay throughout, for the reads need one: conversions
// would cost as much as the levels.
template <class Walk>
inline void PageTableWalker::walk_in_slot(WalkJob& job, sc_core::sc_time& delay, Walk walk) {
  const core::Tick now = kernel_time_.now(delay);
  const core::Tick start = slots_.begin(config_.one_walk_per_superpage ? region_free(job, now) : now);
  job.start = start;
  ++counters_.walks;
  if (start > now) wait_for_slot(job, delay, start - now);
  const core::Tick end = walk(start);
  slots_.release(start, end + config_.recovery);
  job.end = end;
  if (ends_later_) end_later(job, delay);
}

// AT: the time of a read of an entry of this level.
inline void PageTableWalker::charge_read(WalkJob& job, unsigned level, core::Tick took, core::Tick waited) {
  job.stages->charge(core::walk_level_stage(level), took);
  if (waited != 0) job.stages->charge(core::Stage::MemoryWait, waited);
  ++job.entries_read;
  ++counters_.entries_read;
  ++counters_.reads_by_level[level];
}

}  // namespace iommu::sim
