// QueryAvailableDomainTypes (sheet 3.17, section 5, OP-5, OP-27, OP-31). No status: what is written.
//
//   condition                                                            *AvailableDomains
//   -------------------------------------------------------------------  ----------------------------------
//   AvailableDomains NULL                                                (returns)
//   bad handle                                                           0, diagnostic
//   driver opted in; internal, or DMA Guard off, or not blocking now     0x3 (Translate, PassThrough)
//   the unit has no pass-through                                         0x1 less
//   external and blocked by DMA Guard (always, or while locked)          0x1: PassThrough is not offered
//   driver not opted in                                                  0x2 or 0: Translate is not offered
//   Unmanaged, TranslateS1                                               never on this architecture
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

#include <utility>

namespace {

using iommu::api::EnumerationPolicy;
using iommu::api::RemappingOptIn;

ULONG types_of(fake::Machine& machine, PIOMMU_DMA_DEVICE device) {
  ULONG types = 0xFFFFFFFF;
  machine.v2().QueryAvailableDomainTypes(device, &types);
  return types;
}

fake::Options guarded(EnumerationPolicy policy, bool locked) {
  fake::Options options;
  options.policy.dma_guard.enabled = true;
  options.policy.dma_guard.policy = policy;
  options.policy.dma_guard.screen_locked = locked;
  return options;
}

}  // namespace

TEST_CASE("QueryAvailableDomainTypes tells Translate and PassThrough", "[query_domain_types]") {
  fake::Options options;
  fake::UnitOptions without;
  without.pt = false;
  options.units = {fake::UnitOptions{}, without};
  fake::Machine machine(options);
  const PIOMMU_DMA_DEVICE nic = machine.device("nic0");
  const PIOMMU_DMA_DEVICE eth = machine.device("eth1");
  const auto accesses = machine.units[0]->accesses;
  CHECK(types_of(machine, nic) == 0x3);
  CHECK(types_of(machine, eth) == 0x1);
  CHECK(machine.units[0]->accesses == accesses);
  CHECK(machine.host.diagnostics.empty());
}

TEST_CASE("QueryAvailableDomainTypes: DMA Guard takes PassThrough from external devices", "[query_domain_types]") {
  struct Case {
    EnumerationPolicy policy;
    bool locked;
    ULONG external;  // mask of an external device; an internal one keeps 0x3
  };
  const Case c = GENERATE(
      Case{EnumerationPolicy::BlockAlways, false, 0x1}, Case{EnumerationPolicy::BlockAlways, true, 0x1},
      Case{EnumerationPolicy::BlockUntilUnlock, false, 0x3}, Case{EnumerationPolicy::BlockUntilUnlock, true, 0x1},
      Case{EnumerationPolicy::AllowAll, false, 0x3}, Case{EnumerationPolicy::AllowAll, true, 0x3});
  fake::Machine machine(guarded(c.policy, c.locked));
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  CHECK(types_of(machine, device) == 0x3);
  machine.system->set_external(machine.pdo("nic0"), true);
  CHECK(types_of(machine, device) == c.external);
  machine.system->set_external(machine.pdo("nic0"), false);
  CHECK(types_of(machine, device) == 0x3);
}

TEST_CASE("QueryAvailableDomainTypes: without DMA Guard the lock and the port mean nothing", "[query_domain_types]") {
  fake::Machine machine;
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  machine.system->set_external(machine.pdo("nic0"), true);
  machine.system->set_screen_locked(true);
  CHECK(types_of(machine, device) == 0x3);
}

TEST_CASE("QueryAvailableDomainTypes: the driver's opt-in decides over Translate", "[query_domain_types]") {
  fake::Machine machine(guarded(EnumerationPolicy::BlockUntilUnlock, true));
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  machine.system->set_opt_in(machine.pdo("nic0"), RemappingOptIn::No);
  CHECK(types_of(machine, device) == 0x2);
  machine.system->set_external(machine.pdo("nic0"), true);
  CHECK(types_of(machine, device) == 0);  // an incompatible device that is blocked gets nothing
  machine.system->set_opt_in(machine.pdo("nic0"), RemappingOptIn::IfExternal);
  CHECK(types_of(machine, device) == 0x1);
  machine.system->set_external(machine.pdo("nic0"), false);
  CHECK(types_of(machine, device) == 0x2);
}

TEST_CASE("QueryAvailableDomainTypes: what is offered is what AttachDeviceEx allows", "[query_domain_types]") {
  fake::Machine machine(guarded(EnumerationPolicy::BlockUntilUnlock, true));
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const std::pair<PIOMMU_DMA_DOMAIN, ULONG> domains[] = {{machine.domain(32), 0x1}, {machine.pass_through(), 0x2}};
  for (const RemappingOptIn opt_in : {RemappingOptIn::No, RemappingOptIn::Yes, RemappingOptIn::IfExternal}) {
    for (const bool external : {false, true}) {
      machine.system->set_opt_in(machine.pdo("nic0"), opt_in);
      machine.system->set_external(machine.pdo("nic0"), external);
      for (const auto& [domain, bit] : domains) {
        const bool offered = (types_of(machine, device) & bit) != 0;
        const fake::Snapshot before = fake::snapshot(machine);
        CHECK(v2.AttachDeviceEx(domain, device) == (offered ? STATUS_SUCCESS : STATUS_ACCESS_DENIED));
        if (offered) CHECK(v2.DetachDeviceEx(device) == STATUS_SUCCESS);
        if (!offered) CHECK(fake::snapshot(machine) == before);
      }
    }
  }
}

TEST_CASE("QueryAvailableDomainTypes: an attachment outlives the type's availability", "[query_domain_types]") {
  fake::Machine machine(guarded(EnumerationPolicy::BlockUntilUnlock, false));
  const auto& v2 = machine.v2();
  machine.system->set_external(machine.pdo("nic0"), true);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const PIOMMU_DMA_DOMAIN domain = machine.pass_through();
  REQUIRE(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
  machine.system->set_screen_locked(true);
  CHECK(types_of(machine, device) == 0x1);
  CHECK(machine.units[0]->dma(fake::kNic, 0x5000, true).physical == 0x5000);
  CHECK(v2.DetachDeviceEx(device) == STATUS_SUCCESS);
  CHECK(v2.AttachDeviceEx(domain, device) == STATUS_ACCESS_DENIED);
  machine.system->set_screen_locked(false);
  CHECK(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
}

TEST_CASE("QueryAvailableDomainTypes with bad arguments", "[query_domain_types]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  v2.QueryAvailableDomainTypes(device, nullptr);
  CHECK(machine.host.diagnostics.empty());
  ULONG types = 0xFFFFFFFF;
  v2.QueryAvailableDomainTypes(nullptr, &types);
  CHECK(types == 0);
  CHECK(machine.host.reported("QueryAvailableDomainTypes", "is NULL") == 1);
  // Changes of a device that is not there are nobody's.
  machine.system->set_external(nullptr, true);
  machine.system->set_opt_in(nullptr, RemappingOptIn::No);
  CHECK(types_of(machine, device) == 0x3);
}
