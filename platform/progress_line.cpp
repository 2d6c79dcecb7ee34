#include "platform/progress_line.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>

namespace iommu::platform {

std::string progress_text(const std::string& name, double simulated_ns, std::uint64_t done, std::uint64_t total) {
  std::array<char, 64> time{};
  std::snprintf(time.data(), time.size(), "%.3f ms simulated", simulated_ns / 1e6);
  std::string result = name + ": ";
  if (total != 0) {
    const double percent = 100.0 * static_cast<double>(std::min(done, total)) / static_cast<double>(total);
    result +=
        std::to_string(static_cast<unsigned>(percent)) + " %, " + std::to_string(done) + " of " + std::to_string(total);
  } else {
    result += std::to_string(done) + " done";
  }
  return result + ", " + time.data();
}

void ProgressLine::progress(double simulated_ns, std::uint64_t done, std::uint64_t total) {
  if (!enabled_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < std::chrono::milliseconds(200)) return;
  last_ = now;
  shown_ = true;
  std::cerr << "\r\033[K" << progress_text(name_, simulated_ns, done, total) << std::flush;
}

ProgressLine::~ProgressLine() {
  if (shown_) std::cerr << "\r\033[K" << std::flush;
}

}  // namespace iommu::platform
