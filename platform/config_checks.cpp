#include "platform/config_checks.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "platform/driver_file.h"
#include "platform/suggest.h"
#include "platform/units.h"

namespace iommu::platform {

namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kLineBytes = 64;
constexpr std::uint64_t kLargePageBytes = std::uint64_t{2} << 20;
constexpr std::uint64_t kInterruptRange = 0xFEE00000;  // messages, never memory: VT-d sheet 9.4
constexpr std::uint64_t kInterruptRangeEnd = 0xFEF00000;
// Room for the registers at their largest: 256 fault records of 16 bytes behind the first page.
constexpr std::uint64_t kRegisterWindow = 0x2000;

bool is_power_of_two(std::uint64_t value) { return value != 0 && (value & (value - 1)) == 0; }

/// Actions on a token, a domain or a mapping that the platform's own drivers have.
bool acts_on_domain(EventAction action) {
  return action == EventAction::InvalidateDevice || action == EventAction::Unmap || action == EventAction::Detach ||
         action == EventAction::Attach;
}

class Checker {
 public:
  Checker(const Config& config, Problems& problems) : config_(config), problems_(problems) {}

  void run() {
    for (const IommuConfig& iommu : config_.iommus) check_iommu(iommu);
    check_windows();
    if (config_.devices.empty()) add("", "a scenario needs at least one device, such as [device.dma0]");
    for (const DeviceConfig& device : config_.devices) check_device(device);
    check_requesters();
    check_memory();
    check_cache();
    check_unattached();
    check_events();
  }

 private:
  void add(const std::string& key, const std::string& message) { problems_.add(config_.where(key), message); }

  void check_iommu(const IommuConfig& iommu) {
    const std::string key = "iommu." + iommu.name + ".";
    const unsigned deepest = 12 + 9 * iommu.levels.back();
    if (iommu.mgaw_bits > deepest) {
      add(key + "mgaw_bits", key + "mgaw_bits = " + std::to_string(iommu.mgaw_bits) + ": more than tables of " +
                                 std::to_string(iommu.levels.back()) + " levels reach; allowed: at most " +
                                 std::to_string(deepest) + ", or more " + key + "levels");
    }
    if (iommu.mgaw_bits < iommu.host_address_bits) {
      add(key + "mgaw_bits", key + "mgaw_bits = " + std::to_string(iommu.mgaw_bits) + ": less than " + key +
                                 "host_address_bits = " + std::to_string(iommu.host_address_bits) +
                                 "; allowed: at least as many");
    }
    if (!is_power_of_two(iommu.iotlb.sets)) {
      add(key + "iotlb.sets", key + "iotlb.sets = " + std::to_string(iommu.iotlb.sets) + ": allowed: a power of two");
    }
    if (iommu.iotlb.policy == Replacement::Plru && !is_power_of_two(iommu.iotlb.ways)) {
      add(key + "iotlb.ways", key + "iotlb.ways = " + std::to_string(iommu.iotlb.ways) + ": with " + key +
                                  "iotlb.policy = \"plru\" allowed: a power of two");
    }
    if (iommu.early_hits && config_.mode == Mode::Lt) {
      add(key + "early_hits", key + "early_hits = true: only for mode = \"at\"; allowed: false");
    }
    check_invalidation(iommu, key);
  }

  void check_invalidation(const IommuConfig& iommu, const std::string& key) {
    const bool queued = config_.ddi.invalidation == InvalidationInterface::Queued;
    if (queued && !iommu.queued_invalidation) {
      add("ddi.invalidation",
          "ddi.invalidation = \"queued\": " + key + "queued_invalidation is false; allowed: \"register\"");
    }
    if (!queued && iommu.version_major >= 6) {
      add("ddi.invalidation", "ddi.invalidation = \"register\": " + key +
                                  "version_major = " + std::to_string(iommu.version_major) +
                                  " has no invalidation by registers; allowed: \"queued\"");
    }
    if (!iommu.queued_invalidation && iommu.version_major >= 6) {
      add(key + "queued_invalidation", key + "queued_invalidation = false: " + key +
                                           "version_major = " + std::to_string(iommu.version_major) +
                                           " has no other way to invalidate; allowed: true");
    }
  }

