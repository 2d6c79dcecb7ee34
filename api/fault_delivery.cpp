#include "api/fault_delivery.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "api/lock_guard.h"
#include "api/text.h"

namespace iommu::api {

namespace {

/// "00:1f.3"
std::string requester_name(core::RequesterId id) {
  char text[16];
  std::snprintf(text, sizeof text, "%02x:%02x.%x", static_cast<unsigned>(id >> 8), static_cast<unsigned>(id >> 3 & 31u),
                static_cast<unsigned>(id & 7u));
  return text;
}

/// "a write to 0x5000 was blocked (reason 0x5)"
std::string sentence(const FaultRecord& record) {
  std::string text = record.write ? "a write" : "a read";
  if (record.address_valid) text += (record.write ? " to " : " from ") + hex(record.address);
  return text + " was blocked (reason " + hex(record.reason) + ")";
}

/// Whether the domain has something at the page, which then is not what the device may do there. Under the domain's lock.
bool owned(const Domain& domain, std::uint64_t page) {
  if (domain.deleted || !domain.table) return false;
  // Pages mapped with IOMMU_ACCESS_NONE are in no table.
  return domain.table->mapped(page) || domain.space->all_owned(page, 1, LogicalSpace::Owner::Mapping) ||
         domain.space->all_owned(page, 1, LogicalSpace::Owner::Identity);
}

}  // namespace

FaultDelivery::FaultDelivery(const SystemDescription& description,
                             const std::vector<std::unique_ptr<RemappingDriver>>& drivers,
                             const std::vector<std::unique_ptr<Requester>>& requesters)
    : description_(description), drivers_(drivers), requesters_(requesters), units_(description.units.size()) {}

void FaultDelivery::report(Severity severity, const std::string& object, const std::string& message) const {
  description_.host->report(Diagnostic{severity, "fault reporting", object, message});
}

// ---- Switching --------------------------------------------------------------------------------------------------

NTSTATUS FaultDelivery::switch_on(Requester& requester, PIOMMU_DEVICE_FAULT_HANDLER handler, PVOID context) {
  FaultReporting& faults = requester.faults;
  if (faults.handler == nullptr) {
    Unit& unit = units_[*requester.pdo.unit];
    if (!unit.mutex) unit.mutex = description_.host->make_mutex();
    const LockGuard lock(*unit.mutex);
    if (unit.devices == 0) {
      const NTSTATUS status = drivers_[*requester.pdo.unit]->start_fault_reporting(*this);
      if (!NT_SUCCESS(status)) return status;
    }
    ++unit.devices;
  }
  if (!faults.delivery) faults.delivery = description_.host->make_mutex();
  faults.handler = handler;
  faults.context = context;
  ++faults.epoch;
  return STATUS_SUCCESS;
}

void FaultDelivery::switch_off(Requester& requester) {
  FaultReporting& faults = requester.faults;
  if (faults.handler == nullptr) return;
  faults.handler = nullptr;
  faults.context = nullptr;
  ++faults.epoch;
  faults.dropped += faults.queue.size();
  faults.queue.clear();
  report_dropped(requester);
  Unit& unit = units_[*requester.pdo.unit];
  const LockGuard lock(*unit.mutex);
  if (--unit.devices == 0) drivers_[*requester.pdo.unit]->stop_fault_reporting();
}

void FaultDelivery::wait_for_handler(Requester& requester) const {
  const FaultReporting& faults = requester.faults;
  if (!faults.delivery || faults.running_on == description_.host->current_thread()) return;
  const LockGuard lock(*faults.delivery);
}

// ---- From the units ---------------------------------------------------------------------------------------------

Requester* FaultDelivery::find(std::size_t unit, core::RequesterId id) const {
  for (const auto& requester : requesters_) {
    const PdoDescription& pdo = requester->pdo;
    if (pdo.unit != unit) continue;
    if (std::count(pdo.requester_ids.begin(), pdo.requester_ids.end(), id) != 0) return requester.get();
  }
  return nullptr;
}

void FaultDelivery::fault(std::size_t unit, const FaultRecord& record) {
  Requester* requester = find(unit, record.requester);
  if (requester == nullptr) return report_stranger(unit, record);
  FaultReporting& faults = requester->faults;
  if (faults.handler == nullptr) return report_unhandled(*requester, record);
  if (faults.queue.size() >= description_.policy.fault_queue_depth) {
    ++faults.dropped;
    return;
  }
  faults.queue.push_back({record, requester->domain});
  if (std::exchange(faults.scheduled, true)) return;
  description_.host->queue_work([this, requester] { deliver(*requester); });
}

void FaultDelivery::faults_lost(std::size_t unit, std::uint64_t times) {
  report(Severity::Warning, "unit " + description_.units[unit].name,
         "its fault records overflowed " + std::to_string(times) + (times == 1 ? " time" : " times") +
             ": an unknown number of faults was not recorded");
}

void FaultDelivery::report_stranger(std::size_t unit, const FaultRecord& record) {
  if (!units_[unit].strangers.insert(record.requester).second) return;
  report(Severity::Warning, "unit " + description_.units[unit].name,
         sentence(record) + " of requester " + requester_name(record.requester) + ", which belongs to no known device");
}

void FaultDelivery::report_unhandled(Requester& requester, const FaultRecord& record) const {
  if (std::exchange(requester.faults.unhandled_reported, true)) return;
  report(Severity::Warning, "device " + requester.pdo.name,
         sentence(record) + " and nobody handles its faults: Windows would stop with bug check 0xE6");
}

void FaultDelivery::report_dropped(Requester& requester) const {
  const std::uint64_t count = std::exchange(requester.faults.dropped, 0);
  if (count == 0) return;
  report(Severity::Warning, "device " + requester.pdo.name,
         std::to_string(count) + (count == 1 ? " further fault was" : " further faults were") + " not delivered");
}

// ---- To the drivers ---------------------------------------------------------------------------------------------

// One fault each time: work of others comes in between.
void FaultDelivery::deliver(Requester& requester) {
  FaultReporting& faults = requester.faults;
  if (!faults.queue.empty()) call_handler(requester);
  if (!faults.queue.empty()) {
    description_.host->queue_work([this, &requester] { deliver(requester); });
    return;
  }
  faults.scheduled = false;
  report_dropped(requester);
}

void FaultDelivery::call_handler(Requester& requester) {
  FaultReporting& faults = requester.faults;
  const LockGuard running(*faults.delivery);
  if (faults.queue.empty()) return;  // switched off meanwhile
  const std::uint64_t epoch = faults.epoch;
  FAULT_INFORMATION information = describe(requester, FaultReporting::Pending(faults.queue.front()));
  // The domain's lock may have been waited for, and reporting switched off, on, or to another handler: then the fault is
  // gone, or the next item's.
  if (faults.epoch != epoch) return;
  faults.queue.pop_front();
  faults.running_on = description_.host->current_thread();
  faults.handler(faults.context, &information);
  faults.running_on = nullptr;
}

FAULT_INFORMATION FaultDelivery::describe(const Requester& requester, const FaultReporting::Pending& pending) const {
  const FaultRecord& record = pending.record;
  const UnitDescription& unit = description_.units[*requester.pdo.unit];
  FAULT_INFORMATION information{};
  information.Type = FaultInformationX64;
  information.IsStage1 = FALSE;  // second-stage tables are the only ones
  FAULT_INFORMATION_X64& x64 = information.X64;
  x64.DomainHandle = pending.domain ? pending.domain->handle : nullptr;
  x64.FaultAddress = reinterpret_cast<PVOID>(record.address);
  x64.Flags.FaultAddressValid = record.address_valid ? 1 : 0;
  x64.IommuBaseAddress = unit.register_base;
  x64.PciSegment = unit.pci_segment;
  switch (record.cause) {
    case FaultCause::NoBinding:
      x64.Type = TranslationFault;
      break;
    case FaultCause::NoPermission: {
      x64.Type = TranslationFault;
      if (!pending.domain) break;
      const LockGuard lock(*pending.domain->mutex);
      if (owned(*pending.domain, record.address >> core::kPageShift)) x64.Type = PermissionFault;
      break;
    }
    case FaultCause::AddressSize:
      x64.Type = AddressSizeFault;
      break;
    case FaultCause::Structure:
      x64.Type = ExternalFault;
      break;
    case FaultCause::Unsupported:
      x64.Type = UnsupportedUpstreamTransaction;
      break;
  }
  return information;
}

}  // namespace iommu::api
