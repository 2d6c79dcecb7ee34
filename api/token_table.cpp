#include "api/token_table.h"

#include <utility>

namespace iommu::api {

PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN TokenTable::insert(std::shared_ptr<ReservedRange> range) {
  const PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = &range->token;
  tokens_.emplace(token, std::move(range));
  return token;
}

std::shared_ptr<ReservedRange> TokenTable::find(const IOMMU_DMA_LOGICAL_ADDRESS_TOKEN* token,
                                                HandleState& state) const {
  const auto found = tokens_.find(token);
  state = token == nullptr                                      ? HandleState::Null
          : found == tokens_.end()                              ? HandleState::Unknown
          : found->second->state == ReservedRange::State::Freed ? HandleState::Stale
                                                                : HandleState::Good;
  return state == HandleState::Good ? found->second : nullptr;
}

void TokenTable::retire(const ReservedRange& range) {
  const auto found = tokens_.find(&range.token);
  found->second->state = ReservedRange::State::Freed;
  found->second->domain.reset();
  found->second->segments.clear();
  freed_.push_back(found->first);
  if (freed_.size() <= kRemembered) return;
  tokens_.erase(freed_.front());
  freed_.pop_front();
}

}  // namespace iommu::api
