// What software asks to be invalidated: descriptors of the queue (specification 6.5.2) and the register pair CCMD,
// IVA/IOTLB (6.5.1).
//
// What it does: checks a request and turns it into scopes. What it does not do: fetch, invalidate, complete.
#pragma once

#include <cstdint>
#include <optional>

#include "models/core/invalidation.h"
#include "models/vtd/capabilities.h"
#include "models/vtd/records.h"

namespace iommu::vtd {

/// IQERCD.IQEI (11.4.9.9).
enum class QueueError : std::uint8_t {
  None = 0,
  TailBeyondQueue = 1,
  FetchFailed = 2,
  InvalidType = 3,
  ReservedField = 4,
  InvalidWidth = 5,
  InvalidTranslationMode = 7,
};

/// A checked descriptor of the invalidation queue.
struct Descriptor {
  enum class Kind : std::uint8_t { ContextCache, Iotlb, Wait };
  QueueError error = QueueError::None;  ///< anything but None: nothing else is valid
  Kind kind = Kind::Wait;
  core::ContextScope context;
  core::TranslationScope translation;
  bool drain = false;         ///< Iotlb: reads or writes have to be drained before the next wait completes
  bool interrupt = false;     ///< Wait: IF
  bool write_status = false;  ///< Wait: SW
  std::uint32_t status_data = 0;
  core::Address status_address = 0;  ///< bits beyond the host address width dropped
};

[[nodiscard]] Descriptor decode_descriptor(const Capabilities& capabilities, const Record128& record);

/// A request of the register interface: nothing when it is incorrect and hence ignored (CAIG or IAIG reads 00).
[[nodiscard]] std::optional<core::ContextScope> decode_ccmd(const Capabilities& capabilities, std::uint64_t ccmd);
[[nodiscard]] std::optional<core::TranslationScope> decode_iotlb(const Capabilities& capabilities, std::uint64_t iva,
                                                                 std::uint64_t iotlb);

}  // namespace iommu::vtd
