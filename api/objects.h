// The objects behind the interface's handles, and the device that a token stands for.
//
// What it does: holds their state. What it does not do: act; the functions of System do.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "api/logical_space.h"
#include "api/page_table.h"
#include "api/ports.h"
#include "api/remapping_driver.h"
#include "api/segment_map.h"

namespace iommu::api {

struct DeviceToken;
struct Domain;

/// Fault reporting of one device (fault_delivery.h).
struct FaultReporting {
  struct Pending {
    FaultRecord record;
    std::shared_ptr<Domain> domain;  ///< that the device was attached to then
  };

  PIOMMU_DEVICE_FAULT_HANDLER handler = nullptr;  ///< null: off
  PVOID context = nullptr;
  std::uint64_t epoch = 0;    ///< counts changes of the handler and of off to on
  std::deque<Pending> queue;  ///< not delivered yet
  std::uint64_t dropped = 0;  ///< not delivered and not reported yet, for want of room or because of switching off
  bool scheduled = false;     ///< a work item of this device is queued or runs
  std::unique_ptr<Mutex> delivery;   ///< held while the handler runs
  const void* running_on = nullptr;  ///< the thread that the handler runs on
  bool unhandled_reported = false;   ///< the diagnostic about a fault without handler has been given
};

/// An address space (IOMMU_DMA_DOMAIN).
struct Domain {
  /// On each unit that has a device of this domain.
  struct Attachment {
    std::size_t unit = 0;
    std::uint16_t domain_id = 0;
    unsigned devices = 0;
  };

  std::string name;                    ///< "domain 3", counted per system, for diagnostics
  PIOMMU_DMA_DOMAIN handle = nullptr;  ///< as the driver knows it
  IOMMU_DMA_DOMAIN_TYPE type = DomainTypeTranslate;
  std::unique_ptr<Mutex> mutex;  ///< held by whatever changes or uses the domain
  bool deleted = false;
  std::unique_ptr<LogicalSpace> space;  ///< Translate only
  std::unique_ptr<PageTable> table;     ///< Translate only
  std::vector<Attachment> attachments;
  bool flush_noted = false;  ///< the diagnostic about flushes has been given
  std::size_t tokens = 0;    ///< ReservedRanges that are not freed
};

/// What ReserveLogicalAddressRange makes. Changes under the domain's mutex.
struct ReservedRange {
  enum class State : std::uint8_t { Live, Freeing, Freed };

  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN token{};  ///< what the driver reads; never read back, it may write it
  std::string name;                         ///< "token 3", counted per system, for diagnostics
  std::shared_ptr<Domain> domain;           ///< null when freed
  std::uint64_t first_page = 0;             ///< logical
  State state = State::Live;
  SegmentMap segments{0};  ///< pages by their distance from first_page
};

/// The hardware behind one PDO; what is attached is this, not a token (docs/ddi-decisions.md, OP-10).
struct Requester {
  PdoDescription pdo;
  std::unique_ptr<Mutex> mutex;              ///< held while it is attached, detached or loses a token
  const char* busy_with = nullptr;           ///< function that holds the mutex
  std::shared_ptr<Domain> domain;            ///< attached to
  std::shared_ptr<DeviceToken> attached_by;  ///< the token that it was attached through; none: by version 1
  FaultReporting faults;
};

/// A driver's state-change callback.
struct StateChangeRegistration {
  PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK callback = nullptr;
  PVOID context = nullptr;
  IOMMU_INTERFACE_STATE_CHANGE_FIELDS fields{};  ///< of interest, and known
  ULONG announced_types = 0;                     ///< latest mask that was or is going to be delivered
  std::unique_ptr<Mutex> delivery;               ///< held while the callback runs
  bool gone = false;                             ///< unregistered: what is still queued is dropped
};

/// What CreateDevice makes (IOMMU_DMA_DEVICE).
struct DeviceToken {
  std::string name;  ///< "device nic0", for diagnostics
  Requester* requester = nullptr;
  bool deleted = false;
  std::shared_ptr<StateChangeRegistration> state_change;  ///< none: no callback
};

}  // namespace iommu::api
