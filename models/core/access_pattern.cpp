#include "models/core/access_pattern.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

namespace iommu::core {
namespace {

constexpr std::uint64_t kMaxWindow = std::uint64_t{1} << 62;
constexpr std::uint64_t kMaxTransfer = std::uint64_t{1} << 31;
constexpr std::uint64_t kSlotAlignment = 64;
constexpr std::uint64_t kBillion = 1'000'000'000;

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

std::string range_problem(const char* key, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
  if (value >= low && value <= high) return {};
  return std::string(key) + " is " + std::to_string(value) + ", must be " + std::to_string(low) + " to " +
         std::to_string(high);
}

std::string percent_problem(const char* key, double value) {
  if (value >= 0 && value <= 100) return {};  // false for NaN
  std::ostringstream text;
  text << key << " is " << value << ", must be 0 to 100";
  return text.str();
}

/// A percentage in billionths. An integer, so that no draw depends on how a platform rounds.
std::uint64_t billionths(double percent) { return static_cast<std::uint64_t>(std::llround(percent * 1e7)); }

const AccessPatternConfig& checked(const AccessPatternConfig& config) {
  const std::string problem = find_problem(config);
  if (!problem.empty()) throw std::invalid_argument(problem);
  return config;
}

}  // namespace

std::string find_problem(const AccessPatternConfig& config) {
  std::string problem = range_problem("transfer_bytes", config.transfer_bytes, 1, kMaxTransfer);
  if (problem.empty()) problem = range_problem("window_bytes", config.window_bytes, config.transfer_bytes, kMaxWindow);
  if (problem.empty() && config.mapped_bytes != 0) {
    problem = range_problem("mapped_bytes", config.mapped_bytes, config.window_bytes, kMaxWindow);
  }
  if (problem.empty() && config.pattern == Pattern::kStrided) {
    problem = range_problem("stride_bytes", config.stride_bytes, 1, UINT64_MAX);
  }
  if (problem.empty()) problem = percent_problem("write_percent", config.write_percent);
  if (problem.empty()) problem = percent_problem("escape_percent", config.escape_percent);
  return problem;
}

AccessPattern::AccessPattern(const AccessPatternConfig& config)
    : config_(checked(config)),
      write_share_(billionths(config.write_percent)),
      escape_share_(billionths(config.escape_percent)),
      step_bytes_(config.pattern == Pattern::kStrided ? config.stride_bytes : config.transfer_bytes),
      slot_bytes_(round_up(config.transfer_bytes, kSlotAlignment)),
      slots_((config.window_bytes - config.transfer_bytes) / slot_bytes_ + 1),
      escape_begin_(round_up(std::max(config.window_bytes, config.mapped_bytes), kPageBytes)),
      offsets_(config.seed, 1),
      writes_(config.seed, 2),
      escapes_(config.seed, 3) {}

Access AccessPattern::next() {
  const bool write = writes_.chance(write_share_, kBillion);
  if (escapes_.chance(escape_share_, kBillion)) {
    const std::uint64_t page = escapes_.below(kEscapePages);
    return {escape_begin_ + page * kPageBytes, config_.transfer_bytes, write, true};
  }
  return {next_offset(), config_.transfer_bytes, write, false};
}

std::uint64_t AccessPattern::next_offset() {
  if (config_.pattern == Pattern::kRandom) return offsets_.below(slots_) * slot_bytes_;
  const std::uint64_t offset = position_;
  const std::uint64_t room =
      config_.window_bytes - config_.transfer_bytes - offset;  // how far the next access may move on
  position_ = step_bytes_ <= room ? offset + step_bytes_ : 0;
  return offset;
}

}  // namespace iommu::core
