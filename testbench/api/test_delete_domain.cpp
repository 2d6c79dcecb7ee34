// DeleteDomain (sheet 3.5, 3.1 item 9, OP-8, OP-31).
//
//   condition                                  status
//   -----------------------------------------  ---------------------------------------
//   NULL, stale, foreign or made-up handle     STATUS_INVALID_PARAMETER_1, diagnostic
//   a device is attached, a token not freed    STATUS_RESOURCE_IN_USE, nothing changed, diagnostic that names them
//   else, plain mappings or not                STATUS_SUCCESS; all frames are free again
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

TEST_CASE("DeleteDomain gives everything back, mappings included", "[delete_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const std::size_t frames = machine.frames.in_use();
  IOMMU_DMA_RESERVED_REGION region{};
  region.Base = 0x70000000;
  region.NumberOfPages = 1000;
  region.ShouldMap = TRUE;
  const PIOMMU_DMA_DOMAIN domain = machine.domain(40, &region);
  auto physical = fake::contiguous(0x1000, 0x300000);
  IOMMU_DMA_LOGICAL_ADDRESS address = 0;
  for (unsigned i = 0; i < 20; ++i) {
    REQUIRE(v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &address) == STATUS_SUCCESS);
  }
  CHECK(machine.frames.in_use() > frames + 20);
  CHECK(v2.DeleteDomain(domain) == STATUS_SUCCESS);
  CHECK(machine.frames.in_use() == frames);
  CHECK(machine.system->domain_count() == 0);
  CHECK(machine.breaches.empty());
}

TEST_CASE("DeleteDomain refuses while a device is attached", "[delete_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  for (const PIOMMU_DMA_DOMAIN domain : {machine.domain(32), machine.pass_through()}) {
    const PIOMMU_DMA_DEVICE nic = machine.device("nic0");
    const PIOMMU_DMA_DEVICE disk = machine.device("disk0");
    REQUIRE(v2.AttachDeviceEx(domain, nic) == STATUS_SUCCESS);
    REQUIRE(v2.AttachDeviceEx(domain, disk) == STATUS_SUCCESS);
    REQUIRE(v2.DetachDeviceEx(nic) == STATUS_SUCCESS);
    const fake::Snapshot before = fake::snapshot(machine);
    CHECK(v2.DeleteDomain(domain) == STATUS_RESOURCE_IN_USE);
    CHECK(fake::snapshot(machine) == before);
    REQUIRE(v2.DetachDeviceEx(disk) == STATUS_SUCCESS);
    CHECK(v2.DeleteDomain(domain) == STATUS_SUCCESS);
  }
  CHECK(machine.host.diagnostics.size() == 2);
  CHECK(machine.host.reported("DeleteDomain", "domain 1: can't be deleted yet: device disk0 is attached") == 1);
  CHECK(machine.host.reported("DeleteDomain", "domain 2: can't be deleted yet: device disk0 is attached") == 1);
}

