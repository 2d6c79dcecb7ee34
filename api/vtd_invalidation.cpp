#include "api/vtd_invalidation.h"

#include "api/lock_guard.h"
#include "api/text.h"
#include "models/vtd/records.h"
#include "models/vtd/register_map.h"

namespace iommu::api {

namespace {

namespace descriptor = vtd::descriptor;

vtd::Record128 encode(const Invalidation& request, const VtdUnit& unit) {
  using Kind = Invalidation::Kind;
  vtd::Record128 record;
  if (request.kind == Kind::ContextGlobal || request.kind == Kind::ContextDevice) {
    const bool global = request.kind == Kind::ContextGlobal;
    record.lo = descriptor::TYPE_LO.of(descriptor::kContextCache) |
                descriptor::context_cache::G.of(global ? descriptor::kGlobal : descriptor::kSelective);
    if (!global) {
      record.lo |=
          descriptor::context_cache::DID.of(request.domain_id) | descriptor::context_cache::SID.of(request.requester);
    }
    return record;
  }
  record.lo = descriptor::TYPE_LO.of(descriptor::kIotlb) | descriptor::iotlb::DR.of(unit.cap(vtd::cap::DRD)) |
              descriptor::iotlb::DW.of(unit.cap(vtd::cap::DWD));
  if (request.kind == Kind::IotlbGlobal) {
    record.lo |= descriptor::iotlb::G.of(descriptor::kGlobal);
    return record;
  }
  record.lo |= descriptor::iotlb::DID.of(request.domain_id);
  if (request.kind == Kind::IotlbDomain) {
    record.lo |= descriptor::iotlb::G.of(descriptor::kDomain);
    return record;
  }
  record.lo |= descriptor::iotlb::G.of(descriptor::kSelective);
  record.hi = descriptor::iotlb::AM.of(request.address_mask) | descriptor::iotlb::IH.of(request.leaf_only) |
              descriptor::iotlb::ADDR.of(request.first_page);
  return record;
}

vtd::Record128 encode_wait(std::uint32_t generation, core::Address status) {
  vtd::Record128 record;
  record.lo = descriptor::TYPE_LO.of(descriptor::kWait) | descriptor::wait::SW.of(1) |
              descriptor::wait::STATUS_DATA.of(generation);
  record.hi = descriptor::wait::STATUS_ADDRESS.of(status >> 2);
  return record;
}

}  // namespace

// ---- Registers --------------------------------------------------------------------------------------------------

VtdRegisterInvalidation::VtdRegisterInvalidation(VtdUnit& unit) : unit_(unit), mutex_(unit.host().make_mutex()) {}

VtdInvalidation::Result VtdRegisterInvalidation::execute(const Invalidation* requests, std::size_t count) {
  const LockGuard lock(*mutex_);
  for (std::size_t i = 0; i < count; ++i) {
    const Result result = one(requests[i]);
    if (result != Result::Done) return result;
  }
  return Result::Done;
}

VtdInvalidation::Result VtdRegisterInvalidation::one(const Invalidation& request) {
  using Kind = Invalidation::Kind;
  namespace iotlb_reg = vtd::iotlb;
  const std::uint64_t drain = iotlb_reg::DR.of(unit_.cap(vtd::cap::DRD)) | iotlb_reg::DW.of(unit_.cap(vtd::cap::DWD));
  switch (request.kind) {
    case Kind::ContextGlobal:
      return context(vtd::ccmd::CIRG.of(vtd::ccmd::kGlobal));
    case Kind::ContextDevice:
      return context(vtd::ccmd::CIRG.of(vtd::ccmd::kDevice) | vtd::ccmd::SID.of(request.requester) |
                     vtd::ccmd::DID.of(request.domain_id));
    case Kind::IotlbGlobal:
      return iotlb(drain | iotlb_reg::IIRG.of(iotlb_reg::kGlobal));
    case Kind::IotlbDomain:
      return iotlb(drain | iotlb_reg::IIRG.of(iotlb_reg::kDomain) | iotlb_reg::DID.of(request.domain_id));
    case Kind::IotlbPages:
      break;
  }
  unit_.write_iotlb(vtd::IVA, vtd::iva::AM.of(request.address_mask) | vtd::iva::IH.of(request.leaf_only) |
                                  vtd::iva::ADDR.of(request.first_page));
  return iotlb(drain | iotlb_reg::IIRG.of(iotlb_reg::kPage) | iotlb_reg::DID.of(request.domain_id));
}

VtdInvalidation::Result VtdRegisterInvalidation::context(std::uint64_t command) {
  unit_.write(vtd::CCMD, command | vtd::ccmd::ICC.of(1));
  std::uint64_t answer = 0;
  const bool done = unit_.poll("CCMD.ICC = 0", [&] {
    answer = unit_.read(vtd::CCMD);
    return vtd::ccmd::ICC.get(answer) == 0;
  });
  if (!done) return Result::NoAnswer;
  if (vtd::ccmd::CAIG.get(answer) != 0) return Result::Done;
  unit_.report(Severity::Warning, "context-cache invalidation", "CCMD <- " + hex(command) + " was ignored (CAIG = 0)");
  return Result::Refused;
}

VtdInvalidation::Result VtdRegisterInvalidation::iotlb(std::uint64_t command) {
  unit_.write_iotlb(vtd::IOTLB, command | vtd::iotlb::IVT.of(1));
  std::uint64_t answer = 0;
  const bool done = unit_.poll("IOTLB.IVT = 0", [&] {
    answer = unit_.read_iotlb(vtd::IOTLB);
    return vtd::iotlb::IVT.get(answer) == 0;
  });
  if (!done) return Result::NoAnswer;
  if (vtd::iotlb::IAIG.get(answer) != 0) return Result::Done;
  unit_.report(Severity::Warning, "IOTLB invalidation", "IOTLB <- " + hex(command) + " was ignored (IAIG = 0)");
  return Result::Refused;
}

// ---- Queue ------------------------------------------------------------------------------------------------------

VtdQueuedInvalidation::VtdQueuedInvalidation(VtdUnit& unit, core::Address queue, core::Address status)
    : unit_(unit), queue_(queue), status_(status), mutex_(unit.host().make_mutex()) {}

bool VtdQueuedInvalidation::start() {
  unit_.memory().zero_page(queue_);
  unit_.memory().zero_page(status_);
  unit_.write(vtd::IQT, 0);
  // 128-bit descriptors (DW = 0), one page (QS = 0).
  unit_.write(vtd::IQA, vtd::iqa::IQA.of(queue_ >> core::kPageShift));
  return unit_.set_control(vtd::gcmd::QIE, vtd::gsts::QIES, true);
}

VtdQueuedInvalidation::Submission::~Submission() {
  if (!linked) return;
  if (older != nullptr) older->newer = newer;
  (newer != nullptr ? newer->older : queue.newest_) = older;
}

VtdInvalidation::Result VtdQueuedInvalidation::execute(const Invalidation* requests, std::size_t count) {
  Submission submission(*this);
  {
    const LockGuard lock(*mutex_);
    if (!submit(requests, count, submission)) return Result::NoAnswer;
  }
  return wait_for(submission);
}

bool VtdQueuedInvalidation::submit(const Invalidation* requests, std::size_t count, Submission& submission) {
  submission.count = static_cast<std::uint32_t>(count + 1);
  if (!wait_for_space(submission.count)) return false;
  submission.generation = ++generation_;
  submission.first = tail_;
  submission.older = newest_;
  if (newest_ != nullptr) newest_->newer = &submission;
  newest_ = &submission;
  submission.linked = true;
  for (std::size_t i = 0; i < count; ++i) {
    const vtd::Record128 record = encode(requests[i], unit_);
    put(record.lo, record.hi);
  }
  const vtd::Record128 wait = encode_wait(submission.generation, status_);
  put(wait.lo, wait.hi);
  unit_.write(vtd::IQT, std::uint64_t{tail_} * descriptor::kBytes);
  return true;
}

void VtdQueuedInvalidation::put(std::uint64_t lo, std::uint64_t hi) {
  const core::Address at = queue_ + std::uint64_t{tail_} * descriptor::kBytes;
  unit_.memory().write64(at, lo);
  unit_.memory().write64(at + 8, hi);
  tail_ = (tail_ + 1) % kDescriptors;
}

// One place stays free: a tail that met the head would say that the queue is empty.
bool VtdQueuedInvalidation::wait_for_space(std::uint32_t count) {
  const auto space = [&] { return (head_ + kDescriptors - tail_ - 1) % kDescriptors; };
  if (space() >= count) return true;
  return unit_.poll("room in the invalidation queue", [&] {
    if (vtd::fsts::IQE.get(unit_.read(vtd::FSTS)) != 0) recover();
    head_ = static_cast<std::uint32_t>(unit_.read(vtd::IQH) / descriptor::kBytes);
    return space() >= count;
  });
}

VtdInvalidation::Result VtdQueuedInvalidation::wait_for(const Submission& submission) {
  // Completion is the usual case; the error bit is a register read and is looked at now and then only.
  constexpr unsigned kPollsPerErrorCheck = 16;
  unsigned polls = 0;
  const bool done = unit_.poll("completion of invalidations", [&] {
    const auto reached = static_cast<std::uint32_t>(unit_.memory().read64(status_));
    if (static_cast<std::int32_t>(reached - submission.generation) >= 0) return true;
    if (++polls % kPollsPerErrorCheck == 0 && vtd::fsts::IQE.get(unit_.read(vtd::FSTS)) != 0) {
      const LockGuard lock(*mutex_);
      if (vtd::fsts::IQE.get(unit_.read(vtd::FSTS)) != 0) recover();
    }
    return false;
  });
  if (!done) return Result::NoAnswer;
  return submission.refused ? Result::Refused : Result::Done;
}

// The queue stands still at a descriptor that the unit refused (6.5.2.10). Its submission's wait takes its place, so
// that the ones behind it go on; whoever waits for the submission learns that it was refused.
void VtdQueuedInvalidation::recover() {
  const std::uint64_t code = vtd::iqercd::IQEI.get(unit_.read(vtd::IQERCD));
  const auto index = static_cast<std::uint32_t>(unit_.read(vtd::IQH) / descriptor::kBytes) % kDescriptors;
  const core::Address at = queue_ + std::uint64_t{index} * descriptor::kBytes;
  const std::uint64_t lo = unit_.memory().read64(at);
  const std::uint64_t hi = unit_.memory().read64(at + 8);
  unit_.report(Severity::Warning, "queued invalidation",
               "descriptor " + std::to_string(index) + " (" + hex(lo) + ", " + hex(hi) +
                   ") was refused, IQERCD.IQEI = " + std::to_string(code));
  // Complete submissions whose threads have not looked yet may have stood at the same place: the newest one is meant.
  const auto position = [&](const Submission& submission) {
    return (index + kDescriptors - submission.first) % kDescriptors;
  };
  Submission* refused = newest_;
  while (refused != nullptr && position(*refused) >= refused->count) refused = refused->older;
  if (refused == nullptr || position(*refused) + 1 == refused->count) {
    unit_.report(Severity::Error, "queued invalidation", "the unit refuses even a wait descriptor and is given up");
    unit_.give_up();
    return;
  }
  refused->refused = true;
  const vtd::Record128 wait = encode_wait(refused->generation, status_);
  unit_.memory().write64(at, wait.lo);
  unit_.memory().write64(at + 8, wait.hi);
  unit_.write(vtd::FSTS, vtd::fsts::IQE.of(1));
}

}  // namespace iommu::api
