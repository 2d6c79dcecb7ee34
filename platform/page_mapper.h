// Mapping policies beside the interface: one device's pages, mapped, unmapped and invalidated by a driver of its own.
//
// What it does: gives a device an address space on its unit (api::RemappingDriver), maps pages at fresh logical
// addresses, releases them by one of three policies (mapped once; unmapped and invalidated after use; unmapped at once
// and flushed together later), times each step, and has the device try what was unmapped. What it does not do: know
// packets or rings (PageStreamDriver), or use the interface, which forbids what this is for: invalidations that are put
// off, hints that software chooses.
//
// Everything is carried out as transactions of the calling host thread. Threads may call at the same time: one lock
// holds the tables, the unit's driver has its own. Tables stay once they were needed, so that the leaf-only hint may be
// given for every page.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "api/page_table.h"
#include "api/remapping_driver.h"
#include "models/core/latency_histogram.h"
#include "models/tlm/host_mutex.h"
#include "platform/iova_area.h"
#include "platform/machine.h"

namespace iommu::platform {

struct MapperCounters {
  std::uint64_t mapped = 0;    ///< pages
  std::uint64_t unmapped = 0;  ///< pages
  core::Tick map_time = 0;
  core::Tick unmap_time = 0;            ///< without invalidation
  core::LatencyHistogram invalidation;  ///< submission to completion seen; a flush is one
  std::uint64_t flushes_by_count = 0;
  std::uint64_t flushes_by_time = 0;
  core::LatencyHistogram exposure;  ///< of each page: unmapped, but its translation may still be cached
  std::uint64_t probes = 0;
  std::uint64_t stale_accesses = 0;  ///< probes that went through before the invalidation was complete
  core::Tick longest_stale = 0;      ///< from unmapping to the end of such an access, at most
  std::uint64_t probe_faults = 0;    ///< probes that were blocked before that
  std::uint64_t faults_after_flush = 0;
  std::uint64_t passed_after_flush = 0;  ///< must be 0
};

class PageMapper {
 public:
  struct Page {
    core::Address physical = 0;
    std::uint64_t logical = 0;  ///< page number, while it is mapped
  };
  /// Reads from these logical addresses as the device; says which got through and when each ended.
  struct ProbeResult {
    bool passed = false;
    core::Tick end = 0;
  };
  using ProbeFunction = std::function<std::vector<ProbeResult>(const std::vector<core::Address>&)>;

  PageMapper(Machine& machine, std::size_t device, ProbeFunction probe);
  ~PageMapper();

  /// An empty address space, attached. False (and reported) when something fails, here and below; nothing is of use then.
  [[nodiscard]] bool start();
  /// Maps `bytes`, whole pages, for good and with the largest leaf that was asked for; returns the logical address.
  [[nodiscard]] bool map_for_good(core::Address physical, std::uint64_t bytes, core::Permissions permissions,
                                  std::uint64_t& logical);
  /// Maps pages that are physically in a row at fresh logical addresses.
  [[nodiscard]] bool map(Page* pages, std::size_t count);
  /// The device is done with them: by policy they stay, or go.
  [[nodiscard]] bool release(Page* pages, std::size_t count);
  /// Flushes what still waits for it, detaches, frees tables.
  void stop();

  [[nodiscard]] const MapperCounters& counters() const { return counters_; }
  void restart_counters() { counters_ = MapperCounters(); }

 private:
  /// Unmapped pages whose invalidation is not complete.
  struct Unmapped {
    std::uint64_t logical = 0;
    std::uint64_t pages = 0;
    core::Tick at = 0;
  };

  [[nodiscard]] bool check(NTSTATUS status, const char* what);
  bool fail(const std::string& message);
  [[nodiscard]] bool map_run(std::uint64_t logical, core::Address physical, std::uint64_t pages);
  [[nodiscard]] Unmapped unmap(const Page* pages, std::size_t count);
  [[nodiscard]] bool invalidate(const std::vector<Unmapped>& gone, std::uint64_t first_page, std::uint64_t pages,
                                bool leaf_only);
  [[nodiscard]] bool defer(const Unmapped& gone);
  [[nodiscard]] bool flush(std::uint64_t& cause);
  void flush_timer();
  void probe(const std::vector<Unmapped>& gone, bool flushed);
  [[nodiscard]] const StreamConfig& settings() const;
  [[nodiscard]] PlatformHost& host() const { return *machine_.host; }

  Machine& machine_;
  std::size_t device_;
  ProbeFunction probe_;
  api::RemappingDriver* driver_ = nullptr;
  std::optional<std::uint16_t> domain_id_;
  std::unique_ptr<api::PageTable> table_;
  bool attached_ = false;
  IovaArea area_;
  std::uint64_t next_for_good_ = 0;  // page number
  std::set<std::uint64_t> regions_;  // of 2 MiB, whose tables are there
  sim::HostMutex tables_;
  std::vector<Unmapped> waiting_;  // for a flush, in order of time
  bool timer_runs_ = false;
  bool stopping_ = false;
  sc_core::sc_event timer_event_;  // something waits, or it is over
  sc_core::sc_event timer_over_;
  MapperCounters counters_;
};

}  // namespace iommu::platform
