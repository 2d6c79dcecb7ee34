#include "platform/record_text.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "models/vtd/register_map.h"
#include "models/vtd/second_stage.h"
#include "platform/units.h"

namespace iommu::platform {

namespace {

using regs::Field;

constexpr std::size_t kFewFields = 3;

bool is_one_of(const char* name, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* other) { return std::strcmp(name, other) == 0; });
}

// The granularities of CCMD, IOTLB and their descriptors have the same codes, but for the last one.
std::string granularity(std::uint64_t code, const char* finest) {
  constexpr std::array<const char*, 3> kNames = {"reserved", "global", "domain"};
  return code < kNames.size() ? kNames[code] : finest;
}

/// "DID=3". Fields that hold the upper bits of an address are shown as the address.
std::string field_text(const Field& field, std::uint64_t word) {
  const std::uint64_t value = field.get(word);
  const std::string name = std::string(field.name) + "=";
  if (is_one_of(field.name, {"SID", "ITESID", "ICESID"})) {
    return name + requester_text(static_cast<std::uint16_t>(value));
  }
  if (is_one_of(field.name, {"RTA", "CTP", "SSPTPTR", "IQA", "ADDR", "FI"}))
    return name + hex_text(word & field.mask());
  if (is_one_of(field.name, {"CIRG", "CAIG"}))
    return name + std::to_string(value) + "(" + granularity(value, "device") + ")";
  if (is_one_of(field.name, {"IIRG", "IAIG"}))
    return name + std::to_string(value) + "(" + granularity(value, "page") + ")";
  if (is_one_of(field.name, {"TTM"}))
    return name + std::to_string(value) + (value == vtd::rtaddr::kLegacy ? "(legacy)" : "");
  if (is_one_of(field.name, {"FR", "DATA", "FRO", "IRO", "SAGAW", "SSLPS"})) return name + hex_text(value);
  return name + std::to_string(value);
}

/// @param lanes  bits that were accessed
std::string fields_text(const regs::Register& reg, std::uint64_t word, std::uint64_t lanes) {
  std::uint64_t known = 0;
  for (std::size_t i = 0; i < reg.field_count; ++i) known |= reg.fields[i].mask();
  const std::uint64_t unknown = word & lanes & ~known;
  const std::string rest = unknown == 0 ? "" : " and bits " + hex_text(unknown);
  if (reg.field_count == 1) return hex_text(word & lanes & known) + rest;
  std::string text;
  for (std::size_t i = reg.field_count; i-- > 0;) {
    const Field& field = reg.fields[i];
    if ((field.mask() & lanes) == 0) continue;
    if (reg.field_count > kFewFields && field.get(word) == 0) continue;
    text += (text.empty() ? "" : " ") + field_text(field, word);
  }
  return (text.empty() ? "0" : text) + rest;
}

struct Place {
  const regs::Register* reg = nullptr;
  std::uint32_t offset = 0;  // of the register in the window
  std::string name;
};

Place find_register(const FloatingRegisters& floating, std::uint32_t offset) {
  const auto holds = [&](const regs::Register& reg, std::uint32_t base) {
    return offset >= base + reg.offset && offset < base + reg.offset + reg.width_bits / 8u;
  };
  for (const regs::Register* reg : vtd::MAP) {
    if (holds(*reg, 0)) return {reg, reg->offset, reg->name};
  }
  if (floating.iotlb != 0) {
    for (const regs::Register* reg : {&vtd::IVA, &vtd::IOTLB}) {
      if (holds(*reg, floating.iotlb)) return {reg, floating.iotlb + reg->offset, reg->name};
    }
  }
  for (std::uint32_t i = 0; floating.fault_records != 0 && i < floating.fault_record_count; ++i) {
    const std::uint32_t base = floating.fault_records + i * vtd::frcd::kBytes;
    for (const regs::Register* reg : {&vtd::FRCD_LO, &vtd::FRCD_HI}) {
      if (holds(*reg, base)) return {reg, base + reg->offset, reg->name + ("[" + std::to_string(i) + "]")};
    }
  }
  return {};
}

std::string braces(const std::string& text) { return "{" + text + "}"; }

void append(std::string& text, const Field& field, std::uint64_t word) {
  text += (text.empty() ? "" : ", ") + field_text(field, word);
}

}  // namespace

std::string register_text(const FloatingRegisters& floating, std::uint32_t offset, std::uint32_t bytes, bool write,
                          std::uint64_t value) {
  const char* arrow = write ? " <- " : " -> ";
  const Place place = find_register(floating, offset);
  if (place.reg == nullptr) return "register " + hex_text(offset) + arrow + hex_text(value);
  const unsigned shift = 8 * (offset - place.offset);
  const std::uint64_t lanes = (bytes >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * bytes) - 1) << shift;
  std::string name = place.name;
  if (8 * bytes < place.reg->width_bits) {
    name += "[" + std::to_string(shift + 8 * bytes - 1) + ":" + std::to_string(shift) + "]";
  }
  return name + arrow + fields_text(*place.reg, value << shift, lanes);
}

