// Two whole machines in one simulation: each with its own host, IOMMU, memory, devices and interface; nothing that one does
// shows in the other.
#include <systemc>

#include "platform/generator_driver.h"
#include "platform/host_ports.h"
#include "testbench/platform/catch.h"
#include "testbench/platform/new_simulation.h"
#include "testbench/platform/scenario_folder.h"

namespace {

using namespace iommu;
using platform::Machine;

/// Gives the machine's modules a name of its own to stand below.
struct Board : sc_core::sc_module {
  Board(sc_core::sc_module_name name, const platform::Config& config)
      : sc_module(name), machine(std::make_unique<Machine>(config)), driver(*machine, 0) {
    machine->host->spawn("driver", [this] { driver.run(); });
  }
  std::unique_ptr<Machine> machine;
  platform::GeneratorDriver driver;
};

struct Seen {
  std::uint64_t requests = 0;
  std::uint64_t faults = 0;
  std::uint64_t mismatches = 0;
  core::Tick latency = 0;
  std::uint64_t walks = 0;
  std::uint64_t descriptors = 0;
  std::uint64_t map_accesses = 0;
  core::Tick finished = 0;
  bool operator==(const Seen& o) const {
    return requests == o.requests && faults == o.faults && mismatches == o.mismatches && latency == o.latency &&
           walks == o.walks && descriptors == o.descriptors && map_accesses == o.map_accesses && finished == o.finished;
  }
};

Seen seen(const Board& board) {
  const Machine& machine = *board.machine;
  const sim::DmaStatistics& statistics = machine.devices[0].statistics();
  return {statistics.requests,
          statistics.faults,
          machine.devices[0].generator->counters().mismatches,
          statistics.latency().sum(),
          machine.iommus[0].walker->counters().walks,
          machine.iommus[0].front_end->command_counters().descriptors,
          machine.monitor.of(api::Function::MapLogicalRangeEx).accesses.memory_writes,
          board.driver.finished_at()};
}

using test::new_simulation;

}  // namespace

TEST_CASE("two machines in one simulation do what each does alone") {
  const auto mode = GENERATE("lt", "at");
  const platform::Config small =
      config_for("mode = \"" + std::string(mode) +
                 "\"\nseed = 5\n[ddi]\nmax_leaf = \"4KiB\"\n[device.a]\npattern = \"random\"\n"
                 "window_bytes = \"256KiB\"\ncount = 700\nwrite_percent = 40\n");
  const platform::Config large = config_for("mode = \"" + std::string(mode) +
                                            "\"\nseed = 6\n[ddi]\naddress_width_bits = 48\n[iommu.0]\niotlb.ways = 4\n"
                                            "[device.b]\npattern = \"random\"\nwindow_bytes = \"16MiB\"\ncount = 900\n"
                                            "escape_percent = 3\n");
  Seen alone[2];
  for (const int which : {0, 1}) {
    new_simulation();
    Board board("board", which == 0 ? small : large);
    sc_core::sc_start();
    alone[which] = seen(board);
  }
  REQUIRE(alone[0].requests == 700);
  REQUIRE(alone[1].requests == 900);
  CHECK(alone[0].faults == 0);
  CHECK(alone[1].faults > 0);

  new_simulation();
  Board left("left", small);
  Board right("right", large);
  sc_core::sc_start();
  CHECK(seen(left) == alone[0]);
  CHECK(seen(right) == alone[1]);
  CHECK(left.machine->diagnostics.empty());
  CHECK(right.machine->diagnostics.empty());
}

TEST_CASE("handles and devices of one machine are nothing to another one in the same simulation") {
  const platform::Config config = config_for("[device.a]\nmapping = \"none\"\ncount = 1\n");
  Board left("left", config);
  Board right("right", config);
  DMA_IOMMU_INTERFACE_EX left_interface{};
  DMA_IOMMU_INTERFACE_EX right_interface{};
  PIOMMU_DMA_DEVICE device = nullptr;
  NTSTATUS own = STATUS_UNSUCCESSFUL;
  NTSTATUS foreign_pdo = STATUS_SUCCESS;
  NTSTATUS foreign_handle = STATUS_SUCCESS;
  left.machine->host->spawn("left", [&] {
    static_cast<void>(IoGetIommuInterfaceEx(2, 0, &left_interface));
    own = left_interface.V2.CreateDevice(left.machine->pdo(0), nullptr, &device);
  });
  right.machine->host->spawn("right", [&] {
    left.machine->host->delay(1'000'000'000);
    static_cast<void>(IoGetIommuInterfaceEx(2, 0, &right_interface));
    PIOMMU_DMA_DEVICE other = nullptr;
    foreign_pdo = right_interface.V2.CreateDevice(left.machine->pdo(0), nullptr, &other);
    foreign_handle = right_interface.V2.DeleteDevice(device);
  });
  sc_core::sc_start();
  CHECK(own == STATUS_SUCCESS);
  CHECK(left_interface.V2.CreateDevice != right_interface.V2.CreateDevice);
  CHECK(foreign_pdo == STATUS_INVALID_PARAMETER);
  CHECK(foreign_handle == STATUS_INVALID_PARAMETER_1);
  CHECK(left.machine->system->device_count() == 1);
  REQUIRE(right.machine->diagnostics.size() == 2);
  CHECK(right.machine->diagnostics[1].message == "parameter 1 is a handle of another system");
}
