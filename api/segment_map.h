// Which pages of a reserved range are mapped, and which segments they were mapped as.
//
// What it does: two bits a page (mapped; a segment starts here) tell whether a sub-range is free and whether it is
// exactly one mapped segment. All memory is allocated at construction. What it does not do: lock, map anything.
#pragma once

#include <cstdint>
#include <vector>

namespace iommu::api {

class SegmentMap {
 public:
  explicit SegmentMap(std::uint64_t pages) : mapped_(pages, false), starts_(pages, false) {}

  [[nodiscard]] std::uint64_t pages() const { return mapped_.size(); }
  [[nodiscard]] std::uint64_t mapped_pages() const { return mapped_pages_; }

  /// True when no page of a sub-range is mapped.
  [[nodiscard]] bool is_free(std::uint64_t first, std::uint64_t pages) const {
    for (std::uint64_t i = first; i < first + pages; ++i) {
      if (mapped_[i]) return false;
    }
    return true;
  }

  /// True when exactly this sub-range is a mapped segment.
  [[nodiscard]] bool is_segment(std::uint64_t first, std::uint64_t pages) const {
    if (pages == 0 || first >= this->pages() || pages > this->pages() - first || !starts_[first]) return false;
    for (std::uint64_t i = first + 1; i < first + pages; ++i) {
      if (!mapped_[i] || starts_[i]) return false;
    }
    const std::uint64_t end = first + pages;
    return end == this->pages() || !mapped_[end] || starts_[end];
  }

  /// Makes a free sub-range a segment.
  void add(std::uint64_t first, std::uint64_t pages) {
    set(first, pages, true);
    mapped_pages_ += pages;
  }

  /// Frees a sub-range that is a segment.
  void remove(std::uint64_t first, std::uint64_t pages) {
    set(first, pages, false);
    mapped_pages_ -= pages;
  }

  /// Gives the memory back; the map has no pages then.
  void clear() { *this = SegmentMap(0); }

 private:
  void set(std::uint64_t first, std::uint64_t pages, bool value) {
    starts_[first] = value;
    for (std::uint64_t i = first; i < first + pages; ++i) mapped_[i] = value;
  }

  std::vector<bool> mapped_;
  std::vector<bool> starts_;
  std::uint64_t mapped_pages_ = 0;
};

}  // namespace iommu::api
