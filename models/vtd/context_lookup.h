// From a requester id to an address space, legacy mode: root entry, context entry and all their checks
// (specification 3.4.2, 7.1.3).
//
// What it does: says which entry to read next and checks each in the order of the specification; FPD is looked at
// before anything else of a context entry, its P bit included. What it does not do: read memory, cache, record faults.
#pragma once

#include "models/core/front_end.h"
#include "models/vtd/capabilities.h"

namespace iommu::vtd {

class ContextLookup {
 public:
  explicit ContextLookup(const Capabilities& capabilities);

  /// The first step, with the root pointer that is in force (the latched RTADDR).
  [[nodiscard]] core::ContextStep begin(const core::Request& request, core::ContextState& state,
                                        std::uint64_t latched_rtaddr) const;
  [[nodiscard]] core::ContextStep resume(const core::Request& request, core::ContextState& state,
                                         const core::StructureRead& read) const;

  [[nodiscard]] const core::PageFormat& format() const { return format_; }

 private:
  [[nodiscard]] core::ContextStep root_entry(const core::Request& request, core::ContextState& state,
                                             const core::StructureRead& read) const;
  [[nodiscard]] core::ContextStep context_entry(const core::Request& request, const core::StructureRead& read) const;

  Capabilities capabilities_;
  core::PageFormat format_;
};

}  // namespace iommu::vtd
