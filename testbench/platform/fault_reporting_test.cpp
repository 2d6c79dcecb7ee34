// Faults on the whole machine: a blocked DMA, the unit's fault record, its interrupt message, the host's handler, and the
// driver's callback at passive level (sheet 3.24, OP-22, OP-23; vtd sheet 1.6, 6.4, 6.5).
#include <systemc>

#include "platform/machine.h"
#include "testbench/platform/catch.h"
#include "testbench/platform/new_simulation.h"
#include "testbench/platform/scenario_folder.h"

namespace {

using namespace iommu;
using platform::Machine;

using test::new_simulation;

struct Told {
  FAULT_INFORMATION information{};
  std::string thread;
};

/// A machine whose devices are driven by hand: attached to one domain, with a page at 0x10000 for reading.
struct Bench {
  explicit Bench(const platform::Config& config) : machine(config) {}

  void bring_up() {
    if (IoGetIommuInterfaceEx(2, 0, &interface) != STATUS_SUCCESS) throw std::runtime_error("no interface");
    const auto& v2 = interface.V2;
    ok(v2.CreateDomainEx(DomainTypeTranslate, {}, nullptr, nullptr, &domain));
    IOMMU_MAP_PHYSICAL_ADDRESS physical{};
    physical.MapType = MapPhysicalAddressTypeContiguousRange;
    physical.ContiguousRange.Base.QuadPart = 0x200000;
    physical.ContiguousRange.Size = 0x1000;
    IOMMU_DMA_LOGICAL_ADDRESS at = 0x10000;
    ok(v2.MapLogicalRangeEx(domain, IOMMU_ACCESS_READ, &physical, &at, nullptr, nullptr, &at));
    told.resize(machine.devices.size());
    for (std::size_t i = 0; i < machine.devices.size(); ++i) {
      PIOMMU_DMA_DEVICE device = nullptr;
      ok(v2.CreateDevice(machine.pdo(i), nullptr, &device));
      ok(v2.AttachDeviceEx(domain, device));
      DEVICE_FAULT_CONFIGURATION handler{&Bench::handle, &told[i]};
      ok(v2.SetDeviceFaultReportingEx(device, 0, TRUE, &handler));
      devices.push_back(device);
    }
  }
  /// Lets device number `index` make its accesses from `base` on, then waits for whatever they cause.
  void run_device(std::size_t index, core::Address base) {
    sim::DmaMaster& master = *machine.devices[index].generator;
    master.set_base(base);
    master.start();
    if (!master.done()) sc_core::wait(master.done_event());
    machine.host->delay(200'000'000);
  }
  std::uint32_t register32(std::uint32_t offset) { return machine.host->read<std::uint32_t>(0xFED90000 + offset); }
  std::uint64_t register64(std::uint32_t offset) { return machine.host->read<std::uint64_t>(0xFED90000 + offset); }
  /// Bit 127 of all fault records.
  unsigned records_in_use() {
    const std::uint64_t cap = register64(0x08);
    unsigned count = 0;
    for (std::uint32_t i = 0; i <= (cap >> 40 & 0xFF); ++i) {
      count += static_cast<unsigned>(register64(static_cast<std::uint32_t>(cap >> 24 & 0x3FF) * 16 + 16 * i + 8) >> 63);
    }
    return count;
  }
  void ok(NTSTATUS status) { failures += status == STATUS_SUCCESS ? 0 : 1; }
  static VOID handle(PVOID context, PFAULT_INFORMATION information) {
    static_cast<std::vector<Told>*>(context)->push_back(
        {*information, sc_core::sc_get_current_process_handle().name()});
  }
  /// The sum of the numbers at the beginning of the diagnostics that contain `text`, and how many there are.
  std::uint64_t counted(const std::string& text) const {
    std::uint64_t sum = 0;
    for (const auto& diagnostic : machine.diagnostics) {
      if (diagnostic.message.find(text) != std::string::npos) sum += std::stoull(diagnostic.message);
    }
    return sum;
  }

  Machine machine;
  DMA_IOMMU_INTERFACE_EX interface {};
  PIOMMU_DMA_DOMAIN domain = nullptr;
  std::vector<PIOMMU_DMA_DEVICE> devices;
  std::vector<std::vector<Told>> told;
  unsigned failures = 0;
};

platform::Config config_of(const std::string& mode, const std::string& devices) {
  return config_for("mode = \"" + mode + "\"\n" + devices);
}

std::uint64_t address_of(const Told& told) {
  return reinterpret_cast<std::uint64_t>(told.information.X64.FaultAddress);
}

}  // namespace

