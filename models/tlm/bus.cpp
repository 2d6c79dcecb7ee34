#include "models/tlm/bus.h"

#include <algorithm>

namespace iommu::sim {

Bus::Bus(sc_core::sc_module_name name, const BusConfig& config)
    : sc_module(name),
      initiators("initiators", *this),
      targets("targets"),
      config_(config),
      request_time_(to_sc_time(config.request_latency)),
      response_time_(to_sc_time(config.response_latency)) {
  require_picosecond_resolution();
  targets.register_nb_transport_bw(this, &Bus::nb_transport_bw);
  targets.register_invalidate_direct_mem_ptr(this, &Bus::invalidate_direct_mem_ptr);
}

Bus::~Bus() = default;

void Bus::add_range(std::size_t target, core::Address base, std::uint64_t size) {
  if (target >= target_names_.size()) {
    SC_REPORT_ERROR("iommu-vp", ("bus '" + std::string(name()) + "' has no target number " + std::to_string(target) +
                                 " to give a range to")
                                    .c_str());
    return;
  }
  ranges_.push_back({base, size, target, target_names_[target]});
}

void Bus::end_of_elaboration() {
  requests_.resize(target_names_.size());
  responses_.resize(initiators.size());
  std::string errors;
  for (const core::AddressRange& range : ranges_) {
    if (const auto error = map_.add(range)) errors += (errors.empty() ? "" : "; ") + *error;
  }
  if (!errors.empty()) SC_REPORT_ERROR("iommu-vp", ("bus '" + std::string(name()) + "': " + errors).c_str());
}

const core::AddressRange* Bus::decode(const ::tlm::tlm_generic_payload& payload) const {
  return map_.find(payload.get_address(), std::min(payload.get_data_length(), payload.get_streaming_width()));
}

void Bus::b_transport(int, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  ++counters_.transactions;
  delay += request_time_;
  const core::AddressRange* range = decode(payload);
  if (range == nullptr) {
    ++counters_.unmapped;
    payload.set_response_status(::tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  targets[static_cast<int>(range->target)]->b_transport(payload, delay);
  delay += response_time_;
}

unsigned Bus::transport_dbg(int, ::tlm::tlm_generic_payload& payload) {
  const core::AddressRange* range = map_.find(payload.get_address(), payload.get_data_length());
  return range == nullptr ? 0 : targets[static_cast<int>(range->target)]->transport_dbg(payload);
}

bool Bus::get_direct_mem_ptr(int, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_dmi& dmi) {
  const core::AddressRange* range = map_.find(payload.get_address(), 1);
  if (range == nullptr) {
    dmi.allow_none();
    dmi.set_start_address(payload.get_address());
    dmi.set_end_address(payload.get_address());
    return false;
  }
  const bool granted = targets[static_cast<int>(range->target)]->get_direct_mem_ptr(payload, dmi);
  const sc_dt::uint64 first = std::max<sc_dt::uint64>(dmi.get_start_address(), range->base);
  if (granted) dmi.set_dmi_ptr(dmi.get_dmi_ptr() + (first - dmi.get_start_address()));
  dmi.set_start_address(first);
  dmi.set_end_address(std::min<sc_dt::uint64>(dmi.get_end_address(), range->last()));
  const sc_core::sc_time both_ways = to_sc_time(config_.request_latency + config_.response_latency);
  dmi.set_read_latency(dmi.get_read_latency() + both_ways);
  dmi.set_write_latency(dmi.get_write_latency() + both_ways);
  return granted;
}

void Bus::invalidate_direct_mem_ptr(int target, sc_dt::uint64 first, sc_dt::uint64 last) {
  for (const core::AddressRange& range : map_.ranges()) {
    if (range.target != static_cast<std::size_t>(target) || last < range.base || first > range.last()) continue;
    for (unsigned i = 0; i < responses_.size(); ++i) {
      initiators[static_cast<int>(i)]->invalidate_direct_mem_ptr(std::max<sc_dt::uint64>(first, range.base),
                                                                 std::min<sc_dt::uint64>(last, range.last()));
    }
  }
}

}  // namespace iommu::sim
