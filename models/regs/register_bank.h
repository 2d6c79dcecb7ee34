// The values of a window of registers, with the access rules of each.
//
// What it does: resets, reads and writes by offset and size with the rules of regs::Register, and tells the caller what
// a write changed so that it can act on it. What it does not do: act. Handshakes, interrupts and queues belong to the
// device model.
#pragma once

#include <cstdint>
#include <vector>

#include "models/regs/register.h"

namespace iommu::regs {

/// A register at its place; `instance` counts repeated ones (fault records).
struct PlacedRegister {
  const Register* definition;
  std::uint32_t offset;
  std::uint32_t instance;
};

/// What one software write did.
struct WriteEffect {
  const PlacedRegister* where = nullptr;  ///< nullptr: the access was refused or hit no register, nothing changed
  std::uint64_t old_value = 0;            ///< whole register before the write
  std::uint64_t new_value = 0;            ///< whole register after it; write-only bits as written
  std::uint64_t written = 0;              ///< what software put on the byte lanes, in place
  std::uint64_t lanes = 0;                ///< which bits of the register the access covered
};

class RegisterBank {
 public:
  /// `window_bytes` is the size of the register window, a multiple of 8; registers may not overlap or leave it.
  RegisterBank(std::uint32_t window_bytes, std::vector<PlacedRegister> registers);

  /// Power-on values everywhere; with `keep_sticky` bits marked sticky keep their value (warm reset).
  void reset(bool keep_sticky);

  /// A software read. Only naturally aligned 4- and 8-byte accesses that stay inside one register are defined, and
  /// 8-byte ones that touch no register at all: anything else reads as all ones. Unlisted offsets read 0, write-only
  /// fields too.
  [[nodiscard]] std::uint64_t read(std::uint32_t offset, std::uint32_t size_bytes) const;

  /// A software write, by the rules of read(); a refused access changes nothing.
  WriteEffect write(std::uint32_t offset, std::uint32_t size_bytes, std::uint64_t value);

  /// The hardware side: any bit, no rules.
  [[nodiscard]] std::uint64_t get(std::uint32_t offset) const { return values_[slot_[offset / 4] & kIndexMask]; }
  void set(std::uint32_t offset, std::uint64_t value) { values_[slot_[offset / 4] & kIndexMask] = value; }
  [[nodiscard]] std::uint64_t get(const Register& reg) const { return get(reg.offset); }
  void set(const Register& reg, std::uint64_t value) { set(reg.offset, value); }

  [[nodiscard]] const std::vector<PlacedRegister>& registers() const { return registers_; }
  [[nodiscard]] std::uint32_t window_bytes() const { return window_bytes_; }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr std::uint32_t kUpperHalf = 0x80000000;  // slot is the upper dword of a 64-bit register
  static constexpr std::uint32_t kIndexMask = 0x7FFFFFFF;

  struct Place {
    bool defined = false;         // the access is one of the defined shapes
    std::uint32_t index = kNone;  // register, or kNone for a reserved offset
    unsigned shift = 0;           // of the access in the register
  };
  [[nodiscard]] Place place(std::uint32_t offset, std::uint32_t size_bytes) const;

  std::uint32_t window_bytes_;
  std::vector<PlacedRegister> registers_;
  std::vector<std::uint64_t> values_;
  std::vector<std::uint32_t> slot_;  // by dword of the window
};

}  // namespace iommu::regs
