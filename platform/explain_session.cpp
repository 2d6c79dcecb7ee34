#include "platform/explain_session.h"

#include "models/tlm/time.h"
#include "platform/status_text.h"

namespace iommu::platform {

namespace {

constexpr ULONG kReadWrite = IOMMU_ACCESS_READ | IOMMU_ACCESS_WRITE;
constexpr std::uint64_t kReservedPages = 16;

std::string pages_text(std::uint64_t pages) { return std::to_string(pages) + (pages == 1 ? " page" : " pages"); }

}  // namespace

VOID ignore_state_change(PIOMMU_INTERFACE_STATE_CHANGE, PVOID) {}
VOID ignore_fault(PVOID, PFAULT_INFORMATION) {}

bool ExplainSession::step(const std::string& name, NTSTATUS status) {
  if (!explained_) {
    result_.set_up.push_back(name);
    if (!NT_SUCCESS(status) && result_.refused.empty()) result_.refused = name + " answers " + status_text(status);
  }
  return NT_SUCCESS(status);
}

void ExplainSession::begin(bool member) {
  explained_ = true;
  result_.refused.clear();
  diagnostics_before_ = machine_.diagnostics.size();
  if (member) logged_call_ = log_.calls.size();
  result_.begin = sim::now_ticks();
}

void ExplainSession::end() {
  result_.duration = sim::now_ticks() - result_.begin;
  result_.diagnostics.assign(machine_.diagnostics.begin() + static_cast<std::ptrdiff_t>(diagnostics_before_),
                             machine_.diagnostics.end());
}

void ExplainSession::explain_open() {
  begin(false);
  result_.status = IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_2, 0, &interface_);
  end();
}

// Precedes everything, so it is worth a word only when it fails.
bool ExplainSession::open() {
  const NTSTATUS status = IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_2, 0, &interface_);
  return NT_SUCCESS(status) || step("IoGetIommuInterfaceEx", status);
}

bool ExplainSession::create_device() { return step("CreateDevice", v2().CreateDevice(pdo(), nullptr, &device)); }

bool ExplainSession::create_domain(IOMMU_DMA_DOMAIN_TYPE type, bool allocator) {
  IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG buddy{};
  buddy.LogicalAllocatorType = IommuDmaLogicalAllocatorBuddy;
  buddy.BuddyAllocatorConfig.AddressWidth = settings().address_width_bits;
  const char* kind = type != DomainTypeTranslate ? "PassThrough"
                     : allocator                 ? "Translate, buddy allocator"
                                                 : "Translate";
  return step(
      std::string("CreateDomainEx (") + kind + ")",
      v2().CreateDomainEx(type, IOMMU_DMA_DOMAIN_CREATION_FLAGS{}, allocator ? &buddy : nullptr, nullptr, &domain));
}

bool ExplainSession::attach() { return step("AttachDeviceEx", v2().AttachDeviceEx(domain, device)); }
bool ExplainSession::detach() { return step("DetachDeviceEx", v2().DetachDeviceEx(device)); }

bool ExplainSession::bring_up(bool allocator) {
  return create_device() && create_domain(DomainTypeTranslate, allocator) && attach();
}

core::Address ExplainSession::buffer(std::uint64_t pages) {
  std::uint64_t alignment = core::kPageBytes;
  while (alignment < pages * core::kPageBytes) alignment *= 2;
  // The smallest machine has room for everything that is asked for here.
  return machine_.frames.allocate_range(pages * core::kPageBytes, alignment).value();
}

IOMMU_MAP_PHYSICAL_ADDRESS ExplainSession::contiguous(std::uint64_t pages) {
  IOMMU_MAP_PHYSICAL_ADDRESS physical{};
  physical.MapType = MapPhysicalAddressTypeContiguousRange;
  physical.ContiguousRange.Base.QuadPart = static_cast<LONGLONG>(buffer(pages));
  physical.ContiguousRange.Size = pages * core::kPageBytes;
  return physical;
}

bool ExplainSession::map(std::uint64_t pages) {
  IOMMU_MAP_PHYSICAL_ADDRESS physical = contiguous(pages);
  return step("MapLogicalRangeEx (" + pages_text(pages) + ")",
              v2().MapLogicalRangeEx(domain, kReadWrite, &physical, nullptr, nullptr, nullptr, &logical));
}

bool ExplainSession::map_identity() {
  identity = contiguous(1);
  return step("MapIdentityRangeEx (1 page)", v2().MapIdentityRangeEx(domain, kReadWrite, &identity));
}

bool ExplainSession::reserve() {
  return step(
      "ReserveLogicalAddressRange (" + pages_text(kReservedPages) + ")",
      v2().ReserveLogicalAddressRange(domain, kReservedPages * core::kPageBytes, nullptr, nullptr, nullptr, &token));
}

bool ExplainSession::map_reserved() {
  IOMMU_MAP_PHYSICAL_ADDRESS physical = contiguous(1);
  return step("MapReservedLogicalRange (1 page)",
              v2().MapReservedLogicalRange(token, 0, kReadWrite, &physical, &segment));
}

bool ExplainSession::report_faults() {
  fault_configuration.FaultHandler = ignore_fault;
  return step("SetDeviceFaultReportingEx (on)", v2().SetDeviceFaultReportingEx(device, 0, 1, &fault_configuration));
}

bool ExplainSession::register_callback() {
  fields.AvailableDomainTypes = 1;
  return step("RegisterInterfaceStateChangeCallback",
              v2().RegisterInterfaceStateChangeCallback(ignore_state_change, nullptr, device, &fields));
}

}  // namespace iommu::platform
