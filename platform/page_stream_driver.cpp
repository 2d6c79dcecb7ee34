#include "platform/page_stream_driver.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "models/core/payload_pattern.h"
#include "platform/result_writer.h"

namespace iommu::platform {

namespace {

std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + core::kPageBytes - 1) / core::kPageBytes * core::kPageBytes;
}

}  // namespace

PageStreamDriver::PageStreamDriver(Machine& machine, std::size_t index)
    : DeviceDriver(machine, index),
      mapper_(machine, index, [this](const std::vector<core::Address>& addresses) { return probe(addresses); }),
      cpus_(settings().cpu_threads == 0 ? settings().rings : settings().cpu_threads) {
  const std::uint64_t pages = std::uint64_t{settings().rings} * settings().ring_pages;
  const std::uint64_t entries = std::uint64_t{settings().ring_pages} * device().stream->buffers_per_page();
  descriptors_bytes_ = whole_pages(entries * settings().descriptor_read_bytes);
  completions_bytes_ = whole_pages(entries * settings().completion_write_bytes);
  const std::uint64_t ring_bytes = settings().rings * (descriptors_bytes_ + completions_bytes_);
  const bool large = settings().leaf == StreamLeaf::Size2MiB;
  const auto buffers =
      machine.frames.allocate_range(pages * core::kPageBytes, large ? core::level_bytes(2) : core::kPageBytes);
  const auto rings = machine.frames.allocate_range(ring_bytes == 0 ? core::kPageBytes : ring_bytes, core::kPageBytes);
  if (!buffers || !rings) {
    const std::string key = "device." + device().config->name;
    throw ConfigError(machine.config.where(key), key + ": its pages and rings don't fit into memory.size_bytes = " +
                                                     std::to_string(machine.config.memory.size_bytes));
  }
  buffers_ = *buffers;
  rings_ = *rings;
  pages_.resize(pages);
  for (std::size_t i = 0; i < pages_.size(); ++i) pages_[i].physical = buffers_ + i * core::kPageBytes;
  for (std::uint32_t ring = 0; ring < settings().rings; ++ring) {
    for (std::uint32_t slot = 0; slot < settings().ring_pages; slot += settings().refill_pages) {
      refills_.push_back({ring, slot, 0});
    }
  }
  device().stream->set_client(*this);
  machine.on_restart([this] {
    device().stream->restart_counters();
    mapper_.restart_counters();
  });
}

PageMapper::Page* PageStreamDriver::pages_of(const Refill& refill) {
  return &pages_[std::size_t{refill.ring} * settings().ring_pages + refill.first_slot];
}

// ---- Life -------------------------------------------------------------------------------------------------------

void PageStreamDriver::work() {
  if (mapper_.start() && map_rings() && map_pages()) {
    for (const Refill& refill : refills_) post(refill);
    device().stream->start();
    cpus_running_ = cpus_.size();
    for (std::size_t i = 0; i < cpus_.size(); ++i) {
      host().spawn(device().config->name + "_cpu_" + std::to_string(i), [this, i] { run_cpu(cpus_[i]); });
    }
    sc_core::wait(cpus_over_);
    // Something may be under way when it could not go on.
    while (!device().stream->port.idle()) host().delay(1'000'000);
    // What lies in pages that were not filled.
    for (const Refill& refill : refills_) check_payload(refill);
  }
  mapper_.stop();
}

bool PageStreamDriver::map_rings() {
  core::Address physical = rings_;
  const auto map = [&](std::uint64_t bytes, core::Permissions permissions, std::uint64_t& logical) {
    if (bytes == 0) return true;
    const bool mapped = mapper_.map_for_good(physical, bytes, permissions, logical);
    physical += bytes;
    return mapped;
  };
  std::uint64_t descriptors = 0;
  std::uint64_t completions = 0;
  if (!map(settings().rings * descriptors_bytes_, core::Permissions::Read, descriptors)) return false;
  if (!map(settings().rings * completions_bytes_, core::Permissions::Write, completions)) return false;
  for (std::uint32_t ring = 0; ring < settings().rings; ++ring) {
    device().stream->set_ring(ring, descriptors + ring * descriptors_bytes_, completions + ring * completions_bytes_);
  }
  return true;
}

