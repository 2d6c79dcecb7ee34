#include "models/core/iotlb_array.h"

namespace iommu::core {

void IotlbArray::clear() {
  const IotlbCounters counted = counters;
  const std::uint64_t serial = serial_;
  *this = IotlbArray(config_);
  counters = counted;
  serial_ = serial;
}

const IotlbEntry* IotlbArray::find_of_any_level(RequesterId tag, Address input) {
  for (unsigned level = 1; level <= kLargestLeafLevel; ++level) {
    if ((levels_ >> level & 1) == 0) continue;
    if (const IotlbEntry* entry = find_of_level(tag, input, level)) return entry;
  }
  return nullptr;
}

const IotlbEntry* IotlbArray::peek(RequesterId tag, Address input) const {
  for (unsigned level = 1; level <= kLargestLeafLevel; ++level) {
    if ((levels_ >> level & 1) == 0) continue;
    if (const IotlbEntry* entry = array_.peek(key(tag, input, level), set(input, level))) return entry;
  }
  return nullptr;
}

void IotlbArray::fill_piece(RequesterId tag, Address input, const Mapping& mapping, Tick ready_at) {
  Mapping piece = mapping;
  piece.input_page = input & ~(kPageBytes - 1);
  piece.output_page = mapping.output(piece.input_page);
  piece.level = 1;
  insert(tag, piece, ready_at, mapping.level);
}

void IotlbArray::fill(RequesterId tag, const Mapping& mapping, Tick ready_at) {
  // Most often a small page that has just been missed takes another one's place, where nothing but small pages is.
  if (mapping.level == 1 && levels_ == kSmallOnly) {
    if (IotlbEntry* entry = array_.replace_missed(key(tag, mapping.input_page, 1))) {
      last_tag_ = kNone;
      ++counters.evictions;
      return put(*entry, mapping, ready_at, 1);
    }
  }
  insert(tag, mapping, ready_at, mapping.level);
}

void IotlbArray::insert(RequesterId tag, const Mapping& mapping, Tick ready_at, std::uint8_t leaf_level) {
  if (array_.capacity() == 0) return;
  last_tag_ = kNone;
  const unsigned level = mapping.level;
  using Before = TlbArray<IotlbEntry>::Before;
  const auto [entry, before] = array_.place_for(key(tag, mapping.input_page, level), set(mapping.input_page, level));
  if (before == Before::Victim) ++counters.evictions;
  // Where an entry of the same size stood, the sizes that are present stay the same.
  if (before == Before::Nothing || entry->mapping.level != level) {
    if (before != Before::Nothing) lost(entry->mapping.level);
    ++entries_of_level_[level];
    levels_ |= 1u << level;
  }
  put(*entry, mapping, ready_at, leaf_level);
  if (levels_ >> (level + 1) != 0) rename_larger(tag, mapping.input_page, level);
}

// find() prefers the smaller one from now on.
void IotlbArray::rename_larger(RequesterId tag, Address input, unsigned level) {
  for (unsigned larger = level + 1; larger <= kLargestLeafLevel; ++larger) {
    if ((levels_ >> larger & 1) == 0) continue;
    if (IotlbEntry* entry = array_.peek(key(tag, input, larger), set(input, larger))) entry->serial = ++serial_;
  }
}

std::size_t IotlbArray::invalidate(const TranslationScope& scope) {
  last_tag_ = kNone;
  const std::size_t gone = array_.erase_if([&](std::uint64_t, IotlbEntry& entry) {
    const Mapping& mapping = entry.mapping;
    const std::uint64_t leaf_bytes = level_bytes(entry.leaf_level);
    if (!scope.covers(mapping.domain, mapping.input_page & ~(leaf_bytes - 1), leaf_bytes)) return false;
    lost(mapping.level);
    entry.serial = 0;
    return true;
  });
  counters.invalidated += gone;
  return gone;
}

}  // namespace iommu::core
