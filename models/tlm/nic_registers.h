// The NIC as its driver sees it: registers and descriptors, each described once.
//
// What it does: offsets, fields and access of the registers, the layout of a descriptor, and the rules that a driver
// keeps. What it does not do: hold values. The device is nobody's: a plain one with two rings, made for this simulator.
//
// Rings: `SIZE` descriptors of 16 bytes from BASE on. The driver writes descriptors, then TAIL: the NIC owns those from
// HEAD up to the one before TAIL (HEAD = TAIL: none, so one always stays with the driver). HEAD advances, in order,
// when a descriptor's completion has been written to memory. Setting CTRL.ENABLE puts HEAD and TAIL to 0; BASE and SIZE
// may be written only while ENABLE is clear and STATUS.IDLE is set, TAIL only while STATUS.ENABLED is set and only with
// less than SIZE. A write against these rules changes nothing and sets STATUS.BAD_WRITE.
//
// After clearing ENABLE the driver waits for STATUS.IDLE: what was begun is finished, all other descriptors are
// forgotten. ENABLE set again while not idle takes effect when idle.
//
// Payloads: a received packet with TAG p holds the bytes that models/core/payload_pattern.h derives from p, so that a
// driver can check them. A transmitted packet's bytes are compared with those of its TAG and counted in TX_CORRUPTED
// when they differ; TAG 0xFFFFFFFF says that the driver sends bytes of its own, which the NIC reads and doesn't compare.
//
// A device that was taken out of its slot answers no access: the host reads all ones.
#pragma once

#include <cstdint>

#include "models/regs/register.h"

