#include "platform/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace iommu::platform {

namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array<Unit, 6> kSizes{
    {{"", 1}, {"B", 1}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}}};
constexpr std::array<Unit, 6> kDurations{{{"", 1}, {"ps", 1e-3}, {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}}};
constexpr std::array<Unit, 5> kFrequencies{{{"", 1}, {"Hz", 1e-6}, {"kHz", 1e-3}, {"MHz", 1}, {"GHz", 1e3}}};

template <std::size_t N>
std::optional<double> parse_with_unit(std::string_view text, const std::array<Unit, N>& units) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(number) || number < 0 || text.front() == '-') return std::nullopt;
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  for (const Unit& candidate : units) {
    if (candidate.name == unit) return number * candidate.factor;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const std::optional<double> bytes = parse_with_unit(text, kSizes);
  if (!bytes || *bytes != std::floor(*bytes) || *bytes >= 0x1p63) return std::nullopt;
  return static_cast<std::uint64_t>(*bytes);
}

std::optional<double> parse_duration_ns(std::string_view text) { return parse_with_unit(text, kDurations); }

std::optional<double> parse_frequency_mhz(std::string_view text) { return parse_with_unit(text, kFrequencies); }

std::string size_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 4> kUnits{"TiB", "GiB", "MiB", "KiB"};
  unsigned shift = 40;
  for (const std::string_view unit : kUnits) {
    const std::uint64_t factor = std::uint64_t{1} << shift;
    if (bytes != 0 && bytes % factor == 0) return std::to_string(bytes / factor) + std::string(unit);
    shift -= 10;
  }
  return std::to_string(bytes);
}

std::string number_text(double value) {
  if (!std::isfinite(value)) return "nan";
  std::array<char, 400> buffer{};
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  return error == std::errc{} ? std::string(buffer.data(), end) : "nan";
}

std::string hex_text(std::uint64_t value) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "0x%llx", static_cast<unsigned long long>(value));
  return buffer.data();
}

std::string requester_text(std::uint16_t requester) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%02x:%02x.%x", requester >> 8, (requester >> 3) & 31, requester & 7);
  return buffer.data();
}

std::string quote(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> buffer{};
      std::snprintf(buffer.data(), buffer.size(), "\\u%04X", static_cast<unsigned>(byte));
      result += buffer.data();
    } else {
      result += c;
    }
  }
  return result + '"';
}

}  // namespace iommu::platform