std::string root_entry_text(const vtd::Record128& entry) {
  std::string text = field_text(vtd::root_entry::P, entry.lo);
  if (vtd::root_entry::P.get(entry.lo) != 0) append(text, vtd::root_entry::CTP, entry.lo);
  return braces(text);
}

std::string context_entry_text(const vtd::Record128& entry) {
  namespace fields = vtd::context_entry;
  std::string text = field_text(fields::P, entry.lo);
  if (fields::FPD.get(entry.lo) != 0) append(text, fields::FPD, entry.lo);
  if (fields::P.get(entry.lo) == 0) return braces(text);
  append(text, fields::TT, entry.lo);
  append(text, fields::DID, entry.hi);
  if (fields::TT.get(entry.lo) != fields::kTtPassThrough) append(text, fields::SSPTPTR, entry.lo);
  append(text, fields::AW, entry.hi);
  return braces(text);
}

std::string context_entry_half_text(std::uint64_t word, bool low) {
  namespace fields = vtd::context_entry;
  std::string text;
  if (!low) {
    append(text, fields::DID, word);
    append(text, fields::AW, word);
  } else {
    append(text, fields::P, word);
    if (fields::P.get(word) == 0) return braces(text);
    append(text, fields::TT, word);
    append(text, fields::SSPTPTR, word);
  }
  return braces(text);
}

std::string page_entry_text(std::uint64_t entry, unsigned level) {
  constexpr core::PageFormat kFormat = vtd::second_stage_format(52, 3, true);
  const bool read = (entry & kFormat.read_bit) != 0;
  const bool write = (entry & kFormat.write_bit) != 0;
  std::string text = std::string("R=") + (read ? "1" : "0") + ", W=" + (write ? "1" : "0");
  if (!read && !write) return braces(text);
  const bool large = level > 1 && (entry & kFormat.leaf_bit) != 0;
  if (large) text += ", PS=1";
  if ((level == 1 || large) && (entry & kFormat.snoop_bit) != 0) text += ", SNP=1";
  return braces(text + ", address=" + hex_text(entry & kFormat.address_mask));
}

std::optional<std::uint32_t> wait_data(std::uint64_t descriptor_lo) {
  namespace fields = vtd::descriptor;
  if (fields::TYPE_HI.get(descriptor_lo) != 0 || fields::TYPE_LO.get(descriptor_lo) != fields::kWait)
    return std::nullopt;
  if (fields::wait::SW.get(descriptor_lo) == 0) return std::nullopt;
  return static_cast<std::uint32_t>(fields::wait::STATUS_DATA.get(descriptor_lo));
}

namespace {

std::string context_cache_text(std::uint64_t lo) {
  namespace fields = vtd::descriptor::context_cache;
  const std::uint64_t code = fields::G.get(lo);
  std::string text = "context-cache invalidate, " + granularity(code, "device");
  if (code == vtd::descriptor::kGlobal) return text;
  append(text += "-selective", fields::DID, lo);
  if (code != vtd::descriptor::kSelective) return text;
  append(text, fields::SID, lo);
  append(text, fields::FM, lo);
  return text;
}

std::string iotlb_text(const vtd::Record128& descriptor) {
  namespace fields = vtd::descriptor::iotlb;
  const std::uint64_t code = fields::G.get(descriptor.lo);
  std::string text = "IOTLB invalidate, " + granularity(code, "page");
  if (code != vtd::descriptor::kGlobal) append(text += "-selective", fields::DID, descriptor.lo);
  if (code == vtd::descriptor::kSelective) {
    text += ", address=" + hex_text(descriptor.hi & fields::ADDR.mask());
    append(text, fields::AM, descriptor.hi);
  }
  append(text, fields::DR, descriptor.lo);
  append(text, fields::DW, descriptor.lo);
  if (code == vtd::descriptor::kSelective) append(text, fields::IH, descriptor.hi);
  return text;
}

std::string wait_text(const vtd::Record128& descriptor) {
  namespace fields = vtd::descriptor::wait;
  std::string text = "wait";
  if (fields::SW.get(descriptor.lo) != 0) {
    text += ", status word at " + hex_text(descriptor.hi & fields::STATUS_ADDRESS.mask()) + " <- " +
            std::to_string(fields::STATUS_DATA.get(descriptor.lo));
  }
  for (const Field& flag : {fields::IF, fields::FN, fields::PD}) {
    if (flag.get(descriptor.lo) != 0) append(text, flag, descriptor.lo);
  }
  return text;
}

}  // namespace

std::string descriptor_text(const vtd::Record128& descriptor) {
  namespace fields = vtd::descriptor;
  const std::uint64_t type = fields::TYPE_HI.get(descriptor.lo) << 4 | fields::TYPE_LO.get(descriptor.lo);
  if (type == fields::kContextCache) return context_cache_text(descriptor.lo);
  if (type == fields::kIotlb) return iotlb_text(descriptor);
  if (type == fields::kWait) return wait_text(descriptor);
  return "descriptor of type " + std::to_string(type) + ", " + hex_text(descriptor.lo) + ", " + hex_text(descriptor.hi);
}

}  // namespace iommu::platform
