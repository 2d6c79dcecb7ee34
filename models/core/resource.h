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
#include <array>
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
    if (units_.size() == 1 && units_.front().take_at_end(now, occupancy)) return now;
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
  // One unit's uses in order of time, in a ring; those that touch are one. Before `forgotten` it counts as taken.
  struct Unit {
    static constexpr std::uint32_t kRemembered = 32;
    std::array<Use, kRemembered> ring{};
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    Tick forgotten = 0;

    [[nodiscard]] Use& use(std::uint32_t i) { return ring[(first + i) % kRemembered]; }
    [[nodiscard]] const Use& use(std::uint32_t i) const { return ring[(first + i) % kRemembered]; }

    [[nodiscard]] Tick earliest(Tick now, Tick occupancy) const {
      Tick start = std::max(now, forgotten);
      if (count == 0 || use(count - 1).end <= start) return start;
      for (std::uint32_t i = 0; i < count; ++i) {
        const Use& taken = use(i);
        if (taken.end <= start) continue;
        if (taken.start > start && taken.start - start >= occupancy) return start;
        start = taken.end;
      }
      return start;
    }
    /// The usual case: nothing is taken from `now` on, and takes it.
    bool take_at_end(Tick now, Tick occupancy) {
      if (count == 0 || use(count - 1).end > now || now < forgotten) return false;
      if (use(count - 1).end == now) {
        use(count - 1).end += occupancy;
      } else if (occupancy != 0) {
        append(now, now + occupancy);
      }
      return true;
    }
    void take(Tick start, Tick end) {
      if (start == end) return;
      if (count != 0) {
        Use& last = use(count - 1);
        if (last.end == start) {
          last.end = end;
          return;
        }
        if (last.start >= start) return take_between(start, end);
      }
      append(start, end);
    }
    void append(Tick start, Tick end) {
      if (count == kRemembered) {
        forgotten = ring[first].end;
        first = (first + 1) % kRemembered;
      } else {
        ++count;
      }
      use(count - 1) = {start, end};
    }
    // Not behind all others.
    void take_between(Tick start, Tick end) {
      std::array<Use, kRemembered + 1> uses;
      std::uint32_t made = 0;
      std::uint32_t i = 0;
      while (use(i).start < start) uses[made++] = use(i++);
      // A use whose length was not known beforehand may reach into the ones after it.
      Use taken{start, end};
      while (i < count && use(i).start <= taken.end) taken.end = std::max(taken.end, use(i++).end);
      uses[made++] = taken;
      while (i < count) uses[made++] = use(i++);
      const std::uint32_t dropped = made > kRemembered ? 1 : 0;
      if (dropped != 0) forgotten = uses[0].end;
      first = 0;
      count = made - dropped;
      std::copy(uses.begin() + dropped, uses.begin() + made, ring.begin());
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
