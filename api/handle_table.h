// Handles that drivers hold: opaque pointer values which are looked up and never dereferenced.
//
// What it does: gives out values made of kind, system, generation and index, so that NULL, foreign, stale and made-up
// handles are told apart from good ones. What it does not do: lock, or own what a handle means beyond keeping it alive.
// A slot's generation has 20 bits: after 1,048,576 objects a slot is retired, so that no stale handle is ever taken for a
// good one. A table has room for 2^20 slots, hence 2^40 objects in its life.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace iommu::api {

/// What a handle turned out to be.
enum class HandleState : std::uint8_t {
  Good,
  Null,
  Unknown,  ///< no handle of this interface, or one of another kind
  Foreign,  ///< of another system
  Stale,    ///< of an object that was deleted
};

/// @tparam T       the object
/// @tparam Opaque  the incomplete type that drivers see
template <typename T, typename Opaque>
class HandleTable {
 public:
  /// @param kind    distinguishes tables; top byte of every handle, so that no handle is an address that can be read
  /// @param limit   objects that may exist at a time, at most 2^20
  HandleTable(std::uint8_t kind, std::size_t limit) : kind_(kind), limit_(limit < kMaxSlots ? limit : kMaxSlots) {}

  [[nodiscard]] bool full() const { return size() >= limit_ || (free_.empty() && slots_.size() == kMaxSlots); }
  [[nodiscard]] std::size_t size() const { return slots_.size() - free_.size() - retired_; }

  /// The table must not be full(). `serial` is the system's.
  [[nodiscard]] Opaque* insert(std::shared_ptr<T> object, std::uint16_t serial) {
    if (free_.empty()) {
      free_.push_back(slots_.size());
      slots_.emplace_back();
    }
    const std::size_t index = free_.front();
    free_.pop_front();
    slots_[index].object = std::move(object);
    return reinterpret_cast<Opaque*>(value(index, slots_[index].generation, serial));
  }

  /// The object behind a handle, null with the reason in `state` when there is none.
  [[nodiscard]] std::shared_ptr<T> find(const Opaque* handle, std::uint16_t serial, HandleState& state) const {
    const std::uintptr_t bits = reinterpret_cast<std::uintptr_t>(handle);
    const std::size_t index = bits & (kMaxSlots - 1);
    const std::uint64_t generation = (bits >> 20) & kLastGeneration;
    state = handle == nullptr                       ? HandleState::Null
            : (bits >> 56) != kind_                 ? HandleState::Unknown
            : ((bits >> 40) & 0xFFFFu) != serial    ? HandleState::Foreign
            : index >= slots_.size()                ? HandleState::Unknown
            : slots_[index].generation > generation ? HandleState::Stale
            : slots_[index].generation < generation ? HandleState::Unknown
            : slots_[index].object == nullptr       ? HandleState::Stale
                                                    : HandleState::Good;
    return state == HandleState::Good ? slots_[index].object : nullptr;
  }

  /// Calls visit(object) for each object, which must not insert or erase.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const Slot& slot : slots_) {
      if (slot.object != nullptr) visit(*slot.object);
    }
  }

  /// Makes a good handle stale.
  void erase(const Opaque* handle) {
    const std::size_t index = reinterpret_cast<std::uintptr_t>(handle) & (kMaxSlots - 1);
    slots_[index].object.reset();
    if (slots_[index].generation == kLastGeneration) {
      ++retired_;
      return;
    }
    ++slots_[index].generation;
    free_.push_back(index);
  }

 private:
  static constexpr std::size_t kMaxSlots = std::size_t{1} << 20;
  static constexpr std::uint64_t kLastGeneration = (std::uint64_t{1} << 20) - 1;
  struct Slot {
    std::uint64_t generation = 0;
    std::shared_ptr<T> object;
  };

  [[nodiscard]] std::uintptr_t value(std::size_t index, std::uint64_t generation, std::uint16_t serial) const {
    return std::uintptr_t{kind_} << 56 | std::uintptr_t{serial} << 40 | generation << 20 | index;
  }

  std::uint8_t kind_;
  std::size_t limit_;
  std::vector<Slot> slots_;
  std::deque<std::size_t> free_;  // oldest first: a slot rests as long as possible before it is used again
  std::size_t retired_ = 0;       // slots whose generations are used up
};

}  // namespace iommu::api
