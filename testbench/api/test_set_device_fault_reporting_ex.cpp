// SetDeviceFaultReportingEx (sheet 3.15, 3.24, OP-22, OP-23, OP-31; vtd sheet 1.6, 1.7, 6).
//
// | condition, in this order                                        | status                     | source      |
// |-----------------------------------------------------------------|----------------------------|-------------|
// | profile as_documented, whatever the arguments                   | STATUS_NOT_IMPLEMENTED     | 3.15        |
// | DmaDevice is no handle                                          | STATUS_INVALID_PARAMETER_1 | OP-31       |
// | the device is not attached, or through another token            | STATUS_INVALID_PARAMETER_1 | OP-22       |
// | InputMappingIdBase is not 0                                     | STATUS_INVALID_PARAMETER_2 | OP-22       |
// | Enable is not FALSE, and FaultConfig or its handler is NULL     | STATUS_INVALID_PARAMETER_4 | OP-22       |
// | Enable is not FALSE, and the unit has no fault interrupt        | STATUS_NOT_SUPPORTED       | OP-22       |
// | else: disabling what is off, enabling what is on                | STATUS_SUCCESS             | OP-22       |
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <algorithm>
#include <cctype>
#include <random>

#include "testbench/api/cooperative_threads.h"
#include "testbench/api/fake_machine.h"

namespace {

/// A driver that writes down what its handler is told.
struct Driver {
  explicit Driver(fake::Machine& its_machine) : machine(its_machine) {}
  fake::Machine& machine;
  std::vector<FAULT_INFORMATION> faults;
  std::vector<fake::Host::Level> levels;
  unsigned most_locks = 0;
  std::function<void()> also;  ///< done within the handler

  static void handle(PVOID context, PFAULT_INFORMATION information) {
    auto& self = *static_cast<Driver*>(context);
    self.faults.push_back(*information);
    self.levels.push_back(self.machine.host.level);
    self.most_locks = std::max(self.most_locks, self.machine.host.locks_held);
    if (self.also) self.also();
  }
  DEVICE_FAULT_CONFIGURATION config{&Driver::handle, this};
};

/// nic0 in a domain with a page 0x10000 for reading and writing, and reporting on.
struct Ready {
  explicit Ready(const fake::Options& options = {}) : machine(options), driver(machine) {
    device = machine.device("nic0");
    domain = machine.domain();
    attach();
    map(0x10000, 3);
  }
  void attach() {
    if (v2.AttachDeviceEx(domain, device) != STATUS_SUCCESS) throw std::runtime_error("AttachDeviceEx failed");
  }
  void map(IOMMU_DMA_LOGICAL_ADDRESS at, ULONG permissions) {
    auto physical = fake::contiguous(0x5000, 0x1000);
    IOMMU_DMA_LOGICAL_ADDRESS out = 0;
    if (v2.MapLogicalRangeEx(domain, permissions, &physical, &at, nullptr, nullptr, &out) != STATUS_SUCCESS) {
      throw std::runtime_error("MapLogicalRangeEx failed");
    }
  }
  NTSTATUS enable() { return v2.SetDeviceFaultReportingEx(device, 0, TRUE, &driver.config); }
  NTSTATUS disable() { return v2.SetDeviceFaultReportingEx(device, 0, FALSE, nullptr); }

  fake::Machine machine;
  Driver driver;
  const DMA_IOMMU_INTERFACE_V2& v2 = machine.v2();
  fake::Unit& unit = *machine.units[0];
  PIOMMU_DMA_DEVICE device = nullptr;
  PIOMMU_DMA_DOMAIN domain = nullptr;
};

/// The sum of the numbers at the beginning of the diagnostics that contain `text`.
std::uint64_t counted(const fake::Machine& machine, const std::string& text) {
  std::uint64_t sum = 0;
  for (const auto& diagnostic : machine.host.diagnostics) {
    if (diagnostic.message.find(text) != std::string::npos) sum += std::stoull(diagnostic.message);
  }
  return sum;
}

std::uint64_t address_of(const FAULT_INFORMATION& information) {
  return reinterpret_cast<std::uint64_t>(information.X64.FaultAddress);
}

}  // namespace

// ---- Statuses ---------------------------------------------------------------------------------------------------

TEST_CASE("SetDeviceFaultReportingEx is not implemented, as documented", "[faults]") {
  fake::Options options;
  options.policy.profile = iommu::api::Profile::AsDocumented;
  Ready r(options);
  const auto accesses = r.unit.accesses;
  CHECK(r.enable() == STATUS_NOT_IMPLEMENTED);
  CHECK(r.disable() == STATUS_NOT_IMPLEMENTED);
  CHECK(r.v2.SetDeviceFaultReportingEx(r.device, 0, TRUE, nullptr) == STATUS_NOT_IMPLEMENTED);
  CHECK(r.v2.SetDeviceFaultReportingEx(r.device, 1, TRUE, &r.driver.config) == STATUS_NOT_IMPLEMENTED);
  CHECK(r.v2.SetDeviceFaultReportingEx(nullptr, 0, TRUE, &r.driver.config) == STATUS_NOT_IMPLEMENTED);
  CHECK(r.unit.accesses == accesses);
  CHECK(r.unit.fectl == 0x80000000);
  CHECK(r.machine.host.diagnostics.empty());
  CHECK(r.unit.dma(fake::kNic, 0x20000, true) == "not mapped");
  r.machine.settle();
  CHECK(r.driver.faults.empty());
}

