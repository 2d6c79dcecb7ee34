// A machine for the tests of api/: memory, page frames, host services and VT-d units that record what is done to them.
//
// What it does: a register file that answers handshakes at once (or after some polls), carries out invalidations of
// both kinds on caches that never forget by themselves, and translates by an own walker written from the fact sheet's
// sections 1, 2 and 5; it records what it blocks (section 6). Every breach of the rules for software is kept as a sentence in `breaches`. Offsets, bits and
// codes are literals of the sheet here: nothing comes from the code under test.
// What it does not do: time, anything of models/.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "api/ports.h"
#include "api/system.h"
#include "testbench/api/interface_user.h"

namespace fake {

using iommu::api::Diagnostic;

/// Cooperative threads on top of std::thread: one runs at a time, the next is chosen at each yield().
class Threads;

/// What went wrong with the rules; shared by the parts of one machine.
using Breaches = std::vector<std::string>;

class Host final : public iommu::api::HostServices {
 public:
  explicit Host(Breaches& breaches) : breaches_(breaches) {}
  std::unique_ptr<iommu::api::Mutex> make_mutex() override;
  void relax() override;
  void queue_work(std::function<void()> item) override { work.push_back(std::move(item)); }
  const void* current_thread() const override;
  void report(const Diagnostic& diagnostic) override { diagnostics.push_back(diagnostic); }

  /// Diagnostics of this function whose object or message contains `text`.
  [[nodiscard]] std::size_t reported(const std::string& function, const std::string& text) const;

  std::vector<Diagnostic> diagnostics;
  /// Runs what is queued for the passive-level worker, what that queues included, on the calling thread.
  void run_work();
  /// One item; false when there is none.
  bool run_work_item();

  /// What runs when no Threads do.
  enum Level { Driver, Interrupt, Passive };
  Level level = Driver;

  std::vector<std::function<void()>> on_relax;
  std::deque<std::function<void()>> work;
  Threads* threads = nullptr;
  unsigned locks_held = 0;
  std::uint64_t locks_taken = 0;
  std::uint64_t relaxed = 0;

 private:
  friend class HostMutex;
  Breaches& breaches_;
};

class Memory final : public iommu::api::MemoryPort {
 public:
  explicit Memory(Host& host) : host_(host) {}
  std::uint64_t read64(std::uint64_t address) override;
  void write64(std::uint64_t address, std::uint64_t value) override;
  void zero_page(std::uint64_t frame) override;

  /// As the IOMMU reads it: without what is still in the write buffer.
  [[nodiscard]] std::uint64_t hardware_read64(std::uint64_t address) const;
  void hardware_write32(std::uint64_t address, std::uint32_t value);
  void flush_write_buffer();

  bool has_write_buffer = false;
  std::uint64_t writes = 0;
  std::uint64_t zeroed_pages = 0;
  std::set<std::uint64_t> unlocked_writes;  ///< addresses written while no lock was held

  /// All words that are not zero.
  [[nodiscard]] std::map<std::uint64_t, std::uint64_t> contents() const;

 private:
  Host& host_;
  std::map<std::uint64_t, std::uint64_t> words_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> buffered_;
};

class Frames final : public iommu::api::FrameAllocator {
 public:
  explicit Frames(Breaches& breaches) : breaches_(breaches) {}
  std::optional<std::uint64_t> allocate() override;
  void free(std::uint64_t frame) override;

  [[nodiscard]] std::size_t in_use() const { return used_.size(); }
  [[nodiscard]] bool is_used(std::uint64_t frame) const { return used_.count(frame) != 0; }
  std::uint64_t granted = 0;
  std::optional<std::uint64_t> budget;  ///< allocations that still succeed; none: no limit

