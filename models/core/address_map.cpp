#include "models/core/address_map.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace iommu::core {

namespace {

std::string hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%" PRIx64, value);
  return text;
}

bool begins_after(Address address, const AddressRange& range) { return address < range.base; }

}  // namespace

std::string AddressRange::text() const { return name + " (" + hex(base) + " to " + hex(last()) + ")"; }

std::optional<std::string> AddressMap::add(const AddressRange& range) {
  if (range.size == 0) return range.name + " at " + hex(range.base) + " is empty";
  if (range.last() < range.base) {
    return range.name + " at " + hex(range.base) + " with " + hex(range.size) + " bytes goes beyond the last address";
  }
  const auto next = std::upper_bound(ranges_.begin(), ranges_.end(), range.base, begins_after);
  if (next != ranges_.begin() && std::prev(next)->last() >= range.base) {
    return range.text() + " overlaps " + std::prev(next)->text();
  }
  if (next != ranges_.end() && next->base <= range.last()) return range.text() + " overlaps " + next->text();
  ranges_.insert(next, range);
  return std::nullopt;
}

const AddressRange* AddressMap::find(Address address, std::uint64_t length) const {
  const auto next = std::upper_bound(ranges_.begin(), ranges_.end(), address, begins_after);
  if (next == ranges_.begin()) return nullptr;
  const AddressRange& range = *std::prev(next);
  const std::uint64_t offset = address - range.base;
  if (offset >= range.size || length > range.size - offset) return nullptr;
  return &range;
}

}  // namespace iommu::core
