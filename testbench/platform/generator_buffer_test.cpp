// A generator whose window is the first part of a larger buffer: the whole buffer is mapped, with the leaves that it allows.
#include <systemc>

#include "platform/generator_driver.h"
#include "platform/host_ports.h"
#include "testbench/platform/catch.h"
#include "testbench/platform/new_simulation.h"
#include "testbench/platform/scenario_folder.h"

namespace {

using namespace iommu;

struct Seen {
  std::uint64_t hits_4k = 0;
  std::uint64_t hits_2m = 0;
  std::uint64_t walks = 0;
  std::uint64_t faults = 0;
  std::uint64_t mismatches = 0;
  std::uint64_t verified = 0;
};

/// One after the other, reads of each 64 bytes of a window of 64 KiB.
Seen run(const std::string& device) {
  test::new_simulation();
  const platform::Config config =
      config_for("[device.d]\nwindow_bytes = \"64KiB\"\ncount = 1024\noutstanding = 1\n" + device);
  platform::Machine machine(config);
  platform::GeneratorDriver driver(machine, 0);
  machine.host->spawn("driver", [&] { driver.run(); });
  sc_core::sc_start();
  const core::IotlbCounters& iotlb = machine.iommus[0].iotlb->counters();
  const sim::DmaMasterCounters& master = machine.devices[0].generator->counters();
  return {iotlb.hits_by_level[1],
          iotlb.hits_by_level[2],
          machine.iommus[0].walker->counters().walks,
          machine.devices[0].statistics().faults,
          master.mismatches,
          master.verified};
}

}  // namespace

TEST_CASE("a small window of a large buffer is mapped with large leaves") {
  const Seen alone = run("");
  CHECK(alone.hits_4k == 1008);
  CHECK(alone.hits_2m == 0);
  CHECK(alone.walks == 16);
  const Seen part = run("mapped_bytes = \"4MiB\"\n");
  CHECK(part.hits_4k == 0);
  CHECK(part.hits_2m == 1023);
  CHECK(part.walks == 1);
  for (const Seen& seen : {alone, part}) {
    CHECK(seen.faults == 0);
    CHECK(seen.verified == 1024);
    CHECK(seen.mismatches == 0);
  }
}

TEST_CASE("escapes go behind the buffer, not behind the window") {
  const Seen seen = run("mapped_bytes = \"4MiB\"\nescape_percent = 100\n");
  CHECK(seen.faults == 1024);
  CHECK(seen.verified == 0);
}
