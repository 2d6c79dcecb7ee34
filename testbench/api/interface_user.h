// A test's machine as drivers see it: one System, its devices by name, and its tables of functions.
//
// What it does: keeps the physical device objects and the current machine (iommu::api::current_system()), and has short
// forms of calls that must succeed. What it does not do: provide memory, registers or host services; fake_machine.h
// and modeled_machine.h do.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/ports.h"
#include "api/system.h"

namespace testing_api {

class InterfaceUser {
 public:
  InterfaceUser() = default;
  InterfaceUser(const InterfaceUser&) = delete;
  InterfaceUser& operator=(const InterfaceUser&) = delete;
  virtual ~InterfaceUser();

  iommu::api::SystemDescription description;
  std::unique_ptr<iommu::api::System> system;
  DMA_IOMMU_INTERFACE_EX interface {};   ///< version 2, after open()
  DMA_IOMMU_INTERFACE_EX interface_1{};  ///< version 1, after v1()

  /// Makes this machine the current one and gets its version 2 table.
  NTSTATUS open();
  /// open() that must succeed.
  const DMA_IOMMU_INTERFACE_V2& v2();
  /// The same for version 1.
  const DMA_IOMMU_INTERFACE_V1& v1();
  void make_current();
  PDEVICE_OBJECT pdo(const std::string& name) const;

  // Short forms that must succeed.
  PIOMMU_DMA_DEVICE device(const std::string& name);
  PIOMMU_DMA_DOMAIN domain(unsigned buddy_width = 0, PIOMMU_DMA_RESERVED_REGION regions = nullptr);
  PIOMMU_DMA_DOMAIN pass_through();

 protected:
  /// Fills description.pdos. nic0 (00:03.0) and disk0 (01:00.0) behind unit 0; gpu0 behind unit 0 with 02:00.0 and
  /// 02:02.0; usb0 behind no unit; odd0 behind unit 0 without a requester id; eth1 (00:03.0) behind unit 1, when there
  /// is one; fn0, fn1, ... (03:00.0 and on) behind unit 0, at most 256.
  void add_devices(std::size_t units, unsigned extra_devices);
  /// Makes the system of the description, and the current one.
  void make_system();
  /// Ends the system; called by derived classes before what it uses goes.
  void close();

 private:
  std::map<std::string, std::unique_ptr<char>> objects_;
};

}  // namespace testing_api
