// One domain's multi-level page table in simulated memory, as system software builds it.
//
// What it does: allocates and frees table frames, writes entries through the memory port in an order that hardware may
// walk at any time, uses the largest leaves that addresses, policy and hardware allow, splits a leaf that is unmapped
// in part, and gives empty tables back. Each operation first allocates every frame it needs: when one is missing it
// changes nothing. What it does not do: invalidate caches (the caller does, then frees what unmap() took out), decide
// who owns which page, lock, or read entries back: a CPU finds the entries that it wrote in its own cache, so a mirror
// in host memory stands for those loads and only stores become transactions.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "api/ports.h"
#include "models/core/page_format.h"

namespace iommu::api {

/// `pages` physical pages in a row.
struct PageRun {
  std::uint64_t first_page = 0;  ///< physical page number
  std::uint64_t pages = 0;
};

class PageTable {
 public:
  struct Geometry {
    core::PageFormat format;
    unsigned levels = 4;          ///< 1 to core::kMaxLevels
    unsigned max_leaf_level = 1;  ///< highest level at which leaves are written
  };

  /// What unmap() did, for the invalidation that has to follow.
  struct Removal {
    std::uint64_t first_page = 0;  ///< the range whose cached translations are stale: as asked for, widened to every
    std::uint64_t pages = 0;       ///< large leaf that was split
    bool leaf_only = true;         ///< no table was taken out or put in: intermediate entries stay valid
    std::vector<core::Address> tables;  ///< frames to free once the invalidation is complete
  };

  /// Allocates the root table. Null when there is no frame.
  [[nodiscard]] static std::unique_ptr<PageTable> create(const Geometry& geometry, MemoryPort& memory,
                                                         FrameAllocator& frames);
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;
  /// Frees nothing: hardware may still know the tables. See release().
  ~PageTable();

  /// Maps the runs one behind the other from logical page `first_page` on. The range must be unmapped. With
  /// Permissions::None nothing is written. False, and no change, when a frame is missing.
  [[nodiscard]] bool map(std::uint64_t first_page, const std::vector<PageRun>& runs, core::Permissions permissions);

  /// Clears a range. Pages in it that are not mapped stay so. Nothing, and no change, when a frame for splitting a leaf
  /// is missing.
  [[nodiscard]] std::optional<Removal> unmap(std::uint64_t first_page, std::uint64_t pages);

  /// Frees every table, the root included. No unit may use them any more; the object is of no further use.
  void release();

  [[nodiscard]] core::Address root() const;
  [[nodiscard]] unsigned levels() const { return geometry_.levels; }
  [[nodiscard]] std::size_t table_count() const { return table_count_; }

 private:
  struct Table;
  using Frames = std::vector<core::Address>;

  PageTable(const Geometry& geometry, MemoryPort& memory, FrameAllocator& frames);
  [[nodiscard]] std::unique_ptr<Table> make_table(core::Address frame, unsigned level);
  [[nodiscard]] bool reserve_frames(std::size_t count, Frames& taken);
  void return_frames(Frames& spare);
  void write_entry(Table& table, unsigned index, std::uint64_t value);
  [[nodiscard]] unsigned leaf_level(std::uint64_t logical, std::uint64_t physical, std::uint64_t pages) const;
  template <typename Visit>
  void for_each_leaf(std::uint64_t logical, const std::vector<PageRun>& runs, Visit visit) const;
  [[nodiscard]] std::size_t frames_to_map(std::uint64_t first_page, const std::vector<PageRun>& runs) const;
  void put_leaf(std::uint64_t logical, std::uint64_t physical, unsigned level, core::Permissions permissions,
                Frames& spare);
  [[nodiscard]] std::size_t frames_to_split(const Table& table, std::uint64_t base, std::uint64_t first,
                                            std::uint64_t last) const;
  void clear(Table& table, std::uint64_t base, std::uint64_t first, std::uint64_t last, Frames& spare,
             Removal& removal);
  [[nodiscard]] std::unique_ptr<Table> split(std::uint64_t leaf, std::uint64_t base, unsigned level,
                                             std::uint64_t first, std::uint64_t last, Frames& spare);
  void collect(std::unique_ptr<Table> table, Frames& into);

  Geometry geometry_;
  MemoryPort& memory_;
  FrameAllocator& frames_;
  std::unique_ptr<Table> root_;
  std::size_t table_count_ = 0;
};

}  // namespace iommu::api
