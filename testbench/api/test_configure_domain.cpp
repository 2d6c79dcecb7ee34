// ConfigureDomain (sheet 3.16, OP-5, OP-24, OP-31). On this architecture no domain has tables that its caller manages.
//
//   condition                                            status
//   ---------------------------------------------------  ------------------------------------------
//   NULL, stale, foreign or made-up handle               STATUS_INVALID_PARAMETER_1, diagnostic
//   Translate or PassThrough, whatever the               STATUS_INVALID_PARAMETER_1; no register touched, no entry changed
//     configuration: Arm64, X64, invalid, NULL
//   STATUS_NOT_SUPPORTED for the X64 arm                 needs an Unmanaged domain, whose creation is refused: not reachable
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

TEST_CASE("ConfigureDomain refuses every domain of this architecture and touches nothing", "[configure]") {
  fake::Options options;
  options.policy.profile = GENERATE(iommu::api::Profile::Modeled, iommu::api::Profile::AsDocumented);
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  DOMAIN_CONFIGURATION arm{};
  arm.Type = DomainConfigurationArm64;
  arm.Arm64.Ttbr0.QuadPart = 0x100000;
  arm.Arm64.InputSize0 = 48;
  arm.Arm64.TranslationEnabled = TRUE;
  DOMAIN_CONFIGURATION x64{};
  x64.Type = DomainConfigurationX64;
  x64.X64.FirstLevelPageTableRoot.QuadPart = 0x100000;
  x64.X64.TranslationEnabled = TRUE;
  DOMAIN_CONFIGURATION invalid{};
  invalid.Type = DomainConfigurationInvalid;
  for (const PIOMMU_DMA_DOMAIN domain : {machine.domain(32), machine.pass_through()}) {
    const PIOMMU_DMA_DEVICE device = machine.device("nic0");
    REQUIRE(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
    const fake::Snapshot before = fake::snapshot(machine);
    const auto accesses = machine.units[0]->accesses;
    for (DOMAIN_CONFIGURATION* configuration : {&arm, &x64, &invalid, static_cast<DOMAIN_CONFIGURATION*>(nullptr)}) {
      CHECK(v2.ConfigureDomain(domain, configuration) == STATUS_INVALID_PARAMETER_1);
    }
    CHECK(machine.units[0]->accesses == accesses);
    CHECK(fake::snapshot(machine) == before);
    REQUIRE(v2.DetachDeviceEx(device) == STATUS_SUCCESS);
  }
  CHECK(machine.host.diagnostics.empty());
}

TEST_CASE("ConfigureDomain: no domain that could be configured can be made", "[configure]") {
  fake::Machine machine;
  PIOMMU_DMA_DOMAIN domain = nullptr;
  CHECK(machine.v2().CreateDomainEx(DomainTypeUnmanaged, {}, nullptr, nullptr, &domain) == STATUS_NOT_SUPPORTED);
  CHECK(domain == nullptr);
}

TEST_CASE("ConfigureDomain recognises handles that are none", "[configure]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  DOMAIN_CONFIGURATION configuration{};
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  CHECK(v2.ConfigureDomain(nullptr, &configuration) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("ConfigureDomain", "domain: parameter 1 is NULL") == 1);
  REQUIRE(v2.DeleteDomain(domain) == STATUS_SUCCESS);
  CHECK(v2.ConfigureDomain(domain, &configuration) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("ConfigureDomain", "was deleted before") == 1);
}
