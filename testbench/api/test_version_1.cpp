// The functions that only version 1 has (sheet 2.5, 3.5, OP-31), on the objects of version 2.
//
//   function                 condition                                          status
//   -----------------------  -------------------------------------------------  ------------------------------------
//   CreateDomain             DomainOut NULL                                     STATUS_INVALID_PARAMETER_2, diagnostic
//                            caller's own tables (OsManagedPageTable FALSE)     STATUS_NOT_SUPPORTED (OP-5), NULL
//   AttachDevice             bad domain handle                                  STATUS_INVALID_PARAMETER_1, diagnostic
//                            PDO NULL or unknown                                STATUS_INVALID_PARAMETER_2, diagnostic
//                            behind no IOMMU / no requester id                  STATUS_NOT_FOUND / STATUS_UNSUCCESSFUL
//                            InputMappingIdBase not 0 / MappingCount not 1      STATUS_INVALID_PARAMETER_3 / _4
//                            attached already                                   STATUS_INVALID_PARAMETER
//                            type not available now                             STATUS_ACCESS_DENIED
//   DetachDevice             as AttachDevice; InputMappingId not 0              STATUS_INVALID_PARAMETER_3
//                            not attached to this domain by version 1           STATUS_INVALID_PARAMETER_1
//   SetDeviceFaultReporting  as its Ex form, for a device attached by version 1 (OP-22)
//   MapLogicalRange, MapIdentityRange, UnmapIdentityRange                       as their Ex forms, with an MDL
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

namespace {

struct Fixture {
  explicit Fixture(const fake::Options& options = {}) : machine(options), v2(machine.v2()) {
    if (IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_1, 0, &interface) != STATUS_SUCCESS) {
      throw std::runtime_error("version 1 could not be had");
    }
  }
  const DMA_IOMMU_INTERFACE_V1& v1() const { return interface.V1; }
  PIOMMU_DMA_DOMAIN domain() {
    PIOMMU_DMA_DOMAIN made = nullptr;
    if (v1().CreateDomain(TRUE, &made) != STATUS_SUCCESS) throw std::runtime_error("CreateDomain failed");
    return made;
  }
  PDEVICE_OBJECT pdo(const char* name) const { return machine.pdo(name); }

  fake::Machine machine;
  const DMA_IOMMU_INTERFACE_V2& v2;
  DMA_IOMMU_INTERFACE_EX interface {};
};

}  // namespace

TEST_CASE("Version 1: a whole life", "[v1]") {
  Fixture f;
  const std::size_t frames = f.machine.frames.in_use();
  const PIOMMU_DMA_DOMAIN domain = f.domain();
  CHECK(f.v1().AttachDevice(domain, f.pdo("gpu0"), 0, 1) == STATUS_SUCCESS);
  fake::MdlBuffer buffer({0x777, 0x12});
  CHECK(f.v1().MapLogicalRange(domain, 3, buffer.mdl(), 0x40000000) == STATUS_SUCCESS);
  fake::Unit& unit = *f.machine.units[0];
  CHECK(unit.dma(fake::kGpu, 0x40000000, true).physical == 0x777000);
  CHECK(unit.dma(fake::kGpuAlias, 0x40001008, false).physical == 0x12008);
  CHECK(f.v1().UnmapLogicalRange(domain, 0x40000000, 2) == STATUS_SUCCESS);
  CHECK(unit.dma(fake::kGpu, 0x40000000, true) == "not mapped");
  CHECK(f.v1().DeleteDomain(domain) == STATUS_RESOURCE_IN_USE);
  CHECK(f.v1().DetachDevice(domain, f.pdo("gpu0"), 0) == STATUS_SUCCESS);
  CHECK(unit.dma(fake::kGpu, 0x40000000, true) == "context not present");
  CHECK(f.v1().DeleteDomain(domain) == STATUS_SUCCESS);
  CHECK(f.machine.frames.in_use() == frames + 1);  // the context table of bus 2
  CHECK(f.machine.breaches.empty());
  CHECK(f.machine.host.diagnostics.size() == 1);
  CHECK(f.machine.host.reported("DeleteDomain", "device gpu0 is attached") == 1);
}

TEST_CASE("Version 1: CreateDomain", "[v1]") {
  Fixture f;
  PIOMMU_DMA_DOMAIN domain = reinterpret_cast<PIOMMU_DMA_DOMAIN>(std::uintptr_t{0x77});
  CHECK(f.v1().CreateDomain(FALSE, &domain) == STATUS_NOT_SUPPORTED);
  CHECK(domain == nullptr);
  CHECK(f.v1().CreateDomain(TRUE, nullptr) == STATUS_INVALID_PARAMETER_2);
  CHECK(f.machine.host.reported("CreateDomain", "parameter 2 is NULL") == 1);
  CHECK(f.machine.system->domain_count() == 0);
  // No allocator: explicit addresses are mandatory.
  domain = f.domain();
  auto physical = fake::contiguous(0x1000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS out = 0;
  CHECK(f.v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &out) == STATUS_NOT_SUPPORTED);
}