namespace iommu::sim::nic {

using regs::Access;
using regs::Field;
using regs::Register;

inline constexpr std::uint32_t kWindowBytes = 0x1000;

namespace ctrl {
inline constexpr Field ENABLE{"ENABLE", 0, 1};  ///< both rings work, packets are received
inline constexpr Field kFields[] = {ENABLE};
}  // namespace ctrl
inline constexpr Register CTRL{"CTRL", 0x000, 32, 0, ctrl::kFields};

namespace status {
inline constexpr Field ENABLED{"ENABLED", 0, 1, Access::ReadOnly};  ///< ENABLE has taken effect
inline constexpr Field IDLE{"IDLE", 1, 1, Access::ReadOnly};        ///< no DMA under way, nothing begun
inline constexpr Field RX_BAD{"RX_BAD", 2, 1, Access::ReadOnly};    ///< enabled with an RX_SIZE of 1 or above 65536
inline constexpr Field TX_BAD{"TX_BAD", 3, 1, Access::ReadOnly};    ///< the same of TX_SIZE
inline constexpr Field BAD_WRITE{"BAD_WRITE", 4, 1, Access::WriteOneToClear};  ///< a write was against the rules
inline constexpr Field kFields[] = {ENABLED, IDLE, RX_BAD, TX_BAD, BAD_WRITE};
}  // namespace status
inline constexpr Register STATUS{"STATUS", 0x004, 32, status::IDLE.of(1), status::kFields};

// A completed packet sends an interrupt message: DATA written to ADDRESS, when ENABLE is set.
namespace int_address {
inline constexpr Field ADDRESS{"ADDRESS", 2, 62};  ///< bits 63:2
inline constexpr Field kFields[] = {ADDRESS};
}  // namespace int_address
inline constexpr Register INT_ADDRESS{"INT_ADDRESS", 0x010, 64, 0, int_address::kFields};
namespace int_data {
inline constexpr Field DATA{"DATA", 0, 32};
inline constexpr Field kFields[] = {DATA};
}  // namespace int_data
inline constexpr Register INT_DATA{"INT_DATA", 0x018, 32, 0, int_data::kFields};
namespace int_ctrl {
inline constexpr Field ENABLE{"ENABLE", 0, 1};
inline constexpr Field kFields[] = {ENABLE};
}  // namespace int_ctrl
inline constexpr Register INT_CTRL{"INT_CTRL", 0x01C, 32, 0, int_ctrl::kFields};

namespace ring_base {
inline constexpr Field ADDRESS{"ADDRESS", 4, 60};  ///< bits 63:4, as the device addresses memory
inline constexpr Field kFields[] = {ADDRESS};
}  // namespace ring_base
namespace ring_size {
inline constexpr Field ENTRIES{"ENTRIES", 0, 17};  ///< 2 to 65536; 0: no ring
inline constexpr Field kFields[] = {ENTRIES};
}  // namespace ring_size
namespace ring_head {
inline constexpr Field INDEX{"INDEX", 0, 16, Access::ReadOnly};
inline constexpr Field kFields[] = {INDEX};
}  // namespace ring_head
namespace ring_tail {
inline constexpr Field INDEX{"INDEX", 0, 16};
inline constexpr Field kFields[] = {INDEX};
}  // namespace ring_tail
inline constexpr Register RX_BASE{"RX_BASE", 0x100, 64, 0, ring_base::kFields};
inline constexpr Register RX_SIZE{"RX_SIZE", 0x108, 32, 0, ring_size::kFields};
inline constexpr Register RX_HEAD{"RX_HEAD", 0x10C, 32, 0, ring_head::kFields};
inline constexpr Register RX_TAIL{"RX_TAIL", 0x110, 32, 0, ring_tail::kFields};
inline constexpr Register TX_BASE{"TX_BASE", 0x200, 64, 0, ring_base::kFields};
inline constexpr Register TX_SIZE{"TX_SIZE", 0x208, 32, 0, ring_size::kFields};
inline constexpr Register TX_HEAD{"TX_HEAD", 0x20C, 32, 0, ring_head::kFields};
inline constexpr Register TX_TAIL{"TX_TAIL", 0x210, 32, 0, ring_tail::kFields};

// Counters since the start of the simulation.
namespace counter {
inline constexpr Field COUNT{"COUNT", 0, 64, Access::ReadOnly};
inline constexpr Field kFields[] = {COUNT};
}  // namespace counter
inline constexpr Register RX_PACKETS{"RX_PACKETS", 0x300, 64, 0, counter::kFields};
inline constexpr Register RX_BYTES{"RX_BYTES", 0x308, 64, 0, counter::kFields};
inline constexpr Register RX_DROPPED{"RX_DROPPED", 0x310, 64, 0, counter::kFields};
inline constexpr Register RX_ERRORS{"RX_ERRORS", 0x318, 64, 0, counter::kFields};
inline constexpr Register TX_PACKETS{"TX_PACKETS", 0x320, 64, 0, counter::kFields};
inline constexpr Register TX_BYTES{"TX_BYTES", 0x328, 64, 0, counter::kFields};
inline constexpr Register TX_ERRORS{"TX_ERRORS", 0x330, 64, 0, counter::kFields};
inline constexpr Register TX_CORRUPTED{"TX_CORRUPTED", 0x338, 64, 0, counter::kFields};
inline constexpr Register INTERRUPTS{"INTERRUPTS", 0x340, 64, 0, counter::kFields};
inline constexpr Register DMA_ERRORS{"DMA_ERRORS", 0x348, 64, 0, counter::kFields};

inline constexpr const Register* kMap[] = {&CTRL,     &STATUS,     &INT_ADDRESS,  &INT_DATA,   &INT_CTRL,  &RX_BASE,
                                           &RX_SIZE,  &RX_HEAD,    &RX_TAIL,      &TX_BASE,    &TX_SIZE,   &TX_HEAD,
                                           &TX_TAIL,  &RX_PACKETS, &RX_BYTES,     &RX_DROPPED, &RX_ERRORS, &TX_PACKETS,
                                           &TX_BYTES, &TX_ERRORS,  &TX_CORRUPTED, &INTERRUPTS, &DMA_ERRORS};
static_assert(regs::well_formed(kMap));

/// A descriptor: word 0 is the buffer's address, word 1 everything else.
///
/// Receive: the driver gives the buffer's length; the NIC writes word 1 back with the bytes it has put there. A packet
/// that is longer than a buffer goes on in the next descriptor's; END_OF_PACKET marks its last.
/// Transmit: the driver gives length, tag and END_OF_PACKET; the NIC writes word 1 back with DONE added.
/// ERROR says that a DMA for this descriptor failed or, in a packet's last one, a DMA for any of the packet's.
namespace descriptor {
inline constexpr std::uint32_t kBytes = 16;
inline constexpr Field LENGTH{"LENGTH", 0, 16};  ///< of the buffer or of what is in it; 0: 65536 bytes
inline constexpr Field DONE{"DONE", 16, 1};      ///< the NIC is done with the descriptor
inline constexpr Field END_OF_PACKET{"END_OF_PACKET", 17, 1};
inline constexpr Field ERROR{"ERROR", 18, 1};
inline constexpr Field TAG{"TAG", 32, 32};                  ///< number of the packet, which its payload derives from
inline constexpr std::uint32_t kUncheckedTag = 0xFFFFFFFF;  ///< transmit: a payload that derives from no number
inline constexpr Field kFields[] = {LENGTH, DONE, END_OF_PACKET, ERROR, TAG};
inline constexpr Register kWord1{"WORD1", 8, 64, 0, kFields};
static_assert(regs::well_formed(kWord1));

/// 1 to 65536.
[[nodiscard]] constexpr std::uint32_t length_of(std::uint64_t word1) {
  return LENGTH.get(word1) == 0 ? 65536U : static_cast<std::uint32_t>(LENGTH.get(word1));
}
}  // namespace descriptor

}  // namespace iommu::sim::nic
