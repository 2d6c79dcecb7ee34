// Events, threads, DPCs, spin locks and time of loaded drivers, on the modeled host's threads.
//
// What it does: every wait is a wait in simulated time; a thread's IRQL is a number that it carries. What it does not do:
// preempt, schedule by priority, alert.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <systemc>

#include "api/wdm.h"

namespace iommu::platform::lab {
class DriverImage;
}

/// What PsCreateSystemThread makes; a driver sees its address only.
struct _KTHREAD {
  DISPATCHER_HEADER Header;
  unsigned references = 0;  // the running routine, the handle, and those of ObReferenceObjectByHandle
  bool running = true;
  const void* process = nullptr;
  iommu::platform::lab::DriverImage* image = nullptr;
};

namespace iommu::platform::lab {

class Kernel;

class ThreadServices {
 public:
  explicit ThreadServices(Kernel& kernel) : kernel_(kernel) {}
  ThreadServices(const ThreadServices&) = delete;
  ThreadServices& operator=(const ThreadServices&) = delete;

  // Events.
  static void initialize_event(PRKEVENT event, EVENT_TYPE type, bool state);
  LONG set_event(const char* function, PRKEVENT event, bool state, DriverImage* image);
  NTSTATUS wait_for(void* object, const LARGE_INTEGER* timeout, DriverImage* image);

  // Threads.
  NTSTATUS create_thread(PHANDLE handle, PKSTART_ROUTINE routine, PVOID context, DriverImage* image);
  /// Returns only where the calling thread is not one of create_thread's.
  NTSTATUS terminate_thread();
  NTSTATUS reference(HANDLE handle, POBJECT_TYPE type, PVOID* object);
  void dereference(PVOID object, DriverImage* image);
  NTSTATUS close(HANDLE handle);

  // Interrupt request level of the calling thread.
  [[nodiscard]] KIRQL irql() const;
  KIRQL raise(KIRQL level);
  void lower(KIRQL level);

  // Time.
  void delay(const LARGE_INTEGER& interval, DriverImage* image);

  // Spin locks.
  void acquire(PKSPIN_LOCK lock);
  void release(PKSPIN_LOCK lock, DriverImage* image);

  // Deferred procedure calls.
  bool queue_dpc(PRKDPC dpc, PVOID argument1, PVOID argument2);
  bool remove_dpc(PRKDPC dpc);
  void flush_dpcs();

  /// What the image has not ended or given back, in words; empty when nothing.
  [[nodiscard]] std::string leaks(const DriverImage& image) const;

 private:
  [[nodiscard]] static std::optional<std::uint64_t> ticks_of(const LARGE_INTEGER& interval, std::uint64_t now);
  void changed() { changed_.notify(sc_core::SC_ZERO_TIME); }
  void end(PKTHREAD thread);
  void unreference(PKTHREAD thread);
  void warn_above_passive(const char* function, DriverImage* image);
  void run_dpcs();

  Kernel& kernel_;
  sc_core::sc_event changed_;  // an object may have become signaled, a lock free, a DPC done
  sc_core::sc_event never_;
  std::map<PKTHREAD, std::shared_ptr<_KTHREAD>> threads_;
  std::map<HANDLE, PKTHREAD> handles_;
  std::uintptr_t last_handle_ = 0;
  std::map<const void*, KIRQL> levels_;  // of threads above passive level
  std::deque<PRKDPC> dpcs_;
  bool dpcs_running_ = false;
  std::uint64_t dpcs_queued_ = 0;
  std::uint64_t dpcs_done_ = 0;
};

}  // namespace iommu::platform::lab
