// One run of the machine in which one call of the interface is looked at.
//
// What it does: the steps of a driver that bring a machine to where a call makes sense, each of them named, and the call itself, whose place
// in the log it remembers. What it does not do: choose steps (explain_cases.cpp), decode accesses (transaction_decoder.h). It runs on a
// thread of the modeled host.
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "platform/explanation.h"
#include "platform/machine.h"

namespace iommu::platform {

class ExplainSession {
 public:
  /// `log` is the one that the machine's monitor writes to.
  ExplainSession(Machine& machine, const AccessLog& log) : machine_(machine), log_(log) {}

  // Steps. Each is false when a call was refused; refused() then says which one, unless the call that matters has been made.

  /// IoGetIommuInterfaceEx.
  bool open();
  bool create_device();
  /// @param allocator  a buddy allocator of ddi.address_width_bits; Translate only
  bool create_domain(IOMMU_DMA_DOMAIN_TYPE type, bool allocator);
  bool attach();
  bool detach();
  /// Device, Translate domain and attachment.
  bool bring_up(bool allocator = true);
  /// Maps `pages` contiguous pages, aligned to their size, where the allocator wants them: `logical`.
  bool map(std::uint64_t pages);
  bool map_identity();
  bool reserve();
  bool map_reserved();
  bool report_faults();
  bool register_callback();

  /// The call that matters: an expression that gives an NTSTATUS, or nothing. Only the first one counts.
  template <class Call>
  void explain(Call call) {
    if (explained_) return;
    begin(true);
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      result_.has_status = false;
    } else {
      result_.status = call();
    }
    end();
  }
  /// The same for what is no member of the interface: its accesses are outside of calls.
  void explain_open();

  [[nodiscard]] DMA_IOMMU_INTERFACE_V2& v2() { return interface_.V2; }
  [[nodiscard]] PDEVICE_OBJECT pdo() const { return machine_.pdo(0); }
  [[nodiscard]] const DdiConfig& settings() const { return machine_.config.ddi; }
  /// Physical memory for a driver's data: contiguous, aligned to its size rounded up to a power of two.
  [[nodiscard]] core::Address buffer(std::uint64_t pages);
  /// A descriptor of `pages` contiguous pages of new physical memory.
  [[nodiscard]] IOMMU_MAP_PHYSICAL_ADDRESS contiguous(std::uint64_t pages);

  PIOMMU_DMA_DEVICE device = nullptr;
  PIOMMU_DMA_DOMAIN domain = nullptr;
  IOMMU_DMA_LOGICAL_ADDRESS logical = 0;
  IOMMU_MAP_PHYSICAL_ADDRESS identity{};  ///< of map_identity()
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT segment{};
  DEVICE_FAULT_CONFIGURATION fault_configuration{};
  IOMMU_INTERFACE_STATE_CHANGE_FIELDS fields{};

  /// What was found out, without accesses. To be read when the run is over.
  [[nodiscard]] const ExplainedCall& result() const { return result_; }
  /// Number of the call in the log; nothing when it was not made, or is no member of the interface.
  [[nodiscard]] std::optional<std::size_t> logged_call() const { return logged_call_; }

 private:
  bool step(const std::string& name, NTSTATUS status);
  void begin(bool member);
  void end();

  Machine& machine_;
  const AccessLog& log_;
  DMA_IOMMU_INTERFACE_EX interface_{};
  ExplainedCall result_;
  bool explained_ = false;
  std::optional<std::size_t> logged_call_;
  std::size_t diagnostics_before_ = 0;
};

/// Callbacks that do nothing, for whatever wants one.
VOID ignore_state_change(PIOMMU_INTERFACE_STATE_CHANGE state_change, PVOID context);
VOID ignore_fault(PVOID context, PFAULT_INFORMATION information);

}  // namespace iommu::platform
