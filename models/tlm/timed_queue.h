// Things that are due at a time, in order of time and, at the same time, of arrival: the scheduler inside a module.
//
// What it does: one sc_event for any number of pending entries; the module's SC_METHOD, sensitive to event(), takes
// what is due. What it does not do: own the method, or cancel entries.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/tlm/time.h"

namespace iommu::sim {

template <class Item>
class TimedQueue {
 public:
  [[nodiscard]] const sc_core::sc_event& event() const { return event_; }
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const { return heap_.size(); }

  /// `at` is absolute and not in the past.
  void push(core::Tick at, const Item& item) {
    const bool first = heap_.empty() || at < heap_.front().at;
    heap_.push_back({at, sequence_++, item});
    std::push_heap(heap_.begin(), heap_.end(), later);
    if (first) event_.notify(delay_until(at));
  }

  /// Takes the next due entry; call until it returns false, which also arms the event for the entry after that.
  bool pop_due(Item& item) {
    if (heap_.empty()) return false;
    if (heap_.front().at > now_ticks()) {
      event_.notify(delay_until(heap_.front().at));
      return false;
    }
    std::pop_heap(heap_.begin(), heap_.end(), later);
    item = heap_.back().item;
    heap_.pop_back();
    return true;
  }

 private:
  struct Entry {
    core::Tick at;
    std::uint64_t order;
    Item item;
  };
  static bool later(const Entry& a, const Entry& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }

  std::vector<Entry> heap_;
  std::uint64_t sequence_ = 0;
  sc_core::sc_event event_;
};

}  // namespace iommu::sim
