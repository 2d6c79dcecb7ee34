#include "platform/validation/nfp_device.h"

#include <stdexcept>

#include "platform/validation/number_format.h"

namespace iommu::platform::validation {

namespace {

struct Limits {
  int bytes;
  int outstanding;
  double read_gap_ns;
  double write_gap_ns;
};

constexpr Limits kLimits[] = {
    {64, 35, 15.6, 21.07}, {128, 31, 23.4, 24.15}, {256, 16, 42.9, 40.55}, {512, 16, 74.4, 75.2}};
constexpr int kWarmUp = 5000;
constexpr int kMostWrites = 4096;  // more than there can be credits for

const Limits& limits_of(int bytes) {
  for (const Limits& limits : kLimits) {
    if (limits.bytes == bytes) return limits;
  }
  throw std::logic_error("no limits for transfers of " + std::to_string(bytes) + " bytes");
}

}  // namespace

const char* const kContiguousBuffer =
    "The buffer is one contiguous range of DMA addresses where pcie-bench has chunks of 4 MiB that descend from "
    "0xffc00000; both take as many "
    "leaf tables, and one entry of each higher level.";

Scenario nfp_transfers(const std::string& preset, const Transfers& transfers, int samples) {
  const Limits& limits = limits_of(transfers.bytes);
  return Scenario(preset)
      .with("mode", "at")
      .with("memory.size_bytes", "1GiB")
      .with("ddi.max_leaf", "4KiB")
      .with("device.dma.pattern", "random")
      .with("device.dma.window_bytes", transfers.window_bytes)
      .with("device.dma.window_cache", transfers.cached == Cached::Warm ? "warm" : "cold")
      .with("device.dma.transfer_bytes", transfers.bytes)
      .with("device.dma.write_percent", transfers.write ? 100 : 0)
      .with("device.dma.gap_ns", transfers.write ? limits.write_gap_ns : limits.read_gap_ns)
      .with("device.dma.outstanding", transfers.write ? kMostWrites : limits.outstanding)
      .with("device.dma.warmup_count", kWarmUp)
      .with("device.dma.count", kWarmUp + samples);
}

std::string window_name(std::uint64_t bytes) {
  if (bytes < kMiB) return std::to_string(bytes / kKiB) + "KiB";
  if (bytes % kMiB == 0) return std::to_string(bytes / kMiB) + "MiB";
  return fixed_text(static_cast<double>(bytes) / static_cast<double>(kMiB), 1) + "MiB";
}

Measure steady_gbit_per_s() { return value_of("masters.dma.gbit_per_s"); }
Measure steady_rate() { return value_of("masters.dma.rate_per_us"); }

}  // namespace iommu::platform::validation
