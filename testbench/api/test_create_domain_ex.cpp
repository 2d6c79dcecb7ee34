// CreateDomainEx (sheet 3.4, 3.1 items 3 to 6, OP-3, OP-4, OP-5, OP-7, OP-19, OP-33).
//
//   condition                                                          status
//   -----------------------------------------------------------------  -----------------------------------
//   DomainType >= DomainTypeMax                                        STATUS_INVALID_PARAMETER_1
//   Flags not zero                                                     STATUS_INVALID_PARAMETER_2
//   allocator type >= Max, AddressWidth < 13 or > 63,                  STATUS_INVALID_PARAMETER_3
//     allocator for a domain that is not Translate
//   regions unaligned, empty, overflowing, overlapping, in a circle,   STATUS_INVALID_PARAMETER_4
//     above the address width, identity-mapped above the physical one
//   DomainOut NULL                                                     STATUS_INVALID_PARAMETER_5, diagnostic
//   Unmanaged, TranslateS1; PassThrough where no unit has it           STATUS_NOT_SUPPORTED
//   no frame for a table; as many domains as there may be              STATUS_INSUFFICIENT_RESOURCES
//   several errors                                                     the first one of this table
//   any failure                                                        *DomainOut = NULL, nothing else changed
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <iterator>

#include "testbench/api/fake_machine.h"

namespace {

IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG buddy(ULONG width) {
  IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG config{};
  config.LogicalAllocatorType = IommuDmaLogicalAllocatorBuddy;
  config.BuddyAllocatorConfig.AddressWidth = width;
  return config;
}

IOMMU_DMA_RESERVED_REGION region(std::uint64_t base, std::uint64_t pages, bool map,
                                 IOMMU_DMA_RESERVED_REGION* next = nullptr) {
  IOMMU_DMA_RESERVED_REGION result{};
  result.RegionNext = next;
  result.Base = base;
  result.NumberOfPages = pages;
  result.ShouldMap = map ? TRUE : FALSE;
  return result;
}

/// A call that must fail with `status` and change nothing.
void refused(fake::Machine& machine, NTSTATUS status, IOMMU_DMA_DOMAIN_TYPE type, std::uint64_t flag_bits,
             IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG* config, IOMMU_DMA_RESERVED_REGION* regions) {
  const auto& v2 = machine.v2();
  const fake::Snapshot before = fake::snapshot(machine);
  IOMMU_DMA_DOMAIN_CREATION_FLAGS flags{};
  flags.AsUlonglong = flag_bits;
  PIOMMU_DMA_DOMAIN domain = reinterpret_cast<PIOMMU_DMA_DOMAIN>(std::uintptr_t{0x55});
  CHECK(v2.CreateDomainEx(type, flags, config, regions, &domain) == status);
  CHECK(domain == nullptr);
  CHECK(fake::snapshot(machine) == before);
}

}  // namespace

TEST_CASE("CreateDomainEx: domain types", "[create_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  PIOMMU_DMA_DOMAIN translate = nullptr;
  PIOMMU_DMA_DOMAIN pass_through = nullptr;
  CHECK(v2.CreateDomainEx(DomainTypeTranslate, {}, nullptr, nullptr, &translate) == STATUS_SUCCESS);
  CHECK(v2.CreateDomainEx(DomainTypePassThrough, {}, nullptr, nullptr, &pass_through) == STATUS_SUCCESS);
  CHECK(translate != nullptr);
  CHECK(pass_through != nullptr);
  CHECK(translate != pass_through);
  refused(machine, STATUS_NOT_SUPPORTED, DomainTypeUnmanaged, 0, nullptr, nullptr);
  refused(machine, STATUS_NOT_SUPPORTED, DomainTypeTranslateS1, 0, nullptr, nullptr);
  refused(machine, STATUS_INVALID_PARAMETER_1, DomainTypeMax, 0, nullptr, nullptr);
  refused(machine, STATUS_INVALID_PARAMETER_1, static_cast<IOMMU_DMA_DOMAIN_TYPE>(-1), 0, nullptr, nullptr);
  refused(machine, STATUS_INVALID_PARAMETER_1, static_cast<IOMMU_DMA_DOMAIN_TYPE>(0x7FFFFFFF), 0, nullptr, nullptr);
  CHECK(machine.system->domain_count() == 2);
  CHECK(machine.breaches.empty());
}

