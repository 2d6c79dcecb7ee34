#include "platform/explain.h"

#include <systemc>

#include "platform/explain_cases.h"

namespace iommu::platform {

namespace {

// A context can be elaborated once. The former one can't be deleted safely: it stays reachable.
void new_simulation_context() {
  static std::vector<sc_core::sc_simcontext*> former;
  former.push_back(sc_core::sc_curr_simcontext);
  sc_core::sc_curr_simcontext = sc_core::sc_default_global_context = new sc_core::sc_simcontext;
}

std::vector<std::string> unit_names(const Config& config) {
  std::vector<std::string> names;
  for (const IommuConfig& iommu : config.iommus) names.push_back("iommu." + iommu.name);
  return names;
}

void add_counts(ExplainedCall& call, const AccessLog& log, std::optional<std::size_t> logged_call) {
  for (const LoggedAccess& logged : log.accesses) {
    if (logged.call == logged_call) call.accesses.add(logged.access);
  }
}

ExplainedCall explain_case(const Config& config, const ExplainCase& example) {
  new_simulation_context();
  AccessLog log;
  log.chosen.set();
  log.outside_of_calls = true;
  Machine machine(config);
  machine.monitor.log_to(&log);
  ExplainSession session(machine, log);
  const bool is_member = std::string(example.function) != kOpenFunction;
  machine.host->spawn("driver", [&] {
    if (is_member && !session.open()) return;
    example.run(session);
  });
  sc_core::sc_start();
  ExplainedCall call = session.result();
  call.situation = example.situation;
  if (!call.refused.empty()) return call;
  const TransactionDecoder decoder(log, unit_names(config));
  call.transactions = decoder.decode(session.logged_call());
  add_counts(call, log, session.logged_call());
  return call;
}

}  // namespace

Explanation explain(const Config& config, const std::string& function) {
  Explanation explanation;
  explanation.function = function;
  for (const ExplainCase& example : explain_cases()) {
    if (function == example.function) explanation.calls.push_back(explain_case(config, example));
  }
  return explanation;
}

}  // namespace iommu::platform
