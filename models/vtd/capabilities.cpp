#include "models/vtd/capabilities.h"

#include <algorithm>

#include "models/vtd/records.h"
#include "models/vtd/register_map.h"

namespace iommu::vtd {

bool Capabilities::supports_levels(unsigned count) const {
  return std::find(levels.begin(), levels.end(), count) != levels.end();
}

std::string validate(const Capabilities& c) {
  const auto number = [](unsigned value) { return std::to_string(value); };
  if (c.version_major < 1 || c.version_major > 7) {
    return "version_major is " + number(c.version_major) + ": 1 to 7 are allowed";
  }
  if (c.host_address_bits < 32 || c.host_address_bits > 52) {
    return "host_address_bits is " + number(c.host_address_bits) + ": 32 to 52 are allowed";
  }
  if (c.levels.empty()) return "levels is empty: at least one of 3, 4, 5 is needed";
  for (const unsigned count : c.levels) {
    if (count < 3 || count > 5) return "levels has " + number(count) + ": 3, 4 and 5 are allowed";
  }
  if (c.mgaw_bits < c.host_address_bits || c.mgaw_bits > 57) {
    return "mgaw_bits is " + number(c.mgaw_bits) + ": host_address_bits (" + number(c.host_address_bits) +
           ") to 57 are allowed";
  }
  const unsigned deepest = *std::max_element(c.levels.begin(), c.levels.end());
  if (c.mgaw_bits > input_bits_of_levels(deepest)) {
    return "mgaw_bits is " + number(c.mgaw_bits) + ": the deepest table of levels reaches " +
           number(input_bits_of_levels(deepest)) + " bits";
  }
  if (c.large_page_level < 1 || c.large_page_level > 3) {
    return "large_page_level is " + number(c.large_page_level) + ": 1 to 3 are allowed";
  }
  if (c.domain_bits < 4 || c.domain_bits > 16 || c.domain_bits % 2 != 0) {
    return "domain_bits is " + number(c.domain_bits) + ": 4, 6, 8, 10, 12, 14 and 16 are allowed";
  }
  if (c.fault_records < 1 || c.fault_records > 256) {
    return "fault_records is " + number(c.fault_records) + ": 1 to 256 are allowed";
  }
  if (c.max_address_mask > 63) return "max_address_mask is " + number(c.max_address_mask) + ": 0 to 63 are allowed";
  if (!c.register_invalidation() && !c.queued_invalidation) {
    return "queued_invalidation is false: from version_major 6 on there is no other invalidation";
  }
  return {};
}

std::uint32_t ver_value(const Capabilities& c) { return static_cast<std::uint32_t>(ver::MAX.of(c.version_major)); }

std::uint64_t cap_value(const Capabilities& c) {
  std::uint64_t sagaw = 0;
  for (const unsigned count : c.levels) sagaw |= std::uint64_t{1} << address_width_code(count);
  // 1 GiB implies 2 MiB: levels 1, 2, 3 give 0, 1, 3.
  const std::uint64_t large_pages = (std::uint64_t{1} << (c.large_page_level - 1)) - 1;
  return cap::ND.of((c.domain_bits - 4) / 2) | cap::PLMR.of(c.plmr) | cap::PHMR.of(c.phmr) |
         cap::CM.of(c.caching_mode) | cap::SAGAW.of(sagaw) | cap::MGAW.of(c.mgaw_bits - 1) |
         cap::ZLR.of(c.zero_length_read) | cap::FRO.of(fault_records_offset(c) / 16) | cap::SSLPS.of(large_pages) |
         cap::PSI.of(c.page_selective) | cap::NFR.of(c.fault_records - 1) |
         cap::MAMV.of(c.page_selective ? c.max_address_mask : 0) | cap::DWD.of(1) | cap::DRD.of(1) |
         cap::ESRTPS.of(c.esrtps);
}

std::uint64_t ecap_value(const Capabilities& c) {
  return ecap::C.of(c.coherent_walk) | ecap::QI.of(c.queued_invalidation) | ecap::PT.of(c.pass_through) |
         ecap::SC.of(c.snoop_control) | ecap::IRO.of(kIotlbRegistersOffset / 16);
}

std::uint32_t fault_records_offset(const Capabilities& c) { return c.fault_records <= 160 ? 0x600 : 0x1000; }

std::uint32_t window_bytes(const Capabilities& c) { return c.fault_records <= 160 ? 0x1000 : 0x2000; }

std::vector<regs::PlacedRegister> place_registers(const Capabilities& c) {
  std::vector<regs::PlacedRegister> placed;
  for (const regs::Register* reg : MAP) {
    // Absent features leave reserved offsets behind.
    const bool queue = reg->offset >= IQH.offset && reg->offset <= IQERCD.offset;
    if (queue && !c.queued_invalidation) continue;
    if ((reg == &PLMBASE || reg == &PLMLIMIT) && !c.plmr) continue;
    if ((reg == &PHMBASE || reg == &PHMLIMIT) && !c.phmr) continue;
    if (reg == &PMEN && !c.plmr && !c.phmr) continue;
    placed.push_back({reg, reg->offset, 0});
  }
  placed.push_back({&IVA, kIotlbRegistersOffset + IVA.offset, 0});
  placed.push_back({&IOTLB, kIotlbRegistersOffset + IOTLB.offset, 0});
  for (std::uint32_t i = 0; i < c.fault_records; ++i) {
    const std::uint32_t base = fault_records_offset(c) + i * frcd::kBytes;
    placed.push_back({&FRCD_LO, base + FRCD_LO.offset, i});
    placed.push_back({&FRCD_HI, base + FRCD_HI.offset, i});
  }
  return placed;
}

}  // namespace iommu::vtd
