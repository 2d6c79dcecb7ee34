// Arguments of random calls, made from numbers: descriptors of physical pages, addresses, reserved regions.
//
// What it does: builds a value that is right most of the time and wrong in one of the known ways at other times, says
// what it means to the reference, and puts it into words. What it does not do: call anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "testbench/api/fake_machine.h"
#include "testbench/api/reference_model.h"

namespace sequence {

/// Takes decisions out of one number, one after the other.
class Chooser {
 public:
  explicit Chooser(std::uint64_t number) : left_(number) {}
  /// 0 to `below` - 1.
  std::uint64_t operator()(std::uint64_t below) {
    const std::uint64_t choice = left_ % below;
    left_ /= below;
    if (left_ < 4096) left_ = (left_ + 1) * 0x9E3779B97F4A7C15ull ^ left_ >> 7;
    return choice;
  }
  /// True once in `times`.
  bool once_in(std::uint64_t times) { return (*this)(times) == times - 1; }

 private:
  std::uint64_t left_;
};

/// Logical and physical pages that are used: 32 MiB on. Tables lie below.
inline constexpr std::uint64_t kFirstPage = 0x2000;
inline constexpr std::uint64_t kPages = 6200;

/// A page in the middle of things, at the beginning of 2 MiB now and then.
[[nodiscard]] std::uint64_t some_page(Chooser& choose);
/// A few, now and then more than one table of them.
[[nodiscard]] std::uint64_t some_length(Chooser& choose);
/// IOMMU_ACCESS_*; rarely bits that have no meaning.
[[nodiscard]] unsigned some_permissions(Chooser& choose);

/// IOMMU_MAP_PHYSICAL_ADDRESS of one of its three types, and all that it points to.
class Descriptor {
 public:
  enum class Use : std::uint8_t { Anywhere, Identity };
  /// Mdl: version 1's functions take nothing else.
  enum class Types : std::uint8_t { All, Mdl };
  Descriptor(std::uint64_t number, Use use, Types types);
  /// These pages in a row; for taking back what was mapped.
  Descriptor(std::uint64_t first_page, std::uint64_t pages, std::uint64_t number, Types types);
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] IOMMU_MAP_PHYSICAL_ADDRESS* argument() { return null_ ? nullptr : &value_; }
  [[nodiscard]] PMDL mdl() { return null_ ? nullptr : value_.Mdl.Mdl; }
  [[nodiscard]] const reference::Model::Pages& pages() const { return pages_; }
  [[nodiscard]] std::string text() const;

 private:
  void build(std::vector<std::uint64_t> pages, Chooser& choose, Types types);
  void spoil(Chooser& choose);

  IOMMU_MAP_PHYSICAL_ADDRESS value_{};
  bool null_ = false;
  std::vector<PFN_NUMBER> frames_;
  fake::MdlBuffer mdl_{{}};
  reference::Model::Pages pages_;
  const char* spoiled_ = "";
};

/// Explicit address, Min and Max as pointers, and what they mean.
struct Place {
  Place(std::uint64_t number, const reference::Domain* domain);
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  reference::Wish wish;
  IOMMU_DMA_LOGICAL_ADDRESS explicit_address = 0, min = 0, max = 0;
  [[nodiscard]] IOMMU_DMA_LOGICAL_ADDRESS* at() { return wish.explicit_address ? &explicit_address : nullptr; }
  [[nodiscard]] IOMMU_DMA_LOGICAL_ADDRESS* lowest() { return wish.min ? &min : nullptr; }
  [[nodiscard]] IOMMU_DMA_LOGICAL_ADDRESS* highest() { return wish.max ? &max : nullptr; }
  [[nodiscard]] std::string text() const;
};

/// Type, allocator and regions of CreateDomainEx. Not copied: the regions are linked.
struct DomainArguments {
  explicit DomainArguments(std::uint64_t number);
  DomainArguments(const DomainArguments&) = delete;
  DomainArguments& operator=(const DomainArguments&) = delete;

  reference::Model::DomainWish wish;
  IOMMU_DMA_DOMAIN_CREATION_FLAGS flags{};
  [[nodiscard]] IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG* allocator() { return wish.allocator ? &*wish.allocator : nullptr; }
  [[nodiscard]] IOMMU_DMA_RESERVED_REGION* regions() { return wish.regions.empty() ? nullptr : wish.regions.data(); }
  [[nodiscard]] std::string text() const;

 private:
  void add_region(std::uint64_t base, std::uint64_t pages, bool map);
};

[[nodiscard]] std::string hex(std::uint64_t value);

}  // namespace sequence
