// The player's calls about mappings, identity ranges and reserved ranges.
#include "testbench/api/sequence_player.h"

namespace sequence {

using reference::Index;

namespace {

constexpr std::size_t kKeptSegments = 24;
constexpr std::uint64_t kUntouched = 0x5A5A5A5A5A5A5000;

}  // namespace

/// After a range was placed: what the reference says about the place, and where to look next.
void Player::took_place(const Object& domain, const std::string& complaint, std::uint64_t address,
                        std::uint64_t pages) {
  if (!complaint.empty()) wrong(complaint);
  if (saying()) log_->back() += ", " + hex(address) + " in domain " + std::to_string(*domain);
  trace_ = (trace_ ^ address) * 0x9E3779B97F4A7C15ull;
  look_at(address / 4096, pages);
}

void Player::map(const Numbers& n) {
  const auto domain = pick_domain(n[0]);
  Descriptor physical(n[1], Descriptor::Use::Anywhere, Descriptor::Types::All);
  Place place(n[2], model_of(domain.object));
  Chooser choose(n[3]);
  const unsigned permissions = some_permissions(choose);
  const bool output = !choose.once_in(40);
  if (saying()) {
    say("MapLogicalRangeEx(" + domain.text + ", " + std::to_string(permissions) + ", " + physical.text() +
        place.text() + (output ? ")" : ", NULL)"));
  }
  const NTSTATUS predicted = model_.may_map(domain.object, permissions, physical.pages(), place.wish, output);
  IOMMU_DMA_LOGICAL_ADDRESS address = kUntouched;
  const NTSTATUS status = v2_.MapLogicalRangeEx(domain.handle, permissions, physical.argument(), place.at(),
                                                place.lowest(), place.highest(), output ? &address : nullptr);
  if (!judge(status, predicted)) {
    if (address != kUntouched) wrong("a failed call wrote its output");
    return;
  }
  if (predicted != STATUS_SUCCESS) return;
  const auto complaint = model_.did_map(*domain.object, permissions, *physical.pages(), place.wish, address);
  took_place(domain.object, complaint, address, physical.pages()->size());
}

void Player::map_v1(const Numbers& n) {
  const auto domain = pick_domain(n[0]);
  Descriptor physical(n[1], Descriptor::Use::Anywhere, Descriptor::Types::Mdl);
  Chooser choose(n[3]);
  const unsigned permissions = some_permissions(choose);
  const std::uint64_t address = some_page(choose) * 4096 + (choose.once_in(20) ? 8 : 0);
  if (saying()) {
    say("MapLogicalRange(" + domain.text + ", " + std::to_string(permissions) + ", " + physical.text() + ", " +
        hex(address) + ")");
  }
  reference::Wish wish;
  wish.explicit_address = address;
  const NTSTATUS predicted = model_.may_map(domain.object, permissions, physical.pages(), wish, true);
  if (!judge(v1_.MapLogicalRange(domain.handle, permissions, physical.mdl(), address), predicted)) return;
  if (predicted != STATUS_SUCCESS) return;
  const auto complaint = model_.did_map(*domain.object, permissions, *physical.pages(), wish, address);
  took_place(domain.object, complaint, address, physical.pages()->size());
}

void Player::unmap(const Numbers& n) {
  const auto domain = pick_domain(n[0]);
  Chooser choose(n[1]);
  std::uint64_t first = some_page(choose);
  std::uint64_t pages = some_length(choose);
  if (const reference::Domain* model = model_of(domain.object); model != nullptr && !choose.once_in(10)) {
    // What is mapped there, in part, as a whole, or beyond several mappings.
    auto at = model->pages.lower_bound(model->buddy ? choose(kPages) : first);
    if (at == model->pages.end()) at = model->pages.begin();
    if (at != model->pages.end()) first = at->first;
    std::uint64_t in_a_row = 0;
    for (; at != model->pages.end() && at->first == first + in_a_row && at->second.owner == reference::Owner::Mapping;
         ++at) {
      ++in_a_row;
    }
    if (in_a_row != 0) pages = choose.once_in(3) ? in_a_row : 1 + choose(in_a_row);
    if (choose.once_in(20)) ++pages;
  }
  std::uint64_t address = first * 4096;
  if (choose.once_in(40)) address += 8;
  if (choose.once_in(40)) pages = choose.once_in(2) ? 0 : ~std::uint64_t{0};
  if (saying()) say("UnmapLogicalRange(" + domain.text + ", " + hex(address) + ", " + std::to_string(pages) + ")");
  const NTSTATUS predicted = model_.may_unmap(domain.object, address, pages);
  if (!judge(v2_.UnmapLogicalRange(domain.handle, address, pages), predicted)) return;
  if (predicted != STATUS_SUCCESS) return;
  model_.did_unmap(*domain.object, first, pages);
  look_at(first, pages);
}

void Player::map_identity(const Numbers& n, bool version_1) {
  const auto domain = pick_domain(n[0]);
  const auto types = version_1 ? Descriptor::Types::Mdl : Descriptor::Types::All;
  Descriptor physical(n[1], Descriptor::Use::Identity, types);
  Chooser choose(n[3]);
  const unsigned permissions = some_permissions(choose);
  if (saying()) {
    say((version_1 ? "MapIdentityRange(" : "MapIdentityRangeEx(") + domain.text + ", " + std::to_string(permissions) +
        ", " + physical.text() + ")");
  }
  const NTSTATUS predicted = model_.may_map_identity(domain.object, permissions, physical.pages());
  const NTSTATUS status = version_1 ? v1_.MapIdentityRange(domain.handle, permissions, physical.mdl())
                                    : v2_.MapIdentityRangeEx(domain.handle, permissions, physical.argument());
  if (!judge(status, predicted) || predicted != STATUS_SUCCESS) return;
  model_.did_map_identity(*domain.object, permissions, *physical.pages());
  look_at(physical.pages()->front(), physical.pages()->size());
}

void Player::unmap_identity(const Numbers& n, bool version_1) {
  const auto domain = pick_domain(n[0]);
  const auto types = version_1 ? Descriptor::Types::Mdl : Descriptor::Types::All;
  Chooser choose(n[2]);
  std::uint64_t first = some_page(choose);
  std::uint64_t pages = 1 + choose(16);
  if (const reference::Domain* model = model_of(domain.object)) {
    auto at = model->pages.lower_bound(first);
    while (at != model->pages.end() && at->second.owner != reference::Owner::Identity) ++at;
    if (at != model->pages.end()) first = at->first;
    std::uint64_t in_a_row = 0;
    for (; at != model->pages.end() && at->first == first + in_a_row && at->second.owner == reference::Owner::Identity;
         ++at) {
      ++in_a_row;
    }
    if (in_a_row != 0) pages = choose.once_in(2) ? in_a_row : 1 + choose(in_a_row);
    if (choose.once_in(20)) ++pages;
  }
  Descriptor physical(first, pages, n[1], types);
  if (saying()) {
    say((version_1 ? "UnmapIdentityRange(" : "UnmapIdentityRangeEx(") + domain.text + ", " + physical.text() + ")");
  }
  const NTSTATUS predicted = model_.may_unmap_identity(domain.object, physical.pages());
  const NTSTATUS status = version_1 ? v1_.UnmapIdentityRange(domain.handle, physical.mdl())
                                    : v2_.UnmapIdentityRangeEx(domain.handle, physical.argument());
  if (!judge(status, predicted) || predicted != STATUS_SUCCESS) return;
  model_.did_unmap_identity(*domain.object, *physical.pages());
  look_at(first, pages);
}

// ---- Reserved ranges --------------------------------------------------------------------------------------------

void Player::reserve(const Numbers& n) {
  const auto domain = pick_domain(n[0]);
  Chooser choose(n[1]);
  std::uint64_t bytes = some_length(choose) * 4096;
  if (choose.once_in(30)) bytes = choose.once_in(2) ? 0 : bytes + 8;
  const bool output = !choose.once_in(40);
  Place place(n[2], model_of(domain.object));
  if (saying()) {
    say("ReserveLogicalAddressRange(" + domain.text + ", " + hex(bytes) + " bytes" + place.text() +
        (output ? ")" : ", NULL)"));
  }
  auto* const untouched = reinterpret_cast<PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN>(kUntouched);
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = untouched;
  const NTSTATUS predicted = model_.may_reserve(domain.object, bytes, place.wish, output);
  const NTSTATUS status = v2_.ReserveLogicalAddressRange(domain.handle, bytes, place.at(), place.lowest(),
                                                         place.highest(), output ? &token : nullptr);
  if (!judge(status, predicted)) {
    if (token != untouched) wrong("a failed call wrote its output");
    return;
  }
  if (predicted != STATUS_SUCCESS) return;
  if (token->Size != bytes) wrong("the token's Size is " + hex(token->Size));
  if (saying()) log_->back() += ", token " + std::to_string(ranges_.size());
  const std::string complaint = model_.did_reserve(*domain.object, bytes, place.wish, token->LogicalAddressBase);
  ranges_.push_back(token);
  took_place(domain.object, complaint, token->LogicalAddressBase, bytes / 4096);
}

void Player::free_range(const Numbers& n) {
  const auto range = pick_range(n[0]);
  if (saying()) say("FreeReservedLogicalAddressRange(" + range.text + ")");
  const NTSTATUS predicted = model_.may_free(range.object);
  if (!judge(v2_.FreeReservedLogicalAddressRange(range.handle), predicted) || predicted != STATUS_SUCCESS) return;
  model_.did_free(*range.object);
  look_at(model_.ranges[*range.object].first, model_.ranges[*range.object].pages);
}

void Player::map_reserved(const Numbers& n) {
  const auto range = pick_range(n[0]);
  Descriptor physical(n[1], Descriptor::Use::Anywhere, Descriptor::Types::All);
  Chooser choose(n[3]);
  const unsigned permissions = some_permissions(choose);
  const std::uint64_t pages = range.object ? model_.ranges[*range.object].pages : 1;
  std::uint64_t offset = choose(choose.once_in(2) ? pages : (pages + 3) / 4) * 4096;
  if (choose.once_in(40)) offset = choose.once_in(2) ? offset + 8 : pages * 4096;
  const bool output = !choose.once_in(40);
  if (saying()) {
    say("MapReservedLogicalRange(" + range.text + ", " + hex(offset) + ", " + std::to_string(permissions) + ", " +
        physical.text() + (output ? ")" : ", NULL)"));
  }
  const NTSTATUS predicted = model_.may_map_reserved(range.object, offset, permissions, physical.pages(), output);
  Segment segment;
  segment.value.Size = kUntouched;
  const NTSTATUS status = v2_.MapReservedLogicalRange(range.handle, offset, permissions, physical.argument(),
                                                      output ? &segment.value : nullptr);
  if (!judge(status, predicted)) {
    if (segment.value.Size != kUntouched) wrong("a failed call wrote its output");
    return;
  }
  if (predicted != STATUS_SUCCESS) return;
  const std::uint64_t bytes = physical.pages()->size() * 4096;
  if (segment.value.OwningToken != range.handle || segment.value.Offset != offset || segment.value.Size != bytes) {
    wrong("the segment does not say what was mapped");
  }
  model_.did_map_reserved(*range.object, offset, permissions, *physical.pages());
  segment.range = *range.object;
  segments_.push_back(segment);
  if (segments_.size() > kKeptSegments) segments_.pop_front();
  look_at(model_.ranges[*range.object].first + offset / 4096, bytes / 4096);
}

void Player::unmap_reserved(const Numbers& n) {
  Chooser choose(n[0]);
  Segment none;
  Segment& kept = segments_.empty() ? none : segments_[choose(segments_.size())];
  // A copy works as well as the original, once.
  Segment copy = kept;
  const bool alive = kept.value.OwningToken != nullptr && model_.ranges[kept.range].alive;
  Object range = alive ? Object(kept.range) : std::nullopt;
  if (choose.once_in(40)) copy.value.Offset += choose.once_in(2) ? 8u : 4096u;
  if (choose.once_in(40)) copy.value.Size += choose.once_in(2) ? 8u : 4096u;
  if (choose.once_in(40) && copy.value.Size != 0) copy.value.Size -= 4096;
  if (choose.once_in(40)) {
    copy.value.OwningToken = reinterpret_cast<PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN>(this);
    range.reset();
  }
  const bool spoiled = copy.value.OwningToken != kept.value.OwningToken || copy.value.Offset != kept.value.Offset ||
                       copy.value.Size != kept.value.Size;
  const bool null = choose.once_in(40);
  auto* const argument = null ? nullptr : spoiled || choose.once_in(4) ? &copy.value : &kept.value;
  const std::uint64_t offset = copy.value.Offset;
  const std::uint64_t bytes = copy.value.Size;
  if (saying()) {
    say("UnmapReservedLogicalRange(" +
        (null || !range ? (null ? "NULL" : "no segment")
                        : "token " + std::to_string(*range) + ", " + hex(offset) + ", " + hex(bytes)) +
        ")");
  }
  const NTSTATUS predicted = null ? STATUS_INVALID_PARAMETER_1 : model_.may_unmap_reserved(range, offset, bytes);
  if (!judge(v2_.UnmapReservedLogicalRange(argument), predicted) || predicted != STATUS_SUCCESS) return;
  if (argument->OwningToken != nullptr || argument->Offset != 0 || argument->Size != 0) {
    wrong("the segment is not cleared");
  }
  model_.did_unmap_reserved(*range, offset);
  look_at(model_.ranges[*range].first + offset / 4096, bytes / 4096);
}

}  // namespace sequence
