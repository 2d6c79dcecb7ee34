// Which SystemC process runs.
//
// What it does: tells processes apart at the price of two loads; sc_get_current_process_handle() gives the same by calls into the library and a
// counted reference. What it does not do: keep a process alive.
#pragma once

#include <systemc>

namespace iommu::sim {

/// The running process. While none runs it is what SystemC says then: null, or before the simulation starts the process made last.
[[nodiscard]] inline const sc_core::sc_object* running_process() {
  const sc_core::sc_process_b* process = sc_core::sc_get_current_process_b();
  return process != nullptr ? process : sc_core::sc_get_current_process_handle().get_process_object();
}

}  // namespace iommu::sim