bool PageStreamDriver::map_pages() {
  if (settings().mapping == StreamMapping::Recycled && settings().iova == IovaPlacement::Contiguous) {
    std::uint64_t logical = 0;
    if (!mapper_.map_for_good(buffers_, pages_.size() * core::kPageBytes, core::Permissions::Write, logical)) {
      return false;
    }
    for (std::size_t i = 0; i < pages_.size(); ++i) pages_[i].logical = logical / core::kPageBytes + i;
    return true;
  }
  for (const Refill& refill : refills_) {
    if (!mapper_.map(pages_of(refill), settings().refill_pages)) return false;
  }
  return true;
}

void PageStreamDriver::post(const Refill& refill) {
  const std::size_t index = static_cast<std::size_t>(&refill - refills_.data());
  refills_[index].to_fill = settings().refill_pages;
  const PageMapper::Page* pages = pages_of(refill);
  for (std::uint32_t i = 0; i < settings().refill_pages; ++i) {
    device().stream->post(refill.ring, refill.first_slot + i, pages[i].logical * core::kPageBytes);
  }
}

void PageStreamDriver::page_used(std::uint32_t ring, std::uint32_t slot) {
  const std::uint32_t in_ring = settings().ring_pages / settings().refill_pages;
  Refill& refill = refills_[std::size_t{ring} * in_ring + slot / settings().refill_pages];
  if (--refill.to_fill != 0) return;
  Cpu& cpu = cpus_[ring % cpus_.size()];
  cpu.used.push_back(&refill);
  cpu.wake.notify(sc_core::SC_ZERO_TIME);
}

void PageStreamDriver::run_cpu(Cpu& cpu) {
  while (!broken_) {
    if (!cpu.used.empty()) {
      Refill& refill = *cpu.used.front();
      cpu.used.pop_front();
      if (!recycle(refill)) broken_ = true;
    } else if (device().stream->done()) {
      break;
    } else {
      sc_core::wait(cpu.wake | device().stream->done_event());
    }
  }
  for (Cpu& other : cpus_) other.wake.notify(sc_core::SC_ZERO_TIME);
  if (--cpus_running_ == 0) cpus_over_.notify(sc_core::SC_ZERO_TIME);
}

bool PageStreamDriver::recycle(Refill& refill) {
  PageMapper::Page* pages = pages_of(refill);
  if (!mapper_.release(pages, settings().refill_pages)) return false;
  check_payload(refill);
  if (settings().mapping != StreamMapping::Recycled && !mapper_.map(pages, settings().refill_pages)) return false;
  post(refill);
  return true;
}

void PageStreamDriver::check_payload(const Refill& refill) {
  const PageMapper::Page* pages = pages_of(refill);
  for (std::uint32_t i = 0; i < settings().refill_pages; ++i) {
    const unsigned char* data = machine_.memory->host_pointer(pages[i].physical);
    for (std::uint32_t buffer = 0; buffer < device().stream->buffers_per_page(); ++buffer) {
      const auto packet = device().stream->packet_in(refill.ring, refill.first_slot + i, buffer);
      if (!packet) continue;
      ++checked_;
      const unsigned char* bytes = data + buffer * settings().buffer_bytes;
      if (!core::check_payload(*packet, 0, bytes, settings().packet_bytes)) ++corrupted_;
    }
  }
}

std::vector<PageMapper::ProbeResult> PageStreamDriver::probe(const std::vector<core::Address>& addresses) {
  std::vector<std::unique_ptr<sim::PageStream::Probe>> probes;
  for (const core::Address address : addresses) {
    probes.push_back(std::make_unique<sim::PageStream::Probe>());
    probes.back()->address = address;
    device().stream->probe(*probes.back());
  }
  std::vector<PageMapper::ProbeResult> results;
  for (const auto& probe : probes) {
    while (!probe->over) sc_core::wait(probe->done);
    results.push_back({probe->passed, probe->end});
  }
  return results;
}