TEST_CASE("SetDeviceFaultReportingEx recognises handles that are none", "[faults]") {
  Ready r;
  const PIOMMU_DMA_DEVICE gone = r.machine.device("disk0");
  REQUIRE(r.v2.DeleteDevice(gone) == STATUS_SUCCESS);
  CHECK(r.v2.SetDeviceFaultReportingEx(nullptr, 0, TRUE, &r.driver.config) == STATUS_INVALID_PARAMETER_1);
  CHECK(r.machine.host.reported("SetDeviceFaultReportingEx", "device: parameter 1 is NULL") == 1);
  CHECK(r.v2.SetDeviceFaultReportingEx(gone, 0, FALSE, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(r.machine.host.reported("SetDeviceFaultReportingEx", "device: parameter 1 was deleted before") == 1);
}

TEST_CASE("SetDeviceFaultReportingEx wants the device attached through this token", "[faults]") {
  Ready r;
  const PIOMMU_DMA_DEVICE other = r.machine.device("nic0");
  const PIOMMU_DMA_DEVICE disk = r.machine.device("disk0");
  for (const PIOMMU_DMA_DEVICE device : {other, disk}) {
    CHECK(r.v2.SetDeviceFaultReportingEx(device, 0, TRUE, &r.driver.config) == STATUS_INVALID_PARAMETER_1);
    CHECK(r.v2.SetDeviceFaultReportingEx(device, 0, FALSE, nullptr) == STATUS_INVALID_PARAMETER_1);
  }
  CHECK(r.machine.host.diagnostics.empty());
  CHECK(r.enable() == STATUS_SUCCESS);
}

TEST_CASE("SetDeviceFaultReportingEx refuses wrong parameters, in their order, and changes nothing", "[faults]") {
  Ready r;
  const fake::Snapshot before = fake::snapshot(r.machine);
  const auto accesses = r.unit.accesses;
  DEVICE_FAULT_CONFIGURATION no_handler{nullptr, &r};
  const PIOMMU_DMA_DEVICE disk = r.machine.device("disk0");
  // Each line has every later mistake as well.
  CHECK(r.v2.SetDeviceFaultReportingEx(nullptr, 1, TRUE, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(r.v2.SetDeviceFaultReportingEx(disk, 1, TRUE, nullptr) == STATUS_INVALID_PARAMETER_1);
  CHECK(r.v2.SetDeviceFaultReportingEx(r.device, 1, TRUE, nullptr) == STATUS_INVALID_PARAMETER_2);
  CHECK(r.v2.SetDeviceFaultReportingEx(r.device, 1, FALSE, nullptr) == STATUS_INVALID_PARAMETER_2);
  CHECK(r.v2.SetDeviceFaultReportingEx(r.device, 0, TRUE, nullptr) == STATUS_INVALID_PARAMETER_4);
  CHECK(r.v2.SetDeviceFaultReportingEx(r.device, 0, TRUE, &no_handler) == STATUS_INVALID_PARAMETER_4);
  CHECK(r.v2.SetDeviceFaultReportingEx(r.device, 0, 0x80, &no_handler) == STATUS_INVALID_PARAMETER_4);
  REQUIRE(r.v2.DeleteDevice(disk) == STATUS_SUCCESS);
  CHECK(fake::snapshot(r.machine) == before);
  CHECK(r.unit.accesses == accesses);
  CHECK(r.v2.SetDeviceFaultReportingEx(r.device, 0, FALSE, &no_handler) == STATUS_SUCCESS);
  CHECK(r.unit.accesses == accesses);
}

TEST_CASE("SetDeviceFaultReportingEx needs a unit with a fault interrupt", "[faults]") {
  fake::Options options;
  options.fault_interrupts = false;
  Ready r(options);
  const auto accesses = r.unit.accesses;
  CHECK(r.v2.SetDeviceFaultReportingEx(r.device, 0, TRUE, nullptr) == STATUS_INVALID_PARAMETER_4);
  CHECK(r.enable() == STATUS_NOT_SUPPORTED);
  CHECK(r.enable() == STATUS_NOT_SUPPORTED);
  CHECK(r.disable() == STATUS_SUCCESS);
  CHECK(r.unit.accesses == accesses);
}

// ---- Hardware ---------------------------------------------------------------------------------------------------

TEST_CASE("Reporting is on in the unit while a device behind it has a handler", "[faults]") {
  Ready r;
  Driver disk_driver(r.machine);
  const PIOMMU_DMA_DEVICE disk = r.machine.device("disk0");
  REQUIRE(r.v2.AttachDeviceEx(r.domain, disk) == STATUS_SUCCESS);
  CHECK(r.unit.fectl == 0x80000000);
  CHECK(r.unit.feaddr == 0);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  CHECK(r.unit.fectl == 0);
  CHECK(r.unit.fedata == 0x30);
  CHECK(r.unit.feaddr == 0xFEE00000);
  const auto accesses = r.unit.accesses;
  REQUIRE(r.v2.SetDeviceFaultReportingEx(disk, 0, TRUE, &disk_driver.config) == STATUS_SUCCESS);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  REQUIRE(r.disable() == STATUS_SUCCESS);
  REQUIRE(r.disable() == STATUS_SUCCESS);
  CHECK(r.unit.accesses == accesses);
  REQUIRE(r.v2.SetDeviceFaultReportingEx(disk, 0, FALSE, nullptr) == STATUS_SUCCESS);
  CHECK(r.unit.fectl == 0x80000000);
  CHECK(r.machine.breaches == fake::Breaches{});
}

TEST_CASE("A blocked access reaches the handler as a FAULT_INFORMATION, at passive level", "[faults]") {
  Ready r;
  REQUIRE(r.enable() == STATUS_SUCCESS);
  CHECK(r.unit.dma(fake::kNic, 0x34567, true) == "not mapped");
  CHECK(r.unit.messages_sent == 1);
  CHECK(r.unit.fsts() == 0x2);
  r.machine.run_interrupts();
  CHECK(r.unit.fsts() == 0);
  CHECK(r.unit.records_in_use() == 0);
  CHECK(r.driver.faults.empty());
  r.machine.host.run_work();
  REQUIRE(r.driver.faults.size() == 1);
  const FAULT_INFORMATION& information = r.driver.faults[0];
  CHECK(information.Type == FaultInformationX64);
  CHECK(information.IsStage1 == FALSE);
  CHECK(information.X64.DomainHandle == r.domain);
  CHECK(address_of(information) == 0x34000);
  CHECK(information.X64.Flags.FaultAddressValid == 1);
  CHECK(information.X64.Flags.Reserved == 0);
  CHECK(information.X64.Type == TranslationFault);
  CHECK(information.X64.IommuBaseAddress == 0xFED90000);
  CHECK(information.X64.PciSegment == 0);
  CHECK(r.driver.levels[0] == fake::Host::Passive);
  CHECK(r.driver.most_locks == 1);  // the device's own, which orders the calls
  CHECK(r.machine.host.locks_held == 0);
  CHECK(r.unit.dma(fake::kNic, 0x10000, true).ok);
  r.machine.settle();
  CHECK(r.driver.faults.size() == 1);
  CHECK(r.machine.breaches == fake::Breaches{});
}

TEST_CASE("Faults of the second unit name it, and its device", "[faults]") {
  fake::Options options;
  options.units.resize(2);
  Ready r(options);
  Driver eth_driver(r.machine);
  const PIOMMU_DMA_DEVICE eth = r.machine.device("eth1");
  REQUIRE(r.v2.AttachDeviceEx(r.domain, eth) == STATUS_SUCCESS);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  REQUIRE(r.v2.SetDeviceFaultReportingEx(eth, 0, TRUE, &eth_driver.config) == STATUS_SUCCESS);
  CHECK(r.machine.units[1]->fedata == 0x31);
  // nic0 and eth1 have one requester id.
  CHECK(r.machine.units[1]->dma(fake::kNic, 0xABC000, false) == "not mapped");
  r.machine.settle();
  CHECK(r.driver.faults.empty());
  REQUIRE(eth_driver.faults.size() == 1);
  CHECK(address_of(eth_driver.faults[0]) == 0xABC000);
  CHECK(eth_driver.faults[0].X64.IommuBaseAddress == 0xFED91000);
  CHECK(eth_driver.faults[0].X64.PciSegment == 1);
}

TEST_CASE("An alias of the device counts as the device", "[faults]") {
  Ready r;
  Driver gpu_driver(r.machine);
  const PIOMMU_DMA_DEVICE gpu = r.machine.device("gpu0");
  REQUIRE(r.v2.AttachDeviceEx(r.domain, gpu) == STATUS_SUCCESS);
  REQUIRE(r.v2.SetDeviceFaultReportingEx(gpu, 0, TRUE, &gpu_driver.config) == STATUS_SUCCESS);
  CHECK_FALSE(r.unit.dma(fake::kGpu, 0x20000, true).ok);
  CHECK_FALSE(r.unit.dma(fake::kGpuAlias, 0x21000, true).ok);
  r.machine.settle();
  REQUIRE(gpu_driver.faults.size() == 2);
  CHECK(address_of(gpu_driver.faults[1]) == 0x21000);
}

TEST_CASE("The type follows from the hardware's reason", "[faults]") {
  struct Row {
    unsigned reason;
    FAULT_INFORMATION_X64_TYPE type;
  };
  // vtd sheet 6.2, sheet 3.24.
  const Row rows[] = {{0x01, TranslationFault},
                      {0x02, TranslationFault},
                      {0x03, UnsupportedUpstreamTransaction},
                      {0x04, AddressSizeFault},
                      {0x05, TranslationFault},
                      {0x06, TranslationFault},
                      {0x07, ExternalFault},
                      {0x08, ExternalFault},
                      {0x09, ExternalFault},
                      {0x0A, UnsupportedUpstreamTransaction},
                      {0x0B, UnsupportedUpstreamTransaction},
                      {0x0C, UnsupportedUpstreamTransaction},
                      {0x0D, UnsupportedUpstreamTransaction},
                      {0x0E, UnsupportedUpstreamTransaction},
                      {0x30, UnsupportedUpstreamTransaction},
                      {0xFF, UnsupportedUpstreamTransaction}};
  Ready r;
  REQUIRE(r.enable() == STATUS_SUCCESS);
  for (const Row& row : rows) {
    INFO("reason " << row.reason);
    r.driver.faults.clear();
    r.unit.record(fake::kNic, 0xFFFFF00000020FFF, true, row.reason);
    r.machine.settle();
    REQUIRE(r.driver.faults.size() == 1);
    CHECK(r.driver.faults[0].X64.Type == row.type);
    CHECK(r.driver.faults[0].X64.Flags.FaultAddressValid == 1);
    CHECK(address_of(r.driver.faults[0]) == 0xFFFFF00000020000);
    CHECK(r.driver.faults[0].IsStage1 == FALSE);
  }
  // What the unit records of an access to the interrupt range is undefined.
  r.driver.faults.clear();
  CHECK(r.unit.dma(fake::kNic, 0xFEE00000, false) == "interrupt range");
  r.machine.settle();
  REQUIRE(r.driver.faults.size() == 1);
  CHECK(r.driver.faults[0].X64.Type == UnsupportedUpstreamTransaction);
  CHECK(r.driver.faults[0].X64.Flags.FaultAddressValid == 0);
  CHECK(r.driver.faults[0].X64.FaultAddress == nullptr);
}

TEST_CASE("What a page lacks tells permission from translation", "[faults]") {
  Ready r;
  REQUIRE(r.enable() == STATUS_SUCCESS);
  r.map(0x20000, IOMMU_ACCESS_READ);
  r.map(0x21000, IOMMU_ACCESS_WRITE);
  r.map(0x22000, IOMMU_ACCESS_NONE);
  const auto type = [&](std::uint64_t address, bool write) {
    r.driver.faults.clear();
    CHECK_FALSE(r.unit.dma(fake::kNic, address, write).ok);
    r.machine.settle();
    REQUIRE(r.driver.faults.size() == 1);
    CHECK(address_of(r.driver.faults[0]) == (address & ~0xFFFull));
    return r.driver.faults[0].X64.Type;
  };
  CHECK(type(0x20008, true) == PermissionFault);
  CHECK(type(0x21FF0, false) == PermissionFault);
  CHECK(type(0x22000, false) == PermissionFault);
  CHECK(type(0x22000, true) == PermissionFault);
  CHECK(type(0x23000, true) == TranslationFault);
  CHECK(type(0x40000000, false) == TranslationFault);
  CHECK(type(std::uint64_t{1} << 48, false) == AddressSizeFault);
  // What counts is the moment of handling.
  r.driver.faults.clear();
  CHECK(r.unit.dma(fake::kNic, 0x20000, true) == "no write permission");
  r.machine.run_interrupts();
  REQUIRE(r.v2.UnmapLogicalRange(r.domain, 0x20000, 1) == STATUS_SUCCESS);
  r.machine.settle();
  REQUIRE(r.driver.faults.size() == 1);
  CHECK(r.driver.faults[0].X64.Type == TranslationFault);
  CHECK(r.machine.breaches == fake::Breaches{});
}

TEST_CASE("Large pages count as mapped, too", "[faults]") {
  Ready r;
  REQUIRE(r.enable() == STATUS_SUCCESS);
  auto physical = fake::contiguous(0x40000000, 0x40000000);
  IOMMU_DMA_LOGICAL_ADDRESS at = 0x80000000, out = 0;
  REQUIRE(r.v2.MapLogicalRangeEx(r.domain, IOMMU_ACCESS_READ, &physical, &at, nullptr, nullptr, &out) ==
          STATUS_SUCCESS);
  CHECK(r.unit.dma(fake::kNic, 0x9ABCDEF0, true) == "no write permission");
  r.machine.settle();
  REQUIRE(r.driver.faults.size() == 1);
  CHECK(r.driver.faults[0].X64.Type == PermissionFault);
}

TEST_CASE("A device in a PassThrough domain reports, too", "[faults]") {
  Ready r;
  REQUIRE(r.v2.DetachDeviceEx(r.device) == STATUS_SUCCESS);
  const PIOMMU_DMA_DOMAIN pass_through = r.machine.pass_through();
  REQUIRE(r.v2.AttachDeviceEx(pass_through, r.device) == STATUS_SUCCESS);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  r.unit.record(fake::kNic, 0x5000, true, 0x05);
  r.machine.settle();
  REQUIRE(r.driver.faults.size() == 1);
  CHECK(r.driver.faults[0].X64.DomainHandle == pass_through);
  CHECK(r.driver.faults[0].X64.Type == TranslationFault);
}

// ---- Switching --------------------------------------------------------------------------------------------------

TEST_CASE("Enabling again replaces handler and context", "[faults]") {
  Ready r;
  Driver second(r.machine);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  r.machine.run_interrupts();
  REQUIRE(r.v2.SetDeviceFaultReportingEx(r.device, 0, TRUE, &second.config) == STATUS_SUCCESS);
  second.config = {};  // the driver's structure is copied
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x21000, true).ok);
  r.machine.settle();
  CHECK(r.driver.faults.empty());
  CHECK(second.faults.size() == 2);
  CHECK(r.machine.host.diagnostics.empty());
}

TEST_CASE("After disabling nothing arrives, and what waited is counted", "[faults]") {
  Ready r;
  REQUIRE(r.enable() == STATUS_SUCCESS);
  for (unsigned i = 0; i < 3; ++i) CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  r.machine.run_interrupts();
  REQUIRE(r.disable() == STATUS_SUCCESS);
  r.machine.settle();
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  r.machine.settle();
  CHECK(r.driver.faults.empty());
  CHECK(r.unit.messages_sent == 1);
  REQUIRE(r.machine.host.diagnostics.size() == 1);
  CHECK(r.machine.host.reported("fault reporting", "device nic0: 3 further faults were not delivered") == 1);
  // Again: first comes what the unit recorded meanwhile, when nobody handled it.
  REQUIRE(r.enable() == STATUS_SUCCESS);
  CHECK(r.unit.records_in_use() == 0);
  CHECK(r.unit.fectl == 0);
  r.machine.settle();
  CHECK(r.driver.faults.empty());
  CHECK(r.machine.host.reported("fault reporting",
                                "device nic0: a write to 0x20000 was blocked (reason 0x5) and nobody handles its "
                                "faults: Windows would stop with bug check 0xE6") == 1);
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  r.machine.settle();
  CHECK(r.driver.faults.size() == 1);
  CHECK(r.machine.breaches == fake::Breaches{});
}

TEST_CASE("DetachDeviceEx switches reporting off", "[faults]") {
  Ready r;
  REQUIRE(r.enable() == STATUS_SUCCESS);
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  r.machine.run_interrupts();
  CHECK(r.v2.DeleteDevice(r.device) == STATUS_RESOURCE_IN_USE);
  REQUIRE(r.v2.DetachDeviceEx(r.device) == STATUS_SUCCESS);
  CHECK(r.unit.fectl == 0x80000000);
  CHECK(r.disable() == STATUS_INVALID_PARAMETER_1);
  CHECK(r.machine.host.reported("fault reporting", "device nic0: 1 further fault was not delivered") == 1);
  r.attach();
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  r.machine.settle();
  CHECK(r.driver.faults.empty());
  REQUIRE(r.v2.DetachDeviceEx(r.device) == STATUS_SUCCESS);
  CHECK(r.v2.DeleteDevice(r.device) == STATUS_SUCCESS);
  CHECK(r.v2.DeleteDomain(r.domain) == STATUS_SUCCESS);
  r.machine.settle();
  CHECK(r.machine.breaches == fake::Breaches{});
}

TEST_CASE("A handler may call the interface", "[faults]") {
  Ready r;
  REQUIRE(r.enable() == STATUS_SUCCESS);
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  r.driver.also = [&] {
    CHECK(r.v2.UnmapLogicalRange(r.domain, 0x10000, 1) == STATUS_SUCCESS);
    r.map(0x20000, 3);
    CHECK(r.enable() == STATUS_SUCCESS);
    CHECK(r.disable() == STATUS_SUCCESS);
    CHECK(r.enable() == STATUS_SUCCESS);
    CHECK(r.v2.DetachDeviceEx(r.device) == STATUS_SUCCESS);
    CHECK(r.v2.DeleteDevice(r.device) == STATUS_SUCCESS);
    CHECK(r.v2.DeleteDomain(r.domain) == STATUS_SUCCESS);
  };
  r.machine.settle();
  CHECK(r.driver.faults.size() == 1);
  CHECK(r.machine.host.reported("fault reporting", "device nic0: 1 further fault was not delivered") == 1);
  CHECK(r.unit.fectl == 0x80000000);
  CHECK(r.machine.host.locks_held == 0);
  CHECK(r.machine.breaches == fake::Breaches{});
}

TEST_CASE("Disabling, replacing and detaching wait for a handler that runs", "[faults]") {
  for (const unsigned way : {0u, 1u, 2u}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      INFO("way " << way << " seed " << seed);
      Ready r;
      Driver second(r.machine);
      REQUIRE(r.enable() == STATUS_SUCCESS);
      CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
      CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
      r.machine.run_interrupts();
      fake::Threads threads(seed);
      bool inside = false;
      bool returned = false;
      bool too_early = false;
      r.driver.also = [&] {
        inside = true;
        for (unsigned i = 0; i < 50; ++i) {
          threads.yield();
          too_early = too_early || returned;
        }
        inside = false;
      };
      r.machine.host.threads = &threads;
      NTSTATUS status = STATUS_UNSUCCESSFUL;
      std::size_t calls = 0;
      threads.run({[&] { r.machine.host.run_work(); },
                   [&] {
                     while (!inside) threads.yield();
                     status = way == 0   ? r.disable()
                              : way == 1 ? r.v2.SetDeviceFaultReportingEx(r.device, 0, TRUE, &second.config)
                                         : r.v2.DetachDeviceEx(r.device);
                     returned = true;
                     too_early = too_early || inside;
                     calls = r.driver.faults.size();
                   }});
      r.machine.host.threads = nullptr;
      r.machine.settle();
      CHECK(status == STATUS_SUCCESS);
      CHECK_FALSE(too_early);
      CHECK(calls == 1);
      CHECK(r.driver.faults.size() == 1);
      CHECK(second.faults.size() == (way == 1 ? 1 : 0));
      CHECK(r.machine.host.locks_held == 0);
      CHECK(r.machine.breaches == fake::Breaches{});
    }
  }
}

TEST_CASE("Calls for one device at the same time are named and take effect in turn", "[faults]") {
  Ready r;
  r.unit.latency = 10;
  fake::Threads threads(3);
  r.machine.host.threads = &threads;
  bool detaching = false;
  r.machine.host.on_relax.emplace_back([&] { detaching = true; });
  NTSTATUS detached = STATUS_UNSUCCESSFUL;
  NTSTATUS enabled = STATUS_SUCCESS;
  threads.run({[&] { detached = r.v2.DetachDeviceEx(r.device); },
               [&] {
                 while (!detaching) threads.yield();
                 enabled = r.enable();
               }});
  r.machine.host.threads = nullptr;
  CHECK(detached == STATUS_SUCCESS);
  CHECK(enabled == STATUS_INVALID_PARAMETER_1);
  CHECK(r.machine.host.reported("SetDeviceFaultReportingEx",
                                "device nic0: is called while DetachDeviceEx runs for the same device") == 1);
}

TEST_CASE("A domain may go while the type of a fault is found out", "[faults]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    Ready r;
    REQUIRE(r.enable() == STATUS_SUCCESS);
    CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
    r.machine.run_interrupts();
    fake::Threads threads(seed);
    r.machine.host.threads = &threads;
    std::vector<NTSTATUS> statuses;
    threads.run({[&] {
                   // Holds the domain's lock for a while, so that the work item has to wait for it.
                   auto physical = fake::contiguous(0x5000, 0x8000);
                   IOMMU_DMA_LOGICAL_ADDRESS at = 0x80000, out = 0;
                   statuses.push_back(r.v2.MapLogicalRangeEx(r.domain, 3, &physical, &at, nullptr, nullptr, &out));
                   statuses.push_back(r.v2.DetachDeviceEx(r.device));
                   statuses.push_back(r.v2.DeleteDomain(r.domain));
                 },
                 [&] { r.machine.host.run_work(); }});
    r.machine.host.threads = nullptr;
    r.machine.settle();
    CHECK(statuses == std::vector<NTSTATUS>(3, STATUS_SUCCESS));
    CHECK(r.driver.faults.size() + counted(r.machine, "not delivered") == 1);
    CHECK(r.machine.host.locks_held == 0);
    CHECK(r.machine.breaches == fake::Breaches{});
  }
}

