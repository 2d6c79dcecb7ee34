#include "platform/driver_lab/memory_services.h"

#include <sys/mman.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <set>

#include "platform/driver_lab/kernel.h"

namespace iommu::platform::lab {

namespace {

constexpr std::uint64_t kPage = PAGE_SIZE;

std::uint64_t whole_pages(std::uint64_t bytes) { return (bytes + kPage - 1) & ~(kPage - 1); }

std::string tag_text(ULONG tag) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    const char c = static_cast<char>(tag >> (8 * i));
    text += c >= ' ' && c <= '~' ? c : '.';
  }
  return "'" + text + "'";
}

std::string hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%" PRIx64, value);
  return text;
}

}  // namespace

MemoryServices::~MemoryServices() {
  while (!blocks_.empty()) release(blocks_.begin());
  for (const auto& [mdl, image] : mdls_) std::free(mdl);
  for (const auto& [address, registers] : registers_) munmap(registers.reserved, registers.reserved_bytes);
}

// ---- Blocks.

std::optional<core::Address> MemoryServices::take_range(std::uint64_t bytes, core::Address lowest,
                                                        core::Address highest, std::uint64_t alignment) {
  const auto fits = [&](core::Address base) {
    return base >= lowest && base % alignment == 0 && base <= highest && bytes - 1 <= highest - base;
  };
  const auto reused = std::find_if(free_ranges_.begin(), free_ranges_.end(),
                                   [&](const Range& range) { return range.bytes == bytes && fits(range.base); });
  if (reused != free_ranges_.end()) {
    const core::Address base = reused->base;
    free_ranges_.erase(reused);
    return base;
  }
  const auto base = kernel_.machine.frames.allocate_range(bytes, alignment, highest);
  if (!base || fits(*base)) return base;
  free_ranges_.push_back({*base, bytes});
  return std::nullopt;
}

PVOID MemoryServices::allocate_pool(POOL_FLAGS flags, SIZE_T bytes, ULONG tag, DriverImage* image) {
  if (bytes == 0 || tag == 0) return nullptr;
  Block block{MemoryKind::Pool, bytes, tag, image, std::nullopt};
  PVOID address = nullptr;
  if (bytes >= kPage) {
    block.physical = take_range(whole_pages(bytes), 0, std::numeric_limits<core::Address>::max(), kPage);
    if (!block.physical) return nullptr;
    address = kernel_.machine.memory->host_pointer(*block.physical);
  } else {
    address = std::malloc(bytes);
  }
  if ((flags & POOL_FLAG_UNINITIALIZED) == 0) std::memset(address, 0, bytes);
  blocks_[address] = block;
  return address;
}

void MemoryServices::free_pool(const char* function, PVOID address, ULONG tag, DriverImage* image) {
  const auto block = blocks_.find(address);
  if (block == blocks_.end() || block->second.kind != MemoryKind::Pool) {
    kernel_.report(api::Severity::Warning, function, image, "is called for a block that is not allocated from pool");
    return;
  }
  if (tag != 0 && block->second.tag != tag) {
    kernel_.report(api::Severity::Warning, function, image,
                   "names tag " + tag_text(tag) + " for a block of tag " + tag_text(block->second.tag));
  }
  release(block);
}

PVOID MemoryServices::allocate_contiguous(SIZE_T bytes, core::Address lowest, core::Address highest,
                                          std::uint64_t boundary, DriverImage* image) {
  if (bytes == 0) return nullptr;
  const std::uint64_t size = whole_pages(bytes);
  std::uint64_t alignment = kPage;
  if (boundary != 0) {
    // A block aligned to its size, rounded up to a power of two, crosses no larger boundary.
    while (alignment < size) alignment *= 2;
    if (alignment > boundary) return nullptr;
  }
  const auto physical = take_range(size, lowest, highest, alignment);
  if (!physical) return nullptr;
  PVOID address = kernel_.machine.memory->host_pointer(*physical);
  blocks_[address] = {MemoryKind::Contiguous, bytes, 0, image, physical};
  return address;
}

void MemoryServices::free_contiguous(const char* function, PVOID address, DriverImage* image) {
  const auto block = blocks_.find(address);
  if (block == blocks_.end() || block->second.kind != MemoryKind::Contiguous) {
    kernel_.report(api::Severity::Warning, function, image, "is called for memory that is not allocated by it");
    return;
  }
  release(block);
}

void MemoryServices::release(std::map<PVOID, Block>::iterator block) {
  if (block->second.physical) {
    free_ranges_.push_back({*block->second.physical, whole_pages(block->second.bytes)});
  } else {
    std::free(block->first);
  }
  blocks_.erase(block);
}

std::optional<core::Address> MemoryServices::physical_of(const void* address) const {
  const sim::Memory& memory = *kernel_.machine.memory;
  const auto first = reinterpret_cast<std::uintptr_t>(memory.host_pointer(0));
  const auto here = reinterpret_cast<std::uintptr_t>(address);
  if (here < first || here - first >= memory.config().size_bytes) return std::nullopt;
  return here - first;
}

// ---- MDLs.

PMDL MemoryServices::allocate_mdl(PVOID address, ULONG length, DriverImage* image) {
  if (length == 0) return nullptr;
  auto* mdl = static_cast<PMDL>(std::calloc(1, MmSizeOfMdl(address, length)));
  MmInitializeMdl(mdl, address, length);
  mdls_[mdl] = image;
  return mdl;
}

