// Latencies in a log-linear histogram: bounded relative error at any scale, exact extremes, sum and count.
//
// What it does: adds in a few nanoseconds, merges exactly, answers percentiles. What it does not do: name stages or
// masters, print, keep single values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/core/types.h"

namespace iommu::core {

/// A histogram of ticks. Values below 256 have a bucket of their own; above, each octave has 128 buckets of equal width
/// (the layout of HdrHistogram), so a value differs from its bucket's upper bound by less than 0.8 %. Memory grows with
/// the largest value only: 1 KiB for each octave.
class LatencyHistogram {
 public:
  /// Counts one value. Any value of 64 bits is fine. Values that repeat cost a comparison: they are counted first and
  /// sorted in when another one comes or somebody asks.
  void add(Tick value) {
    if (value != repeated_) {
      settle();
      repeated_ = value;
    }
    ++repeats_;
  }

  /// Counts the value that was added last `times` more times.
  void add_again(std::uint64_t times) { repeats_ += times; }

  /// Adds everything that `other` counted, as if it had been added here.
  void merge(const LatencyHistogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_ + repeats_; }
  /// Smallest and largest value; 0 when empty.
  [[nodiscard]] Tick min() const {
    settle();
    return count_ == 0 ? 0 : min_;
  }
  [[nodiscard]] Tick max() const {
    settle();
    return max_;
  }
  /// Sum of all values modulo 2^64, and the number of times it wrapped: both exact.
  [[nodiscard]] std::uint64_t sum() const {
    settle();
    return sum_;
  }
  [[nodiscard]] std::uint64_t sum_carries() const {
    settle();
    return carries_;
  }
  /// 0 when empty.
  [[nodiscard]] double mean() const;

  /// The smallest bucket's upper bound that at least the share `q` (0 to 1) of all values doesn't exceed, but never
  /// less than min() or more than max(); 0 when empty. q <= 0 gives min(), q >= 1 gives max().
  [[nodiscard]] Tick percentile(double q) const;

  /// Calls visit(value, count) for each bucket that has counted something, in order; `value` is its upper bound, but
  /// never less than min() or more than max(), as percentile() tells it.
  template <class Visitor>
  void visit_buckets(Visitor&& visit) const {
    settle();
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      if (buckets_[i] != 0) visit(std::clamp(upper_bound_of(i), min_, max_), buckets_[i]);
    }
  }

  [[nodiscard]] bool empty() const { return count() == 0; }

 private:
  static constexpr unsigned kSubBits = 7;
  static constexpr Tick kSubBuckets = Tick{1} << kSubBits;

  [[nodiscard]] static std::size_t bucket_of(Tick value) {
    if (value < 2 * kSubBuckets) return value;
    const unsigned shift = 63U - static_cast<unsigned>(__builtin_clzll(value)) - kSubBits;
    return shift * kSubBuckets + (value >> shift);
  }
  [[nodiscard]] static Tick upper_bound_of(std::size_t index);
  void settle() const;

  // What has been added is in all of these but for `repeats_` times `repeated_`.
  mutable std::vector<std::uint64_t> buckets_;
  mutable std::uint64_t count_ = 0;
  mutable std::uint64_t sum_ = 0;
  mutable std::uint64_t carries_ = 0;
  mutable Tick min_ = ~Tick{0};
  mutable Tick max_ = 0;
  Tick repeated_ = 0;
  mutable std::uint64_t repeats_ = 0;
};

}  // namespace iommu::core
