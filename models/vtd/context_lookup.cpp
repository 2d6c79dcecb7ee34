#include "models/vtd/context_lookup.h"

#include <algorithm>

#include "models/vtd/fault_reason.h"
#include "models/vtd/records.h"
#include "models/vtd/register_map.h"
#include "models/vtd/second_stage.h"

namespace iommu::vtd {

namespace {

constexpr std::uint32_t kReadingRoot = 1;
constexpr std::uint32_t kReadingContext = 2;

core::ContextStep fault(FaultReason reason, bool recorded = true) {
  core::ContextStep step;
  step.kind = core::ContextStep::Kind::Fault;
  step.fault = {static_cast<std::uint8_t>(reason), recorded};
  return step;
}

core::ContextStep read(core::Address address, std::uint32_t bytes) {
  core::ContextStep step;
  step.kind = core::ContextStep::Kind::Read;
  step.address = address;
  step.bytes = bytes;
  return step;
}

}  // namespace

ContextLookup::ContextLookup(const Capabilities& capabilities)
    : capabilities_(capabilities),
      format_(second_stage_format(capabilities.host_address_bits, capabilities.large_page_level,
                                  capabilities.snoop_control)) {}

core::ContextStep ContextLookup::begin(const core::Request& request, core::ContextState& state,
                                       std::uint64_t latched_rtaddr) const {
  const core::Address table = latched_rtaddr & rtaddr::RTA.mask();
  const core::Address address = table + kRootEntryBytes * (std::uint64_t{request.requester} >> 8);
  // A root table beyond the host address width can't be read.
  if ((address & ~core::low_mask(capabilities_.host_address_bits)) != 0) return fault(FaultReason::RootEntryAccess);
  state.phase = kReadingRoot;
  return read(address, kRootEntryBytes);
}

core::ContextStep ContextLookup::resume(const core::Request& request, core::ContextState& state,
                                        const core::StructureRead& entry) const {
  return state.phase == kReadingRoot ? root_entry(request, state, entry) : context_entry(request, entry);
}

core::ContextStep ContextLookup::root_entry(const core::Request& request, core::ContextState& state,
                                            const core::StructureRead& entry) const {
  if (!entry.readable) return fault(FaultReason::RootEntryAccess);
  const std::uint64_t lo = entry.words[0];
  if (vtd::root_entry::P.get(lo) == 0) return fault(FaultReason::RootNotPresent);
  const std::uint64_t beyond_host = vtd::root_entry::CTP.mask() & ~core::low_mask(capabilities_.host_address_bits);
  if ((lo & (vtd::root_entry::kReservedLo | beyond_host)) != 0 || entry.words[1] != 0) {
    return fault(FaultReason::RootReserved);
  }
  state.phase = kReadingContext;
  return read((lo & vtd::root_entry::CTP.mask()) + kContextEntryBytes * (request.requester & 0xFFu),
              kContextEntryBytes);
}

core::ContextStep ContextLookup::context_entry(const core::Request& request, const core::StructureRead& entry) const {
  namespace ce = vtd::context_entry;
  if (!entry.readable) return fault(FaultReason::ContextEntryAccess);
  const std::uint64_t lo = entry.words[0];
  const std::uint64_t hi = entry.words[1];
  const bool recorded = ce::FPD.get(lo) == 0;
  if (ce::P.get(lo) == 0) return fault(FaultReason::ContextNotPresent, recorded);

  const std::uint64_t type = ce::TT.get(lo);
  const bool pass_through = type == ce::kTtPassThrough;
  std::uint64_t reserved_lo = ce::kReservedLo;
  // The table pointer is ignored for pass-through, reserved bits of it included.
  if (!pass_through) reserved_lo |= ce::SSPTPTR.mask() & ~core::low_mask(capabilities_.host_address_bits);
  const std::uint64_t reserved_hi =
      ce::kReservedHi | (ce::DID.mask() & ~ce::DID.of(core::low_mask(capabilities_.domain_bits)));
  if ((lo & reserved_lo) != 0 || (hi & reserved_hi) != 0) return fault(FaultReason::ContextReserved, recorded);

  // TT = 01 needs a device TLB (ECAP.DT), which no unit of this model has.
  const bool type_supported = type == ce::kTtUntranslated || (pass_through && capabilities_.pass_through);
  if (!type_supported) return fault(FaultReason::ContextInvalid, recorded);
  const unsigned levels = levels_of_code(ce::AW.get(hi));
  if (levels == 0 || !capabilities_.supports_levels(levels)) return fault(FaultReason::ContextInvalid, recorded);

  core::ContextStep step;
  step.kind = core::ContextStep::Kind::Resolved;
  core::AddressSpace& space = step.space;
  space.pass_through = pass_through;
  space.suppress_faults = !recorded;
  space.zero_length_read_any = capabilities_.zero_length_read;
  space.levels = static_cast<std::uint8_t>(levels);
  space.input_bits = static_cast<std::uint8_t>(std::min(capabilities_.mgaw_bits, input_bits_of_levels(levels)));
  space.output_bits = static_cast<std::uint8_t>(capabilities_.host_address_bits);
  space.tag = request.requester;
  space.domain = static_cast<std::uint32_t>(ce::DID.get(hi));
  space.root = lo & ce::SSPTPTR.mask();
  space.format = &format_;
  return step;
}

}  // namespace iommu::vtd
