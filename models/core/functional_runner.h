// An IOMMU without time: the same front end, flow, walk and caches as the timed modules, every consequence carried out
// at once.
//
// What it does: register accesses, commands and DMA on a PhysicalMemory, for tests without a kernel and for comparing
// with other implementations. What it does not do: time, contention, concurrency: nothing is ever in flight.
#pragma once

#include <functional>

#include "models/core/context_cache.h"
#include "models/core/front_end.h"
#include "models/core/iotlb_array.h"
#include "models/core/physical_memory.h"
#include "models/core/translation_flow.h"
#include "models/core/walk_cache.h"

namespace iommu::core {

struct CacheConfig {
  std::uint32_t context_entries = 64;
  IotlbConfig iotlb;
  WalkCacheConfig walk;
};

class FunctionalRunner {
 public:
  /// `front_end` and `memory` outlive the runner.
  FunctionalRunner(FrontEnd& front_end, PhysicalMemory& memory, const CacheConfig& caches = {});

  [[nodiscard]] std::uint64_t read_register(std::uint32_t offset, std::uint32_t size_bytes);
  void write_register(std::uint32_t offset, std::uint32_t size_bytes, std::uint64_t value);
  /// Power-on or warm reset; all caches are emptied.
  void reset(bool warm);

  /// How one DMA ended. A DMA that crosses pages is split there; pieces before a blocked one have been carried out.
  struct DmaResult {
    bool completed = false;  ///< every piece reached memory (or needed none)
    Fault fault;             ///< of the first blocked piece; reason 0 when memory itself refused
  };
  /// `request.length` may cross pages; `data` holds `length` bytes, read into or written from.
  DmaResult dma(const Request& request, void* data);

  /// Called for each interrupt message (address, data); the default drops them. Device interrupts are reported as well.
  std::function<void(Address, std::uint32_t)> on_message;

  [[nodiscard]] IotlbArray& iotlb() { return iotlb_; }
  [[nodiscard]] WalkCache& walk_cache() { return walk_cache_; }
  [[nodiscard]] ContextCache& context_cache() { return context_cache_; }

 private:
  void run_commands();
  void carry_out(const Command& command);
  DmaResult piece(const Request& request, std::uint8_t* data);
  WalkOutcome walk(const AddressSpace& space, const Request& request);

  FrontEnd& front_end_;
  PhysicalMemory& memory_;
  CacheConfig config_;
  ContextCache context_cache_;
  IotlbArray iotlb_;
  WalkCache walk_cache_;
};

}  // namespace iommu::core
