#include "api/vtd_faults.h"

#include <utility>

#include "models/vtd/fault_reason.h"
#include "models/vtd/register_map.h"

namespace iommu::api {

namespace {

/// Reasons from 20h to 2Fh concern interrupt requests: FI is an interrupt index then, or nothing.
constexpr bool has_address(std::uint64_t reason) { return (reason >> 4) != 2; }

FaultRecord decode(std::uint64_t low, std::uint64_t high) {
  FaultRecord record;
  record.requester = static_cast<core::RequesterId>(vtd::frcd::SID.get(high));
  record.reason = static_cast<std::uint32_t>(vtd::frcd::FR.get(high));
  record.cause = vtd_fault_cause(static_cast<std::uint8_t>(record.reason));
  // T1 and T2 both 0: a write; both 1: an AtomicOp, which writes, too.
  record.write = vtd::frcd::T1.get(high) == vtd::frcd::T2.get(high);
  record.address_valid = has_address(record.reason);
  if (record.address_valid) record.address = vtd::frcd::FI.get(low) << core::kPageShift;
  return record;
}

}  // namespace

FaultCause vtd_fault_cause(std::uint8_t reason) {
  using Reason = vtd::FaultReason;
  switch (static_cast<Reason>(reason)) {
    case Reason::RootNotPresent:
    case Reason::ContextNotPresent:
      return FaultCause::NoBinding;
    case Reason::AddressBeyondWidth:
      return FaultCause::AddressSize;
    case Reason::NoWritePermission:
    case Reason::NoReadPermission:
      return FaultCause::NoPermission;
    case Reason::PagingEntryAccess:
    case Reason::RootEntryAccess:
    case Reason::ContextEntryAccess:
      return FaultCause::Structure;
    case Reason::ContextInvalid:
    case Reason::RootReserved:
    case Reason::ContextReserved:
    case Reason::PagingEntryReserved:
    case Reason::TranslationTypeBlocked:
    case Reason::OutputInInterruptRange:
    case Reason::IllegalInterruptRequest:
    case Reason::TranslationModeInvalid:
    case Reason::PasidInLegacyMode:
      break;
  }
  return FaultCause::Unsupported;
}

VtdFaults::VtdFaults(VtdUnit& unit, const UnitDescription& description, std::size_t unit_index)
    : unit_(unit), registers_(*description.registers), interrupt_(description.fault_interrupt), index_(unit_index) {}

std::uint32_t VtdFaults::record_offset(std::uint32_t index) const {
  return static_cast<std::uint32_t>(unit_.cap(vtd::cap::FRO)) * 16 + index * vtd::frcd::kBytes;
}

// FECTL's reserved bits are preserved (11.4.7.2).
void VtdFaults::set_mask(bool masked) {
  unit_.write(vtd::FECTL, vtd::ectl::IM.set(unit_.read(vtd::FECTL), masked ? 1 : 0));
}

// ---- Switching --------------------------------------------------------------------------------------------------

NTSTATUS VtdFaults::start(FaultSink& sink) {
  if (interrupt_ == nullptr) return STATUS_NOT_SUPPORTED;
  if (unit_.given_up()) return STATUS_UNSUCCESSFUL;
  const InterruptPort::Message message = interrupt_->message();
  const bool upper_half = unit_.ecap(vtd::ecap::EIM) != 0;  // else FEUADDR is reserved
  if (!upper_half && (message.address >> 32) != 0) return STATUS_NOT_SUPPORTED;
  set_mask(true);
  unit_.write(vtd::FEDATA, vtd::edata::DATA.of(message.data));
  unit_.write(vtd::FEADDR, message.address & vtd::eaddr::ADDR.mask());
  if (upper_half) unit_.write(vtd::FEUADDR, message.address >> 32);
  if (!connected_) interrupt_->connect([this] { interrupt(); });
  connected_ = true;
  sink_ = &sink;
  ++run_;
  state_ = State::Masked;
  attend();
  return STATUS_SUCCESS;
}

void VtdFaults::stop() {
  state_ = State::Off;
  // Whoever is at it ends with the record in hand; each look takes a register's time.
  const bool ended = unit_.poll("the end of fault handling", [&] {
    if (busy_) (void)unit_.read(vtd::FSTS);
    return !busy_;
  });
  if (ended) set_mask(true);
  if (lost_ != 0) sink_->faults_lost(index_, std::exchange(lost_, 0));
}

// ---- Taking records ---------------------------------------------------------------------------------------------

void VtdFaults::interrupt() {
  if (state_ == State::Open) attend();
}

void VtdFaults::queue_attend() {
  unit_.host().queue_work([this, run = run_] {
    if (run == run_) attend();
  });
}

void VtdFaults::attend() {
  if (state_ == State::Off) return;
  again_ = busy_;
  if (busy_) return;
  busy_ = true;
  const bool clear = drain();
  if (state_ != State::Off && !unit_.given_up()) {
    if (clear && lost_ != 0) sink_->faults_lost(index_, std::exchange(lost_, 0));
    if (clear && state_ == State::Masked) {
      // Before the access: a held message may come while it is under way.
      state_ = State::Open;
      set_mask(false);
    } else if (!clear) {
      const bool mask = state_ == State::Open;
      state_ = State::Masked;
      if (mask) set_mask(true);
      again_ = true;
    }
  }
  busy_ = false;
  if (again_ && state_ != State::Off && !unit_.given_up()) queue_attend();
}

// True when the unit has nothing to tell any more: the next fault will raise the event.
bool VtdFaults::drain() {
  unsigned room = kRecordsPerInterrupt;
  while (state_ != State::Off) {
    const std::uint64_t status = unit_.read(vtd::FSTS);
    if (vtd::fsts::PPF.get(status) != 0) {
      const auto first = static_cast<std::uint32_t>(vtd::fsts::FRI.get(status));
      if (!take_records(resume_.value_or(first), room)) return false;
    } else if (vtd::fsts::PFO.get(status) != 0) {
      ++lost_;
      unit_.write(vtd::FSTS, vtd::fsts::PFO.of(1));
    } else {
      // A queue error keeps faults from raising the event (7.3). Whoever waits for the queue clears it.
      return vtd::fsts::IQE.get(status) == 0;
    }
  }
  return true;
}

// Takes records from `first` on as long as there are any; false when there was no room for all of them.
bool VtdFaults::take_records(std::uint32_t first, unsigned& room) {
  const auto count = static_cast<std::uint32_t>(unit_.cap(vtd::cap::NFR)) + 1;
  bool taken = false;
  for (std::uint32_t step = 0, index = first % count; state_ != State::Off; ++step, index = (index + 1) % count) {
    const std::uint32_t low = record_offset(index) + vtd::FRCD_LO.offset;
    const std::uint32_t high = record_offset(index) + vtd::FRCD_HI.offset;
    const std::uint64_t high_word = registers_.read64(high);
    if (vtd::frcd::F.get(high_word) == 0) {
      // They follow each other without a gap. Where they begin is only a hint when others have cleared records.
      if (!taken && step + 1 < count) continue;
      break;
    }
    if (room == 0) {
      resume_ = index;
      return false;
    }
    --room;
    taken = true;
    const std::uint64_t low_word = registers_.read64(low);
    registers_.write64(high, vtd::frcd::F.of(1));
    sink_->fault(index_, decode(low_word, high_word));
  }
  resume_.reset();
  if (taken || state_ == State::Off) return true;
  unit_.report(Severity::Error, "fault reporting", "FSTS.PPF is set although no fault record is: the unit is given up");
  unit_.give_up();
  return false;
}

}  // namespace iommu::api