TEST_CASE("DeleteDomain refuses while a token is alive, mapped or not", "[delete_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const std::size_t frames = machine.frames.in_use();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN first = nullptr;
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN second = nullptr;
  REQUIRE(v2.ReserveLogicalAddressRange(domain, 0x2000, nullptr, nullptr, nullptr, &first) == STATUS_SUCCESS);
  REQUIRE(v2.ReserveLogicalAddressRange(domain, 0x1000, nullptr, nullptr, nullptr, &second) == STATUS_SUCCESS);
  const auto refused = [&] {
    const fake::Snapshot before = fake::snapshot(machine);
    CHECK(v2.DeleteDomain(domain) == STATUS_RESOURCE_IN_USE);
    CHECK(fake::snapshot(machine) == before);
  };
  refused();
  auto physical = fake::contiguous(0x700000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT segment{};
  REQUIRE(v2.MapReservedLogicalRange(first, 0x1000, 3, &physical, &segment) == STATUS_SUCCESS);
  refused();
  REQUIRE(v2.FreeReservedLogicalAddressRange(second) == STATUS_SUCCESS);
  refused();
  REQUIRE(v2.UnmapReservedLogicalRange(&segment) == STATUS_SUCCESS);
  REQUIRE(v2.FreeReservedLogicalAddressRange(first) == STATUS_SUCCESS);
  CHECK(v2.DeleteDomain(domain) == STATUS_SUCCESS);
  CHECK(machine.frames.in_use() == frames);
  CHECK(machine.host.reported("DeleteDomain", "domain 1: can't be deleted yet: 2 reserved ranges are not freed") == 2);
  CHECK(machine.host.reported("DeleteDomain", "domain 1: can't be deleted yet: 1 reserved range is not freed") == 1);
  CHECK(machine.host.diagnostics.size() == 3);
}

TEST_CASE("DeleteDomain gives identity mappings back with the tables", "[delete_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const std::size_t frames = machine.frames.in_use();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(0);
  std::vector<PFN_NUMBER> pages = {0x40000, 0x10, 0x8000000};
  auto physical = fake::pfn_array(pages);
  REQUIRE(v2.MapIdentityRangeEx(domain, 3, &physical) == STATUS_SUCCESS);
  CHECK(machine.frames.in_use() == frames + 9);
  CHECK(v2.DeleteDomain(domain) == STATUS_SUCCESS);
  CHECK(machine.frames.in_use() == frames);
}

TEST_CASE("DeleteDomain recognises handles that are none", "[delete_domain]") {
  fake::Machine machine;
  fake::Machine other;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN foreign = other.domain(32);
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  CHECK(v2.DeleteDomain(nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("DeleteDomain", "domain: parameter 1 is NULL") == 1);
  CHECK(v2.DeleteDomain(reinterpret_cast<PIOMMU_DMA_DOMAIN>(machine.device("nic0"))) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("DeleteDomain", "domain: parameter 1 is no such handle") == 1);
  CHECK(v2.DeleteDomain(foreign) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("DeleteDomain", "domain: parameter 1 is a handle of another system") == 1);
  CHECK(v2.DeleteDomain(domain) == STATUS_SUCCESS);
  CHECK(v2.DeleteDomain(domain) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("DeleteDomain", "domain: parameter 1 was deleted before") == 1);
}

TEST_CASE("A deleted domain is refused by every function that takes one", "[delete_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  REQUIRE(v2.DeleteDomain(domain) == STATUS_SUCCESS);
  auto physical = fake::contiguous(0x1000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS address = 0x77;
  CHECK(v2.AttachDeviceEx(domain, device) == STATUS_INVALID_PARAMETER_1);
  CHECK(v2.MapLogicalRangeEx(domain, 1, &physical, nullptr, nullptr, nullptr, &address) == STATUS_INVALID_PARAMETER_1);
  CHECK(v2.UnmapLogicalRange(domain, 0, 1) == STATUS_INVALID_PARAMETER_1);
  CHECK(v2.MapIdentityRangeEx(domain, 1, &physical) == STATUS_INVALID_PARAMETER_1);
  CHECK(v2.UnmapIdentityRangeEx(domain, &physical) == STATUS_INVALID_PARAMETER_1);
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
  CHECK(v2.ReserveLogicalAddressRange(domain, 0x1000, nullptr, nullptr, nullptr, &token) == STATUS_INVALID_PARAMETER_1);
  CHECK(token == nullptr);
  CHECK(address == 0x77);
  CHECK(machine.host.reported("AttachDeviceEx", "was deleted before") == 1);
  CHECK(machine.host.reported("MapLogicalRangeEx", "was deleted before") == 1);
  CHECK(machine.host.reported("UnmapLogicalRange", "was deleted before") == 1);
  CHECK(machine.host.reported("MapIdentityRangeEx", "was deleted before") == 1);
  CHECK(machine.host.reported("UnmapIdentityRangeEx", "was deleted before") == 1);
  CHECK(machine.host.reported("ReserveLogicalAddressRange", "was deleted before") == 1);
}