  void check_windows() {
    for (std::size_t i = 0; i < config_.iommus.size(); ++i) {
      const IommuConfig& iommu = config_.iommus[i];
      const std::string key = "iommu." + iommu.name + ".base_address";
      const std::string found = key + " = " + hex_text(iommu.base_address) + ": ";
      const std::uint64_t end = iommu.base_address + kRegisterWindow;
      if (iommu.base_address % kPageBytes != 0) add(key, found + "allowed: a multiple of 0x1000");
      if (end > std::uint64_t{1} << iommu.host_address_bits) {
        add(key, found + "beyond the " + std::to_string(iommu.host_address_bits) + " bits of iommu." + iommu.name +
                     ".host_address_bits");
      }
      if (iommu.base_address < kInterruptRangeEnd && end > kInterruptRange) {
        add(key, found + "in the interrupt range 0xfee00000 to 0xfeefffff");
      }
      for (std::size_t j = 0; j < i; ++j) {
        const std::uint64_t other = config_.iommus[j].base_address;
        if (iommu.base_address < other + kRegisterWindow && other < end) {
          add(key, found + "overlaps the registers of iommu." + config_.iommus[j].name + " at " + hex_text(other) +
                       "; allowed: at least 0x2000 apart");
        }
      }
    }
  }

  void check_device(const DeviceConfig& device) {
    const std::string key = "device." + device.name + ".";
    const IommuConfig* iommu = config_.find_iommu(device.iommu);
    if (iommu == nullptr) {
      std::vector<std::string> names;
      std::string list;
      for (const IommuConfig& candidate : config_.iommus) {
        names.push_back(candidate.name);
        list += (list.empty() ? "" : ", ") + quote(candidate.name);
      }
      add(key + "iommu", key + "iommu = " + quote(device.iommu) + ": there is no such IOMMU; allowed: " + list);
      return;
    }
    check_width(device, *iommu, key);
    if (device.link.generation != 0) check_link(device.link, key + "link.");
    if (device.kind == DeviceKind::Generator) check_generator(device.generator, *iommu, key);
    if (device.kind == DeviceKind::PageStream) check_stream(device.stream, *iommu, key + "stream.");
    if (device.kind == DeviceKind::Nic) {
      check_capture(device.nic.capture, key + "capture");
      check_driver(device.nic.driver, key + "driver");
    }
  }

  void check_link(const LinkConfig& link, const std::string& key) {
    const std::string problem = core::validate(pcie_of(link));
    if (!problem.empty()) return add(key + problem.substr(0, problem.find(' ')), key + problem);
    const std::uint64_t least = link.max_payload_bytes / 64;
    if (link.posted_credits != 0 && link.posted_credits < least) {
      add(key + "posted_credits", key + "posted_credits = " + std::to_string(link.posted_credits) +
                                      ": less than one write of " + key +
                                      "max_payload_bytes = " + std::to_string(link.max_payload_bytes) +
                                      "; allowed: 0, or " + std::to_string(least) + " and more");
    }
  }

  void check_width(const DeviceConfig& device, const IommuConfig& iommu, const std::string& key) {
    if (device.kind == DeviceKind::Generator && device.generator.mapping != Mapping::Translate) return;
    if (config_.ddi.address_width_bits > iommu.mgaw_bits) {
      add("ddi.address_width_bits", "ddi.address_width_bits = " + std::to_string(config_.ddi.address_width_bits) +
                                        ": " + key + "iommu = " + quote(device.iommu) + " takes " +
                                        std::to_string(iommu.mgaw_bits) + " bits; allowed: at most that");
    }
  }