// ---- Many faults ------------------------------------------------------------------------------------------------

TEST_CASE("A device's queue is bounded, and each burst that it could not take is reported once", "[faults]") {
  fake::Options options;
  options.units[0].fault_records = 256;
  Ready r(options);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  for (const unsigned burst : {16u, 17u, 53u}) {
    r.driver.faults.clear();
    r.machine.host.diagnostics.clear();
    for (unsigned i = 0; i < burst; ++i) CHECK_FALSE(r.unit.dma(fake::kNic, 0x100000 + 0x1000 * i, true).ok);
    r.machine.run_interrupts();
    CHECK(r.unit.records_in_use() == 0);
    r.machine.host.run_work();
    REQUIRE(r.driver.faults.size() == 16);
    for (unsigned i = 0; i < 16; ++i) CHECK(address_of(r.driver.faults[i]) == 0x100000 + 0x1000 * i);
    CHECK(r.machine.host.diagnostics.size() == (burst == 16 ? 0 : 1));
    CHECK(counted(r.machine, "not delivered") == burst - 16);
  }
  CHECK(r.machine.host.reported("fault reporting", "device nic0: 37 further faults were not delivered") == 1);
  CHECK(r.machine.breaches == fake::Breaches{});
}

TEST_CASE("The depth of the queue is a policy", "[faults]") {
  fake::Options options;
  options.policy.fault_queue_depth = 1;
  Ready r(options);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  for (unsigned i = 0; i < 3; ++i) CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  r.machine.settle();
  CHECK(r.driver.faults.size() == 1);
  CHECK(counted(r.machine, "not delivered") == 2);
  options.policy.fault_queue_depth = 0;
  CHECK_THROWS_AS(fake::Machine(options), std::invalid_argument);
}

