#include "models/core/iotlb_array.h"

namespace iommu::core {

void IotlbArray::clear() {
  const IotlbCounters counted = counters;
  const std::uint64_t serial = serial_;
  *this = IotlbArray(config_);
  counters = counted;
  serial_ = serial;
}

const IotlbEntry* IotlbArray::find_anywhere(RequesterId tag, Address input) {
  unsigned smallest = 0;
  for (unsigned level = 1; level <= kLargestLeafLevel; ++level) {
    if (entries_of_level_[level] == 0) continue;
    if (smallest == 0) smallest = level;
    if (const IotlbEntry* entry = array_.find(key(tag, input, level), set(input, level))) {
      // Next to it, in the same large page, a smaller one may go first.
      last_tag_ = tag;
      last_mask_ = ~(level_bytes(smallest) - 1);
      last_page_ = input & last_mask_;
      return entry;
    }
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
  insert(tag, {mapping, ready_at, mapping.level, 0});
}

void IotlbArray::fill_piece(RequesterId tag, Address input, const Mapping& mapping, Tick ready_at) {
  Mapping piece = mapping;
  piece.input_page = input & ~(kPageBytes - 1);
  piece.output_page = mapping.output(piece.input_page);
  piece.level = 1;
  insert(tag, {piece, ready_at, mapping.level, 0});
}

void IotlbArray::insert(RequesterId tag, IotlbEntry entry) {
  if (array_.capacity() == 0) return;
  last_tag_ = kNone;
  entry.serial = ++serial_;
  const Mapping& mapping = entry.mapping;
  const unsigned level = mapping.level;
  const std::uint64_t entry_key = key(tag, mapping.input_page, level);
  const std::uint64_t entry_set = set(mapping.input_page, level);
  const std::size_t before = array_.size();
  IotlbEntry gone;
  if (array_.insert(entry_key, entry_set, entry, &gone)) {
    ++counters.evictions;
    --entries_of_level_[gone.mapping.level];
    ++entries_of_level_[level];
  } else if (array_.size() != before) {
    ++entries_of_level_[level];
  }
  ++counters.fills;
  rename_larger(tag, mapping.input_page, level);
}

// find() prefers the smaller one from now on.
void IotlbArray::rename_larger(RequesterId tag, Address input, unsigned level) {
  for (unsigned larger = level + 1; larger <= kLargestLeafLevel; ++larger) {
    if (entries_of_level_[larger] == 0) continue;
    if (IotlbEntry* entry = array_.peek(key(tag, input, larger), set(input, larger))) entry->serial = ++serial_;
  }
}

std::size_t IotlbArray::invalidate(const TranslationScope& scope) {
  last_tag_ = kNone;
  const std::size_t gone = array_.erase_if([&](std::uint64_t, IotlbEntry& entry) {
    const Mapping& mapping = entry.mapping;
    const std::uint64_t leaf_bytes = level_bytes(entry.leaf_level);
    if (!scope.covers(mapping.domain, mapping.input_page & ~(leaf_bytes - 1), leaf_bytes)) return false;
    --entries_of_level_[mapping.level];
    entry.serial = 0;
    return true;
  });
  counters.invalidated += gone;
  return gone;
}

}  // namespace iommu::core
