// One event of a unit (fault, or invalidation completion) with its mask, pending bit and message registers
// (specification 7.3, 11.4.7.2, 11.4.9.5).
//
// What it does: decides when a message goes out. What it does not do: send it; it counts messages that are due, and
// gives address and data.
#pragma once

#include <cstdint>
#include <vector>

#include "models/regs/register_bank.h"
#include "models/vtd/register_map.h"

namespace iommu::vtd {

struct InterruptMessage {
  std::uint64_t address = 0;
  std::uint32_t data = 0;
};

class EventControl {
 public:
  /// The control, data and address registers of one event in `bank`.
  EventControl(regs::RegisterBank& bank, const Register& control, const Register& data, const Register& address)
      : bank_(bank), control_(control), data_(data), address_(address) {}

  /// An interrupt condition arose: sends now, or holds IP while masked.
  void condition();
  /// Software wrote the control register: a pending message goes out when IM was cleared.
  void control_written();
  /// Software has cleared every status bit of the group: a held message is dropped.
  void status_all_clear();

  /// Takes one due message.
  [[nodiscard]] bool take(InterruptMessage& message);
  void reset() { due_.clear(); }

 private:
  void send();

  regs::RegisterBank& bank_;
  const Register& control_;
  const Register& data_;
  const Register& address_;
  std::vector<InterruptMessage> due_;
};

}  // namespace iommu::vtd
