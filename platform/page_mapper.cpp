#include "platform/page_mapper.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace iommu::platform {

namespace {

/// Fresh addresses begin here: above the range of interrupt messages.
constexpr std::uint64_t kAreaPage = (std::uint64_t{1} << 32) / core::kPageBytes;
constexpr std::uint64_t kRegionPages = core::level_bytes(2) / core::kPageBytes;

class Guard {
 public:
  explicit Guard(sim::HostMutex& mutex) : mutex_(mutex) { mutex_.lock(); }
  ~Guard() { mutex_.unlock(); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  sim::HostMutex& mutex_;
};

}  // namespace

PageMapper::PageMapper(Machine& machine, std::size_t device, ProbeFunction probe)
    : machine_(machine),
      device_(device),
      probe_(std::move(probe)),
      area_(kAreaPage, machine.devices[device].config->stream.iova_area_bytes / core::kPageBytes,
            machine.config.seed + core::kGoldenGamma * (device + 1)) {
  const std::uint64_t end = kAreaPage + settings().iova_area_bytes / core::kPageBytes;
  next_for_good_ = (end + kRegionPages - 1) / kRegionPages * kRegionPages;
}

PageMapper::~PageMapper() = default;

const StreamConfig& PageMapper::settings() const { return machine_.devices[device_].config->stream; }

bool PageMapper::fail(const std::string& message) {
  machine_.diagnostics.push_back(
      {api::Severity::Error, "page_stream", "device " + machine_.devices[device_].config->name, message});
  return false;
}

bool PageMapper::check(NTSTATUS status, const char* what) {
  if (NT_SUCCESS(status)) return true;
  char text[96];
  std::snprintf(text, sizeof text, "%s returned status 0x%08" PRIX32, what, static_cast<std::uint32_t>(status));
  return fail(text);
}

// ---- The address space ------------------------------------------------------------------------------------------

bool PageMapper::start() {
  driver_ = machine_.system->remapping_driver(machine_.pdo(device_));
  if (driver_ == nullptr) return fail("its IOMMU could not be started");
  const api::UnitFeatures& features = driver_->features();
  api::PageTable::Geometry geometry;
  geometry.format = features.format;
  geometry.max_leaf_level = settings().leaf == StreamLeaf::Size2MiB ? std::min(2u, features.max_leaf_level) : 1;
  for (unsigned levels = 1; levels <= core::kMaxLevels; ++levels) {
    if ((features.levels_mask >> levels & 1u) == 0) continue;
    geometry.levels = levels;
    if (core::kPageShift + 9 * levels >= machine_.config.ddi.address_width_bits) break;
  }
  domain_id_ = driver_->acquire_domain_id();
  if (!domain_id_) return fail("all domain ids are taken");
  table_ = api::PageTable::create(geometry, machine_.memory_port(), machine_.frames);
  if (table_ == nullptr) return fail("no memory for page tables");
  const api::AddressSpaceBinding binding{*domain_id_, false, table_->root(), geometry.levels};
  attached_ = check(driver_->attach({machine_.devices[device_].config->requester}, binding), "attach");
  if (attached_ && settings().mapping == StreamMapping::Deferred) {
    timer_runs_ = true;
    host().spawn("flush_timer_" + machine_.devices[device_].config->name, [this] { flush_timer(); });
  }
  return attached_;
}

void PageMapper::stop() {
  stopping_ = true;
  if (timer_runs_) {
    timer_event_.notify(sc_core::SC_ZERO_TIME);
    sc_core::wait(timer_over_);
  }
  std::uint64_t at_the_end = 0;
  if (attached_) static_cast<void>(flush(at_the_end));
  if (attached_) {
    static_cast<void>(check(driver_->detach({machine_.devices[device_].config->requester}), "detach"));
    attached_ = false;
  }
  if (table_ != nullptr) table_->release();
  table_ = nullptr;
  if (domain_id_) driver_->release_domain_id(*domain_id_);
  domain_id_.reset();
}

// ---- Mapping ----------------------------------------------------------------------------------------------------

bool PageMapper::map_for_good(core::Address physical, std::uint64_t bytes, core::Permissions permissions,
                              std::uint64_t& logical) {
  const Guard lock(tables_);
  const std::uint64_t pages = bytes / core::kPageBytes;
  const std::uint64_t first = next_for_good_;
  // Each begins in a 2 MiB region of its own, where it may have large leaves.
  next_for_good_ = (first + pages + kRegionPages - 1) / kRegionPages * kRegionPages;
  if (!table_->map(first, {{physical / core::kPageBytes, pages}}, permissions)) {
    return fail("no memory for page tables");
  }
  logical = first * core::kPageBytes;
  return check(driver_->publish(*domain_id_, first, pages), "publish");
}

bool PageMapper::map(Page* pages, std::size_t count) {
  const core::Tick begin = host().now();
  if (settings().iova == IovaPlacement::Contiguous) {
    const auto first = area_.take_range(count);
    if (!first) return fail("no logical addresses are left: iova_area_bytes is too small");
    if (!map_run(*first, pages[0].physical, count)) return false;
    for (std::size_t i = 0; i < count; ++i) pages[i].logical = *first + i;
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      const auto page = area_.take_scattered();
      if (!page) return fail("no logical addresses are left: iova_area_bytes is too small");
      if (!map_run(*page, pages[i].physical, 1)) return false;
      pages[i].logical = *page;
    }
  }
  counters_.mapped += count;
  counters_.map_time += host().now() - begin;
  return true;
}

