#include "models/core/pcie.h"

#include <algorithm>
#include <numeric>

namespace iommu::core {

namespace {

// MT/s of a lane, and the share of its bits that the line code leaves.
struct LaneRate {
  std::uint64_t megatransfers;
  std::uint64_t code_numerator;
  std::uint64_t code_denominator;
};
constexpr LaneRate kRates[5] = {
    {2'500, 8, 10}, {5'000, 8, 10}, {8'000, 128, 130}, {16'000, 128, 130}, {32'000, 128, 130}};

constexpr std::uint64_t kDllpBytes = 8;         // one acknowledge and one flow-control update in each interval
constexpr std::uint64_t kSkipBytes = 4;         // in
constexpr std::uint64_t kSkipInterval = 1'538;  // bytes

bool is_power_of_two(std::uint32_t value) { return value != 0 && (value & (value - 1)) == 0; }

std::uint32_t to_page_end(Address address) {
  return static_cast<std::uint32_t>(kPageBytes - (address & (kPageBytes - 1)));
}

}  // namespace

std::string validate(const PcieConfig& c) {
  const auto found = [](const char* name, std::uint32_t value, const char* allowed) {
    return std::string(name) + " = " + std::to_string(value) + ": allowed: " + allowed;
  };
  if (c.generation < 1 || c.generation > 5) return found("generation", c.generation, "1 to 5");
  if (!is_power_of_two(c.lanes) || c.lanes > 16) return found("lanes", c.lanes, "1, 2, 4, 8 or 16");
  for (const auto& [name, value] : {std::pair("max_payload_bytes", c.max_payload_bytes),
                                    std::pair("max_read_request_bytes", c.max_read_request_bytes)}) {
    if (!is_power_of_two(value) || value < 128 || value > 4096)
      return found(name, value, "a power of two from 128 to 4096");
  }
  if (c.completion_boundary_bytes != 64 && c.completion_boundary_bytes != 128) {
    return found("completion_boundary_bytes", c.completion_boundary_bytes, "64 or 128");
  }
  // Below that nothing would be left for TLPs.
  if (c.ack_interval_bytes != 0 && c.ack_interval_bytes < 32) {
    return found("ack_interval_bytes", c.ack_interval_bytes, "0, or 32 and more");
  }
  return {};
}

std::uint32_t default_ack_interval(unsigned lanes, std::uint32_t max_payload_bytes) {
  if (lanes == 16) return 168;
  return max_payload_bytes <= 128 ? 163 : max_payload_bytes <= 256 ? 203 : max_payload_bytes <= 512 ? 182 : 246;
}

PcieTiming::PcieTiming(const PcieConfig& config) : config_(config) {
  if (config_.ack_interval_bytes == 0) {
    config_.ack_interval_bytes = default_ack_interval(config_.lanes, config_.max_payload_bytes);
  }
  const LaneRate& rate = kRates[config_.generation - 1];
  // One byte takes 8 / (MT/s x lanes x code) us; of `interval` bytes 2 x 8 are DLLPs, of 1,538 are 4 skips.
  const std::uint64_t interval = config_.ack_interval_bytes;
  const std::uint64_t whole = interval * kSkipInterval;
  const std::uint64_t left = whole - 2 * kDllpBytes * kSkipInterval - kSkipBytes * interval;
  ticks_numerator_ = 8 * 1'000'000 * rate.code_denominator * whole;
  ticks_denominator_ = rate.megatransfers * config_.lanes * rate.code_numerator * left;
  const std::uint64_t common = std::gcd(ticks_numerator_, ticks_denominator_);
  ticks_numerator_ /= common;
  ticks_denominator_ /= common;
  whole_ticks_ = ticks_numerator_ / ticks_denominator_;
  rest_ = ticks_numerator_ % ticks_denominator_;
}

Tick PcieTiming::on_wire(std::uint32_t bytes) const {
  // The whole part first: bytes x numerator would not fit for large intervals.
  return bytes * whole_ticks_ + (bytes * rest_ + ticks_denominator_ - 1) / ticks_denominator_;
}

std::uint64_t PcieTiming::usable_bits_per_s() const {
  return static_cast<std::uint64_t>(8e12L * static_cast<long double>(ticks_denominator_) /
                                    static_cast<long double>(ticks_numerator_));
}

std::uint64_t PcieTiming::raw_bits_per_s() const {
  const LaneRate& rate = kRates[config_.generation - 1];
  return rate.megatransfers * 1'000'000 * config_.lanes / rate.code_denominator * rate.code_numerator;
}

std::uint32_t PcieTiming::next_write(Address address, std::uint32_t left) const {
  return std::min({left, config_.max_payload_bytes, to_page_end(address)});
}

std::uint32_t PcieTiming::next_read_request(Address address, std::uint32_t left) const {
  return std::min({left, config_.max_read_request_bytes, to_page_end(address)});
}

// Once at a boundary, completions are as long as they may be.
std::uint32_t PcieTiming::next_completion(Address address, std::uint32_t left) const {
  const auto past = static_cast<std::uint32_t>(address & (config_.completion_boundary_bytes - 1));
  return std::min(left, past == 0 ? config_.max_payload_bytes : config_.completion_boundary_bytes - past);
}

}  // namespace iommu::core
