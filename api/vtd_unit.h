// One VT-d unit's registers as system software handles them.
//
// What it does: reads and writes registers by their description, knows VER, CAP and ECAP, polls with a limit, and
// changes GCMD by the rules of specification 11.4.4 (one control at a time, rebuilt from GSTS). What it does not do:
// tables, invalidation, policy. Reading, writing and polling allocate no memory unless something has to be reported.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/ports.h"
#include "models/regs/register.h"

namespace iommu::api {

class VtdUnit {
 public:
  VtdUnit(const UnitDescription& description, MemoryPort& memory, HostServices& host, std::uint64_t poll_limit);

  /// Reads VER, CAP and ECAP.
  void read_capabilities();
  [[nodiscard]] std::uint64_t ver(const regs::Field& field) const { return field.get(ver_); }
  [[nodiscard]] std::uint64_t cap(const regs::Field& field) const { return field.get(cap_); }
  [[nodiscard]] std::uint64_t ecap(const regs::Field& field) const { return field.get(ecap_); }
  /// Invalidation by registers exists (specification 6.5: below major version 6).
  [[nodiscard]] bool has_register_invalidation() const;

  [[nodiscard]] std::uint64_t read(const regs::Register& reg) const { return read_at(reg, 0); }
  void write(const regs::Register& reg, std::uint64_t value) { write_at(reg, 0, value); }
  /// The same for IVA and IOTLB, whose offsets are relative to ECAP.IRO.
  [[nodiscard]] std::uint64_t read_iotlb(const regs::Register& reg) const { return read_at(reg, iotlb_base()); }
  void write_iotlb(const regs::Register& reg, std::uint64_t value) { write_at(reg, iotlb_base(), value); }

  /// Polls until `done`; when the limit is reached, reports that `what` did not happen and gives the unit up.
  /// `done` is a function of no arguments.
  template <typename Done>
  [[nodiscard]] bool poll(const char* what, Done&& done) {
    for (std::uint64_t polls = 0; polls < poll_limit_; ++polls) {
      if (done()) return true;
      if (given_up_) return false;
      host_.relax();
    }
    no_answer(what);
    return false;
  }

  /// Sets a level control of GCMD and waits for its status.
  [[nodiscard]] bool set_control(const regs::Field& control, const regs::Field& status, bool on);
  /// GCMD.SRTP after RTADDR was written.
  [[nodiscard]] bool set_root_pointer();
  /// GCMD.WBF (CAP.RWBF = 1 only).
  [[nodiscard]] bool flush_write_buffer();

  /// The unit did not answer once: nothing on it can be relied on any more.
  [[nodiscard]] bool given_up() const { return given_up_; }
  void give_up() { given_up_ = true; }

  void report(Severity severity, const std::string& activity, const std::string& message) const;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] unsigned host_address_bits() const { return host_address_bits_; }
  [[nodiscard]] MemoryPort& memory() const { return memory_; }
  [[nodiscard]] HostServices& host() const { return host_; }

 private:
  [[nodiscard]] std::uint32_t iotlb_base() const;
  [[nodiscard]] std::uint64_t read_at(const regs::Register& reg, std::uint32_t base) const;
  void write_at(const regs::Register& reg, std::uint32_t base, std::uint64_t value);
  void command(const regs::Field& control, bool on);
  void no_answer(const char* what);

  std::string name_;
  RegisterPort& registers_;
  unsigned host_address_bits_;
  MemoryPort& memory_;
  HostServices& host_;
  std::uint64_t poll_limit_;
  std::unique_ptr<Mutex> command_mutex_;  // one GCMD change at a time
  std::uint32_t ver_ = 0;
  std::uint64_t cap_ = 0;
  std::uint64_t ecap_ = 0;
  bool given_up_ = false;
};

}  // namespace iommu::api