TEST_CASE("Faults that the unit had no room for are reported", "[faults]") {
  Ready r;
  REQUIRE(r.enable() == STATUS_SUCCESS);
  for (unsigned i = 0; i < 7; ++i) CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  CHECK(r.unit.fsts() == 0x3);
  r.machine.settle();
  CHECK(r.driver.faults.size() == 4);
  CHECK(r.unit.fsts() == 0);
  CHECK(r.machine.host.reported("fault reporting",
                                "unit iommu0: its fault records overflowed 1 time: an unknown number "
                                "of faults was not recorded") == 1);
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x30000, true).ok);
  r.machine.settle();
  REQUIRE(r.driver.faults.size() == 5);
  CHECK(address_of(r.driver.faults[4]) == 0x30000);
  CHECK(r.machine.host.diagnostics.size() == 1);
}

TEST_CASE("One interrupt takes 64 records, work at passive level takes the rest and unmasks", "[faults]") {
  fake::Options options;
  options.units[0].fault_records = 256;
  options.policy.fault_queue_depth = 1000;
  Ready r(options);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  for (unsigned i = 0; i < 200; ++i) CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000 + 0x1000 * i, true).ok);
  r.machine.run_interrupts();
  CHECK(r.unit.records_in_use() == 136);
  CHECK(r.unit.fectl == 0x80000000);
  // The device's delivery was queued first, the unit's work second: they take turns.
  REQUIRE(r.machine.host.run_work_item());
  CHECK(r.driver.faults.size() == 1);
  REQUIRE(r.machine.host.run_work_item());
  CHECK(r.unit.records_in_use() == 72);
  CHECK(r.unit.fectl == 0x80000000);
  REQUIRE(r.machine.host.run_work_item());
  CHECK(r.driver.faults.size() == 2);
  r.machine.settle();
  CHECK(r.unit.fectl == 0);
  CHECK(r.unit.fsts() == 0);
  REQUIRE(r.driver.faults.size() == 200);
  for (unsigned i = 0; i < 200; ++i) CHECK(address_of(r.driver.faults[i]) == 0x20000 + 0x1000 * i);
  CHECK(r.unit.messages_sent == 1);
  CHECK(r.machine.breaches == fake::Breaches{});
}

