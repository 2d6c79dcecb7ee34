// The tables of function pointers that drivers call, one per system.
//
// What it does: gives a system one of eight compiled sets of functions, since no function of the interface carries a
// pointer to what it acts on. What it does not do: anything in those functions but find their system.
//
// The pool of eight slots is the one static variable of the API layer. A table whose system is gone answers
// STATUS_UNSUCCESSFUL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "api/wdm.h"

namespace iommu::api {

class System;

inline constexpr std::size_t kInterfaceSlots = 8;

struct InterfaceSlot {
  std::size_t index = 0;
  std::uint16_t serial = 0;  ///< another one for each system that had the slot, never 0
};

/// Nothing when all slots are taken.
[[nodiscard]] std::optional<InterfaceSlot> claim_interface_slot(System& system);
void release_interface_slot(std::size_t index);

}  // namespace iommu::api
