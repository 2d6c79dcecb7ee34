// Values by page number, in order, in few and contiguous pieces of memory.
//
// What it does: looks up, adds and removes in time that grows with the logarithm of the number of entries; what lies beside the latest entry
// is found without a search, and filling upwards allocates memory once in many entries. Memory is proportional to the entries. What it does
// not do: keep pointers to entries valid across insert() and erase(), or know what the values mean.
//
// Entries lie sorted in chunks, a list of the chunks' first possible pages beside them: two levels of a B-tree. With 10^5 entries in random
// order an insertion moves about 1 KiB, with 10^7 the list of chunks would begin to show.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace iommu::api {

/// @tparam Value  a class; an empty one costs no memory
template <typename Value>
class PageMap {
 public:
  static constexpr std::size_t kChunkEntries = 128;

  struct Entry : Value {
    explicit Entry(std::uint64_t of_page) : page(of_page) {}
    std::uint64_t page;
  };

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// The entry of a page; null: there is none.
  [[nodiscard]] Entry* find(std::uint64_t page) { return const_cast<Entry*>(std::as_const(*this).find(page)); }
  [[nodiscard]] const Entry* find(std::uint64_t page) const {
    const Entry* found = at_or_before(page);
    return found != nullptr && found->page == page ? found : nullptr;
  }
  /// The last entry of those up to a page; null: there is none.
  [[nodiscard]] Entry* at_or_before(std::uint64_t page) {
    return const_cast<Entry*>(std::as_const(*this).at_or_before(page));
  }
  [[nodiscard]] const Entry* at_or_before(std::uint64_t page) const {
    const std::size_t chunk = chunk_of(page);
    const Entry* after = first_after(chunks_[chunk], page);
    if (after != chunks_[chunk].data()) return after - 1;
    return chunk == 0 ? nullptr : &chunks_[chunk - 1].back();
  }
  /// The first entry from a page on; null: there is none.
  [[nodiscard]] const Entry* at_or_after(std::uint64_t page) const {
    const std::size_t chunk = chunk_of(page);
    const Entry* end = chunks_[chunk].data() + chunks_[chunk].size();
    const Entry* from = first_after(chunks_[chunk], page);
    if (from != chunks_[chunk].data() && (from - 1)->page == page) return from - 1;
    if (from != end) return from;
    return chunk + 1 == chunks_.size() ? nullptr : &chunks_[chunk + 1].front();
  }
  /// The first entry; the map must not be empty.
  [[nodiscard]] const Entry& front() const { return chunks_.front().front(); }

  /// Adds a page, which must not be there, with the default value; to be filled in place, since a value that is put together first is copied
  /// by loads that wait for the stores before.
  Entry& insert(std::uint64_t page) {
    std::size_t chunk = chunk_of(page);
    if (chunks_[chunk].size() == kChunkEntries) chunk = split(chunk, page);
    Chunk& into = chunks_[chunk];
    ++size_;
    if (into.empty() || into.back().page < page) return into.emplace_back(page);
    const std::size_t at = static_cast<std::size_t>(first_after(into, page) - into.data());
    latest_after_ = at + 1;  // where the next page comes
    // As emplace(), but the new entry is made in its place.
    into.push_back(into.back());
    const auto place = into.begin() + static_cast<std::ptrdiff_t>(at);
    std::move_backward(place, into.end() - 2, into.end() - 1);
    static_cast<Value&>(*place) = Value();
    place->page = page;
    return *place;
  }

  /// Removes a page. False: it was not there.
  bool erase(std::uint64_t page) {
    const std::size_t chunk = chunk_of(page);
    Chunk& from = chunks_[chunk];
    const Entry* after = first_after(from, page);
    if (after == from.data() || (after - 1)->page != page) return false;
    from.erase(from.begin() + (after - 1 - from.data()));
    --size_;
    if (from.size() <= kChunkEntries / 4) join(chunk);
    return true;
  }