TEST_CASE("A fault just before unmasking, and its interrupt before the access ends, are not lost", "[faults]") {
  fake::Options options;
  options.units[0].fault_records = 256;
  options.policy.fault_queue_depth = 1000;
  Ready r(options);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  for (unsigned i = 0; i < 100; ++i) CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  unsigned unmasked = 0;
  r.unit.around_unmask = [&](bool after) {
    if (!after) CHECK_FALSE(r.unit.dma(fake::kNic, 0x21000, true).ok);
    if (after) CHECK(r.machine.run_interrupts());
    if (after) ++unmasked;
  };
  r.machine.settle();
  CHECK(unmasked == 1);
  CHECK(r.driver.faults.size() == 101);
  CHECK(r.unit.fsts() == 0);
  CHECK(r.unit.fectl == 0);
}

TEST_CASE("In a storm each fault is delivered, counted, or part of a reported overflow", "[faults]") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    for (const unsigned records : {1u, 4u, 256u}) {
      INFO("seed " << seed << ", " << records << " records");
      constexpr unsigned kFaults = 2000;
      fake::Options options;
      options.units[0].fault_records = records;
      Ready r(options);
      Driver disk_driver(r.machine);
      const PIOMMU_DMA_DEVICE disk = r.machine.device("disk0");
      REQUIRE(r.v2.AttachDeviceEx(r.domain, disk) == STATUS_SUCCESS);
      REQUIRE(r.enable() == STATUS_SUCCESS);
      REQUIRE(r.v2.SetDeviceFaultReportingEx(disk, 0, TRUE, &disk_driver.config) == STATUS_SUCCESS);
      fake::Threads threads(seed);
      std::mt19937_64 random(seed);
      std::vector<std::uint64_t> addresses;
      bool over = false;
      r.machine.host.threads = &threads;
      const auto busy = [&] {
        return !over || !r.unit.messages.empty() || !r.machine.host.work.empty() || r.unit.fsts() != 0;
      };
      threads.run({[&] {
                     for (unsigned i = 0; i < kFaults; ++i) {
                       const bool of_nic = random() % 2 != 0;
                       (void)r.unit.dma(of_nic ? fake::kNic : fake::kDisk, 0x100000 + 0x1000 * i, random() % 2 != 0);
                       if (random() % 8 == 0) threads.yield();
                     }
                     over = true;
                   },
                   [&] {
                     while (busy()) {
                       (void)r.machine.run_interrupts();
                       threads.yield();
                     }
                   },
                   [&] {
                     while (busy()) {
                       (void)r.machine.host.run_work_item();
                       threads.yield();
                     }
                   }});
      r.machine.host.threads = nullptr;
      r.machine.settle();
      CHECK(r.unit.faults_recorded + r.unit.faults_dropped == kFaults);
      const std::size_t delivered = r.driver.faults.size() + disk_driver.faults.size();
      CHECK(delivered + counted(r.machine, "not delivered") == r.unit.faults_recorded);
      CHECK((r.unit.faults_dropped != 0) == (r.machine.host.reported("fault reporting", "overflowed") != 0));
      CHECK(r.unit.fsts() == 0);
      CHECK(r.unit.fectl == 0);
      for (const Driver* driver : {&r.driver, &disk_driver}) {
        for (std::size_t i = 1; i < driver->faults.size(); ++i) {
          if (address_of(driver->faults[i]) <= address_of(driver->faults[i - 1])) FAIL("faults are out of order");
        }
      }
      // And the next one comes as ever.
      r.driver.faults.clear();
      CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
      r.machine.settle();
      REQUIRE(r.driver.faults.size() == 1);
      CHECK(address_of(r.driver.faults[0]) == 0x20000);
      CHECK(r.machine.breaches == fake::Breaches{});
    }
  }
}