TEST_CASE("Version 1: AttachDevice and DetachDevice check their parameters in order", "[v1]") {
  fake::Options options;
  Fixture f(options);
  const PIOMMU_DMA_DOMAIN domain = f.domain();
  const PIOMMU_DMA_DOMAIN other = f.domain();
  int local = 0;
  const auto unknown = reinterpret_cast<PDEVICE_OBJECT>(&local);
  const fake::Snapshot before = fake::snapshot(f.machine);
  CHECK(f.v1().AttachDevice(nullptr, unknown, 1, 2) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.v1().AttachDevice(domain, unknown, 1, 2) == STATUS_INVALID_PARAMETER_2);
  CHECK(f.v1().AttachDevice(domain, nullptr, 1, 2) == STATUS_INVALID_PARAMETER_2);
  CHECK(f.v1().AttachDevice(domain, f.pdo("usb0"), 1, 2) == STATUS_NOT_FOUND);
  CHECK(f.v1().AttachDevice(domain, f.pdo("odd0"), 1, 2) == STATUS_UNSUCCESSFUL);
  CHECK(f.v1().AttachDevice(domain, f.pdo("nic0"), 1, 2) == STATUS_INVALID_PARAMETER_3);
  CHECK(f.v1().AttachDevice(domain, f.pdo("nic0"), 0, 2) == STATUS_INVALID_PARAMETER_4);
  CHECK(f.v1().AttachDevice(domain, f.pdo("nic0"), 0, 0) == STATUS_INVALID_PARAMETER_4);
  CHECK(fake::snapshot(f.machine) == before);
  REQUIRE(f.v1().AttachDevice(domain, f.pdo("nic0"), 0, 1) == STATUS_SUCCESS);
  CHECK(f.v1().AttachDevice(domain, f.pdo("nic0"), 0, 1) == STATUS_INVALID_PARAMETER);
  CHECK(f.v1().DetachDevice(nullptr, f.pdo("nic0"), 0) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.v1().DetachDevice(domain, unknown, 0) == STATUS_INVALID_PARAMETER_2);
  CHECK(f.v1().DetachDevice(domain, f.pdo("nic0"), 1) == STATUS_INVALID_PARAMETER_3);
  CHECK(f.v1().DetachDevice(other, f.pdo("nic0"), 0) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.v1().DetachDevice(domain, f.pdo("disk0"), 0) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.v1().DetachDevice(domain, f.pdo("nic0"), 0) == STATUS_SUCCESS);
  CHECK(f.v1().DetachDevice(domain, f.pdo("nic0"), 0) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported("AttachDevice", "domain: parameter 1 is NULL") == 1);
  CHECK(f.machine.host.reported("AttachDevice", "device object: parameter 2 is NULL") == 1);
  CHECK(f.machine.host.reported("AttachDevice", "parameter 2 is no physical device object") == 1);
}

