// A number of equal units (tags, buffer credits) that are taken at one time and given back at another, both known.
//
// What it does: says from when on enough units are free, for callers that know when theirs come back. What it does not
// do: schedule events, or queue: who asks first is served first, since each asks only after the one before has said what
// it holds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "models/core/types.h"

namespace iommu::core {

class TimedCredits {
 public:
  static constexpr Tick kNever = std::numeric_limits<Tick>::max();

  /// `units` in all; 0 means without limit.
  explicit TimedCredits(std::uint32_t units) : units_(units) {}

  /// The earliest time, `now` or later, at which `wanted` units are free; kNever when there are fewer in all. Units
  /// that were free again by `now` are forgotten: callers come in the order of their times, more or less.
  Tick earliest(Tick now, std::uint32_t wanted) {
    if (units_ == 0) return now;
    if (wanted > units_) return kNever;
    auto first = held_.begin();
    for (; first != held_.end() && first->until <= now; ++first) in_use_ -= first->units;
    first = held_.erase(held_.begin(), first);
    Tick start = now;
    for (std::uint32_t in_use = in_use_; in_use + wanted > units_; ++first) {
      in_use -= first->units;
      start = first->until;
    }
    return start;
  }

  /// `units` are in use until `until`.
  void hold(std::uint32_t units, Tick until) {
    if (units_ == 0) return;
    const auto after = std::upper_bound(held_.begin(), held_.end(), until,
                                        [](Tick time, const Held& held) { return time < held.until; });
    held_.insert(after, {until, units});
    in_use_ += units;
  }

 private:
  struct Held {
    Tick until;
    std::uint32_t units;
  };
  std::uint32_t units_;
  std::uint32_t in_use_ = 0;
  std::vector<Held> held_;  // by time
};

}  // namespace iommu::core
