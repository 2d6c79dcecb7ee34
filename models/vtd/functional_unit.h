// A VT-d unit without time: front end, caches and a memory in one object.
//
// What it does: saves callers from putting core::FunctionalRunner and vtd::FrontEnd together. What it does not do:
// anything of its own.
#pragma once

#include "models/core/functional_runner.h"
#include "models/vtd/front_end.h"

namespace iommu::vtd {

namespace detail {
// A base of its own, so that the front end exists before the runner that is given a reference to it.
struct FrontEndHolder {
  explicit FrontEndHolder(const Capabilities& capabilities) : held(capabilities) {}
  FrontEnd held;
};
}  // namespace detail

class FunctionalUnit : private detail::FrontEndHolder, public core::FunctionalRunner {
 public:
  /// `memory` outlives the unit; `capabilities` must be valid.
  FunctionalUnit(const Capabilities& capabilities, core::PhysicalMemory& memory, const core::CacheConfig& caches = {})
      : FrontEndHolder(capabilities), core::FunctionalRunner(held, memory, caches) {}

  [[nodiscard]] const FrontEnd& front_end() const { return held; }
};

}  // namespace iommu::vtd
