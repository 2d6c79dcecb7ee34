// What LT and early AT share for simple accesses: what most accesses are, without the records that the others need; private
// to models/tlm/translation_*.cpp.
//
// They take the steps of core::TranslationFlow, in its order: gate, context look-up, check_input(), IOTLB or walk, permissions,
// check_output(). Whatever does not simply pass one of them goes on in a TranslationFlow, which says what comes of it.
#pragma once

#include "models/tlm/translation_state.h"

namespace iommu::sim {

// Within one page, and nothing but requester and direction decides what may happen to it.
inline bool TranslationUnit::is_simple(const ::tlm::tlm_generic_payload& payload, const DmaExtension* extension) const {
  const std::uint64_t length = payload.get_data_length();
  return extension != nullptr && extension->plain() && payload.get_command() != ::tlm::TLM_IGNORE_COMMAND &&
         payload.get_data_ptr() != nullptr && length != 0 && payload.get_streaming_width() >= length &&
         (payload.get_address() & (core::kPageBytes - 1)) + length <= core::kPageBytes &&
         payload.get_byte_enable_ptr() == nullptr;
}

// The stages up to the IOTLB's answer.
inline void TranslationUnit::charge_look_ups(core::StageTimes& stages, core::Tick arrival,
                                             const IotlbAnswer& answer) const {
  stages.charge(core::Stage::ContextCache, config_.context_latency);
  stages.charge(core::Stage::Iotlb, answer.looked_up - answer.start);
  if (const core::Tick port_wait = answer.start - arrival - config_.context_latency; port_wait != 0) {
    stages.charge(core::Stage::IotlbPortWait, port_wait);
  }
  if (answer.ready != answer.looked_up) stages.charge(core::Stage::MergeWait, answer.ready - answer.looked_up);
}

// The same where the IOTLB has found a known entry again.
inline void TranslationUnit::charge_look_ups(core::StageTimes& stages, core::Tick arrival, const IotlbHit& hit) const {
  stages.charge(core::Stage::ContextCache, config_.context_latency);
  stages.charge(core::Stage::Iotlb, hit.looked_up - hit.start);
  if (const core::Tick port_wait = hit.start - arrival - config_.context_latency; port_wait != 0) {
    stages.charge(core::Stage::IotlbPortWait, port_wait);
  }
}

inline void TranslationUnit::add_look_ups(sc_core::sc_time& delay, core::Tick took) {
  if (took != known_->looked_up) {
    known_->looked_up = took;
    known_->looked_up_time = to_sc_time(took);
  }
  delay += known_->looked_up_time;
}

// LT: nearly always the walk that began last.
inline void TranslationUnit::end_simple_walk(const SimpleWalk& walk) {
  if (simple_walks_[--simple_walks_open_].get() != &walk) end_earlier_walk(walk);
}

}  // namespace iommu::sim
