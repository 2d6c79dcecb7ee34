// The IOMMU interface as a driver calls it, with a stop watch.
//
// What it does: gets DMA_IOMMU_INTERFACE_V2, forwards calls to it and counts them: how many, how many failed, how long each took in
// simulated time. What it does not do: change a call. Calls come from threads of the modeled host.
#pragma once

#include <array>
#include <cstddef>

#include "api/wdm.h"
#include "models/core/latency_histogram.h"
#include "models/tlm/time.h"

namespace iommu::platform {

enum class InterfaceFunction : std::size_t {
  CreateDevice,
  DeleteDevice,
  CreateDomainEx,
  DeleteDomain,
  AttachDeviceEx,
  DetachDeviceEx,
  MapLogicalRangeEx,
  UnmapLogicalRange,
  kCount,
};
[[nodiscard]] const char* function_name(InterfaceFunction function);

struct FunctionCounters {
  std::uint64_t calls = 0;
  std::uint64_t failures = 0;
  core::LatencyHistogram duration;
};

using InterfaceCounters = std::array<FunctionCounters, static_cast<std::size_t>(InterfaceFunction::kCount)>;

class InterfaceProbe {
 public:
  explicit InterfaceProbe(InterfaceCounters& counters) : counters_(counters) {}

  /// IoGetIommuInterfaceEx, version 2.
  [[nodiscard]] NTSTATUS open() { return IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_2, 0, &interface_); }

  /// Calls `member` of the interface, for example call(InterfaceFunction::DeleteDomain, &DMA_IOMMU_INTERFACE_V2::DeleteDomain, domain).
  template <class Member, class... Arguments>
  NTSTATUS call(InterfaceFunction function, Member member, Arguments... arguments) {
    FunctionCounters& counters = counters_[static_cast<std::size_t>(function)];
    const core::Tick begin = sim::now_ticks();
    const NTSTATUS status = (interface_.V2.*member)(arguments...);
    ++counters.calls;
    if (!NT_SUCCESS(status)) ++counters.failures;
    counters.duration.add(sim::now_ticks() - begin);
    return status;
  }

 private:
  DMA_IOMMU_INTERFACE_EX interface_{};
  InterfaceCounters& counters_;
};

}  // namespace iommu::platform