TEST_CASE("Reporting goes on and off in the middle of a storm", "[faults]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    fake::Options options;
    options.units[0].fault_records = 256;
    Ready r(options);
    fake::Threads threads(seed);
    bool over = false;
    std::vector<NTSTATUS> failures;
    unsigned late = 0;
    bool on = false;
    r.driver.also = [&] { late += on ? 0 : 1; };
    r.machine.host.threads = &threads;
    threads.run({[&] {
                   for (unsigned burst = 1; !over; burst = burst * 5 % 97) {
                     for (unsigned i = 0; i < burst; ++i) (void)r.unit.dma(fake::kNic, 0x20000, true);
                     for (unsigned i = 0; i < 3 * burst; ++i) threads.yield();
                   }
                 },
                 [&] {
                   while (!over) {
                     (void)r.machine.run_interrupts();
                     threads.yield();
                   }
                 },
                 [&] {
                   while (!over) {
                     (void)r.machine.host.run_work_item();
                     threads.yield();
                   }
                 },
                 [&] {
                   for (unsigned i = 0; i < 20; ++i) {
                     on = true;
                     if (const NTSTATUS status = r.enable(); status != STATUS_SUCCESS) failures.push_back(status);
                     for (std::uint64_t n = (37 * seed + 53 * i) % 400; n-- > 0;) threads.yield();
                     if (const NTSTATUS status = r.disable(); status != STATUS_SUCCESS) failures.push_back(status);
                     on = false;
                     for (unsigned n = 0; n < 20; ++n) threads.yield();
                     if (r.unit.fectl >> 31 == 0) failures.push_back(STATUS_UNSUCCESSFUL);
                   }
                   over = true;
                 }});
    r.machine.host.threads = nullptr;
    r.machine.settle();
    CHECK(failures.empty());
    CHECK(late == 0);
    CHECK(r.enable() == STATUS_SUCCESS);
    r.machine.settle();
    r.driver.faults.clear();
    CHECK_FALSE(r.unit.dma(fake::kNic, 0x30000, true).ok);
    r.machine.settle();
    CHECK(r.driver.faults.size() == 1);
    CHECK(r.machine.host.locks_held == 0);
    CHECK(r.machine.breaches == fake::Breaches{});
  }
}

