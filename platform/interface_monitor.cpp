#include "platform/interface_monitor.h"

#include <algorithm>
#include <systemc>

#include "models/tlm/running_process.h"
#include "models/tlm/time.h"

namespace iommu::platform {

void AccessCounts::add(const Access& access) {
  if (access.space == Access::Space::Registers) {
    ++(access.write ? register_writes : register_reads);
  } else {
    ++(access.write ? memory_writes : memory_reads);
  }
}

/// The end when the thread has no call under way.
std::vector<InterfaceMonitor::Call>::iterator InterfaceMonitor::innermost_of(const void* thread) {
  for (auto call = running_.end(); call != running_.begin();) {
    if ((--call)->thread == thread) return call;
  }
  return running_.end();
}

void InterfaceMonitor::entered(api::Function function) {
  Call& call = running_.emplace_back();
  call.thread = sim::running_process();
  call.function = function;
  call.begin = sim::now_ticks();
  if (log_ != nullptr && log_->chosen.test(static_cast<std::size_t>(function))) {
    call.log = log_;
    call.index = log_->calls.size();
    LoggedCall logged;
    logged.function = function;
    logged.begin = call.begin;
    log_->calls.push_back(logged);
  }
}

void InterfaceMonitor::returned(api::Function function, NTSTATUS status) {
  const auto innermost = innermost_of(sim::running_process());
  if (innermost == running_.end()) return;
  const Call call = *innermost;
  running_.erase(innermost);
  const core::Tick end = sim::now_ticks();
  FunctionCounters& counters = functions_[static_cast<std::size_t>(function)];
  ++counters.calls;
  if (!NT_SUCCESS(status)) {
    ++counters.failures;
    const auto same = [&](const FailedCalls& other) { return other.function == function && other.status == status; };
    auto failed = std::find_if(failed_.begin(), failed_.end(), same);
    if (failed == failed_.end()) failed = failed_.insert(failed, {function, status, 0, end});
    ++failed->calls;
  }
  counters.duration.add(end - call.begin);
  if (call.log != nullptr && call.log == log_) {
    log_->calls[call.index].end = end;
    log_->calls[call.index].status = status;
  }
}

void InterfaceMonitor::accessed(const Access& access) {
  const Call* call = nullptr;
  if (!running_.empty()) {
    const auto innermost = innermost_of(sim::running_process());
    if (innermost != running_.end()) call = &*innermost;
  }
  (call == nullptr ? outside_ : functions_[static_cast<std::size_t>(call->function)].accesses).add(access);
  if (log_ == nullptr) return;
  if (call == nullptr) {
    if (log_->outside_of_calls) log_->accesses.push_back({access, std::nullopt});
  } else if (call->log == log_) {
    log_->accesses.push_back({access, call->index});
  }
}

}  // namespace iommu::platform
