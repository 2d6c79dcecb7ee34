// What the API layer needs from the world, as abstract ports, and the description of the machine that it serves.
//
// What it does: names the few things that system software has: registers, memory, free page frames, locks, a way to let
// time pass while it polls, and a place for diagnostics. models/tlm's Host and the platform implement them with TLM
// transactions; tests with maps. What it does not do: contain code, know SystemC, or keep state.
//
// Threads: callers are cooperative threads of one simulated machine. A thread gives way to others only inside these
// ports (each access, Mutex::lock, HostServices::relax may let simulated time pass); between two port calls the API
// layer runs undisturbed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/function.h"
#include "api/wdm.h"
#include "models/core/types.h"

namespace iommu::api {

/// The register window of one IOMMU. Offsets are bytes from its start, aligned to the access.
class RegisterPort {
 public:
  virtual ~RegisterPort() = default;
  [[nodiscard]] virtual std::uint32_t read32(std::uint32_t offset) = 0;
  [[nodiscard]] virtual std::uint64_t read64(std::uint32_t offset) = 0;
  virtual void write32(std::uint32_t offset, std::uint32_t value) = 0;
  virtual void write64(std::uint32_t offset, std::uint64_t value) = 0;
};

/// Physical memory as the CPU reaches it. Each 8-byte access is one, indivisible; addresses are multiples of 8.
class MemoryPort {
 public:
  virtual ~MemoryPort() = default;
  [[nodiscard]] virtual std::uint64_t read64(core::Address address) = 0;
  virtual void write64(core::Address address, std::uint64_t value) = 0;
  /// Fills the 4 KiB at `frame` (a multiple of 4096) with zeros.
  virtual void zero_page(core::Address frame) = 0;
};

/// Free 4 KiB frames of physical memory for tables and queues. Their contents are arbitrary.
class FrameAllocator {
 public:
  virtual ~FrameAllocator() = default;
  /// Physical address of a frame; nothing when there is none left.
  [[nodiscard]] virtual std::optional<core::Address> allocate() = 0;
  virtual void free(core::Address frame) = 0;
};

/// The message-signaled interrupt that a unit reports faults with.
class InterruptPort {
 public:
  /// What the unit has to write, and where.
  struct Message {
    std::uint64_t address = 0;
    std::uint32_t data = 0;
  };
  virtual ~InterruptPort() = default;
  [[nodiscard]] virtual Message message() const = 0;
  /// From now on `handler` runs once for each message, on a host thread of the interrupt's own, one at a time: it may access registers
  /// and memory and poll, and must not sleep. An empty function disconnects.
  virtual void connect(std::function<void()> handler) = 0;
};

/// A lock between host threads: lock() lets simulated time pass until it is free. Not recursive. It stands for a spin
/// lock: nobody holds one while calling a driver back, but for locks that only order the calls of one callback.
class Mutex {
 public:
  virtual ~Mutex() = default;
  virtual void lock() = 0;
  virtual void unlock() = 0;
};

enum class Severity : std::uint8_t {
  Note,     ///< something that an author may want to know
  Warning,  ///< a caller's mistake that Windows leaves undefined, or a request that hardware refused and that was
            ///< mended
  Error,    ///< the machine can't do what it is described to do
};

struct Diagnostic {
  Severity severity = Severity::Warning;
  std::string function;  ///< the interface's function, or the unit's activity
  std::string object;  ///< what it is about: "domain 2", "device nic0", "unit iommu0"; empty when nothing in particular
  std::string message;  ///< one sentence, without a full stop
};

/// What else the host provides.
class HostServices {
 public:
  virtual ~HostServices() = default;
  /// A new lock; called while the simulation runs, too.
  [[nodiscard]] virtual std::unique_ptr<Mutex> make_mutex() = 0;
  /// Called between two polls of a register or memory word.
  virtual void relax() = 0;
  /// Runs `work` later on the passive-level worker: one item after the other, in the order of queueing. An item may
  /// wait and may call drivers back.
  virtual void queue_work(std::function<void()> work) = 0;
  /// Identifies the calling thread among those that are alive.
  [[nodiscard]] virtual const void* current_thread() const = 0;
  virtual void report(const Diagnostic& diagnostic) = 0;
};

/// Told of each call of an interface function, on the calling thread. Calls of several threads overlap; those of one
/// nest when a callback calls the interface.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void entered(Function function) = 0;
  /// @param status  STATUS_SUCCESS for the function that returns nothing
  virtual void returned(Function function, NTSTATUS status) = 0;
};

