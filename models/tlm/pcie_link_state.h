// What the link keeps of a DMA while it is under way; private to models/tlm/pcie_link*.cpp.
//
// What it does: records, pooled. What it does not do: anything.
#pragma once

#include "models/tlm/pcie_link.h"

namespace iommu::sim {

/// One request on the link. At its end, `at` - the DMA's arrival = wait + wire + latencies + time at the host.
struct PcieLink::Part {
  Dma* dma = nullptr;
  std::uint32_t offset = 0;  ///< first byte in the DMA's data
  std::uint32_t length = 0;
  std::uint32_t credits = 0;  ///< posted writes
  core::Tick at = 0;          ///< time that the part has reached
  core::Tick wait = 0;        ///< for a tag, credits and the wire
  core::Tick wire = 0;
  core::Tick host_time = 0;
  AccessSlot* slot = nullptr;
};

/// One DMA.
struct PcieLink::Dma {
  ::tlm::tlm_generic_payload* payload = nullptr;
  DmaExtension* extension = nullptr;  ///< nullptr: the initiator has none
  bool posted = false;
  bool atomic = false;
  core::Tick arrival = 0;
  core::Tick end = 0;
  core::Tick accepted = 0;  ///< posted: when the last part was on the wire
  std::vector<Part> parts;
  std::size_t next_part = 0;    ///< whose turn has not come
  std::size_t open = 0;         ///< parts that have not ended
  std::uint64_t order = 0;      ///< AT: of arrival
  bool waits = false;           ///< AT: the next part's turn has come, but there is no tag, or not enough credits
  Dma* next = nullptr;          ///< AT: in its lane
  std::vector<Part*> answered;  ///< LT: reads whose data are at the host's end, by time, and not yet on the wire
};

struct PcieLink::Lane {
  Dma* first = nullptr;
  Dma* last = nullptr;

  void append(Dma& dma) {
    dma.next = nullptr;
    (first == nullptr ? first : last->next) = &dma;
    last = &dma;
  }
};

/// What happens at a time (AT).
struct PcieLink::Due {
  enum class What : std::uint8_t {
    Arrival,   ///< a DMA whose request came with a delay
    AtHost,    ///< a part has gone up
    Answered,  ///< the host has a read's data
    Tag,       ///< is free again
    Credits,   ///< are free again
  };
  What what = What::Arrival;
  std::uint32_t credits = 0;
  Dma* dma = nullptr;
  Part* part = nullptr;
};

}  // namespace iommu::sim
