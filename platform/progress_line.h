// How far a run is, on one line of the terminal.
//
// Does: redraw itself a few times a second, and vanish at the end. Does not: write anything when standard error is no
// terminal (its maker decides), or anything into results.
#pragma once

#include <chrono>
#include <string>

#include "platform/simulation.h"

namespace iommu::platform {

class ProgressLine : public ProgressSink {
 public:
  ProgressLine(std::string name, bool enabled) : name_(std::move(name)), enabled_(enabled) {}
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() override;

  void progress(double simulated_ns, std::uint64_t done, std::uint64_t total) override;

 private:
  std::string name_;
  bool enabled_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_{};
};

/// "nic-static: 45 %, 4500 of 10000, 1.234 ms simulated"; without a total only what is done.
[[nodiscard]] std::string progress_text(const std::string& name, double simulated_ns, std::uint64_t done,
                                        std::uint64_t total);

}  // namespace iommu::platform
