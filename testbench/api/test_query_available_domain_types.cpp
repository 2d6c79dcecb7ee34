// QueryAvailableDomainTypes (sheet 3.17, OP-27, OP-31). No status: what is written.
//
//   condition                                     *AvailableDomains
//   --------------------------------------------  -----------------------------
//   AvailableDomains NULL                         (returns)
//   bad handle                                    0, diagnostic
//   unit without pass-through                     0x1 (Translate)
//   unit with pass-through                        0x3 (Translate, PassThrough)
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

TEST_CASE("QueryAvailableDomainTypes tells Translate and PassThrough", "[query_domain_types]") {
  fake::Options options;
  fake::UnitOptions without;
  without.pt = false;
  options.units = {fake::UnitOptions{}, without};
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  ULONG types = 0xFFFFFFFF;
  v2.QueryAvailableDomainTypes(machine.device("nic0"), &types);
  CHECK(types == 0x3);
  v2.QueryAvailableDomainTypes(machine.device("eth1"), &types);
  CHECK(types == 0x1);
  CHECK(machine.host.diagnostics.empty());
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
}
