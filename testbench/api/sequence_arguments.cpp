#include "testbench/api/sequence_arguments.h"

#include <sstream>
#include <utility>

namespace sequence {

std::string hex(std::uint64_t value) {
  std::ostringstream text;
  text << "0x" << std::hex << value;
  return text.str();
}

std::uint64_t some_page(Chooser& choose) {
  const std::uint64_t page = kFirstPage + choose(kPages);
  return choose.once_in(4) ? page & ~std::uint64_t{511} : page;
}

std::uint64_t some_length(Chooser& choose) {
  if (choose.once_in(24)) return 1 + choose(1500);
  if (choose.once_in(12)) return 512;
  return 1 + choose(12);
}

unsigned some_permissions(Chooser& choose) {
  if (choose.once_in(40)) return 4 + static_cast<unsigned>(choose(3));
  if (choose.once_in(10)) return IOMMU_ACCESS_NONE;
  return static_cast<unsigned>(choose.once_in(3) ? 1 + choose(2) : 3);
}

// ---- Descriptor -------------------------------------------------------------------------------------------------

Descriptor::Descriptor(std::uint64_t number, Use use, Types types) {
  Chooser choose(number);
  std::vector<std::uint64_t> pages;
  const std::uint64_t length = some_length(choose);
  const auto start = [&] {
    if (use == Use::Anywhere && choose.once_in(2)) return kFirstPage + kPages + choose(1u << 19) * 3 / 2;
    return some_page(choose);
  };
  const bool scattered = !choose.once_in(3);
  std::uint64_t next = start();
  for (std::uint64_t i = 0; i < length; ++i) {
    if (scattered && i != 0 && choose.once_in(8)) next = start();
    pages.push_back(next++);
  }
  build(std::move(pages), choose, types);
}

Descriptor::Descriptor(std::uint64_t first_page, std::uint64_t count, std::uint64_t number, Types types) {
  Chooser choose(number);
  std::vector<std::uint64_t> pages;
  for (std::uint64_t i = 0; i < count; ++i) pages.push_back(first_page + i);
  build(std::move(pages), choose, types);
}

void Descriptor::build(std::vector<std::uint64_t> pages, Chooser& choose, Types types) {
  bool in_a_row = true;
  for (std::size_t i = 1; i < pages.size(); ++i) in_a_row = in_a_row && pages[i] == pages[i - 1] + 1;
  frames_.assign(pages.begin(), pages.end());
  mdl_ = fake::MdlBuffer(frames_);
  const std::uint64_t type = types == Types::Mdl ? 0 : choose(in_a_row ? 3 : 2);
  if (type == 0) value_ = mdl_.descriptor();
  if (type == 1) value_ = fake::pfn_array(frames_);
  if (type == 2) value_ = fake::contiguous(pages.front() << 12, pages.size() << 12);
  pages_ = std::move(pages);
  if (choose.once_in(24)) spoil(choose);
}

// One of the ways to be malformed (OP-16); an MDL that is linked to another one is none.
void Descriptor::spoil(Chooser& choose) {
  const auto wrong = [&](const char* how) {
    spoiled_ = how;
    pages_.reset();
  };
  if (choose.once_in(5)) {
    null_ = true;
    return wrong("NULL");
  }
  switch (value_.MapType) {
    case MapPhysicalAddressTypeMdl:
      if (choose.once_in(3)) {
        mdl_.mdl()->Next = mdl_.mdl();
        spoiled_ = "linked";
      } else if (choose.once_in(2)) {
        mdl_.mdl()->ByteCount -= 8;
        wrong("not whole pages");
      } else {
        mdl_.mdl()->ByteOffset = 16;
        wrong("with an offset");
      }
      return;
    case MapPhysicalAddressTypeContiguousRange:
      if (choose.once_in(3))
        value_.ContiguousRange.Size = 0;
      else if (choose.once_in(2))
        value_.ContiguousRange.Size += 8;
      else
        value_.ContiguousRange.Base.QuadPart += 0x800;
      return wrong("unaligned or empty");
    default:
      if (choose.once_in(4)) {
        value_.MapType = MapPhysicalAddressTypeMax;
      } else if (choose.once_in(3)) {
        value_.PfnArray.PageFrame = nullptr;
      } else if (choose.once_in(2)) {
        value_.PfnArray.NumberOfPages = 0;
      } else {
        frames_.back() = std::uint64_t{1} << (46 - 12);
      }
      return wrong("without type, array or pages, or beyond the physical width");
  }
}

std::string Descriptor::text() const {
  static const char* const kNames[] = {"MDL", "contiguous", "PFNs"};
  const auto type = static_cast<unsigned>(value_.MapType);
  std::string text = type < 3 ? kNames[type] : "type 3";
  if (*spoiled_ != '\0') text += std::string(" (") + spoiled_ + ")";
  if (frames_.empty()) return text;
  text += " of " + std::to_string(frames_.size()) + " pages: ";
  for (std::size_t i = 0; i < frames_.size() && i < 4; ++i) text += (i == 0 ? "" : ", ") + hex(frames_[i]);
  return text + (frames_.size() > 4 ? ", ..." : "");
}

// ---- Place ------------------------------------------------------------------------------------------------------

Place::Place(std::uint64_t number, const reference::Domain* domain) {
  Chooser choose(number);
  const bool buddy = domain != nullptr && domain->buddy;
  if (buddy == choose.once_in(24)) {
    explicit_address = some_page(choose) << 12;
    if (choose.once_in(20)) explicit_address += 8;
    if (choose.once_in(20)) explicit_address = choose.once_in(2) ? 0xFEE00000 - 0x2000 : 0x40000000;
    if (choose.once_in(20))
      explicit_address = (std::uint64_t{1} << (domain == nullptr ? 48 : domain->width_bits)) - 0x2000;
    wish.explicit_address = explicit_address;
  }
  if (buddy && choose.once_in(3)) {
    min = choose(1u << 26);
    wish.min = min;
  }
  if (buddy && choose.once_in(3)) {
    max = min + choose(choose.once_in(3) ? 0x4000 : 1u << 25);
    if (choose.once_in(16)) max = choose.once_in(2) ? ~std::uint64_t{0} : min / 2;
    wish.max = max;
  }
}

std::string Place::text() const {
  std::string text;
  if (wish.explicit_address) text += ", at " + hex(*wish.explicit_address);
  if (wish.min) text += ", Min " + hex(*wish.min);
  if (wish.max) text += ", Max " + hex(*wish.max);
  return text;
}

// ---- DomainArguments --------------------------------------------------------------------------------------------

DomainArguments::DomainArguments(std::uint64_t number) {
  Chooser choose(number);
  wish.type = choose.once_in(5) ? DomainTypePassThrough : DomainTypeTranslate;
  if (choose.once_in(20)) wish.type = static_cast<int>(choose(6)) - 1;
  if (choose.once_in(40)) flags.AsUlonglong = 1;
  wish.flags = flags.AsUlonglong != 0;
  if (wish.type == DomainTypeTranslate ? choose.once_in(2) : choose.once_in(12)) {
    static constexpr ULONG kWidths[] = {26, 26, 26, 27, 31, 39, 48, 63, 13, 20};
    wish.allocator.emplace();
    wish.allocator->LogicalAllocatorType =
        choose.once_in(10) ? IommuDmaLogicalAllocatorNone : IommuDmaLogicalAllocatorBuddy;
    wish.allocator->BuddyAllocatorConfig.AddressWidth = kWidths[choose(10)];
    if (choose.once_in(40)) wish.allocator->BuddyAllocatorConfig.AddressWidth = choose.once_in(2) ? 12 : 64;
    if (choose.once_in(40)) wish.allocator->LogicalAllocatorType = IommuDmaLogicalAllocatorMax;
  }
  if (choose.once_in(3)) add_region((kFirstPage + 0x40) << 12, 3, true);
  if (choose.once_in(4)) add_region((kFirstPage + 0x100) << 12, 16, false);
  if (choose.once_in(5)) add_region((kFirstPage + 0x400) << 12, 512, true);
  if (choose.once_in(6)) add_region(0, 1, false);
  if (choose.once_in(8)) add_region(0x40000000, 0x40000, true);
  if (choose.once_in(40)) add_region(0x5000800, 1, true);
  if (choose.once_in(40)) add_region(0x5000000, 0, true);
  if (choose.once_in(40)) add_region((kFirstPage + 0x42) << 12, 2, false);
  if (choose.once_in(40)) add_region(~std::uint64_t{0xFFF}, 2, false);
  if (choose.once_in(40)) add_region(std::uint64_t{1} << 50, 1, true);
  for (std::size_t i = 1; i < wish.regions.size(); ++i) wish.regions[i - 1].RegionNext = &wish.regions[i];
  wish.output = !choose.once_in(40);
}

void DomainArguments::add_region(std::uint64_t base, std::uint64_t pages, bool map) {
  IOMMU_DMA_RESERVED_REGION region{};
  region.Base = base;
  region.NumberOfPages = pages;
  region.ShouldMap = map ? TRUE : FALSE;
  wish.regions.push_back(region);
}

std::string DomainArguments::text() const {
  static const char* const kNames[] = {"Translate", "PassThrough", "Unmanaged", "TranslateS1"};
  std::string text = wish.type >= 0 && wish.type < 4 ? kNames[wish.type] : "type " + std::to_string(wish.type);
  if (wish.flags) text += ", flags 1";
  if (wish.allocator) {
    text += wish.allocator->LogicalAllocatorType == IommuDmaLogicalAllocatorBuddy ? ", Buddy "
                                                                                  : ", allocator type not Buddy ";
    text += std::to_string(wish.allocator->BuddyAllocatorConfig.AddressWidth);
  }
  for (const IOMMU_DMA_RESERVED_REGION& region : wish.regions) {
    text += std::string(region.ShouldMap ? ", maps " : ", keeps out ") + std::to_string(region.NumberOfPages) +
            " pages at " + hex(region.Base);
  }
  return text + (wish.output ? "" : ", no output");
}

}  // namespace sequence
