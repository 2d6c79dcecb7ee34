// Something that serves a limited number of users at a time: ports, pipelines, walk slots, a memory channel.
//
// What it does: the one definition of contention, for LT and AT alike: who comes at `now` and needs a unit for `occupancy` starts as soon as
// some unit is free for that long. What it does not do: schedule events.
//
// In LT requests may come in another order than their times (each call runs to its end before the next begins). Units therefore remember
// when they were taken, and a request that comes late in order but early in time gets the gap that was left for it. What cannot be
// repaired: whoever came before it and would have had to wait for it, has not.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/core/types.h"

namespace iommu::core {

class Resource {
 public:
  /// `units` users at a time; 0 means without limit.
  explicit Resource(std::uint32_t units) : units_(units) {}

  /// Takes a unit from its start on for `occupancy` ticks; returns the start, `now` or later.
  Tick reserve(Tick now, Tick occupancy) {
    note(now);
    if (units_.empty()) return now;
    Unit* best = nullptr;
    const Tick start = earliest(now, occupancy, best);
    best->take(start, start + occupancy);
    return start;
  }

  /// For occupancies that are known only afterwards: the start, and later release() with it and the end.
  Tick begin(Tick now) {
    note(now);
    if (units_.empty()) return now;
    Unit* best = nullptr;
    return earliest(now, 1, best);
  }
  void release(Tick start, Tick end) {
    if (units_.empty()) return;
    Unit* best = nullptr;
    earliest(start, 1, best);
    best->take(start, end);
  }

  /// Requests that came with an earlier `now` than one before (temporal decoupling).
  [[nodiscard]] std::uint64_t out_of_order() const { return out_of_order_; }
  void restart_counters() { out_of_order_ = 0; }
  [[nodiscard]] std::uint32_t units() const { return static_cast<std::uint32_t>(units_.size()); }

 private:
  struct Use {
    Tick start;
    Tick end;
  };
  // One unit's uses in order of time; those that touch are one. Before `forgotten` it counts as taken.
  struct Unit {
    static constexpr std::size_t kRemembered = 32;
    std::vector<Use> uses;
    Tick forgotten = 0;

    [[nodiscard]] Tick earliest(Tick now, Tick occupancy) const {
      Tick start = std::max(now, forgotten);
      if (uses.empty() || uses.back().end <= start) return start;
      for (const Use& use : uses) {
        if (use.end <= start) continue;
        if (use.start > start && use.start - start >= occupancy) return start;
        start = use.end;
      }
      return start;
    }
    void take(Tick start, Tick end) {
      if (start == end) return;
      if (!uses.empty() && uses.back().end == start) {
        uses.back().end = end;
        return;
      }
      auto next =
          std::lower_bound(uses.begin(), uses.end(), start, [](const Use& use, Tick at) { return use.start < at; });
      next = uses.insert(next, {start, end});
      // A use whose length was not known beforehand may reach into the ones after it.
      auto after = next + 1;
      while (after != uses.end() && after->start <= next->end) {
        next->end = std::max(next->end, after->end);
        after = uses.erase(after);
      }
      if (uses.size() > kRemembered) {
        forgotten = uses.front().end;
        uses.erase(uses.begin());
      }
    }
  };

  Tick earliest(Tick now, Tick occupancy, Unit*& best) {
    Tick start = 0;
    for (Unit& unit : units_) {
      const Tick of_unit = unit.earliest(now, occupancy);
      if (best == nullptr || of_unit < start) {
        best = &unit;
        start = of_unit;
      }
      if (start == now) break;
    }
    return start;
  }

  void note(Tick now) {
    if (now < latest_) {
      ++out_of_order_;
    } else {
      latest_ = now;
    }
  }

  std::vector<Unit> units_;
  Tick latest_ = 0;
  std::uint64_t out_of_order_ = 0;
};

}  // namespace iommu::core
