#include "models/core/iotlb_array.h"

namespace iommu::core {

namespace {
constexpr unsigned kLargestLeafLevel = 3;
}

const IotlbEntry* IotlbArray::find(RequesterId tag, Address input) {
  for (unsigned level = 1; level <= kLargestLeafLevel; ++level) {
    if (entries_of_level_[level] == 0) continue;
    if (const IotlbEntry* entry = array_.find(key(tag, input, level), set(input, level))) return entry;
  }
  return nullptr;
}

const IotlbEntry* IotlbArray::peek(RequesterId tag, Address input) const {
  for (unsigned level = 1; level <= kLargestLeafLevel; ++level) {
    if (entries_of_level_[level] == 0) continue;
    if (const IotlbEntry* entry = array_.peek(key(tag, input, level), set(input, level))) return entry;
  }
  return nullptr;
}

void IotlbArray::fill(RequesterId tag, const Mapping& mapping, Tick ready_at) {
  if (array_.capacity() == 0) return;
  const unsigned level = mapping.level;
  const std::uint64_t entry_key = key(tag, mapping.input_page, level);
  const std::uint64_t entry_set = set(mapping.input_page, level);
  const bool present = array_.peek(entry_key, entry_set) != nullptr;
  IotlbEntry gone;
  if (array_.insert(entry_key, entry_set, {mapping, ready_at}, &gone)) {
    ++counters.evictions;
    --entries_of_level_[gone.mapping.level];
  }
  if (!present) ++entries_of_level_[level];
  ++counters.fills;
}

std::size_t IotlbArray::invalidate(const TranslationScope& scope) {
  const std::size_t gone = array_.erase_if([&](std::uint64_t, const IotlbEntry& entry) {
    const Mapping& mapping = entry.mapping;
    if (!scope.covers(mapping.domain, mapping.input_page, level_bytes(mapping.level))) return false;
    --entries_of_level_[mapping.level];
    return true;
  });
  counters.invalidated += gone;
  return gone;
}

}  // namespace iommu::core
