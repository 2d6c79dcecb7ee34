// Registers and in-memory records of VT-d as text for people.
//
// What it does: names fields of one value by models/vtd's register map and records. What it does not do: know where a record lies or whom it
// belongs to (memory_roles.h, transaction_decoder.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/vtd/records.h"

namespace iommu::platform {

/// Where the registers are that have no fixed place; learnt from CAP and ECAP.
struct FloatingRegisters {
  std::uint32_t iotlb = 0;          ///< ECAP.IRO * 16: IVA, IOTLB behind it; 0: not known
  std::uint32_t fault_records = 0;  ///< CAP.FRO * 16; 0: not known
  std::uint32_t fault_record_count = 0;
};

/// The access to a register: "IQT <- 0x20", "GSTS -> TES=1 RTPS=1", highest field first. Registers of up to three fields show all of
/// them, others those that are not 0. A register that the model doesn't have is "register 0x123".
/// @param offset  in the unit's window
/// @param bytes   4 or 8
[[nodiscard]] std::string register_text(const FloatingRegisters& floating, std::uint32_t offset, std::uint32_t bytes,
                                        bool write, std::uint64_t value);

/// "{P=1, CTP=0x104000}".
[[nodiscard]] std::string root_entry_text(const vtd::Record128& entry);
/// "{P=1, TT=0, DID=3, SSPTPTR=0x105000, AW=2}"; "{P=0}" when it is not present.
[[nodiscard]] std::string context_entry_text(const vtd::Record128& entry);
/// Bits 63:0 or 127:64 of one.
[[nodiscard]] std::string context_entry_half_text(std::uint64_t word, bool low);
/// "{R=1, W=1, address=0x107000}"; with PS=1 for a large page and SNP=1 where it is set; "{R=0, W=0}" when it is not present.
[[nodiscard]] std::string page_entry_text(std::uint64_t entry, unsigned level);
/// A queued invalidation descriptor of 128 bits: "IOTLB invalidate, domain-selective, DID=3, DR=1, DW=1".
[[nodiscard]] std::string descriptor_text(const vtd::Record128& descriptor);

/// The status that a wait descriptor's first word announces; nothing for other descriptors and without SW.
[[nodiscard]] std::optional<std::uint32_t> wait_data(std::uint64_t descriptor_lo);

}  // namespace iommu::platform