TEST_CASE("a blocked DMA reaches the driver's fault handler") {
  const std::string mode = GENERATE("lt", "at");
  INFO(mode);
  const platform::Config config = config_of(mode,
                                            "[device.stray]\nmapping = \"none\"\nwindow_bytes = \"4KiB\"\ncount = 1\n"
                                            "[device.writer]\nmapping = \"none\"\nwindow_bytes = \"4KiB\"\ncount = 1\n"
                                            "write_percent = 100\n");
  new_simulation();
  Bench bench(config);
  std::uint32_t masked = 0, unmasked = 1, status = 1, data = 0, address = 0;
  unsigned in_use = 1;
  std::uint64_t interrupts[2] = {};
  bench.machine.host->spawn("driver", [&] {
    masked = bench.register32(0x38);
    bench.bring_up();
    unmasked = bench.register32(0x38);
    data = bench.register32(0x3C);
    address = bench.register32(0x40);
    bench.run_device(0, 0x34000);
    interrupts[0] = bench.machine.host->interrupts_received(0x20);
    bench.run_device(1, 0x10000);
    interrupts[1] = bench.machine.host->interrupts_received(0x20);
    status = bench.register32(0x34) & 0xFF;
    in_use = bench.records_in_use();
  });
  sc_core::sc_start();
  CHECK(bench.failures == 0);
  CHECK(masked == 0x80000000);
  CHECK(unmasked == 0);
  CHECK(data == 0x20);
  CHECK(address == 0xFEE00000);
  CHECK(interrupts[0] == 1);
  CHECK(interrupts[1] == 2);
  CHECK(status == 0);
  CHECK(in_use == 0);
  CHECK(bench.machine.diagnostics.empty());
  REQUIRE(bench.told[0].size() == 1);
  REQUIRE(bench.told[1].size() == 1);
  for (const auto& told : bench.told) {
    CHECK(told[0].information.Type == FaultInformationX64);
    CHECK(told[0].information.IsStage1 == FALSE);
    CHECK(told[0].information.X64.DomainHandle == bench.domain);
    CHECK(told[0].information.X64.Flags.FaultAddressValid == 1);
    CHECK(told[0].information.X64.IommuBaseAddress == 0xFED90000);
    CHECK(told[0].information.X64.PciSegment == 0);
    CHECK(told[0].thread.find("passive_worker") != std::string::npos);
  }
  CHECK(address_of(bench.told[0][0]) == 0x34000);
  CHECK(bench.told[0][0].information.X64.Type == TranslationFault);
  CHECK(address_of(bench.told[1][0]) == 0x10000);
  CHECK(bench.told[1][0].information.X64.Type == PermissionFault);
}

TEST_CASE("of a storm each fault is delivered, counted, or part of a reported overflow") {
  const std::string mode = GENERATE("lt", "at");
  const std::string records = GENERATE("1", "8", "256");
  INFO(mode << ", " << records << " records");
  const platform::Config config =
      config_of(mode, "[iommu.0]\nfault_records = " + records +
                          "\n[device.storm]\nmapping = \"none\"\npattern = \"random\"\nwindow_bytes = \"16MiB\"\n"
                          "count = 5000\noutstanding = 16\nwrite_percent = 50\n"
                          "[device.after]\nmapping = \"none\"\nwindow_bytes = \"4KiB\"\ncount = 1\n");
  new_simulation();
  Bench bench(config);
  std::uint32_t status = 1, control = 1;
  unsigned in_use = 1;
  std::uint64_t delivered = 0, recorded = 0, overflowed = 0, not_delivered = 0;
  bench.machine.host->spawn("driver", [&] {
    bench.bring_up();
    bench.run_device(0, 0x40000000);
    status = bench.register32(0x34) & 0xFF;
    control = bench.register32(0x38);
    in_use = bench.records_in_use();
    delivered = bench.told[0].size();
    not_delivered = bench.counted("not delivered");
    recorded = bench.machine.iommus[0].front_end->fault_counters().recorded;
    overflowed = bench.machine.iommus[0].front_end->fault_counters().overflowed;
    bench.run_device(1, 0x34000);
  });
  sc_core::sc_start();
  CHECK(bench.failures == 0);
  CHECK(bench.machine.devices[0].statistics().faults == 5000);
  CHECK(recorded + overflowed == 5000);
  CHECK(delivered + not_delivered == recorded);
  CHECK(delivered > 0);
  unsigned overflows = 0;
  for (const auto& diagnostic : bench.machine.diagnostics) {
    if (diagnostic.message.find("overflowed") != std::string::npos) ++overflows;
  }
  CHECK((overflows != 0) == (overflowed != 0));
  CHECK(status == 0);
  CHECK(control == 0);
  CHECK(in_use == 0);
  REQUIRE(bench.told[1].size() == 1);
  CHECK(address_of(bench.told[1][0]) == 0x34000);
  for (const Told& told : bench.told[0]) {
    CHECK(told.thread.find("passive_worker") != std::string::npos);
    CHECK(address_of(told) >= 0x40000000);
    CHECK(address_of(told) < 0x41000000);
  }
}
