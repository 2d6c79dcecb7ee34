// UnregisterInterfaceStateChangeCallback (sheet 3.19, OP-26, OP-31).
//
//   condition                                                 status
//   --------------------------------------------------------  ---------------------------------------
//   bad device handle                                         STATUS_INVALID_PARAMETER_2, diagnostic
//   from within a callback                                    STATUS_UNSUCCESSFUL, diagnostic
//   not this callback, or none, is registered for the device  STATUS_UNSUCCESSFUL
//   else                                                      STATUS_SUCCESS, when no call runs any more; none comes
//   DeleteDevice while registered                             STATUS_RESOURCE_IN_USE, diagnostic
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/cooperative_threads.h"
#include "testbench/api/state_change_recorder.h"

namespace {

VOID another_callback(PIOMMU_INTERFACE_STATE_CHANGE, PVOID) {}

}  // namespace

TEST_CASE("UnregisterInterfaceStateChangeCallback ends the calls, queued ones included", "[state_change]") {
  fake::Machine machine;
  fake::StateChangeRecorder recorder(machine);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  REQUIRE(recorder.enroll(device) == STATUS_SUCCESS);
  machine.system->set_opt_in(machine.pdo("nic0"), iommu::api::RemappingOptIn::No);
  CHECK(machine.host.work.size() == 1);
  CHECK(recorder.withdraw(device) == STATUS_SUCCESS);
  machine.host.run_work();
  machine.system->set_opt_in(machine.pdo("nic0"), iommu::api::RemappingOptIn::Yes);
  machine.host.run_work();
  CHECK(recorder.calls.size() == 1);
  CHECK(recorder.withdraw(device) == STATUS_UNSUCCESSFUL);
  CHECK(machine.host.diagnostics.empty());
}

TEST_CASE("UnregisterInterfaceStateChangeCallback: callback and device must match", "[state_change]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  fake::StateChangeRecorder recorder(machine);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const PIOMMU_DMA_DEVICE second = machine.device("nic0");
  CHECK(recorder.withdraw(device) == STATUS_UNSUCCESSFUL);
  REQUIRE(recorder.enroll(device) == STATUS_SUCCESS);
  CHECK(v2.UnregisterInterfaceStateChangeCallback(another_callback, device) == STATUS_UNSUCCESSFUL);
  CHECK(v2.UnregisterInterfaceStateChangeCallback(nullptr, device) == STATUS_UNSUCCESSFUL);
  CHECK(recorder.withdraw(second) == STATUS_UNSUCCESSFUL);
  CHECK(recorder.withdraw(nullptr) == STATUS_INVALID_PARAMETER_2);
  CHECK(machine.host.reported("UnregisterInterfaceStateChangeCallback", "device: parameter 2 is NULL") == 1);
  machine.system->set_opt_in(machine.pdo("nic0"), iommu::api::RemappingOptIn::No);
  machine.host.run_work();
  CHECK(recorder.calls.size() == 2);
  CHECK(recorder.withdraw(device) == STATUS_SUCCESS);
}

TEST_CASE("UnregisterInterfaceStateChangeCallback waits for a call that runs", "[state_change]") {
  const unsigned seed = GENERATE(1u, 2u, 3u, 4u, 5u);
  INFO("seed " << seed);
  fake::Machine machine;
  fake::StateChangeRecorder recorder(machine);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  REQUIRE(recorder.enroll(device) == STATUS_SUCCESS);
  recorder.then = [&] {
    for (unsigned i = 0; i < 10; ++i) machine.host.relax();
  };
  fake::Threads threads(seed);
  machine.host.threads = &threads;
  unsigned running_after = 1;
  threads.run({[&] {
                 machine.system->set_opt_in(machine.pdo("nic0"), iommu::api::RemappingOptIn::No);
                 machine.host.run_work();
               },
               [&] {
                 while (recorder.running == 0) machine.host.relax();
                 CHECK(recorder.withdraw(device) == STATUS_SUCCESS);
                 running_after = recorder.running;
               }});
  machine.host.threads = nullptr;
  CHECK(running_after == 0);
  CHECK(recorder.calls.size() == 2);
}

TEST_CASE("UnregisterInterfaceStateChangeCallback is owed before DeleteDevice", "[state_change]") {
  fake::Machine machine;
  fake::StateChangeRecorder recorder(machine);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  REQUIRE(recorder.enroll(device) == STATUS_SUCCESS);
  CHECK(machine.v2().DeleteDevice(device) == STATUS_RESOURCE_IN_USE);
  CHECK(machine.host.reported("DeleteDevice", "device nic0: its state-change callback is still registered") == 1);
  CHECK(machine.system->device_count() == 1);
  machine.system->report_leftovers();
  CHECK(machine.host.reported("teardown", "device nic0: was not deleted, and its state-change callback") == 1);
  CHECK(recorder.withdraw(device) == STATUS_SUCCESS);
  CHECK(machine.v2().DeleteDevice(device) == STATUS_SUCCESS);
}
