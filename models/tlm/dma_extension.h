// What a DMA carries besides the generic payload: who asks, and how the time was spent.
//
// What it does: one ignorable extension of the base protocol. Targets that don't know it behave as if it weren't there;
// a DMA without it is taken as an untranslated request of the translation unit's default requester. What it does not
// do: own data.
//
// Posted writes: a link takes over a write before it has reached memory. It says when in `accepted`: before its first
// return when it knows by then, else with the ignorable phase DMA_ACCEPTED on the backward path, before the response
// and only to initiators that have asked for it. Initiators without this extension see the plain base protocol.
#pragma once

#include <tlm>

#include "models/core/request.h"
#include "models/core/stages.h"

namespace iommu::sim {

TLM_DECLARE_EXTENDED_PHASE(DMA_ACCEPTED);

struct DmaExtension : ::tlm::tlm_extension<DmaExtension> {
  // Written by the initiator, never changed on the way.
  core::RequesterId requester = 0;
  core::AddressType address_type = core::AddressType::Untranslated;
  bool zero_length = false;  ///< a read that checks permissions and moves no data
  bool atomic = false;       ///< needs read and write permission
  bool has_pasid = false;
  std::uint32_t pasid = 0;
  bool tell_accepted = false;                  ///< the initiator takes DMA_ACCEPTED
  core::Traffic traffic = core::Traffic::Dma;  ///< memory: who asks; without an extension it is DMA

  // Written by the targets on the way, for the initiator to read after the response.
  core::StageTimes stages;  ///< translation unit: everything between its request and its response
  core::OutcomeClass outcome = core::OutcomeClass::Untranslated;  ///< translation unit
  std::uint8_t fault_reason = 0;  ///< translation unit: code of a blocked request, 0 otherwise
  core::Tick wait =
      0;  ///< bus and memory add the time spent waiting for something busy; whoever forwards reads and clears it
  core::Tick accepted = 0;  ///< link: when it has taken over a posted write, absolute; 0: not told

  /// An ordinary untranslated access: nothing but requester and direction decides what may happen to it.
  [[nodiscard]] bool plain() const {
    // Without a branch for each.
    return (static_cast<unsigned>(address_type) | static_cast<unsigned>(zero_length) | static_cast<unsigned>(atomic) |
            static_cast<unsigned>(has_pasid)) == static_cast<unsigned>(core::AddressType::Untranslated);
  }

  void clear_report() {
    stages.clear();
    outcome = core::OutcomeClass::Untranslated;
    fault_reason = 0;
    wait = 0;
    accepted = 0;
  }

  ::tlm::tlm_extension_base* clone() const override { return new DmaExtension(*this); }
  void copy_from(const ::tlm::tlm_extension_base& other) override { *this = static_cast<const DmaExtension&>(other); }
};

}  // namespace iommu::sim
