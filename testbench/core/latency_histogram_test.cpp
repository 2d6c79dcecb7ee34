#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "models/core/latency_histogram.h"

using iommu::core::LatencyHistogram;
using iommu::core::Tick;

TEST_CASE("an empty histogram answers 0 everywhere") {
  const LatencyHistogram h;
  CHECK(h.empty());
  CHECK(h.count() == 0);
  CHECK(h.min() == 0);
  CHECK(h.max() == 0);
  CHECK(h.sum() == 0);
  CHECK(h.mean() == 0.0);
  CHECK(h.percentile(0.5) == 0);
}

TEST_CASE("one value is every percentile of itself") {
  for (const Tick value : {Tick{0}, Tick{1}, Tick{255}, Tick{256}, Tick{257}, Tick{123456789}, ~Tick{0}}) {
    LatencyHistogram h;
    h.add(value);
    CAPTURE(value);
    CHECK(h.min() == value);
    CHECK(h.max() == value);
    CHECK(h.count() == 1);
    CHECK(h.sum() == value);
    for (const double q : {-1.0, 0.0, 0.001, 0.5, 0.999, 1.0, 2.0}) CHECK(h.percentile(q) == value);
  }
}

TEST_CASE("values below 256 ticks are exact") {
  LatencyHistogram h;
  for (Tick value = 0; value < 256; ++value) h.add(value);
  CHECK(h.count() == 256);
  CHECK(h.sum() == 32640);
  CHECK(h.mean() == 127.5);
  CHECK(h.percentile(0.5) == 127);
  CHECK(h.percentile(0.25) == 63);
  CHECK(h.percentile(0.75) == 191);
  CHECK(h.percentile(1.0 / 256) == 0);
  CHECK(h.percentile(2.0 / 256) == 1);
}

TEST_CASE("a percentile's rank is not pushed up by binary fractions") {
  LatencyHistogram h;
  for (Tick value = 1; value <= 100; ++value) h.add(value);
  for (int percent = 1; percent <= 99; ++percent) {
    CAPTURE(percent);
    CHECK(h.percentile(percent / 100.0) == static_cast<Tick>(percent));
  }
  CHECK(h.percentile(0.999) == 100);
}

TEST_CASE("buckets above 256 are as wide as the layout says") {
  // The second value of a two-wide bucket bounds the first one: 256 and 257 share a bucket, 258 does not belong to it.
  LatencyHistogram h;
  h.add(256);
  h.add(1000000);
  CHECK(h.percentile(0.5) == 257);
  LatencyHistogram k;
  k.add(65536);  // 2^16: buckets of 2^9
  k.add(1000000);
  CHECK(k.percentile(0.5) == 66047);
  LatencyHistogram top;
  top.add(Tick{1} << 63);  // the last octave: buckets of 2^56
  top.add(~Tick{0});
  CHECK(top.percentile(0.5) == 0x80FFFFFFFFFFFFFFULL);
  CHECK(top.percentile(0.9) == 0xFFFFFFFFFFFFFFFFULL);
}

TEST_CASE("percentiles are capped by the largest value") {
  LatencyHistogram h;
  h.add(65536);
  h.add(65537);
  CHECK(h.percentile(0.5) == 65537);
  CHECK(h.percentile(1.0) == 65537);
}

TEST_CASE("percentiles are within 0.8 % above the exact ones, at every scale") {
  std::mt19937_64 random(20240611);
  for (const unsigned bits : {8U, 12U, 20U, 33U, 50U, 63U}) {
    LatencyHistogram h;
    std::vector<Tick> values(20001);
    for (Tick& value : values) {
      value = random() >> (64 - bits);
      h.add(value);
    }
    std::sort(values.begin(), values.end());
    for (const double q : {0.1, 0.5, 0.9, 0.99, 0.999}) {
      const Tick exact = values[static_cast<std::size_t>(std::ceil(q * 20001)) - 1];
      CAPTURE(bits, q, exact);
      CHECK(h.percentile(q) >= exact);
      CHECK(static_cast<double>(h.percentile(q)) <= static_cast<double>(exact) * 1.008);
    }
    CHECK(h.min() == values.front());
    CHECK(h.max() == values.back());
  }
}

TEST_CASE("merging gives what adding everything gives") {
  std::mt19937_64 random(7);
  LatencyHistogram all;
  LatencyHistogram small;
  LatencyHistogram large;
  for (int i = 0; i < 5000; ++i) {
    const Tick value = random() >> (random() % 60);
    all.add(value);
    (value < 100000 ? small : large).add(value);
  }
  SECTION("large into small") {
    small.merge(large);
    std::swap(small, large);
  }
  SECTION("small into large") { large.merge(small); }
  large.merge(LatencyHistogram{});
  CHECK(large.count() == all.count());
  CHECK(large.sum() == all.sum());
  CHECK(large.sum_carries() == all.sum_carries());
  CHECK(large.min() == all.min());
  CHECK(large.max() == all.max());
  for (int q = 0; q <= 1000; ++q) CHECK(large.percentile(q / 1000.0) == all.percentile(q / 1000.0));
}

TEST_CASE("merging an empty histogram and into an empty histogram") {
  LatencyHistogram h;
  LatencyHistogram empty;
  h.add(5);
  h.merge(empty);
  CHECK(h.min() == 5);
  CHECK(h.count() == 1);
  empty.merge(h);
  CHECK(empty.min() == 5);
  CHECK(empty.max() == 5);
  CHECK(empty.percentile(0.5) == 5);
}

TEST_CASE("the sum does not lose its carries") {
  LatencyHistogram h;
  h.add(~Tick{0});
  h.add(~Tick{0});
  h.add(3);
  CHECK(h.sum() == 1);
  CHECK(h.sum_carries() == 2);
  CHECK(h.mean() == Approx(12297829382473034411.0));
  LatencyHistogram other;
  other.add(~Tick{0});
  other.merge(h);
  CHECK(other.sum() == 0);
  CHECK(other.sum_carries() == 3);
}
