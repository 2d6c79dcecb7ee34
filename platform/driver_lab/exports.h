// The functions of wdm.h that the program offers to loaded drivers.
//
// What it does: makes sure that the linker keeps every one of them. What it does not do: anything at run time.
#pragma once

#include <cstddef>

namespace iommu::platform::lab {

/// Refers to all exported functions; returns how many there are.
std::size_t keep_exports();

}  // namespace iommu::platform::lab