TEST_CASE("CreateDomainEx: PassThrough is not supported where no unit has it", "[create_domain]") {
  fake::Options options;
  options.units[0].pt = false;
  fake::Machine machine(options);
  refused(machine, STATUS_NOT_SUPPORTED, DomainTypePassThrough, 0, nullptr, nullptr);
}

TEST_CASE("CreateDomainEx: flags must be zero", "[create_domain]") {
  fake::Machine machine;
  refused(machine, STATUS_INVALID_PARAMETER_2, DomainTypeTranslate, 1, nullptr, nullptr);
  refused(machine, STATUS_INVALID_PARAMETER_2, DomainTypeTranslate, 0x8000000000000000, nullptr, nullptr);
}

TEST_CASE("CreateDomainEx: allocator configurations", "[create_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  for (const ULONG width : {0u, 12u, 64u, 0xFFFFFFFFu}) {
    auto config = buddy(width);
    refused(machine, STATUS_INVALID_PARAMETER_3, DomainTypeTranslate, 0, &config, nullptr);
  }
  auto config = buddy(32);
  for (const int type : {2, 3, -1}) {
    config.LogicalAllocatorType = static_cast<IOMMU_DMA_LOGICAL_ALLOCATOR_TYPE>(type);
    refused(machine, STATUS_INVALID_PARAMETER_3, DomainTypeTranslate, 0, &config, nullptr);
  }
  config = buddy(32);
  refused(machine, STATUS_INVALID_PARAMETER_3, DomainTypePassThrough, 0, &config, nullptr);
  refused(machine, STATUS_INVALID_PARAMETER_3, DomainTypeUnmanaged, 0, &config, nullptr);
  for (const ULONG width : {13u, 32u, 63u}) {
    config = buddy(width);
    PIOMMU_DMA_DOMAIN domain = nullptr;
    CHECK(v2.CreateDomainEx(DomainTypeTranslate, {}, &config, nullptr, &domain) == STATUS_SUCCESS);
  }
  // Type None is no allocator, whatever the width says, and is fine for PassThrough.
  config = buddy(99);
  config.LogicalAllocatorType = IommuDmaLogicalAllocatorNone;
  PIOMMU_DMA_DOMAIN domain = nullptr;
  CHECK(v2.CreateDomainEx(DomainTypePassThrough, {}, &config, nullptr, &domain) == STATUS_SUCCESS);
}

TEST_CASE("CreateDomainEx: wrong reserved regions", "[create_domain]") {
  fake::Machine machine;
  auto config = buddy(32);
  const auto wrong = [&](IOMMU_DMA_RESERVED_REGION* regions, IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG* allocator) {
    refused(machine, STATUS_INVALID_PARAMETER_4, DomainTypeTranslate, 0, allocator, regions);
  };
  auto bad = region(0x1800, 1, true);
  wrong(&bad, &config);
  bad = region(0x1000, 0, true);
  wrong(&bad, &config);
  bad = region(0x1000, 0xFFFFFFFFFFFFF, false);  // ends at 2^64 + ...
  wrong(&bad, &config);
  bad = region(0xFFFFFFFFFFFFF000, 2, false);
  wrong(&bad, &config);
  bad = region(0xFFFFF000, 2, false);  // crosses 2^32
  wrong(&bad, &config);
  bad = region(1ull << 48, 1, false);  // beyond MGAW
  wrong(&bad, nullptr);
  bad = region(1ull << 46, 1, true);  // beyond the physical width
  wrong(&bad, nullptr);
  // Overlaps: equal, head, tail, inside.
  for (const auto& [base, pages] :
       {std::pair<std::uint64_t, std::uint64_t>{0x10000, 4}, {0xF000, 2}, {0x13000, 9}, {0x11000, 1}}) {
    auto second = region(base, pages, false);
    auto first = region(0x10000, 4, true, &second);
    wrong(&first, &config);
  }
  // A circle.
  auto a = region(0x10000, 1, false);
  auto b = region(0x20000, 1, false, &a);
  a.RegionNext = &b;
  wrong(&a, &config);
  // Also where regions are otherwise ignored.
  bad = region(0x1800, 1, true);
  refused(machine, STATUS_INVALID_PARAMETER_4, DomainTypePassThrough, 0, nullptr, &bad);
  refused(machine, STATUS_INVALID_PARAMETER_4, DomainTypeUnmanaged, 0, nullptr, &bad);
}

TEST_CASE("CreateDomainEx: no place for the handle", "[create_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const fake::Snapshot before = fake::snapshot(machine);
  CHECK(v2.CreateDomainEx(DomainTypeTranslate, {}, nullptr, nullptr, nullptr) == STATUS_INVALID_PARAMETER_5);
  CHECK(machine.host.reported("CreateDomainEx", "parameter 5 is NULL") == 1);
  CHECK(fake::snapshot(machine) == before);
}

