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
  explicit Resource(std::uint32_t units) : units_(units), single_(units == 1), at_once_from_(single_ ? 0 : kNever) {}

  /// Takes a unit from its start on for `occupancy` ticks; returns the start, `now` or later.
  Tick reserve(Tick now, Tick occupancy) {
    if (take_at_once(now, occupancy)) return now;
    note(now);
    if (single_) {
      Unit& unit = units_.front();
      if (unit.take_at_end(now, occupancy)) return now;
      // Behind a queue that has not ended, as everybody is when a resource is busy.
      if (now >= unit.last_start()) return unit.take_behind_last(occupancy);
    }
    return reserve_any(now, occupancy);
  }

  /// The usual case of reserve(), start at `now`; false, with nothing taken, when it takes a closer look.
  [[nodiscard]] bool take_at_once(Tick now, Tick occupancy) {
    if (now < at_once_from_ || !units_.front().take_at_end(now, occupancy)) return false;
    at_once_from_ = now;
    return true;
  }

  /// For occupancies that are known only afterwards: the start, and later release() with it and the end.
  Tick begin(Tick now) {
    if (now < latest() || units_.empty() || units_.front().last_end() > now) return begin_any(now);
    latest() = now;
    return now;
  }
  void release(Tick start, Tick end) {
    if (units_.empty()) return;
    if (units_.front().last_end() > start) return release_any(start, end);
    units_.front().take(start, end);
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
  // One unit's last uses in order of time, without overlaps; those that touch are one. Before the end of the one before
  // these it counts as taken.
  class Unit {
   public:
    [[nodiscard]] Tick last_start() const { return starts_[newest_]; }
    [[nodiscard]] Tick last_end() const { return last_end_; }

    [[nodiscard]] Tick earliest(Tick now, Tick occupancy) const {
      Tick start = std::max(now, forgotten());
      if (last_end_ <= start) return start;
      for (std::size_t i = 0; i < kUses; ++i) {
        const Use taken = use(i);
        if (taken.end <= start) continue;
        if (taken.start > start && taken.start - start >= occupancy) return start;
        start = taken.end;
      }
      return start;
    }
    /// The usual case: nothing is taken from `now` on, and takes it.
    bool take_at_end(Tick now, Tick occupancy) {
      if (last_end_ > now) return false;
      if (last_end_ == now) {
        end_last_at(now + occupancy);
      } else if (occupancy != 0) {
        append(now, now + occupancy);
      }
      return true;
    }
    Tick take_behind_last(Tick occupancy) {
      const Tick start = last_end_;
      end_last_at(start + occupancy);
      return start;
    }
    void take(Tick start, Tick end) {
      if (start == end) return;
      if (start > last_end_) {
        append(start, end);
      } else if (start >= last_start()) {
        end_last_at(std::max(last_end_, end));
      } else {
        take_between(start, end);
      }
    }

   private:
    static constexpr std::size_t kUses = 32;
    static constexpr std::size_t kRing = 64;  // a power of two with room for the one before them

    /// From the oldest, 0, to the last one, kUses - 1.
    [[nodiscard]] Use use(std::size_t i) const {
      const std::size_t place = (newest_ + kRing - (kUses - 1) + i) % kRing;
      return {starts_[place], ends_[place]};
    }
    [[nodiscard]] Tick forgotten() const { return ends_[(newest_ + kRing - kUses) % kRing]; }
    void end_last_at(Tick end) {
      ends_[newest_] = end;
      last_end_ = end;
    }
    void append(Tick start, Tick end) {
      newest_ = (newest_ + 1) % kRing;
      starts_[newest_] = start;
      end_last_at(end);
    }
    // Not behind all others.
    [[gnu::noinline]] void take_between(Tick start, Tick end) {
      // The one that may be forgotten and then all, in order.
      std::array<Use, kUses + 1> uses;
      std::size_t made = 0;
      std::size_t i = 0;
      const auto keep = [&uses, &made](const Use& kept) {
        if (kept.start != kept.end) uses[made++] = kept;
      };
      for (; use(i).start < start; ++i) keep(use(i));
      // A use whose length was not known beforehand may reach into the ones after it.
      Use taken{start, end};
      for (; i < kUses && use(i).start <= taken.end; ++i) taken.end = std::max(taken.end, use(i).end);
      keep(taken);
      for (; i < kUses; ++i) keep(use(i));
      const Tick before = forgotten();
      *this = Unit();
      if (made <= kUses) append(before, before);
      for (std::size_t free = made; free < kUses; ++free) append(0, 0);
      for (std::size_t each = 0; each < made; ++each) append(uses[each].start, uses[each].end);
    }

    // The last one's end once more: whoever comes next looks at it, without a look for it first.
    Tick last_end_ = 0;
    std::array<Tick, kRing> starts_{};  // of the uses, a ring; empty ones change nothing
    std::array<Tick, kRing> ends_{};
    std::size_t newest_ = 0;  // in the ring
  };

  // Not inlined, so that the usual case stays small where it is.
  [[gnu::noinline]] Tick reserve_any(Tick now, Tick occupancy) {
    if (units_.empty()) return now;
    Unit* best = nullptr;
    const Tick start = earliest(now, occupancy, best);
    best->take(start, start + occupancy);
    return start;
  }

  [[gnu::noinline]] Tick begin_any(Tick now) {
    note(now);
    if (units_.empty()) return now;
    Unit* best = nullptr;
    return earliest(now, 1, best);
  }
  [[gnu::noinline]] void release_any(Tick start, Tick end) {
    Unit* best = nullptr;
    earliest(start, 1, best);
    best->take(start, end);
  }

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
    if (now < latest()) {
      ++out_of_order_;
    } else {
      latest() = now;
    }
  }
  // The latest `now` so far.
  [[nodiscard]] Tick& latest() { return single_ ? at_once_from_ : latest_of_many_; }

  std::vector<Unit> units_;
  bool single_;
  static constexpr Tick kNever = ~Tick{0};
  Tick at_once_from_;  // of a single one: the latest `now` so far
  Tick latest_of_many_ = 0;
  std::uint64_t out_of_order_ = 0;
};

}  // namespace iommu::core
