// Main memory: bytes, latency and bandwidth, and the processors' last-level cache in front of it.
//
// What it does: one reserved mapping of the host for all of its addresses, of which only touched pages cost anything;
// answers blocking, non-blocking (completed early), debug and direct (DMI) access; refreshes its ranks one after the
// other, at fixed times. What it does not do: rows, banks, or channels bound to addresses: a transaction takes whichever
// channel is free first.
//
// Time of a transaction that arrives at `now`: it starts when a channel is free, and ends at
//   start + latency + occupancy,  occupancy = bytes / bandwidth, rounded up to a picosecond once.
// What arrives while its rank is refreshed starts at the refresh's end. The channel is busy for the occupancy only;
// latencies overlap. A refused transaction takes the latency and no channel.
//
// With a cache (off by default) an access all of whose lines are there takes the cache's latency and no channel. Any
// other takes the memory's latency, and its bytes in lines that were not there take the channel. DmaExtension says what
// an access is for; without one it is DMA. Untimed and direct accesses don't touch the cache, and no access hints at
// direct ones.
#pragma once

#include <array>
#include <memory>
#include <tlm>

#include "models/core/last_level_cache.h"
#include "models/core/physical_memory.h"
#include "models/core/resource.h"
#include "models/tlm/socket_width.h"
#include "models/tlm/time.h"

namespace iommu::sim {

struct MemoryConfig {
  core::Address base = 0;
  std::uint64_t size_bytes = 0;              ///< at least 1
  core::Tick latency = 70'000;               ///< from arrival at a free channel to the first byte
  std::uint64_t bandwidth_mbytes_per_s = 0;  ///< 10^6 bytes a second of each channel; 0: without limit
  std::uint32_t channels = 1;                ///< transactions whose bytes move at the same time; 0: without limit
  core::Tick refresh_interval = 0;           ///< from one refresh of a rank to its next (JEDEC tREFI); 0: none
  core::Tick refresh = 0;                    ///< one refresh's length, less than the interval (JEDEC tRFC)
  /// At least 1. Page n is in rank n modulo this; rank r is first refreshed at (1 + r / ranks) intervals.
  std::uint32_t ranks = 1;
  core::LastLevelCacheConfig cache = {};  ///< of 0 bytes: none
  core::Tick cache_latency = 15'000;      ///< of an access that hits
};

struct MemoryCounters {
  std::uint64_t reads = 0;  ///< transactions, those that hit the cache too, refused ones not
  std::uint64_t writes = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;  ///< disabled bytes included: they take their time
  std::uint64_t refused = 0;        ///< answered with an error
  core::Tick wait = 0;              ///< ticks that transactions waited for a channel or a refresh
  core::Tick busy = 0;              ///< ticks that channels moved bytes
  std::uint64_t refresh_waits = 0;  ///< transactions that arrived during a refresh; their wait is in `wait`
};

/// Untimed access (core::PhysicalMemory, and transport_dbg) neither counts nor waits.
class Memory : public sc_core::sc_module, public core::PhysicalMemory, public ::tlm::tlm_fw_transport_if<> {
 public:
  /// Any number of initiators; absolute addresses. TLM responses: unknown command COMMAND_ERROR; no bytes or a
  /// streaming width of 0 BURST_ERROR; byte enables of length 0 BYTE_ENABLE_ERROR; any byte outside ADDRESS_ERROR.
  /// TLM_IGNORE_COMMAND is OK and takes no time. All call this object itself: memory never needs to know which of them.
  ::tlm::tlm_target_socket<kSocketWidthBits, ::tlm::tlm_base_protocol_types, 0> socket;

  /// A size of 0, a range beyond the last address, and a size that the host can't reserve are reported as SC_ERROR,
  /// and so is a cache that can't be.
  Memory(sc_core::sc_module_name name, const MemoryConfig& config);
  ~Memory() override;

  bool read(core::Address address, void* data, std::size_t bytes) override;
  bool write(core::Address address, const void* data, std::size_t bytes) override;

  // Through the socket.
  void b_transport(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  ::tlm::tlm_sync_enum nb_transport_fw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                       sc_core::sc_time& delay) override;
  unsigned transport_dbg(::tlm::tlm_generic_payload& payload) override;
  bool get_direct_mem_ptr(::tlm::tlm_generic_payload& payload, ::tlm::tlm_dmi& dmi) override;

  /// Where the host keeps this byte, and all that follow it contiguously; null outside of the memory.
  [[nodiscard]] unsigned char* host_pointer(core::Address address) const;

  [[nodiscard]] const MemoryConfig& config() const { return config_; }
  [[nodiscard]] MemoryCounters counters() const;
  /// Null when there is none.
  [[nodiscard]] core::LastLevelCache* cache() const { return cache_.get(); }
  [[nodiscard]] std::uint64_t out_of_order() const { return channels_.out_of_order(); }
  /// Counts from here on; contents and channels stay.
  void restart_counters() {
    counters_ = MemoryCounters();
    for (Usual* usual : {&entry_, &line_}) usual->reads = usual->writes = 0;
    channels_.restart_counters();
    if (cache_ != nullptr) cache_->restart_counters();
  }

 private:
  void reserve();
  [[nodiscard]] bool contains(core::Address address, std::uint64_t bytes) const;
  [[nodiscard]] ::tlm::tlm_response_status check(const ::tlm::tlm_generic_payload& payload) const;
  void move(::tlm::tlm_generic_payload& payload) const;
  core::Tick after_refresh(core::Address address, core::Tick now);
  [[nodiscard]] std::uint64_t look_up(const ::tlm::tlm_generic_payload& payload, core::Traffic traffic);

  [[gnu::noinline]] void access(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);

  /// The time of a transaction that need not wait. The one for the length asked for last is kept: neither divisions nor
  /// conversions of time on the way.
  struct Duration {
    std::uint64_t length = 0;
    core::Tick occupancy = 0;
    sc_core::sc_time time;
  };
  const Duration& duration_of(std::uint64_t length);
  /// What nearly every transaction is: a line or an entry of a table, with neither cache nor refresh.
  struct Usual {
    std::uint64_t last_offset = 0;
    unsigned length = 0;  ///< 0: not with this memory
    core::Tick occupancy = 0;
    sc_core::sc_time time;
    // Of these; what they come to is reckoned when counters() is asked for.
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
  };
  void prepare_usual(Usual& usual, unsigned length);
  [[gnu::noinline]] void access_later(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay, Usual& usual);
  void move_usual(::tlm::tlm_generic_payload& payload, Usual& usual);
  void add_wait(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay, core::Tick wait);

  MemoryConfig config_;
  KernelTime kernel_time_;
  unsigned char* bytes_ = nullptr;
  Usual entry_;
  Usual line_;
  std::array<Duration, 2> durations_;  ///< of entries of tables, and of everything else
  core::Resource channels_;
  core::Tick last_wait_ = 0;
  sc_core::sc_time last_wait_time_;
  std::unique_ptr<core::LastLevelCache> cache_;
  MemoryCounters counters_;
};

}  // namespace iommu::sim
