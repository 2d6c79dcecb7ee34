// A scenario, resolved: every parameter with the value that the run uses, typed and checked.
//
// Does: read TOML files with their bases and --set overrides, check them against the parameter table (parameters.h) and
// against each other, write them back as TOML and JSON. Does not: open captures, build modules (simulation.h), evaluate
// expectations (expectations.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "platform/config_error.h"
#include "platform/expectations.h"
#include "platform/network_address.h"

namespace iommu::platform {

// Enumerators stand in the order of the parameter table's choices.
enum class Mode { Lt, At };
enum class LeafSize { Size4KiB, Size2MiB, Size1GiB };
enum class InvalidationInterface { Queued, Register };
enum class IommuModel { Vtd };
enum class LargePages { None, Size2MiB, Size1GiB };
enum class Replacement { Lru, Fifo, Random, Plru };
enum class TranslationOrder { OutOfOrder, InOrder };
enum class DeviceKind { Generator, Nic, PageStream };
enum class Pattern { Linear, Strided, Random };
enum class Mapping { Translate, PassThrough, None };
enum class Permissions { Read, Write, ReadWrite };
enum class WindowCache { Cold, Warm };
enum class MappingPolicy { Static, PerPacket, Reserved };
enum class StreamRingOrder { RoundRobin, Random };
enum class StreamMapping { Recycled, Strict, Deferred };
enum class IovaPlacement { Contiguous, Scattered };
enum class StreamLeaf { Size4KiB, Size2MiB };
enum class StaleProbe { Off, AfterUnmap, BeforeFlush };
enum class DdiProfile { Modeled, AsDocumented };
enum class Unattached { Blocked, PassThrough, ByGuard };
enum class GuardPolicy { BlockAlways, BlockUntilUnlock, AllowAll };
enum class OptIn { No, Yes, IfExternal };
enum class EventAction {
  InvalidateGlobal,
  InvalidateDevice,
  Unmap,
  Detach,
  Attach,
  LockScreen,
  UnlockScreen,
  PortExternal,
  PortInternal,
  OptIn,
  OptOut,
  SurpriseRemoval
};
/// Actions on the machine as a whole; all others name a device.
[[nodiscard]] constexpr bool needs_no_device(EventAction action) {
  return action == EventAction::InvalidateGlobal || action == EventAction::LockScreen ||
         action == EventAction::UnlockScreen;
}

struct MemoryConfig {
  std::uint64_t size_bytes = 0;
  double latency_ns = 0;
  double bandwidth_gbytes_per_s = 0;  ///< 10^9 bytes a second per channel; 0 = unlimited
  unsigned channels = 0;
  double refresh_interval_ns = 0;  ///< 0: no refresh
  double refresh_ns = 0;           ///< less than the interval
  unsigned ranks = 0;
};

/// The processors' last-level cache in front of memory.
struct LastLevelCacheConfig {
  std::uint64_t size_bytes = 0;  ///< 0: none; the other values mean nothing then
  unsigned ways = 0;
  double latency_ns = 0;
  bool dma_reads = false;
  bool dma_writes = false;
  bool walks = false;  ///< and everything else that the IOMMU reads and writes itself
  unsigned write_ways = 0;
};

struct BusConfig {
  double latency_ns = 0;
};

struct StatisticsConfig {
  bool latencies = true;
  bool histograms = false;
};

struct HostConfig {
  double access_ns = 0;       ///< CPU time per register or memory access, on top of the transaction's own
  bool store_buffer = false;  ///< a store to memory takes access_ns only
};

struct DdiConfig {
  LeafSize max_leaf{};
  unsigned address_width_bits = 0;
  InvalidationInterface invalidation{};
  DdiProfile profile{};
  Unattached unattached{};
  bool dma_guard = false;
  GuardPolicy dma_guard_policy{};
  bool screen_locked = false;
};

struct ContextCacheConfig {
  unsigned entries = 0;
  unsigned latency_cycles = 0;
};

struct IotlbConfig {
  unsigned sets = 0;
  unsigned ways = 0;
  Replacement policy{};
  unsigned ports = 0;
  unsigned latency_cycles = 0;
  bool superpage_pieces = false;
};

/// Paging-structure caches; an entry of level n points to a table of level n-1. 0 entries: this cache is not there.
struct WalkCacheConfig {
  unsigned l2_entries = 0;
  unsigned l3_entries = 0;
  unsigned l4_entries = 0;
  unsigned l5_entries = 0;
  unsigned latency_cycles = 0;
};

struct WalkerConfig {
  unsigned slots = 0;
  unsigned cycles_per_level = 0;
  unsigned reply_cycles = 0;
  unsigned recovery_cycles = 0;
  bool one_walk_per_superpage = false;
  bool dmi = false;
};

struct InvalidationConfig {
  unsigned decode_cycles = 0;
  unsigned iotlb_busy_cycles = 0;
};

struct IommuConfig {
  std::string name;  ///< the part after "iommu."
  IommuModel model{};
  std::uint64_t base_address = 0;  ///< of the register window, 4 KiB aligned
  double clock_mhz = 0;
  unsigned host_address_bits = 0;
  unsigned mgaw_bits = 0;
  std::vector<unsigned> levels;  ///< ascending, each once
  LargePages large_pages{};
  unsigned domain_bits = 0;
  unsigned fault_records = 0;
  unsigned max_address_mask = 0;
  bool queued_invalidation = false;
  bool pass_through = false;
  bool zero_length_read = false;
  bool caching_mode = false;
  bool page_selective = false;
  bool plmr = false;
  bool phmr = false;
  bool snoop_control = false;
  bool coherent_walk = false;
  bool esrtps = false;
  unsigned version_major = 0;
  unsigned register_latency_cycles = 0;
  TranslationOrder order{};
  unsigned order_reads = 0;   ///< in_order only; 0: without limit
  unsigned order_writes = 0;  ///< in_order only; 0: without limit  ///< of the requests of one device
  bool early_hits = false;    ///< at and out_of_order only
  ContextCacheConfig context_cache;
  IotlbConfig iotlb;
  WalkCacheConfig walk_cache;
  WalkerConfig walker;
  InvalidationConfig invalidation;
};

struct GeneratorConfig {
  Pattern pattern{};
  std::uint64_t window_bytes = 0;  ///< a multiple of 4 KiB
  std::uint64_t mapped_bytes = 0;  ///< the same, at least window_bytes; 0: window_bytes
  std::uint64_t transfer_bytes = 0;
  std::uint64_t stride_bytes = 0;  ///< Strided only
  std::uint64_t count = 0;         ///< the warm-up included
  std::uint64_t warmup_count = 0;  ///< less than count
  double gap_ns = 0;
  double write_percent = 0;
  double start_ns = 0;
  Mapping mapping{};
  Permissions permissions{};   ///< Translate only
  double escape_percent = 0;   ///< Translate only
  double quantum_ns = 0;       ///< Mode::Lt only
  bool dmi = false;            ///< Mode::Lt and no last-level cache only
  WindowCache window_cache{};  ///< with a last-level cache only

