// Reading the small structures that hardware walks: root, context and paging entries, descriptors of queues.
//
// What it does: pooled payloads with their own buffer and extension, and the way back from a payload to its user. What
// it does not do: retry, cache, decide what a failure means.
#pragma once

#include <array>
#include <deque>
#include <vector>

#include "models/core/front_end.h"
#include "models/tlm/dma_extension.h"
#include "models/tlm/time.h"

namespace iommu::sim {

/// A payload with everything it needs; `user` says whose it is while it is under way.
struct AccessSlot : ::tlm::tlm_generic_payload {
  DmaExtension extension;
  std::array<std::uint64_t, 2> words{};
  void* user = nullptr;

  /// Sets up an access of up to 16 bytes to or from `words`: one of the unit's own.
  void prepare(::tlm::tlm_command command, core::Address address, std::uint32_t bytes) {
    point_to(command, address, reinterpret_cast<unsigned char*>(words.data()), bytes);
    extension.traffic = core::Traffic::Structure;
  }
  /// Sets up a DMA to or from `data`.
  void point_to(::tlm::tlm_command command, core::Address address, unsigned char* data, std::uint32_t bytes) {
    set_command(command);
    set_address(address);
    set_data_ptr(data);
    set_data_length(bytes);
    set_streaming_width(bytes);
    set_byte_enable_ptr(nullptr);
    set_byte_enable_length(0);
    set_dmi_allowed(false);
    set_response_status(::tlm::TLM_INCOMPLETE_RESPONSE);
    extension.wait = 0;
    extension.traffic = core::Traffic::Dma;
  }
  [[nodiscard]] core::StructureRead result() const {
    core::StructureRead read;
    read.readable = is_response_ok();
    read.words = words;
    return read;
  }
};

/// Slots that are used again and again; none is ever given back to the heap while the pool lives.
class AccessPool : public ::tlm::tlm_mm_interface {
 public:
  AccessPool() = default;
  AccessPool(const AccessPool&) = delete;
  AccessPool& operator=(const AccessPool&) = delete;
  ~AccessPool() override {
    for (AccessSlot& slot : slots_) slot.clear_extension(&slot.extension);
  }

  AccessSlot& take() {
    if (free_.empty()) {
      AccessSlot& made = slots_.emplace_back();
      made.set_mm(this);
      made.set_extension(&made.extension);
      free_.push_back(&made);
    }
    AccessSlot& slot = *free_.back();
    free_.pop_back();
    slot.words = {};
    slot.acquire();
    return slot;
  }
  /// The user is done with the slot; it is free again once nobody else holds its payload.
  void give_back(AccessSlot& slot) {
    slot.user = nullptr;
    slot.release();
  }
  /// The slot that a payload of this pool is.
  [[nodiscard]] static AccessSlot& slot_of(::tlm::tlm_generic_payload& payload) {
    return static_cast<AccessSlot&>(payload);
  }

  void free(::tlm::tlm_generic_payload* payload) override { free_.push_back(&slot_of(*payload)); }

 private:
  std::deque<AccessSlot> slots_;
  std::vector<AccessSlot*> free_;
};

}  // namespace iommu::sim
