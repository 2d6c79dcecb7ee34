#include "models/core/latency_histogram.h"

#include <algorithm>
#include <cmath>

namespace iommu::core {

void LatencyHistogram::settle() const {
  if (repeats_ == 0) return;
  const std::size_t index = bucket_of(repeated_);
  // Whole octaves at a time, so that growing stays rare.
  if (index >= buckets_.size()) buckets_.resize((index / kSubBuckets + 1) * kSubBuckets, 0);
  buckets_[index] += repeats_;
  count_ += repeats_;
  __extension__ using Wide = unsigned __int128;
  const Wide sum = Wide{repeated_} * repeats_ + sum_;
  sum_ = static_cast<std::uint64_t>(sum);
  carries_ += static_cast<std::uint64_t>(sum >> 64);
  min_ = std::min(min_, repeated_);
  max_ = std::max(max_, repeated_);
  repeats_ = 0;
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  settle();
  other.settle();
  if (other.count_ == 0) return;
  if (other.buckets_.size() > buckets_.size()) buckets_.resize(other.buckets_.size(), 0);
  for (std::size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  carries_ += other.carries_ + (sum_ < other.sum_ ? 1U : 0U);
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

double LatencyHistogram::mean() const {
  settle();
  if (count_ == 0) return 0;
  const double sum = std::ldexp(static_cast<double>(carries_), 64) + static_cast<double>(sum_);
  return sum / static_cast<double>(count_);
}

Tick LatencyHistogram::upper_bound_of(std::size_t index) {
  if (index < 2 * kSubBuckets) return index;
  const auto shift = static_cast<unsigned>(index / kSubBuckets - 1);
  const Tick first = (index % kSubBuckets + kSubBuckets) << shift;
  return first + ((Tick{1} << shift) - 1);
}

Tick LatencyHistogram::percentile(double q) const {
  settle();
  if (count_ == 0) return 0;
  if (!(q > 0)) return min_;
  if (q >= 1) return max_;
  // 0.07 * 100 is a little more than 7 in binary: without the tolerance the rank would be 8.
  const double rank = std::ceil(q * static_cast<double>(count_) * (1 - 1e-12));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (static_cast<double>(seen) >= rank) return std::clamp(upper_bound_of(i), min_, max_);
  }
  return max_;
}

}  // namespace iommu::core
