// Primary fault logging: the fault recording registers and FSTS (specification 7.2, 7.3, 11.4.7).
//
// What it does: records faults in the circular array of records, keeps PPF, PFO and FRI, raises the fault event, and
// handles what software clears. What it does not do: decide whether a fault is suppressed; the caller knows FPD. Faults
// of one requester are not collapsed.
#pragma once

#include "models/core/request.h"
#include "models/vtd/capabilities.h"
#include "models/vtd/event_control.h"

namespace iommu::vtd {

struct FaultCounters {
  std::uint64_t recorded = 0;
  std::uint64_t overflowed = 0;  ///< dropped: PFO was set, or the next record was still in use
};

class FaultRecorder {
 public:
  FaultRecorder(const Capabilities& capabilities, regs::RegisterBank& bank, EventControl& event);

  void record(const core::Request& request, std::uint8_t reason);

  /// Software wrote FSTS or a fault record.
  void status_written();
  /// Sets one of FSTS.IQE, ICE, ITE; an interrupt condition unless some status bit of the group is already set.
  void set_status(const Field& bit);

  /// The next record to be used becomes record 0: translation and interrupt remapping are both off.
  void restart() { next_ = 0; }

  [[nodiscard]] const FaultCounters& counters() const { return counters_; }
  void restart_counters() { counters_ = FaultCounters(); }

 private:
  [[nodiscard]] std::uint32_t offset(std::uint32_t record) const { return first_ + record * frcd::kBytes; }
  [[nodiscard]] bool in_use(std::uint32_t record) const;
  [[nodiscard]] bool any_status() const;
  void update_pending();

  regs::RegisterBank& bank_;
  EventControl& event_;
  std::uint32_t first_;  // offset of record 0
  std::uint32_t records_;
  std::uint64_t info_mask_;  // bits of FI that are implemented
  std::uint32_t next_ = 0;
  FaultCounters counters_;
};

}  // namespace iommu::vtd
