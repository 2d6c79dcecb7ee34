// pcie-bench's latency test: its buffer, its windows, its clock. The device's rates are in nfp_device.h.
//
// What it does: make scenarios and series of one value for each window. What it does not do: hold published values.
#pragma once

#include <cstdint>
#include <vector>

#include "platform/validation/experiment.h"
#include "platform/validation/nfp_device.h"

namespace iommu::platform::validation {

/// A row of a published table.
struct WindowValue {
  std::uint64_t window_bytes;
  double value;
};

/// A machine's device with a mapped buffer of 64 MiB and 64 B reads at random, one at a time.
[[nodiscard]] Scenario serial_reads(Form form, const std::string& preset);
/// The same device, in the first `window_bytes` of its buffer.
[[nodiscard]] Scenario in_window(const Scenario& scenario, std::uint64_t window_bytes);

/// The mean latency of the fullest bin from `from_ns` on and below `to_ns`; bins are one step of the device's clock wide, 13.3 ns.
/// Needs statistics.histograms.
[[nodiscard]] Measure mode_between(double from_ns, double to_ns);

/// A point of one run for each window; the short form takes 256KiB, 512KiB, 2MiB and 64MiB.
void add_windows(Series& series, Form form, const Scenario& scenario, const Measure& measure,
                 const std::vector<WindowValue>& published, const Tolerance& tolerance);
/// True when the short form takes this window.
[[nodiscard]] bool in_short_form(std::uint64_t window_bytes);

}  // namespace iommu::platform::validation