TEST_CASE("CreateDomainEx: checks come in the order of the parameters", "[create_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  machine.frames.budget = 0;
  auto bad_config = buddy(5);
  auto good_config = buddy(32);
  auto bad_region = region(0x1800, 1, true);
  IOMMU_DMA_DOMAIN_CREATION_FLAGS flags{};
  flags.AsUlonglong = 4;
  PIOMMU_DMA_DOMAIN domain = nullptr;
  CHECK(v2.CreateDomainEx(DomainTypeMax, flags, &bad_config, &bad_region, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(v2.CreateDomainEx(DomainTypeUnmanaged, flags, &bad_config, &bad_region, nullptr) == STATUS_INVALID_PARAMETER_2);
  CHECK(v2.CreateDomainEx(DomainTypeUnmanaged, {}, &bad_config, &bad_region, nullptr) == STATUS_INVALID_PARAMETER_3);
  CHECK(v2.CreateDomainEx(DomainTypeUnmanaged, {}, nullptr, &bad_region, nullptr) == STATUS_INVALID_PARAMETER_4);
  CHECK(v2.CreateDomainEx(DomainTypeUnmanaged, {}, nullptr, nullptr, nullptr) == STATUS_INVALID_PARAMETER_5);
  CHECK(v2.CreateDomainEx(DomainTypeUnmanaged, {}, nullptr, nullptr, &domain) == STATUS_NOT_SUPPORTED);
  CHECK(v2.CreateDomainEx(DomainTypeTranslate, {}, &good_config, nullptr, &domain) == STATUS_INSUFFICIENT_RESOURCES);
}

TEST_CASE("CreateDomainEx: mapped reserved regions are identity-mapped read and write", "[create_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  auto unmapped = region(0x7000, 2, false);
  auto mapped = region(0x80005000, 3, true, &unmapped);
  const PIOMMU_DMA_DOMAIN domain = machine.domain(0, &mapped);
  REQUIRE(v2.AttachDeviceEx(domain, machine.device("nic0")) == STATUS_SUCCESS);
  const auto& unit = *machine.units[0];
  for (std::uint64_t page = 0x80005000; page < 0x80008000; page += 0x1000) {
    CHECK(unit.walk(fake::kNic, page + 0x123, false).physical == page + 0x123);
    CHECK(unit.walk(fake::kNic, page + 0x456, true).physical == page + 0x456);
  }
  CHECK(unit.walk(fake::kNic, 0x80004FFF, false) == "not mapped");
  CHECK(unit.walk(fake::kNic, 0x80008000, false) == "not mapped");
  CHECK(unit.walk(fake::kNic, 0x7000, false) == "not mapped");
  CHECK(machine.breaches.empty());
}

TEST_CASE("CreateDomainEx copies the configuration and the regions", "[create_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  auto mapped = region(0x5000, 1, true);
  auto config = buddy(20);
  PIOMMU_DMA_DOMAIN domain = nullptr;
  REQUIRE(v2.CreateDomainEx(DomainTypeTranslate, {}, &config, &mapped, &domain) == STATUS_SUCCESS);
  mapped = region(0x1801, 0, false, reinterpret_cast<IOMMU_DMA_RESERVED_REGION*>(std::uintptr_t{8}));
  config = buddy(1);
  auto physical = fake::contiguous(0x100000, 0x1000);
  IOMMU_DMA_LOGICAL_ADDRESS address = 0;
  for (unsigned i = 0; i < 255; ++i) {
    REQUIRE(v2.MapLogicalRangeEx(domain, IOMMU_ACCESS_READ, &physical, nullptr, nullptr, nullptr, &address) ==
            STATUS_SUCCESS);
    CHECK(address != 0x5000);
    CHECK(address < 1ull << 20);
  }
  CHECK(v2.MapLogicalRangeEx(domain, IOMMU_ACCESS_READ, &physical, nullptr, nullptr, nullptr, &address) ==
        STATUS_INSUFFICIENT_RESOURCES);
}

TEST_CASE("CreateDomainEx: the allocator keeps out of regions and of what hardware does not translate",
          "[create_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  // All of 4 GiB below the interrupt range and above it is reserved, except for some pages.
  auto above = region(0xFEF00000, 0x1100 - 2, false);
  auto middle = region(0x80000000, 0x7EE00 - 1, false, &above);
  auto below = region(0, 0x80000, false, &middle);
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32, &below);
  auto physical = fake::contiguous(0x100000, 0x1000);
  std::vector<std::uint64_t> got;
  IOMMU_DMA_LOGICAL_ADDRESS address = 0;
  while (v2.MapLogicalRangeEx(domain, 3, &physical, nullptr, nullptr, nullptr, &address) == STATUS_SUCCESS) {
    got.push_back(address);
  }
  CHECK(got == std::vector<std::uint64_t>{0xFEDFF000, 0xFFFFE000, 0xFFFFF000});
}

TEST_CASE("CreateDomainEx: a region may cover the interrupt range", "[create_domain]") {
  fake::Machine machine;
  auto whole = region(0xFEE00000, 0x100, true);
  machine.domain(32, &whole);
  auto part = region(0xFEDF0000, 0x20, false);
  machine.domain(32, &part);
  CHECK(machine.system->domain_count() == 2);
}

TEST_CASE("CreateDomainEx takes the shallowest table that covers the width", "[create_domain]") {
  // AW codes of sheet 2.2: 1 = 39 bits, 2 = 48 bits, 3 = 57 bits.
  fake::Options options;
  options.units[0].sagaw = 0xE;
  options.units[0].mgaw_bits = 57;
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const std::pair<unsigned, unsigned> expected[] = {{13, 1}, {39, 1}, {40, 2}, {48, 2}, {49, 3}, {63, 3}, {0, 3}};
  for (const auto& [width, aw] : expected) {
    const PIOMMU_DMA_DOMAIN domain = machine.domain(width);
    REQUIRE(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
    CHECK(machine.units[0]->context(fake::kNic).aw == aw);
    REQUIRE(v2.DetachDeviceEx(device) == STATUS_SUCCESS);
  }
  CHECK(machine.breaches.empty());
}

TEST_CASE("CreateDomainEx: the space ends where hardware and policy end", "[create_domain]") {
  // Only 3 levels: 39 bits. MGAW 48 does not help.
  fake::Options options;
  options.units[0].sagaw = 0x2;
  fake::Machine machine(options);
  auto last = region((1ull << 39) - 0x1000, 1, false);
  machine.domain(48, &last);
  auto beyond = region(1ull << 39, 1, false);
  auto config = buddy(48);
  refused(machine, STATUS_INVALID_PARAMETER_4, DomainTypeTranslate, 0, &config, &beyond);

  fake::Options policy;
  policy.policy.max_logical_width_bits = 30;
  fake::Machine bounded(policy);
  auto high = region(1ull << 30, 1, false);
  refused(bounded, STATUS_INVALID_PARAMETER_4, DomainTypeTranslate, 0, &config, &high);
  refused(bounded, STATUS_INVALID_PARAMETER_4, DomainTypeTranslate, 0, nullptr, &high);
}

TEST_CASE("CreateDomainEx fails at every frame that is missing, without a trace", "[create_domain]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  auto second = region(0x7FC0000000, 2, true);
  auto first = region(0x40001000, 5, true, &second);
  // 39 bits of table cover both: root, and two tables for each of two far regions.
  std::uint64_t needed = 0;
  for (bool made = false; !made; ++needed) {
    machine.frames.budget = needed;
    const fake::Snapshot before = fake::snapshot(machine);
    auto config = buddy(39);
    PIOMMU_DMA_DOMAIN domain = reinterpret_cast<PIOMMU_DMA_DOMAIN>(std::uintptr_t{0x55});
    const NTSTATUS status = v2.CreateDomainEx(DomainTypeTranslate, {}, &config, &first, &domain);
    made = status == STATUS_SUCCESS;
    if (made) continue;
    CHECK(status == STATUS_INSUFFICIENT_RESOURCES);
    CHECK(domain == nullptr);
    CHECK(machine.frames.in_use() == before.frames);
    CHECK(machine.system->domain_count() == 0);
  }
  CHECK(needed == 6);  // budgets 0 to 4 were too small
  CHECK(machine.breaches.empty());
}

TEST_CASE("CreateDomainEx: more domains than there may be", "[create_domain]") {
  fake::Options options;
  options.policy.max_domains = 1;
  fake::Machine machine(options);
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  auto config = buddy(32);
  refused(machine, STATUS_INSUFFICIENT_RESOURCES, DomainTypeTranslate, 0, &config, nullptr);
  CHECK(machine.v2().DeleteDomain(domain) == STATUS_SUCCESS);
  machine.domain(32);
}
