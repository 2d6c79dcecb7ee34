#include "models/vtd/invalidation.h"

#include "models/vtd/register_map.h"

namespace iommu::vtd {

namespace {

// FM leaves function bits out of the comparison: none, bit 2, bits 2:1, bits 2:0.
constexpr core::RequesterId kRequesterMask[4] = {0xFFFF, 0xFFFB, 0xFFF9, 0xFFF8};

core::TranslationScope page_scope(std::uint32_t domain, core::Address address, unsigned mask_bits, bool leaf_only) {
  core::TranslationScope scope;
  scope.kind = core::TranslationScope::Kind::Pages;
  scope.domain = domain;
  scope.leaf_only = leaf_only;
  // The masked low bits of the page number count as zero in the first and as one in the last address.
  const core::Address below = core::low_mask(core::kPageShift + mask_bits);
  scope.first = address & ~below;
  scope.last = scope.first | below;
  return scope;
}

// Hardware ignores domain-id bits beyond the width in CAP.ND (6.5.2.3, 11.4.6.1, 11.4.6.3).
std::uint32_t domain_of(const Capabilities& capabilities, std::uint64_t field) {
  return static_cast<std::uint32_t>(field & core::low_mask(capabilities.domain_bits));
}

// And address bits at or above MGAW (6.5.2.3, 11.4.6.4).
core::Address input_of(const Capabilities& capabilities, std::uint64_t field) {
  return field & core::low_mask(capabilities.mgaw_bits);
}

Descriptor failed(QueueError error) {
  Descriptor result;
  result.error = error;
  return result;
}

Descriptor decode_context_cache(const Capabilities& capabilities, const Record128& record) {
  namespace d = descriptor::context_cache;
  constexpr std::uint64_t kDefined = descriptor::TYPE_LO.mask() | descriptor::TYPE_HI.mask() | d::G.mask() |
                                     d::DID.mask() | d::SID.mask() | d::FM.mask();
  const std::uint64_t granularity = d::G.get(record.lo);
  if ((record.lo & ~kDefined) != 0 || record.hi != 0 || granularity == 0) return failed(QueueError::ReservedField);
  Descriptor result;
  result.kind = Descriptor::Kind::ContextCache;
  if (granularity == descriptor::kGlobal) return result;
  result.context.kind =
      granularity == descriptor::kDomain ? core::ContextScope::Kind::Domain : core::ContextScope::Kind::Device;
  result.context.domain = domain_of(capabilities, d::DID.get(record.lo));
  result.context.requester = static_cast<core::RequesterId>(d::SID.get(record.lo));
  result.context.requester_mask = kRequesterMask[d::FM.get(record.lo)];
  return result;
}

Descriptor decode_iotlb_descriptor(const Capabilities& capabilities, const Record128& record) {
  namespace d = descriptor::iotlb;
  constexpr std::uint64_t kDefinedLo = descriptor::TYPE_LO.mask() | descriptor::TYPE_HI.mask() | d::G.mask() |
                                       d::DW.mask() | d::DR.mask() | d::DID.mask();
  constexpr std::uint64_t kDefinedHi = d::AM.mask() | d::IH.mask() | d::ADDR.mask();
  const std::uint64_t granularity = d::G.get(record.lo);
  if ((record.lo & ~kDefinedLo) != 0 || (record.hi & ~kDefinedHi) != 0 || granularity == 0) {
    return failed(QueueError::ReservedField);
  }
  Descriptor result;
  result.kind = Descriptor::Kind::Iotlb;
  // From major version 2 on every IOTLB invalidation drains, whatever DR and DW say.
  result.drain = capabilities.version_major >= 2 || d::DW.get(record.lo) != 0 || d::DR.get(record.lo) != 0;
  if (granularity == descriptor::kGlobal) return result;
  result.translation.kind = core::TranslationScope::Kind::Domain;
  result.translation.domain = domain_of(capabilities, d::DID.get(record.lo));
  if (granularity == descriptor::kDomain) return result;
  const auto mask_bits = static_cast<unsigned>(d::AM.get(record.hi));
  if (!capabilities.page_selective || mask_bits > capabilities.max_address_mask) {
    return failed(QueueError::ReservedField);
  }
  result.translation = page_scope(result.translation.domain, input_of(capabilities, record.hi & d::ADDR.mask()),
                                  mask_bits, d::IH.get(record.hi) != 0);
  return result;
}

Descriptor decode_wait(const Capabilities& capabilities, const Record128& record) {
  namespace d = descriptor::wait;
  // PD needs ECAP.PDS, which is 0 here.
  constexpr std::uint64_t kDefined = descriptor::TYPE_LO.mask() | descriptor::TYPE_HI.mask() | d::IF.mask() |
                                     d::SW.mask() | d::FN.mask() | d::STATUS_DATA.mask();
  if ((record.lo & ~kDefined) != 0 || (record.hi & ~d::STATUS_ADDRESS.mask()) != 0) {
    return failed(QueueError::ReservedField);
  }
  Descriptor result;
  result.kind = Descriptor::Kind::Wait;
  result.interrupt = d::IF.get(record.lo) != 0;
  result.write_status = d::SW.get(record.lo) != 0;
  result.status_data = static_cast<std::uint32_t>(d::STATUS_DATA.get(record.lo));
  result.status_address = record.hi & d::STATUS_ADDRESS.mask() & core::low_mask(capabilities.host_address_bits);
  return result;
}

}  // namespace

Descriptor decode_descriptor(const Capabilities& capabilities, const Record128& record) {
  const std::uint64_t type = descriptor::TYPE_LO.get(record.lo) | (descriptor::TYPE_HI.get(record.lo) << 4);
  switch (type) {
    case descriptor::kContextCache:
      return decode_context_cache(capabilities, record);
    case descriptor::kIotlb:
      return decode_iotlb_descriptor(capabilities, record);
    case descriptor::kWait:
      return decode_wait(capabilities, record);
    default:
      // Device-TLB and interrupt-entry-cache descriptors need ECAP.DT and ECAP.IR, the others scalable mode; the rest
      // is undefined.
      return failed(QueueError::InvalidType);
  }
}

std::optional<core::ContextScope> decode_ccmd(const Capabilities& capabilities, std::uint64_t value) {
  core::ContextScope scope;
  switch (ccmd::CIRG.get(value)) {
    case ccmd::kGlobal:
      return scope;
    case ccmd::kDomain:
      scope.kind = core::ContextScope::Kind::Domain;
      break;
    case ccmd::kDevice:
      scope.kind = core::ContextScope::Kind::Device;
      break;
    default:
      return std::nullopt;
  }
  scope.domain = domain_of(capabilities, ccmd::DID.get(value));
  scope.requester = static_cast<core::RequesterId>(ccmd::SID.get(value));
  scope.requester_mask = kRequesterMask[ccmd::FM.get(value)];
  return scope;
}

std::optional<core::TranslationScope> decode_iotlb(const Capabilities& capabilities, std::uint64_t iva_value,
                                                   std::uint64_t iotlb_value) {
  core::TranslationScope scope;
  const std::uint32_t domain = domain_of(capabilities, vtd::iotlb::DID.get(iotlb_value));
  switch (vtd::iotlb::IIRG.get(iotlb_value)) {
    case vtd::iotlb::kGlobal:
      return scope;
    case vtd::iotlb::kDomain:
      scope.kind = core::TranslationScope::Kind::Domain;
      scope.domain = domain;
      return scope;
    case vtd::iotlb::kPage:
      break;
    default:
      return std::nullopt;
  }
  const auto mask_bits = static_cast<unsigned>(iva::AM.get(iva_value));
  if (!capabilities.page_selective || mask_bits > capabilities.max_address_mask) return std::nullopt;
  const core::Address address = input_of(capabilities, iva_value & iva::ADDR.mask());
  return page_scope(domain, address, mask_bits, iva::IH.get(iva_value) != 0);
}

}  // namespace iommu::vtd
