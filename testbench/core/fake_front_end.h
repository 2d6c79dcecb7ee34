// A front end that does what a test tells it: no registers, no tables of any architecture.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "models/core/front_end.h"

namespace iommu::test {

class FakeFrontEnd final : public core::FrontEnd {
 public:
  core::Gate gate_result;
  std::deque<core::ContextStep> context_steps;  ///< what begin_context() and then each resume_context() answer
  std::optional<core::Fault> input_fault;
  std::optional<core::Fault> output_fault;
  std::deque<core::Command> commands;

  // What was asked.
  mutable std::vector<core::StructureRead> context_reads;
  mutable std::vector<core::Address> outputs;
  mutable std::vector<bool> output_had_space;
  std::vector<core::Fault> reported;
  std::vector<core::StructureRead> descriptors;
  std::vector<bool> resets;

  static core::ContextStep read(core::Address address, std::uint32_t bytes) {
    core::ContextStep step;
    step.kind = core::ContextStep::Kind::Read;
    step.address = address;
    step.bytes = bytes;
    return step;
  }
  static core::ContextStep resolved(const core::AddressSpace& space) {
    core::ContextStep step;
    step.kind = core::ContextStep::Kind::Resolved;
    step.space = space;
    return step;
  }
  static core::ContextStep failed(core::Fault fault) {
    core::ContextStep step;
    step.kind = core::ContextStep::Kind::Fault;
    step.fault = fault;
    return step;
  }

  [[nodiscard]] core::Gate gate(const core::Request&) const override { return gate_result; }
  [[nodiscard]] core::ContextStep begin_context(const core::Request&, core::ContextState& state) const override {
    state.phase = 1;
    return context_steps.at(0);
  }
  [[nodiscard]] core::ContextStep resume_context(const core::Request&, core::ContextState& state,
                                                 const core::StructureRead& structure) const override {
    context_reads.push_back(structure);
    return context_steps.at(state.phase++);
  }
  [[nodiscard]] bool passes(const core::Request&, const core::AddressSpace&) const override { return false; }
  [[nodiscard]] std::optional<core::Fault> check_input(const core::Request&, const core::AddressSpace&) const override {
    return input_fault;
  }
  [[nodiscard]] std::optional<core::Fault> check_output(const core::Request&, const core::AddressSpace* space,
                                                        core::Address host) const override {
    outputs.push_back(host);
    output_had_space.push_back(space != nullptr);
    return output_fault;
  }
  /// Codes are 0x40 and the number of the cause.
  [[nodiscard]] core::Fault fault(core::FaultCause cause, const core::AddressSpace& space) const override {
    return {static_cast<std::uint8_t>(0x40 + static_cast<int>(cause)), !space.suppress_faults};
  }
  void report(const core::Request&, const core::Fault& fault) override { reported.push_back(fault); }

  [[nodiscard]] std::uint64_t read_register(std::uint32_t offset, std::uint32_t size_bytes) override {
    return offset * 100 + size_bytes;
  }
  void write_register(std::uint32_t, std::uint32_t, std::uint64_t) override {}
  [[nodiscard]] std::uint32_t register_window_bytes() const override { return 0x1000; }
  void reset(bool warm) override { resets.push_back(warm); }
  [[nodiscard]] core::Command next_command() override {
    if (commands.empty()) return {};
    const core::Command next = commands.front();
    commands.pop_front();
    return next;
  }
  void descriptor_read(const core::StructureRead& structure) override { descriptors.push_back(structure); }
};

}  // namespace iommu::test
