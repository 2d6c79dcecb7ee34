// The CPU side of a machine: runs ordinary C and C++ functions as threads that reach registers and memory by TLM.
//
// What it does: threads, 8- to 64-bit and block accesses that let simulated time pass, delays, interrupts received as
// messages (MSI), counters. What it does not do: execute instructions, cache, share a CPU between threads (each has its
// own), or run ahead of simulated time: every access has waited for its end when it returns, so that a loop that polls
// a register makes time pass and a driver written for hardware works as it is.
//
// Timing of an access: access_overhead, then the transaction with the delay annotated so far, then one wait for both.
// With a store buffer the thread goes on after access_overhead of a write to memory, whatever the memory takes.
// An access takes at least 1 ps, so that no polling loop can stop time.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>
#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "models/tlm/host_mutex.h"
#include "models/tlm/socket_width.h"
#include "models/tlm/timed_queue.h"

namespace iommu::sim {

struct HostConfig {
  core::Tick access_overhead = 2'000;    ///< CPU time of each access besides the transaction's own
  bool store_buffer = false;             ///< writes to memory hold a thread up for access_overhead only
  core::Tick interrupt_latency = 0;      ///< from a message's arrival to its handler or waiting thread
  core::Address memory_base = 0;         ///< accesses that begin in this range are counted as memory ...
  std::uint64_t memory_bytes = 0;        ///< ... unless they begin in the range below; all others as registers
  core::Address hole_base = 0;           ///< device registers inside the memory's range ...
  std::uint64_t hole_bytes = 0;          ///< ... and how many bytes of them
  std::size_t stack_bytes = 256 * 1024;  ///< of each thread
};

struct HostAccessCounters {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t bytes = 0;
};

struct HostCounters {
  HostAccessCounters memory;
  HostAccessCounters registers;
  std::uint64_t errors = 0;            ///< accesses that failed; they are in the counters above, too
  core::Tick access_time = 0;          ///< of all accesses of all threads, overhead included
  std::uint64_t interrupts = 0;        ///< messages delivered
  std::uint64_t refused_messages = 0;  ///< transactions at the interrupt socket that are no interrupt message
};

/// An access that the machine has answered with an error.
struct FailedAccess {
  core::Address address = 0;
  std::uint32_t bytes = 0;
  bool write = false;
  ::tlm::tlm_response_status status = ::tlm::TLM_INCOMPLETE_RESPONSE;
  core::Tick at = 0;  ///< when the answer came
};

class Host : public sc_core::sc_module {
 public:
  static constexpr core::Address kInterruptBase = 0xFEE00000;  ///< where a bus sends interrupt messages to
  static constexpr std::uint64_t kInterruptBytes = 0x100000;

  tlm_utils::simple_initiator_socket<Host, kSocketWidthBits> bus;
  /// Takes aligned 32-bit writes to kInterruptBase and on; bits 7:0 of the data are the vector. Anything else is
  /// refused: reads COMMAND_ERROR, other addresses ADDRESS_ERROR, other sizes BURST_ERROR, byte enables
  /// BYTE_ENABLE_ERROR.
  tlm_utils::simple_target_socket<Host, kSocketWidthBits> interrupts;

  Host(sc_core::sc_module_name name, const HostConfig& config);
  ~Host() override;

  /// Runs `function` as a CPU thread, from the current time on; before or during the simulation. Names are for people
  /// and need not be unique.
  void spawn(const std::string& name, std::function<void()> function);
  void spawn(const std::string& name, void (*function)(void*), void* context);
  /// The host whose thread or interrupt handler is running; null outside of any.
  [[nodiscard]] static Host* current();
  /// Threads that have been spawned and haven't returned.
  [[nodiscard]] std::size_t threads_running() const { return threads_running_; }
  /// Notified each time the last running thread has returned.
  [[nodiscard]] const sc_core::sc_event& all_done_event() const { return all_done_; }

  // --- For code that runs on this host.

