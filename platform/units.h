// Sizes, durations and frequencies with units, both ways.
//
// Does: parse "64GiB", "1.5us", "2GHz" and write sizes back. Does not: know which parameter takes which.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace iommu::platform {

/// Bytes of "4096", "4KiB", "1.5 MiB"; units B, KiB, MiB, GiB, TiB. Nothing when it is malformed, not whole bytes or
/// over 2^63.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
/// Nanoseconds of "250ps", "70ns", "1.5us", "2ms", "1s"; a bare number is nanoseconds.
[[nodiscard]] std::optional<double> parse_duration_ns(std::string_view text);
/// MHz of "800MHz", "2GHz", "32kHz"; a bare number is MHz.
[[nodiscard]] std::optional<double> parse_frequency_mhz(std::string_view text);

/// "64GiB": with the largest unit that leaves a whole number, plain bytes below 1 KiB.
[[nodiscard]] std::string size_text(std::uint64_t bytes);
/// The shortest decimal notation that reads back as the same number, never with an exponent: "70", "0.25".
[[nodiscard]] std::string number_text(double value);
/// "0xfed90000".
[[nodiscard]] std::string hex_text(std::uint64_t value);
/// "00:03.0" of a PCI requester id.
[[nodiscard]] std::string requester_text(std::uint16_t requester);
/// A TOML basic string with its quotes.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace iommu::platform