  void check_generator(const GeneratorConfig& generator, const IommuConfig& iommu, const std::string& key) {
    if (generator.window_bytes % kPageBytes != 0) {
      add(key + "window_bytes",
          key + "window_bytes = " + std::to_string(generator.window_bytes) + ": allowed: a multiple of 4096");
    }
    if (generator.mapped_bytes % kPageBytes != 0) {
      add(key + "mapped_bytes",
          key + "mapped_bytes = " + std::to_string(generator.mapped_bytes) + ": allowed: a multiple of 4096");
    } else if (generator.buffer_bytes() < generator.window_bytes) {
      add(key + "mapped_bytes", key + "mapped_bytes = " + std::to_string(generator.mapped_bytes) + ": less than " +
                                    key + "window_bytes = " + std::to_string(generator.window_bytes));
    }
    if (generator.transfer_bytes > generator.window_bytes) {
      add(key + "transfer_bytes", key + "transfer_bytes = " + std::to_string(generator.transfer_bytes) +
                                      ": more than " + key +
                                      "window_bytes = " + std::to_string(generator.window_bytes));
    }
    if (generator.warmup_count >= generator.count) {
      add(key + "warmup_count", key + "warmup_count = " + std::to_string(generator.warmup_count) +
                                    ": leaves nothing to count; allowed: less than " + key +
                                    "count = " + std::to_string(generator.count));
    }
    if (generator.pattern == Pattern::Strided && generator.stride_bytes > generator.window_bytes) {
      add(key + "stride_bytes", key + "stride_bytes = " + std::to_string(generator.stride_bytes) + ": more than " +
                                    key + "window_bytes = " + std::to_string(generator.window_bytes));
    }
    if (generator.mapping == Mapping::PassThrough && !iommu.pass_through) {
      add(key + "mapping", key + "mapping = \"pass_through\": iommu." + iommu.name + ".pass_through is false");
    }
    if (generator.mapping == Mapping::Translate &&
        generator.buffer_bytes() >> (config_.ddi.address_width_bits - 1) != 0) {
      const std::string size = generator.mapped_bytes == 0 ? "window_bytes" : "mapped_bytes";
      add(key + size, key + size + " = " + std::to_string(generator.buffer_bytes()) + ": more than half of the " +
                          std::to_string(config_.ddi.address_width_bits) + " bits of ddi.address_width_bits");
    }
  }

  void check_stream(const StreamConfig& s, const IommuConfig& iommu, const std::string& key) {
    const auto refuse = [&](const std::string& name, const std::string& value, const std::string& why) {
      add(key + name, key + name + " = " + value + ": " + why);
    };
    if (!is_power_of_two(s.buffer_bytes)) {
      refuse("buffer_bytes", std::to_string(s.buffer_bytes), "allowed: a power of two from 64 to 4096");
    }
    if (s.packet_bytes > s.buffer_bytes) {
      refuse("packet_bytes", std::to_string(s.packet_bytes),
             "more than " + key + "buffer_bytes = " + std::to_string(s.buffer_bytes));
    }
    if (s.offered_gbit_per_s != 0 && s.offered_gbit_per_s < 0.001) {
      refuse("offered_gbit_per_s", number_text(s.offered_gbit_per_s), "allowed: 0, or 0.001 and more");
    }
    if (s.offered_gbit_per_s != 0 && s.nic_buffer_bytes < s.packet_bytes) {
      refuse("nic_buffer_bytes", std::to_string(s.nic_buffer_bytes),
             "less than " + key + "packet_bytes = " + std::to_string(s.packet_bytes));
    }
    if (s.warmup_count >= s.count) {
      refuse("warmup_count", std::to_string(s.warmup_count),
             "not less than " + key + "count = " + std::to_string(s.count));
    }
    if (s.ring_pages % s.refill_pages != 0) {
      refuse("refill_pages", std::to_string(s.refill_pages),
             "no divisor of " + key + "ring_pages = " + std::to_string(s.ring_pages));
    }
    if (s.cpu_threads > s.rings) {
      refuse("cpu_threads", std::to_string(s.cpu_threads), "more than " + key + "rings = " + std::to_string(s.rings));
    }
    check_stream_mapping(s, iommu, key);
  }

