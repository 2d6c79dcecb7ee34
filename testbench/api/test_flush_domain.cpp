// FlushDomain (sheet 3.8, OP-12, OP-31).
//
//   condition                                       status
//   ----------------------------------------------  ----------------------------------------------
//   NULL, stale, foreign or made-up handle          STATUS_INVALID_PARAMETER_1, diagnostic
//   modeled: any domain with devices                STATUS_SUCCESS; a domain-selective invalidation on each of its units
//   modeled: a domain without devices               STATUS_SUCCESS; no register touched
//   modeled: first flush of a domain                diagnostic: documented for caller-managed tables only
//   as_documented: Translate, PassThrough           STATUS_INVALID_PARAMETER_1; no register touched
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

TEST_CASE("FlushDomain drops the domain's translations on all its units, and no others", "[flush]") {
  fake::Options options;
  options.units = {fake::UnitOptions{}, fake::UnitOptions{}};
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain();
  const PIOMMU_DMA_DOMAIN other = machine.domain();
  REQUIRE(v2.AttachDeviceEx(domain, machine.device("nic0")) == STATUS_SUCCESS);
  REQUIRE(v2.AttachDeviceEx(domain, machine.device("eth1")) == STATUS_SUCCESS);
  REQUIRE(v2.AttachDeviceEx(other, machine.device("disk0")) == STATUS_SUCCESS);
  auto physical = fake::contiguous(0x5000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS at = 0x1000;
  IOMMU_DMA_LOGICAL_ADDRESS out = 0;
  for (const PIOMMU_DMA_DOMAIN each : {domain, other}) {
    REQUIRE(v2.MapLogicalRangeEx(each, 3, &physical, &at, nullptr, nullptr, &out) == STATUS_SUCCESS);
  }
  REQUIRE(machine.units[0]->dma(fake::kNic, 0x1000, false).physical == 0x5000);
  REQUIRE(machine.units[1]->dma(fake::kNic, 0x1000, false).physical == 0x5000);
  REQUIRE(machine.units[0]->dma(fake::kDisk, 0x1000, false).physical == 0x5000);
  // Behind the interface's back the leaves change: the units go on with what they have cached.
  std::vector<std::uint64_t> leaves;
  for (const auto& [address, value] : machine.memory.contents()) {
    if ((value & ~0xFFFull) == 0x5000) leaves.push_back(address);
  }
  REQUIRE(leaves.size() == 2);
  for (const std::uint64_t leaf : leaves) {
    machine.memory.write64(leaf, (machine.memory.read64(leaf) & 0xFFF) | 0x7000);
  }
  REQUIRE(machine.units[0]->dma(fake::kNic, 0x1000, false).physical == 0x5000);
  const unsigned did0 = machine.units[0]->context(fake::kNic).did;
  const unsigned did1 = machine.units[1]->context(fake::kNic).did;
  machine.units[0]->seen.clear();
  machine.units[1]->seen.clear();

  CHECK(v2.FlushDomain(domain) == STATUS_SUCCESS);
  CHECK(machine.units[0]->dma(fake::kNic, 0x1000, false).physical == 0x7000);
  CHECK(machine.units[1]->dma(fake::kNic, 0x1000, false).physical == 0x7000);
  CHECK(machine.units[0]->dma(fake::kDisk, 0x1000, false).physical == 0x5000);
  using Seen = fake::Seen;
  CHECK(machine.units[0]->seen.at(0) == Seen{Seen::IotlbDomain, did0, 0, 0, 0, false, true});
  CHECK(machine.units[1]->seen.at(0) == Seen{Seen::IotlbDomain, did1, 0, 0, 0, false, true});
  CHECK(machine.breaches.empty());
}

TEST_CASE("FlushDomain of a pass-through domain and of one without devices", "[flush]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN pass_through = machine.pass_through();
  const PIOMMU_DMA_DOMAIN idle = machine.domain(32);
  REQUIRE(v2.AttachDeviceEx(pass_through, machine.device("nic0")) == STATUS_SUCCESS);
  machine.units[0]->seen.clear();
  CHECK(v2.FlushDomain(pass_through) == STATUS_SUCCESS);
  REQUIRE(machine.units[0]->seen.size() == 2);  // and the wait
  CHECK(machine.units[0]->seen[0].kind == fake::Seen::IotlbDomain);
  const auto accesses = machine.units[0]->accesses;
  CHECK(v2.FlushDomain(idle) == STATUS_SUCCESS);
  CHECK(machine.units[0]->accesses == accesses);
}

TEST_CASE("FlushDomain says once for each domain what Windows documents", "[flush]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  for (unsigned i = 0; i < 3; ++i) CHECK(v2.FlushDomain(domain) == STATUS_SUCCESS);
  CHECK(machine.host.reported("FlushDomain", "domain 1: Windows documents it for domains whose page tables") == 1);
  CHECK(machine.host.diagnostics.size() == 1);
}

TEST_CASE("FlushDomain as documented refuses domains that the system manages", "[flush]") {
  fake::Options options;
  options.policy.profile = iommu::api::Profile::AsDocumented;
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  for (const PIOMMU_DMA_DOMAIN domain : {machine.domain(32), machine.pass_through()}) {
    const PIOMMU_DMA_DEVICE device = machine.device("nic0");
    REQUIRE(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
    const auto accesses = machine.units[0]->accesses;
    CHECK(v2.FlushDomain(domain) == STATUS_INVALID_PARAMETER_1);
    CHECK(machine.units[0]->accesses == accesses);
    REQUIRE(v2.DetachDeviceEx(device) == STATUS_SUCCESS);
  }
  CHECK(machine.host.diagnostics.empty());
}

TEST_CASE("FlushDomain recognises handles that are none", "[flush]") {
  fake::Machine machine;
  fake::Machine other;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  CHECK(v2.FlushDomain(nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(v2.FlushDomain(other.domain(32)) == STATUS_INVALID_PARAMETER_1);
  REQUIRE(v2.DeleteDomain(domain) == STATUS_SUCCESS);
  CHECK(v2.FlushDomain(domain) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("FlushDomain", "parameter 1 is NULL") == 1);
  CHECK(machine.host.reported("FlushDomain", "parameter 1 is a handle of another system") == 1);
  CHECK(machine.host.reported("FlushDomain", "parameter 1 was deleted before") == 1);
}

TEST_CASE("FlushDomain on a unit that does not answer", "[flush]") {
  fake::Options options;
  options.policy.poll_limit = 50;
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  REQUIRE(v2.AttachDeviceEx(domain, machine.device("nic0")) == STATUS_SUCCESS);
  machine.units[0]->deaf = true;
  CHECK(v2.FlushDomain(domain) == STATUS_UNSUCCESSFUL);
}
