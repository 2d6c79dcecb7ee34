#include "platform/nic_traffic.h"

#include <cmath>

#include "platform/capture.h"

namespace iommu::platform {

NicTraffic read_nic_traffic(const Config& config, const DeviceConfig& device,
                            std::optional<std::uint64_t> buffer_bytes) {
  const NicConfig& nic = device.nic;
  const std::string key = "device." + device.name + ".capture";
  const auto refuse = [&](const std::string& why) {
    throw ConfigError(config.where(key), key + " = \"" + nic.capture.shown + "\": " + why);
  };
  NicTraffic traffic;
  try {
    const Capture capture = Capture::open(nic.capture.path.string(), nic.local_address);
    std::uint32_t number = 0;
    for (const CapturedPacket& packet : capture.packets()) {
      if (nic.max_packets != 0 && number == nic.max_packets) break;
      if (buffer_bytes && packet.length > *buffer_bytes) {
        refuse("packet " + std::to_string(number + 1) + " has " + std::to_string(packet.length) +
               " bytes, more than buffer_bytes = " + std::to_string(*buffer_bytes));
      }
      const auto at = static_cast<core::Tick>(std::llround(static_cast<double>(packet.arrival_ps) * nic.time_scale));
      (packet.transmit ? traffic.outgoing : traffic.arriving).push_back({at, packet.length, number});
      ++number;
    }
  } catch (const CaptureError& error) {
    refuse(error.reason());
  }
  return traffic;
}

}  // namespace iommu::platform
