#include "api/page_table.h"

#include <algorithm>
#include <utility>

namespace iommu::api {

namespace {

constexpr unsigned kEntries = 512;

/// 4 KiB pages that one entry of a table at this level covers.
constexpr std::uint64_t entry_pages(unsigned level) { return std::uint64_t{1} << (9 * (level - 1)); }

constexpr unsigned entry_index(std::uint64_t page, unsigned level) {
  return core::PageFormat::index(page << core::kPageShift, level);
}

}  // namespace

struct PageTable::Table {
  core::Address frame = 0;
  unsigned level = 1;
  unsigned used = 0;  // entries that are not zero
  unsigned pins = 0;  // pinned ranges that touch it; at level 1
  std::array<std::uint64_t, kEntries> entries{};
  std::vector<std::unique_ptr<Table>> children;  // of 512, empty at level 1

  [[nodiscard]] const Table* child(unsigned index) const { return level == 1 ? nullptr : children[index].get(); }
  [[nodiscard]] Table* child(unsigned index) { return level == 1 ? nullptr : children[index].get(); }
};

PageTable::PageTable(const Geometry& geometry, MemoryPort& memory, FrameAllocator& frames)
    : geometry_(geometry), memory_(memory), frames_(frames) {}

PageTable::~PageTable() = default;

std::unique_ptr<PageTable> PageTable::create(const Geometry& geometry, MemoryPort& memory, FrameAllocator& frames) {
  const std::optional<core::Address> frame = frames.allocate();
  if (!frame) return nullptr;
  std::unique_ptr<PageTable> made(new PageTable(geometry, memory, frames));
  made->root_ = made->make_table(*frame, geometry.levels);
  return made;
}

core::Address PageTable::root() const { return root_->frame; }

bool PageTable::mapped(std::uint64_t page) const {
  if (page >> (9 * geometry_.levels) != 0) return false;
  const Table* table = root_.get();
  for (;;) {
    const unsigned index = entry_index(page, table->level);
    const Table* next = table->child(index);
    if (next == nullptr) return table->entries[index] != 0;
    table = next;
  }
}

std::unique_ptr<PageTable::Table> PageTable::make_table(core::Address frame, unsigned level) {
  memory_.zero_page(frame);
  auto table = std::make_unique<Table>();
  table->frame = frame;
  table->level = level;
  if (level > 1) table->children.resize(kEntries);
  ++table_count_;
  return table;
}

bool PageTable::reserve_frames(std::size_t count, Frames& taken) {
  taken.reserve(count);
  while (taken.size() < count) {
    const std::optional<core::Address> frame = frames_.allocate();
    if (!frame) {
      return_frames(taken);
      return false;
    }
    taken.push_back(*frame);
  }
  // The first one allocated is the first one used.
  std::reverse(taken.begin(), taken.end());
  return true;
}

void PageTable::write_entry(Table& table, unsigned index, std::uint64_t value) {
  if (table.entries[index] == 0 && value != 0) ++table.used;
  if (table.entries[index] != 0 && value == 0) --table.used;
  table.entries[index] = value;
  memory_.write64(table.frame + 8 * std::uint64_t{index}, value);
}

void PageTable::return_frames(Frames& spare) {
  for (const core::Address frame : spare) frames_.free(frame);
  spare.clear();
}

// ---- Mapping ----------------------------------------------------------------------------------------------------

// The highest level at which one leaf may begin at these pages: aligned, long enough, and with no table in its place.
unsigned PageTable::leaf_level(std::uint64_t logical, std::uint64_t physical, std::uint64_t pages) const {
  unsigned wanted = std::min(geometry_.max_leaf_level, geometry_.levels);
  while (wanted > 1 && (((logical | physical) & (entry_pages(wanted) - 1)) != 0 || pages < entry_pages(wanted))) {
    --wanted;
  }
  if (wanted == 1) return wanted;
  const Table* table = root_.get();
  while (table != nullptr && table->level > wanted) table = table->child(entry_index(logical, table->level));
  while (wanted > 1 && table != nullptr && table->child(entry_index(logical, wanted)) != nullptr) {
    table = table->child(entry_index(logical, wanted));
    --wanted;
  }
  return wanted;
}

template <typename Visit>
void PageTable::for_each_leaf(const MapPiece& piece, Visit visit) const {
  std::uint64_t logical = piece.logical_page;
  PageRun run = piece.run;
  while (run.pages != 0) {
    const unsigned level = leaf_level(logical, run.first_page, run.pages);
    visit(logical, run.first_page, level);
    logical += entry_pages(level);
    run.first_page += entry_pages(level);
    run.pages -= entry_pages(level);
  }
}

// Tables that are lacking above the leaves which leaves(visit) yields as visit(logical, physical, level).
template <typename Leaves>
std::size_t PageTable::missing_tables(Leaves leaves) const {
  std::size_t count = 0;
  // Leaves come in ascending order, so a missing table is new exactly when it differs from the last one of its level.
  std::array<std::optional<std::uint64_t>, core::kMaxLevels + 1> last_missing;
  leaves([&](std::uint64_t logical, std::uint64_t, unsigned leaf) {
    const Table* table = root_.get();
    for (unsigned level = geometry_.levels; level > leaf; --level) {
      if (table != nullptr) table = table->child(entry_index(logical, level));
      const std::uint64_t which = logical / entry_pages(level);
      if (table != nullptr || last_missing[level] == which) continue;
      last_missing[level] = which;
      ++count;
    }
  });
  return count;
}

template <typename Leaves>
bool PageTable::map_leaves(Leaves leaves, core::Permissions permissions) {
  if (permissions == core::Permissions::None) return true;
  Frames spare;
  if (!reserve_frames(missing_tables(leaves), spare)) return false;
  leaves([&](std::uint64_t logical, std::uint64_t physical, unsigned level) {
    write_entry(build_path(logical, level, spare), entry_index(logical, level),
                geometry_.format.leaf_entry(physical << core::kPageShift, permissions, level));
  });
  return_frames(spare);
  return true;
}

bool PageTable::map(std::uint64_t first_page, const std::vector<PageRun>& runs, core::Permissions permissions) {
  return map_leaves(
      [&](auto visit) {
        std::uint64_t logical = first_page;
        for (std::size_t i = 0; i < runs.size();) {
          // Runs that continue each other are one.
          PageRun run = runs[i];
          for (++i; i < runs.size() && runs[i].first_page == run.first_page + run.pages; ++i) {
            run.pages += runs[i].pages;
          }
          for_each_leaf({logical, run}, visit);
          logical += run.pages;
        }
      },
      permissions);
}

// One page in a table that is there, the usual case, takes its store only.
bool PageTable::map(std::uint64_t first_page, const PageRun& run, core::Permissions permissions) {
  if (run.pages == 1 && permissions != core::Permissions::None) {
    if (Table* table = find_lowest_table(first_page)) {
      write_entry(*table, entry_index(first_page, 1),
                  geometry_.format.leaf_entry(run.first_page << core::kPageShift, permissions, 1));
      return true;
    }
  }
  return map_leaves([&](auto visit) { for_each_leaf({first_page, run}, visit); }, permissions);
}

bool PageTable::map(const std::vector<MapPiece>& pieces, core::Permissions permissions) {
  return map_leaves(
      [&](auto visit) {
        for (const MapPiece& piece : pieces) for_each_leaf(piece, visit);
      },
      permissions);
}

// The table at `level` for this page; it and those above it are made where they are lacking.
PageTable::Table& PageTable::build_path(std::uint64_t logical, unsigned level, Frames& spare) {
  Table* table = root_.get();
  while (table->level > level) {
    const unsigned index = entry_index(logical, table->level);
    if (table->child(index) == nullptr) {
      table->children[index] = make_table(spare.back(), table->level - 1);
      spare.pop_back();
      write_entry(*table, index, geometry_.format.table_entry(table->child(index)->frame));
    }
    table = table->child(index);
  }
  return *table;
}

// ---- Pinned tables ----------------------------------------------------------------------------------------------

namespace {

/// Calls visit(page) once for each table of level 1 that the range touches.
template <typename Visit>
void for_each_lowest_table(std::uint64_t first_page, std::uint64_t pages, Visit visit) {
  const std::uint64_t last = first_page + pages - 1;
  for (std::uint64_t table = first_page / kEntries; table <= last / kEntries; ++table) visit(table * kEntries);
}

}  // namespace

// Tables above a pinned one have an entry that is not zero, so level 1 is where pins are counted.
bool PageTable::pin(std::uint64_t first_page, std::uint64_t pages) {
  Frames spare;
  const std::size_t count = missing_tables(
      [&](auto visit) { for_each_lowest_table(first_page, pages, [&](std::uint64_t page) { visit(page, 0, 1); }); });
  if (!reserve_frames(count, spare)) return false;
  for_each_lowest_table(first_page, pages, [&](std::uint64_t page) { ++build_path(page, 1, spare).pins; });
  return true;
}

PageTable::Removal PageTable::unpin(std::uint64_t first_page, std::uint64_t pages) {
  for_each_lowest_table(first_page, pages, [&](std::uint64_t page) { --lowest_table(page).pins; });
  Removal removal{first_page, pages, true, {}};
  Frames none;
  clear(*root_, 0, first_page, first_page + pages - 1, none, removal);
  return removal;
}

// The table at level 1 for this page; null when it is lacking.
PageTable::Table* PageTable::find_lowest_table(std::uint64_t logical) {
  const std::uint64_t first = logical & ~std::uint64_t{kEntries - 1};
  if (latest_lowest_ != nullptr && latest_lowest_first_ == first) return latest_lowest_;
  Table* table = root_.get();
  while (table != nullptr && table->level > 1) table = table->child(entry_index(logical, table->level));
  latest_lowest_ = table;
  latest_lowest_first_ = first;
  return table;
}

PageTable::Table& PageTable::lowest_table(std::uint64_t logical) { return *find_lowest_table(logical); }

void PageTable::map_pinned(std::uint64_t first_page, const PageRun& run, core::Permissions permissions) {
  if (permissions == core::Permissions::None) return;
  for (std::uint64_t done = 0; done < run.pages;) {
    Table& table = lowest_table(first_page + done);
    for (unsigned index = entry_index(first_page + done, 1); index < kEntries && done < run.pages; ++index, ++done) {
      write_entry(table, index,
                  geometry_.format.leaf_entry((run.first_page + done) << core::kPageShift, permissions, 1));
    }
  }
}

void PageTable::unmap_pinned(std::uint64_t first_page, std::uint64_t pages) {
  for (std::uint64_t done = 0; done < pages;) {
    Table& table = lowest_table(first_page + done);
    for (unsigned index = entry_index(first_page + done, 1); index < kEntries && done < pages; ++index, ++done) {
      if (table.entries[index] != 0) write_entry(table, index, 0);
    }
  }
}

// ---- Unmapping --------------------------------------------------------------------------------------------------

// Tables that have to be put in place of leaves which a range covers in part. Only the entries that hold the ends of a
// range can be covered in part; the ends ascend, so an entry is new exactly when it differs from the last one of its
// level.
std::size_t PageTable::frames_to_split(const std::vector<PageRange>& ranges) const {
  std::size_t count = 0;
  std::array<std::optional<std::uint64_t>, core::kMaxLevels + 1> last_split;
  for (const PageRange& range : ranges) {
    const std::uint64_t last = range.first_page + range.pages - 1;
    for (const std::uint64_t end : {range.first_page, last}) {
      const Table* table = root_.get();  // null below a leaf
      for (unsigned level = geometry_.levels; level > 1; --level) {
        const std::uint64_t which = end / entry_pages(level);
        const std::uint64_t entry_first = which * entry_pages(level);
        if (range.first_page <= entry_first && last >= entry_first + entry_pages(level) - 1) break;
        if (table != nullptr) {
          const unsigned index = entry_index(end, level);
          if (table->entries[index] == 0) break;
          table = table->child(index);
          if (table != nullptr) continue;
        }
        if (last_split[level] == which) continue;
        last_split[level] = which;
        ++count;
      }
    }
  }
  return count;
}

std::optional<PageTable::Removal> PageTable::unmap(const std::vector<PageRange>& ranges) {
  Frames spare;
  if (!reserve_frames(frames_to_split(ranges), spare)) return std::nullopt;
  const std::uint64_t first = ranges.front().first_page;
  Removal removal{first, ranges.back().first_page + ranges.back().pages - first, true, {}};
  for (const PageRange& range : ranges) {
    clear(*root_, 0, range.first_page, range.first_page + range.pages - 1, spare, removal);
  }
  return_frames(spare);
  return removal;
}

void PageTable::clear(Table& table, std::uint64_t base, std::uint64_t first, std::uint64_t last, Frames& spare,
                      Removal& removal) {
  const std::uint64_t step = entry_pages(table.level);
  const unsigned from = entry_index(std::max(first, base), table.level);
  const unsigned to = entry_index(std::min(last, base + step * kEntries - 1), table.level);
  for (unsigned index = from; index <= to; ++index) {
    if (table.entries[index] == 0) continue;
    const std::uint64_t entry_first = base + step * index;
    const std::uint64_t entry_last = entry_first + step - 1;
    const bool whole = first <= entry_first && last >= entry_last;
    if (Table* child = table.child(index)) {
      if (!whole) clear(*child, entry_first, first, last, spare, removal);
      if (!whole && (child->used != 0 || child->pins != 0)) continue;
      write_entry(table, index, 0);
      collect(std::move(table.children[index]), removal.tables);
      removal.leaf_only = false;
    } else if (whole) {
      write_entry(table, index, 0);
    } else {
      // Hardware may hold the leaf in pieces or whole: all of it has to be invalidated.
      std::unique_ptr<Table> parts = split(table.entries[index], entry_first, table.level - 1, first, last, spare);
      const core::Address frame = parts->frame;
      table.children[index] = std::move(parts);
      write_entry(table, index, geometry_.format.table_entry(frame));
      const std::uint64_t stale_last = std::max(removal.first_page + removal.pages - 1, entry_last);
      removal.first_page = std::min(removal.first_page, entry_first);
      removal.pages = stale_last - removal.first_page + 1;
      removal.leaf_only = false;
    }
  }
}

// A table that maps what `leaf` mapped, except [first, last]; written completely before it takes the leaf's place.
std::unique_ptr<PageTable::Table> PageTable::split(std::uint64_t leaf, std::uint64_t base, unsigned level,
                                                   std::uint64_t first, std::uint64_t last, Frames& spare) {
  const core::PageEntry whole = geometry_.format.decode(leaf, level + 1);
  std::unique_ptr<Table> table = make_table(spare.back(), level);
  spare.pop_back();
  const std::uint64_t step = entry_pages(level);
  for (unsigned index = 0; index < kEntries; ++index) {
    const std::uint64_t entry_first = base + step * index;
    const std::uint64_t entry_last = entry_first + step - 1;
    if (first <= entry_first && last >= entry_last) continue;
    const core::Address page = whole.address + (step << core::kPageShift) * index;
    std::uint64_t entry = geometry_.format.leaf_entry(page, whole.permissions, level);
    if (first <= entry_last && last >= entry_first) {
      table->children[index] = split(entry, entry_first, level - 1, first, last, spare);
      entry = geometry_.format.table_entry(table->children[index]->frame);
    }
    write_entry(*table, index, entry);
  }
  return table;
}

void PageTable::collect(std::unique_ptr<Table> table, Frames& into) {
  into.push_back(table->frame);
  --table_count_;
  latest_lowest_ = nullptr;
  for (std::unique_ptr<Table>& child : table->children) {
    if (child) collect(std::move(child), into);
  }
}

void PageTable::release() {
  Frames all;
  collect(std::move(root_), all);
  for (const core::Address frame : all) frames_.free(frame);
}

}  // namespace iommu::api