 private:
  Breaches& breaches_;
  std::uint64_t next_ = 0x100000;
  std::vector<std::uint64_t> freed_;
  std::set<std::uint64_t> used_;
};

/// An invalidation as a unit saw it.
struct Seen {
  enum Kind { ContextGlobal, ContextDomain, ContextDevice, IotlbGlobal, IotlbDomain, IotlbPages, Wait };
  Kind kind;
  unsigned did = 0;
  unsigned sid = 0;
  std::uint64_t address = 0;
  unsigned am = 0;
  bool ih = false;
  bool drains = false;
  bool operator==(const Seen& o) const {
    return std::tie(kind, did, sid, address, am, ih, drains) ==
           std::tie(o.kind, o.did, o.sid, o.address, o.am, o.ih, o.drains);
  }
};

struct UnitOptions {
  std::uint32_t ver = 0x10;
  unsigned nd = 2;       ///< 256 domains
  unsigned sagaw = 0x6;  ///< bit 1: 3 levels, bit 2: 4 levels
  unsigned mgaw_bits = 48;
  unsigned sslps = 3;
  unsigned fault_records = 4;
  unsigned mamv = 18;
  bool psi = true, cm = false, rwbf = false, qi = true, pt = true, esrtps = false, drain = true,
       protected_regions = true;
};

/// Outcome of one access of a device.
struct Access {
  bool ok = false;
  std::uint64_t physical = 0;
  const char* why = "";          ///< of a blocked one: the sheet's section 7.1 in a word
  std::uint64_t page_bytes = 0;  ///< of the leaf
  bool operator==(const char* reason) const { return !ok && std::string(why) == reason; }
};

class Unit final : public iommu::api::RegisterPort {
 public:
  Unit(const UnitOptions& options, Memory& memory, Host& host, Breaches& breaches);

  std::uint32_t read32(std::uint32_t offset) override;
  std::uint64_t read64(std::uint32_t offset) override;
  void write32(std::uint32_t offset, std::uint32_t value) override;
  void write64(std::uint32_t offset, std::uint64_t value) override;

  /// A device's access, through caches that keep everything they are allowed to.
  Access dma(unsigned sid, std::uint64_t address, bool write);
  /// By the tables alone.
  [[nodiscard]] Access walk(unsigned sid, std::uint64_t address, bool write) const;
  /// AW code (sheet 2.2) of a requester's context entry, TT and DID; nothing when it is not present.
  struct Context {
    bool present = false;
    unsigned tt = 0;
    unsigned aw = 0;
    unsigned did = 0;
    std::uint64_t root = 0;
  };
  [[nodiscard]] Context context(unsigned sid) const;

  [[nodiscard]] bool translating() const { return (gsts_ & 0x80000000u) != 0; }
  [[nodiscard]] bool queue_enabled() const { return (gsts_ & 0x04000000u) != 0; }

  /// Records a fault as hardware does (sheet 6.5). A device's access does it by itself when it is blocked.
  void record(unsigned sid, std::uint64_t address, bool write, unsigned reason);
  /// Interrupt messages that were sent and not received yet: address and data.
  std::deque<std::pair<std::uint64_t, std::uint32_t>> messages;
  std::uint64_t messages_sent = 0;
  std::uint64_t faults_recorded = 0;
  std::uint64_t faults_dropped = 0;
  std::uint32_t fectl = 0x80000000, fedata = 0, feaddr = 0;
  /// FSTS without FRI, which keeps its last value.
  [[nodiscard]] std::uint32_t fsts() const { return fsts_ & 0xFF; }
  [[nodiscard]] unsigned records_in_use() const;
  std::function<void(bool after)> around_unmask;  ///< called right before and right after FECTL.IM becomes 0

  /// While true, the queue stands still.
  void hold_queue(bool hold);
  /// Descriptors between head and tail.
  [[nodiscard]] std::uint64_t queued() const { return (iqt_ + 4096 - iqh_) % 4096 / 16; }

  std::vector<Seen> seen;                   ///< invalidations carried out, waits included
  std::uint64_t accesses = 0;               ///< register accesses
  std::function<bool(const Seen&)> refuse;  ///< true: the request is taken for invalid
  unsigned latency = 0;                     ///< polls until a handshake is answered
  bool deaf = false;                        ///< answers nothing any more
  std::uint32_t firmware_gsts = 0;          ///< set before the system starts: left running by firmware
  std::uint32_t pmen = 0;

