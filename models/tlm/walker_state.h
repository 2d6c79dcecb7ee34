// What the walker keeps of a walk, and the steps that LT and AT share; private to models/tlm/page_table_walker*.cpp.
//
// What it does: takes and releases pooled records, looks into the paging-structure caches and fills them, charges each
// entry's time. What it does not do: read memory, wait for slots.
#pragma once

#include "models/tlm/page_table_walker.h"

namespace iommu::sim {

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
  std::size_t index = 0;      // in running_
  core::Tick ended = 0;       // AT: when the walk did
  bool started = false;       // AT: has a slot
  bool replied = false;       // AT: the job is the client's again
  bool fill_pending = false;  // the last entry read led one level down
  bool stale = false;         // an invalidation came in between: nothing of this walk may be cached
};

// What at most one walk at a time is for, when that is so.
inline std::uint64_t PageTableWalker::region_of(const WalkJob& job) {
  constexpr unsigned kRegionShift = 21;
  return (job.input >> kRegionShift) | (std::uint64_t{job.space.domain} << (64 - kRegionShift));
}

inline PageTableWalker::Active& PageTableWalker::take_active(WalkJob& job, WalkClient* client) {
  if (free_.empty()) free_.push_back(&make_active());
  Active& active = *free_.back();
  free_.pop_back();
  job.entries_read = 0;
  active.job = &job;
  active.region = region_of(job);
  active.client = client;
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
  // In AT a target may hold the payload a little longer: the slot is the pool's again. In LT it stays.
  if (active.client != nullptr) {
    pool_.give_back(*active.slot);
    active.slot = nullptr;
  }
  free_.push_back(&active);
}

// Takes a slot: looks into the caches. The walk may be over then.
inline void PageTableWalker::begin(Active& active, core::Tick now) {
  active.mark = now + config_.cache_latency;
  if (!caching_) return;
  active.job->stages->charge(core::Stage::WalkCache, config_.cache_latency);
  if (const auto known = cache_.find(active.job->space, active.job->input)) active.walk.skip_to(*known);
}

// An entry has arrived at `at`: charges its time and lets the walk take it.
inline void PageTableWalker::entry_arrived(Active& active, bool readable, std::uint64_t entry, core::Tick at,
                                           core::Tick waited) {
  const unsigned level = active.walk.level();
  active.job->stages->charge(core::walk_level_stage(level), at - active.mark - waited);
  if (waited != 0) active.job->stages->charge(core::Stage::MemoryWait, waited);
  active.mark = at;
  ++active.job->entries_read;
  ++counters_.entries_read;
  ++counters_.reads_by_level[level];
  active.walk.give(readable, entry);
  active.fill_pending = caching_ && !active.walk.done();
}

}  // namespace iommu::sim