TEST_CASE("Version 1 and version 2 see one attachment", "[v1]") {
  Fixture f;
  const PIOMMU_DMA_DOMAIN domain = f.domain();
  const PIOMMU_DMA_DOMAIN second = f.machine.domain(32);
  const PIOMMU_DMA_DEVICE device = f.machine.device("nic0");
  REQUIRE(f.v1().AttachDevice(domain, f.pdo("nic0"), 0, 1) == STATUS_SUCCESS);
  CHECK(f.v2.AttachDeviceEx(second, device) == STATUS_INVALID_PARAMETER);
  CHECK(f.v2.DetachDeviceEx(device) == STATUS_INVALID_PARAMETER_1);
  REQUIRE(f.v1().DetachDevice(domain, f.pdo("nic0"), 0) == STATUS_SUCCESS);
  REQUIRE(f.v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
  CHECK(f.v1().AttachDevice(domain, f.pdo("nic0"), 0, 1) == STATUS_INVALID_PARAMETER);
  CHECK(f.v1().DetachDevice(domain, f.pdo("nic0"), 0) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.v2.DetachDeviceEx(device) == STATUS_SUCCESS);
}

TEST_CASE("Version 1: AttachDevice obeys policy", "[v1]") {
  Fixture f;
  f.machine.system->set_opt_in(f.pdo("nic0"), iommu::api::RemappingOptIn::No);
  CHECK(f.v1().AttachDevice(f.domain(), f.pdo("nic0"), 0, 1) == STATUS_ACCESS_DENIED);
}

TEST_CASE("Version 1: MapLogicalRange answers as its Ex form", "[v1]") {
  Fixture f;
  const PIOMMU_DMA_DOMAIN domain = f.domain();
  fake::MdlBuffer buffer({0x10});
  CHECK(f.v1().MapLogicalRange(nullptr, 3, buffer.mdl(), 0) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.v1().MapLogicalRange(domain, 4, buffer.mdl(), 0) == STATUS_INVALID_PARAMETER_2);
  CHECK(f.v1().MapLogicalRange(domain, 3, nullptr, 0) == STATUS_INVALID_PARAMETER_3);
  CHECK(f.v1().MapLogicalRange(domain, 3, buffer.mdl(), 0x800) == STATUS_INVALID_PARAMETER_4);
  CHECK(f.v1().MapLogicalRange(f.machine.domain(32), 3, buffer.mdl(), 0) == STATUS_NOT_SUPPORTED);
  CHECK(f.v1().MapLogicalRange(domain, 3, buffer.mdl(), 0) == STATUS_SUCCESS);
  CHECK(f.v1().MapLogicalRange(domain, 3, buffer.mdl(), 0) == STATUS_RESOURCE_IN_USE);
}

// SetDeviceFaultReporting: as SetDeviceFaultReportingEx (test_set_device_fault_reporting_ex.cpp), for a device that
// version 1 attached.
TEST_CASE("Version 1: SetDeviceFaultReporting", "[v1][faults]") {
  Fixture f;
  const PIOMMU_DMA_DOMAIN domain = f.domain();
  unsigned calls = 0;
  DEVICE_FAULT_CONFIGURATION config{[](PVOID context, PFAULT_INFORMATION) { ++*static_cast<unsigned*>(context); },
                                    &calls};
  const auto set = [&](PDEVICE_OBJECT object, ULONG base, BOOLEAN enable, PDEVICE_FAULT_CONFIGURATION with) {
    return f.v1().SetDeviceFaultReporting(object, base, enable, with);
  };
  CHECK(set(nullptr, 0, TRUE, &config) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported("SetDeviceFaultReporting", "device object: parameter 1 is NULL") == 1);
  CHECK(set(f.pdo("usb0"), 0, TRUE, &config) == STATUS_NOT_FOUND);
  CHECK(set(f.pdo("odd0"), 0, TRUE, &config) == STATUS_UNSUCCESSFUL);
  CHECK(set(f.pdo("nic0"), 0, TRUE, &config) == STATUS_INVALID_PARAMETER_1);
  REQUIRE(f.v2.AttachDeviceEx(domain, f.machine.device("disk0")) == STATUS_SUCCESS);
  CHECK(set(f.pdo("disk0"), 0, TRUE, &config) == STATUS_INVALID_PARAMETER_1);  // not attached by version 1
  REQUIRE(f.v1().AttachDevice(domain, f.pdo("nic0"), 0, 1) == STATUS_SUCCESS);
  CHECK(set(f.pdo("nic0"), 1, TRUE, &config) == STATUS_INVALID_PARAMETER_2);
  CHECK(set(f.pdo("nic0"), 0, TRUE, nullptr) == STATUS_INVALID_PARAMETER_4);
  CHECK(set(f.pdo("nic0"), 0, TRUE, &config) == STATUS_SUCCESS);
  CHECK_FALSE(f.machine.units[0]->dma(fake::kNic, 0x20000, true).ok);
  f.machine.settle();
  CHECK(calls == 1);
  CHECK(set(f.pdo("nic0"), 0, FALSE, nullptr) == STATUS_SUCCESS);
  CHECK(f.machine.units[0]->fectl == 0x80000000);
  CHECK(set(f.pdo("nic0"), 0, TRUE, &config) == STATUS_SUCCESS);
  CHECK(f.v1().DetachDevice(domain, f.pdo("nic0"), 0) == STATUS_SUCCESS);
  CHECK(f.machine.units[0]->fectl == 0x80000000);
  CHECK_FALSE(f.machine.units[0]->dma(fake::kNic, 0x20000, true).ok);
  f.machine.settle();
  CHECK(calls == 1);
  CHECK(f.machine.breaches == fake::Breaches{});

  fake::Options documented;
  documented.policy.profile = iommu::api::Profile::AsDocumented;
  Fixture other(documented);
  CHECK(other.v1().SetDeviceFaultReporting(nullptr, 1, TRUE, nullptr) == STATUS_NOT_IMPLEMENTED);
  CHECK(other.machine.host.diagnostics.empty());
}