bool PageMapper::map_run(std::uint64_t logical, core::Address physical, std::uint64_t pages) {
  const Guard lock(tables_);
  for (std::uint64_t region = logical / kRegionPages; region <= (logical + pages - 1) / kRegionPages; ++region) {
    if (regions_.count(region) != 0) continue;
    if (!table_->pin(region * kRegionPages, 1)) return fail("no memory for page tables");
    regions_.insert(region);
  }
  // A probe reads; the packets only write.
  const core::Permissions permissions =
      settings().stale_probe == StaleProbe::Off ? core::Permissions::Write : core::Permissions::ReadWrite;
  table_->map_pinned(logical, {physical / core::kPageBytes, pages}, permissions);
  return check(driver_->publish(*domain_id_, logical, pages), "publish");
}

// ---- Releasing --------------------------------------------------------------------------------------------------

bool PageMapper::release(Page* pages, std::size_t count) {
  if (settings().mapping == StreamMapping::Recycled) return true;
  if (settings().mapping == StreamMapping::Deferred) {
    for (std::size_t i = 0; i < count; ++i) {
      if (!defer(unmap(pages + i, 1))) return false;
    }
    return true;
  }
  const std::size_t batch = settings().invalidate_pages;
  for (std::size_t i = 0; i < count; i += batch) {
    const Unmapped gone = unmap(pages + i, batch);
    if (!invalidate({gone}, gone.logical, gone.pages, settings().leaf_only)) return false;
    area_.give_back(gone.logical, gone.pages);
  }
  return true;
}

PageMapper::Unmapped PageMapper::unmap(const Page* pages, std::size_t count) {
  const core::Tick begin = host().now();
  {
    const Guard lock(tables_);
    table_->unmap_pinned(pages->logical, count);
  }
  const core::Tick unmapped = host().now();
  const core::Tick cpu_time = to_picoseconds(settings().unmap_cpu_ns) * count;
  if (cpu_time != 0) host().delay(cpu_time);
  counters_.unmapped += count;
  counters_.unmap_time += host().now() - begin;
  return {pages->logical, count, unmapped};
}

bool PageMapper::invalidate(const std::vector<Unmapped>& gone, std::uint64_t first_page, std::uint64_t pages,
                            bool leaf_only) {
  if (settings().stale_probe == StaleProbe::BeforeFlush) probe(gone, false);
  const core::Tick begin = host().now();
  if (!check(driver_->invalidate(*domain_id_, first_page, pages, leaf_only), "invalidate")) return false;
  const core::Tick end = host().now();
  counters_.invalidation.add(end - begin);
  for (const Unmapped& one : gone) {
    for (std::uint64_t i = 0; i < one.pages; ++i) counters_.exposure.add(end - one.at);
  }
  if (settings().stale_probe != StaleProbe::Off) probe(gone, true);
  return true;
}

bool PageMapper::defer(const Unmapped& gone) {
  waiting_.push_back(gone);
  if (waiting_.size() == 1) timer_event_.notify(sc_core::SC_ZERO_TIME);
  const bool full = waiting_.size() >= settings().flush_unmaps;
  if (settings().stale_probe == StaleProbe::AfterUnmap) probe({gone}, false);
  return !full || flush(counters_.flushes_by_count);
}

// Everything that waits; what is unmapped meanwhile waits for the next flush.
bool PageMapper::flush(std::uint64_t& cause) {
  const std::vector<Unmapped> gone = std::move(waiting_);
  waiting_.clear();
  if (gone.empty()) return true;  // another thread was faster
  ++cause;
  if (!invalidate(gone, 0, api::kWholeSpacePages, false)) return false;
  for (const Unmapped& one : gone) area_.give_back(one.logical, one.pages);
  return true;
}

// A host thread: flushes what has waited for flush_ns.
void PageMapper::flush_timer() {
  const core::Tick patience = to_picoseconds(settings().flush_ns);
  while (!stopping_) {
    if (waiting_.empty()) {
      sc_core::wait(timer_event_);
      continue;
    }
    const core::Tick due = waiting_.front().at + patience;
    if (due > host().now()) {
      sc_core::wait(sim::to_sc_time(due - host().now()), timer_event_);
      continue;
    }
    if (!flush(counters_.flushes_by_time)) break;
  }
  timer_runs_ = false;
  timer_over_.notify(sc_core::SC_ZERO_TIME);
}

void PageMapper::probe(const std::vector<Unmapped>& gone, bool flushed) {
  std::vector<core::Address> addresses;
  std::vector<core::Tick> since;
  for (const Unmapped& one : gone) {
    for (std::uint64_t i = 0; i < one.pages; ++i) {
      addresses.push_back((one.logical + i) * core::kPageBytes);
      since.push_back(one.at);
    }
  }
  const std::vector<ProbeResult> results = probe_(addresses);
  for (std::size_t i = 0; i < results.size(); ++i) {
    ++counters_.probes;
    if (flushed) {
      ++(results[i].passed ? counters_.passed_after_flush : counters_.faults_after_flush);
    } else if (results[i].passed) {
      ++counters_.stale_accesses;
      counters_.longest_stale = std::max(counters_.longest_stale, results[i].end - since[i]);
    } else {
      ++counters_.probe_faults;
    }
  }
}

}  // namespace iommu::platform
