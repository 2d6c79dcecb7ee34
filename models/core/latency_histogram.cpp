#include "models/core/latency_histogram.h"

#include <algorithm>
#include <cmath>

namespace iommu::core {

void LatencyHistogram::grow(std::size_t index) {
  // Whole octaves at a time, so that growing stays rare.
  buckets_.resize((index / kSubBuckets + 1) * kSubBuckets, 0);
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
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