void MemoryServices::free_mdl(PMDL mdl, DriverImage* image) {
  if (mdls_.erase(mdl) != 0) {
    std::free(mdl);
    return;
  }
  kernel_.report(api::Severity::Warning, "IoFreeMdl", image, "is called for an MDL that IoAllocateMdl didn't make");
}

void MemoryServices::build_mdl(PMDL mdl, DriverImage* image) {
  auto* page = static_cast<const unsigned char*>(mdl->StartVa);
  const ULONG pages = ADDRESS_AND_SIZE_TO_SPAN_PAGES(MmGetMdlVirtualAddress(mdl), mdl->ByteCount);
  bool complete = true;
  for (ULONG i = 0; i < pages; ++i) {
    const auto physical = physical_of(page + i * kPage);
    complete = complete && physical.has_value();
    // No such page exists: whoever maps it is refused.
    MmGetMdlPfnArray(mdl)[i] = physical ? *physical >> PAGE_SHIFT : ~PFN_NUMBER{0};
  }
  if (!complete) {
    kernel_.report(api::Severity::Warning, "MmBuildMdlForNonPagedPool", image,
                   "describes memory without a physical address; contiguous memory and pool from a page on have one");
    return;
  }
  mdl->MappedSystemVa = MmGetMdlVirtualAddress(mdl);
  mdl->MdlFlags = static_cast<CSHORT>(mdl->MdlFlags | MDL_SOURCE_IS_NONPAGED_POOL);
}

// ---- Registers.

PVOID MemoryServices::map_registers(const char* function, core::Address physical, SIZE_T bytes, DriverImage* image) {
  if (bytes == 0 || physical < kHoleBase || physical >= kHoleEnd || bytes > kHoleEnd - physical) {
    kernel_.report(
        api::Severity::Warning, function, image,
        "is asked for " + std::to_string(bytes) + " bytes at " + hex(physical) + ", where no device registers are");
    return nullptr;
  }
  // Addresses that nobody can dereference: an access that goes around READ_REGISTER_* shows at once.
  const std::uint64_t offset = physical % kPage;
  const std::size_t reserved = whole_pages(offset + bytes);
  void* address = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return nullptr;
  const std::uintptr_t known = reinterpret_cast<std::uintptr_t>(address) + offset;
  registers_[known] = {physical, bytes, address, reserved, image};
  return reinterpret_cast<PVOID>(known);
}

void MemoryServices::unmap_registers(PVOID base, SIZE_T bytes, DriverImage* image) {
  const auto found = registers_.find(reinterpret_cast<std::uintptr_t>(base));
  if (found == registers_.end() || found->second.bytes != bytes) {
    kernel_.report(api::Severity::Warning, "MmUnmapIoSpace", image,
                   "is called for a range that MmMapIoSpace didn't return, or of another length");
    return;
  }
  munmap(found->second.reserved, found->second.reserved_bytes);
  registers_.erase(found);
}

std::optional<core::Address> MemoryServices::register_at(const char* function, const volatile void* address,
                                                         std::uint32_t bytes, DriverImage* image) {
  const auto here = reinterpret_cast<std::uintptr_t>(address);
  auto next = registers_.upper_bound(here);
  if (next != registers_.begin()) {
    const auto& [known, registers] = *std::prev(next);
    const std::uint64_t offset = here - known;
    if (offset < registers.bytes && bytes <= registers.bytes - offset) {
      if (here % bytes == 0) return registers.physical + offset;
      kernel_.report_once(api::Severity::Warning, function, image, "is called for an address that is not aligned");
      return std::nullopt;
    }
  }
  kernel_.report_once(api::Severity::Warning, function, image,
                      "is called for an address that MmMapIoSpace has not mapped");
  return std::nullopt;
}

// ---- What is left.

std::string MemoryServices::leaks(const DriverImage& image, MemoryKind kind) const {
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  std::set<std::string> tags;
  for (const auto& [address, block] : blocks_) {
    if (block.image != &image || block.kind != kind) continue;
    ++count;
    bytes += block.bytes;
    if (block.tag != 0) tags.insert(tag_text(block.tag));
  }
  if (count == 0) return "";
  std::string text = std::to_string(count) + (kind == MemoryKind::Pool ? " pool block" : " range");
  if (count != 1) text += 's';
  if (kind == MemoryKind::Contiguous) text += " of contiguous memory";
  text += ", " + std::to_string(bytes) + " bytes";
  std::string list;
  for (const std::string& tag : tags) list += (list.empty() ? ", tag " : " ") + tag;
  return text + list;
}

std::string MemoryServices::mdl_leaks(const DriverImage& image) const {
  const auto count = std::count_if(mdls_.begin(), mdls_.end(), [&](const auto& one) { return one.second == &image; });
  return count == 0 ? "" : std::to_string(count) + (count == 1 ? " MDL" : " MDLs");
}

std::string MemoryServices::register_leaks(const DriverImage& image) const {
  const auto count =
      std::count_if(registers_.begin(), registers_.end(), [&](const auto& one) { return one.second.image == &image; });
  return count == 0 ? "" : std::to_string(count) + (count == 1 ? " mapping" : " mappings") + " of registers";
}

}  // namespace iommu::platform::lab