void PageStreamDriver::unmap_window() { note("an unmap event is for generators: a page stream has no window"); }

// ---- Results ----------------------------------------------------------------------------------------------------

namespace {

double ratio(double part, double whole) { return whole == 0 ? 0.0 : part / whole; }
double nanoseconds(core::Tick ticks) { return static_cast<double>(ticks) / 1000.0; }

nlohmann::ordered_json step_json(std::uint64_t pages, core::Tick time) {
  return {{"pages", pages}, {"mean_ns", ratio(nanoseconds(time), static_cast<double>(pages))}};
}

nlohmann::ordered_json outcomes_json(const sim::PageStream::OutcomeCounts& counts) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    json[core::outcome_name(static_cast<core::OutcomeClass>(i))] = counts[i];
  }
  return json;
}

}  // namespace

void PageStreamDriver::add_results(nlohmann::ordered_json& of_master, nlohmann::ordered_json& payload) const {
  const sim::PageStream& stream = *device().stream;
  const sim::PageStreamCounters& packets = stream.counters();
  const MapperCounters& software = mapper_.counters();
  const double time_ns = nanoseconds(stream.counted_time());
  const auto bytes = static_cast<double>(packets.bytes);
  nlohmann::ordered_json json;
  json["packets_offered"] = packets.offered;
  json["packets_received"] = packets.received;
  json["packets_dropped"] = packets.dropped;
  json["packets_failed"] = packets.failed;
  json["drop_percent"] = ratio(100.0 * static_cast<double>(packets.dropped), static_cast<double>(packets.offered));
  json["payload_bytes"] = packets.bytes;
  json["gbit_per_s"] = ratio(bytes * 8, time_ns);
  json["waited_for_page"] = packets.waited_for_page;
  json["packet_latency"] = latency_json(stream.packet_latency());

  for (const IommuInstance& iommu : machine_.iommus) {
    if (iommu.config->name != device().config->iommu) continue;
    const auto misses = static_cast<double>(iommu.iotlb->counters().misses);
    const sim::WalkerCounters& walker = iommu.walker->counters();
    const double pages = bytes / static_cast<double>(core::kPageBytes);
    json["iotlb_misses_per_mib"] = ratio(misses * 1048576.0, bytes);
    json["iotlb_misses_per_page"] = ratio(misses, pages);
    json["walk_reads_per_page"] = ratio(static_cast<double>(walker.entries_read), pages);
    for (unsigned level = 1; level <= core::kMaxLevels; ++level) {
      json["l" + std::to_string(level) + "_reads_per_page"] =
          ratio(static_cast<double>(walker.reads_by_level[level]), pages);
    }
  }
  json["descriptor_outcomes"] = outcomes_json(stream.descriptor_outcomes());
  json["payload_outcomes"] = outcomes_json(stream.payload_outcomes());
  json["completion_outcomes"] = outcomes_json(stream.completion_outcomes());

  json["map"] = step_json(software.mapped, software.map_time);
  json["unmap"] = step_json(software.unmapped, software.unmap_time);
  json["invalidation"] = latency_json(software.invalidation);
  json["invalidation_ns_per_unmap"] =
      ratio(nanoseconds(software.invalidation.sum()), static_cast<double>(software.unmapped));
  json["flushes_by_count"] = software.flushes_by_count;
  json["flushes_by_time"] = software.flushes_by_time;
  json["exposure"] = latency_json(software.exposure);
  json["probes"] = software.probes;
  json["stale_accesses"] = software.stale_accesses;
  json["longest_stale_ns"] = nanoseconds(software.longest_stale);
  json["probe_faults"] = software.probe_faults;
  json["faults_after_flush"] = software.faults_after_flush;
  json["passed_after_flush"] = software.passed_after_flush;
  of_master["stream"] = std::move(json);
  payload["checked"] = payload.value("checked", std::uint64_t{0}) + checked_;
  payload["corrupted"] = payload.value("corrupted", std::uint64_t{0}) + corrupted_;
}

}  // namespace iommu::platform
