// What the translation unit keeps of a DMA while it is under way; private to models/tlm/translation_*.cpp.
//
// What it does: records, the first two pooled. What it does not do: anything.
#pragma once

#include "models/tlm/translation_unit.h"

namespace iommu::sim {

/// One page's part of a DMA. Its stages sum to `at` - `begin` at all times.
struct TranslationUnit::Piece {
  enum class Next : std::uint8_t {
    Step,         ///< go on with flow.need()
    ContextData,  ///< a root or context entry has arrived
    Downstream,   ///< the access itself has ended
  };

  Transaction* transaction = nullptr;
  core::TranslationFlow flow;
  core::StageTimes stages;
  core::Tick begin = 0;
  core::Tick at = 0;  ///< time that the piece has reached
  Next next = Next::Step;
  bool stale = false;    ///< an invalidation covers what it has found so far
  bool walking = false;  ///< its walk is under way or about to begin
  bool merged = false;
  bool looking_up = false;   ///< in order, AT: in its port's `look_ups`
  bool held = false;         ///< in order, AT: ready, but not yet its turn
  std::uint8_t epoch = 0;    ///< of its downstream access: where it counts in downstream_
  std::uint32_t offset = 0;  ///< first byte in the transaction's data
  core::OutcomeClass outcome = core::OutcomeClass::Untranslated;
  std::size_t in_flight_index = kNotInFlight;
  std::size_t walk_index = kNotInFlight;  ///< AT: in walks_, from its miss to the end of its walk
  AccessSlot* slot = nullptr;
  WalkJob job;
  core::IotlbRef entry;                ///< that its look-up has found, if it was one
  std::vector<Piece*> waiters;         ///< of the same page, for the walk of this one
  std::vector<unsigned char> enables;  ///< byte enables of this piece, when the DMA has any

  static constexpr std::size_t kNotInFlight = ~std::size_t{0};

  Piece(const core::FrontEnd& front_end) : flow(front_end, {}) {}
};

/// One DMA.
struct TranslationUnit::Transaction {
  ::tlm::tlm_generic_payload* payload = nullptr;
  DmaExtension* extension = nullptr;  ///< nullptr: the initiator has none
  int port = 0;
  core::Request request;
  std::vector<Piece*> pieces;
  bool ahead = false;     ///< in order: has made its first look-up, and counts among those not yet delivered
  std::size_t begun = 0;  ///< pieces that have been translated; the next one is being translated
  std::size_t open = 0;   ///< pieces that have not ended
  core::Tick end = 0;
};

/// A page that a requester has accessed in one direction, where every check of the front end was passed: while nothing
/// that these checks depend on has changed since, an access to it needs its look-ups only.
struct alignas(64) TranslationUnit::KnownPage {
  std::uint64_t page = ~std::uint64_t{0};
  std::uint32_t who = 0;  ///< requester and direction
  core::Permissions permissions = core::Permissions::None;
  std::uint64_t epoch = 0;        ///< of KnownPages, when the checks were made
  core::Address output_page = 0;  ///< 4 KiB; another translation has to be checked anew
  core::IotlbRef entry;           ///< of the IOTLB, that says so

  [[nodiscard]] static std::uint32_t who_asks(core::RequesterId requester, bool write) {
    return (std::uint32_t{requester} << 1) | (write ? 1 : 0);
  }
};

struct TranslationUnit::KnownPages {
  static constexpr std::size_t kPages = 4096;
  std::array<KnownPage, kPages> pages;
  std::uint64_t epoch = 1;
  std::uint64_t changes = 0;  // of anything here
  // The time from arrival to the end of the look-ups is nearly always the same: its conversion is kept.
  core::Tick looked_up = 0;
  sc_core::sc_time looked_up_time;

  /// Registers, contexts or the context cache have changed.
  void forget() {
    ++epoch;
    ++changes;
  }
  void remember(const core::Request& request, core::Permissions permissions, core::Address host,
                const core::IotlbRef& entry) {
    const std::uint64_t page = request.address >> core::kPageShift;
    const std::uint32_t by = who(request.requester, request.kind == core::AccessKind::Write);
    ++changes;
    place(page, by) = {page, by, permissions, epoch, host & ~(core::kPageBytes - 1), entry};
  }
  [[nodiscard]] static std::uint32_t who(core::RequesterId requester, bool write) {
    return KnownPage::who_asks(requester, write);
  }
  [[nodiscard]] KnownPage& place(std::uint64_t page, std::uint32_t by) { return pages[(page + by * 37) % kPages]; }
};

/// LT: the walk of an access that has no Piece, which an invalidation can meet while memory waits. They are used again and
/// again: what no such access needs is never set.
struct TranslationUnit::SimpleWalk {
  WalkJob job;
  core::RequesterId requester = 0;
  bool stale = false;  ///< an invalidation covers what it has found so far
};

/// One initiator's side: the way back to it (AT), and the order of its requests (in_order).
struct TranslationUnit::Upstream {
  Transaction* in_response = nullptr;  ///< BEGIN_RESP sent, END_RESP not seen
  Fifo<Transaction*> ready;

  // In order, AT.
  std::deque<Transaction*> undelivered;  ///< oldest first
  std::deque<Piece*> look_ups;           ///< wait until the one that has missed has a slot
  Piece* missing = nullptr;              ///< has missed; its walk has no slot yet
  Piece* woken = nullptr;                ///< of `look_ups`: about to try again
  std::array<std::uint32_t, 2> ahead{};  ///< reads, writes: looked up and not delivered
  // In order, LT: the same as times.
  core::Tick look_ups_from = 0;
  core::Tick delivered_until = 0;
  std::array<std::deque<core::Tick>, 2> deliveries;  ///< reads, writes: of the last ones, as many as can be ahead
};

}  // namespace iommu::sim
