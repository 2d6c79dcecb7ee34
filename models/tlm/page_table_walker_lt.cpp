// The walker's blocking side: a whole walk within one call.
#include <algorithm>
#include <cstring>

#include "models/tlm/walker_state.h"

namespace iommu::sim {

// Reads the entry at `address`; `delay` becomes the time of its arrival.
void PageTableWalker::read_by_transaction(Active& active, core::Address address, sc_core::sc_time& delay) {
  AccessSlot& slot = *active.slot;
  slot.set_address(address);
  slot.set_response_status(::tlm::TLM_INCOMPLETE_RESPONSE);
  slot.set_dmi_allowed(false);
  slot.extension.wait = 0;
  const core::Tick begin = now_ticks(delay);
  memory->b_transport(slot, delay);
  const core::Tick at = now_ticks(delay);
  const core::Tick waited = slot.extension.wait;
  if (config_.dmi && slot.is_dmi_allowed()) keep_grant(address, at - begin - waited);
  entry_arrived(active, slot.is_response_ok(), slot.words[0], at, waited);
}

// Time is carried as a delay throughout, for the reads need one: conversions would cost as much as the levels.
void PageTableWalker::walk_blocking(WalkJob& job, sc_core::sc_time& delay) {
  Active& active = take_active(job, nullptr);
  const core::Tick now = now_ticks(delay);
  const core::Tick start = slots_.begin(config_.one_walk_per_superpage ? region_free(job, now) : now);
  job.start = start;
  if (start > now) {
    ++counters_.waited;
    job.stages->charge(core::Stage::WalkSlotWait, start - now);
    delay += to_sc_time(start - now);
  }
  begin(active, start);
  if (caching_) delay += cache_latency_time_;
  bool prepared = false;
  while (!active.walk.done()) {
    delay += level_overhead_time_;
    const core::Address address = active.walk.entry_address();
    if (const Grant* grant = grant_of(address)) {
      std::uint64_t entry = 0;
      std::memcpy(&entry, grant->bytes + (address - grant->first), sizeof entry);
      delay += grant->latency;
      entry_arrived(active, true, entry, now_ticks(delay), 0);
    } else {
      if (!prepared) prepare_reads(active);
      prepared = true;
      read_by_transaction(active, address, delay);
    }
    if (active.fill_pending) fill_cache(active);
  }
  const core::Tick end = active.mark;
  slots_.release(start, end + config_.recovery);
  if (config_.one_walk_per_superpage) region_until_[region_of(job)] = end + config_.recovery;
  if (config_.reply != 0) {
    job.stages->charge(core::Stage::WalkReply, config_.reply);
    delay += to_sc_time(config_.reply);
  }
  job.outcome = active.walk.outcome();
  job.end = end + config_.reply;
  if (!std::holds_alternative<core::Mapping>(job.outcome)) ++counters_.faults;
  release_active(active);
}

// The slot of an Active is used in LT only for entries, so most of its payload never changes.
void PageTableWalker::prepare_reads(Active& active) {
  if (active.slot == nullptr) active.slot = &pool_.take();
  active.slot->prepare(::tlm::TLM_READ_COMMAND, 0, 8);
}

// Where the entry at `address` can be read directly.
const PageTableWalker::Grant* PageTableWalker::grant_of(core::Address address) {
  for (std::size_t i = 0; i < grants_.size(); ++i) {
    if (address - grants_[i].first > grants_[i].last_entry) continue;
    if (i != 0) std::swap(grants_[0], grants_[i]);
    return &grants_.front();
  }
  return nullptr;
}

// Memory has said that it would grant direct access to where a read has just taken `latency`.
void PageTableWalker::keep_grant(core::Address address, core::Tick latency) {
  ::tlm::tlm_generic_payload wanted;
  wanted.set_read();
  wanted.set_address(address);
  ::tlm::tlm_dmi granted;
  if (!memory->get_direct_mem_ptr(wanted, granted) || !granted.is_read_allowed()) return;
  const core::Address first = granted.get_start_address();
  const core::Address bytes = granted.get_end_address() - first;
  if (bytes < 7) return;
  grants_.insert(grants_.begin(), {first, bytes - 7, granted.get_dmi_ptr(), to_sc_time(latency)});
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
