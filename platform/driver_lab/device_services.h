// Driver objects, device objects and Plug and Play requests of loaded drivers.
//
// What it does: device stacks above the platform's PDOs, the bus driver at their bottom, requests sent down and
// completed up. What it does not do: name devices, hold a registry, cancel, manage power, choose when requests are sent
// (lab_driver.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <systemc>
#include <vector>

#include "api/wdm.h"

namespace iommu::platform::lab {

class DriverImage;
class Kernel;

class DeviceServices {
 public:
  explicit DeviceServices(Kernel& kernel);
  ~DeviceServices();
  DeviceServices(const DeviceServices&) = delete;
  DeviceServices& operator=(const DeviceServices&) = delete;

  /// Every request that the driver doesn't take is refused: STATUS_INVALID_DEVICE_REQUEST.
  void prepare(DriverImage& image);
  /// The machine's device `index` gets a PDO that the bus driver serves.
  PDEVICE_OBJECT enumerate(std::size_t index);
  /// Index of the machine's device that has this PDO.
  [[nodiscard]] std::optional<std::size_t> device_index(const DEVICE_OBJECT* pdo) const;

  NTSTATUS create(PDRIVER_OBJECT driver, ULONG extension_bytes, DEVICE_TYPE type, ULONG characteristics,
                  PDEVICE_OBJECT* device, DriverImage* image);
  void destroy(PDEVICE_OBJECT device, DriverImage* image);
  PDEVICE_OBJECT attach(PDEVICE_OBJECT source, PDEVICE_OBJECT target);
  void detach(PDEVICE_OBJECT target, DriverImage* image);

  NTSTATUS call(PDEVICE_OBJECT device, PIRP irp, DriverImage* image);
  void complete(PIRP irp, DriverImage* image);
  bool forward_and_wait(PDEVICE_OBJECT device, PIRP irp, DriverImage* image);

  /// Sends IRP_MJ_PNP to the top of the PDO's stack and waits until it is completed; its final status.
  /// @param resources  of IRP_MN_START_DEVICE, translated
  NTSTATUS send_pnp(PDEVICE_OBJECT pdo, UCHAR minor, PCM_RESOURCE_LIST resources);

  [[nodiscard]] std::string leaks(const DriverImage& image) const;

 private:
  struct Device;
  struct Request;

  static NTSTATUS refuse(PDEVICE_OBJECT device, PIRP irp);
  static NTSTATUS serve_bus(PDEVICE_OBJECT pdo, PIRP irp);

  Kernel& kernel_;
  DRIVER_OBJECT bus_driver_{};
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<Request*> requests_;  // under way
  sc_core::sc_event completed_;
};

}  // namespace iommu::platform::lab
