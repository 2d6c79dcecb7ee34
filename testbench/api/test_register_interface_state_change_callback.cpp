// RegisterInterfaceStateChangeCallback (sheet 3.18, OP-11, OP-25, OP-31).
//
//   condition                                              status
//   -----------------------------------------------------  ---------------------------------------
//   callback NULL                                          STATUS_INVALID_PARAMETER_1, diagnostic
//   bad device handle                                      STATUS_INVALID_PARAMETER_3, diagnostic
//   StateFields NULL, or no known field in it              STATUS_INVALID_PARAMETER_4
//   from within a callback                                 STATUS_UNSUCCESSFUL, diagnostic
//   the device has a callback                              STATUS_UNSUCCESSFUL
//   else                                                   STATUS_SUCCESS, after the first call of the callback
//   any failure                                            no call
//   later, at each change of the device's mask             a call on the passive-level worker, in order
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/cooperative_threads.h"
#include "testbench/api/state_change_recorder.h"

namespace {

using iommu::api::EnumerationPolicy;

fake::Options guarded() {
  fake::Options options;
  options.policy.dma_guard.enabled = true;
  options.policy.dma_guard.policy = EnumerationPolicy::BlockUntilUnlock;
  return options;
}

}  // namespace

TEST_CASE("RegisterInterfaceStateChangeCallback calls at once, with the state of now", "[state_change]") {
  fake::Machine machine(guarded());
  machine.system->set_external(machine.pdo("nic0"), true);
  machine.system->set_screen_locked(true);
  fake::StateChangeRecorder recorder(machine);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const auto accesses = machine.units[0]->accesses;
  // Fields that nobody knows are ignored.
  CHECK(recorder.enroll(device, 0xFFFFFFFF) == STATUS_SUCCESS);
  REQUIRE(recorder.calls.size() == 1);
  CHECK(recorder.calls[0].present_fields == 1);
  CHECK(recorder.calls[0].types == 0x1);
  CHECK(machine.host.work.empty());
  CHECK(machine.units[0]->accesses == accesses);
  CHECK(machine.host.diagnostics.empty());
}

TEST_CASE("RegisterInterfaceStateChangeCallback: each change of the mask is told, in order", "[state_change]") {
  fake::Machine machine(guarded());
  fake::StateChangeRecorder recorder(machine);
  REQUIRE(recorder.enroll(machine.device("nic0")) == STATUS_SUCCESS);
  recorder.calls.clear();
  machine.system->set_screen_locked(true);  // an internal device: nothing changes
  CHECK(machine.host.work.empty());
  machine.system->set_external(machine.pdo("nic0"), true);
  machine.system->set_screen_locked(false);
  machine.system->set_screen_locked(false);
  machine.system->set_opt_in(machine.pdo("nic0"), iommu::api::RemappingOptIn::No);
  machine.system->set_opt_in(machine.pdo("disk0"), iommu::api::RemappingOptIn::No);
  CHECK(recorder.calls.empty());  // not on the thread that changes the state
  machine.host.run_work();
  REQUIRE(recorder.calls.size() == 3);
  CHECK(recorder.calls[0].types == 0x1);
  CHECK(recorder.calls[1].types == 0x3);
  CHECK(recorder.calls[2].types == 0x2);
  for (const auto& call : recorder.calls) CHECK(call.present_fields == 1);
}

TEST_CASE("RegisterInterfaceStateChangeCallback: devices and tokens have callbacks of their own", "[state_change]") {
  fake::Machine machine(guarded());
  fake::StateChangeRecorder first(machine);
  fake::StateChangeRecorder second(machine);
  fake::StateChangeRecorder third(machine);
  REQUIRE(first.enroll(machine.device("nic0")) == STATUS_SUCCESS);
  REQUIRE(second.enroll(machine.device("nic0")) == STATUS_SUCCESS);
  REQUIRE(third.enroll(machine.device("disk0")) == STATUS_SUCCESS);
  machine.system->set_opt_in(machine.pdo("nic0"), iommu::api::RemappingOptIn::No);
  machine.host.run_work();
  CHECK(first.calls.size() == 2);
  CHECK(second.calls.size() == 2);
  CHECK(third.calls.size() == 1);
}

TEST_CASE("RegisterInterfaceStateChangeCallback: the callback may call the interface", "[state_change]") {
  fake::Machine machine(guarded());
  const auto& v2 = machine.v2();
  fake::StateChangeRecorder recorder(machine);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const PIOMMU_DMA_DOMAIN domain = machine.domain(32);
  recorder.then = [&] {
    ULONG types = 0;
    v2.QueryAvailableDomainTypes(device, &types);
    CHECK(types == recorder.calls.back().types);
    if (recorder.calls.size() == 1) CHECK(v2.AttachDeviceEx(domain, device) == STATUS_SUCCESS);
    if (recorder.calls.size() == 2) CHECK(v2.DetachDeviceEx(device) == STATUS_SUCCESS);
  };
  CHECK(recorder.enroll(device) == STATUS_SUCCESS);
  machine.system->set_opt_in(machine.pdo("nic0"), iommu::api::RemappingOptIn::No);
  machine.host.run_work();
  CHECK(recorder.calls.size() == 2);
  // The callback's own lock, and none that anybody else could want.
  for (const auto& call : recorder.calls) CHECK(call.locks_held == 1);
  CHECK(machine.host.diagnostics.empty());
}

