// Calls that map one 4 KiB page each, and their register and memory transactions alone.
//
// What it does: a machine with one device and one domain; times MapLogicalRangeEx for kCalls pages, then the transactions that these calls have
// made, value by value, on the same kind of thread. Unmaps the pages when nobody looks at the clock. What it does not do: judge.
#pragma once

#include <memory>

namespace iommu::bench {

class MapCalls {
 public:
  static constexpr unsigned kCalls = 256;
  struct Times {
    double calls_ns = 0;
    double transactions_ns = 0;
  };

  /// Makes the machine in the current simulation.
  MapCalls();
  ~MapCalls();

  [[nodiscard]] Times measure();
  /// Transactions of all calls of one measurement.
  [[nodiscard]] std::size_t transactions() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace iommu::bench
