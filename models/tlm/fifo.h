// A queue of small values that allocates only while it grows.
//
// What it does: first in, first out, in a ring of a power of two. (std::deque takes and gives back a block of the heap
// every few dozen elements that pass through it.) What it does not do: shrink, erase in the middle.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace iommu::sim {

template <class Value>
class Fifo {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// Not when empty.
  [[nodiscard]] const Value& front() const { return ring_[head_]; }
  [[nodiscard]] const Value& back() const { return ring_[(head_ + size_ - 1) & (ring_.size() - 1)]; }

  void push_back(const Value& value) {
    if (size_ == ring_.size()) grow();
    ring_[(head_ + size_) & (ring_.size() - 1)] = value;
    ++size_;
  }
  void pop_front() {
    head_ = (head_ + 1) & (ring_.size() - 1);
    --size_;
  }

 private:
  void grow() {
    std::vector<Value> larger(std::max<std::size_t>(16, 2 * ring_.size()));
    for (std::size_t i = 0; i < size_; ++i) larger[i] = ring_[(head_ + i) & (ring_.size() - 1)];
    ring_ = std::move(larger);
    head_ = 0;
  }

  std::vector<Value> ring_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace iommu::sim
