// What the untimed runners need of memory.
//
// What it does: one small interface for reading and writing host physical memory without time. What it does not do:
// anything else.
#pragma once

#include <cstddef>

#include "models/core/types.h"

namespace iommu::core {

class PhysicalMemory {
 public:
  virtual ~PhysicalMemory() = default;
  /// Both return false, and touch nothing, when some byte of the range can't be accessed.
  virtual bool read(Address address, void* data, std::size_t bytes) = 0;
  virtual bool write(Address address, const void* data, std::size_t bytes) = 0;
};

}  // namespace iommu::core
