#include "models/core/walk.h"

namespace iommu::core {

Walk::Walk(const AddressSpace& space, Address input, Permissions wanted, bool zero_length)
    : space_(space),
      input_(input),
      wanted_(wanted),
      zero_length_(zero_length),
      level_(space.levels),
      table_(space.root),
      wanted_bits_(space.format == nullptr ? 0 : space.format->bits_of(wanted)) {}

void Walk::skip_to(const WalkStart& start) {
  table_ = start.table;
  level_ = start.level;
  allowed_ = space_.format->bits_of(start.permissions);
  if (!permitted()) end_without_permission();
}

void Walk::end_without_access() {
  end(level_ == space_.levels ? FaultCause::TopTableAccess : FaultCause::LowerTableAccess);
}

void Walk::end_without_permission() { end(missing_permission(permissions(), wanted_)); }

void Walk::end_in_leaf(std::uint64_t entry) {
  const PageEntry leaf = space_.format->decode(entry, level_);
  if (leaf.reserved_set) return end(FaultCause::ReservedSet);
  Mapping mapping;
  mapping.level = static_cast<std::uint8_t>(level_);
  mapping.input_page = input_ & ~(level_bytes(level_) - 1);
  mapping.output_page = leaf.address;
  mapping.permissions = permissions();
  mapping.snoop = leaf.snoop;
  mapping.domain = space_.domain;
  end(mapping);
}

void Walk::end(const WalkOutcome& outcome) {
  outcome_ = outcome;
  done_ = true;
}

}  // namespace iommu::core