TEST_CASE("A queue error that keeps faults from raising the event loses none", "[faults]") {
  Ready r;
  REQUIRE(r.enable() == STATUS_SUCCESS);
  bool refused = false;
  r.unit.refuse = [&](const fake::Seen& request) {
    return request.kind == fake::Seen::IotlbPages && !std::exchange(refused, true);
  };
  // While FSTS.IQE is set a fault comes, and the interrupt of the error itself is handled.
  unsigned faults = 0;
  r.machine.host.on_relax.emplace_back([&] {
    if ((r.unit.fsts() & 0x10) == 0 || faults != 0) return;
    ++faults;
    (void)r.machine.run_interrupts();
    (void)r.unit.dma(fake::kNic, 0x20000, true);
  });
  REQUIRE(r.v2.UnmapLogicalRange(r.domain, 0x10000, 1) == STATUS_SUCCESS);
  CHECK(faults == 1);
  r.machine.settle();
  CHECK(r.driver.faults.size() == 1);
  CHECK(r.unit.fsts() == 0);
  CHECK(r.unit.fectl == 0);
  CHECK(r.machine.breaches == fake::Breaches{});
}

TEST_CASE("A unit that was given up ends fault handling", "[faults]") {
  fake::Options options;
  options.policy.poll_limit = 100;
  Ready r(options);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  r.unit.deaf = true;
  CHECK(r.v2.UnmapLogicalRange(r.domain, 0x10000, 1) == STATUS_UNSUCCESSFUL);
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  r.machine.settle();
  CHECK(r.disable() == STATUS_SUCCESS);
  CHECK(r.enable() == STATUS_UNSUCCESSFUL);
}

