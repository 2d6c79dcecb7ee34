// A lock between the CPU threads of a simulation.
//
// What it does: lock() lets simulated time pass until the lock is free; who waits gets it in the order of asking. What
// it does not do: cost time by itself, nest, or know hosts: threads of any may share it.
#pragma once

#include <cstdint>
#include <string>
#include <systemc>

#include "models/tlm/running_process.h"

namespace iommu::sim {

class HostMutex {
 public:
  HostMutex() = default;
  HostMutex(const HostMutex&) = delete;
  HostMutex& operator=(const HostMutex&) = delete;

  /// Called by an SC_THREAD. Asking for a lock that one holds already is reported as SC_ERROR and does nothing else.
  void lock() {
    const sc_core::sc_object* caller = running_process();
    if (caller == nullptr || holder_ == caller) {
      const std::string who = caller == nullptr ? "code outside of any thread" : caller->name();
      const char* what = caller == nullptr ? " locks a mutex" : " locks a mutex that it holds already";
      SC_REPORT_ERROR("iommu-vp", (who + what).c_str());
      return;
    }
    const std::uint64_t ticket = next_ticket_++;
    while (ticket != serving_) sc_core::wait(released_);
    holder_ = caller;
  }

  /// By whoever holds it; anything else is reported as SC_ERROR and changes nothing.
  void unlock() {
    if (holder_ == nullptr || holder_ != running_process()) {
      SC_REPORT_ERROR("iommu-vp", "a mutex is unlocked by a thread that doesn't hold it");
      return;
    }
    holder_ = nullptr;
    if (++serving_ != next_ticket_) released_.notify(sc_core::SC_ZERO_TIME);  // somebody waits
  }

  [[nodiscard]] bool locked() const { return holder_ != nullptr; }

 private:
  const sc_core::sc_object* holder_ = nullptr;
  std::uint64_t next_ticket_ = 0;
  std::uint64_t serving_ = 0;
  sc_core::sc_event released_;
};

}  // namespace iommu::sim
