// A generator of DMA: accesses of a pattern, one after the other, within a limit of outstanding ones.
//
// What it does: makes accesses from core::AccessPattern, issues them in LT (its own thread, with temporal decoupling)
// or AT (event by event), writes and checks data that derive from numbers, counts. What it does not do: map its window,
// or stop before its last access.
//
// When an access is wanted: with one outstanding, `gap` after the response to the access before; otherwise `gap` after
// the start of the access before. It starts then, or, when all are outstanding, as soon as one has ended: that wait is
// Stage::IssueWait. A posted write that a link has accepted counts as ended in this.
//
// Warm-up: the first `warmup` accesses are made like all others, but are in no statistics or counters (but for checked
// data). It is over when the last of them has ended; the rate of the statistics counts from then on.
//
// Data: the write of access number n (from 0) carries the first bytes of packet n (core::fill_payload). With `verify`
// the window instead has a content that both writes and reads agree on, fill_window(): whoever sets the window up
// writes it, writes write it again, and each read inside the window that succeeds is compared with it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "models/core/access_pattern.h"
#include "models/tlm/dma_port.h"

namespace iommu::sim {

struct DmaMasterConfig {
  TransportMode mode = TransportMode::Lt;
  core::RequesterId requester = 0;
  core::AccessPatternConfig pattern;
  core::Address base = 0;         ///< where the window starts, as the device sees it
  std::uint64_t count = 0;        ///< accesses, the warm-up included
  std::uint64_t warmup = 0;       ///< accesses that warm up
  std::uint32_t outstanding = 8;  ///< at least 1 (0 counts as 1)
  core::Tick gap = 0;
  core::Tick start = 0;          ///< from start() to the first access
  core::Tick quantum = 0;        ///< LT: how far the master may run ahead of simulated time; 0: not at all
  bool event_driven = false;     ///< LT: no thread, b_transport from events at the exact times; quantum has no effect
  bool verify = false;           ///< data of the window are fill_window()'s
  std::uint64_t window_tag = 0;  ///< of fill_window(): tells windows apart
  bool dmi = false;              ///< LT with a thread: direct memory access where it is granted (DmaPortConfig::dmi)
};

/// Without the warm-up, but for the reads that were compared.
struct DmaMasterCounters {
  std::uint64_t issued = 0;
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;      ///< of the completed
  std::uint64_t escapes = 0;     ///< of the issued: outside the window on purpose
  std::uint64_t direct = 0;      ///< of the completed: through direct memory pointers, not in the port's statistics
  std::uint64_t verified = 0;    ///< reads that were compared, in the warm-up too
  std::uint64_t mismatches = 0;  ///< of these: data were wrong

  template <class Visitor>
  void visit_counters(Visitor&& visit) const {
    visit("issued", "", "accesses issued", issued);
    visit("completed", "", "accesses that have ended", completed);
    visit("failed", "", "accesses that have ended in a fault or an error", failed);
    visit("escapes", "", "accesses issued outside the window on purpose", escapes);
    visit("direct", "", "accesses made through direct memory pointers, which are in no statistics of DMA", direct);
    visit("verified", "", "reads whose data were compared", verified);
    visit("mismatches", "", "reads whose data were wrong", mismatches);
  }
};

class DmaMaster : public sc_core::sc_module, private DmaClient {
 public:
  DmaPort port;
  tlm_utils::simple_initiator_socket<DmaPort, kSocketWidthBits>& socket;  ///< the port's

  /// Throws std::invalid_argument when config.pattern has a problem (core::find_problem).
  DmaMaster(sc_core::sc_module_name name, const DmaMasterConfig& config);
  ~DmaMaster() override;

  /// Where the window starts, as the device sees it; before start().
  void set_base(core::Address base) { config_.base = base; }
  /// Begins, once: the window is mapped. From any process, or before the simulation starts.
  void start();
  [[nodiscard]] bool started() const { return started_; }
  [[nodiscard]] bool done() const { return done_; }
  /// Notified at the time at which the last access has ended.
  [[nodiscard]] const sc_core::sc_event& done_event() const { return done_event_; }
  /// Called once, when the warm-up is over: at the time of its last end, or, by a thread that runs ahead (LT), between
  /// its last access and the next. Before start().
  void on_warm(std::function<void()> callback) { on_warm_ = std::move(callback); }
  /// Accesses that have ended, those of the warm-up included.
  [[nodiscard]] std::uint64_t ended() const { return ended_; }
  /// In LT they run ahead of simulated time by up to the quantum and what is outstanding.
  [[nodiscard]] const DmaMasterCounters& counters() const { return counters_; }
  [[nodiscard]] const DmaMasterConfig& config() const { return config_; }

  /// Writes bytes `offset` to `offset + n - 1` of the window that has `window_tag`: each 4 KiB page of it is the
  /// payload of a packet of its own, number window_tag + page.
  static void fill_window(std::uint64_t window_tag, std::uint64_t offset, void* data, std::size_t n);
  /// True when `data` are what fill_window would write.
  [[nodiscard]] static bool check_window(std::uint64_t window_tag, std::uint64_t offset, const void* data,
                                         std::size_t n);

 private:
  struct Slot;

  void dma_done(DmaOperation& operation) override;
  void dma_accepted(DmaOperation& operation) override;
  void place_free(const DmaOperation& operation);
  void add_slot();
  Slot& prepare(core::Tick ready_at);
  void conclude(const Slot& slot);
  void warm_up_ended();
  void issue_ready();
  void run_ahead();
  void finish();
  [[nodiscard]] bool event_driven() const { return config_.mode == TransportMode::At || config_.event_driven; }

  DmaMasterConfig config_;
  core::AccessPattern pattern_;
  DmaMasterCounters counters_;
  std::vector<std::unique_ptr<Slot>> slots_;  // as many as were ever under way, accepted writes included
  std::vector<Slot*> free_;
  // LT: of what is outstanding. A member, since a thread that never ends destroys no locals.
  std::priority_queue<core::Tick, std::vector<core::Tick>, std::greater<core::Tick>> ends_;
  std::function<void()> on_warm_;
  std::uint64_t issued_ = 0;
  std::uint64_t ended_ = 0;
  std::uint64_t warm_ended_ = 0;           // of the warm-up
  core::Tick warm_until_ = 0;              // their last end
  core::Tick next_ready_ = 0;              // when the next access is wanted
  const DmaOperation* awaited_ = nullptr;  // one outstanding: next_ready_ is not known before its response
  bool started_ = false;
  bool done_ = false;
  sc_core::sc_event start_event_;
  sc_core::sc_event ready_event_;
  sc_core::sc_event done_event_;
};

}  // namespace iommu::sim
