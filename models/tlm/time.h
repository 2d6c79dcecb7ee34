// Between the core's ticks (1 ps in 64 bits) and sc_time.
//
// What it does: converts without floating point. What it does not do: work with a time resolution other than SystemC's
// default of 1 ps; require_picosecond_resolution() says so when a simulation has changed it.
#pragma once

#include <systemc>

#include "models/core/types.h"

namespace iommu::sim {

[[nodiscard]] inline core::Tick to_ticks(const sc_core::sc_time& time) { return time.value(); }
[[nodiscard]] inline sc_core::sc_time to_sc_time(core::Tick ticks) { return sc_core::sc_time::from_value(ticks); }

/// The kernel's time. sc_time_stamp() gives the same by a call into the library, which costs more than the rest here.
[[nodiscard]] inline core::Tick now_ticks() { return sc_core::sc_get_curr_simcontext()->time_stamp().value(); }
/// The simulated time of the running process with its annotated delay.
[[nodiscard]] inline core::Tick now_ticks(const sc_core::sc_time& delay) { return now_ticks() + delay.value(); }
/// The delay that stands for the absolute time `at`, which must not lie before the kernel's time.
[[nodiscard]] inline sc_core::sc_time delay_until(core::Tick at) {
  return sc_core::sc_time::from_value(at - now_ticks());
}

/// The same for a module that asks often: without the library's look whether there is a kernel at all.
class KernelTime {
 public:
  /// Of the kernel that is current when this is made.
  KernelTime() : kernel_(sc_core::sc_get_curr_simcontext()) {}
  explicit KernelTime(const sc_core::sc_object& module) : kernel_(module.simcontext()) {}
  [[nodiscard]] core::Tick now() const { return kernel_->time_stamp().value(); }
  [[nodiscard]] core::Tick now(const sc_core::sc_time& delay) const { return now() + delay.value(); }
  /// The delay that stands for the absolute time `at`, which must not lie before the kernel's time.
  [[nodiscard]] sc_core::sc_time until(core::Tick at) const { return to_sc_time(at - now()); }

 private:
  const sc_core::sc_simcontext* kernel_;
};

/// Reports a fatal error when the resolution is not 1 ps; modules call it when they are constructed.
inline void require_picosecond_resolution() {
  if (sc_core::sc_get_time_resolution() != sc_core::sc_time(1, sc_core::SC_PS)) {
    SC_REPORT_FATAL("iommu-vp", "the models need SystemC's default time resolution of 1 ps");
  }
}

}  // namespace iommu::sim