  void check_stream_mapping(const StreamConfig& s, const IommuConfig& iommu, const std::string& key) {
    const bool scattered = s.iova == IovaPlacement::Scattered;
    const std::string batch = key + "invalidate_pages = " + std::to_string(s.invalidate_pages) + ": ";
    if (s.mapping == StreamMapping::Strict) {
      if (!is_power_of_two(s.invalidate_pages) || s.refill_pages % s.invalidate_pages != 0) {
        add(key + "invalidate_pages",
            batch + "allowed: a power of two that divides " + key + "refill_pages = " + std::to_string(s.refill_pages));
      }
      if (scattered && s.invalidate_pages != 1) {
        add(key + "invalidate_pages", batch + "with " + key + "iova = \"scattered\" allowed: 1");
      }
    }
    if (s.mapping == StreamMapping::Recycled && s.leaf == StreamLeaf::Size2MiB) {
      const std::string found = key + "leaf = \"2MiB\": ";
      if (scattered) add(key + "leaf", found + "with " + key + "iova = \"scattered\" allowed: \"4KiB\"");
      if (iommu.large_pages == LargePages::None) {
        add(key + "leaf", found + "iommu." + iommu.name + ".large_pages is \"none\"");
      }
      if (config_.ddi.max_leaf == LeafSize::Size4KiB) add(key + "leaf", found + "ddi.max_leaf is \"4KiB\"");
    }
    const std::string area = key + "iova_area_bytes = " + quote(size_text(s.iova_area_bytes)) + ": ";
    if (s.iova_area_bytes % kLargePageBytes != 0) add(key + "iova_area_bytes", area + "allowed: a multiple of 2MiB");
    // Whatever waits for a flush must leave room for what is mapped meanwhile.
    const std::uint64_t waiting = s.mapping == StreamMapping::Deferred ? s.flush_unmaps : 0;
    const std::uint64_t least = 4 * (std::uint64_t{s.rings} * s.ring_pages + waiting) * kPageBytes;
    if (s.iova_area_bytes < least) {
      add(key + "iova_area_bytes",
          area + "allowed: at least " + size_text(least) + ", four times what is in use at a time");
    }
    // Above the area lie the rings, and recycled pages in a row.
    const std::uint64_t entries = std::uint64_t{s.rings} * s.ring_pages * (kPageBytes / s.buffer_bytes);
    const std::uint64_t rest = std::uint64_t{s.rings} * (s.ring_pages + 2) * kPageBytes +
                               entries * (s.descriptor_read_bytes + s.completion_write_bytes) + 8 * kLargePageBytes;
    const std::uint64_t end = (std::uint64_t{1} << 32) + s.iova_area_bytes + rest;
    if (end > std::uint64_t{1} << config_.ddi.address_width_bits) {
      add(key + "iova_area_bytes", area + "from 4GiB on, with rings behind it, beyond the " +
                                       std::to_string(config_.ddi.address_width_bits) +
                                       " bits of ddi.address_width_bits");
    }
  }

  /// Only that there is a file; what is in it shows when the platform is built.
  void check_capture(const InputFile& capture, const std::string& key) {
    std::error_code error;
    const auto status = std::filesystem::status(capture.path, error);
    if (std::filesystem::exists(status) && !std::filesystem::is_directory(status)) return;
    const std::errc reason =
        std::filesystem::exists(status) ? std::errc::is_a_directory : std::errc::no_such_file_or_directory;
    if (!error || std::filesystem::exists(status)) error = std::make_error_code(reason);
    add(key, key + " = " + quote(capture.shown) + ": can't be read: " + error.message());
  }

