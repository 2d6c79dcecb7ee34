// VtdDriver: root table and context tables.
#include "api/lock_guard.h"
#include "api/vtd_driver.h"
#include "models/vtd/register_map.h"

namespace iommu::api {

namespace {

constexpr unsigned bus_of(core::RequesterId requester) { return requester >> 8; }
constexpr unsigned function_of(core::RequesterId requester) { return requester & 0xFFu; }

}  // namespace

// All missing tables or none. A new table takes its place in the root table at once: it is empty.
bool VtdDriver::make_context_tables(const std::vector<core::RequesterId>& requesters) {
  std::map<unsigned, core::Address> fresh;
  for (const core::RequesterId requester : requesters) {
    const unsigned bus = bus_of(requester);
    if (context_table_[bus] || fresh.count(bus) != 0) continue;
    const std::optional<core::Address> frame = frames_.allocate();
    if (!frame) {
      for (const auto& [other_bus, address] : fresh) frames_.free(address);
      return false;
    }
    fresh[bus] = *frame;
  }
  for (const auto& [bus, frame] : fresh) {
    memory_.zero_page(frame);
    context_table_[bus] = frame;
    const core::Address entry = own_frames_[0] + bus * vtd::kRootEntryBytes;
    memory_.write64(entry + 8, 0);
    memory_.write64(entry, vtd::root_entry::P.of(1) | vtd::root_entry::CTP.of(frame >> core::kPageShift));
  }
  return true;
}

core::Address VtdDriver::context_address(core::RequesterId requester) const {
  return *context_table_[bus_of(requester)] + function_of(requester) * vtd::kContextEntryBytes;
}

vtd::Record128 VtdDriver::context_entry(const AddressSpaceBinding& binding) const {
  namespace entry = vtd::context_entry;
  unsigned levels = binding.levels;
  if (binding.pass_through) {
    // Specification 9.3: pass-through entries carry the largest width that the unit supports.
    for (unsigned depth = 3; depth <= core::kMaxLevels; ++depth) {
      if ((features_.levels_mask >> depth & 1u) != 0) levels = depth;
    }
  }
  vtd::Record128 record;
  record.lo = entry::P.of(1) | entry::TT.of(binding.pass_through ? entry::kTtPassThrough : entry::kTtUntranslated) |
              entry::SSPTPTR.of(binding.pass_through ? 0 : binding.root >> core::kPageShift);
  record.hi = entry::AW.of(vtd::address_width_code(levels)) | entry::DID.of(binding.domain_id);
  return record;
}

// Hardware reads both words at once: the word with P comes last when an entry appears, first when it goes.
void VtdDriver::write_present(core::RequesterId requester, const AddressSpaceBinding& binding) {
  const vtd::Record128 record = context_entry(binding);
  memory_.write64(context_address(requester) + 8, record.hi);
  memory_.write64(context_address(requester), record.lo);
  bound_[requester] = binding.domain_id;
}

bool VtdDriver::bind(const std::vector<core::RequesterId>& requesters, const AddressSpaceBinding& binding) {
  for (const core::RequesterId requester : requesters) write_present(requester, binding);
  if (unit_.cap(vtd::cap::CM) != 0) {
    // Entries that were not present are cached with domain id 0.
    std::vector<Invalidation> requests;
    for (const core::RequesterId requester : requesters) {
      requests.push_back(Invalidation::context_device(0, requester));
    }
    requests.push_back(Invalidation::iotlb_domain(0));
    requests.push_back(Invalidation::iotlb_domain(binding.domain_id));
    return execute(requests.data(), requests.size());
  }
  return unit_.cap(vtd::cap::RWBF) == 0 || unit_.flush_write_buffer();
}

bool VtdDriver::unbind(const std::vector<core::RequesterId>& requesters) {
  std::vector<Invalidation> requests;
  std::set<std::uint16_t> domain_ids;
  for (const core::RequesterId requester : requesters) {
    const auto bound = bound_.find(requester);
    if (bound == bound_.end()) continue;
    memory_.write64(context_address(requester), 0);
    memory_.write64(context_address(requester) + 8, 0);
    requests.push_back(Invalidation::context_device(bound->second, requester));
    domain_ids.insert(bound->second);
    bound_.erase(bound);
  }
  if (requests.empty()) return true;
  for (const std::uint16_t domain_id : domain_ids) requests.push_back(Invalidation::iotlb_domain(domain_id));
  return execute(requests.data(), requests.size());
}

NTSTATUS VtdDriver::attach(const std::vector<core::RequesterId>& requesters, const AddressSpaceBinding& binding) {
  const LockGuard lock(*tables_mutex_);
  if (unit_.given_up()) return STATUS_UNSUCCESSFUL;
  if (!make_context_tables(requesters)) return STATUS_INSUFFICIENT_RESOURCES;
  return unbind(requesters) && bind(requesters, binding) ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

NTSTATUS VtdDriver::detach(const std::vector<core::RequesterId>& requesters) {
  const LockGuard lock(*tables_mutex_);
  if (!unbind(requesters)) return STATUS_UNSUCCESSFUL;
  if (!unattached_binding_) return STATUS_SUCCESS;
  return bind(requesters, *unattached_binding_) ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

}  // namespace iommu::api
