// What one VT-d unit can do, and how CAP, ECAP and VER tell software so (specification 11.4.1 to 11.4.3).
//
// What it does: holds the architectural choices of a unit, checks that they make sense together, builds the capability
// registers from them and lays out the register window. What it does not do: timing and cache sizes (they are not
// architecture).
//
// Not modeled, hence always reported as absent: scalable mode, PASID, first-stage tables, device TLBs (ATS), page
// requests, interrupt remapping and posting, memory types, advanced fault log, write-buffer flushing (CAP.RWBF = 0),
// enhanced commands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/regs/register_bank.h"

namespace iommu::vtd {

struct Capabilities {
  unsigned version_major = 1;             ///< VER.MAX, 1 to 7; from 6 on register-based invalidation does not exist
  unsigned host_address_bits = 46;        ///< HAW, 32 to 52
  unsigned mgaw_bits = 48;                ///< maximum guest address width, host_address_bits to 57
  std::vector<unsigned> levels = {3, 4};  ///< second-stage depths offered in CAP.SAGAW: any of 3, 4, 5
  unsigned large_page_level = 3;          ///< 1: 4 KiB leaves only, 2: also 2 MiB, 3: also 1 GiB
  unsigned domain_bits = 16;              ///< width of a domain id: 4, 6, ... 16 (CAP.ND)
  unsigned fault_records = 8;             ///< 1 to 256 (CAP.NFR + 1)
  unsigned max_address_mask = 18;         ///< CAP.MAMV, 0 to 63; has a meaning with page_selective only
  bool queued_invalidation = true;        ///< ECAP.QI; must be true from version 6 on
  bool pass_through = true;               ///< ECAP.PT
  bool zero_length_read = true;           ///< CAP.ZLR
  bool caching_mode = false;              ///< CAP.CM
  bool page_selective = true;             ///< CAP.PSI
  bool plmr = true;                       ///< protected low memory region
  bool phmr = true;                       ///< protected high memory region
  bool snoop_control = true;              ///< ECAP.SC
  bool coherent_walk = true;              ///< ECAP.C
  bool esrtps = false;                    ///< CAP.ESRTPS: setting the root pointer invalidates all caches

  [[nodiscard]] bool supports_levels(unsigned count) const;
  /// Register-based invalidation works (6.5: below major version 6).
  [[nodiscard]] bool register_invalidation() const { return version_major < 6; }
  /// An enabled protected region blocks translated requests too (from major version 2 on).
  [[nodiscard]] bool protects_translated() const { return version_major >= 2; }
};

/// Empty when the choices fit together; else one sentence that names the first one that does not and what is allowed.
[[nodiscard]] std::string validate(const Capabilities& capabilities);

[[nodiscard]] std::uint32_t ver_value(const Capabilities& capabilities);
[[nodiscard]] std::uint64_t cap_value(const Capabilities& capabilities);
[[nodiscard]] std::uint64_t ecap_value(const Capabilities& capabilities);

/// Where the movable registers stand in this model: bytes from the start of the window.
inline constexpr std::uint32_t kIotlbRegistersOffset = 0x500;
/// 0x600, or 0x1000 when the records do not fit below 4 KiB.
[[nodiscard]] std::uint32_t fault_records_offset(const Capabilities& capabilities);
/// Size of the window: 4 KiB, or 8 KiB with more than 160 fault records.
[[nodiscard]] std::uint32_t window_bytes(const Capabilities& capabilities);
/// Every register of the unit at its place.
[[nodiscard]] std::vector<regs::PlacedRegister> place_registers(const Capabilities& capabilities);

}  // namespace iommu::vtd
