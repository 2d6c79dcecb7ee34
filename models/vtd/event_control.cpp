#include "models/vtd/event_control.h"

namespace iommu::vtd {

void EventControl::condition() {
  const std::uint64_t control = bank_.get(control_);
  if (ectl::IM.get(control) != 0) {
    bank_.set(control_, ectl::IP.set(control, 1));
  } else {
    send();
  }
}

void EventControl::control_written() {
  const std::uint64_t control = bank_.get(control_);
  if (ectl::IM.get(control) == 0 && ectl::IP.get(control) != 0) send();
}

void EventControl::status_all_clear() { bank_.set(control_, ectl::IP.set(bank_.get(control_), 0)); }

void EventControl::send() {
  bank_.set(control_, ectl::IP.set(bank_.get(control_), 0));
  // The message is built from the registers as they are when it is sent.
  due_.push_back(
      {bank_.get(address_) & eaddr::ADDR.mask(), static_cast<std::uint32_t>(edata::DATA.get(bank_.get(data_)))});
}

bool EventControl::take(InterruptMessage& message) {
  if (due_.empty()) return false;
  message = due_.front();
  due_.erase(due_.begin());
  return true;
}

}  // namespace iommu::vtd
