// A device whose driver is a shared object of the user's.
//
// What it does: what Windows' Plug and Play manager does for one device, on a host thread: DriverEntry (once for each
// image), AddDevice, IRP_MN_START_DEVICE; then packets arrive; when all have and the device has been quiet, or when it
// is taken out, the requests for its removal, and DriverUnload after the image's last device. What it does not do: know
// the driver, or look into what it received.
#pragma once

#include "platform/device_driver.h"
#include "platform/driver_lab/kernel.h"

namespace iommu::platform {

class LabDriver final : public DeviceDriver {
 public:
  /// Opens the shared object and the capture. Throws ConfigError for one that can't be used.
  LabDriver(Machine& machine, std::size_t index, lab::Kernel& kernel);

  [[nodiscard]] std::uint64_t work_done() const override { return device().nic->handled(); }
  [[nodiscard]] std::uint64_t work_total() const override { return received_total_; }
  void add_results(nlohmann::ordered_json& of_master, nlohmann::ordered_json& payload) const override;

 private:
  void work() override;
  void unmap_window() override;
  void take_out() override;

  [[nodiscard]] bool enter();
  [[nodiscard]] bool add();
  [[nodiscard]] bool start();
  void receive();
  void remove(bool started);
  void unload();
  NTSTATUS send(UCHAR minor, PCM_RESOURCE_LIST resources = nullptr);
  void refuse(const std::string& why);
  void warn(const char* function, const std::string& message);

  lab::Kernel& kernel_;
  lab::DriverImage* image_ = nullptr;
  PDEVICE_OBJECT pdo_ = nullptr;
  std::uint64_t received_total_ = 0;
  bool receiving_ = false;
  bool taken_out_ = false;
  sc_core::sc_event taken_out_event_;
};

}  // namespace iommu::platform
