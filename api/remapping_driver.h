// What the API layer asks of the driver of one IOMMU, whatever its architecture.
//
// What it does: names the operations that change what devices reach: start a unit, bind requesters to an address space,
// make stale translations go. Implementations reach the hardware by registers and memory only; each returns when the
// hardware has done it. What it does not do: build page tables (PageTable), know drivers' handles, or check arguments.
//
// Statuses: STATUS_SUCCESS; STATUS_INSUFFICIENT_RESOURCES with no change when frames or domain ids are lacking;
// STATUS_NOT_SUPPORTED from start() when the unit can't do what policy asks; STATUS_UNSUCCESSFUL when the unit does not
// answer (reported, and every later call on it fails alike).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "api/page_range.h"
#include "api/ports.h"
#include "models/core/page_format.h"

namespace iommu::api {

/// What a unit can do, known after start().
struct UnitFeatures {
  core::PageFormat format;
  std::uint32_t levels_mask = 0;  ///< bit n: page tables of n levels
  unsigned input_bits = 0;        ///< width of the widest logical address
  unsigned output_bits = 0;       ///< width of the widest physical address
  unsigned max_leaf_level = 1;
  bool pass_through = false;
};

/// The address space of a domain as a unit sees it.
struct AddressSpaceBinding {
  std::uint16_t domain_id = 0;
  bool pass_through = false;  ///< logical = physical; the rest is ignored
  core::Address root = 0;
  unsigned levels = 0;
};

/// A range of logical pages that no device of any domain can reach by translation.
struct UntranslatedRange {
  std::uint64_t first_page = 0;
  std::uint64_t pages = 0;
};

/// What kept an access from its memory, as far as architectures agree.
enum class FaultCause : std::uint8_t {
  NoBinding,     ///< the requester is bound to nothing
  NoPermission,  ///< its tables do not allow the access: not mapped, or mapped without that permission
  AddressSize,   ///< the address is wider than input or output
  Structure,     ///< tables or requester structures could not be read
  Unsupported,   ///< the request, or what software wrote for it, is not allowed
};

/// One access that a unit blocked, as its hardware recorded it.
struct FaultRecord {
  core::RequesterId requester = 0;
  FaultCause cause = FaultCause::Unsupported;
  std::uint32_t reason = 0;  ///< the architecture's code, for diagnostics
  bool write = false;
  bool address_valid = false;
  core::Address address = 0;  ///< logical, of the page; 0 when it is not valid
};

/// Who wants to know of a unit's faults. Called on the unit's interrupt thread or on the passive-level worker; must not
/// wait. `unit` is the index in SystemDescription::units.
class FaultSink {
 public:
  virtual ~FaultSink() = default;
  virtual void fault(std::size_t unit, const FaultRecord& record) = 0;
  /// The unit had no room for faults and dropped an unknown number of them, `times` times since this was last called.
  virtual void faults_lost(std::size_t unit, std::uint64_t times) = 0;
};

class RemappingDriver {
 public:
  virtual ~RemappingDriver() = default;

  /// Takes the unit from whatever state firmware left it in to translating with every listed requester in its
  /// unattached state.
  [[nodiscard]] virtual NTSTATUS start(const std::vector<core::RequesterId>& requesters,
                                       UnattachedState unattached) = 0;
  [[nodiscard]] virtual const UnitFeatures& features() const = 0;
  /// Logical addresses that the architecture gives another meaning.
  [[nodiscard]] virtual std::vector<UntranslatedRange> untranslated_ranges() const = 0;

  /// A tag for an address space, by which its cached translations are found; nothing when all are taken.
  [[nodiscard]] virtual std::optional<std::uint16_t> acquire_domain_id() = 0;
  /// No requester may be bound with it any more.
  virtual void release_domain_id(std::uint16_t domain_id) = 0;

  /// Binds unattached requesters to an address space.
  [[nodiscard]] virtual NTSTATUS attach(const std::vector<core::RequesterId>& requesters,
                                        const AddressSpaceBinding& binding) = 0;
  /// Returns requesters to their unattached state. All cached knowledge of them, and every translation of the domain id
  /// that they had, is gone afterwards and DMA that used it is complete.
  [[nodiscard]] virtual NTSTATUS detach(const std::vector<core::RequesterId>& requesters) = 0;

  /// Makes freshly written entries for a range that was not mapped visible to the unit.
  [[nodiscard]] virtual NTSTATUS publish(std::uint16_t domain_id, std::uint64_t first_page, std::uint64_t pages) = 0;
  /// Drops cached translations of a range and waits for the DMA that used them.
  /// @param leaf_only  no table was added or removed
  [[nodiscard]] virtual NTSTATUS invalidate(std::uint16_t domain_id, std::uint64_t first_page, std::uint64_t pages,
                                            bool leaf_only) = 0;
  /// The same for several ranges, at most as many as fit the unit's queue at a time, by one submission.
  static constexpr std::size_t kMostRanges = 64;
  [[nodiscard]] virtual NTSTATUS invalidate(std::uint16_t domain_id, const std::vector<PageRange>& ranges,
                                            bool leaf_only) = 0;
  /// Drops everything that the unit has cached, and waits for the DMA that used it.
  [[nodiscard]] virtual NTSTATUS invalidate_all() = 0;

  /// Has the unit report its faults to `sink` from now on; what it recorded before is reported first. The sink is called
  /// until stop_fault_reporting(). Calls of these two do not overlap. STATUS_NOT_SUPPORTED: no interrupt, or one that the
  /// unit can't send.
  [[nodiscard]] virtual NTSTATUS start_fault_reporting(FaultSink& sink) = 0;
  /// The sink is not called any more afterwards. Records stay in the unit.
  virtual void stop_fault_reporting() = 0;
};

}  // namespace iommu::api
