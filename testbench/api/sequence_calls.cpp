// The player's calls about devices, domains, attachments, queries and policy.
#include <algorithm>
#include <array>
#include <cstring>

#include "testbench/api/sequence_player.h"

namespace sequence {

using iommu::api::Function;
using reference::Index;

namespace {

/// What outputs hold before a call.
template <typename Pointer>
Pointer untouched() {
  return reinterpret_cast<Pointer>(std::uintptr_t{0x5A5A5A58});
}

}  // namespace

void Player::dispatch(const Operation& operation) {
  const Numbers& n = operation.numbers;
  switch (operation.kind) {
    case Kind::ChangePolicy:
      return change_policy(n);
    case Kind::RunWork:
      if (saying()) say("the passive-level worker runs");
      return run_work();
    case Kind::InvalidateAll:
      return invalidate_all();
    default:
      break;
  }
  function_ = static_cast<std::size_t>(operation.kind);
  begin(n[7]);
  switch (static_cast<Function>(operation.kind)) {
    case Function::CreateDomainEx:
      return create_domain(n);
    case Function::DeleteDomain:
      return delete_domain(n);
    case Function::AttachDeviceEx:
      return attach(n);
    case Function::DetachDeviceEx:
      return detach(n);
    case Function::FlushDomain:
      return flush(n);
    case Function::FlushDomainByVaList:
      return flush_pages(n);
    case Function::QueryInputMappings:
      return query_mappings(n);
    case Function::MapLogicalRangeEx:
      return map(n);
    case Function::UnmapLogicalRange:
      return unmap(n);
    case Function::MapIdentityRangeEx:
      return map_identity(n, false);
    case Function::UnmapIdentityRangeEx:
      return unmap_identity(n, false);
    case Function::SetDeviceFaultReportingEx:
      return report_faults(n);
    case Function::ConfigureDomain:
      return configure(n);
    case Function::QueryAvailableDomainTypes:
      return query_types(n);
    case Function::RegisterInterfaceStateChangeCallback:
      return register_callback(n);
    case Function::UnregisterInterfaceStateChangeCallback:
      return unregister_callback(n);
    case Function::ReserveLogicalAddressRange:
      return reserve(n);
    case Function::FreeReservedLogicalAddressRange:
      return free_range(n);
    case Function::MapReservedLogicalRange:
      return map_reserved(n);
    case Function::UnmapReservedLogicalRange:
      return unmap_reserved(n);
    case Function::CreateDevice:
      return create_device(n);
    case Function::DeleteDevice:
      return delete_device(n);
    case Function::CreateDomain:
      return create_domain_v1(n);
    case Function::AttachDevice:
      return attach_v1(n);
    case Function::DetachDevice:
      return detach_v1(n);
    case Function::MapLogicalRange:
      return map_v1(n);
    case Function::MapIdentityRange:
      return map_identity(n, true);
    case Function::UnmapIdentityRange:
      return unmap_identity(n, true);
    case Function::SetDeviceFaultReporting:
      return report_faults_v1(n);
  }
}

// ---- Devices ----------------------------------------------------------------------------------------------------

void Player::create_device(const Numbers& n) {
  const auto device = pick_device(n[0]);
  Chooser choose(n[1]);
  IOMMU_DEVICE_CREATION_CONFIGURATION configuration{};
  const bool configured = choose.once_in(30);
  const bool output = !choose.once_in(30);
  if (saying())
    say("CreateDevice(" + device.text + (configured ? ", a configuration" : "") + (output ? ")" : ", NULL)"));
  auto made = untouched<PIOMMU_DMA_DEVICE>();
  const NTSTATUS status =
      v2_.CreateDevice(device.handle, configured ? &configuration : nullptr, output ? &made : nullptr);
  if (!judge(status, model_.may_create_device(device.object, configured, output))) {
    if (made != untouched<PIOMMU_DMA_DEVICE>()) wrong("a failed call wrote its output");
    return;
  }
  if (saying()) log_->back() += ", device " + std::to_string(handles_.size());
  model_.did_create_device(*device.object);
  handles_.push_back(made);
}

void Player::delete_device(const Numbers& n) {
  const auto handle = pick_handle(n[0]);
  if (saying()) say("DeleteDevice(" + handle.text + ")");
  const NTSTATUS predicted = model_.may_delete_device(handle.object);
  if (judge(v2_.DeleteDevice(handle.handle), predicted)) model_.handles[*handle.object].alive = false;
}

void Player::query_mappings(const Numbers& n) {
  const auto device = pick_device(n[0]);
  Chooser choose(n[1]);
  std::array<INPUT_MAPPING_ELEMENT, 4> buffer{};
  for (INPUT_MAPPING_ELEMENT& element : buffer) element.InputMappingId = 0x5A5A5A5A;
  const bool there = !choose.once_in(4);
  const auto bytes = static_cast<ULONG>(choose.once_in(3) ? choose(9) : there ? 16 : 0);
  const bool wants_length = !choose.once_in(5);
  ULONG length = 0x5A5A;
  std::uint32_t predicted_length = 0;
  const NTSTATUS predicted = model_.may_query_mappings(device.object, there, bytes, predicted_length);
  if (saying()) say("QueryInputMappings(" + device.text + ", " + std::to_string(bytes) + " bytes)");
  const bool done = judge(
      v2_.QueryInputMappings(device.handle, there ? buffer.data() : nullptr, bytes, wants_length ? &length : nullptr),
      predicted);
  if (wants_length && length != predicted_length) wrong("ReturnLength is " + std::to_string(length));
  for (std::size_t i = 0; i < buffer.size(); ++i) {
    const bool written = done && i < model_.devices[*device.object].requesters.size();
    const ULONG expected = written ? model_.devices[*device.object].requesters[i] : 0x5A5A5A5A;
    if (buffer[i].InputMappingId != expected) wrong("the buffer holds " + hex(buffer[i].InputMappingId));
  }
}

// ---- Domains ----------------------------------------------------------------------------------------------------

void Player::create_domain(const Numbers& n) {
  DomainArguments arguments(n[0]);
  if (saying()) say("CreateDomainEx(" + arguments.text() + ")");
  auto made = untouched<PIOMMU_DMA_DOMAIN>();
  const NTSTATUS predicted = model_.may_create_domain(arguments.wish);
  const NTSTATUS status =
      v2_.CreateDomainEx(static_cast<IOMMU_DMA_DOMAIN_TYPE>(arguments.wish.type), arguments.flags,
                         arguments.allocator(), arguments.regions(), arguments.wish.output ? &made : nullptr);
  if (!judge(status, predicted)) {
    if (arguments.wish.output && made != nullptr) wrong("*DomainOut is not NULL after a failure");
    return;
  }
  if (saying()) log_->back() += ", domain " + std::to_string(domains_.size());
  model_.did_create_domain(arguments.wish);
  domains_.push_back(made);
}

void Player::create_domain_v1(const Numbers& n) {
  Chooser choose(n[0]);
  const bool managed = !choose.once_in(8);
  const bool output = !choose.once_in(20);
  if (saying()) say(std::string("CreateDomain(") + (managed ? "TRUE" : "FALSE") + (output ? ")" : ", NULL)"));
  auto made = untouched<PIOMMU_DMA_DOMAIN>();
  reference::Model::DomainWish wish;
  wish.type = managed ? DomainTypeTranslate : DomainTypeUnmanaged;
  const NTSTATUS predicted = output ? model_.may_create_domain(wish) : STATUS_INVALID_PARAMETER_2;
  if (!judge(v1_.CreateDomain(managed ? TRUE : FALSE, output ? &made : nullptr), predicted)) return;
  if (saying()) log_->back() += ", domain " + std::to_string(domains_.size());
  model_.did_create_domain(wish);
  domains_.push_back(made);
}

void Player::delete_domain(const Numbers& n) {
  const auto domain = pick_domain(n[0]);
  if (saying()) say("DeleteDomain(" + domain.text + ")");
  const NTSTATUS predicted = model_.may_delete_domain(domain.object);
  if (judge(v2_.DeleteDomain(domain.handle), predicted)) model_.did_delete_domain(*domain.object);
}

void Player::configure(const Numbers& n) {
  const auto domain = pick_domain(n[0]);
  DOMAIN_CONFIGURATION configuration{};
  configuration.Type = static_cast<DOMAIN_CONFIGURATION_ARCH>(n[1] % 3);
  if (saying()) say("ConfigureDomain(" + domain.text + ", type " + std::to_string(configuration.Type) + ")");
  // No domain of this platform is Unmanaged (OP-5).
  (void)judge(v2_.ConfigureDomain(domain.handle, &configuration), STATUS_INVALID_PARAMETER_1);
}

void Player::flush(const Numbers& n) {
  const auto domain = pick_domain(n[0]);
  if (saying()) say("FlushDomain(" + domain.text + ")");
  (void)judge(v2_.FlushDomain(domain.handle), model_.may_flush(domain.object));
}

void Player::flush_pages(const Numbers& n) {
  const auto domain = pick_domain(n[0]);
  Chooser choose(n[1]);
  const auto number = static_cast<ULONG>(choose.once_in(6) ? 100 : choose(5));
  const bool list = !choose.once_in(10);
  std::vector<std::uint64_t> addresses(number);
  for (std::uint64_t& address : addresses) address = some_page(choose) * 4096 + choose(4096);
  if (saying()) say("FlushDomainByVaList(" + domain.text + ", " + std::to_string(number) + (list ? ")" : ", NULL)"));
  const NTSTATUS status =
      v2_.FlushDomainByVaList(domain.handle, static_cast<BOOLEAN>(n[2] & 1), number, list ? addresses.data() : nullptr);
  (void)judge(status, model_.may_flush_pages(domain.object, number, list && number != 0));
}

// ---- Attaching --------------------------------------------------------------------------------------------------

void Player::attach(const Numbers& n) {
  const auto domain = pick_domain(n[0]);
  const auto handle = pick_handle(n[1]);
  if (saying()) say("AttachDeviceEx(" + domain.text + ", " + handle.text + ")");
  const NTSTATUS predicted = model_.may_attach(domain.object, handle.object);
  if (!judge(v2_.AttachDeviceEx(domain.handle, handle.handle), predicted)) return;
  model_.did_attach(*domain.object, model_.handles[*handle.object].device, handle.object);
}

void Player::attach_v1(const Numbers& n) {
  const auto domain = pick_domain(n[0]);
  const auto device = pick_device(n[1]);
  Chooser choose(n[2]);
  const auto base = static_cast<ULONG>(choose.once_in(20) ? 1 : 0);
  const auto count = static_cast<ULONG>(choose.once_in(20) ? choose(3) : 1);
  if (saying())
    say("AttachDevice(" + domain.text + ", " + device.text + ", " + std::to_string(base) + ", " +
        std::to_string(count) + ")");
  const NTSTATUS predicted = model_.may_attach_v1(domain.object, device.object, base, count);
  if (!judge(v1_.AttachDevice(domain.handle, device.handle, base, count), predicted)) return;
  model_.did_attach(*domain.object, *device.object, std::nullopt);
}

void Player::detach(const Numbers& n) {
  const auto handle = pick_handle(n[0]);
  if (saying()) say("DetachDeviceEx(" + handle.text + ")");
  const NTSTATUS predicted = model_.may_detach(handle.object);
  if (judge(v2_.DetachDeviceEx(handle.handle), predicted)) model_.did_detach(model_.handles[*handle.object].device);
}

void Player::detach_v1(const Numbers& n) {
  auto domain = pick_domain(n[0]);
  auto device = pick_device(n[1]);
  if (const reference::Device* that = device.object ? &model_.devices[*device.object] : nullptr;
      that != nullptr && that->domain && n[3] % 4 != 0) {
    domain = {that->domain, domains_[*that->domain], "domain " + std::to_string(*that->domain)};
  }
  const auto id = static_cast<ULONG>(Chooser(n[2]).once_in(20) ? 1 : 0);
  if (saying()) say("DetachDevice(" + domain.text + ", " + device.text + ", " + std::to_string(id) + ")");
  const NTSTATUS predicted = model_.may_detach_v1(domain.object, device.object, id);
  if (judge(v1_.DetachDevice(domain.handle, device.handle, id), predicted)) model_.did_detach(*device.object);
}

// ---- Faults -----------------------------------------------------------------------------------------------------

void Player::heard_fault(PVOID context, PFAULT_INFORMATION information) {
  const auto* listener = static_cast<const Listener*>(context);
  Player& player = *listener->player;
  const FAULT_INFORMATION_X64& x64 = information->X64;
  const reference::Device& device = player.model_.devices[listener->subject];
  const iommu::api::UnitDescription& unit = player.rig_->user().description.units[device.unit];
  if (information->Type != FaultInformationX64 || information->IsStage1 || !x64.Flags.FaultAddressValid ||
      x64.IommuBaseAddress != unit.register_base || x64.PciSegment != unit.pci_segment) {
    player.wrong("FAULT_INFORMATION is not what it has to be");
  }
  player.faults_.push_back(
      {listener->subject, x64.DomainHandle, reinterpret_cast<std::uint64_t>(x64.FaultAddress), x64.Type});
}

namespace {

/// Arguments of both versions' functions.
struct FaultArguments {
  explicit FaultArguments(std::uint64_t number) {
    Chooser choose(number);
    enable = !choose.once_in(4);
    base = choose.once_in(20) ? 1 : 0;
    configured = !choose.once_in(12);
    handler = !choose.once_in(12);
  }
  [[nodiscard]] std::string text() const {
    return (enable ? ", TRUE" : ", FALSE") + std::string(configured && handler ? "" : ", no handler") +
           (base == 0 ? ")" : ", base 1)");
  }
  bool enable, configured, handler;
  ULONG base;
};

}  // namespace

void Player::report_faults(const Numbers& n) {
  const auto handle = pick_handle(n[0]);
  const FaultArguments arguments(n[1]);
  if (saying()) say("SetDeviceFaultReportingEx(" + handle.text + arguments.text());
  const Index device = handle.object ? model_.handles[*handle.object].device : 0;
  listeners_.push_back({this, device});
  DEVICE_FAULT_CONFIGURATION configuration{arguments.handler ? heard_fault : nullptr, &listeners_.back()};
  const NTSTATUS predicted = model_.may_report_faults(handle.object, arguments.base, arguments.enable,
                                                      arguments.configured && arguments.handler);
  const NTSTATUS status = v2_.SetDeviceFaultReportingEx(handle.handle, arguments.base, arguments.enable ? TRUE : FALSE,
                                                        arguments.configured ? &configuration : nullptr);
  if (judge(status, predicted)) switched_faults(device, arguments.enable);
}

void Player::report_faults_v1(const Numbers& n) {
  const auto device = pick_device(n[0]);
  const FaultArguments arguments(n[1]);
  if (saying()) say("SetDeviceFaultReporting(" + device.text + arguments.text());
  listeners_.push_back({this, device.object.value_or(0)});
  DEVICE_FAULT_CONFIGURATION configuration{arguments.handler ? heard_fault : nullptr, &listeners_.back()};
  const NTSTATUS predicted = model_.may_report_faults_v1(device.object, arguments.base, arguments.enable,
                                                         arguments.configured && arguments.handler);
  const NTSTATUS status = v1_.SetDeviceFaultReporting(device.handle, arguments.base, arguments.enable ? TRUE : FALSE,
                                                      arguments.configured ? &configuration : nullptr);
  if (judge(status, predicted)) switched_faults(*device.object, arguments.enable);
}

/// Records from before that the unit still held are delivered or reported now, and are of no interest.
void Player::switched_faults(Index device, bool on) {
  model_.devices[device].reports_faults = on;
  while (!rig_->host().work.empty()) {
    run_work();
    rig_->run_interrupts();
  }
  faults_.clear();
}

// ---- Policy and callbacks ---------------------------------------------------------------------------------------

template <Index Which>
void Player::heard(PIOMMU_INTERFACE_STATE_CHANGE change, PVOID context) {
  const auto* listener = static_cast<const Listener*>(context);
  if (change->PresentFields.AsULONG != 1) listener->player->wrong("PresentFields is not AvailableDomainTypes");
  listener->player->heard_.push_back({listener->subject, Which, change->AvailableDomainTypes});
}

IOMMU_INTERFACE_STATE_CHANGE_CALLBACK* Player::callback(Index which) { return which == 0 ? heard<0> : heard<1>; }

void Player::query_types(const Numbers& n) {
  const auto handle = pick_handle(n[0]);
  if (saying()) say("QueryAvailableDomainTypes(" + handle.text + ")");
  rig_->frames().budget.reset();
  ULONG types = 0x5A5A5A5A;
  v2_.QueryAvailableDomainTypes(handle.handle, &types);
  v2_.QueryAvailableDomainTypes(handle.handle, nullptr);
  if (types != model_.available_types(handle.object)) wrong("the mask is " + hex(types));
  if (handle.object) ++successes_[function_];
}

void Player::register_callback(const Numbers& n) {
  const auto handle = pick_handle(n[0]);
  Chooser choose(n[1]);
  const Index which = choose(2);
  const bool function = !choose.once_in(20);
  IOMMU_INTERFACE_STATE_CHANGE_FIELDS fields{};
  fields.AsULONG = choose.once_in(10) ? 0xFFFFFFFE : choose.once_in(3) ? 0xFFFFFFFF : 1;
  const bool given = !choose.once_in(20);
  if (saying()) say("RegisterInterfaceStateChangeCallback(" + handle.text + ", fields " + hex(fields.AsULONG) + ")");
  const NTSTATUS predicted = model_.may_register(function, handle.object, given && (fields.AsULONG & 1) != 0);
  listeners_.push_back({this, handle.object.value_or(0)});
  const std::size_t before = heard_.size();
  const NTSTATUS status = v2_.RegisterInterfaceStateChangeCallback(
      function ? callback(which) : nullptr, &listeners_.back(), handle.handle, given ? &fields : nullptr);
  const bool done = judge(status, predicted);
  if (heard_.size() != before + (done ? 1 : 0))
    wrong("the callback ran " + std::to_string(heard_.size() - before) + " times");
  if (!done) return listeners_.pop_back();
  const unsigned types = model_.available_types(handle.object);
  if (heard_.size() > before && (heard_.back().types != types || heard_.back().callback != which)) {
    wrong("the callback was told " + hex(heard_.back().types));
  }
  heard_.resize(before);
  model_.handles[*handle.object].callback = which;
  model_.handles[*handle.object].announced = types;
}

void Player::unregister_callback(const Numbers& n) {
  const auto handle = pick_handle(n[0]);
  Chooser choose(n[1]);
  Index which = choose(2);
  if (handle.object && model_.handles[*handle.object].callback && !choose.once_in(5)) {
    which = *model_.handles[*handle.object].callback;
  }
  if (saying()) say("UnregisterInterfaceStateChangeCallback(" + handle.text + ")");
  const NTSTATUS predicted = model_.may_unregister(which, handle.object);
  if (!judge(v2_.UnregisterInterfaceStateChangeCallback(callback(which), handle.handle), predicted)) return;
  model_.handles[*handle.object].callback.reset();
  // What is still queued is dropped.
  std::vector<Heard> rest;
  for (const Heard& e : expected_) {
    if (e.handle != *handle.object) rest.push_back(e);
  }
  expected_ = rest;
}

void Player::change_policy(const Numbers& n) {
  using iommu::api::RemappingOptIn;
  iommu::api::System& system = *rig_->user().system;
  Chooser choose(n[0]);
  const Index which = choose(devices_.size());
  reference::Device& device = model_.devices[which];
  const auto kind = choose(3);
  const bool on = choose(2) != 0;
  if (kind == 0) {
    if (saying()) say(on ? "the screen is locked" : "the screen is unlocked");
    model_.set_screen_locked(on);
    system.set_screen_locked(on);
  } else if (kind == 1) {
    if (saying()) say(device.name + (on ? " is external" : " is internal"));
    device.external = on;
    system.set_external(devices_[which], on);
  } else {
    static constexpr RemappingOptIn kChoices[] = {RemappingOptIn::Yes, RemappingOptIn::Yes, RemappingOptIn::No,
                                                  RemappingOptIn::IfExternal};
    device.opt_in = kChoices[choose(4)];
    if (saying()) say(device.name + "'s opt-in is " + std::to_string(static_cast<int>(device.opt_in)));
    system.set_opt_in(devices_[which], device.opt_in);
  }
  for (const auto& [handle, types] : model_.announce()) {
    expected_.push_back({handle, *model_.handles[handle].callback, types});
  }
  if (choose.once_in(2)) run_work();
}

void Player::run_work() {
  rig_->host().run_work();
  const auto same = [](const Heard& a, const Heard& b) {
    return a.handle == b.handle && a.callback == b.callback && a.types == b.types;
  };
  bool right = heard_.size() == expected_.size();
  // The order among devices is nobody's business; that of one device's changes is.
  for (Index handle = 0; handle < handles_.size() && right; ++handle) {
    std::vector<Heard> told, meant;
    for (const Heard& h : heard_) {
      if (h.handle == handle) told.push_back(h);
    }
    for (const Heard& e : expected_) {
      if (e.handle == handle) meant.push_back(e);
    }
    right = std::equal(told.begin(), told.end(), meant.begin(), meant.end(), same);
  }
  if (!right)
    wrong("callbacks: " + std::to_string(heard_.size()) + " ran, " + std::to_string(expected_.size()) + " expected");
  heard_.clear();
  expected_.clear();
}

void Player::invalidate_all() {
  if (saying()) say("an operator empties all caches");
  if (rig_->user().system->invalidate_all() != STATUS_SUCCESS) wrong("caches can't be emptied");
}

}  // namespace sequence
