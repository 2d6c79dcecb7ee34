// The iommu-vp program. main() itself lives in libsystemc.
#include <cstdlib>
#include <string>
#include <systemc>
#include <vector>

#include "platform/command_line.h"
#include "platform/explain.h"
#include "platform/simulation.h"

namespace {

// The kernel prints its copyright lines before sc_main begins, so this has to come earlier still.
[[maybe_unused]] const int kNoBanner = setenv("SC_COPYRIGHT_MESSAGE", "DISABLE", 1);

}  // namespace

int sc_main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return iommu::platform::run_command_line(arguments, &iommu::platform::Simulation::elaborate,
                                           &iommu::platform::explain);
}
