// The page-table walker as a module: core::Walk on a limited number of slots, with paging-structure caches.
//
// What it does: walks, reading one entry at a time through its own socket, blocking (LT) or event by event (AT),
// charging each level's time; reached by sc_port<WalkerIf>. What it does not do: fill the IOTLB, merge misses, record
// faults: the translation unit does.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "models/core/plain_walk.h"
#include "models/core/resource.h"
#include "models/core/stages.h"
#include "models/core/walk_cache.h"
#include "models/tlm/nb_initiator.h"
#include "models/tlm/socket_width.h"
#include "models/tlm/structure_access.h"
#include "models/tlm/timed_queue.h"

namespace iommu::sim {

/// One walk to do; lives at the caller until it is done.
struct WalkJob {
  core::AddressSpace space;
  core::Address input = 0;
  core::Permissions wanted = core::Permissions::Read;
  bool zero_length = false;
  core::StageTimes* stages = nullptr;  ///< the walk charges its time here
  void* user = nullptr;                ///< the caller's own

  // Results.
  core::WalkOutcome outcome = core::FaultCause::NoRead;
  unsigned entries_read = 0;
  core::Tick start = 0;  ///< when it got a slot
  core::Tick end = 0;
};

static_assert(core::kWalkStages == core::kMaxLevels);

class WalkClient {
 public:
  virtual ~WalkClient() = default;
  /// AT: the walk has got a slot, at the kernel's time; may come from within walk().
  virtual void walk_started(WalkJob& job) = 0;
  /// Called at the simulated time `job.end`.
  virtual void walk_done(WalkJob& job) = 0;
};

class WalkerIf : public virtual sc_core::sc_interface {
 public:
  /// LT: the whole walk, from the annotated time on; returns with job.end, which `delay` is then. May wait() only if the
  /// memory behind does.
  virtual void walk_blocking(WalkJob& job, sc_core::sc_time& delay) = 0;
  /// AT: begins at the kernel's time; client.walk_done() comes later, never from within.
  virtual void walk(WalkJob& job, WalkClient& client) = 0;
  virtual void invalidate(const core::TranslationScope& scope) = 0;
  virtual void clear() = 0;
};

struct WalkerConfig {
  std::uint32_t slots = 8;           ///< walks at the same time; 0: without limit
  core::Tick level_overhead = 2000;  ///< before the read of each level's entry
  core::Tick cache_latency = 1000;   ///< of one look-up in the paging-structure caches; 0 when all are off
  core::Tick reply = 0;              ///< from a walk's end to walk_done()
  core::Tick recovery = 0;           ///< from a walk's end until its slot, and its region, can be taken again
  core::WalkCacheConfig cache;
  /// LT: entries are read through direct memory pointers where memory grants them, in the time that the last read by a
  /// transaction took without waiting. Such reads take no memory channel and are in no counter of bus and memory.
  bool dmi = false;
  /// At most one walk at a time for each 2 MiB region of a domain; the others wait for it without taking a slot.
  bool one_walk_per_superpage = false;
};

struct WalkerCounters {
  std::uint64_t walks = 0;
  std::uint64_t faults = 0;  ///< walks that ended without a mapping
  std::uint64_t entries_read = 0;
  std::array<std::uint64_t, core::kMaxLevels + 1> reads_by_level{};  ///< of these, by the level of the entry
  std::uint64_t waited = 0;       ///< walks that found all slots, or their region, busy
  std::uint32_t most_active = 0;  ///< AT: most walks at the same time
};

class PageTableWalker : public sc_core::sc_module, public WalkerIf {
 public:
  tlm_utils::simple_initiator_socket<PageTableWalker, kSocketWidthBits> memory;  ///< paging entries are read here

  PageTableWalker(sc_core::sc_module_name name, const WalkerConfig& config);
  ~PageTableWalker() override;

  void end_of_elaboration() override;

  void walk_blocking(WalkJob& job, sc_core::sc_time& delay) override;
  void walk(WalkJob& job, WalkClient& client) override;
  void invalidate(const core::TranslationScope& scope) override;
  void clear() override;

  [[nodiscard]] WalkerCounters counters() const;
  [[nodiscard]] const core::WalkCacheCounters& cache_counters() const { return cache_.counters(); }
  [[nodiscard]] std::uint64_t out_of_order() const { return slots_.out_of_order(); }
  /// Counts from here on; walks under way count what is still to come.
  void restart_counters() {
    counters_ = WalkerCounters();
    direct_reads_ = {};
    cache_.restart_counters();
    slots_.restart_counters();
  }

 private:
  struct Active;
  struct Blocking;
  struct ReadEnded {
    PageTableWalker* walker;
    void operator()(::tlm::tlm_generic_payload& payload, core::Tick at) const;
  };

  ::tlm::tlm_sync_enum backward(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase, sc_core::sc_time& delay);
  [[nodiscard]] static std::uint64_t region_of(const WalkJob& job);
  void charge_read(WalkJob& job, unsigned level, core::Tick took, core::Tick waited);
  void read_ended(Active& active, core::Tick at);
  void fill_cache(Active& active);
  void start(Active& active);
  void handle(Active& active);
  void finish(Active& active);
  void go_on_at(Active& active, core::Tick time);
  void free_slot(Active& active);
  void reply(Active& active);
  [[nodiscard]] bool may_start(const Active& active) const;
  void start_waiting();
  void run_due();
  [[gnu::noinline]] Active& make_active();
  Active& take_active(WalkJob& job, WalkClient& client);
  void release_active(Active& active);

