// Things that are due at a time, in order of time and, at the same time, of arrival: the scheduler inside a module.
//
// What it does: one sc_event for any number of pending entries; the module's SC_METHOD, sensitive to event(), takes
// what is due. What it does not do: own the method, or cancel entries.
//
// Most modules push in the order of time, since their latencies are constant: such entries stand in a ring and cost no
// comparisons. What comes earlier than the ring's last one goes into a heap beside it. Nothing is allocated once both
// have grown to what is pending at most.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/tlm/fifo.h"
#include "models/tlm/time.h"

namespace iommu::sim {

template <class Item>
class TimedQueue {
 public:
  [[nodiscard]] const sc_core::sc_event& event() const { return event_; }
  [[nodiscard]] bool empty() const { return ring_.empty() && heap_.empty(); }
  [[nodiscard]] std::size_t size() const { return ring_.size() + heap_.size(); }

  /// `at` is absolute and not in the past.
  void push(core::Tick at, const Item& item) {
    const bool first = !taking_ && (empty() || at < first_at());
    if (ring_.empty() || at >= ring_.back().at) {
      ring_.push_back({at, sequence_++, item});
    } else {
      heap_.push_back({at, sequence_++, item});
      std::push_heap(heap_.begin(), heap_.end(), Later());
    }
    if (first) event_.notify(kernel_time_.until(at));
  }

  /// Takes the next due entry; call until it returns false, which also arms the event for the entry after that. Until
  /// then pushes leave the event alone.
  bool pop_due(Item& item) {
    taking_ = !empty();
    if (!taking_) return false;
    const bool from_heap = heap_is_first();
    const Entry& first = from_heap ? heap_.front() : ring_.front();
    if (first.at > kernel_time_.now()) {
      taking_ = false;
      event_.notify(kernel_time_.until(first.at));
      return false;
    }
    item = first.item;
    if (from_heap) {
      std::pop_heap(heap_.begin(), heap_.end(), Later());
      heap_.pop_back();
    } else {
      ring_.pop_front();
    }
    return true;
  }

 private:
  struct Entry {
    core::Tick at = 0;
    std::uint64_t order = 0;
    Item item{};
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const { return a.at != b.at ? a.at > b.at : a.order > b.order; }
  };

  [[nodiscard]] bool heap_is_first() const {
    return !heap_.empty() && (ring_.empty() || Later()(ring_.front(), heap_.front()));
  }
  [[nodiscard]] core::Tick first_at() const { return heap_is_first() ? heap_.front().at : ring_.front().at; }

  KernelTime kernel_time_;
  Fifo<Entry> ring_;
  std::vector<Entry> heap_;
  std::uint64_t sequence_ = 0;
  bool taking_ = false;  // between two calls of pop_due()
  sc_core::sc_event event_;
};

}  // namespace iommu::sim