  /// Of the mapped buffer, which begins with the window.
  [[nodiscard]] std::uint64_t buffer_bytes() const { return mapped_bytes == 0 ? window_bytes : mapped_bytes; }
};

/// A file that a scenario names.
struct InputFile {
  std::string shown;  ///< as written, made relative to the scenario file's folder when it was written elsewhere
  std::filesystem::path path;  ///< to be opened
};

struct NicConfig {
  InputFile capture;
  NetworkAddress local_address;  ///< packets sent from it are transmitted, all others received; None: all are received
  MappingPolicy policy{};
  unsigned rx_ring = 0;
  unsigned tx_ring = 0;
  std::uint64_t max_packets = 0;  ///< 0 = all
  double time_scale = 0;          ///< factor on the capture's arrival times; 0: everything arrives at once
  std::uint64_t buffer_bytes = 0;
  InputFile driver;  ///< shared object that drives the device (driver_file.h); no name: the platform's own driver does
};

/// The receive side of a network card as pages, with a driver of its own.
struct StreamConfig {
  unsigned rings = 0;
  unsigned ring_pages = 0;
  std::uint64_t packet_bytes = 0;
  std::uint64_t buffer_bytes = 0;  ///< a divisor of 4 KiB
  StreamRingOrder ring_order{};
  double offered_gbit_per_s = 0;  ///< of payload; 0: as fast as the device can
  std::uint64_t nic_buffer_bytes = 0;
  unsigned descriptor_read_bytes = 0;
  unsigned completion_write_bytes = 0;
  std::uint64_t count = 0;         ///< packets, the warm-up included
  std::uint64_t warmup_count = 0;  ///< less than count
  StreamMapping mapping{};
  IovaPlacement iova{};
  std::uint64_t iova_area_bytes = 0;
  StreamLeaf leaf{};              ///< Recycled only
  unsigned refill_pages = 0;      ///< a divisor of ring_pages
  unsigned invalidate_pages = 0;  ///< Strict only; a power of two that divides refill_pages
  bool leaf_only = false;         ///< Strict only
  unsigned flush_unmaps = 0;      ///< Deferred only
  double flush_ns = 0;            ///< Deferred only
  double unmap_cpu_ns = 0;        ///< not Recycled
  StaleProbe stale_probe{};       ///< not Recycled
  unsigned cpu_threads = 0;       ///< 0: one for each ring
};

/// The PCI Express link between a device and its IOMMU.
struct LinkConfig {
  unsigned generation = 0;  ///< 0: no link; the other values mean nothing then
  unsigned lanes = 0;
  std::uint64_t max_payload_bytes = 0;
  std::uint64_t max_read_request_bytes = 0;
  std::uint64_t completion_boundary_bytes = 0;
  unsigned ack_interval_bytes = 0;  ///< 0: as published for the width and payload
  unsigned tags = 0;                ///< 0: without limit
  unsigned posted_credits = 0;      ///< of 64 bytes each; 0: without limit
  double propagation_ns = 0;
  double root_complex_ns = 0;
};

struct DeviceConfig {
  std::string name;  ///< the part after "device."
  DeviceKind kind{};
  std::string iommu;            ///< name of an IommuConfig
  std::uint16_t requester = 0;  ///< bus 15:8, device 7:3, function 2:0; unique on its iommu
  bool external = false;
  OptIn remapping_opt_in{};
  bool report_faults = false;
  unsigned outstanding = 0;
  LinkConfig link;
  GeneratorConfig generator;  ///< meaningful for Generator
  NicConfig nic;              ///< meaningful for Nic
  StreamConfig stream;        ///< meaningful for PageStream
};

struct EventConfig {
  double at_ns = 0;
  EventAction action{};
  std::string device;  ///< empty when needs_no_device(action)
};

/// One whole scenario. Devices and events stand in file order (those of a base first), IOMMUs too.
struct Config {
  std::string name;
  std::string description;
  std::uint64_t seed = 0;
  Mode mode{};
  double duration_ns = 0;  ///< 0 = until the devices are done
  MemoryConfig memory;
  LastLevelCacheConfig llc;
  BusConfig bus;
  HostConfig host;
  DdiConfig ddi;
  StatisticsConfig statistics;
  std::vector<IommuConfig> iommus;  ///< at least one
  std::vector<DeviceConfig> devices;
  std::vector<EventConfig> events;
  std::vector<Expectation> expectations;

