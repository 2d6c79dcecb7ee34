#include "platform/generator_driver.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace iommu::platform {

namespace {

ULONG permissions_of(Permissions permissions) {
  switch (permissions) {
    case Permissions::Read:
      return IOMMU_ACCESS_READ;
    case Permissions::Write:
      return IOMMU_ACCESS_WRITE;
    case Permissions::ReadWrite:
      break;
  }
  return IOMMU_ACCESS_READ | IOMMU_ACCESS_WRITE;
}

}  // namespace

GeneratorDriver::GeneratorDriver(Machine& machine, std::size_t index) : DeviceDriver(machine, index) {
  const GeneratorConfig& g = device().config->generator;
  // Aligned for the largest leaf that fits, as a driver that asks for contiguous memory would get it.
  std::uint64_t alignment = core::kPageBytes;
  for (unsigned level = 2; level <= 3; ++level) {
    if (g.buffer_bytes() >= core::level_bytes(level)) alignment = core::level_bytes(level);
  }
  const auto range = machine.frames.allocate_range(g.buffer_bytes(), alignment);
  if (!range) {
    const std::string key =
        "device." + device().config->name + (g.mapped_bytes == 0 ? ".window_bytes" : ".mapped_bytes");
    throw ConfigError(machine.config.where(key), key + " = " + std::to_string(g.buffer_bytes()) +
                                                     ": does not fit into what is left of memory.size_bytes = " +
                                                     std::to_string(machine.config.memory.size_bytes));
  }
  window_ = *range;
}

void GeneratorDriver::work() {
  const GeneratorConfig& g = device().config->generator;
  sim::DmaMaster& master = *device().generator;
  if (master.config().verify) {
    sim::DmaMaster::fill_window(master.config().window_tag, 0, machine_.memory->host_pointer(window_), g.window_bytes);
  }
  bool ready = true;
  switch (g.mapping) {
    case Mapping::Translate:
      ready = bring_up(DomainTypeTranslate) && map(window_, g.buffer_bytes(), permissions_of(g.permissions), logical_);
      mapped_ = ready;
      break;
    case Mapping::PassThrough:
      ready = bring_up(DomainTypePassThrough);
      logical_ = window_;
      break;
    case Mapping::None:
      logical_ = window_;
      break;
  }
  if (ready) {
    if (core::LastLevelCache* cache = machine_.memory->cache()) {
      if (g.window_cache == WindowCache::Warm) {
        cache->warm(window_, g.window_bytes);
      } else {
        cache->remove(window_, g.window_bytes);
      }
    }
    master.set_base(logical_);
    master.start();
    if (!master.done()) sc_core::wait(master.done_event());
  }
  if (mapped_) unmap_window();
  if (g.mapping != Mapping::None) take_down();
}

void GeneratorDriver::unmap_window() {
  if (!mapped_) return note("an unmap event found nothing mapped");
  mapped_ = false;
  unmap(logical_, device().config->generator.buffer_bytes());
}

void GeneratorDriver::add_results(nlohmann::ordered_json& of_master, nlohmann::ordered_json& payload) const {
  device().generator->counters().visit_counters(
      [&](const char* name, const char*, const char*, std::uint64_t value) { of_master[name] = value; });
  payload["checked"] = payload.value("checked", std::uint64_t{0}) + device().generator->counters().verified;
  payload["corrupted"] = payload.value("corrupted", std::uint64_t{0}) + device().generator->counters().mismatches;
}

}  // namespace iommu::platform
