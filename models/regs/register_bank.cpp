#include "models/regs/register_bank.h"

#include <utility>

namespace iommu::regs {

RegisterBank::RegisterBank(std::uint32_t window_bytes, std::vector<PlacedRegister> registers)
    : window_bytes_(window_bytes),
      registers_(std::move(registers)),
      values_(registers_.size(), 0),
      slot_(window_bytes / 4, kNone) {
  for (std::uint32_t i = 0; i < registers_.size(); ++i) {
    const PlacedRegister& reg = registers_[i];
    slot_[reg.offset / 4] = i;
    if (reg.definition->width_bits == 64) slot_[reg.offset / 4 + 1] = i | kUpperHalf;
  }
  reset(false);
}

void RegisterBank::reset(bool keep_sticky) {
  for (std::size_t i = 0; i < registers_.size(); ++i) {
    const Register& reg = *registers_[i].definition;
    const std::uint64_t kept = keep_sticky ? values_[i] & reg.sticky : 0;
    values_[i] = (reg.reset & ~(keep_sticky ? reg.sticky : 0)) | kept;
  }
}

RegisterBank::Place RegisterBank::place(std::uint32_t offset, std::uint32_t size_bytes) const {
  Place result;
  if ((size_bytes != 4 && size_bytes != 8) || offset % size_bytes != 0 || offset >= window_bytes_) return result;
  const std::uint32_t slot = slot_[offset / 4];
  if (size_bytes == 8) {
    const std::uint32_t upper = slot_[offset / 4 + 1];
    if (slot == kNone && upper == kNone) {
      result.defined = true;
      return result;
    }
    if (slot == kNone || upper != (slot | kUpperHalf)) return result;  // would span a 32-bit register
  }
  result.defined = true;
  if (slot == kNone) return result;
  result.index = slot & kIndexMask;
  result.shift = (slot & kUpperHalf) != 0 ? 32 : 0;
  return result;
}

std::uint64_t RegisterBank::read(std::uint32_t offset, std::uint32_t size_bytes) const {
  const std::uint64_t ones = size_bytes >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (size_bytes * 8)) - 1;
  const Place where = place(offset, size_bytes);
  if (!where.defined) return ones;
  if (where.index == kNone) return 0;
  const Register& reg = *registers_[where.index].definition;
  return ((values_[where.index] & ~reg.bits(Access::WriteOnly)) >> where.shift) & ones;
}

WriteEffect RegisterBank::write(std::uint32_t offset, std::uint32_t size_bytes, std::uint64_t value) {
  WriteEffect effect;
  const Place where = place(offset, size_bytes);
  if (!where.defined || where.index == kNone) return effect;
  const Register& reg = *registers_[where.index].definition;
  effect.where = &registers_[where.index];
  effect.lanes = (size_bytes == 8 ? ~std::uint64_t{0} : std::uint64_t{0xFFFFFFFF}) << where.shift;
  effect.written = (value << where.shift) & effect.lanes;
  effect.old_value = values_[where.index];
  effect.new_value = apply_write(reg, effect.old_value, effect.written, effect.lanes);
  // Write-only bits are kept too, so that a command given as two halves sees what the first half wrote; reads hide
  // them.
  values_[where.index] = effect.new_value;
  return effect;
}

}  // namespace iommu::regs
