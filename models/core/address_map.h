// Which target serves which addresses.
//
// What it does: keeps ranges that don't overlap, finds the one that holds an access. What it does not do: translate
// addresses, know modules, or change while it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/core/types.h"

namespace iommu::core {

/// The addresses from `base` to `base + size - 1`; the last one may be the last of all 2^64.
struct AddressRange {
  Address base = 0;
  std::uint64_t size = 0;  ///< bytes, at least 1
  std::size_t target = 0;
  std::string name;  ///< for messages

  [[nodiscard]] Address last() const { return base + (size - 1); }
  /// "name (0x1000 to 0x1fff)"
  [[nodiscard]] std::string text() const;
};

class AddressMap {
 public:
  /// Returns nothing when the range has been added, otherwise what is wrong with it: it is empty, goes beyond the last
  /// address, or overlaps another (the message names both). A refused range leaves the map as it was.
  std::optional<std::string> add(const AddressRange& range);

  /// The range that holds all of the `length` bytes at `address`, or null. A length of 0 is looked up like 1.
  [[nodiscard]] const AddressRange* find(Address address, std::uint64_t length) const;

  /// In order of addresses.
  [[nodiscard]] const std::vector<AddressRange>& ranges() const { return ranges_; }

 private:
  std::vector<AddressRange> ranges_;
};

}  // namespace iommu::core
