// The software-visible side of one VT-d unit in legacy mode: registers, fault logging, commands, and the checks of each
// request.
//
// What it does: implements core::FrontEnd. Register writes take effect when the owner carries out the commands they
// cause (next_command), so that handshakes take time. What it does not do: time, caches, memory; scalable mode, ATS,
// page requests, interrupt remapping.
#pragma once

#include <array>

#include "models/core/front_end.h"
#include "models/vtd/capabilities.h"
#include "models/vtd/context_lookup.h"
#include "models/vtd/event_control.h"
#include "models/vtd/fault_recorder.h"
#include "models/vtd/invalidation.h"

namespace iommu::vtd {

/// Invalidation work done, by interface and granularity.
struct CommandCounters {
  std::uint64_t descriptors = 0;  ///< of the queue, valid ones
  std::uint64_t waits = 0;
  std::uint64_t context_global = 0, context_domain = 0, context_device = 0;
  std::uint64_t iotlb_global = 0, iotlb_domain = 0, iotlb_page = 0;
  std::uint64_t register_commands = 0;  ///< CCMD and IOTLB commands, ignored ones too
  std::uint64_t queue_errors = 0;
};

class FrontEnd final : public core::FrontEnd {
 public:
  /// `capabilities` must be valid (see validate()).
  explicit FrontEnd(const Capabilities& capabilities);

  [[nodiscard]] core::Gate gate(const core::Request& request) const override;
  [[nodiscard]] core::ContextStep begin_context(const core::Request& request, core::ContextState& state) const override;
  [[nodiscard]] core::ContextStep resume_context(const core::Request& request, core::ContextState& state,
                                                 const core::StructureRead& read) const override;
  [[nodiscard]] std::optional<core::Fault> check_input(const core::Request& request,
                                                       const core::AddressSpace& space) const override;
  [[nodiscard]] bool passes(const core::Request& request, const core::AddressSpace& space) const override;
  [[nodiscard]] std::optional<core::Fault> check_output(const core::Request& request, const core::AddressSpace* space,
                                                        core::Address host) const override;
  [[nodiscard]] core::Fault fault(core::FaultCause cause, const core::AddressSpace& space) const override;
  void report(const core::Request& request, const core::Fault& fault) override;

  [[nodiscard]] std::uint64_t read_register(std::uint32_t offset, std::uint32_t size_bytes) override;
  void write_register(std::uint32_t offset, std::uint32_t size_bytes, std::uint64_t value) override;
  [[nodiscard]] std::uint32_t register_window_bytes() const override { return bank_.window_bytes(); }
  void reset(bool warm) override;

  [[nodiscard]] core::Command next_command() override;
  void descriptor_read(const core::StructureRead& read) override;

  [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }
  [[nodiscard]] const regs::RegisterBank& registers() const { return bank_; }
  [[nodiscard]] const FaultCounters& fault_counters() const { return faults_.counters(); }
  [[nodiscard]] const CommandCounters& command_counters() const { return counters_; }
  void restart_counters() override;

 private:
  // Commands run as short sequences: steps for the owner, then an effect on the registers.
  enum class Effect : std::uint8_t { None, Te, Rtps, Qie, Ccmd, Iotlb, Protected, WaitDone };
  void begin_sequence(Effect effect);
  void add_step(core::Command::Kind kind);
  void add_step(const core::Command& command);
  void finish_sequence();
  bool start_work();
  bool start_global_command();
  bool start_register_invalidation();
  bool start_queue();
  void queue_error(QueueError error);
  void count(const core::ContextScope& scope);
  void count(const core::TranslationScope& scope);

  [[nodiscard]] bool translation_on() const { return gsts::TES.get(bank_.get(GSTS)) != 0; }
  [[nodiscard]] bool legacy_mode() const { return rtaddr::TTM.get(latched_rtaddr_) == rtaddr::kLegacy; }
  [[nodiscard]] bool in_protected_region(core::Address first, std::uint32_t length) const;
  void set_status(const Field& field, std::uint64_t value) { bank_.set(GSTS, field.set(bank_.get(GSTS), value)); }

  Capabilities capabilities_;
  regs::RegisterBank bank_;
  EventControl fault_event_;
  EventControl completion_event_;
  FaultRecorder faults_;
  ContextLookup contexts_;
  CommandCounters counters_;

  std::uint64_t latched_rtaddr_ = 0;
  bool wanted_te_ = false;
  bool wanted_qie_ = false;
  bool srtp_pending_ = false;
  bool drain_before_wait_ = false;

  std::array<core::Command, 6> steps_{};
  std::size_t step_count_ = 0;
  std::size_t next_step_ = 0;
  bool sequence_active_ = false;
  Effect effect_ = Effect::None;
  std::uint64_t performed_ = 0;  // CAIG or IAIG of the register command under way
  bool wait_interrupt_ = false;
};

}  // namespace iommu::vtd