  std::string file;                           ///< the scenario file as the user named it, for messages
  std::map<std::string, Location> locations;  ///< dotted key -> where its value was written; only keys that were

  /// Where `key` (for instance "device.nic0.capture") was written, or else its table; the scenario file without a line
  /// when neither was.
  [[nodiscard]] Location where(const std::string& key) const;
  [[nodiscard]] const IommuConfig* find_iommu(const std::string& iommu_name) const;
  [[nodiscard]] const DeviceConfig* find_device(const std::string& device_name) const;

  /// The whole scenario as TOML, every applicable parameter written out; reading it again gives an equal Config.
  [[nodiscard]] std::string to_toml() const;
  /// The same as JSON, for results. An absolute path is shortened to its file name.
  [[nodiscard]] nlohmann::ordered_json to_json() const;

  /// Equal in everything that a run depends on (not in `file` and `locations`).
  friend bool operator==(const Config& a, const Config& b);
  friend bool operator!=(const Config& a, const Config& b) { return !(a == b); }
};

/// Reads `file`, its bases, and `overrides` ("key=value", the later wins); checks everything that can be checked
/// without opening captures. Throws ConfigError with a line for each mistake.
[[nodiscard]] Config load_config(const std::string& file, const std::vector<std::string>& overrides = {});
/// The same for a scenario that is in no file: `text` is its TOML, `name` stands for the file in messages.
[[nodiscard]] Config load_config_text(const std::string& text, const std::string& name,
                                      const std::vector<std::string>& overrides = {});

/// Nanoseconds as whole picoseconds, rounded to nearest; every duration of a loaded Config is a whole number of them.
[[nodiscard]] std::uint64_t to_picoseconds(double ns);

}  // namespace iommu::platform
