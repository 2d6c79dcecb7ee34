// One requester's way into the system: operations in, transactions of the base protocol out, each end reported.
//
// What it does: limits how many operations are outstanding (first come, first served beyond that), issues each blocking
// (LT) or non-blocking (AT), reports its end at the simulated time of the end, and divides its latency into stages that
// sum exactly. A posted write gives its place back when a link has accepted it, before it ends. What it does not do:
// split operations (the link does, and the translation unit at pages), order them among each other once issued, own
// their data, retry.
//
// Direct access (DmaPortConfig::dmi): perform() asks for direct memory pointers and moves data through them itself, in
// the latency that was granted: that of memory and bus, without translation, link, contention, bandwidth. Such an
// operation is in no statistics, neither the port's nor of anything below. A grant is used until it is withdrawn, like a
// translation in a cache without limits.
//
// LT: b_transport is called at the time of issue, so no target below may call wait() (perform(), from a thread, allows
// it). AT: any target of the base protocol: four phases, early completion, annotated delays, payloads that it keeps
// acquired.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <memory>
#include <vector>

#include "models/tlm/direct_grants.h"
#include "models/tlm/dma_statistics.h"
#include "models/tlm/nb_initiator.h"
#include "models/tlm/socket_width.h"
#include "models/tlm/timed_queue.h"

namespace iommu::sim {

/// How modules talk to each other: loosely timed (b_transport) or approximately timed (nb_transport).
enum class TransportMode : std::uint8_t { Lt, At };

/// One DMA. It belongs to whoever issues it and stays untouched by others, data included, from issue() to dma_done().
struct DmaOperation {
  core::Address address = 0;
  unsigned char* data = nullptr;  ///< `length` bytes: read into or written from; not used by a zero-length one
  std::uint32_t length = 0;       ///< bytes, at least 1 unless zero_length
  bool write = false;
  bool zero_length = false;  ///< a read that checks permissions and moves no data; `write` and `length` are ignored
  bool atomic = false;       ///< needs both permissions; data move in the direction that `write` says
  core::Tick ready_at = 0;   ///< when the device wanted it, not later than the issue: its latency counts from here
  void* cookie = nullptr;    ///< the issuer's, never looked at
  bool counted = true;       ///< in the port's statistics

  // Results.
  core::Tick issued_at = 0;
  core::Tick freed_at = 0;  ///< when its place among the outstanding ones was free again: its end, or when accepted
  core::Tick end = 0;
  ::tlm::tlm_response_status status = ::tlm::TLM_INCOMPLETE_RESPONSE;
  core::OutcomeClass outcome = core::OutcomeClass::Untranslated;
  std::uint8_t fault_reason = 0;  ///< the translation unit's code; 0: none, or blocked silently, or refused by a target
  core::StageTimes stages;        ///< sum to end - ready_at
  bool direct = false;            ///< through a direct memory pointer: nothing has translated or counted it
  [[nodiscard]] bool ok() const { return status == ::tlm::TLM_OK_RESPONSE; }

  DmaOperation* next = nullptr;  ///< the port's, while the operation waits to be issued
};

class DmaClient {
 public:
  virtual ~DmaClient() = default;
  /// Called at the simulated time `operation.end`, from a process of the port, never from within issue(). The operation
  /// is the client's again and new ones may be issued from here.
  virtual void dma_done(DmaOperation& operation) = 0;
  /// Called at `operation.freed_at`, before the end, for a posted write that a link has accepted: a new operation may
  /// take its place. The operation and its data stay the port's.
  virtual void dma_accepted(DmaOperation& operation) { static_cast<void>(operation); }
};

struct DmaPortConfig {
  TransportMode mode = TransportMode::Lt;
  core::RequesterId requester = 0;
  std::uint32_t outstanding = 8;  ///< operations under way at a time, accepted ones apart; at least 1 (0 counts as 1)
  bool dmi = false;               ///< perform() uses direct memory where it is granted; issue() never does
};

class DmaPort : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<DmaPort, kSocketWidthBits> socket;

  /// `client` outlives the port.
  DmaPort(sc_core::sc_module_name name, const DmaPortConfig& config, DmaClient& client);
  ~DmaPort() override;

  /// Issues now, or as soon as fewer than `outstanding` are under way. An operation of no bytes that isn't zero_length,
  /// or without data, is reported as SC_ERROR: the device's code is wrong.
  void issue(DmaOperation& operation);

  /// LT only, for an SC_THREAD that runs ahead of simulated time: does the whole operation at `at` (the kernel's time
  /// or later) and returns its end. Counts in the statistics, not in the limit, which is the caller's; the client isn't
  /// told.
  core::Tick perform(DmaOperation& operation, core::Tick at);

  /// The device is gone: operations that wait are forgotten without a word to the client; those under way end.
  void drop_waiting() { waiting_first_ = waiting_last_ = nullptr; }

  /// Operations that take a place among the outstanding ones.
  [[nodiscard]] std::uint32_t in_flight() const { return in_flight_; }
  /// An operation issued now would not wait.
  [[nodiscard]] bool has_room() const { return waiting_first_ == nullptr && in_flight_ < config_.outstanding; }
  /// Nothing under way, accepted or not, and nothing waiting.
  [[nodiscard]] bool idle() const { return open_ == 0 && waiting_first_ == nullptr; }
  [[nodiscard]] const DmaPortConfig& config() const { return config_; }

  DmaStatistics statistics;

 private:
  struct Slot;
  class Pool;
  struct Due {
    Slot* slot;
    bool end;  // else: its place is free
  };
  struct ResponseEnded {
    DmaPort* port;
    void operator()(::tlm::tlm_generic_payload& payload, core::Tick at) const;
  };

  void check(const DmaOperation& operation) const;
  static core::Tick access(DmaOperation& operation, const DirectGrants::Grant& grant, core::Tick at);
  void ask_for_grant(Slot& slot, const DmaOperation& operation);
  void withdraw_grants(sc_dt::uint64 first, sc_dt::uint64 last) { grants_.withdraw(first, last); }
  Slot& prepare(DmaOperation& operation, core::Tick at);
  void send(DmaOperation& operation);
  void note_accepted(Slot& slot, core::Tick at);
  void conclude(Slot& slot, core::Tick end);
  void free_place(DmaOperation& operation);
  void complete(Slot& slot);
  void run_due();
  ::tlm::tlm_sync_enum backward(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase, sc_core::sc_time& delay);

  DmaPortConfig config_;
  DmaClient& client_;
  std::unique_ptr<Pool> pool_;
  NbInitiator<decltype(socket), ResponseEnded> initiator_;
  TimedQueue<Due> due_;
  DirectGrants grants_;
  std::uint32_t in_flight_ = 0;
  std::uint32_t open_ = 0;  // not ended: in_flight_ and the accepted ones
  DmaOperation* waiting_first_ = nullptr;
  DmaOperation* waiting_last_ = nullptr;
};

}  // namespace iommu::sim
