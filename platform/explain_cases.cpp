#include "platform/explain_cases.h"

#include <array>

namespace iommu::platform {

namespace {

using Session = ExplainSession;

constexpr ULONG kReadWrite = IOMMU_ACCESS_READ | IOMMU_ACCESS_WRITE;
constexpr std::uint64_t kLargePages = 512;  // 2 MiB

// ---- Domains and devices

void explain_create_domain(Session& s, IOMMU_DMA_DOMAIN_TYPE type, PIOMMU_DMA_RESERVED_REGION regions) {
  if (!s.create_device()) return;
  IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG buddy{};
  buddy.LogicalAllocatorType = IommuDmaLogicalAllocatorBuddy;
  buddy.BuddyAllocatorConfig.AddressWidth = s.settings().address_width_bits;
  s.explain([&] {
    return s.v2().CreateDomainEx(type, IOMMU_DMA_DOMAIN_CREATION_FLAGS{},
                                 type == DomainTypeTranslate ? &buddy : nullptr, regions, &s.domain);
  });
  if (s.domain != nullptr) s.attach();
}

void create_translate(Session& s) { explain_create_domain(s, DomainTypeTranslate, nullptr); }
void create_pass_through(Session& s) { explain_create_domain(s, DomainTypePassThrough, nullptr); }

void create_with_region(Session& s) {
  IOMMU_DMA_RESERVED_REGION region{};
  region.Base = s.buffer(1);
  region.NumberOfPages = 1;
  region.ShouldMap = 1;
  explain_create_domain(s, DomainTypeTranslate, &region);
}

void delete_domain(Session& s) {
  if (!s.bring_up() || !s.map(1) || !s.detach()) return;
  s.explain([&] { return s.v2().DeleteDomain(s.domain); });
}

void attach_first(Session& s) {
  if (!s.create_device() || !s.create_domain(DomainTypeTranslate, true)) return;
  s.explain([&] { return s.v2().AttachDeviceEx(s.domain, s.device); });
}

void attach_again(Session& s) {
  if (!s.bring_up() || !s.detach()) return;
  s.explain([&] { return s.v2().AttachDeviceEx(s.domain, s.device); });
}

void attach_pass_through(Session& s) {
  if (!s.create_device() || !s.create_domain(DomainTypePassThrough, false)) return;
  s.explain([&] { return s.v2().AttachDeviceEx(s.domain, s.device); });
}

void detach(Session& s) {
  if (!s.bring_up()) return;
  s.explain([&] { return s.v2().DetachDeviceEx(s.device); });
}

void create_device(Session& s) {
  s.explain([&] { return s.v2().CreateDevice(s.pdo(), nullptr, &s.device); });
}

void delete_device(Session& s) {
  if (!s.create_device()) return;
  s.explain([&] { return s.v2().DeleteDevice(s.device); });
}

// ---- Flushes, queries, configuration

void flush(Session& s) {
  if (!s.bring_up() || !s.map(1)) return;
  s.explain([&] { return s.v2().FlushDomain(s.domain); });
}

void flush_list(Session& s, BOOLEAN last_level) {
  if (!s.bring_up() || !s.map(4)) return;
  std::array<ULONG64, 2> addresses = {s.logical, s.logical + 3 * PAGE_SIZE};
  s.explain([&] {
    return s.v2().FlushDomainByVaList(s.domain, last_level, static_cast<ULONG>(addresses.size()), addresses.data());
  });
}

void flush_leaves(Session& s) { flush_list(s, 1); }
void flush_all_levels(Session& s) { flush_list(s, 0); }

void query_input_mappings(Session& s) {
  std::array<INPUT_MAPPING_ELEMENT, 4> buffer{};
  ULONG length = 0;
  s.explain([&] { return s.v2().QueryInputMappings(s.pdo(), buffer.data(), sizeof buffer, &length); });
}

void query_types(Session& s) {
  if (!s.create_device()) return;
  ULONG types = 0;
  s.explain([&] { s.v2().QueryAvailableDomainTypes(s.device, &types); });
}

void configure(Session& s) {
  if (!s.bring_up()) return;
  DOMAIN_CONFIGURATION configuration{};
  configuration.Type = DomainConfigurationX64;
  configuration.X64.FirstLevelPageTableRoot.QuadPart = static_cast<LONGLONG>(s.buffer(1));
  configuration.X64.TranslationEnabled = 1;
  s.explain([&] { return s.v2().ConfigureDomain(s.domain, &configuration); });
}

void report_faults(Session& s) {
  if (!s.bring_up()) return;
  s.fault_configuration.FaultHandler = ignore_fault;
  s.explain([&] { return s.v2().SetDeviceFaultReportingEx(s.device, 0, 1, &s.fault_configuration); });
}

void stop_faults(Session& s) {
  if (!s.bring_up()) return;
  s.report_faults();  // not in profile as_documented; then the call has an answer all the same
  s.explain([&] { return s.v2().SetDeviceFaultReportingEx(s.device, 0, 0, nullptr); });
}

void register_callback(Session& s) {
  if (!s.create_device()) return;
  s.fields.AvailableDomainTypes = 1;
  s.explain(
      [&] { return s.v2().RegisterInterfaceStateChangeCallback(ignore_state_change, nullptr, s.device, &s.fields); });
}

void unregister_callback(Session& s) {
  if (!s.create_device() || !s.register_callback()) return;
  s.explain([&] { return s.v2().UnregisterInterfaceStateChangeCallback(ignore_state_change, s.device); });
}

// ---- Mapping

void explain_map(Session& s, IOMMU_MAP_PHYSICAL_ADDRESS physical) {
  s.explain(
      [&] { return s.v2().MapLogicalRangeEx(s.domain, kReadWrite, &physical, nullptr, nullptr, nullptr, &s.logical); });
}

void map_first(Session& s) {
  if (s.bring_up()) explain_map(s, s.contiguous(1));
}
void map_next(Session& s) {
  if (s.bring_up() && s.map(1)) explain_map(s, s.contiguous(1));
}
void map_large(Session& s) {
  if (s.bring_up()) explain_map(s, s.contiguous(kLargePages));
}

void map_scattered(Session& s) {
  if (!s.bring_up() || !s.map(1)) return;
  const PFN_NUMBER first = s.buffer(8) >> PAGE_SHIFT;
  std::array<PFN_NUMBER, 3> frames = {first, first + 5, first + 2};
  IOMMU_MAP_PHYSICAL_ADDRESS physical{};
  physical.MapType = MapPhysicalAddressTypePfn;
  physical.PfnArray.PageFrame = frames.data();
  physical.PfnArray.NumberOfPages = frames.size();
  explain_map(s, physical);
}

void unmap_some(Session& s) {
  if (!s.bring_up() || !s.map(2)) return;
  s.explain([&] { return s.v2().UnmapLogicalRange(s.domain, s.logical + PAGE_SIZE, 1); });
}

void unmap_last(Session& s) {
  if (!s.bring_up() || !s.map(1)) return;
  s.explain([&] { return s.v2().UnmapLogicalRange(s.domain, s.logical, 1); });
}

void unmap_large(Session& s) {
  if (!s.bring_up() || !s.map(kLargePages)) return;
  s.explain([&] { return s.v2().UnmapLogicalRange(s.domain, s.logical, kLargePages); });
}

void map_identity(Session& s) {
  if (!s.bring_up(false)) return;
  IOMMU_MAP_PHYSICAL_ADDRESS physical = s.contiguous(1);
  s.explain([&] { return s.v2().MapIdentityRangeEx(s.domain, kReadWrite, &physical); });
}

void map_identity_pass_through(Session& s) {
  if (!s.create_device() || !s.create_domain(DomainTypePassThrough, false) || !s.attach()) return;
  IOMMU_MAP_PHYSICAL_ADDRESS physical = s.contiguous(1);
  s.explain([&] { return s.v2().MapIdentityRangeEx(s.domain, kReadWrite, &physical); });
}

void unmap_identity(Session& s) {
  if (!s.bring_up(false) || !s.map_identity()) return;
  s.explain([&] { return s.v2().UnmapIdentityRangeEx(s.domain, &s.identity); });
}

// ---- Reserved ranges

void reserve(Session& s) {
  if (!s.bring_up()) return;
  s.explain(
      [&] { return s.v2().ReserveLogicalAddressRange(s.domain, 16 * PAGE_SIZE, nullptr, nullptr, nullptr, &s.token); });
}

void free_reserved(Session& s) {
  if (!s.bring_up() || !s.reserve()) return;
  s.explain([&] { return s.v2().FreeReservedLogicalAddressRange(s.token); });
}

void map_reserved(Session& s) {
  if (!s.bring_up() || !s.reserve()) return;
  IOMMU_MAP_PHYSICAL_ADDRESS physical = s.contiguous(1);
  s.explain([&] { return s.v2().MapReservedLogicalRange(s.token, 0, kReadWrite, &physical, &s.segment); });
}

void unmap_reserved(Session& s) {
  if (!s.bring_up() || !s.reserve() || !s.map_reserved()) return;
  s.explain([&] { return s.v2().UnmapReservedLogicalRange(&s.segment); });
}

}  // namespace

const std::vector<ExplainCase>& explain_cases() {
  static const std::vector<ExplainCase> kCases = {
      {kOpenFunction, "the first call, which starts the unit", [](Session& s) { s.explain_open(); }},
      {"CreateDomainEx", "Translate, buddy allocator", create_translate},
      {"CreateDomainEx", "the same with a reserved region of one page that is mapped", create_with_region},
      {"CreateDomainEx", "PassThrough", create_pass_through},
      {"DeleteDomain", "a page is still mapped", delete_domain},
      {"AttachDeviceEx", "the first device of its bus", attach_first},
      {"AttachDeviceEx", "a device that was attached before", attach_again},
      {"AttachDeviceEx", "PassThrough", attach_pass_through},
      {"DetachDeviceEx", "from a Translate domain", detach},
      {"FlushDomain", "a Translate domain", flush},
      {"FlushDomainByVaList", "two addresses, leaves only", flush_leaves},
      {"FlushDomainByVaList", "two addresses, all levels", flush_all_levels},
      {"QueryInputMappings", "room for four", query_input_mappings},
      {"MapLogicalRangeEx", "one page, the first of its domain", map_first},
      {"MapLogicalRangeEx", "one page, its tables are there", map_next},
      {"MapLogicalRangeEx", "2 MiB, contiguous and aligned", map_large},
      {"MapLogicalRangeEx", "three scattered pages, their tables are there", map_scattered},
      {"UnmapLogicalRange", "one page of two", unmap_some},
      {"UnmapLogicalRange", "the only page: its tables go", unmap_last},
      {"UnmapLogicalRange", "2 MiB", unmap_large},
      {"MapIdentityRangeEx", "one page", map_identity},
      {"MapIdentityRangeEx", "PassThrough", map_identity_pass_through},
      {"UnmapIdentityRangeEx", "one page", unmap_identity},
      {"SetDeviceFaultReportingEx", "on", report_faults},
      {"SetDeviceFaultReportingEx", "off", stop_faults},
      {"ConfigureDomain", "first-stage table for a Translate domain", configure},
      {"QueryAvailableDomainTypes", "any device", query_types},
      {"RegisterInterfaceStateChangeCallback", "available domain types", register_callback},
      {"UnregisterInterfaceStateChangeCallback", "a registered one", unregister_callback},
      {"ReserveLogicalAddressRange", "16 pages, the first of their domain", reserve},
      {"FreeReservedLogicalAddressRange", "16 pages", free_reserved},
      {"MapReservedLogicalRange", "one page of 16", map_reserved},
      {"UnmapReservedLogicalRange", "one page of 16", unmap_reserved},
      {"CreateDevice", "a device behind the unit", create_device},
      {"DeleteDevice", "attached to nothing", delete_device},
  };
  return kCases;
}

}  // namespace iommu::platform