 private:
  struct Cached {
    unsigned did;
    std::uint64_t first, last;  // pages
    std::uint64_t physical;
    unsigned permissions;
    const char* why;  // not null: a cached failure (caching mode)
    std::uint64_t page_bytes;
  };
  struct CachedTable {
    unsigned did, level;
    std::uint64_t prefix, table;
  };
  void breach(const std::string& text) { breaches_.push_back(text); }
  void later(std::function<void()> action);
  void step();
  void command(std::uint32_t value);
  void run_queue();
  void carry_out(const Seen& request);
  struct FaultRegister {
    std::uint64_t low = 0, high = 0;
    bool read = false;  // by software since it was recorded
  };
  [[nodiscard]] FaultRegister* fault_register(std::uint32_t offset);
  void let_others();
  void set_status(std::uint32_t bits);
  void status_changed();
  void send_fault_event();
  Access translate(unsigned sid, std::uint64_t address, bool write);
  Access finish(unsigned permissions, std::uint64_t physical, bool write, std::uint64_t page_bytes) const;

  UnitOptions options_;
  Memory& memory_;
  Host& host_;
  Breaches& breaches_;
  std::uint32_t gsts_ = 0;
  std::uint64_t rtaddr_ = 0, root_ = 0, ccmd_ = 0, iva_ = 0, iotlb_ = 0, iqh_ = 0, iqt_ = 0, iqa_ = 0, iqercd_ = 0;
  std::uint32_t fsts_ = 0;
  std::vector<FaultRegister> frcd_;
  unsigned next_record_ = 0;
  bool iva_written_ = false;
  bool queue_held_ = false;
  std::deque<std::pair<unsigned, std::function<void()>>> pending_;
  std::map<unsigned, Context> context_cache_;
  std::vector<Cached> iotlb_cache_;
  std::vector<CachedTable> table_cache_;
};

struct Options {
  std::vector<UnitOptions> units = std::vector<UnitOptions>(1);
  iommu::api::Policy policy;
  iommu::api::InvalidationPath path = iommu::api::InvalidationPath::Queue;
  unsigned host_address_bits = 46;
  bool fault_interrupts = true;
  unsigned extra_devices = 0;  ///< fn0, fn1, ... at 03:00.0 and on, behind unit 0; at most 256
};

/// The interrupt of one unit.
class Interrupt final : public iommu::api::InterruptPort {
 public:
  explicit Interrupt(std::uint32_t data) : data_(data) {}
  Message message() const override { return {0xFEE00000, data_}; }
  void connect(std::function<void()> handler_) override { handler = std::move(handler_); }
  std::function<void()> handler;

 private:
  std::uint32_t data_;
};

/// Devices as InterfaceUser::add_devices() says.
class Machine : public testing_api::InterfaceUser {
 public:
  explicit Machine(const Options& options = {});
  ~Machine() override;

  Breaches breaches;
  Host host;
  Memory memory;
  Frames frames;
  std::vector<std::unique_ptr<Unit>> units;
  std::vector<std::unique_ptr<Interrupt>> interrupts;

  /// Lets the handlers run of messages that were sent; false when there was none.
  bool run_interrupts();
  /// Interrupts and passive-level work, until there is nothing left of both.
  void settle();
};

constexpr unsigned kNic = 0x0018, kDisk = 0x0100, kGpu = 0x0200, kGpuAlias = 0x0210;

/// A contiguous physical range as a descriptor.
IOMMU_MAP_PHYSICAL_ADDRESS contiguous(std::uint64_t base, std::uint64_t bytes);
/// A list of page frame numbers as a descriptor; `frames` must outlive it.
IOMMU_MAP_PHYSICAL_ADDRESS pfn_array(std::vector<PFN_NUMBER>& frames);
/// An MDL of whole pages with these frames.
class MdlBuffer {
 public:
  explicit MdlBuffer(const std::vector<PFN_NUMBER>& frames);
  MDL* mdl() { return reinterpret_cast<MDL*>(storage_.data()); }
  IOMMU_MAP_PHYSICAL_ADDRESS descriptor();

 private:
  std::vector<std::uint64_t> storage_;
};

/// Everything by which a failed call could show: memory, frames, invalidations, objects.
struct Snapshot {
  std::map<std::uint64_t, std::uint64_t> memory;
  std::size_t frames = 0;
  std::size_t devices = 0;
  std::size_t domains = 0;
  std::size_t tokens = 0;
  std::vector<std::size_t> invalidations;
  bool operator==(const Snapshot& o) const {
    return std::tie(memory, frames, devices, domains, tokens, invalidations) ==
           std::tie(o.memory, o.frames, o.devices, o.domains, o.tokens, o.invalidations);
  }
};
Snapshot snapshot(const Machine& machine);

}  // namespace fake
