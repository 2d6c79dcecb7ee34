#include "models/vtd/front_end.h"

#include "models/vtd/fault_reason.h"

namespace iommu::vtd {

namespace {

constexpr core::Fault kSilent{0, false};

core::Fault blocked(FaultReason reason, bool recorded) { return {static_cast<std::uint8_t>(reason), recorded}; }

bool in_interrupt_range(core::Address address) {
  return address >= kInterruptRangeBase && address - kInterruptRangeBase < kInterruptRangeBytes;
}

}  // namespace

FrontEnd::FrontEnd(const Capabilities& capabilities)
    : capabilities_(capabilities),
      bank_(window_bytes(capabilities), place_registers(capabilities)),
      fault_event_(bank_, FECTL, FEDATA, FEADDR),
      completion_event_(bank_, IECTL, IEDATA, IEADDR),
      faults_(capabilities, bank_, fault_event_),
      contexts_(capabilities) {
  reset(false);
}

void FrontEnd::restart_counters() {
  counters_ = CommandCounters();
  faults_.restart_counters();
}

void FrontEnd::reset(bool warm) {
  bank_.reset(warm);
  bank_.set(VER, ver_value(capabilities_));
  bank_.set(CAP, cap_value(capabilities_));
  bank_.set(ECAP, ecap_value(capabilities_));
  fault_event_.reset();
  completion_event_.reset();
  faults_.restart();
  latched_rtaddr_ = 0;
  wanted_te_ = wanted_qie_ = srtp_pending_ = drain_before_wait_ = false;
  sequence_active_ = false;
}

// --- Translation
// ------------------------------------------------------------------------------------------------------------

core::Gate FrontEnd::gate(const core::Request& request) const {
  core::Gate gate;
  const bool untranslated = request.address_type == core::AddressType::Untranslated;
  const bool interrupt_range = untranslated && !request.has_pasid && in_interrupt_range(request.address);
  const bool one_dword = request.kind == core::AccessKind::Write && request.length == 4 && request.address % 4 == 0;
  if (interrupt_range && one_dword) {
    gate.kind = core::Gate::Kind::Interrupt;
  } else if (!translation_on()) {
    // A translation request has nobody to answer it.
    gate.kind = request.address_type == core::AddressType::TranslationRequest ? core::Gate::Kind::Fault
                                                                              : core::Gate::Kind::Bypass;
    gate.fault = kSilent;
  } else if (interrupt_range) {
    gate.kind = request.zero_length ? core::Gate::Kind::NoData : core::Gate::Kind::Fault;
    gate.fault = blocked(FaultReason::IllegalInterruptRequest, true);
  } else if (!legacy_mode()) {
    gate.kind = core::Gate::Kind::Fault;
    gate.fault = blocked(FaultReason::TranslationModeInvalid, true);
  } else if (request.has_pasid) {
    gate.kind = core::Gate::Kind::Fault;
    gate.fault = blocked(FaultReason::PasidInLegacyMode, true);
  }
  return gate;
}

core::ContextStep FrontEnd::begin_context(const core::Request& request, core::ContextState& state) const {
  return contexts_.begin(request, state, latched_rtaddr_);
}

core::ContextStep FrontEnd::resume_context(const core::Request& request, core::ContextState& state,
                                           const core::StructureRead& read) const {
  return contexts_.resume(request, state, read);
}

std::optional<core::Fault> FrontEnd::check_input(const core::Request& request, const core::AddressSpace& space) const {
  const bool recorded = !space.suppress_faults;
  if (request.address_type != core::AddressType::Untranslated && !space.translated_allowed) {
    return blocked(FaultReason::TranslationTypeBlocked, recorded);
  }
  const unsigned width = space.pass_through ? space.output_bits : space.input_bits;
  if ((request.address & ~core::low_mask(width)) != 0) return blocked(FaultReason::AddressBeyondWidth, recorded);
  return std::nullopt;
}

bool FrontEnd::passes(const core::Request& request, const core::AddressSpace& space) const {
  const bool plain = request.address_type == core::AddressType::Untranslated && !request.has_pasid;
  return plain && !in_interrupt_range(request.address) && translation_on() && legacy_mode() && !space.pass_through &&
         (request.address & ~core::low_mask(space.input_bits)) == 0;
}

std::optional<core::Fault> FrontEnd::check_output(const core::Request& request, const core::AddressSpace* space,
                                                  core::Address host) const {
  if (space != nullptr && in_interrupt_range(host)) {
    return blocked(FaultReason::OutputInInterruptRange, !space->suppress_faults);
  }
  const bool by_table = space != nullptr && !space->pass_through;
  if ((!by_table || capabilities_.protects_translated()) && in_protected_region(host, request.length)) return kSilent;
  return std::nullopt;
}

bool FrontEnd::in_protected_region(core::Address first, std::uint32_t length) const {
  if (!capabilities_.plmr && !capabilities_.phmr) return false;
  if (pmen::PRS.get(bank_.get(PMEN)) == 0) return false;
  const core::Address last = first + (length == 0 ? 0 : length - 1);
  const auto hits = [&](const Register& base, const Register& limit) {
    const core::Address region_first = bank_.get(base);
    // The unimplemented low bits of the limit count as ones; a limit below the base switches the region off.
    const core::Address region_last = bank_.get(limit) | core::low_mask(kProtectedMemoryShift);
    return region_first <= region_last && first <= region_last && last >= region_first;
  };
  return (capabilities_.plmr && hits(PLMBASE, PLMLIMIT)) || (capabilities_.phmr && hits(PHMBASE, PHMLIMIT));
}

core::Fault FrontEnd::fault(core::FaultCause cause, const core::AddressSpace& space) const {
  const bool recorded = !space.suppress_faults;
  switch (cause) {
    case core::FaultCause::NoWrite:
      return blocked(FaultReason::NoWritePermission, recorded);
    case core::FaultCause::NoRead:
      return blocked(FaultReason::NoReadPermission, recorded);
    case core::FaultCause::TopTableAccess:
      return blocked(FaultReason::ContextInvalid, recorded);
    case core::FaultCause::LowerTableAccess:
      return blocked(FaultReason::PagingEntryAccess, recorded);
    case core::FaultCause::ReservedSet:
      break;
  }
  return blocked(FaultReason::PagingEntryReserved, recorded);
}

void FrontEnd::report(const core::Request& request, const core::Fault& fault) {
  if (fault.recorded) faults_.record(request, fault.reason);
}

// --- Registers
// --------------------------------------------------------------------------------------------------------------

std::uint64_t FrontEnd::read_register(std::uint32_t offset, std::uint32_t size_bytes) {
  return bank_.read(offset, size_bytes);
}

void FrontEnd::write_register(std::uint32_t offset, std::uint32_t size_bytes, std::uint64_t value) {
  const regs::WriteEffect effect = bank_.write(offset, size_bytes, value);
  if (effect.where == nullptr) return;
  const Register* reg = effect.where->definition;
  if (reg == &GCMD) {
    const std::uint64_t written = effect.written;
    wanted_te_ = gcmd::TE.get(written) != 0;
    wanted_qie_ = capabilities_.queued_invalidation && gcmd::QIE.get(written) != 0;
    if (gcmd::SRTP.get(written) != 0) {
      srtp_pending_ = true;
      set_status(gsts::RTPS, 0);
    }
  } else if (reg == &FSTS || reg == &FRCD_HI) {
    faults_.status_written();
  } else if (reg == &FECTL) {
    fault_event_.control_written();
  } else if (reg == &IECTL) {
    completion_event_.control_written();
  } else if (reg == &ICS) {
    if (ics::IWC.get(bank_.get(ICS)) == 0) completion_event_.status_all_clear();
  }
  // Everything else takes effect through its value: next_command() looks at ICC, IVT, EPM and the queue pointers.
}

// --- Commands
// ---------------------------------------------------------------------------------------------------------------

core::Command FrontEnd::next_command() {
  for (;;) {
    InterruptMessage message;
    if (fault_event_.take(message) || completion_event_.take(message)) {
      core::Command command;
      command.kind = core::Command::Kind::Message;
      command.address = message.address;
      command.data = message.data;
      return command;
    }
    if (sequence_active_) {
      if (next_step_ < step_count_) return steps_[next_step_++];
      finish_sequence();
      continue;
    }
    if (!start_work()) return {};
  }
}

bool FrontEnd::start_work() { return start_global_command() || start_register_invalidation() || start_queue(); }

void FrontEnd::begin_sequence(Effect effect) {
  step_count_ = 0;
  next_step_ = 0;
  sequence_active_ = true;
  effect_ = effect;
  add_step(core::Command::Kind::Decode);
}

void FrontEnd::add_step(core::Command::Kind kind) {
  core::Command command;
  command.kind = kind;
  add_step(command);
}

void FrontEnd::add_step(const core::Command& command) { steps_[step_count_++] = command; }

bool FrontEnd::start_global_command() {
  const std::uint64_t status = bank_.get(GSTS);
  if (srtp_pending_) {
    srtp_pending_ = false;
    // The new pointer is in force before the implied invalidation: nothing of the old table may be cached after it.
    latched_rtaddr_ = bank_.get(RTADDR);
    begin_sequence(Effect::Rtps);
    if (capabilities_.esrtps) {
      add_step(core::Command::Kind::InvalidateContext);
      add_step(core::Command::Kind::InvalidateTranslation);
    }
    return true;
  }
  if (wanted_te_ != (gsts::TES.get(status) != 0)) {
    begin_sequence(Effect::Te);
    add_step(core::Command::Kind::Drain);
    return true;
  }
  if (wanted_qie_ != (gsts::QIES.get(status) != 0)) {
    begin_sequence(Effect::Qie);
    return true;
  }
  const std::uint64_t protection = (capabilities_.plmr || capabilities_.phmr) ? bank_.get(PMEN) : 0;
  if (pmen::EPM.get(protection) != pmen::PRS.get(protection)) {
    begin_sequence(Effect::Protected);
    add_step(core::Command::Kind::Drain);
    return true;
  }
  return false;
}

bool FrontEnd::start_register_invalidation() {
  // Requests are ignored (and say so in CAIG or IAIG) while the queue is on, outside legacy mode, and from version 6
  // on.
  const bool works = capabilities_.register_invalidation() && gsts::QIES.get(bank_.get(GSTS)) == 0 && legacy_mode();
  if (ccmd::ICC.get(bank_.get(CCMD)) != 0) {
    ++counters_.register_commands;
    begin_sequence(Effect::Ccmd);
    const auto scope = works ? decode_ccmd(capabilities_, bank_.get(CCMD)) : std::nullopt;
    performed_ = scope ? ccmd::CIRG.get(bank_.get(CCMD)) : 0;
    if (scope) {
      core::Command command;
      command.kind = core::Command::Kind::InvalidateContext;
      command.context = *scope;
      count(*scope);
      add_step(command);
    }
    return true;
  }
  const std::uint64_t request = bank_.get(kIotlbRegistersOffset + IOTLB.offset);
  if (iotlb::IVT.get(request) != 0) {
    ++counters_.register_commands;
    begin_sequence(Effect::Iotlb);
    const auto scope =
        works ? decode_iotlb(capabilities_, bank_.get(kIotlbRegistersOffset + IVA.offset), request) : std::nullopt;
    performed_ = scope ? iotlb::IIRG.get(request) : 0;
    if (scope) {
      core::Command command;
      command.kind = core::Command::Kind::InvalidateTranslation;
      command.translation = *scope;
      count(*scope);
      add_step(command);
      const bool drain = capabilities_.version_major >= 2 || iotlb::DR.get(request) != 0 || iotlb::DW.get(request) != 0;
      if (drain) add_step(core::Command::Kind::Drain);
    }
    return true;
  }
  return false;
}

bool FrontEnd::start_queue() {
  if (!capabilities_.queued_invalidation || gsts::QIES.get(bank_.get(GSTS)) == 0) return false;
  if (fsts::IQE.get(bank_.get(FSTS)) != 0) return false;
  const std::uint64_t head = bank_.get(IQH) & iqh::QH.mask();
  const std::uint64_t tail = bank_.get(IQT) & iqt::QT.mask();
  if (head == tail) return false;
  const std::uint64_t base = bank_.get(IQA);
  if (!legacy_mode()) {
    queue_error(QueueError::InvalidTranslationMode);
    return true;
  }
  if (iqa::DW.get(base) != 0) {
    queue_error(QueueError::InvalidWidth);
    return true;
  }
  const std::uint64_t queue_bytes = core::kPageBytes << iqa::QS.get(base);
  if (tail >= queue_bytes) {
    queue_error(QueueError::TailBeyondQueue);
    return true;
  }
  begin_sequence(Effect::None);
  step_count_ = 0;  // the fetch comes before decoding
  core::Command command;
  command.kind = core::Command::Kind::ReadDescriptor;
  command.address = (base & iqa::IQA.mask()) + head;
  command.bytes = descriptor::kBytes;
  add_step(command);
  return true;
}

void FrontEnd::descriptor_read(const core::StructureRead& read) {
  if (!read.readable) {
    queue_error(QueueError::FetchFailed);
    return;
  }
  const Descriptor decoded = decode_descriptor(capabilities_, {read.words[0], read.words[1]});
  if (decoded.error != QueueError::None) {
    queue_error(decoded.error);
    return;
  }
  ++counters_.descriptors;
  const std::uint64_t queue_bytes = core::kPageBytes << iqa::QS.get(bank_.get(IQA));
  bank_.set(IQH, (bank_.get(IQH) + descriptor::kBytes) % queue_bytes);
  add_step(core::Command::Kind::Decode);
  core::Command command;
  switch (decoded.kind) {
    case Descriptor::Kind::ContextCache:
      command.kind = core::Command::Kind::InvalidateContext;
      command.context = decoded.context;
      count(decoded.context);
      add_step(command);
      break;
    case Descriptor::Kind::Iotlb:
      command.kind = core::Command::Kind::InvalidateTranslation;
      command.translation = decoded.translation;
      count(decoded.translation);
      drain_before_wait_ = drain_before_wait_ || decoded.drain;
      add_step(command);
      break;
    case Descriptor::Kind::Wait:
      ++counters_.waits;
      if (drain_before_wait_) add_step(core::Command::Kind::Drain);
      drain_before_wait_ = false;
      if (decoded.write_status) {
        command.kind = core::Command::Kind::WriteStatus;
        command.address = decoded.status_address;
        command.data = decoded.status_data;
        add_step(command);
      }
      wait_interrupt_ = decoded.interrupt;
      effect_ = Effect::WaitDone;
      break;
  }
}

void FrontEnd::queue_error(QueueError error) {
  ++counters_.queue_errors;
  sequence_active_ = false;
  bank_.set(IQERCD, iqercd::IQEI.set(bank_.get(IQERCD), static_cast<std::uint64_t>(error)));
  faults_.set_status(fsts::IQE);
}

void FrontEnd::finish_sequence() {
  sequence_active_ = false;
  switch (effect_) {
    case Effect::None:
      break;
    case Effect::Te: {
      const bool on = !translation_on();
      set_status(gsts::TES, on ? 1 : 0);
      if (!on) faults_.restart();
      break;
    }
    case Effect::Rtps:
      set_status(gsts::RTPS, 1);
      break;
    case Effect::Qie: {
      const bool on = gsts::QIES.get(bank_.get(GSTS)) == 0;
      set_status(gsts::QIES, on ? 1 : 0);
      bank_.set(IQH, 0);
      break;
    }
    case Effect::Ccmd:
      bank_.set(CCMD, ccmd::CAIG.set(ccmd::ICC.set(bank_.get(CCMD), 0), performed_));
      break;
    case Effect::Iotlb: {
      const std::uint32_t at = kIotlbRegistersOffset + IOTLB.offset;
      bank_.set(at, iotlb::IAIG.set(iotlb::IVT.set(bank_.get(at), 0), performed_));
      break;
    }
    case Effect::Protected:
      bank_.set(PMEN, pmen::PRS.set(bank_.get(PMEN), pmen::PRS.get(bank_.get(PMEN)) ^ 1));
      break;
    case Effect::WaitDone:
      if (wait_interrupt_ && ics::IWC.get(bank_.get(ICS)) == 0) {
        bank_.set(ICS, ics::IWC.of(1));
        completion_event_.condition();
      }
      break;
  }
}

void FrontEnd::count(const core::ContextScope& scope) {
  switch (scope.kind) {
    case core::ContextScope::Kind::Global:
      ++counters_.context_global;
      break;
    case core::ContextScope::Kind::Domain:
      ++counters_.context_domain;
      break;
    case core::ContextScope::Kind::Device:
      ++counters_.context_device;
      break;
  }
}

void FrontEnd::count(const core::TranslationScope& scope) {
  switch (scope.kind) {
    case core::TranslationScope::Kind::Global:
      ++counters_.iotlb_global;
      break;
    case core::TranslationScope::Kind::Domain:
      ++counters_.iotlb_domain;
      break;
    case core::TranslationScope::Kind::Pages:
      ++counters_.iotlb_page;
      break;
  }
}

}  // namespace iommu::vtd