TEST_CASE("RegisterInterfaceStateChangeCallback: no Register or Unregister from within", "[state_change]") {
  fake::Machine machine(guarded());
  fake::StateChangeRecorder recorder(machine);
  fake::StateChangeRecorder other(machine);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const PIOMMU_DMA_DEVICE disk = machine.device("disk0");
  recorder.then = [&] {
    CHECK(other.enroll(disk) == STATUS_UNSUCCESSFUL);
    CHECK(recorder.withdraw(device) == STATUS_UNSUCCESSFUL);
  };
  CHECK(recorder.enroll(device) == STATUS_SUCCESS);
  CHECK(other.calls.empty());
  CHECK(machine.host.reported("RegisterInterfaceStateChangeCallback",
                              "device disk0: is called from within a state-change callback") == 1);
  CHECK(machine.host.reported("UnregisterInterfaceStateChangeCallback",
                              "device nic0: is called from within a state-change callback") == 1);
  recorder.then = nullptr;
  CHECK(other.enroll(disk) == STATUS_SUCCESS);
  CHECK(recorder.withdraw(device) == STATUS_SUCCESS);
}

TEST_CASE("RegisterInterfaceStateChangeCallback: one callback for each token", "[state_change]") {
  fake::Machine machine;
  fake::StateChangeRecorder first(machine);
  fake::StateChangeRecorder second(machine);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  REQUIRE(first.enroll(device) == STATUS_SUCCESS);
  CHECK(second.enroll(device) == STATUS_UNSUCCESSFUL);
  CHECK(first.enroll(device) == STATUS_UNSUCCESSFUL);
  CHECK(first.calls.size() == 1);
  CHECK(second.calls.empty());
  REQUIRE(first.withdraw(device) == STATUS_SUCCESS);
  CHECK(second.enroll(device) == STATUS_SUCCESS);
}

TEST_CASE("RegisterInterfaceStateChangeCallback: bad arguments, in order, make no call", "[state_change]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  fake::StateChangeRecorder recorder(machine);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  const PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK callback = &fake::StateChangeRecorder::callback;
  IOMMU_INTERFACE_STATE_CHANGE_FIELDS none{};
  CHECK(v2.RegisterInterfaceStateChangeCallback(nullptr, &recorder, nullptr, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(v2.RegisterInterfaceStateChangeCallback(callback, &recorder, nullptr, nullptr) == STATUS_INVALID_PARAMETER_3);
  CHECK(v2.RegisterInterfaceStateChangeCallback(callback, &recorder, device, nullptr) == STATUS_INVALID_PARAMETER_4);
  CHECK(v2.RegisterInterfaceStateChangeCallback(callback, &recorder, device, &none) == STATUS_INVALID_PARAMETER_4);
  CHECK(recorder.enroll(device, 0xFFFFFFFE) == STATUS_INVALID_PARAMETER_4);
  REQUIRE(recorder.enroll(device) == STATUS_SUCCESS);
  CHECK(recorder.enroll(device, 0xFFFFFFFE) == STATUS_INVALID_PARAMETER_4);
  CHECK(recorder.calls.size() == 1);
  CHECK(machine.host.reported("RegisterInterfaceStateChangeCallback", "callback: parameter 1 is NULL") == 1);
  CHECK(machine.host.reported("RegisterInterfaceStateChangeCallback", "device: parameter 3 is NULL") == 1);
}

TEST_CASE("RegisterInterfaceStateChangeCallback: a change during the first call comes after it", "[state_change]") {
  const unsigned seed = GENERATE(1u, 2u, 3u, 4u, 5u);
  INFO("seed " << seed);
  fake::Machine machine(guarded());
  fake::StateChangeRecorder recorder(machine);
  const PIOMMU_DMA_DEVICE device = machine.device("nic0");
  bool first_is_over = false;
  bool overtaken = false;
  recorder.then = [&] {
    if (recorder.calls.size() > 1) {
      overtaken = overtaken || !first_is_over;
      return;
    }
    for (unsigned i = 0; i < 10; ++i) machine.host.relax();
    first_is_over = true;
  };
  fake::Threads threads(seed);
  machine.host.threads = &threads;
  threads.run({[&] { CHECK(recorder.enroll(device) == STATUS_SUCCESS); },
               [&] {
                 while (recorder.calls.empty()) machine.host.relax();
                 machine.system->set_opt_in(machine.pdo("nic0"), iommu::api::RemappingOptIn::No);
                 machine.host.run_work();
               }});
  machine.host.threads = nullptr;
  CHECK_FALSE(overtaken);
  REQUIRE(recorder.calls.size() == 2);
  CHECK(recorder.calls[0].types == 0x3);
  CHECK(recorder.calls[1].types == 0x2);
  CHECK(recorder.calls[0].thread != recorder.calls[1].thread);
}
