#include "testbench/api/sequence_player.h"

#include <algorithm>

namespace sequence {

using reference::Index;

namespace {

constexpr std::uint64_t kRecent = 16;  // how far back a stale handle may come from

/// Something alive most of the time, else NULL, stale or made up.
template <typename Handle, typename Objects>
std::pair<std::optional<Index>, Handle> pick(std::uint64_t number, const Objects& objects,
                                             const std::vector<Handle>& handles) {
  Chooser choose(number);
  if (choose.once_in(40)) return {std::nullopt, nullptr};
  if (choose.once_in(40)) return {std::nullopt, reinterpret_cast<Handle>(std::uintptr_t{0x1238})};
  std::vector<Index> living, dead;
  for (Index i = 0; i < objects.size(); ++i) {
    if (objects[i].alive) living.push_back(i);
    if (!objects[i].alive && i + kRecent >= objects.size()) dead.push_back(i);
  }
  if (!dead.empty() && choose.once_in(40)) return {std::nullopt, handles[dead[choose(dead.size())]]};
  if (living.empty()) return {std::nullopt, nullptr};
  const Index which = living[choose(living.size())];
  return {which, handles[which]};
}

std::string name(const char* kind, const std::optional<Index>& object, const void* handle) {
  if (object) return std::string(kind) + " " + std::to_string(*object);
  return handle == nullptr ? "NULL" : std::string("a bad ") + kind;
}

}  // namespace

std::string status_name(NTSTATUS status) {
  static constexpr std::pair<NTSTATUS, const char*> kNames[] = {
      {STATUS_SUCCESS, "SUCCESS"},
      {STATUS_UNSUCCESSFUL, "UNSUCCESSFUL"},
      {STATUS_NOT_IMPLEMENTED, "NOT_IMPLEMENTED"},
      {STATUS_INVALID_PARAMETER, "INVALID_PARAMETER"},
      {STATUS_ACCESS_DENIED, "ACCESS_DENIED"},
      {STATUS_BUFFER_TOO_SMALL, "BUFFER_TOO_SMALL"},
      {STATUS_INVALID_PARAMETER_MIX, "INVALID_PARAMETER_MIX"},
      {STATUS_INSUFFICIENT_RESOURCES, "INSUFFICIENT_RESOURCES"},
      {STATUS_NOT_SUPPORTED, "NOT_SUPPORTED"},
      {STATUS_INVALID_PARAMETER_1, "INVALID_PARAMETER_1"},
      {STATUS_INVALID_PARAMETER_2, "INVALID_PARAMETER_2"},
      {STATUS_INVALID_PARAMETER_3, "INVALID_PARAMETER_3"},
      {STATUS_INVALID_PARAMETER_4, "INVALID_PARAMETER_4"},
      {STATUS_INVALID_PARAMETER_5, "INVALID_PARAMETER_5"},
      {STATUS_INVALID_PARAMETER_6, "INVALID_PARAMETER_6"},
      {STATUS_INVALID_PARAMETER_7, "INVALID_PARAMETER_7"},
      {STATUS_NOT_FOUND, "NOT_FOUND"},
      {STATUS_RESOURCE_IN_USE, "RESOURCE_IN_USE"},
  };
  for (const auto& [value, text] : kNames) {
    if (value == status) return text;
  }
  return hex(static_cast<std::uint32_t>(status));
}

Player::Player(const Configuration& configuration, reference::Flaw flaw, std::vector<std::string>* log)
    : rig_(make_rig(configuration)),
      v2_(rig_->user().v2()),
      v1_(rig_->user().v1()),
      model_(limits_of(configuration), flaw),
      log_(log),
      frames_at_start_(rig_->frames().in_use()) {
  for (const iommu::api::PdoDescription& pdo : rig_->user().description.pdos) {
    reference::Device device;
    device.name = pdo.name;
    device.behind_unit = pdo.unit.has_value();
    device.unit = static_cast<unsigned>(pdo.unit.value_or(0));
    device.requesters.assign(pdo.requester_ids.begin(), pdo.requester_ids.end());
    model_.devices.push_back(device);
    devices_.push_back(pdo.object);
  }
}

// ---- Choosing ---------------------------------------------------------------------------------------------------

Player::Picked<PIOMMU_DMA_DOMAIN> Player::pick_domain(std::uint64_t number) {
  const auto [object, handle] = pick(number, model_.domains, domains_);
  return {object, handle, saying() ? name("domain", object, handle) : ""};
}

Player::Picked<PIOMMU_DMA_DEVICE> Player::pick_handle(std::uint64_t number) {
  const auto [object, handle] = pick(number, model_.handles, handles_);
  std::string text;
  if (saying()) text = name("device", object, handle);
  if (saying() && object) text += " (" + model_.devices[model_.handles[*object].device].name + ")";
  return {object, handle, text};
}

Player::Picked<PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN> Player::pick_range(std::uint64_t number) {
  const auto [object, handle] = pick(number, model_.ranges, ranges_);
  return {object, handle, saying() ? name("token", object, handle) : ""};
}

Player::Picked<PDEVICE_OBJECT> Player::pick_device(std::uint64_t number) {
  Chooser choose(number);
  if (choose.once_in(40)) return {std::nullopt, nullptr, "NULL"};
  if (choose.once_in(40)) return {std::nullopt, reinterpret_cast<PDEVICE_OBJECT>(this), "a bad PDO"};
  const Index which = choose(devices_.size());
  return {which, devices_[which], model_.devices[which].name};
}

// ---- Around a call ----------------------------------------------------------------------------------------------

void Player::begin(std::uint64_t number) {
  Chooser choose(number);
  scarce_ = choose.once_in(12);
  if (scarce_) rig_->frames().budget = choose(4);
  changes_before_ = rig_->changes();
  frames_before_ = rig_->frames().in_use();
}

bool Player::judge(NTSTATUS status, NTSTATUS predicted) {
  rig_->frames().budget.reset();
  trace_ = (trace_ ^ static_cast<std::uint32_t>(status)) * 0x9E3779B97F4A7C15ull;
  const bool starved = scarce_ && predicted == STATUS_SUCCESS && status == STATUS_INSUFFICIENT_RESOURCES;
  if (saying()) log_->back() += " = " + status_name(status) + (scarce_ ? " (frames are scarce)" : "");
  if (status != predicted && !starved) {
    wrong("the status is " + status_name(status) + ", predicted is " + status_name(predicted));
  }
  if (NT_SUCCESS(status)) {
    ++successes_[function_];
    return true;
  }
  if (rig_->frames().in_use() != frames_before_) wrong("the failed call changed the number of frames in use");
  // What a call that runs out of frames wrote to frames that it gave back is nobody's.
  if (!starved && rig_->changes() != changes_before_) wrong("the failed call changed memory or registers");
  return false;
}

void Player::wrong(const std::string& what) {
  if (wrong_.empty()) wrong_ = what;
}

void Player::say(const std::string& text) { log_->push_back(text); }

std::string Player::step(const Operation& operation) {
  scarce_ = false;
  wrong_.clear();
  dispatch(operation);
  if (model_.live_domains() != rig_->user().system->domain_count()) wrong("the number of domains differs");
  if (model_.live_handles() != rig_->user().system->device_count()) wrong("the number of device handles differs");
  if (model_.live_ranges() != rig_->user().system->token_count()) wrong("the number of tokens differs");
  if (!rig_->breaches().empty()) wrong("breach of the rules for software: " + rig_->breaches().front());
  for (const iommu::api::Diagnostic& d : rig_->host().diagnostics) {
    if (d.severity == iommu::api::Severity::Error && d.object != "device odd0") wrong("error: " + d.message);
  }
  rig_->host().diagnostics.clear();
  if (wrong_.empty()) probe(operation.probes);
  if (wrong_.empty()) compare_faults();
  return wrong_;
}

std::optional<Failure> Player::play(const Sequence& sequence) {
  for (std::size_t i = 0; i < sequence.size(); ++i) {
    const std::string what = step(sequence[i]);
    if (!what.empty()) return Failure{i, what};
  }
  const std::string what = finish();
  if (!what.empty()) return Failure{sequence.size(), "at the end: " + what};
  return std::nullopt;
}

// ---- DMA --------------------------------------------------------------------------------------------------------

reference::PageNumber Player::page_to_try(const reference::Device& device, Chooser& choose) const {
  const auto [first, pages] = focus_;
  switch (choose(8)) {
    case 0:
      return first;
    case 1:
      return first + pages - 1;
    case 2:
      return first + choose(pages);
    case 3:
      return first + pages;
    case 4:
      return first == 0 ? 0 : first - 1;
    case 5:
      if (choose.once_in(6)) return 0x40000 + choose(0x40000);
      return kFirstPage + choose(kPages);
    default:
      break;
  }
  if (!device.domain) return kFirstPage + choose(kPages);
  const auto& mapped = model_.domains[*device.domain].pages;
  const auto at = mapped.lower_bound(choose.once_in(2) ? kFirstPage + choose(kPages) : choose(kPages));
  return at == mapped.end() ? kFirstPage + choose(kPages) : at->first;
}

void Player::probe(std::uint64_t number) {
  for (Index which = 0; which < model_.devices.size(); ++which) {
    const reference::Device& device = model_.devices[which];
    if (!device.behind_unit) continue;
    for (const unsigned requester : device.requesters) {
      for (unsigned i = 0; i < 3; ++i) {
        number = number * 0x5851F42D4C957F2Dull + 0x14057B7EF767814Full;
        Chooser choose(number >> 8);
        const reference::PageNumber page = page_to_try(device, choose);
        // There are interrupts, and below 32 MiB are the tables: a pass-through device is not let there.
        if (page >= 0xFEE00 && page <= 0xFEEFF) continue;
        const bool write = choose.once_in(2);
        const std::optional<reference::PageNumber> target = model_.reach(device, page, write);
        if (target && (*target < kFirstPage || *target >> (46 - 12) != 0)) continue;
        try_access(which, requester, page * 4096 + 8 * choose(512), write);
      }
    }
  }
}

// What a driver hears of its device's faults: each one, in order.
void Player::compare_faults() {
  if (rig_->host().work.empty() && faults_.empty() && expected_faults_.empty()) return;
  if (!expected_faults_.empty()) run_work();
  bool right = faults_.size() == expected_faults_.size();
  for (Index device = 0; device < model_.devices.size() && right; ++device) {
    std::vector<Fault> told, meant;
    for (const Fault& fault : faults_) {
      if (fault.device == device) told.push_back(fault);
    }
    for (const Fault& fault : expected_faults_) {
      if (fault.device == device) meant.push_back(fault);
    }
    right = std::equal(told.begin(), told.end(), meant.begin(), meant.end(), [&](const Fault& a, const Fault& b) {
      // Hardware keeps as many address bits as it translates.
      return a.domain == b.domain && (a.address ^ b.address) << (64 - model_.limits().space_bits) == 0 &&
             a.type == b.type;
    });
  }
  if (!right) {
    wrong("faults: handlers heard of " + std::to_string(faults_.size()) + ", expected are " +
          std::to_string(expected_faults_.size()) + (faults_.size() == expected_faults_.size() ? ", others" : ""));
  }
  all_faults_ += faults_.size();
  faults_.clear();
  expected_faults_.clear();
}

void Player::try_access(Index which, unsigned requester, std::uint64_t address, bool write) {
  const reference::Device& device = model_.devices[which];
  const std::optional<reference::PageNumber> target = model_.reach(device, address / 4096, write);
  const std::uint64_t physical = target.value_or(0) * 4096 + address % 4096;
  const Rig::Outcome outcome = rig_->dma(device.unit, requester, address, write, physical);
  ++accesses_;
  if (outcome != Rig::Outcome::Blocked) ++completed_;
  if (outcome == Rig::Outcome::Blocked) rig_->run_interrupts();
  if (outcome == Rig::Outcome::Blocked && device.reports_faults) {
    const std::uint64_t page = address / 4096;
    expected_faults_.push_back({which, domains_[*device.domain], page * 4096, model_.fault_type(device, page)});
  }
  if (target ? outcome == Rig::Outcome::AsExpected : outcome == Rig::Outcome::Blocked) return;
  std::string what = "a " + std::string(write ? "write" : "read") + " of " + device.name + " at " + hex(address);
  what += outcome == Rig::Outcome::Blocked ? " is blocked" : target ? " goes elsewhere" : " is not blocked";
  if (target) what += "; it has to reach " + hex(physical);
  wrong(what);
}

// ---- The end ----------------------------------------------------------------------------------------------------

void Player::finish_domain(Index domain) {
  for (Index i = 0; i < model_.ranges.size(); ++i) {
    reference::Range& range = model_.ranges[i];
    if (!range.alive || range.domain != domain) continue;
    for (const auto& [offset, pages] : range.segments) {
      IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT segment{ranges_[i], offset * 4096, pages * 4096};
      if (v2_.UnmapReservedLogicalRange(&segment) != STATUS_SUCCESS) wrong("a segment is not unmapped");
    }
    if (v2_.FreeReservedLogicalAddressRange(ranges_[i]) != STATUS_SUCCESS) wrong("a token is not freed");
    range.alive = false;
  }
  if (v2_.DeleteDomain(domains_[domain]) != STATUS_SUCCESS) wrong("a domain is not deleted");
}

std::string Player::finish() {
  wrong_.clear();
  if (saying()) say("everything is taken down");
  run_work();
  for (Index i = 0; i < model_.devices.size(); ++i) {
    const reference::Device& device = model_.devices[i];
    if (!device.domain) continue;
    const NTSTATUS status = device.attached_by ? v2_.DetachDeviceEx(handles_[*device.attached_by])
                                               : v1_.DetachDevice(domains_[*device.domain], devices_[i], 0);
    if (status != STATUS_SUCCESS) wrong("a device is not detached");
  }
  for (Index i = 0; i < handles_.size(); ++i) {
    const reference::Handle& handle = model_.handles[i];
    if (!handle.alive) continue;
    if (handle.callback) (void)v2_.UnregisterInterfaceStateChangeCallback(callback(*handle.callback), handles_[i]);
    if (v2_.DeleteDevice(handles_[i]) != STATUS_SUCCESS) wrong("a device handle is not deleted");
  }
  for (Index i = 0; i < domains_.size(); ++i) {
    if (model_.domains[i].alive) finish_domain(i);
  }
  const iommu::api::System& system = *rig_->user().system;
  if (system.domain_count() + system.device_count() + system.token_count() != 0) wrong("objects are left");
  // Units keep the context tables of the buses that had a device: 0, 1, 2 and 3 on the first, 0 on the second.
  if (rig_->frames().in_use() > frames_at_start_ + 5) wrong("frames are left");
  return wrong_;
}

}  // namespace sequence
