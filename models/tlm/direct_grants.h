// Direct memory access (DMI) that an initiator has been granted.
//
// What it does: keeps grants by the page that was asked for, and ranges that were refused; drops both when they are
// withdrawn. What it does not do: ask, copy data, or let an access go beyond its grant's end.
#pragma once

#include <tlm>
#include <vector>

#include "models/tlm/time.h"

namespace iommu::sim {

class DirectGrants {
 public:
  /// Pages whose grants are kept at a time; of a larger grant each page that is accessed counts.
  static constexpr std::size_t kPages = 256;

  struct Grant {
    core::Address first = 1;
    core::Address last = 0;  ///< inclusive; below `first`: nothing is granted
    unsigned char* bytes = nullptr;
    core::Tick read_latency = 0;
    core::Tick write_latency = 0;
    core::Permissions allowed = core::Permissions::None;
  };

  /// What lets `length` bytes (at least 1) at `address` be read or written, or null.
  [[nodiscard]] const Grant* find(core::Address address, std::uint32_t length, bool write) {
    if (grants_.empty()) return nullptr;
    Grant& here = grants_[(address >> core::kPageShift) % kPages];
    if (!covers(here, address) && !copy_from_another_page(here, address)) return nullptr;
    const core::Permissions wanted = write ? core::Permissions::Write : core::Permissions::Read;
    return here.last - address >= length - 1 && core::allows(here.allowed, wanted) ? &here : nullptr;
  }
  /// What get_direct_mem_ptr has granted for an access to `address`.
  void keep(core::Address address, const ::tlm::tlm_dmi& granted) {
    grants_.resize(kPages);
    grants_[(address >> core::kPageShift) % kPages] = {
        granted.get_start_address(),
        granted.get_end_address(),
        granted.get_dmi_ptr(),
        to_ticks(granted.get_read_latency()),
        to_ticks(granted.get_write_latency()),
        (granted.is_read_allowed() ? core::Permissions::Read : core::Permissions::None) |
            (granted.is_write_allowed() ? core::Permissions::Write : core::Permissions::None)};
  }

  /// Nobody should ask again here until something is withdrawn. The last such range is kept.
  void keep_refusal(core::Address first, core::Address last) {
    refused_first_ = first;
    refused_last_ = last;
  }
  [[nodiscard]] bool refused(core::Address address) const {
    return address >= refused_first_ && address <= refused_last_;
  }

  /// Whatever touches these addresses is void.
  void withdraw(core::Address first, core::Address last) {
    for (Grant& grant : grants_) {
      if (grant.first <= last && grant.last >= first) grant = Grant();
    }
    if (refused_first_ <= last && refused_last_ >= first) keep_refusal(1, 0);
  }

 private:
  static bool covers(const Grant& grant, core::Address address) {
    return address >= grant.first && address <= grant.last;
  }
  /// Large grants hold for other pages than the one that was asked for.
  bool copy_from_another_page(Grant& here, core::Address address) {
    for (const Grant& grant : grants_) {
      if (!covers(grant, address)) continue;
      here = grant;
      return true;
    }
    return false;
  }

  std::vector<Grant> grants_;  // empty until something is granted: few masters are
  core::Address refused_first_ = 1;
  core::Address refused_last_ = 0;
};

}  // namespace iommu::sim
