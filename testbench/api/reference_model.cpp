// Devices, policy, domains and attachments of the reference. Mappings: reference_mappings.cpp.
#include "testbench/api/reference_model.h"

#include <algorithm>

namespace reference {

namespace {

template <typename Objects>
std::size_t alive(const Objects& objects) {
  return static_cast<std::size_t>(std::count_if(objects.begin(), objects.end(), [](const auto& o) { return o.alive; }));
}

}  // namespace

std::size_t Model::live_domains() const { return alive(domains); }
std::size_t Model::live_handles() const { return alive(handles); }
std::size_t Model::live_ranges() const { return alive(ranges); }

// ---- Devices (sheet 3.2, 3.3, 3.10; OP-2, OP-6, OP-14) ----------------------------------------------------------

NTSTATUS Model::may_create_device(const Object& device, bool configuration, bool output) const {
  if (!device) return STATUS_INVALID_PARAMETER;
  if (!devices[*device].behind_unit) return STATUS_NOT_FOUND;
  if (configuration) return STATUS_INVALID_PARAMETER_2;
  if (!output) return STATUS_INVALID_PARAMETER_3;
  if (devices[*device].requesters.empty()) return STATUS_UNSUCCESSFUL;
  return live_handles() == limits_.handles ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

NTSTATUS Model::may_delete_device(const Object& handle) const {
  if (!handle) return STATUS_INVALID_PARAMETER_1;
  if (devices[handles[*handle].device].attached_by == handle) return STATUS_RESOURCE_IN_USE;
  return handles[*handle].callback ? STATUS_RESOURCE_IN_USE : STATUS_SUCCESS;
}

NTSTATUS Model::may_query_mappings(const Object& device, bool buffer, std::uint32_t bytes,
                                   std::uint32_t& length) const {
  length = 0;
  if (!limits_.modeled) return STATUS_UNSUCCESSFUL;
  if (!device) return STATUS_INVALID_PARAMETER_1;
  if (!buffer && bytes != 0) return STATUS_INVALID_PARAMETER_2;
  const Device& which = devices[*device];
  if (!which.behind_unit || which.requesters.empty()) return STATUS_UNSUCCESSFUL;
  length = static_cast<std::uint32_t>(4 * which.requesters.size());
  return bytes < length ? STATUS_BUFFER_TOO_SMALL : STATUS_SUCCESS;
}

// ---- Policy and callbacks (sheet 3.17 to 3.19, 5; OP-25 to OP-27) -----------------------------------------------

unsigned Model::types_of(const Device& device) const {
  using namespace iommu::api;
  unsigned types = 0;
  if (device.opt_in == RemappingOptIn::Yes) types |= 0x1;
  if (device.opt_in == RemappingOptIn::IfExternal && device.external) types |= 0x1;
  bool blocked = limits_.guard.enabled && device.external;
  if (limits_.guard.policy == EnumerationPolicy::AllowAll) blocked = false;
  if (limits_.guard.policy == EnumerationPolicy::BlockUntilUnlock && !limits_.guard.screen_locked) blocked = false;
  if (limits_.pass_through && !blocked) types |= 0x2;
  return types;
}

unsigned Model::available_types(const Object& handle) const {
  return handle ? types_of(devices[handles[*handle].device]) : 0;
}

NTSTATUS Model::may_register(bool callback, const Object& handle, bool fields) const {
  if (!callback) return STATUS_INVALID_PARAMETER_1;
  if (!handle) return STATUS_INVALID_PARAMETER_3;
  if (!fields) return STATUS_INVALID_PARAMETER_4;
  return handles[*handle].callback ? STATUS_UNSUCCESSFUL : STATUS_SUCCESS;
}

NTSTATUS Model::may_unregister(Index callback, const Object& handle) const {
  if (!handle) return STATUS_INVALID_PARAMETER_2;
  return handles[*handle].callback == callback ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

std::vector<std::pair<Index, unsigned>> Model::announce() {
  std::vector<std::pair<Index, unsigned>> result;
  for (Index i = 0; i < handles.size(); ++i) {
    Handle& handle = handles[i];
    if (!handle.alive || !handle.callback) continue;
    const unsigned types = types_of(devices[handle.device]);
    if (types == handle.announced) continue;
    handle.announced = types;
    result.emplace_back(i, types);
  }
  return result;
}

// ---- Domains (sheet 3.4, 3.5, 3.8, 3.9; OP-3 to OP-5, OP-7, OP-8, OP-12, OP-13) ---------------------------------

unsigned Model::width_of(const DomainWish& wish) const {
  const bool buddy = wish.allocator && wish.allocator->LogicalAllocatorType == IommuDmaLogicalAllocatorBuddy;
  return buddy ? std::min(wish.allocator->BuddyAllocatorConfig.AddressWidth, limits_.space_bits) : limits_.space_bits;
}

bool Model::regions_right(const DomainWish& wish, unsigned width_bits) const {
  std::vector<std::pair<PageNumber, PageNumber>> before;  // first and last page
  for (const IOMMU_DMA_RESERVED_REGION& region : wish.regions) {
    if (region.Base % 4096 != 0 || region.NumberOfPages == 0) return false;
    const PageNumber first = region.Base / 4096;
    const PageNumber last = first + region.NumberOfPages - 1;
    if (last < first || last >= PageNumber{1} << 52) return false;
    for (const auto& [other_first, other_last] : before) {
      if (first <= other_last && other_first <= last) return false;
    }
    before.emplace_back(first, last);
  }
  if (wish.type != DomainTypeTranslate) return true;
  for (const IOMMU_DMA_RESERVED_REGION& region : wish.regions) {
    const PageNumber last = region.Base / 4096 + region.NumberOfPages - 1;
    if (last >> (width_bits - 12) != 0) return false;
    if (region.ShouldMap && last >> (limits_.physical_bits - 12) != 0) return false;
  }
  return true;
}

NTSTATUS Model::may_create_domain(const DomainWish& wish) const {
  if (wish.type < 0 || wish.type >= DomainTypeMax) return STATUS_INVALID_PARAMETER_1;
  if (wish.flags) return STATUS_INVALID_PARAMETER_2;
  if (wish.allocator && wish.allocator->LogicalAllocatorType != IommuDmaLogicalAllocatorNone) {
    const ULONG width = wish.allocator->BuddyAllocatorConfig.AddressWidth;
    if (wish.allocator->LogicalAllocatorType != IommuDmaLogicalAllocatorBuddy) return STATUS_INVALID_PARAMETER_3;
    if (width < 13 || width > 63 || wish.type != DomainTypeTranslate) return STATUS_INVALID_PARAMETER_3;
  }
  if (!regions_right(wish, width_of(wish))) return STATUS_INVALID_PARAMETER_4;
  if (!wish.output) return STATUS_INVALID_PARAMETER_5;
  if (wish.type == DomainTypeUnmanaged || wish.type == DomainTypeTranslateS1) return STATUS_NOT_SUPPORTED;
  if (wish.type == DomainTypePassThrough && !limits_.pass_through) return STATUS_NOT_SUPPORTED;
  return live_domains() == limits_.domains ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

void Model::did_create_domain(const DomainWish& wish) {
  Domain domain;
  domain.type = static_cast<IOMMU_DMA_DOMAIN_TYPE>(wish.type);
  domain.buddy = wish.allocator && wish.allocator->LogicalAllocatorType == IommuDmaLogicalAllocatorBuddy;
  domain.width_bits = width_of(wish);
  for (const IOMMU_DMA_RESERVED_REGION& region : wish.regions) {
    domain.regions.push_back({region.Base / 4096, region.NumberOfPages, region.ShouldMap != FALSE});
  }
  domains.push_back(std::move(domain));
}

NTSTATUS Model::may_delete_domain(const Object& domain) const {
  if (!domain) return STATUS_INVALID_PARAMETER_1;
  const bool tokens = domains[*domain].tokens != 0 && flaw_ != Flaw::TokensDontBlockDeletion;
  return domains[*domain].attached != 0 || tokens ? STATUS_RESOURCE_IN_USE : STATUS_SUCCESS;
}

void Model::did_delete_domain(Index domain) {
  domains[domain].alive = false;
  domains[domain].pages.clear();
}

NTSTATUS Model::may_flush(const Object& domain) const {
  return domain && limits_.modeled ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_1;
}

NTSTATUS Model::may_flush_pages(const Object& domain, std::uint32_t number, bool list) const {
  if (!domain || !limits_.modeled) return STATUS_INVALID_PARAMETER_1;
  return number != 0 && !list ? STATUS_INVALID_PARAMETER_4 : STATUS_SUCCESS;
}

// ---- Attaching (sheet 3.6, 3.7, 2.5; OP-10, OP-11) --------------------------------------------------------------

NTSTATUS Model::may_attach_to(const Domain& domain, const Device& device) const {
  if (device.domain) return STATUS_INVALID_PARAMETER;
  return (types_of(device) >> domain.type & 1) != 0 ? STATUS_SUCCESS : STATUS_ACCESS_DENIED;
}

NTSTATUS Model::may_attach(const Object& domain, const Object& handle) const {
  if (!domain) return STATUS_INVALID_PARAMETER_1;
  if (!handle) return STATUS_INVALID_PARAMETER_2;
  return may_attach_to(domains[*domain], devices[handles[*handle].device]);
}

NTSTATUS Model::may_attach_v1(const Object& domain, const Object& device, unsigned base, unsigned count) const {
  if (!domain) return STATUS_INVALID_PARAMETER_1;
  if (!device) return STATUS_INVALID_PARAMETER_2;
  if (!devices[*device].behind_unit) return STATUS_NOT_FOUND;
  if (devices[*device].requesters.empty()) return STATUS_UNSUCCESSFUL;
  if (base != 0) return STATUS_INVALID_PARAMETER_3;
  if (count != 1) return STATUS_INVALID_PARAMETER_4;
  return may_attach_to(domains[*domain], devices[*device]);
}

void Model::did_attach(Index domain, Index device, const Object& by) {
  devices[device].domain = domain;
  devices[device].attached_by = by;
  ++domains[domain].attached;
}

NTSTATUS Model::may_detach(const Object& handle) const {
  const bool attached = handle && devices[handles[*handle].device].attached_by == handle;
  return attached ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_1;
}

NTSTATUS Model::may_detach_v1(const Object& domain, const Object& device, unsigned id) const {
  if (!domain) return STATUS_INVALID_PARAMETER_1;
  if (!device) return STATUS_INVALID_PARAMETER_2;
  if (!devices[*device].behind_unit) return STATUS_NOT_FOUND;
  if (devices[*device].requesters.empty()) return STATUS_UNSUCCESSFUL;
  if (id != 0) return STATUS_INVALID_PARAMETER_3;
  const bool attached = devices[*device].domain == domain && !devices[*device].attached_by;
  return attached ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_1;
}

void Model::did_detach(Index device) {
  --domains[*devices[device].domain].attached;
  devices[device].domain.reset();
  devices[device].attached_by.reset();
  devices[device].reports_faults = false;
}

// ---- Faults (sheet 3.15, 3.24; OP-22, OP-23) --------------------------------------------------------------------

NTSTATUS Model::may_report(const Device& device, const Object& by, unsigned base, bool enable, bool handler) const {
  if (!device.domain || device.attached_by != by) return STATUS_INVALID_PARAMETER_1;
  if (base != 0) return STATUS_INVALID_PARAMETER_2;
  return enable && !handler ? STATUS_INVALID_PARAMETER_4 : STATUS_SUCCESS;
}

NTSTATUS Model::may_report_faults(const Object& handle, unsigned base, bool enable, bool handler) const {
  if (!limits_.modeled) return STATUS_NOT_IMPLEMENTED;
  if (!handle) return STATUS_INVALID_PARAMETER_1;
  return may_report(devices[handles[*handle].device], handle, base, enable, handler);
}

NTSTATUS Model::may_report_faults_v1(const Object& device, unsigned base, bool enable, bool handler) const {
  if (!limits_.modeled) return STATUS_NOT_IMPLEMENTED;
  if (!device) return STATUS_INVALID_PARAMETER_1;
  if (!devices[*device].behind_unit) return STATUS_NOT_FOUND;
  if (devices[*device].requesters.empty()) return STATUS_UNSUCCESSFUL;
  return may_report(devices[*device], std::nullopt, base, enable, handler);
}

FAULT_INFORMATION_X64_TYPE Model::fault_type(const Device& device, PageNumber page) const {
  const Domain& domain = domains[*device.domain];
  // The shallowest table of 3 or 4 levels that has the domain's width.
  const unsigned table_bits = domain.width_bits <= 39 ? 39 : 48;
  if (page >> (table_bits - 12) != 0) return AddressSizeFault;
  const auto found = domain.pages.find(page);
  if (found == domain.pages.end()) return TranslationFault;
  const Page& owned = found->second;
  if (owned.owner != Owner::Token) return PermissionFault;
  return owned.mapped && owned.permissions != 0 ? PermissionFault : TranslationFault;
}

}  // namespace reference
