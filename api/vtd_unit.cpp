#include "api/vtd_unit.h"

#include "api/lock_guard.h"
#include "models/vtd/register_map.h"

namespace iommu::api {

VtdUnit::VtdUnit(const UnitDescription& description, MemoryPort& memory, HostServices& host, std::uint64_t poll_limit)
    : name_(description.name),
      registers_(*description.registers),
      host_address_bits_(description.host_address_bits),
      memory_(memory),
      host_(host),
      poll_limit_(poll_limit),
      command_mutex_(host.make_mutex()) {}

void VtdUnit::read_capabilities() {
  ver_ = static_cast<std::uint32_t>(read(vtd::VER));
  cap_ = read(vtd::CAP);
  ecap_ = read(vtd::ECAP);
}

bool VtdUnit::has_register_invalidation() const { return ver(vtd::ver::MAX) < 6; }

std::uint32_t VtdUnit::iotlb_base() const { return static_cast<std::uint32_t>(ecap(vtd::ecap::IRO)) * 16; }

std::uint64_t VtdUnit::read_at(const regs::Register& reg, std::uint32_t base) const {
  return reg.width_bits == 64 ? registers_.read64(base + reg.offset) : registers_.read32(base + reg.offset);
}

void VtdUnit::write_at(const regs::Register& reg, std::uint32_t base, std::uint64_t value) {
  if (reg.width_bits == 64) {
    registers_.write64(base + reg.offset, value);
  } else {
    registers_.write32(base + reg.offset, static_cast<std::uint32_t>(value));
  }
}

void VtdUnit::no_answer(const char* what) {
  give_up();
  report(Severity::Error, "waiting for hardware",
         "gave up after " + std::to_string(poll_limit_) + " polls: " + what + " did not happen");
}

void VtdUnit::command(const regs::Field& control, bool on) {
  const std::uint64_t kept = read(vtd::GSTS) & vtd::gcmd::kLevelBits;
  write(vtd::GCMD, control.set(kept, on ? 1 : 0));
}

bool VtdUnit::set_control(const regs::Field& control, const regs::Field& status, bool on) {
  const LockGuard lock(*command_mutex_);
  command(control, on);
  const std::string what = std::string("GSTS.") + status.name + " = " + (on ? "1" : "0");
  return poll(what.c_str(), [&] { return (status.get(read(vtd::GSTS)) != 0) == on; });
}

bool VtdUnit::set_root_pointer() {
  const LockGuard lock(*command_mutex_);
  command(vtd::gcmd::SRTP, true);
  return poll("GSTS.RTPS = 1", [&] { return vtd::gsts::RTPS.get(read(vtd::GSTS)) != 0; });
}

bool VtdUnit::flush_write_buffer() {
  const LockGuard lock(*command_mutex_);
  command(vtd::gcmd::WBF, true);
  return poll("GSTS.WBFS = 0", [&] { return vtd::gsts::WBFS.get(read(vtd::GSTS)) == 0; });
}

void VtdUnit::report(Severity severity, const std::string& activity, const std::string& message) const {
  host_.report(Diagnostic{severity, activity, "unit " + name_, message});
}

}  // namespace iommu::api
