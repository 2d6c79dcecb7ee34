// Something that serves a limited number of users at a time: ports, pipelines, walk slots, a memory channel.
//
// What it does: the one definition of contention, for LT and AT alike: who comes at `now` and needs a unit for
// `occupancy` starts when the unit that is free first is free. What it does not do: schedule events.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/core/types.h"

namespace iommu::core {

class Resource {
 public:
  /// `units` users at a time; 0 means without limit.
  explicit Resource(std::uint32_t units) : free_at_(units, 0) {}

  /// Takes a unit from its start on for `occupancy` ticks; returns the start, `now` or later.
  Tick reserve(Tick now, Tick occupancy) {
    note(now);
    if (free_at_.empty()) return now;
    auto unit = std::min_element(free_at_.begin(), free_at_.end());
    const Tick start = std::max(now, *unit);
    *unit = start + occupancy;
    return start;
  }

  /// For occupancies that are known only afterwards: the start, and later release() with the end.
  Tick begin(Tick now) {
    note(now);
    if (free_at_.empty()) return now;
    auto unit = std::min_element(free_at_.begin(), free_at_.end());
    return std::max(now, *unit);
  }
  void release(Tick end) {
    if (free_at_.empty()) return;
    auto unit = std::min_element(free_at_.begin(), free_at_.end());
    *unit = std::max(*unit, end);
  }

  /// Requests that came with an earlier `now` than one before (temporal decoupling): they may have been served in the
  /// wrong order.
  [[nodiscard]] std::uint64_t out_of_order() const { return out_of_order_; }
  [[nodiscard]] std::uint32_t units() const { return static_cast<std::uint32_t>(free_at_.size()); }

 private:
  void note(Tick now) {
    if (now < latest_) {
      ++out_of_order_;
    } else {
      latest_ = now;
    }
  }

  std::vector<Tick> free_at_;
  Tick latest_ = 0;
  std::uint64_t out_of_order_ = 0;
};

}  // namespace iommu::core
