// Registers and in-memory records described once, as constexpr values.
//
// What it does: names bit fields, says how software may access each, checks a whole register map at compile time, and
// applies one write by those rules. What it does not do: keep values (regs::RegisterBank) or know any particular device
// (models/vtd).
#pragma once

#include <cstddef>
#include <cstdint>

namespace iommu::regs {

/// How software may access a field. "V" fields (hardware changes them) are read-only or write-one-to-clear here.
enum class Access : std::uint8_t {
  ReadOnly,         ///< writes are ignored
  ReadWrite,        ///< reads return the last written value
  WriteOneToClear,  ///< writing 1 clears the bit, writing 0 leaves it
  WriteOnly,        ///< writes take effect, reads return 0
};

/// A bit field of a 32- or 64-bit word: bits lsb + width - 1 down to lsb.
struct Field {
  const char* name;
  std::uint8_t lsb;
  std::uint8_t width;
  Access access = Access::ReadWrite;

  /// The field's bits, in place.
  [[nodiscard]] constexpr std::uint64_t mask() const {
    return (width >= 64 ? ~std::uint64_t{0} : ((std::uint64_t{1} << width) - 1)) << lsb;
  }
  /// The field's value in `word`, shifted down to bit 0.
  [[nodiscard]] constexpr std::uint64_t get(std::uint64_t word) const { return (word & mask()) >> lsb; }
  /// `word` with the field replaced; bits of `value` beyond the field's width are dropped.
  [[nodiscard]] constexpr std::uint64_t set(std::uint64_t word, std::uint64_t value) const {
    return (word & ~mask()) | ((value << lsb) & mask());
  }
  /// A word of zeros with just this field.
  [[nodiscard]] constexpr std::uint64_t of(std::uint64_t value) const { return set(0, value); }
};

/// One register: where it is, how wide, its fields. Bits that no field covers are reserved: they read 0 and ignore
/// writes.
struct Register {
  const char* name;
  std::uint32_t offset;  ///< bytes from the start of the register window; the first instance's where there are several
  std::uint8_t width_bits;  ///< 32 or 64
  std::uint64_t reset;      ///< value after power-on
  std::uint64_t sticky;     ///< bits that survive a warm reset
  const Field* fields;
  std::size_t field_count;

  template <std::size_t N>
  constexpr Register(const char* n, std::uint32_t o, std::uint8_t w, std::uint64_t r, const Field (&f)[N],
                     std::uint64_t s = 0)
      : name(n), offset(o), width_bits(w), reset(r), sticky(s), fields(f), field_count(N) {}

  /// All bits whose fields have this access.
  [[nodiscard]] constexpr std::uint64_t bits(Access access) const {
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < field_count; ++i) {
      if (fields[i].access == access) all |= fields[i].mask();
    }
    return all;
  }
};

/// The value of a register after software wrote `written` to the bits in `lanes` (byte lanes of a narrower access).
/// Read-only and reserved bits keep their old value; write-only bits show up in the result so that a hook can see them:
/// the bank does not store them.
[[nodiscard]] constexpr std::uint64_t apply_write(const Register& reg, std::uint64_t old_value, std::uint64_t written,
                                                  std::uint64_t lanes = ~std::uint64_t{0}) {
  const std::uint64_t plain = (reg.bits(Access::ReadWrite) | reg.bits(Access::WriteOnly)) & lanes;
  const std::uint64_t cleared = reg.bits(Access::WriteOneToClear) & lanes & written;
  return (((old_value & ~plain) | (written & plain)) & ~cleared);
}

/// True when no two fields overlap, every field fits its register, and name, width and alignment are in order.
[[nodiscard]] constexpr bool well_formed(const Register& reg) {
  if (reg.width_bits != 32 && reg.width_bits != 64) return false;
  if (reg.offset % (reg.width_bits / 8u) != 0) return false;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < reg.field_count; ++i) {
    const Field& field = reg.fields[i];
    if (field.width == 0 || field.lsb + field.width > reg.width_bits) return false;
    if ((seen & field.mask()) != 0) return false;
    seen |= field.mask();
  }
  return (reg.reset & ~seen) == 0 && (reg.sticky & ~seen) == 0;
}

/// True when every register is well formed and no two of the array overlap.
template <std::size_t N>
[[nodiscard]] constexpr bool well_formed(const Register* const (&map)[N]) {
  for (std::size_t i = 0; i < N; ++i) {
    if (!well_formed(*map[i])) return false;
    for (std::size_t j = 0; j < i; ++j) {
      const std::uint32_t i_end = map[i]->offset + map[i]->width_bits / 8u;
      const std::uint32_t j_end = map[j]->offset + map[j]->width_bits / 8u;
      if (map[i]->offset < j_end && map[j]->offset < i_end) return false;
    }
  }
  return true;
}

}  // namespace iommu::regs
