// Invalidation of one VT-d unit's caches: the queue (specification 6.5.2) or the registers (6.5.1).
//
// What it does: carries out a list of context-cache and IOTLB invalidations in order, with draining where the unit has
// it, and returns when the unit says that all of it is complete. Several threads may submit to the queue at a time.
// Nothing on the way allocates memory unless something has to be reported, so that a call that must not allocate may
// invalidate. What it does not do: decide what to invalidate (VtdDriver), or know interrupts: completion is polled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "api/ports.h"
#include "api/vtd_unit.h"

namespace iommu::api {

/// One request; made by the functions below.
struct Invalidation {
  enum class Kind : std::uint8_t { ContextGlobal, ContextDevice, IotlbGlobal, IotlbDomain, IotlbPages };
  Kind kind = Kind::ContextGlobal;
  std::uint16_t domain_id = 0;
  core::RequesterId requester = 0;
  std::uint64_t first_page = 0;
  unsigned address_mask = 0;
  bool leaf_only = false;

  [[nodiscard]] static Invalidation context_global() { return {}; }
  [[nodiscard]] static Invalidation context_device(std::uint16_t domain_id, core::RequesterId requester) {
    return {Kind::ContextDevice, domain_id, requester, 0, 0, false};
  }
  [[nodiscard]] static Invalidation iotlb_global() { return {Kind::IotlbGlobal, 0, 0, 0, 0, false}; }
  [[nodiscard]] static Invalidation iotlb_domain(std::uint16_t domain_id) {
    return {Kind::IotlbDomain, domain_id, 0, 0, 0, false};
  }
  /// 2^address_mask pages from `first_page`, a multiple of that; `leaf_only` (IH): no intermediate entry changed.
  [[nodiscard]] static Invalidation iotlb_pages(std::uint16_t domain_id, std::uint64_t first_page,
                                                unsigned address_mask, bool leaf_only) {
    return {Kind::IotlbPages, domain_id, 0, first_page, address_mask, leaf_only};
  }
};

class VtdInvalidation {
 public:
  enum class Result : std::uint8_t {
    Done,
    Refused,   ///< the unit took a request for invalid; reported; nothing is known to be invalidated
    NoAnswer,  ///< the poll limit was reached; reported
  };
  virtual ~VtdInvalidation() = default;
  /// Carries out `count` requests, at least one.
  [[nodiscard]] virtual Result execute(const Invalidation* requests, std::size_t count) = 0;
};

/// Through CCMD, IVA and IOTLB.
class VtdRegisterInvalidation final : public VtdInvalidation {
 public:
  explicit VtdRegisterInvalidation(VtdUnit& unit);
  [[nodiscard]] Result execute(const Invalidation* requests, std::size_t count) override;

 private:
  [[nodiscard]] Result one(const Invalidation& request);
  [[nodiscard]] Result context(std::uint64_t command);
  [[nodiscard]] Result iotlb(std::uint64_t command);

  VtdUnit& unit_;
  std::unique_ptr<Mutex> mutex_;  // one command at a time
};

/// Through a queue of one page of 128-bit descriptors. Each submission ends in a wait descriptor that writes a
/// generation number to memory; numbers count up, so a poller waits until the word has reached its own.
class VtdQueuedInvalidation final : public VtdInvalidation {
 public:
  static constexpr std::uint32_t kDescriptors = 256;

  /// `queue` and `status` are frames that the unit owns; start() zeroes them and turns the queue on.
  VtdQueuedInvalidation(VtdUnit& unit, core::Address queue, core::Address status);
  [[nodiscard]] bool start();
  [[nodiscard]] Result execute(const Invalidation* requests, std::size_t count) override;

 private:
  // On the stack of the thread that waits for it; in the list from submit() until the thread leaves execute().
  struct Submission {
    explicit Submission(VtdQueuedInvalidation& in) : queue(in) {}
    ~Submission();
    Submission(const Submission&) = delete;
    Submission& operator=(const Submission&) = delete;

    VtdQueuedInvalidation& queue;
    std::uint32_t generation = 0;
    std::uint32_t first = 0;  // index of its first descriptor
    std::uint32_t count = 0;  // with its wait
    bool refused = false;
    bool linked = false;
    Submission* older = nullptr;
    Submission* newer = nullptr;
  };

  [[nodiscard]] bool submit(const Invalidation* requests, std::size_t count, Submission& submission);
  [[nodiscard]] bool wait_for_space(std::uint32_t count);
  [[nodiscard]] Result wait_for(const Submission& submission);
  void put(std::uint64_t lo, std::uint64_t hi);
  void recover();

  VtdUnit& unit_;
  core::Address queue_;
  core::Address status_;
  std::unique_ptr<Mutex> mutex_;  // the tail and what belongs to it
  std::uint32_t tail_ = 0;
  std::uint32_t head_ = 0;  // as last read: the unit may be further
  std::uint32_t generation_ = 0;
  Submission* newest_ = nullptr;  // of those whose threads wait
};

}  // namespace iommu::api
