// The IOTLB as a module: core::IotlbArray with ports and latency.
//
// What it does: answers look-ups with a time, fills, invalidates, counts; reached by sc_port<IotlbIf>, so that another
// implementation can take its place. What it does not do: walk on a miss; know which misses are under way (its owner
// says so when it asks).
#pragma once

#include <optional>
#include <systemc>

#include "models/core/iotlb_array.h"
#include "models/core/resource.h"

namespace iommu::sim {

/// One look-up's answer. The look-up starts at `start` (later than asked when all ports were busy) and its result is
/// known at `ready`.
struct IotlbAnswer {
  enum class Kind : std::uint8_t {
    Hit,
    Merged,  ///< found, but the walk that fills it ends only at `ready`
    Miss,
  };
  Kind kind = Kind::Miss;
  core::Tick start = 0;
  core::Tick looked_up = 0;  ///< end of the look-up itself
  core::Tick ready = 0;      ///< later than looked_up only when merged
  core::Mapping mapping;     ///< valid unless Miss
  core::IotlbRef entry;      ///< for hit_again(); none when an implementation has no use for it
};

/// One look-up that was a hit, between these times; looked_up 0: it was not, and nothing has happened.
struct IotlbHit {
  core::Tick start = 0;
  core::Tick looked_up = 0;
};

/// One look-up that found nothing, between these times; none(): it found something, or is not known to be a miss, and
/// nothing has happened.
struct IotlbMiss {
  static constexpr core::Tick kNone = ~core::Tick{0};
  core::Tick start = kNone;
  core::Tick looked_up = 0;
  [[nodiscard]] bool none() const { return start == kNone; }
};

class IotlbIf : public virtual sc_core::sc_interface {
 public:
  /// Looks up at time `now`. `walk_under_way` says that a walk for this page is running: a miss then counts as merged.
  virtual IotlbAnswer lookup(core::RequesterId tag, core::Address input, core::Tick now, bool walk_under_way) = 0;
  /// The same for a page that is likely not there, and whose walk nobody has under way. When it is none, lookup() has the
  /// answer.
  virtual IotlbMiss miss(core::RequesterId tag, core::Address input, core::Tick now) = 0;
  /// A look-up at time `now` of a page that an earlier one has answered with this entry, without a search. When it is no
  /// hit, lookup() has the answer.
  virtual IotlbHit hit_again(core::IotlbRef, core::Tick) { return {}; }
  /// The same without time, counters or effect on replacement; for probes.
  [[nodiscard]] virtual std::optional<core::Mapping> peek(core::RequesterId tag, core::Address input) const = 0;
  /// Keeps what a walk for `input` has found.
  virtual void fill(core::RequesterId tag, core::Address input, const core::Mapping& mapping, core::Tick ready_at) = 0;
  virtual void invalidate(const core::TranslationScope& scope) = 0;
  virtual void clear() = 0;
  /// An invalidation takes all ports for `ticks` from `now` on, or from when another one has left them: look-ups that
  /// are asked for afterwards wait.
  virtual void occupy(core::Tick now, core::Tick ticks) = 0;
};

struct IotlbModuleConfig {
  core::IotlbConfig array;
  std::uint32_t ports = 1;    ///< look-ups that can start in one cycle; 0: without limit
  core::Tick cycle = 1000;    ///< clock period
  core::Tick latency = 2000;  ///< of one look-up; pipelined
  /// An entry never covers more than 4 KiB: of a larger leaf each page that is used takes an entry, and its own walk.
  bool superpage_pieces = false;
};

class Iotlb : public sc_core::sc_module, public IotlbIf {
 public:
  Iotlb(sc_core::sc_module_name name, const IotlbModuleConfig& config);

  IotlbAnswer lookup(core::RequesterId tag, core::Address input, core::Tick now, bool walk_under_way) override;
  IotlbMiss miss(core::RequesterId tag, core::Address input, core::Tick now) override;
  IotlbHit hit_again(core::IotlbRef entry, core::Tick now) override;
  [[nodiscard]] std::optional<core::Mapping> peek(core::RequesterId tag, core::Address input) const override;
  void fill(core::RequesterId tag, core::Address input, const core::Mapping& mapping, core::Tick ready_at) override;
  void invalidate(const core::TranslationScope& scope) override;
  void clear() override;
  void occupy(core::Tick now, core::Tick ticks) override;

  [[nodiscard]] const core::IotlbCounters& counters() const { return array_.counters; }
  [[nodiscard]] std::uint64_t out_of_order() const { return ports_.out_of_order(); }
  void restart_counters() {
    array_.counters = core::IotlbCounters();
    ports_.restart_counters();
  }

 private:
  // Not inlined, so that the usual case, a port that is free, stays small where it is.
  [[gnu::noinline]] core::Tick wait_for_port(core::Tick now) { return ports_.reserve(now, config_.cycle); }
  core::Tick take_port(core::Tick now);
  [[gnu::noinline]] IotlbHit hit_later(core::IotlbRef ref, core::Tick now);
  IotlbHit count_again(core::IotlbRef ref, core::Tick start);
  IotlbMiss count_miss(core::Tick start);
  [[gnu::noinline]] IotlbMiss miss_otherwise(core::RequesterId tag, core::Address input, core::Tick now);
  [[gnu::noinline]] IotlbMiss miss_later(core::Tick from);

  IotlbModuleConfig config_;
  core::IotlbArray array_;
  core::Resource ports_;
  core::Tick occupied_until_ = 0;  // by invalidations
};

}  // namespace iommu::sim
