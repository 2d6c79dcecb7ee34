// The walker's blocking side by direct access to the memory of the tables: what it has been granted, and walks that take all
// of their entries from there. Others: page_table_walker_lt.cpp.
#include <algorithm>
#include <cstring>

#include "models/tlm/walker_state.h"

namespace iommu::sim {

void PageTableWalker::walk_otherwise(WalkJob& job, sc_core::sc_time& delay) {
  walk_in_slot(job, delay, [&](core::Tick start) {
    const Grant* grant = whole_walks_;
    if (grant == nullptr || job.stages->levels_charged()) return walk_from_top(job, delay, start);
    return walk_granted(*grant, job, delay, start);
  });
}

// What most walks by direct access are: every entry is where the last one was, and is as it mostly is. Nobody comes in
// between and all take the same time, so that it is charged once; whatever is not so leaves nothing, and is walked anew.
inline core::Tick PageTableWalker::walk_granted(const Grant& grant, WalkJob& job, sc_core::sc_time& delay,
                                                core::Tick now) {
  core::PlainWalk walk(job.space, job.input, job.wanted);
  std::uint64_t entry = 0;
  do {
    const core::Address distance = walk.entry_address() - grant.first;
    if (distance > grant.last_entry) return walk_from_top(job, delay, now);
    std::memcpy(&entry, grant.bytes + distance, sizeof entry);
  } while (walk.descend(entry));
  if (!walk.take_leaf(entry)) return walk_from_top(job, delay, now);
  const unsigned top = job.space.levels;
  const unsigned read = top - static_cast<unsigned>(walk.level()) + 1;
  delay += grant.level_times[read];
  job.stages->charge_levels(top, read, grant.level);
  job.entries_read = read;
  ++direct_reads_[top][read];
  job.outcome = walk.mapping(job.space.domain);
  return now + read * grant.level;
}

WalkerCounters PageTableWalker::counters() const {
  WalkerCounters sum = counters_;
  for (unsigned top = 1; top <= core::kMaxLevels; ++top) {
    for (unsigned read = 1; read <= top; ++read) {
      const std::uint64_t walks = direct_reads_[top][read];
      sum.entries_read += read * walks;
      for (unsigned level = top; level > top - read; --level) sum.reads_by_level[level] += walks;
    }
  }
  return sum;
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
  Grant grant{first, bytes - 7, granted.get_dmi_ptr(), took, {}};
  for (unsigned read = 0; read < grant.level_times.size(); ++read) grant.level_times[read] = to_sc_time(read * took);
  grants_.insert(grants_.begin(), grant);
  if (!caching_) whole_walks_ = grants_.data();
}

void PageTableWalker::withdraw_grants(sc_dt::uint64 first, sc_dt::uint64 last) {
  grants_.erase(std::remove_if(grants_.begin(), grants_.end(),
                               [&](const Grant& grant) {
                                 return grant.first <= last && grant.first + grant.last_entry + 7 >= first;
                               }),
                grants_.end());
  if (grants_.empty()) whole_walks_ = nullptr;
}

}  // namespace iommu::sim
