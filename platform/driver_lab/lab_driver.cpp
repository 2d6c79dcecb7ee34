#include "platform/driver_lab/lab_driver.h"

#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "models/tlm/nic_registers.h"
#include "platform/driver_file.h"
#include "platform/nic_traffic.h"

namespace iommu::platform {

namespace {

constexpr core::Tick kQuiet = 50'000'000;  // a device that had nothing to do for so long has nothing more to do

std::string status_text(NTSTATUS status) {
  char text[48];
  std::snprintf(text, sizeof text, "status 0x%08" PRIX32, static_cast<std::uint32_t>(status));
  return text;
}

}  // namespace

LabDriver::LabDriver(Machine& machine, std::size_t index, lab::Kernel& kernel)
    : DeviceDriver(machine, index), kernel_(kernel) {
  const NicConfig& nic = device().config->nic;
  const std::string key = "device." + device().config->name + ".driver";
  const auto file = find_driver_file(nic.driver);
  try {
    if (!file) throw lab::LoadError("can't be read: No such file or directory");  // it was there a moment ago
    image_ = &kernel_.load(*file);
  } catch (const lab::LoadError& error) {
    throw ConfigError(machine.config.where(key), key + " = \"" + nic.driver.shown + "\": " + error.what());
  }
  ++image_->devices;
  pdo_ = kernel_.devices.enumerate(index);
  // What the capture's own side sends is the driver's to send or not.
  NicTraffic traffic = read_nic_traffic(machine.config, *device().config, std::nullopt);
  received_total_ = traffic.arriving.size();
  device().nic->set_packets(std::move(traffic.arriving));
}

void LabDriver::refuse(const std::string& why) {
  const std::string key = "device." + device().config->name + ".driver";
  fail(ConfigError(machine_.config.where(key), key + " = \"" + device().config->nic.driver.shown + "\": " + why));
}

void LabDriver::warn(const char* function, const std::string& message) {
  kernel_.report(api::Severity::Warning, function, image_, "device " + device().config->name + ": " + message);
}

void LabDriver::work() {
  if (!enter() || !add()) return;
  const bool started = start();
  if (started) receive();
  remove(started);
  unload();
}

/// DriverEntry, by the first of the image's devices; the others wait for it.
bool LabDriver::enter() {
  using State = lab::DriverImage::State;
  while (image_->state == State::Entering) host().delay(1000);
  if (image_->state == State::Loaded) {
    image_->state = State::Entering;
    image_->entry_status = image_->entry()(&image_->object, image_->registry_path());
    image_->state = NT_SUCCESS(image_->entry_status) ? State::Entered : State::Failed;
  }
  if (image_->state == State::Failed) {
    refuse("its DriverEntry returned " + status_text(image_->entry_status));
    return false;
  }
  if (image_->extension.AddDevice == nullptr) {
    refuse("its DriverEntry has set no DriverExtension->AddDevice");
    return false;
  }
  return true;
}

bool LabDriver::add() {
  ++image_->extension.Count;
  const NTSTATUS status = image_->extension.AddDevice(&image_->object, pdo_);
  if (NT_SUCCESS(status)) return true;
  refuse("its AddDevice returned " + status_text(status));
  return false;
}

NTSTATUS LabDriver::send(UCHAR minor, PCM_RESOURCE_LIST resources) {
  return kernel_.devices.send_pnp(pdo_, minor, resources);
}

bool LabDriver::start() {
  // The list ends in one descriptor; the second follows it, as on Windows.
  struct {
    CM_RESOURCE_LIST list;
    CM_PARTIAL_RESOURCE_DESCRIPTOR second;
  } resources{};
  resources.list.Count = 1;
  CM_FULL_RESOURCE_DESCRIPTOR& full = resources.list.List[0];
  full.InterfaceType = PCIBus;
  full.BusNumber = device().config->requester >> 8;
  full.PartialResourceList.Version = 1;
  full.PartialResourceList.Revision = 1;
  full.PartialResourceList.Count = 2;
  CM_PARTIAL_RESOURCE_DESCRIPTOR& memory = full.PartialResourceList.PartialDescriptors[0];
  memory.Type = CmResourceTypeMemory;
  memory.Flags = CM_RESOURCE_MEMORY_READ_WRITE;
  memory.u.Memory.Start.QuadPart = static_cast<LONGLONG>(device().registers);
  memory.u.Memory.Length = sim::nic::kWindowBytes;
  CM_PARTIAL_RESOURCE_DESCRIPTOR& interrupt = resources.second;
  interrupt.Type = CmResourceTypeInterrupt;
  interrupt.Flags = CM_RESOURCE_INTERRUPT_LATCHED | CM_RESOURCE_INTERRUPT_MESSAGE;
  interrupt.u.MessageInterrupt.Translated.Level = lab::InterruptServices::kDeviceLevel;
  interrupt.u.MessageInterrupt.Translated.Vector = device().vector;
  interrupt.u.MessageInterrupt.Translated.Affinity = 1;
  const NTSTATUS status = send(IRP_MN_START_DEVICE, &resources.list);
  if (NT_SUCCESS(status)) return true;
  kernel_.report(api::Severity::Error, "IRP_MN_START_DEVICE", image_,
                 "device " + device().config->name + ": " + status_text(status));
  return false;
}

void LabDriver::receive() {
  sim::Nic& nic = *device().nic;
  receiving_ = true;
  nic.start();
  std::uint64_t before = ~std::uint64_t{0};
  while (!taken_out_) {
    sc_core::wait(sim::to_sc_time(kQuiet), taken_out_event_);
    const sim::NicCounters counters = nic.counters();
    const std::uint64_t moved = nic.handled() + counters.tx_packets + counters.tx_errors;
    if (nic.receive_done() && nic.idle() && moved == before) break;
    before = moved;
  }
  receiving_ = false;
}

void LabDriver::remove(bool started) {
  if (started && !taken_out_ && !NT_SUCCESS(send(IRP_MN_QUERY_REMOVE_DEVICE))) {
    warn("IRP_MN_QUERY_REMOVE_DEVICE", "was refused; the device is taken out all the same");
    taken_out_ = true;
    device().nic->remove();
  }
  if (started && taken_out_) send(IRP_MN_SURPRISE_REMOVAL);
  if (const NTSTATUS status = send(IRP_MN_REMOVE_DEVICE); !NT_SUCCESS(status)) {
    warn("IRP_MN_REMOVE_DEVICE", status_text(status) + "; it must not fail");
  }
  if (pdo_->AttachedDevice != nullptr) {
    warn("IRP_MN_REMOVE_DEVICE", "the driver's device object is still attached");
    pdo_->AttachedDevice = nullptr;
  }
  if (kernel_.interrupts.disconnect(pdo_)) warn("IRP_MN_REMOVE_DEVICE", "the interrupt was still connected");
}

/// After the image's last device.
void LabDriver::unload() {
  if (--image_->devices != 0) return;
  if (image_->object.DriverUnload != nullptr) {
    image_->object.DriverUnload(&image_->object);
  } else {
    kernel_.report(api::Severity::Note, "DriverUnload", image_, "there is none: Windows would never unload the driver");
  }
  kernel_.report_leaks(*image_);
}

void LabDriver::take_out() {
  if (!receiving_ || taken_out_) return note("a surprise_removal event found it not at work");
  taken_out_ = true;
  device().nic->remove();
  taken_out_event_.notify(sc_core::SC_ZERO_TIME);
}

void LabDriver::unmap_window() { note("an unmap event is for generators: a NIC has no window"); }

void LabDriver::add_results(nlohmann::ordered_json& of_master, nlohmann::ordered_json& payload) const {
  const sim::NicCounters counters = device().nic->counters();
  counters.visit_counters(
      [&](const char* name, const char*, const char*, std::uint64_t value) { of_master[name] = value; });
  of_master["removed"] = device().nic->removed();
  // Who looks into received packets is the driver.
  payload["checked"] = payload.value("checked", std::uint64_t{0}) + counters.tx_packets - counters.tx_unchecked;
  payload["corrupted"] = payload.value("corrupted", std::uint64_t{0}) + counters.tx_corrupted;
}

}  // namespace iommu::platform
