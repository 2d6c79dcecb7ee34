// Tokens of reserved logical ranges that drivers hold.
//
// What it does: keeps tokens by the address that drivers know them by, which is memory that drivers read. A pointer is
// looked up and never dereferenced before it is found. The memory of freed tokens is kept for a while, oldest released
// first, so that a stale pointer is told from a made-up one. What it does not do: lock, reserve anything.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <unordered_map>

#include "api/handle_table.h"
#include "api/objects.h"

namespace iommu::api {

class TokenTable {
 public:
  /// How many freed tokens are remembered.
  static constexpr std::size_t kRemembered = 1024;

  [[nodiscard]] std::size_t size() const { return tokens_.size() - freed_.size(); }

  /// Adds a token; the pointer that drivers get.
  [[nodiscard]] PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN insert(std::shared_ptr<ReservedRange> range);
  /// The range behind a pointer, null with the reason in `state` when there is none. Allocates nothing.
  [[nodiscard]] std::shared_ptr<ReservedRange> find(const IOMMU_DMA_LOGICAL_ADDRESS_TOKEN* token,
                                                    HandleState& state) const;
  /// Makes a token that is in the table stale.
  void retire(const ReservedRange& range);

 private:
  std::unordered_map<const IOMMU_DMA_LOGICAL_ADDRESS_TOKEN*, std::shared_ptr<ReservedRange>> tokens_;
  std::deque<const IOMMU_DMA_LOGICAL_ADDRESS_TOKEN*> freed_;  // oldest first
};

}  // namespace iommu::api
