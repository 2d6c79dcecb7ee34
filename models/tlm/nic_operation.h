// One DMA operation of the NIC with its buffer; private to models/tlm/nic*.cpp.
//
// What it does: says what the operation is for. What it does not do: anything.
#pragma once

#include "models/tlm/nic.h"

namespace iommu::sim {

struct Nic::Operation : DmaOperation {
  enum class Kind : std::uint8_t { Fetch, Payload, Completion, Interrupt };
  Kind kind = Kind::Fetch;
  NicQueue* queue = nullptr;        // of all kinds but Interrupt
  NicJob* job = nullptr;            // of Payload and Completion
  std::uint32_t packet_offset = 0;  // of Payload: of its first byte in the packet
  std::vector<std::uint64_t> buffer;

  unsigned char* bytes() { return reinterpret_cast<unsigned char*>(buffer.data()); }
};

}  // namespace iommu::sim
