// The situations in which `iommu-vp explain` calls each function of the interface.
//
// What it does: a table of set-ups and calls. What it does not do: run them (explain.h).
#pragma once

#include <vector>

#include "platform/explain_session.h"

namespace iommu::platform {

struct ExplainCase {
  const char* function;
  const char* situation;
  /// Runs after IoGetIommuInterfaceEx: set-up, the call, and then whatever tells more about what the call did, such as attaching the domain
  /// whose table it made.
  void (*run)(ExplainSession& session);
};

/// In the order of the interface's table; every member of version 2 is there at least once.
[[nodiscard]] const std::vector<ExplainCase>& explain_cases();

/// What comes before every function and can be explained, too.
inline constexpr const char* kOpenFunction = "IoGetIommuInterfaceEx";

}  // namespace iommu::platform