  // LT. Where paging entries can be read directly, and how long a read takes.
  struct Grant {
    core::Address first;
    core::Address last_entry;    // the last entry's distance from `first`
    const unsigned char* bytes;  // of `first`
    core::Tick level;            // what an entry takes: the level's overhead and the read
    std::array<sc_core::sc_time, core::kMaxLevels + 1> level_times;  // of so many entries
  };
  [[gnu::always_inline]] inline core::Tick walk_plain(WalkJob& job, sc_core::sc_time& delay, core::Tick now);
  [[gnu::noinline]] core::Tick go_on_in_full(WalkJob& job, sc_core::sc_time& delay, core::Tick now,
                                             const core::WalkStart& at, AccessSlot& slot);
  template <class Walk>
  [[gnu::always_inline]] inline void walk_in_slot(WalkJob& job, sc_core::sc_time& delay, Walk walk);
  [[gnu::noinline]] void walk_plainly(WalkJob& job, sc_core::sc_time& delay);
  [[gnu::noinline]] void walk_otherwise(WalkJob& job, sc_core::sc_time& delay);
  [[gnu::always_inline]] inline core::Tick walk_granted(const Grant& grant, WalkJob& job, sc_core::sc_time& delay,
                                                        core::Tick now);
  [[gnu::noinline]] core::Tick walk_on(WalkJob& job, sc_core::sc_time& delay, core::Tick now, core::WalkStart start);
  core::Tick walk_from_top(WalkJob& job, sc_core::sc_time& delay, core::Tick now);
  [[gnu::always_inline]] inline void read_plain(core::PlainWalk& walk, Blocking& reads);
  inline void end_reads(const Blocking& reads, unsigned top);
  [[gnu::noinline]] void end_later(WalkJob& job, sc_core::sc_time& delay);
  [[nodiscard]] static core::Walk full_walk(const WalkJob& job, const core::WalkStart& start);
  void give_in_full(core::Walk& walk, const Blocking& reads, bool readable, std::uint64_t entry);
  [[gnu::noinline]] void read_in_full(core::Walk walk, Blocking& reads);
  void fill_cache(const Blocking& reads, const core::WalkStart& start);
  void forget_blocking(const Blocking& reads);
  [[gnu::always_inline]] inline bool read_entry(Blocking& reads, core::Address address, std::size_t level,
                                                std::uint64_t& entry);
  [[gnu::always_inline]] inline void read_by_transaction(AccessSlot& slot, core::Address address,
                                                         sc_core::sc_time& delay);
  [[gnu::noinline]] static core::Tick take_wait(WalkJob& job, AccessSlot& slot);
  [[gnu::noinline]] AccessSlot* make_entry_slot();
  AccessSlot* take_entry_slot();
  [[gnu::noinline]] AccessSlot* take_another_entry_slot();
  void give_back_entry_slot(AccessSlot* slot);
  [[gnu::noinline]] void wait_for_slot(WalkJob& job, sc_core::sc_time& delay, core::Tick wait);
  [[nodiscard]] const Grant* grant_of(core::Address address);
  [[gnu::noinline]] void keep_grant(core::Address address, core::Tick took);
  void withdraw_grants(sc_dt::uint64 first, sc_dt::uint64 last);
  [[gnu::noinline]] core::Tick region_free(const WalkJob& job, core::Tick now);

  WalkerConfig config_;
  KernelTime kernel_time_;
  ::tlm::tlm_blocking_transport_if<>* bound_memory_ =
      nullptr;  // what the socket is bound to: it looks for it in every call
  sc_core::sc_time cache_latency_time_;
  sc_core::sc_time level_overhead_time_;
  std::vector<Grant> grants_;           // dmi only; the one used last is the first
  const Grant* whole_walks_ = nullptr;  // that first one, where walks may take all of their entries from it
  bool caching_ = false;                // some level has a cache; their look-up may take no time
  bool plain_ = false;                  // LT: neither caches nor direct access
  bool ends_later_ = false;             // LT: something takes effect after a walk's end
  core::WalkCache cache_;
  core::Resource slots_;          // LT
  Blocking* blocking_ = nullptr;  // LT, with caches: the walks under way, a list
  // LT: of the pool, ready to read an entry, in no walk's use; the one used last, or null, and others.
  AccessSlot* entry_slot_ = nullptr;
  std::vector<AccessSlot*> entry_slots_;
  AccessPool pool_;
  NbInitiator<decltype(memory), ReadEnded> initiator_;
  TimedQueue<Active*> queue_;
  std::vector<std::unique_ptr<Active>> all_;
  std::vector<Active*> free_;
  std::vector<Active*> running_;
  std::deque<Active*> waiting_;
  std::uint32_t active_count_ = 0;                    // AT: slots taken
  std::map<std::uint64_t, core::Tick> region_until_;  // LT, one_walk_per_superpage: when a region's last walk ends
  WalkerCounters counters_;
  // LT: of walks by direct access, how many have read so many entries (second) from the level of their top (first) down.
  // Not in counters_: it is one addition for each.
  std::array<std::array<std::uint64_t, core::kMaxLevels + 1>, core::kMaxLevels + 1> direct_reads_{};
};

}  // namespace iommu::sim
