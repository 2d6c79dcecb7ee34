// FlushDomainByVaList (sheet 3.9, OP-12, OP-13, OP-31).
//
//   condition                                         status
//   ------------------------------------------------  --------------------------------------------
//   NULL, stale, foreign or made-up handle            STATUS_INVALID_PARAMETER_1, diagnostic
//   as_documented: Translate, PassThrough             STATUS_INVALID_PARAMETER_1; no register touched
//   Number 0                                          STATUS_SUCCESS; no register touched, VaList not read
//   VaList NULL, Number > 0                           STATUS_INVALID_PARAMETER_4
//   up to 64 pages inside the space                   STATUS_SUCCESS; page-selective, IH = LastLevel, pages in a row together
//   more, or some outside; a pass-through domain      STATUS_SUCCESS; one domain-selective invalidation
//   the low 12 bits of an address                     ignored
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

#include <cstring>

namespace {

using Seen = fake::Seen;

/// A domain with pages 0 to 99 mapped to frames 0x1000 and on, all of them cached by nic0.
struct Fixture {
  explicit Fixture(const fake::Options& options = {}) : machine(options), v2(machine.v2()), domain(machine.domain()) {
    if (v2.AttachDeviceEx(domain, machine.device("nic0")) != STATUS_SUCCESS) throw std::runtime_error("attach");
    auto physical = fake::contiguous(0x1000000, 100 * 0x1000);
    IOMMU_DMA_LOGICAL_ADDRESS at = 0;
    IOMMU_DMA_LOGICAL_ADDRESS out = 0;
    if (v2.MapLogicalRangeEx(domain, 3, &physical, &at, nullptr, nullptr, &out) != STATUS_SUCCESS) {
      throw std::runtime_error("map");
    }
    for (std::uint64_t page = 0; page < 100; ++page) (void)cached(page);
    // Behind the interface's back all leaves change.
    for (const auto& [address, value] : machine.memory.contents()) {
      const std::uint64_t frame = value & ~0xFFFull;
      if (frame >= 0x1000000 && frame < 0x1064000) machine.memory.write64(address, value + 0x1000000);
    }
    machine.units[0]->seen.clear();
    did = machine.units[0]->context(fake::kNic).did;
  }
  /// True while the unit answers with the old frame.
  bool cached(std::uint64_t page) { return machine.units[0]->dma(fake::kNic, page << 12, true).physical < 0x2000000; }
  NTSTATUS flush(std::vector<std::uint64_t> list, BOOLEAN last_level = TRUE) {
    return v2.FlushDomainByVaList(domain, last_level, static_cast<ULONG>(list.size()), list.data());
  }
  Seen pages(std::uint64_t first, unsigned am, bool ih) const {
    return {Seen::IotlbPages, did, 0, first << 12, am, ih, true};
  }

  fake::Machine machine;
  const DMA_IOMMU_INTERFACE_V2& v2;
  PIOMMU_DMA_DOMAIN domain;
  unsigned did = 0;
};

}  // namespace

TEST_CASE("FlushDomainByVaList drops the listed pages and no others", "[flush_list]") {
  Fixture f;
  CHECK(f.flush({0x50000, 0x7FFF, 0x51123, 0x50000}) == STATUS_SUCCESS);
  REQUIRE(f.machine.units[0]->seen.size() >= 2);
  CHECK(f.machine.units[0]->seen[0] == f.pages(7, 0, true));
  // Two pages in a row, the first one twice in the list.
  std::vector<Seen> invalidations;
  for (const Seen& seen : f.machine.units[0]->seen) {
    if (seen.kind != Seen::Wait) invalidations.push_back(seen);
  }
  REQUIRE(invalidations.size() == 2);
  CHECK(f.machine.units[0]->seen.size() == 3);  // one wait for both
  CHECK(invalidations[1] == f.pages(0x50, 1, true));
  for (std::uint64_t page = 0; page < 100; ++page) {
    CHECK(f.cached(page) == (page != 7 && page != 0x50 && page != 0x51));
  }
  CHECK(f.machine.breaches.empty());
}

TEST_CASE("FlushDomainByVaList: without LastLevel intermediate entries go, too", "[flush_list]") {
  Fixture f;
  CHECK(f.flush({0x3000}, FALSE) == STATUS_SUCCESS);
  CHECK(f.machine.units[0]->seen.at(0) == f.pages(3, 0, false));
  CHECK_FALSE(f.cached(3));
  CHECK(f.cached(4));
}

