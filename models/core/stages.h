// Where the time of a translated access goes: the stages that every request's latency is divided into.
//
// What it does: names stages and outcomes and adds up times; the stages of a request sum exactly to its latency. What
// it does not do: measure (the modules charge stages as they pass) or keep statistics (see DmaStatistics in
// models/tlm).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "models/core/types.h"

namespace iommu::core {

enum class Stage : std::uint8_t {
  IssueWait,      ///< at the master: ready to go, but its limit of outstanding requests is reached
  Upstream,       ///< between the master and the translation unit, and back
  LinkWait,       ///< on the link: no tag or no credits left, or the wire busy, either way
  LinkWire,       ///< the bytes on the wire: request and completions of the part that ended last
  LinkLatency,    ///< propagation, there and back
  RootComplex,    ///< from the end of the wire to the translation unit
  ContextCache,   ///< context-cache look-up
  ContextRead,    ///< reading root and context entries
  IotlbPortWait,  ///< all IOTLB ports busy
  Iotlb,          ///< IOTLB look-up
  MergeWait,      ///< another request's walk of the same page was under way
  WalkSlotWait,   ///< all walker slots busy, or the region's one walk under way
  WalkCache,      ///< paging-structure cache look-up
  WalkLevel5,     ///< reading the entry of this level, the walker's own cycles included
  WalkLevel4,
  WalkLevel3,
  WalkLevel2,
  WalkLevel1,
  WalkReply,       ///< from the walk's end to its request; holds no slot of the walker
  MemoryWait,      ///< structure reads waiting for a busy bus or memory
  OrderWait,       ///< in order: earlier requests of the same port, to be looked up or delivered first
  SplitWait,       ///< earlier parts of the same DMA, which crosses pages, being translated
  Downstream,      ///< the access itself beyond the translation unit
  DownstreamWait,  ///< the access itself waiting for a busy bus or memory
  Retry,           ///< work thrown away because an invalidation overtook it
  kCount,
};
inline constexpr std::size_t kStageCount = static_cast<std::size_t>(Stage::kCount);

/// Name as results show it, for example "walk_level_1".
[[nodiscard]] const char* stage_name(Stage stage);
/// Levels that have a stage each: the most that a table has.
inline constexpr unsigned kWalkStages =
    static_cast<unsigned>(Stage::WalkLevel1) - static_cast<unsigned>(Stage::WalkLevel5) + 1;
[[nodiscard]] constexpr Stage walk_level_stage(unsigned level) {
  return static_cast<Stage>(static_cast<unsigned>(Stage::WalkLevel1) + 1 - level);
}

/// How an access was translated, as statistics are kept by.
enum class OutcomeClass : std::uint8_t {
  Untranslated,  ///< translation was off, or an interrupt
  PassThrough,
  Hit,
  Merged,  ///< shared the walk of another request
  Walk1,   ///< a walk that read one entry
  Walk2,
  Walk3,
  Walk4,
  Walk5,
  Fault,  ///< blocked, or refused by memory
  kCount,
};
inline constexpr std::size_t kOutcomeCount = static_cast<std::size_t>(OutcomeClass::kCount);
[[nodiscard]] const char* outcome_name(OutcomeClass outcome);
/// A walk that read `entries` entries; one that a cached upper part ended at once counts as one entry.
[[nodiscard]] constexpr OutcomeClass walk_outcome(unsigned entries) {
  return static_cast<OutcomeClass>(static_cast<unsigned>(OutcomeClass::Walk1) + (entries == 0 ? 0 : entries - 1));
}

/// Ticks spent in each stage by one access.
class StageTimes {
 public:
  void charge(Stage stage, Tick ticks) {
    const std::uint32_t bit = std::uint32_t{1} << static_cast<unsigned>(stage);
    Tick& spent = ticks_[static_cast<std::size_t>(stage)];
    spent = ((charged_ & bit) != 0 ? spent : 0) + ticks;
    charged_ |= bit;
  }
  /// A level of a walk is charged; otherwise a walk may write how long its levels take one by one, and charge them all
  /// at once.
  [[nodiscard]] bool levels_charged() const { return (charged_ & kLevels) != 0; }
  void write_level(std::size_t level, Tick ticks) {
    ticks_[static_cast<std::size_t>(Stage::WalkLevel1) + 1 - level] = ticks;
  }
  /// Charges `count` levels from `top` down, which have been written.
  void charge_written(std::size_t top, std::size_t count) { charged_ |= kOfLevels[top][count]; }
  /// The same where all take the same time and none has been written.
  void charge_levels(std::size_t top, std::size_t count, Tick each) {
    // What isn't charged may say anything.
    for (std::size_t level = 1; level <= kWalkStages; ++level) write_level(level, each);
    charge_written(top, count);
  }
  [[nodiscard]] Tick of(Stage stage) const {
    const auto index = static_cast<std::size_t>(stage);
    return ((charged_ >> index) & 1) != 0 ? ticks_[index] : 0;
  }
  [[nodiscard]] Tick total() const {
    Tick sum = 0;
    visit([&sum](std::size_t, Tick ticks) { sum += ticks; });
    return sum;
  }
  void clear() { charged_ = 0; }
  /// Everything so far becomes `stage`: for work that has to be done again.
  void collapse_into(Stage stage) {
    const Tick sum = total();
    clear();
    charge(stage, sum);
  }
  [[nodiscard]] std::array<Tick, kStageCount> all() const {
    std::array<Tick, kStageCount> all{};
    visit([&all](std::size_t stage, Tick ticks) { all[stage] = ticks; });
    return all;
  }
  /// Of a stage that is among charged().
  [[nodiscard]] Tick of_charged(std::size_t stage) const { return ticks_[stage]; }
  /// The stages that were charged, a bit each, be it with no time at all.
  [[nodiscard]] std::uint32_t charged() const { return charged_; }
  /// Calls visit(stage's number, ticks) for each stage that took time.
  template <class Visitor>
  void visit(Visitor&& visit) const {
    for (std::uint32_t left = charged_; left != 0; left &= left - 1) {
      const auto stage = static_cast<unsigned>(__builtin_ctz(left));
      if (ticks_[stage] != 0) visit(stage, ticks_[stage]);
    }
  }

 private:
  // The levels of walks, a bit each.
  static constexpr std::uint32_t kLevels = ((std::uint32_t{1} << kWalkStages) - 1)
                                           << static_cast<unsigned>(Stage::WalkLevel5);

  // The bits of so many of them (second) from a level (first) down.
  static constexpr std::array<std::array<std::uint32_t, kWalkStages + 1>, kWalkStages + 1> kOfLevels = [] {
    std::array<std::array<std::uint32_t, kWalkStages + 1>, kWalkStages + 1> bits{};
    for (unsigned top = 1; top <= kWalkStages; ++top) {
      for (unsigned count = 1; count <= top; ++count) {
        bits[top][count] = ((std::uint32_t{1} << count) - 1) << static_cast<unsigned>(walk_level_stage(top));
      }
    }
    return bits;
  }();

  std::array<Tick, kStageCount> ticks_{};  // what isn't charged is old
  std::uint32_t charged_ = 0;              // a bit each
  static_assert(kStageCount <= 32);
};

}  // namespace iommu::core
