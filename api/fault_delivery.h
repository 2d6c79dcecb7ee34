// The way of faults from the units to the drivers of devices.
//
// What it does: finds the device of each fault record, queues it there, and calls the handler of the device's driver at
// passive level with a FAULT_INFORMATION, one at a time for each device. Queues are bounded: what does not fit is counted,
// and each burst of such faults is reported once. Faults that nobody wants and overflows of the hardware are reported,
// too: no fault is lost silently. Units report only while a device behind them has a handler. What it does not do: check
// arguments (fault_functions.cpp), or reach hardware (RemappingDriver). No lock but the device's `delivery` is held while
// a handler runs, so that handlers may call the interface.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/objects.h"
#include "api/ports.h"
#include "api/remapping_driver.h"

namespace iommu::api {

class FaultDelivery final : public FaultSink {
 public:
  /// The arguments outlive it. `drivers` may be filled later.
  FaultDelivery(const SystemDescription& description, const std::vector<std::unique_ptr<RemappingDriver>>& drivers,
                const std::vector<std::unique_ptr<Requester>>& requesters);

  /// Faults of the device go to `handler` from now on; a handler that it had is replaced. With the requester's mutex held.
  /// STATUS_NOT_SUPPORTED: the unit can't report faults.
  [[nodiscard]] NTSTATUS switch_on(Requester& requester, PIOMMU_DEVICE_FAULT_HANDLER handler, PVOID context);
  /// No call of the handler begins any more; faults that wait are counted as not delivered. With the requester's mutex
  /// held; no effect when reporting is off.
  void switch_off(Requester& requester);
  /// Returns when no call of an earlier handler runs any more; at once when called from within it. Without any lock.
  void wait_for_handler(Requester& requester) const;

  void fault(std::size_t unit, const FaultRecord& record) override;
  void faults_lost(std::size_t unit, std::uint64_t times) override;

 private:
  struct Unit {
    std::unique_ptr<Mutex> mutex;           // held while reporting is started or stopped
    unsigned devices = 0;                   // with a handler
    std::set<core::RequesterId> strangers;  // unknown requesters that were reported
  };

  [[nodiscard]] Requester* find(std::size_t unit, core::RequesterId requester) const;
  void report_stranger(std::size_t unit, const FaultRecord& record);
  void report_unhandled(Requester& requester, const FaultRecord& record) const;
  void report_dropped(Requester& requester) const;
  void deliver(Requester& requester);
  void call_handler(Requester& requester);
  [[nodiscard]] FAULT_INFORMATION describe(const Requester& requester, const FaultReporting::Pending& pending) const;
  void report(Severity severity, const std::string& object, const std::string& message) const;

  const SystemDescription& description_;
  const std::vector<std::unique_ptr<RemappingDriver>>& drivers_;
  const std::vector<std::unique_ptr<Requester>>& requesters_;
  std::vector<Unit> units_;
};

}  // namespace iommu::api
