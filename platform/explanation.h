// What `iommu-vp explain` found out about a function of the interface.
//
// What it does: holds it. What it does not do: find it out (explain.h), show it (explain_report.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "platform/config.h"
#include "platform/interface_monitor.h"
#include "platform/transaction_decoder.h"

namespace iommu::platform {

/// One call in one situation.
struct ExplainedCall {
  std::string situation;            ///< "one page, the first of its domain"
  std::vector<std::string> set_up;  ///< the calls before it
  std::string refused;              ///< why the set-up did not get as far as the call; empty when it did
  bool has_status = true;           ///< false for the function that returns nothing
  NTSTATUS status = STATUS_SUCCESS;
  core::Tick duration = 0;
  AccessCounts accesses;
  std::vector<Transaction> transactions;  ///< times as the simulation's
  core::Tick begin = 0;                   ///< of the call
  std::vector<api::Diagnostic> diagnostics;
};

struct Explanation {
  std::string function;
  std::vector<ExplainedCall> calls;
};

/// How the command line gets its explanations: explain() of explain.h, or a test's own.
using Explainer = std::function<Explanation(const Config& config, const std::string& function)>;

}  // namespace iommu::platform
