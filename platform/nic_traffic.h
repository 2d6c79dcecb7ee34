// The packets of a NIC's capture.
//
// What it does: opens the capture, applies the scenario's time scale and limit, and sorts the packets into those that
// arrive at the device and those that its side sends. What it does not do: play them.
#pragma once

#include <optional>
#include <vector>

#include "models/tlm/nic_types.h"
#include "platform/config.h"

namespace iommu::platform {

struct NicTraffic {
  std::vector<sim::NicPacket> arriving;
  std::vector<sim::NicPacket> outgoing;
};

/// Throws ConfigError for a capture that can't be used, and for packets of more than `buffer_bytes` where that is given.
[[nodiscard]] NicTraffic read_nic_traffic(const Config& config, const DeviceConfig& device,
                                          std::optional<std::uint64_t> buffer_bytes);

}  // namespace iommu::platform
