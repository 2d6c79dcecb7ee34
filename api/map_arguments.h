// What the arguments of the mapping functions mean: descriptors of physical pages, and where a range may be placed.
//
// What it does: checks a descriptor once and then yields its pages in place, without a copy and without allocating
// memory; reads explicit address, Min and Max by the rules of the sheet's section 3.1 item 5. What it does not do: own
// the caller's arrays (they stay as they are during the call), decide who owns which page, report.
#pragma once

#include <cstdint>
#include <optional>

#include "api/logical_space.h"
#include "api/page_table.h"
#include "api/wdm.h"
#include "models/core/types.h"

namespace iommu::api {

inline constexpr std::uint64_t kPageMask = core::kPageBytes - 1;
/// Pages of a 64-bit address space.
inline constexpr std::uint64_t kAllPages = std::uint64_t{1} << (64 - core::kPageShift);

/// Permission bits that have no meaning (OP-15).
inline constexpr ULONG kReservedPermissions = ~ULONG{IOMMU_ACCESS_READ | IOMMU_ACCESS_WRITE};

/// The pages of a well-formed descriptor, in its order (OP-16).
class PhysicalPages {
 public:
  /// Nothing when the descriptor is NULL, malformed or empty, or names a page at or above `limit`.
  [[nodiscard]] static std::optional<PhysicalPages> of(const IOMMU_MAP_PHYSICAL_ADDRESS* description,
                                                       std::uint64_t limit);

  [[nodiscard]] std::uint64_t count() const { return count_; }

  /// The pages as one run; nothing for a list of frames, unless it is one frame.
  [[nodiscard]] std::optional<PageRun> single_run() const {
    if (frames_ == nullptr) return PageRun{first_, count_};
    if (count_ == 1) return PageRun{frames_[0], 1};
    return std::nullopt;
  }

  /// Calls visit(PageRun) for each stretch of pages that follow each other; ends early when it returns false, and
  /// returns false then.
  template <typename Visit>
  bool for_each_run(Visit visit) const {
    if (frames_ == nullptr) return visit(PageRun{first_, count_});
    for (std::uint64_t i = 0; i < count_;) {
      PageRun run{frames_[i], 1};
      for (++i; i < count_ && frames_[i] == run.first_page + run.pages; ++i) ++run.pages;
      if (!visit(run)) return false;
    }
    return true;
  }

 private:
  PhysicalPages(const PFN_NUMBER* frames, std::uint64_t first, std::uint64_t count)
      : frames_(frames), first_(first), count_(count) {}

  const PFN_NUMBER* frames_;  // null: contiguous from first_ on
  std::uint64_t first_;
  std::uint64_t count_;
};

/// Where a range is to be.
struct Placement {
  bool is_explicit = false;
  bool bounded = false;  ///< Min or Max is given
  std::uint64_t first_page = 0;
  std::uint64_t min_page = 0;
  std::uint64_t max_page = 0;

  /// False when an explicit address is unaligned or `pages` from there on leave the space. NULL fits.
  [[nodiscard]] static bool fits(const LogicalSpace& space, const ULONGLONG* explicit_address, std::uint64_t pages) {
    if (explicit_address == nullptr) return true;
    return (*explicit_address & kPageMask) == 0 && space.contains(*explicit_address >> core::kPageShift, pages);
  }
  /// STATUS_NOT_SUPPORTED: an explicit address with an allocator, or none without. STATUS_INVALID_PARAMETER_MIX: no
  /// whole page lies in [Min, Max] (OP-19); without an allocator both are ignored. Else the rest of `placement`.
  [[nodiscard]] static NTSTATUS read(const LogicalSpace& space, const ULONGLONG* explicit_address, const ULONGLONG* min,
                                     const ULONGLONG* max, Placement& placement);
};

}  // namespace iommu::api
