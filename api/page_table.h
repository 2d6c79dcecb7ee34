// One domain's multi-level page table in simulated memory, as system software builds it.
//
// What it does: allocates and frees table frames, writes entries through the memory port in an order that hardware may
// walk at any time, uses the largest leaves that addresses, policy and hardware allow, splits a leaf that is unmapped
// in part, and gives empty tables back. Each operation first allocates every frame it needs: when one is missing it
// changes nothing. Tables of a range can be pinned: they stay while they are empty, and 4 KiB pages are then mapped and
// unmapped in them without allocating or freeing anything, host memory included. What it does not do: invalidate caches (the caller does, then frees what unmap() took out), decide
// who owns which page, lock, or read entries back: a CPU finds the entries that it wrote in its own cache, so a mirror
// in host memory stands for those loads and only stores become transactions.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "api/page_range.h"
#include "api/ports.h"
#include "models/core/page_format.h"

namespace iommu::api {

/// `pages` physical pages in a row.
struct PageRun {
  std::uint64_t first_page = 0;  ///< physical page number
  std::uint64_t pages = 0;
};

/// Logical pages that are mapped to as many physical ones in a row.
struct MapPiece {
  std::uint64_t logical_page = 0;
  PageRun run;
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
    std::uint64_t first_page = 0;  ///< a range that holds all cached translations that are stale: from the first page
    std::uint64_t pages = 0;       ///< asked for to the last one, widened to every large leaf that was split
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

  /// The same for one run.
  [[nodiscard]] bool map(std::uint64_t first_page, const PageRun& run, core::Permissions permissions);

  /// The same for several pieces, which are disjoint and ascend in logical pages.
  [[nodiscard]] bool map(const std::vector<MapPiece>& pieces, core::Permissions permissions);

  /// Clears ranges, at least one, which are disjoint and ascend. Pages in them that are not mapped stay so. Nothing, and
  /// no change, when a frame for splitting a leaf is missing.
  [[nodiscard]] std::optional<Removal> unmap(const std::vector<PageRange>& ranges);

  /// Builds the tables of an unmapped range down to level 1 and keeps them until unpin(). False, and no change, when a
  /// frame is missing. Ranges that are pinned at a time are disjoint.
  [[nodiscard]] bool pin(std::uint64_t first_page, std::uint64_t pages);
  /// Ends pin() for a range that is unmapped again, and takes out the tables that are of no use any more.
  [[nodiscard]] Removal unpin(std::uint64_t first_page, std::uint64_t pages);
  /// Maps a run of unmapped pages inside a pinned range. With Permissions::None nothing is written.
  void map_pinned(std::uint64_t first_page, const PageRun& run, core::Permissions permissions);
  /// Clears a range inside a pinned one; no table is taken out.
  void unmap_pinned(std::uint64_t first_page, std::uint64_t pages);

  /// Frees every table, the root included. No unit may use them any more; the object is of no further use.
  void release();

  /// True when the tables have a leaf for this page, whatever it permits.
  [[nodiscard]] bool mapped(std::uint64_t page) const;

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
  void for_each_leaf(const MapPiece& piece, Visit visit) const;
  template <typename Leaves>
  [[nodiscard]] std::size_t missing_tables(Leaves leaves) const;
  template <typename Leaves>
  [[nodiscard]] bool map_leaves(Leaves leaves, core::Permissions permissions);
  [[nodiscard]] Table& build_path(std::uint64_t logical, unsigned level, Frames& spare);
  [[nodiscard]] Table* find_lowest_table(std::uint64_t logical);
  [[nodiscard]] Table& lowest_table(std::uint64_t logical);
  [[nodiscard]] std::size_t frames_to_split(const std::vector<PageRange>& ranges) const;
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
  Table* latest_lowest_ = nullptr;  // table at level 1 that was looked up last, while no table has been taken out since
  std::uint64_t latest_lowest_first_ = 0;  // its first page
};

}  // namespace iommu::api