  /// The same: whether it can be loaded shows when the platform is built.
  void check_driver(const InputFile& driver, const std::string& key) {
    if (driver.shown.empty() || find_driver_file(driver)) return;
    const bool bare = !std::filesystem::path(driver.shown).has_parent_path();
    add(key, key + " = " + quote(driver.shown) + ": there is no such file" +
                 (bare ? ", and none of this name in drivers/ beside the program" : ""));
  }

  void check_requesters() {
    std::map<std::pair<std::string, std::uint16_t>, std::string> seen;
    for (const DeviceConfig& device : config_.devices) {
      const auto [other, fresh] = seen.insert({{device.iommu, device.requester}, device.name});
      if (fresh) continue;
      const std::string key = "device." + device.name + ".requester";
      add(key, key + " = " + quote(requester_text(device.requester)) + ": device." + other->second +
                   " on the same IOMMU has it");
    }
  }

  void check_memory() {
    const MemoryConfig& memory = config_.memory;
    if (memory.refresh_ns > 0 && memory.refresh_ns >= memory.refresh_interval_ns) {
      add("memory.refresh_ns",
          "memory.refresh_ns = " + number_text(memory.refresh_ns) +
              ": must be less than memory.refresh_interval_ns = " + number_text(memory.refresh_interval_ns));
    }
    for (const IommuConfig& iommu : config_.iommus) {
      if (config_.memory.size_bytes > std::uint64_t{1} << iommu.host_address_bits) {
        add("memory.size_bytes", "memory.size_bytes = " + quote(size_text(config_.memory.size_bytes)) +
                                     ": beyond the " + std::to_string(iommu.host_address_bits) + " bits of iommu." +
                                     iommu.name + ".host_address_bits");
      }
    }
    std::uint64_t windows = 0;
    for (const DeviceConfig& device : config_.devices) {
      if (device.kind == DeviceKind::Generator) windows += device.generator.buffer_bytes();
      if (device.kind == DeviceKind::PageStream) {
        windows += std::uint64_t{device.stream.rings} * device.stream.ring_pages * kPageBytes;
      }
    }
    if (windows >= config_.memory.size_bytes) {
      add("memory.size_bytes", "memory.size_bytes = " + quote(size_text(config_.memory.size_bytes)) +
                                   ": the windows of all generators and pages of all streams need " +
                                   size_text(windows) + " and tables some more");
    }
  }

  void check_cache() {
    const LastLevelCacheConfig& cache = config_.llc;
    if (cache.size_bytes == 0) return;
    const std::string ways = std::to_string(cache.ways);
    if (cache.size_bytes % (cache.ways * kLineBytes) != 0) {
      add("llc.size_bytes", "llc.size_bytes = " + quote(size_text(cache.size_bytes)) + ": allowed: a multiple of " +
                                std::to_string(cache.ways * kLineBytes) + ", which is llc.ways = " + ways +
                                " lines of 64 bytes");
    }
    if (cache.write_ways > cache.ways) {
      add("llc.write_ways", "llc.write_ways = " + std::to_string(cache.write_ways) + ": more than llc.ways = " + ways);
    }
  }

  void check_unattached() {
    const bool pass = config_.ddi.unattached == Unattached::PassThrough ||
                      (config_.ddi.unattached == Unattached::ByGuard && !config_.ddi.dma_guard);
    if (!pass) return;
    for (const IommuConfig& iommu : config_.iommus) {
      if (iommu.pass_through) continue;
      add("ddi.unattached",
          std::string("ddi.unattached = ") +
              (config_.ddi.unattached == Unattached::ByGuard ? "\"by_guard\" with ddi.dma_guard = false"
                                                             : "\"pass_through\"") +
              ": iommu." + iommu.name + ".pass_through is false; allowed: \"blocked\"");
    }
  }