  /// 8 to 64 bits, any alignment that the target takes, little-endian. A failed read gives all ones.
  template <class T>
  [[nodiscard]] T read(core::Address address) {
    static_assert(std::is_unsigned_v<T> && !std::is_same_v<T, bool>, "8 to 64 bits without sign");
    T value = 0;
    access(::tlm::TLM_READ_COMMAND, address, &value, sizeof value);
    return value;
  }
  template <class T>
  void write(core::Address address, std::enable_if_t<true, T> value) {
    static_assert(std::is_unsigned_v<T> && !std::is_same_v<T, bool>, "8 to 64 bits without sign");
    access(::tlm::TLM_WRITE_COMMAND, address, &value, sizeof value);
  }
  /// One transaction of any length; a length of 0 does nothing. False when it failed; a failed read gives all ones.
  bool read_block(core::Address address, void* data, std::uint32_t bytes) {
    return access(::tlm::TLM_READ_COMMAND, address, data, bytes);
  }
  bool write_block(core::Address address, const void* data, std::uint32_t bytes) {
    return access(::tlm::TLM_WRITE_COMMAND, address, const_cast<void*>(data), bytes);
  }
  void delay(core::Tick ticks) { wait(to_sc_time(ticks)); }
  [[nodiscard]] core::Tick now() const { return now_ticks(); }

  /// Blocks the calling thread until an interrupt of this vector is there that nobody has consumed yet, and consumes
  /// it; one that came before counts. With a timeout (ticks from now): false when none has come by then.
  void wait_interrupt(std::uint8_t vector) { static_cast<void>(wait_until(vector, std::nullopt)); }
  [[nodiscard]] bool wait_interrupt(std::uint8_t vector, core::Tick timeout) { return wait_until(vector, timeout); }

  // --- From anywhere.

  /// All interrupts of this vector so far.
  [[nodiscard]] std::uint64_t interrupts_received(std::uint8_t vector) const { return vectors_[vector].received; }
  /// From now on `handler` consumes this vector's interrupts: it runs on the host's interrupt thread, in order of
  /// arrival, one at a time, and may access and wait. An empty function gives the vector back to wait_interrupt().
  void on_interrupt(std::uint8_t vector, std::function<void()> handler);
  /// Called after each failed access, on the thread that made it.
  void on_error(std::function<void(const FailedAccess&)> handler) { error_handler_ = std::move(handler); }

  [[nodiscard]] const HostConfig& config() const { return config_; }
  [[nodiscard]] const HostCounters& counters() const { return counters_; }
  void restart_counters() { counters_ = HostCounters(); }

 private:
  struct Vector {
    std::uint64_t received = 0;
    std::uint64_t pending = 0;  // neither consumed by a waiting thread nor by a handler
    std::shared_ptr<const std::function<void()>> handler;
  };
  struct Thread {
    std::string name;
    std::function<void()> function;
  };

  bool access(::tlm::tlm_command command, core::Address address, void* data, std::uint32_t bytes);
  bool wait_until(std::uint8_t vector, std::optional<core::Tick> timeout);
  void launch();
  void run(const std::function<void()>& function);
  void deliver();
  void handle_interrupts();
  [[nodiscard]] ::tlm::tlm_response_status check_message(const ::tlm::tlm_generic_payload& payload) const;
  void interrupt_b(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  ::tlm::tlm_sync_enum interrupt_nb(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                    sc_core::sc_time& delay);

  HostConfig config_;
  HostCounters counters_;
  struct Payload;
  std::vector<std::unique_ptr<Payload>> payloads_;  // not in use

  std::deque<Thread> to_launch_;
  sc_core::sc_event launch_;
  std::size_t threads_running_ = 0;
  sc_core::sc_event all_done_;

  std::array<Vector, 256> vectors_;
  TimedQueue<std::uint8_t> messages_;
  sc_core::sc_event interrupt_pending_;
  std::deque<std::uint8_t> to_handle_;
  sc_core::sc_event handler_due_;
  std::function<void(const FailedAccess&)> error_handler_;
};

}  // namespace iommu::sim