 private:
  using Chunk = std::vector<Entry>;

  [[nodiscard]] const Entry* first_after(const Chunk& chunk, std::uint64_t page) const {
    const Entry* begin = chunk.data();
    const Entry* end = begin + chunk.size();
    if (begin == end || end[-1].page <= page) return end;
    if (begin->page > page) return begin;
    const std::size_t at = latest_after_;
    const bool same = at != 0 && at < chunk.size() && begin[at - 1].page <= page && page < begin[at].page;
    if (same) return begin + at;
    const Entry* after =
        std::upper_bound(begin, end, page, [](std::uint64_t value, const Entry& entry) { return value < entry.page; });
    latest_after_ = static_cast<std::size_t>(after - begin);
    return after;
  }

  /// The chunk that a page is in or belongs to.
  [[nodiscard]] std::size_t chunk_of(std::uint64_t page) const {
    const bool same = firsts_[latest_] <= page && (latest_ + 1 == firsts_.size() || page < firsts_[latest_ + 1]);
    if (!same) {
      const auto after = std::upper_bound(firsts_.begin(), firsts_.end(), page);
      latest_ = static_cast<std::size_t>(after - firsts_.begin()) - 1;
    }
    return latest_;
  }

  /// Makes room in a full chunk for a page; the chunk that it belongs to then.
  std::size_t split(std::size_t chunk, std::uint64_t page) {
    const bool filling_upwards = chunk + 1 == chunks_.size() && chunks_[chunk].back().page < page;
    Chunk upper;
    upper.reserve(kChunkEntries);
    if (!filling_upwards) {
      const auto half = chunks_[chunk].begin() + kChunkEntries / 2;
      upper.assign(half, chunks_[chunk].end());
      chunks_[chunk].erase(half, chunks_[chunk].end());
    }
    const std::uint64_t first = filling_upwards ? page : upper.front().page;
    insert_chunk(chunk + 1, first, std::move(upper));
    return latest_ = page < first ? chunk : chunk + 1;
  }

  void insert_chunk(std::size_t at, std::uint64_t first, Chunk chunk) {
    chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(at), std::move(chunk));
    firsts_.insert(firsts_.begin() + static_cast<std::ptrdiff_t>(at), first);
  }

  /// Puts a small chunk and a small neighbour together, so that none is empty while there are others, and memory follows the entries.
  void join(std::size_t chunk) {
    const auto small = [&](std::size_t upper) {
      return chunks_[upper - 1].size() + chunks_[upper].size() <= kChunkEntries / 2;
    };
    if (chunk + 1 < chunks_.size() && (chunks_[chunk].empty() || small(chunk + 1))) {
      join_with_next(chunk);
    } else if (chunk != 0 && (chunks_[chunk].empty() || small(chunk))) {
      join_with_next(chunk - 1);
    }
  }

  void join_with_next(std::size_t chunk) {
    const auto upper = chunks_.begin() + static_cast<std::ptrdiff_t>(chunk) + 1;
    Chunk& lower = chunks_[chunk];
    if (lower.empty()) {
      lower = std::move(*upper);
    } else {
      lower.insert(lower.end(), upper->begin(), upper->end());
    }
    chunks_.erase(upper);
    firsts_.erase(firsts_.begin() + static_cast<std::ptrdiff_t>(chunk) + 1);
    latest_ = chunk;
  }

  // Never without a chunk; only the one chunk of an empty map is empty.
  std::vector<Chunk> chunks_ = std::vector<Chunk>(1);
  std::vector<std::uint64_t> firsts_ = {0};  // lowest page that belongs to each chunk
  mutable std::size_t latest_ = 0;           // chunk of the latest look-up
  mutable std::size_t latest_after_ = 0;     // what the latest search in a chunk has found; a guess
  std::size_t size_ = 0;
};

}  // namespace iommu::api