TEST_CASE("FlushDomainByVaList falls back to the whole domain", "[flush_list]") {
  std::vector<std::uint64_t> list;
  SECTION("for more than 64 pages") {
    for (std::uint64_t i = 0; i < 65; ++i) list.push_back(i << 12);
  }
  SECTION("for an address outside of the space") { list = {0x1000, 1ull << 60}; }
  Fixture f;
  CHECK(f.flush(list) == STATUS_SUCCESS);
  CHECK(f.machine.units[0]->seen.at(0) == Seen{Seen::IotlbDomain, f.did, 0, 0, 0, false, true});
  for (std::uint64_t page = 0; page < 100; ++page) CHECK_FALSE(f.cached(page));
}

TEST_CASE("FlushDomainByVaList: 64 pages are still flushed page by page", "[flush_list]") {
  Fixture f;
  std::vector<std::uint64_t> list;
  for (std::uint64_t i = 0; i < 64; ++i) list.push_back(i << 12);
  CHECK(f.flush(list) == STATUS_SUCCESS);
  CHECK(f.machine.units[0]->seen.at(0) == f.pages(0, 6, true));
  CHECK_FALSE(f.cached(63));
  CHECK(f.cached(64));
}

TEST_CASE("FlushDomainByVaList: the list may have any alignment", "[flush_list]") {
  Fixture f;
  unsigned char storage[17] = {};
  const std::uint64_t addresses[2] = {0x9000, 0x20000};
  std::memcpy(storage + 1, addresses, sizeof addresses);
  CHECK(f.v2.FlushDomainByVaList(f.domain, TRUE, 2, storage + 1) == STATUS_SUCCESS);
  CHECK_FALSE(f.cached(9));
  CHECK_FALSE(f.cached(0x20));
  CHECK(f.cached(10));
}

TEST_CASE("FlushDomainByVaList: an empty list and none", "[flush_list]") {
  Fixture f;
  const auto accesses = f.machine.units[0]->accesses;
  CHECK(f.v2.FlushDomainByVaList(f.domain, TRUE, 0, nullptr) == STATUS_SUCCESS);
  CHECK(f.v2.FlushDomainByVaList(f.domain, FALSE, 0, reinterpret_cast<PVOID>(std::uintptr_t{8})) == STATUS_SUCCESS);
  CHECK(f.v2.FlushDomainByVaList(f.domain, TRUE, 1, nullptr) == STATUS_INVALID_PARAMETER_4);
  CHECK(f.machine.units[0]->accesses == accesses);
  CHECK(f.machine.host.diagnostics.empty());
}

TEST_CASE("FlushDomainByVaList of a pass-through domain flushes it whole", "[flush_list]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.pass_through();
  REQUIRE(v2.AttachDeviceEx(domain, machine.device("nic0")) == STATUS_SUCCESS);
  machine.units[0]->seen.clear();
  std::uint64_t address = 0x1000;
  CHECK(v2.FlushDomainByVaList(domain, TRUE, 1, &address) == STATUS_SUCCESS);
  CHECK(machine.units[0]->seen.at(0).kind == Seen::IotlbDomain);
  CHECK(machine.host.reported("FlushDomainByVaList", "Windows documents it for domains whose page tables") == 1);
}

TEST_CASE("FlushDomainByVaList as documented refuses domains that the system manages", "[flush_list]") {
  fake::Options options;
  options.policy.profile = iommu::api::Profile::AsDocumented;
  Fixture f(options);
  const auto accesses = f.machine.units[0]->accesses;
  CHECK(f.flush({0x1000}) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.flush({}) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.v2.FlushDomainByVaList(f.domain, TRUE, 1, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.units[0]->accesses == accesses);
  CHECK(f.cached(1));
}

TEST_CASE("FlushDomainByVaList recognises handles that are none", "[flush_list]") {
  Fixture f;
  std::uint64_t address = 0x1000;
  CHECK(f.v2.FlushDomainByVaList(nullptr, TRUE, 1, &address) == STATUS_INVALID_PARAMETER_1);
  CHECK(f.machine.host.reported("FlushDomainByVaList", "parameter 1 is NULL") == 1);
  // Handles come first.
  CHECK(f.v2.FlushDomainByVaList(nullptr, TRUE, 1, nullptr) == STATUS_INVALID_PARAMETER_1);
}
