// One descriptor ring of the NIC: which descriptors are the NIC's, which are fetched, which are being worked on.
//
// What it does: indices and their wrap, the store of fetched descriptors, and the jobs made of them, which complete in
// ring order. What it does not do: DMA, time, or know whether it receives or transmits; Nic does that.
//
// A descriptor passes through: owned by the NIC (up to tail) -> fetching -> fetched -> job -> completion written ->
// back with the driver (head moves past it).
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "models/core/types.h"

namespace iommu::sim {

struct NicDescriptor {
  std::uint32_t index = 0;
  core::Address buffer = 0;
  std::uint64_t word1 = 0;
  bool bad = false;  ///< its fetch failed: nothing of it is known
};

/// A descriptor's work: DMA of its buffer, then its completion.
struct NicJob {
  NicDescriptor descriptor;
  std::uint32_t bytes = 0;          ///< to move; 0 for a bad descriptor
  std::uint32_t tag = 0;            ///< packet number
  std::uint32_t packet_offset = 0;  ///< of its first byte in the packet
  bool end_of_packet = false;
  core::Tick begin = 0;    ///< where its packet's latency starts
  std::uint32_t open = 0;  ///< DMA operations of the payload that have not ended
  bool failed = false;     ///< a DMA for it has failed
  bool corrupted = false;
  bool packet_failed = false;  ///< last of a packet: one of the packet's jobs had failed when it completed
  bool written = false;        ///< the completion has ended
  core::Tick end = 0;          ///< when it has
};

class NicQueue {
 public:
  explicit NicQueue(std::uint32_t jobs) : jobs_(jobs) {}

  /// An empty ring. `entries` 2 to 65536.
  void start(core::Address base, std::uint32_t entries);
  /// No more fetches; what is fetched stays until drop_fetched().
  void stop() { running_ = false; }
  [[nodiscard]] bool running() const { return running_; }
  /// Nothing being fetched, nothing being worked on.
  [[nodiscard]] bool quiet() const { return fetching_ == 0 && job_count_ == 0; }

  [[nodiscard]] std::uint32_t head() const { return head_; }
  [[nodiscard]] std::uint32_t tail() const { return tail_; }
  [[nodiscard]] std::uint32_t entries() const { return entries_; }
  /// False, and nothing changed, when the ring isn't running or has no such index. `now` is remembered for each
  /// descriptor that becomes the NIC's.
  bool set_tail(std::uint32_t index, core::Tick now);
  [[nodiscard]] core::Tick doorbell_of(std::uint32_t index) const { return doorbells_[index]; }

  // Fetching, one read at a time.
  struct Fetch {
    core::Address address = 0;
    std::uint32_t count = 0;
  };
  [[nodiscard]] bool fetching() const { return fetching_ != 0; }
  [[nodiscard]] bool can_fetch() const { return running_ && fetching_ == 0 && fetch_ != tail_; }
  /// The next read: up to `batch` descriptors, not beyond the tail, the ring's end or a 4 KiB boundary. Needs
  /// can_fetch().
  Fetch begin_fetch(std::uint32_t batch);
  /// The read has ended; `words` are two for each descriptor, or nullptr when it failed.
  void end_fetch(const std::uint64_t* words);

  // Fetched descriptors, in ring order.
  [[nodiscard]] std::size_t fetched() const { return fetched_.size(); }
  /// The room in the buffers of all fetched descriptors reaches `bytes`, or one of them is bad.
  [[nodiscard]] bool fetched_room(std::uint64_t bytes) const { return fetched_bad_ != 0 || fetched_bytes_ >= bytes; }
  NicDescriptor take_fetched();
  void drop_fetched();

  // Jobs, in ring order.
  [[nodiscard]] bool job_room() const { return job_count_ < jobs_.size(); }
  NicJob& add_job();
  /// The next one whose payload is done and whose predecessors' completions are under way; nullptr: none. Each is
  /// returned once.
  NicJob* next_completion();
  /// The oldest one when its completion is written, else nullptr; pop_job() moves the head past it.
  NicJob* oldest_written();
  void pop_job();
  /// Address of a descriptor's second word.
  [[nodiscard]] core::Address word1_address(std::uint32_t index) const { return base_ + 16 * index + 8; }

  bool packet_failed = false;  ///< the owner's, for the packet whose jobs are completing

 private:
  [[nodiscard]] std::uint32_t after(std::uint32_t index, std::uint32_t steps) const;

  core::Address base_ = 0;
  std::uint32_t entries_ = 0;
  std::uint32_t head_ = 0;   // next to go back to the driver
  std::uint32_t fetch_ = 0;  // next to be fetched
  std::uint32_t tail_ = 0;   // first that is the driver's
  std::uint32_t fetching_ = 0;
  bool running_ = false;
  std::vector<core::Tick> doorbells_;
  std::deque<NicDescriptor> fetched_;
  std::uint64_t fetched_bytes_ = 0;
  std::uint64_t fetched_bad_ = 0;
  std::vector<NicJob> jobs_;  // circular
  std::size_t first_job_ = 0;
  std::size_t job_count_ = 0;
  std::size_t completions_ = 0;  // of the jobs, from the oldest on: completion under way or written
};

}  // namespace iommu::sim
