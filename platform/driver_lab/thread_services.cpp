#include "platform/driver_lab/thread_services.h"

#include <algorithm>

#include "models/tlm/running_process.h"
#include "platform/driver_lab/kernel.h"

namespace iommu::platform::lab {

namespace {

// Windows' numbers of object types.
constexpr UCHAR kNotificationEvent = 0;
constexpr UCHAR kSynchronizationEvent = 1;
constexpr UCHAR kThread = 6;
constexpr core::Tick kTicksPerUnit = 100'000;  // 100 ns

const void* current_process() { return sim::running_process(); }

void initialize(DISPATCHER_HEADER& header, UCHAR type, std::size_t bytes, bool state) {
  header = {};
  header.Type = type;
  header.Size = static_cast<UCHAR>(bytes / 4);
  header.SignalState = state ? 1 : 0;
  header.WaitListHead = {&header.WaitListHead, &header.WaitListHead};
}

bool is_event(const DISPATCHER_HEADER& header) {
  return header.Type <= kSynchronizationEvent && header.Size == sizeof(KEVENT) / 4;
}

}  // namespace

// ---- Events.

void ThreadServices::initialize_event(PRKEVENT event, EVENT_TYPE type, bool state) {
  initialize(event->Header, type == NotificationEvent ? kNotificationEvent : kSynchronizationEvent, sizeof *event,
             state);
}

LONG ThreadServices::set_event(const char* function, PRKEVENT event, bool state, DriverImage* image) {
  if (!is_event(event->Header)) {
    kernel_.report_once(api::Severity::Warning, function, image, "is called for an event that is not initialized");
    return 0;
  }
  const LONG before = event->Header.SignalState;
  event->Header.SignalState = state ? 1 : 0;
  if (state) changed();
  return before;
}

/// From now, in ticks; nothing: the time is over already.
std::optional<std::uint64_t> ThreadServices::ticks_of(const LARGE_INTEGER& interval, std::uint64_t now) {
  if (interval.QuadPart < 0) return static_cast<std::uint64_t>(-interval.QuadPart) * kTicksPerUnit;
  const std::uint64_t at = static_cast<std::uint64_t>(interval.QuadPart) * kTicksPerUnit;
  if (at <= now) return std::nullopt;
  return at - now;
}

NTSTATUS ThreadServices::wait_for(void* object, const LARGE_INTEGER* timeout, DriverImage* image) {
  auto& header = *static_cast<DISPATCHER_HEADER*>(object);
  const bool thread = threads_.count(static_cast<PKTHREAD>(object)) != 0;
  if (!thread && !is_event(header)) {
    kernel_.report_once(api::Severity::Warning, "KeWaitForSingleObject", image,
                        "is called for something that is neither an initialized event nor a thread");
    return STATUS_INVALID_PARAMETER_1;
  }
  const core::Tick begin = kernel_.machine.host->now();
  const std::optional<std::uint64_t> patience = timeout == nullptr ? std::nullopt : ticks_of(*timeout, begin);
  if (timeout == nullptr || patience) warn_above_passive("KeWaitForSingleObject", image);
  // A thread object stays as long as somebody waits for it.
  const std::shared_ptr<_KTHREAD> kept = thread ? threads_[static_cast<PKTHREAD>(object)] : nullptr;
  for (;;) {
    if (header.SignalState > 0) {
      if (header.Type == kSynchronizationEvent) header.SignalState = 0;
      return STATUS_SUCCESS;
    }
    if (timeout == nullptr) {
      sc_core::wait(changed_);
      continue;
    }
    const core::Tick waited = kernel_.machine.host->now() - begin;
    if (!patience || waited >= *patience) return STATUS_TIMEOUT;
    sc_core::wait(sim::to_sc_time(*patience - waited), changed_);
  }
}

void ThreadServices::warn_above_passive(const char* function, DriverImage* image) {
  if (irql() == PASSIVE_LEVEL) return;
  kernel_.report_once(api::Severity::Warning, function, image, "waits above PASSIVE_LEVEL");
}

// ---- Threads.

NTSTATUS ThreadServices::create_thread(PHANDLE handle, PKSTART_ROUTINE routine, PVOID context, DriverImage* image) {
  auto made = std::make_shared<_KTHREAD>();
  const PKTHREAD thread = made.get();
  initialize(thread->Header, kThread, 0, false);
  thread->references = 2;
  thread->image = image;
  threads_[thread] = std::move(made);
  *handle = reinterpret_cast<HANDLE>(last_handle_ += 4);
  handles_[*handle] = thread;
  kernel_.machine.host->spawn("driver_thread", [this, thread, routine, context] {
    thread->process = current_process();
    routine(context);
    end(thread);
  });
  return STATUS_SUCCESS;
}

void ThreadServices::end(PKTHREAD thread) {
  lower(PASSIVE_LEVEL);
  thread->running = false;
  thread->process = nullptr;
  thread->Header.SignalState = 1;
  changed();
  unreference(thread);
}

NTSTATUS ThreadServices::terminate_thread() {
  const void* process = current_process();
  const auto found =
      std::find_if(threads_.begin(), threads_.end(), [&](const auto& one) { return one.second->process == process; });
  if (process == nullptr || found == threads_.end()) return STATUS_INVALID_PARAMETER;
  end(found->first);
  // Its frames are a C driver's: there is no way out of them that they allow. They are never run again.
  for (;;) sc_core::wait(never_);
}

NTSTATUS ThreadServices::reference(HANDLE handle, POBJECT_TYPE type, PVOID* object) {
  const auto found = handles_.find(handle);
  if (found == handles_.end()) return STATUS_INVALID_HANDLE;
  if (type != nullptr && type != *PsThreadType) return STATUS_OBJECT_TYPE_MISMATCH;
  ++found->second->references;
  *object = found->second;
  return STATUS_SUCCESS;
}

void ThreadServices::dereference(PVOID object, DriverImage* image) {
  const auto thread = static_cast<PKTHREAD>(object);
  if (threads_.count(thread) == 0) {
    kernel_.report(api::Severity::Warning, "ObDereferenceObject", image, "is called for an object that is not there");
    return;
  }
  unreference(thread);
}

NTSTATUS ThreadServices::close(HANDLE handle) {
  const auto found = handles_.find(handle);
  if (found == handles_.end()) return STATUS_INVALID_HANDLE;
  const PKTHREAD thread = found->second;
  handles_.erase(found);
  unreference(thread);
  return STATUS_SUCCESS;
}

void ThreadServices::unreference(PKTHREAD thread) {
  if (--thread->references == 0) threads_.erase(thread);
}

std::string ThreadServices::leaks(const DriverImage& image) const {
  std::size_t running = 0;
  std::size_t ended = 0;
  for (const auto& [address, thread] : threads_) {
    if (thread->image != &image) continue;
    ++(thread->running ? running : ended);
  }
  std::string text;
  if (running != 0) text = std::to_string(running) + (running == 1 ? " running thread" : " running threads");
  if (ended != 0) {
    text += (text.empty() ? "" : ", ") + std::to_string(ended) +
            (ended == 1 ? " handle or reference to an ended thread" : " handles or references to ended threads");
  }
  return text;
}

// ---- Levels and time.

KIRQL ThreadServices::irql() const {
  const auto found = levels_.find(current_process());
  return found == levels_.end() ? KIRQL{PASSIVE_LEVEL} : found->second;
}

KIRQL ThreadServices::raise(KIRQL level) {
  const KIRQL before = irql();
  lower(std::max(before, level));
  return before;
}

void ThreadServices::lower(KIRQL level) {
  if (level == PASSIVE_LEVEL) {
    levels_.erase(current_process());
  } else {
    levels_[current_process()] = level;
  }
}

void ThreadServices::delay(const LARGE_INTEGER& interval, DriverImage* image) {
  warn_above_passive("KeDelayExecutionThread", image);
  if (const auto ticks = ticks_of(interval, kernel_.machine.host->now())) {
    kernel_.machine.host->delay(std::max<core::Tick>(*ticks, 1));
  }
}

// ---- Spin locks.

void ThreadServices::acquire(PKSPIN_LOCK lock) {
  while (*lock != 0) sc_core::wait(changed_);
  *lock = 1;
}

void ThreadServices::release(PKSPIN_LOCK lock, DriverImage* image) {
  if (*lock == 0) kernel_.report_once(api::Severity::Warning, "KeReleaseSpinLock", image, "finds the lock free");
  *lock = 0;
  changed();
}

// ---- Deferred procedure calls.

bool ThreadServices::queue_dpc(PRKDPC dpc, PVOID argument1, PVOID argument2) {
  if (dpc->Queued != FALSE) return false;
  dpc->Queued = TRUE;
  dpc->SystemArgument1 = argument1;
  dpc->SystemArgument2 = argument2;
  dpcs_.push_back(dpc);
  ++dpcs_queued_;
  if (!dpcs_running_) {
    dpcs_running_ = true;
    kernel_.machine.host->spawn("dpc", [this] { run_dpcs(); });
  }
  return true;
}

void ThreadServices::run_dpcs() {
  raise(DISPATCH_LEVEL);
  while (!dpcs_.empty()) {
    const PRKDPC dpc = dpcs_.front();
    dpcs_.pop_front();
    dpc->Queued = FALSE;
    dpc->DeferredRoutine(dpc, dpc->DeferredContext, dpc->SystemArgument1, dpc->SystemArgument2);
    ++dpcs_done_;
    changed();
  }
  lower(PASSIVE_LEVEL);
  dpcs_running_ = false;
}

bool ThreadServices::remove_dpc(PRKDPC dpc) {
  const auto found = std::find(dpcs_.begin(), dpcs_.end(), dpc);
  if (found == dpcs_.end()) return false;
  dpcs_.erase(found);
  dpc->Queued = FALSE;
  ++dpcs_done_;
  changed();
  return true;
}

void ThreadServices::flush_dpcs() {
  const std::uint64_t queued = dpcs_queued_;
  while (dpcs_done_ < queued) sc_core::wait(changed_);
}

}  // namespace iommu::platform::lab
