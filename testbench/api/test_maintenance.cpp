// System's maintenance functions: invalidations that no function of the interface asks for.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

using fake::Seen;

TEST_CASE("invalidate_all empties the caches of every unit, context cache first", "[maintenance]") {
  fake::Options options;
  options.units.resize(2);
  fake::Machine machine(options);
  REQUIRE(machine.open() == STATUS_SUCCESS);
  const std::vector<Seen> expected = {{Seen::ContextGlobal, 0, 0, 0, 0, false, false},
                                      {Seen::IotlbGlobal, 0, 0, 0, 0, false, true},
                                      {Seen::Wait, 0, 0, 0, 0, false, false}};
  for (auto& unit : machine.units) unit->seen.clear();
  CHECK(machine.system->invalidate_all() == STATUS_SUCCESS);
  for (auto& unit : machine.units) CHECK(unit->seen == expected);
  machine.units[1]->refuse = [](const Seen& request) { return request.kind != Seen::Wait; };
  CHECK(machine.system->invalidate_all() == STATUS_UNSUCCESSFUL);
}

TEST_CASE("invalidate_device drops the translations of the device's domain on its unit", "[maintenance]") {
  fake::Options options;
  options.units.resize(2);
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  const PIOMMU_DMA_DEVICE nic = machine.device("nic0");
  CHECK(machine.system->invalidate_device(nic) == STATUS_SUCCESS);  // attached to nothing: nothing to do
  REQUIRE(v2.AttachDeviceEx(domain, nic) == STATUS_SUCCESS);
  REQUIRE(v2.AttachDeviceEx(domain, machine.device("eth1")) == STATUS_SUCCESS);
  for (auto& unit : machine.units) unit->seen.clear();
  CHECK(machine.system->invalidate_device(nic) == STATUS_SUCCESS);
  REQUIRE(machine.units[0]->seen.size() == 2);
  const unsigned did = machine.units[0]->context(fake::kNic).did;
  CHECK(machine.units[0]->seen[0] == Seen{Seen::IotlbDomain, did, 0, 0, 0, false, true});
  CHECK(machine.units[1]->seen.empty());
  CHECK(machine.system->invalidate_device(nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(machine.breaches.empty());
}
