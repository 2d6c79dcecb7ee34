// The kernel that loaded drivers see: the functions of api/wdm_driver.h over one modeled machine.
//
// What it does: keeps memory, threads, interrupts and device objects of loaded drivers, finds itself by the running host
// thread, reports what drivers do wrong as diagnostics, and what they leave behind when they are unloaded. What it does
// not do: decide when a driver is called (lab_driver.h), know a device, or keep anything static.
//
// Whose something is: each service is called with an address in the caller's code, and that lies in one loaded image.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/wdm.h"
#include "platform/driver_lab/device_services.h"
#include "platform/driver_lab/driver_image.h"
#include "platform/driver_lab/interrupt_services.h"
#include "platform/driver_lab/memory_services.h"
#include "platform/driver_lab/thread_services.h"
#include "platform/machine.h"

namespace iommu::platform::lab {

class Kernel {
 public:
  /// `machine` outlives the kernel.
  explicit Kernel(Machine& machine);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// Of the calling host thread; null outside of any, and on a machine without loaded drivers.
  [[nodiscard]] static Kernel* current();

  /// The image of a shared object, opened once however many devices name it. Throws LoadError.
  [[nodiscard]] DriverImage& load(const std::filesystem::path& file);
  /// The image that `code` belongs to, or null.
  [[nodiscard]] DriverImage* image_of(const void* code) const;

  /// A diagnostic about the image.
  void report(api::Severity severity, const char* function, const DriverImage* image, const std::string& message);
  /// The same once for each function, message and image: for what a driver may do in a loop.
  void report_once(api::Severity severity, const char* function, const DriverImage* image, const std::string& message);
  /// Reports, one diagnostic for each kind, what the image still has.
  void report_leaks(DriverImage& image);

  Machine& machine;
  MemoryServices memory;
  ThreadServices threads;
  InterruptServices interrupts;
  DeviceServices devices;

 private:
  std::vector<std::unique_ptr<DriverImage>> images_;
  std::set<std::string> reported_;
};

}  // namespace iommu::platform::lab
