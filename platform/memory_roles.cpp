#include "platform/memory_roles.h"

#include <algorithm>

#include "models/vtd/register_map.h"
#include "models/vtd/second_stage.h"
#include "platform/record_text.h"

namespace iommu::platform {

namespace {

using Kind = MemoryRole::Kind;

constexpr std::uint32_t kWordBytes = 8;
constexpr std::uint32_t kRecordBytes = 16;  // root entry, context entry, descriptor
constexpr core::PageFormat kFormat = vtd::second_stage_format(52, 3, true);

core::Address frame_of(core::Address address) { return address & ~core::low_mask(core::kPageShift); }

}  // namespace

MemoryRoles::MemoryRoles(const std::vector<LoggedAccess>& accesses) {
  for (std::size_t i = 0; i < accesses.size(); ++i) collect(accesses[i].access, i);
  for (std::size_t i = 0; i < accesses.size(); ++i) follow_register(accesses[i].access, i);
  while (!to_follow_.empty()) {
    const Life& life = *to_follow_.back();
    to_follow_.pop_back();
    follow(life);
  }
}

void MemoryRoles::collect(const Access& access, std::size_t position) {
  if (access.space != Access::Space::Memory || !access.write) return;
  std::vector<Life>& lives = frames_[frame_of(access.address)];
  const bool zeros = access.bytes == core::kPageBytes;
  if (lives.empty() || zeros) lives.push_back({zeros ? position : 0, {}, std::nullopt});
  if (zeros) return;
  const auto offset = static_cast<std::uint32_t>(access.address & core::low_mask(core::kPageShift));
  lives.back().writes.push_back({offset, access.value, position});
}

// Of what system software wrote; the model latches RTADDR later, but then it is the same.
void MemoryRoles::follow_register(const Access& access, std::size_t position) {
  if (access.space != Access::Space::Registers || !access.write) return;
  MemoryRole role;
  if (access.address == vtd::RTADDR.offset && vtd::rtaddr::TTM.get(access.value) == vtd::rtaddr::kLegacy) {
    role.kind = Kind::RootTable;
    assign(access.value & vtd::rtaddr::RTA.mask(), position, role);
  } else if (access.address == vtd::IQA.offset && vtd::iqa::DW.get(access.value) == 0) {
    role.kind = Kind::InvalidationQueue;
    const unsigned pages = 1u << vtd::iqa::QS.get(access.value);
    for (role.page = 0; role.page < pages; ++role.page) {
      assign((access.value & vtd::iqa::IQA.mask()) + role.page * core::kPageBytes, position, role);
    }
  }
}

std::optional<std::size_t> MemoryRoles::life_at(const std::vector<Life>& lives, std::size_t position) {
  const auto later = std::find_if(lives.begin(), lives.end(), [&](const Life& life) { return life.from > position; });
  if (later == lives.begin()) return std::nullopt;
  return static_cast<std::size_t>(later - lives.begin()) - 1;
}

const MemoryRole* MemoryRoles::at(core::Address address, std::size_t position) const {
  const auto lives = frames_.find(frame_of(address));
  if (lives == frames_.end()) return nullptr;
  const std::optional<std::size_t> life = life_at(lives->second, position);
  return !life || !lives->second[*life].role ? nullptr : &*lives->second[*life].role;
}

void MemoryRoles::assign(core::Address frame, std::size_t position, const MemoryRole& role) {
  const auto lives = frames_.find(frame);
  if (lives == frames_.end()) return;
  const std::optional<std::size_t> life = life_at(lives->second, position);
  if (!life || lives->second[*life].role) return;
  lives->second[*life].role = role;
  to_follow_.push_back(&lives->second[*life]);
}

void MemoryRoles::follow(const Life& life) {
  switch (life.role->kind) {
    case Kind::RootTable:
      return follow_root(life);
    case Kind::ContextTable:
      return follow_context(life);
    case Kind::PageTable:
      return follow_page_table(life);
    case Kind::InvalidationQueue:
      return follow_queue(life);
    case Kind::StatusPage:
      return;
  }
}

void MemoryRoles::follow_root(const Life& life) {
  for (const Write& write : life.writes) {
    if (write.offset % kRecordBytes != 0 || vtd::root_entry::P.get(write.value) == 0) continue;
    MemoryRole role;
    role.kind = Kind::ContextTable;
    role.bus = write.offset / vtd::kRootEntryBytes;
    assign(write.value & vtd::root_entry::CTP.mask(), write.position, role);
  }
}

void MemoryRoles::follow_context(const Life& life) {
  namespace entry = vtd::context_entry;
  for (std::size_t i = 0; i < life.writes.size(); ++i) {
    const Write& low = life.writes[i];
    if (low.offset % kRecordBytes != 0 || entry::P.get(low.value) == 0) continue;
    if (entry::TT.get(low.value) == entry::kTtPassThrough) continue;
    // Its other half was written before, or else comes next.
    const auto is_high = [&](const Write& write) { return write.offset == low.offset + kWordBytes; };
    const auto before = std::find_if(life.writes.rend() - static_cast<std::ptrdiff_t>(i), life.writes.rend(), is_high);
    const auto after = std::find_if(life.writes.begin() + static_cast<std::ptrdiff_t>(i), life.writes.end(), is_high);
    if (before == life.writes.rend() && after == life.writes.end()) continue;
    const std::uint64_t high = before != life.writes.rend() ? before->value : after->value;
    MemoryRole role;
    role.kind = Kind::PageTable;
    role.level = vtd::levels_of_code(entry::AW.get(high));
    role.domain_id = static_cast<std::uint16_t>(entry::DID.get(high));
    if (role.level != 0) assign(low.value & entry::SSPTPTR.mask(), low.position, role);
  }
}

void MemoryRoles::follow_page_table(const Life& life) {
  const MemoryRole& table = *life.role;
  if (table.level <= 1) return;
  for (const Write& write : life.writes) {
    if ((write.value & (kFormat.read_bit | kFormat.write_bit)) == 0) continue;
    if (kFormat.decode(write.value, table.level).leaf) continue;
    MemoryRole role = table;
    --role.level;
    role.logical += write.offset / kWordBytes * core::level_bytes(table.level);
    assign(write.value & kFormat.address_mask, write.position, role);
  }
}

// Both halves of a descriptor are written one after the other. The half that a place held before belongs to another descriptor.
void MemoryRoles::follow_queue(const Life& life) {
  for (std::size_t i = 0; i + 1 < life.writes.size(); ++i) {
    const Write& low = life.writes[i];
    const Write& high = life.writes[i + 1];
    if (low.offset % kRecordBytes != 0 || high.offset != low.offset + kWordBytes) continue;
    if (!wait_data(low.value)) continue;
    const core::Address status = high.value & vtd::descriptor::wait::STATUS_ADDRESS.mask();
    status_words_.insert(status);
    MemoryRole role;
    role.kind = Kind::StatusPage;
    assign(frame_of(status), low.position, role);
  }
}

}  // namespace iommu::platform
