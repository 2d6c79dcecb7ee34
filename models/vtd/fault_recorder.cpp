#include "models/vtd/fault_recorder.h"

#include <algorithm>

#include "models/vtd/records.h"

namespace iommu::vtd {

namespace {
// The status bits that raise the fault event or keep it from being raised again (7.3): PFO raises nothing itself.
constexpr std::uint64_t kGroup =
    fsts::PPF.mask() | fsts::PFO.mask() | fsts::IQE.mask() | fsts::ICE.mask() | fsts::ITE.mask();
}  // namespace

FaultRecorder::FaultRecorder(const Capabilities& capabilities, regs::RegisterBank& bank, EventControl& event)
    : bank_(bank),
      event_(event),
      first_(fault_records_offset(capabilities)),
      records_(capabilities.fault_records),
      info_mask_(core::low_mask(
                     input_bits_of_levels(*std::max_element(capabilities.levels.begin(), capabilities.levels.end()))) &
                 frcd::FI.mask()) {}

bool FaultRecorder::in_use(std::uint32_t record) const {
  return frcd::F.get(bank_.get(offset(record) + FRCD_HI.offset)) != 0;
}

bool FaultRecorder::any_status() const { return (bank_.get(FSTS) & kGroup) != 0; }

void FaultRecorder::record(const core::Request& request, std::uint8_t reason) {
  std::uint64_t status = bank_.get(FSTS);
  if (fsts::PFO.get(status) != 0) {
    ++counters_.overflowed;
    return;
  }
  if (in_use(next_)) {
    ++counters_.overflowed;
    bank_.set(FSTS, fsts::PFO.set(status, 1));
    return;
  }
  // T1 alone is a read, both an AtomicOp, none a write (11.4.7.6). AT, PASID and its companions read 0: ECAP.DT and
  // ECAP.PASID are 0.
  const bool read = request.kind == core::AccessKind::Read;
  const bool atomic = request.kind == core::AccessKind::Atomic;
  const std::uint64_t high = frcd::SID.of(request.requester) | frcd::FR.of(reason) |
                             frcd::T1.of(read || atomic ? 1 : 0) | frcd::T2.of(atomic ? 1 : 0) | frcd::F.of(1);
  bank_.set(offset(next_) + FRCD_LO.offset, request.address & info_mask_);
  bank_.set(offset(next_) + FRCD_HI.offset, high);
  ++counters_.recorded;

  if (fsts::PPF.get(status) == 0) {
    const bool condition = !any_status();
    status = fsts::PPF.set(fsts::FRI.set(status, next_), 1);
    bank_.set(FSTS, status);
    if (condition) event_.condition();
  }
  next_ = (next_ + 1) % records_;
}

void FaultRecorder::set_status(const Field& bit) {
  const bool condition = !any_status();
  bank_.set(FSTS, bit.set(bank_.get(FSTS), 1));
  if (condition) event_.condition();
}

void FaultRecorder::status_written() {
  update_pending();
  if (!any_status()) event_.status_all_clear();
}

void FaultRecorder::update_pending() {
  bool pending = false;
  for (std::uint32_t i = 0; i < records_ && !pending; ++i) pending = in_use(i);
  bank_.set(FSTS, fsts::PPF.set(bank_.get(FSTS), pending ? 1 : 0));
}

}  // namespace iommu::vtd
