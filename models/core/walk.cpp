#include "models/core/walk.h"

namespace iommu::core {

Walk::Walk(const AddressSpace& space, Address input, Permissions wanted, bool zero_length)
    : space_(space),
      input_(input),
      wanted_(wanted),
      zero_length_(zero_length),
      level_(space.levels),
      table_(space.root) {}

void Walk::skip_to(const WalkStart& start) {
  table_ = start.table;
  level_ = start.level;
  permissions_ = start.permissions;
  if (!space_.permits(permissions_, wanted_, zero_length_)) end(missing_permission(permissions_, wanted_));
}

void Walk::give(bool readable, std::uint64_t entry) {
  if (!readable) {
    end(level_ == space_.levels ? FaultCause::TopTableAccess : FaultCause::LowerTableAccess);
    return;
  }
  const PageEntry decoded = space_.format->decode(entry, level_);
  permissions_ = permissions_ & decoded.permissions;
  // An entry without read and write permission is not present; VT-d reports it as the missing permission. Permission
  // comes before the entry's reserved bits, which mean nothing in an entry that is not present.
  if (!space_.permits(permissions_, wanted_, zero_length_)) {
    end(missing_permission(permissions_, wanted_));
    return;
  }
  if (decoded.reserved_set) {
    end(FaultCause::ReservedSet);
    return;
  }
  if (!decoded.leaf) {
    table_ = decoded.address;
    --level_;
    return;
  }
  Mapping mapping;
  mapping.level = static_cast<std::uint8_t>(level_);
  mapping.input_page = input_ & ~(level_bytes(level_) - 1);
  mapping.output_page = decoded.address;
  mapping.permissions = permissions_;
  mapping.snoop = decoded.snoop;
  mapping.domain = space_.domain;
  end(mapping);
}

void Walk::end(WalkOutcome outcome) {
  outcome_ = outcome;
  done_ = true;
}

}  // namespace iommu::core
