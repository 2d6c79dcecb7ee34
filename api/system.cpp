#include "api/system.h"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include "api/interface.h"
#include "api/lock_guard.h"
#include "api/vtd_driver.h"

namespace iommu::api {

namespace {

// Top bytes of handles: no canonical address has them.
constexpr std::uint8_t kDomainHandles = 0xD0;
constexpr std::uint8_t kDeviceHandles = 0xDE;

}  // namespace

System::System(SystemDescription description)
    : description_(std::move(description)),
      faults_(description_, drivers_, requesters_),
      domains_(kDomainHandles, description_.policy.max_domains),
      devices_(kDeviceHandles, description_.policy.max_devices) {
  check_description();
  start_mutex_ = description_.host->make_mutex();
  for (const PdoDescription& pdo : description_.pdos) {
    auto requester = std::make_unique<Requester>();
    requester->pdo = pdo;
    requester->mutex = description_.host->make_mutex();
    requesters_.push_back(std::move(requester));
  }
}

System::~System() {
  if (slot_) release_interface_slot(*slot_);
}

void System::check_description() const {
  const auto refuse = [](const std::string& message) { throw std::invalid_argument(message); };
  if (description_.memory == nullptr || description_.frames == nullptr || description_.host == nullptr) {
    refuse("memory, frames and host must be given");
  }
  const Policy& policy = description_.policy;
  if (policy.max_leaf_level < 1 || policy.max_leaf_level > 3) {
    refuse("max_leaf_level is " + std::to_string(policy.max_leaf_level) + ": 1 to 3 are allowed");
  }
  if (policy.max_logical_width_bits < BuddyAllocator::kMinWidthBits ||
      policy.max_logical_width_bits > BuddyAllocator::kMaxWidthBits) {
    refuse("max_logical_width_bits is " + std::to_string(policy.max_logical_width_bits) + ": 13 to 63 are allowed");
  }
  if (policy.poll_limit == 0) refuse("poll_limit is 0: at least 1 is needed");
  if (policy.fault_queue_depth == 0) refuse("fault_queue_depth is 0: at least 1 is needed");
  for (const UnitDescription& unit : description_.units) {
    if (unit.registers == nullptr) refuse("unit " + unit.name + " has no registers");
  }
  std::map<PDEVICE_OBJECT, std::string> objects;
  std::map<std::pair<std::size_t, core::RequesterId>, std::string> requesters;
  for (const PdoDescription& pdo : description_.pdos) {
    if (pdo.object == nullptr) refuse("device " + pdo.name + " has no device object");
    if (const auto [other, is_new] = objects.emplace(pdo.object, pdo.name); !is_new) {
      refuse("devices " + other->second + " and " + pdo.name + " have one device object");
    }
    if (!pdo.unit) continue;
    if (*pdo.unit >= description_.units.size()) {
      refuse("device " + pdo.name + " is behind unit " + std::to_string(*pdo.unit) + ", there are " +
             std::to_string(description_.units.size()));
    }
    for (const core::RequesterId requester : pdo.requester_ids) {
      const auto [other, is_new] = requesters.emplace(std::make_pair(*pdo.unit, requester), pdo.name);
      if (!is_new && other->second == pdo.name) refuse("device " + pdo.name + " has one requester id twice");
      if (!is_new) refuse("devices " + other->second + " and " + pdo.name + " have one requester id");
    }
  }
}

// ---- Start ------------------------------------------------------------------------------------------------------

NTSTATUS System::start() {
  const LockGuard lock(*start_mutex_);
  if (!started_) started_ = start_units();
  return *started_;
}

NTSTATUS System::start_units() {
  if (description_.units.empty()) return STATUS_NOT_SUPPORTED;
  for (std::size_t unit = 0; unit < description_.units.size(); ++unit) {
    std::vector<core::RequesterId> ids;
    for (const PdoDescription& pdo : description_.pdos) {
      if (pdo.unit == unit) ids.insert(ids.end(), pdo.requester_ids.begin(), pdo.requester_ids.end());
    }
    drivers_.push_back(std::make_unique<VtdDriver>(description_.units[unit], description_, unit));
    const NTSTATUS status = drivers_.back()->start(ids, description_.policy.unattached);
    if (!NT_SUCCESS(status)) return status;
  }
  return merge_features();
}

NTSTATUS System::merge_features() {
  platform_.format = drivers_.front()->features().format;
  platform_.levels_mask = ~0u;
  for (const auto& driver : drivers_) {
    const UnitFeatures& features = driver->features();
    platform_.levels_mask &= features.levels_mask;
    platform_.input_bits = std::min(platform_.input_bits, features.input_bits);
    platform_.output_bits = std::min(platform_.output_bits, features.output_bits);
    platform_.max_leaf_level = std::min(platform_.max_leaf_level, features.max_leaf_level);
    platform_.pass_through = platform_.pass_through || features.pass_through;
    for (const UntranslatedRange& range : driver->untranslated_ranges()) {
      const auto same = [&](const UntranslatedRange& other) {
        return other.first_page == range.first_page && other.pages == range.pages;
      };
      if (std::none_of(platform_.untranslated.begin(), platform_.untranslated.end(), same)) {
        platform_.untranslated.push_back(range);
      }
    }
  }
  if (platform_.levels_mask != 0) return STATUS_SUCCESS;
  report(Severity::Error, "start", "", "the units have no depth of page tables in common");
  return STATUS_NOT_SUPPORTED;
}

// ---- Handles and diagnostics ------------------------------------------------------------------------------------

void System::report(Severity severity, const char* function, const std::string& object,
                    const std::string& message) const {
  description_.host->report(Diagnostic{severity, function, object, message});
}

void System::report_handle(const char* function, unsigned position, const char* kind, HandleState state) const {
  const char* what = "";
  switch (state) {
    case HandleState::Good:
      return;
    case HandleState::Null:
      what = "is NULL";
      break;
    case HandleState::Unknown:
      what = "is no such handle";
      break;
    case HandleState::Foreign:
      what = "is a handle of another system";
      break;
    case HandleState::Stale:
      what = "was deleted before";
      break;
  }
  report(Severity::Warning, function, kind, "parameter " + std::to_string(position) + " " + what);
}

bool System::missing(const char* function, unsigned position, const void* output) const {
  if (output != nullptr) return false;
  report(Severity::Warning, function, "output", "parameter " + std::to_string(position) + " is NULL");
  return true;
}

std::shared_ptr<Domain> System::find_domain(const char* function, unsigned position, PIOMMU_DMA_DOMAIN handle) const {
  HandleState state = HandleState::Good;
  std::shared_ptr<Domain> domain = domains_.find(handle, serial_, state);
  if (domain == nullptr) report_handle(function, position, "domain", state);
  return domain;
}

std::shared_ptr<DeviceToken> System::find_device(const char* function, unsigned position,
                                                 PIOMMU_DMA_DEVICE handle) const {
  HandleState state = HandleState::Good;
  std::shared_ptr<DeviceToken> device = devices_.find(handle, serial_, state);
  if (device == nullptr) report_handle(function, position, "device", state);
  return device;
}

Requester* System::find_requester(const PDEVICE_OBJECT object) const {
  const auto found = std::find_if(requesters_.begin(), requesters_.end(),
                                  [&](const auto& requester) { return requester->pdo.object == object; });
  return found == requesters_.end() ? nullptr : found->get();
}

void System::report_leftovers() const {
  devices_.for_each([&](const DeviceToken& device) {
    report(
        Severity::Warning, "teardown", device.name,
        device.state_change ? "was not deleted, and its state-change callback is still registered" : "was not deleted");
  });
  domains_.for_each([&](const Domain& domain) {
    const std::string holds = holders(domain);
    report(Severity::Warning, "teardown", domain.name, "was not deleted" + (holds.empty() ? "" : ": " + holds));
  });
}

std::string System::holders(const Domain& domain) const {
  std::string text;
  for (const auto& requester : requesters_) {
    if (requester->domain.get() != &domain) continue;
    text += (text.empty() ? "" : ", ") + ("device " + requester->pdo.name + " is attached");
  }
  if (domain.tokens != 0) {
    text += (text.empty() ? "" : ", ") + std::to_string(domain.tokens) +
            (domain.tokens == 1 ? " reserved range is not freed" : " reserved ranges are not freed");
  }
  return text;
}

// OP-29: races on one device are the caller's bug; they are reported, and the calls take effect one after the other.
void System::enter_requester(const char* function, Requester& requester, const std::string& device) {
  if (requester.busy_with != nullptr) {
    report(Severity::Warning, function, device,
           std::string("is called while ") + requester.busy_with + " runs for the same device");
  }
  requester.mutex->lock();
  requester.busy_with = function;
}

void System::leave_requester(Requester& requester) {
  requester.busy_with = nullptr;
  requester.mutex->unlock();
}

}  // namespace iommu::api
