// The device of the pcie-bench experiments, as scenarios see it: a Netronome NFP-6000 that reads or writes random units of a
// window.
//
// What it does: its limits for each transfer size. What it does not do: hosts (the presets), what is expected.
//
// The limits are fits, the same for every host. Gaps: the rates at small windows. Outstanding reads: 35 of 64 bytes and 16 of 256 are
// what the rates without an IOMMU give with data in the cache (N = rate x latency, 35.0 to 35.2 on five hosts), 31 of 128 and 16 of 512
// the smallest that keep these rates. Writes: posted, limited by the host's credits.
#pragma once

#include <cstdint>

#include "platform/validation/experiment.h"

namespace iommu::platform::validation {

enum class Cached { Cold, Warm };

struct Transfers {
  int bytes = 64;
  bool write = false;
  std::uint64_t window_bytes = 0;
  Cached cached = Cached::Warm;
};

/// As many at a time as the device can; `samples` of them are measured, after a warm-up of 5,000.
[[nodiscard]] Scenario nfp_transfers(const std::string& preset, const Transfers& transfers, int samples);

/// "512KiB", "1.5MiB".
[[nodiscard]] std::string window_name(std::uint64_t bytes);

/// A difference from the source that all experiments with it share.
extern const char* const kContiguousBuffer;

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;

/// Over the measured part: payload in 10^9 bits a second, and transfers in 10^6 a second.
[[nodiscard]] Measure steady_gbit_per_s();
[[nodiscard]] Measure steady_rate();

}  // namespace iommu::platform::validation
