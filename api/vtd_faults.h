// The fault side of one VT-d unit, as system software handles it: primary fault logging and its event (specification
// 7.2, 7.3, 11.4.7).
//
// What it does: programs and unmasks the fault event, takes fault records from the unit when its interrupt comes, clears
// records and overflow, and hands architecture-neutral records on. An interrupt takes kRecordsPerInterrupt records at
// most: then the event is masked and work items at passive level take the rest, as many each, before it is unmasked. So a
// storm holds up neither the interrupt thread nor other work. Nothing is lost between taking and unmasking: a fault that
// comes once everything was found clear raises the event, or sets FECTL.IP, which unmasking sends. What it does not do:
// know devices, domains or drivers, or collapse faults of one requester.
#pragma once

#include <cstdint>
#include <optional>

#include "api/ports.h"
#include "api/remapping_driver.h"
#include "api/vtd_unit.h"

namespace iommu::api {

class VtdFaults {
 public:
  /// Records that one interrupt, or one work item, takes.
  static constexpr unsigned kRecordsPerInterrupt = 64;

  /// @param unit_index  for the sink
  VtdFaults(VtdUnit& unit, const UnitDescription& description, std::size_t unit_index);

  /// As RemappingDriver::start_fault_reporting().
  [[nodiscard]] NTSTATUS start(FaultSink& sink);
  void stop();

 private:
  enum class State : std::uint8_t {
    Off,
    Open,    ///< the event is unmasked
    Masked,  ///< a work item is queued that takes what is there and unmasks
  };

  void interrupt();
  void queue_attend();
  void attend();
  [[nodiscard]] bool drain();
  [[nodiscard]] bool take_records(std::uint32_t first, unsigned& room);
  void set_mask(bool masked);
  [[nodiscard]] std::uint32_t record_offset(std::uint32_t index) const;

  VtdUnit& unit_;
  RegisterPort& registers_;
  InterruptPort* interrupt_;
  std::size_t index_;
  FaultSink* sink_ = nullptr;
  State state_ = State::Off;
  bool connected_ = false;
  bool busy_ = false;                    // some thread is in attend()
  bool again_ = false;                   // an interrupt came meanwhile
  std::uint64_t run_ = 0;                // counts start(): work items of an earlier one are void
  std::optional<std::uint32_t> resume_;  // where taking records goes on: FSTS.FRI tells only where they began
  std::uint64_t lost_ = 0;               // overflows not handed on yet
};

/// What a fault reason of legacy mode means (specification 7.1.3, appendix A).
[[nodiscard]] FaultCause vtd_fault_cause(std::uint8_t reason);

}  // namespace iommu::api
