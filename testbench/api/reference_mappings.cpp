// Mappings and reserved ranges of the reference (sheet 3.1 items 5 to 8, 3.11 to 3.14, 3.20 to 3.23; OP-7, OP-15 to
// OP-21, OP-32, OP-33).
#include <algorithm>
#include <set>

#include "testbench/api/reference_model.h"

namespace reference {

namespace {

constexpr PageNumber kInterruptFirst = 0xFEE00, kInterruptLast = 0xFEEFF;  // hardware never translates these

PageNumber round_up_to_power_of_two(PageNumber pages) {
  PageNumber size = 1;
  while (size < pages) size *= 2;
  return size;
}

}  // namespace

const Domain* Model::translating(const Object& domain) const {
  return domain && domains[*domain].type == DomainTypeTranslate ? &domains[*domain] : nullptr;
}

bool Model::reserved(const Domain& domain, PageNumber page) {
  if (page >= kInterruptFirst && page <= kInterruptLast) return true;
  return std::any_of(domain.regions.begin(), domain.regions.end(),
                     [&](const Region& r) { return page >= r.first && page - r.first < r.pages; });
}

bool Model::taken(const Domain& domain, PageNumber page) {
  return domain.pages.count(page) != 0 || reserved(domain, page);
}

bool Model::inside(const Domain& domain, const std::vector<PageNumber>& pages) {
  return domain.type == DomainTypePassThrough ||
         std::all_of(pages.begin(), pages.end(), [&](PageNumber page) { return page < space_pages(domain); });
}

// ---- Where a range goes -----------------------------------------------------------------------------------------

bool Model::explicit_fits(const Domain& domain, const Wish& wish, PageNumber pages) {
  if (!wish.explicit_address) return true;
  const PageNumber first = *wish.explicit_address / 4096;
  return *wish.explicit_address % 4096 == 0 && first < space_pages(domain) && pages <= space_pages(domain) - first;
}

/// True when a block of the next power of two, at a multiple of its size, holds `pages` pages inside the bounds and
/// touches nobody else's block.
bool Model::room(const Domain& domain, const Wish& wish, PageNumber pages) {
  const PageNumber size = round_up_to_power_of_two(pages);
  const PageNumber min = wish.min ? *wish.min / 4096 + (*wish.min % 4096 != 0) : 0;
  const std::uint64_t max = wish.max.value_or(~std::uint64_t{0});
  std::vector<Region> withheld = domain.regions;
  withheld.push_back({kInterruptFirst, kInterruptLast - kInterruptFirst + 1, false});
  for (PageNumber at = (min + size - 1) / size * size; at + size <= space_pages(domain);) {
    if ((at + pages - 1) * 4096 + 4095 > max) return false;
    PageNumber beyond = at;  // end of something that is in the way
    for (const Region& region : withheld) {
      if (region.first < at + size && at < region.first + region.pages) beyond = region.first + region.pages;
    }
    const auto after = domain.blocks.lower_bound(at + size);
    if (after != domain.blocks.begin()) {
      const auto& [first, block] = *std::prev(after);
      if (first + block.pages > at) beyond = std::max(beyond, first + block.pages);
    }
    if (beyond == at) return true;
    at = (beyond + size - 1) / size * size;
  }
  return false;
}

NTSTATUS Model::may_place(const Domain& domain, const Wish& wish, PageNumber pages) {
  if (domain.buddy == wish.explicit_address.has_value()) return STATUS_NOT_SUPPORTED;
  if (domain.buddy) {
    const bool bounded = wish.min || wish.max;
    if (bounded && wish.min.value_or(0) > wish.max.value_or(~std::uint64_t{0})) return STATUS_INVALID_PARAMETER_MIX;
    if (room(domain, wish, pages)) return STATUS_SUCCESS;
    return bounded ? STATUS_INVALID_PARAMETER_MIX : STATUS_INSUFFICIENT_RESOURCES;
  }
  for (PageNumber i = 0; i < pages; ++i) {
    if (taken(domain, *wish.explicit_address / 4096 + i)) return STATUS_RESOURCE_IN_USE;
  }
  return STATUS_SUCCESS;
}

std::string Model::placed(Domain& domain, const Wish& wish, std::uint64_t address, PageNumber pages) {
  if (!domain.buddy) return address == *wish.explicit_address ? "" : "another address than the explicit one";
  const PageNumber size = round_up_to_power_of_two(pages);
  const PageNumber first = address / 4096;
  if (address % (size * 4096) != 0) return "the address is not aligned to the block's size";
  if (first + size > space_pages(domain)) return "the block leaves the space";
  if (wish.min && address < *wish.min) return "the range begins below Min";
  if (wish.max && (first + pages) * 4096 - 1 > *wish.max) return "the range ends above Max";
  for (const auto& [other, block] : domain.blocks) {
    if (first < other + block.pages && other < first + size) return "the block overlaps another one";
  }
  for (const Region& region : domain.regions) {
    if (first < region.first + region.pages && region.first < first + size) return "the block touches a region";
  }
  if (first <= kInterruptLast && kInterruptFirst < first + size) return "the block touches the interrupt range";
  domain.blocks[first] = {size, pages};
  return "";
}

void Model::give_up(Domain& domain, PageNumber page) {
  domain.pages.erase(page);
  if (!domain.buddy) return;
  const auto block = std::prev(domain.blocks.upper_bound(page));
  if (--block->second.live == 0) domain.blocks.erase(block);
}

// ---- Plain mappings ---------------------------------------------------------------------------------------------

NTSTATUS Model::may_map(const Object& domain, unsigned permissions, const Pages& physical, const Wish& wish,
                        bool output) const {
  const Domain* where = translating(domain);
  if (where == nullptr) return STATUS_INVALID_PARAMETER_1;
  if (permissions > 3) return STATUS_INVALID_PARAMETER_2;
  if (!physical) return STATUS_INVALID_PARAMETER_3;
  if (!explicit_fits(*where, wish, physical->size())) return STATUS_INVALID_PARAMETER_4;
  if (!output) return STATUS_INVALID_PARAMETER_7;
  return may_place(*where, wish, physical->size());
}

std::string Model::did_map(Index domain, unsigned permissions, const std::vector<PageNumber>& physical,
                           const Wish& wish, std::uint64_t address) {
  Domain& where = domains[domain];
  const std::string wrong = placed(where, wish, address, physical.size());
  PageNumber page = address / 4096;
  for (const PageNumber frame : physical) where.pages[page++] = {Owner::Mapping, true, frame, permissions, 0};
  return wrong;
}

NTSTATUS Model::may_unmap(const Object& domain, std::uint64_t address, std::uint64_t pages) const {
  const Domain* where = translating(domain);
  if (where == nullptr) return STATUS_INVALID_PARAMETER_1;
  if (address % 4096 != 0) return STATUS_INVALID_PARAMETER_2;
  const PageNumber first = address / 4096;
  if (pages == 0 || pages > (PageNumber{1} << 52) - first) return STATUS_INVALID_PARAMETER_3;
  for (std::uint64_t i = 0; i < pages; ++i) {
    const auto page = where->pages.find(first + i);
    if (page == where->pages.end() || page->second.owner != Owner::Mapping) return STATUS_INVALID_PARAMETER;
  }
  return STATUS_SUCCESS;
}

void Model::did_unmap(Index domain, PageNumber first, PageNumber pages) {
  if (flaw_ == Flaw::UnmapKeepsLastPage && pages > 1) --pages;
  for (PageNumber i = 0; i < pages; ++i) give_up(domains[domain], first + i);
}

// ---- Identity ---------------------------------------------------------------------------------------------------

NTSTATUS Model::may_map_identity(const Object& domain, unsigned permissions, const Pages& physical) const {
  if (!domain) return STATUS_INVALID_PARAMETER_1;
  const Domain& where = domains[*domain];
  if (permissions > 3) return STATUS_INVALID_PARAMETER_2;
  if (!physical || !inside(where, *physical)) return STATUS_INVALID_PARAMETER_3;
  if (where.type == DomainTypePassThrough) return STATUS_SUCCESS;
  if (where.buddy) return STATUS_NOT_SUPPORTED;
  std::set<PageNumber> seen;
  for (const PageNumber page : *physical) {
    if (taken(where, page) || !seen.insert(page).second) return STATUS_RESOURCE_IN_USE;
  }
  return STATUS_SUCCESS;
}

void Model::did_map_identity(Index domain, unsigned permissions, const std::vector<PageNumber>& physical) {
  if (domains[domain].type == DomainTypePassThrough) return;
  for (const PageNumber page : physical) domains[domain].pages[page] = {Owner::Identity, true, page, permissions, 0};
}

NTSTATUS Model::may_unmap_identity(const Object& domain, const Pages& physical) const {
  if (!domain) return STATUS_INVALID_PARAMETER_1;
  const Domain& where = domains[*domain];
  if (!physical || !inside(where, *physical)) return STATUS_INVALID_PARAMETER_2;
  if (where.type == DomainTypePassThrough) return STATUS_SUCCESS;
  if (where.buddy) return STATUS_NOT_SUPPORTED;
  std::set<PageNumber> seen;
  for (const PageNumber page : *physical) {
    const auto found = where.pages.find(page);
    if (found == where.pages.end() || found->second.owner != Owner::Identity || !seen.insert(page).second) {
      return STATUS_INVALID_PARAMETER;
    }
  }
  return STATUS_SUCCESS;
}

void Model::did_unmap_identity(Index domain, const std::vector<PageNumber>& physical) {
  if (domains[domain].type == DomainTypePassThrough) return;
  for (const PageNumber page : physical) give_up(domains[domain], page);
}

// ---- Reserved ranges --------------------------------------------------------------------------------------------

NTSTATUS Model::may_reserve(const Object& domain, std::uint64_t bytes, const Wish& wish, bool output) const {
  const Domain* where = translating(domain);
  if (where == nullptr) return STATUS_INVALID_PARAMETER_1;
  if (bytes == 0 || bytes % 4096 != 0) return STATUS_INVALID_PARAMETER_2;
  if (!explicit_fits(*where, wish, bytes / 4096)) return STATUS_INVALID_PARAMETER_3;
  if (!output) return STATUS_INVALID_PARAMETER_6;
  return may_place(*where, wish, bytes / 4096);
}

std::string Model::did_reserve(Index domain, std::uint64_t bytes, const Wish& wish, std::uint64_t address) {
  Domain& where = domains[domain];
  const std::string wrong = placed(where, wish, address, bytes / 4096);
  for (PageNumber i = 0; i < bytes / 4096; ++i) {
    where.pages[address / 4096 + i] = {Owner::Token, false, 0, 0, ranges.size()};
  }
  ranges.push_back({domain, address / 4096, bytes / 4096, true, {}});
  ++where.tokens;
  return wrong;
}

NTSTATUS Model::may_free(const Object& range) const {
  if (!range) return STATUS_INVALID_PARAMETER_1;
  return ranges[*range].segments.empty() ? STATUS_SUCCESS : STATUS_RESOURCE_IN_USE;
}

void Model::did_free(Index range) {
  Range& which = ranges[range];
  which.alive = false;
  --domains[which.domain].tokens;
  for (PageNumber i = 0; i < which.pages; ++i) give_up(domains[which.domain], which.first + i);
}

NTSTATUS Model::may_map_reserved(const Object& range, std::uint64_t offset, unsigned permissions, const Pages& physical,
                                 bool segment) const {
  if (!range) return STATUS_INVALID_PARAMETER_1;
  const Range& which = ranges[*range];
  const PageNumber first = offset / 4096;
  if (offset % 4096 != 0 || first >= which.pages) return STATUS_INVALID_PARAMETER_2;
  if (permissions > 3) return STATUS_INVALID_PARAMETER_3;
  if (!physical || physical->size() > which.pages - first) return STATUS_INVALID_PARAMETER_4;
  if (!segment) return STATUS_INVALID_PARAMETER_5;
  for (PageNumber i = 0; i < physical->size(); ++i) {
    if (domains[which.domain].pages.at(which.first + first + i).mapped) return STATUS_RESOURCE_IN_USE;
  }
  return STATUS_SUCCESS;
}

void Model::did_map_reserved(Index range, std::uint64_t offset, unsigned permissions,
                             const std::vector<PageNumber>& physical) {
  Range& which = ranges[range];
  PageNumber page = which.first + offset / 4096;
  for (const PageNumber frame : physical) {
    domains[which.domain].pages[page++] = {Owner::Token, true, frame, permissions, range};
  }
  which.segments[offset / 4096] = physical.size();
}

NTSTATUS Model::may_unmap_reserved(const Object& range, std::uint64_t offset, std::uint64_t bytes) const {
  if (!range || offset % 4096 != 0 || bytes % 4096 != 0) return STATUS_INVALID_PARAMETER;
  const auto segment = ranges[*range].segments.find(offset / 4096);
  const bool exact = segment != ranges[*range].segments.end() && segment->second == bytes / 4096;
  return exact ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

void Model::did_unmap_reserved(Index range, std::uint64_t offset) {
  Range& which = ranges[range];
  const auto segment = which.segments.find(offset / 4096);
  for (PageNumber i = 0; i < segment->second; ++i) {
    domains[which.domain].pages[which.first + offset / 4096 + i].mapped = false;
  }
  which.segments.erase(segment);
}

// ---- DMA --------------------------------------------------------------------------------------------------------

std::optional<PageNumber> Model::reach(const Device& device, PageNumber page, bool write) const {
  if (!device.domain) {
    if (limits_.unattached == iommu::api::UnattachedState::PassThrough) return page;
    return std::nullopt;
  }
  const Domain& domain = domains[*device.domain];
  if (domain.type == DomainTypePassThrough) return page;
  for (const Region& region : domain.regions) {
    if (page >= region.first && page - region.first < region.pages && region.mapped) return page;
  }
  const auto found = domain.pages.find(page);
  if (found == domain.pages.end() || !found->second.mapped) return std::nullopt;
  unsigned permissions = found->second.permissions;
  if (flaw_ == Flaw::WriteOnlyIsReadable && (permissions & IOMMU_ACCESS_WRITE) != 0) permissions |= IOMMU_ACCESS_READ;
  if ((permissions & (write ? IOMMU_ACCESS_WRITE : IOMMU_ACCESS_READ)) == 0) return std::nullopt;
  return found->second.physical;
}

}  // namespace reference