// ---- Nobody's faults --------------------------------------------------------------------------------------------

TEST_CASE("Faults of devices without a handler are cleared and reported once each", "[faults]") {
  Ready r;
  const PIOMMU_DMA_DEVICE disk = r.machine.device("disk0");
  REQUIRE(r.v2.AttachDeviceEx(r.domain, disk) == STATUS_SUCCESS);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  for (unsigned i = 0; i < 3; ++i) {
    CHECK_FALSE(r.unit.dma(fake::kDisk, 0x20000, false).ok);
    CHECK_FALSE(r.unit.dma(fake::kGpu, 0x20000, false).ok);
    r.machine.settle();
    CHECK(r.unit.records_in_use() == 0);
  }
  CHECK(r.driver.faults.empty());
  CHECK(r.machine.host.reported("fault reporting",
                                "device disk0: a read from 0x20000 was blocked (reason 0x6) and nobody handles its "
                                "faults: Windows would stop with bug check 0xE6") == 1);
  CHECK(r.machine.host.reported("fault reporting", "device gpu0: a read from 0x20000 was blocked (reason 0x1)") == 1);
  CHECK(r.machine.host.diagnostics.size() == 2);
}

TEST_CASE("Faults of unknown requesters are cleared and reported once each", "[faults]") {
  Ready r;
  REQUIRE(r.enable() == STATUS_SUCCESS);
  for (unsigned i = 0; i < 2; ++i) {
    CHECK_FALSE(r.unit.dma(0x00FB, 0x20000, true).ok);
    CHECK_FALSE(r.unit.dma(0x8100, 0x20000, true).ok);
    r.machine.settle();
    CHECK(r.unit.records_in_use() == 0);
  }
  CHECK(r.machine.host.reported("fault reporting",
                                "unit iommu0: a write to 0x20000 was blocked (reason 0x2) of requester 00:1f.3, which "
                                "belongs to no known device") == 1);
  CHECK(r.machine.host.reported("fault reporting", "81:00.0") == 1);
  CHECK(r.machine.host.diagnostics.size() == 2);
}

TEST_CASE("What the unit recorded before reporting was on does not stay in the way", "[faults]") {
  Ready r;
  for (unsigned i = 0; i < 10; ++i) CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  CHECK(r.unit.messages_sent == 0);
  CHECK(r.unit.fectl == 0xC0000000);
  REQUIRE(r.enable() == STATUS_SUCCESS);
  CHECK(r.unit.fsts() == 0);
  CHECK(r.unit.fectl == 0);
  CHECK(r.machine.host.reported("fault reporting", "device nic0: a write to 0x20000 was blocked") == 1);
  CHECK(r.machine.host.reported("fault reporting", "unit iommu0: its fault records overflowed") == 1);
  r.machine.settle();
  CHECK(r.driver.faults.empty());
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  r.machine.settle();
  CHECK(r.driver.faults.size() == 1);
  CHECK(r.machine.breaches == fake::Breaches{});
}

TEST_CASE("An interrupt without a fault, or with reporting off, does nothing", "[faults]") {
  Ready r;
  REQUIRE(r.enable() == STATUS_SUCCESS);
  r.unit.messages.emplace_back(0xFEE00000, 0x30);
  r.machine.settle();
  CHECK(r.unit.fectl == 0);
  CHECK_FALSE(r.unit.dma(fake::kNic, 0x20000, true).ok);
  REQUIRE(r.disable() == STATUS_SUCCESS);
  const auto accesses = r.unit.accesses;
  r.machine.settle();
  CHECK(r.unit.accesses == accesses);
  CHECK(r.driver.faults.empty());
  CHECK(r.machine.breaches == fake::Breaches{});
}