  /// Follows each device through the events in the order of their times, those of one time in file order.
  void check_events() {
    std::vector<std::size_t> order(config_.events.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
      return config_.events[a].at_ns < config_.events[b].at_ns;
    });
    std::set<std::string> detached;
    std::set<std::string> unmapped;
    for (const std::size_t i : order) {
      const EventConfig& event = config_.events[i];
      const std::string key = "event." + std::to_string(i);
      if (needs_no_device(event.action)) {
        if (!event.device.empty()) add(key + ".device", key + ".device is not for actions on the whole machine");
        continue;
      }
      const DeviceConfig* device = config_.find_device(event.device);
      if (device == nullptr) {
        add_unknown_device(event, key);
        continue;
      }
      check_device_event(event, *device, key, detached, unmapped);
    }
  }

  void add_unknown_device(const EventConfig& event, const std::string& key) {
    if (event.device.empty()) {
      add(key, "missing key \"" + key + ".device\"; allowed: the name of a device");
      return;
    }
    std::vector<std::string> names;
    for (const DeviceConfig& candidate : config_.devices) names.push_back(candidate.name);
    add(key + ".device",
        key + ".device = " + quote(event.device) + ": there is no such device" + did_you_mean(event.device, names));
  }

  void check_device_event(const EventConfig& event, const DeviceConfig& device, const std::string& key,
                          std::set<std::string>& detached, std::set<std::string>& unmapped) {
    const std::string who = key + ".device = " + quote(device.name) + ": ";
    const bool generator = device.kind == DeviceKind::Generator;
    const bool lab = device.kind == DeviceKind::Nic && !device.nic.driver.shown.empty();
    if (device.kind == DeviceKind::PageStream) {
      add(key + ".device", who + "a page_stream does not use the interface; allowed: a generator or a nic");
      return;
    }
    if (event.action == EventAction::SurpriseRemoval) {
      if (!lab) {
        add(key + ".device", who + "only a loaded driver knows what to do; allowed: a nic with a driver");
      } else if (!detached.insert(device.name).second) {
        add(key + ".device", who + "it is taken out already");
      }
      return;
    }
    if (lab && acts_on_domain(event.action)) {
      add(key + ".device", who + "its driver owns its domain; allowed: surprise_removal");
      return;
    }
    switch (event.action) {
      case EventAction::Unmap:
      case EventAction::Detach:
      case EventAction::Attach:
        break;
      default:
        return;
    }
    if (generator && device.generator.mapping == Mapping::None) {
      add(key + ".device", who + "with mapping = \"none\" it has no domain");
    } else if (event.action == EventAction::Unmap) {
      if (!generator) {
        add(key + ".device", who + "a nic's driver owns its mappings; allowed for unmap: a generator");
      } else if (device.generator.mapping != Mapping::Translate) {
        add(key + ".device", who + "with mapping = \"pass_through\" it has no mapped window");
      } else if (!unmapped.insert(device.name).second) {
        add(key + ".device", who + "its window is unmapped already");
      }
    } else if (event.action == EventAction::Detach) {
      if (!detached.insert(device.name).second) add(key + ".device", who + "it is detached already");
    } else if (detached.erase(device.name) == 0) {
      add(key + ".device", who + "it is attached already");
    }
  }

  const Config& config_;
  Problems& problems_;
};

}  // namespace

core::PcieConfig pcie_of(const LinkConfig& link) {
  core::PcieConfig pcie;
  pcie.generation = link.generation;
  pcie.lanes = link.lanes;
  pcie.max_payload_bytes = static_cast<std::uint32_t>(link.max_payload_bytes);
  pcie.max_read_request_bytes = static_cast<std::uint32_t>(link.max_read_request_bytes);
  pcie.completion_boundary_bytes = static_cast<std::uint32_t>(link.completion_boundary_bytes);
  pcie.ack_interval_bytes = link.ack_interval_bytes;
  return pcie;
}

void check_config(const Config& config, Problems& problems) { Checker(config, problems).run(); }

}  // namespace iommu::platform