/// How invalidations reach a unit.
enum class InvalidationPath : std::uint8_t {
  Queue,      ///< the invalidation queue
  Registers,  ///< the invalidation registers (VT-d below major version 6)
};

/// What happens to a device's DMA while it is attached to no domain (docs/ddi-decisions.md, OP-9).
enum class UnattachedState : std::uint8_t { Blocked, PassThrough };

/// What the interface offers where Windows' documentation takes something back that a function is described to do.
enum class Profile : std::uint8_t {
  Modeled,       ///< each function does on the modeled hardware what its description says
  AsDocumented,  ///< the documented answers: not implemented, not for this domain type, not on this architecture
};

/// Whether a device's driver tolerates DMA remapping (INF directive; sheet section 5).
enum class RemappingOptIn : std::uint8_t {
  No,
  Yes,
  IfExternal,  ///< only while the device is on an external port
};

/// What DMA Guard does about external devices (policy DmaGuard/DeviceEnumerationPolicy).
enum class EnumerationPolicy : std::uint8_t {
  BlockAlways,       ///< 0
  BlockUntilUnlock,  ///< 1, Windows' default: while the screen is locked
  AllowAll,          ///< 2
};

/// Kernel DMA Protection of the machine. `enabled` and `policy` stay; the lock changes while the machine runs.
struct DmaGuard {
  bool enabled = false;
  EnumerationPolicy policy = EnumerationPolicy::BlockUntilUnlock;
  bool screen_locked = false;
};

/// One IOMMU, as firmware describes it to system software.
struct UnitDescription {
  std::string name;
  RegisterPort* registers = nullptr;
  core::Address register_base = 0;  ///< MMIO base, for reports
  unsigned host_address_bits = 46;  ///< physical address width of the machine (DMAR table: Host Address Width)
  InvalidationPath invalidation = InvalidationPath::Queue;
  InterruptPort* fault_interrupt = nullptr;  ///< none: faults of this unit can't be reported to drivers
  std::uint16_t pci_segment = 0;
};

/// One device, as the bus driver knows it.
struct PdoDescription {
  std::string name;
  PDEVICE_OBJECT object = nullptr;  ///< what drivers pass to CreateDevice; never dereferenced here
  std::optional<std::size_t> unit;  ///< index into SystemDescription::units; none: not behind an IOMMU
  std::vector<core::RequesterId>
      requester_ids;                            ///< with aliases; empty: the bus driver can't say (STATUS_UNSUCCESSFUL)
  bool external = false;                        ///< reachable from outside the case, at the start
  RemappingOptIn opt_in = RemappingOptIn::Yes;  ///< of its driver, at the start
};

/// The choices that an operating system makes.
struct Policy {
  unsigned max_leaf_level = 3;           ///< largest page of a mapping: 1 (4 KiB), 2 (2 MiB), 3 (1 GiB)
  unsigned max_logical_width_bits = 63;  ///< upper bound of every domain's address width, 13 to 63
  UnattachedState unattached = UnattachedState::Blocked;
  Profile profile = Profile::Modeled;
  DmaGuard dma_guard;                     ///< at the start
  std::size_t max_devices = 65536;        ///< device tokens that may exist at a time
  std::size_t max_domains = 65536;        ///< domains that may exist at a time
  std::size_t fault_queue_depth = 16;     ///< faults of one device that wait for its driver; further ones are counted
  std::uint64_t poll_limit = 10'000'000;  ///< polls after which a unit is given up
};

/// One machine. The ports outlive the System that is made from it.
struct SystemDescription {
  std::vector<UnitDescription> units;
  std::vector<PdoDescription> pdos;
  Policy policy;
  MemoryPort* memory = nullptr;
  FrameAllocator* frames = nullptr;
  HostServices* host = nullptr;
  CallObserver* observer = nullptr;  ///< optional
};

class System;

/// The machine that the calling thread runs on, or null outside of any. Defined by whoever hosts the API layer: the
/// platform from the running host thread, a test from a variable of its own.
[[nodiscard]] System* current_system();

}  // namespace iommu::api
