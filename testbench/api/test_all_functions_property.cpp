// Random sequences of all the interface's functions, version 1's included, beside a reference: after every call the
// status is the predicted one, a failed call has changed nothing, and DMA of every device reaches exactly the data that
// the reference says, or is blocked. Seeds are fixed and printed; a sequence that fails is made shorter first.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <algorithm>
#include <array>
#include <iostream>
#include <sstream>

#include "testbench/api/sequence_player.h"

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kShare = 2;  // half of the sequences
#else
constexpr std::size_t kShare = 1;
#endif

namespace {

using iommu::api::Function;
using sequence::Configuration;
using sequence::Failure;
using sequence::Hardware;
using sequence::Player;
using sequence::Sequence;

/// What the sequences of a configuration came to.
struct Tally {
  std::uint64_t accesses = 0, completed = 0, faults = 0;
  std::array<std::uint64_t, iommu::api::kFunctions> successes{};
};

bool can_succeed(Function function, const Configuration& configuration) {
  switch (function) {
    case Function::ConfigureDomain:  // no domain of this platform is Unmanaged
      return false;
    case Function::FlushDomain:
    case Function::FlushDomainByVaList:
    case Function::QueryInputMappings:
    case Function::SetDeviceFaultReportingEx:
    case Function::SetDeviceFaultReporting:
      return !configuration.as_documented;
    default:
      return true;
  }
}

std::optional<Failure> play(const Configuration& configuration, const Sequence& sequence,
                            reference::Flaw flaw = reference::Flaw::None, std::vector<std::string>* log = nullptr) {
  return Player(configuration, flaw, log).play(sequence);
}

/// A failing sequence, cut after its failure and shrunk.
Sequence shortened(const Configuration& configuration, Sequence sequence, reference::Flaw flaw) {
  const std::optional<Failure> failure = play(configuration, sequence, flaw);
  sequence.resize(std::min(sequence.size(), failure->step + 1));
  return sequence::shrink(std::move(sequence),
                          [&](const Sequence& candidate) { return play(configuration, candidate, flaw).has_value(); });
}

/// A shrunk sequence in words.
std::string in_words(const Configuration& configuration, const Sequence& sequence, reference::Flaw flaw) {
  std::vector<std::string> log;
  const std::optional<Failure> failure = play(configuration, sequence, flaw, &log);
  std::ostringstream text;
  for (std::size_t i = 0; i < log.size(); ++i) text << "  " << i << "  " << log[i] << "\n";
  text << "  -> " << (failure ? failure->what : "nothing is wrong any more");
  return text.str();
}

void run(const Configuration& configuration, std::uint64_t seed, std::size_t steps, Tally& tally) {
  std::cout << configuration.name << ": seed " << seed << ", " << steps << " steps" << std::endl;
  const Sequence sequence = sequence::draw(seed, steps);
  Player player(configuration);
  const std::optional<Failure> failure = player.play(sequence);
  if (failure) {
    const Sequence shorter = shortened(configuration, sequence, reference::Flaw::None);
    FAIL(configuration.name << ", seed " << seed << ", step " << failure->step << ": " << failure->what
                            << "\nshrunk to " << shorter.size() << " steps:\n"
                            << in_words(configuration, shorter, reference::Flaw::None));
  }
  tally.accesses += player.accesses();
  tally.completed += player.completed();
  tally.faults += player.faults();
  for (std::size_t f = 0; f < iommu::api::kFunctions; ++f) tally.successes[f] += player.successes()[f];
}

/// Several sequences of 2,500 steps: each begins with a fresh machine and takes everything down in the end. They were
/// worth something: functions succeeded, devices reached memory and were blocked.
void run_many(const Configuration& configuration, std::uint64_t first_seed, std::size_t sequences) {
  Tally tally;
  sequences = std::max<std::size_t>(1, sequences / kShare);
  for (std::size_t i = 0; i < sequences; ++i) run(configuration, first_seed + i, 2500, tally);
  std::cout << "  " << tally.accesses << " accesses, " << tally.completed << " completed, " << tally.faults
            << " faults heard of" << std::endl;
  CHECK(tally.completed > tally.accesses / 20);
  CHECK(tally.completed < tally.accesses / 10 * 9);
  if (kShare != 1) return;
  for (std::size_t f = 0; f < iommu::api::kFunctions; ++f) {
    const auto function = static_cast<Function>(f);
    INFO(iommu::api::function_name(function));
    CHECK((tally.successes[f] != 0) == can_succeed(function, configuration));
  }
}

}  // namespace

// ---- Configurations ---------------------------------------------------------------------------------------------

namespace {

Configuration modeled() {
  Configuration configuration;
  configuration.name = "modeled";
  configuration.hardware = Hardware::Modeled;
  return configuration;
}

Configuration modeled_small() {
  Configuration configuration;
  configuration.name = "modeled, small caches, two units";
  configuration.hardware = Hardware::ModeledSmall;
  configuration.two_units = true;
  return configuration;
}

Configuration modeled_registers() {
  Configuration configuration = modeled();
  configuration.name = "modeled, registers, unattached devices pass through";
  configuration.registers = true;
  configuration.unattached_pass_through = true;
  configuration.guard = iommu::api::EnumerationPolicy::BlockAlways;
  return configuration;
}

Configuration modeled_caching_mode() {
  Configuration configuration = modeled();
  configuration.name = "modeled, caching mode, as documented";
  configuration.caching_mode = true;
  configuration.as_documented = true;
  return configuration;
}

Configuration modeled_small_pages() {
  Configuration configuration;
  configuration.name = "modeled, small caches, 4 KiB pages, three levels";
  configuration.hardware = Hardware::ModeledSmall;
  configuration.small_pages = true;
  configuration.three_levels = true;
  configuration.guard = iommu::api::EnumerationPolicy::AllowAll;
  return configuration;
}

Configuration fake_registers() {
  Configuration configuration;
  configuration.name = "fake, registers, two units";
  configuration.registers = true;
  configuration.two_units = true;
  return configuration;
}

Configuration fake_caching_mode() {
  Configuration configuration;
  configuration.name = "fake, caching mode, write buffers";
  configuration.caching_mode = true;
  configuration.write_buffers = true;
  return configuration;
}

Configuration fake_small_pages() {
  Configuration configuration;
  configuration.name = "fake, 4 KiB pages, three levels, a small mask";
  configuration.small_pages = true;
  configuration.three_levels = true;
  return configuration;
}

}  // namespace

TEST_CASE("all functions at random: modeled hardware", "[random]") { run_many(modeled(), 1, 10); }

TEST_CASE("all functions at random: modeled hardware with small caches, two units", "[random]") {
  run_many(modeled_small(), 101, 8);
}

TEST_CASE("all functions at random: modeled hardware with invalidation registers", "[random]") {
  run_many(modeled_registers(), 201, 6);
}

TEST_CASE("all functions at random: modeled hardware with caching mode", "[random]") {
  run_many(modeled_caching_mode(), 301, 6);
}

TEST_CASE("all functions at random: modeled hardware with 4 KiB pages and three levels", "[random]") {
  run_many(modeled_small_pages(), 401, 6);
}

TEST_CASE("all functions at random: caches that never forget", "[random]") { run_many({}, 1001, 8); }

TEST_CASE("all functions at random: caches that never forget, invalidation registers, two units", "[random]") {
  run_many(fake_registers(), 1101, 6);
}

TEST_CASE("all functions at random: caches that never forget, caching mode and write buffers", "[random]") {
  run_many(fake_caching_mode(), 1201, 6);
}

TEST_CASE("all functions at random: caches that never forget, 4 KiB pages, three levels, a small mask", "[random]") {
  run_many(fake_small_pages(), 1301, 6);
}

// Not in ctest: test_random_sequences "[long]" plays 200 sequences in each configuration, half a million steps each.
TEST_CASE("all functions at random, at length", "[.][long]") {
  const Configuration all[] = {
      modeled(), modeled_small(),  modeled_registers(), modeled_caching_mode(), modeled_small_pages(),
      {},        fake_registers(), fake_caching_mode(), fake_small_pages()};
  std::uint64_t seed = 1'000'000;
  for (const Configuration& configuration : all) run_many(configuration, seed += 1000, 200);
}

// ---- Shrinking --------------------------------------------------------------------------------------------------

// A reference that has one rule wrong on purpose: the difference is found, and a handful of calls is left of a long
// sequence. What each of them needs at least: a domain, a device handle, an attachment, a mapping (and its removal).

namespace {

void check_shrinking(reference::Flaw flaw, std::uint64_t seed, std::size_t most) {
  Configuration configuration;
  configuration.hardware = Hardware::Modeled;
  const Sequence sequence = sequence::draw(seed, 2000);
  const std::optional<Failure> failure = play(configuration, sequence, flaw);
  REQUIRE(failure);
  const Sequence shorter = shortened(configuration, sequence, flaw);
  INFO("seed " << seed << ", failed at step " << failure->step << "\n" << in_words(configuration, shorter, flaw));
  CHECK(shorter.size() <= most);
  CHECK(play(configuration, shorter, flaw));
  // It is the reference that was wrong.
  CHECK_FALSE(play(configuration, shorter));
  // Nothing can be left out any more.
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    Sequence less = shorter;
    less.erase(less.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK_FALSE(play(configuration, less, flaw));
  }
}

}  // namespace

TEST_CASE("a wrong rule is found and shrunk: write permission taken for read permission", "[random][shrink]") {
  check_shrinking(reference::Flaw::WriteOnlyIsReadable, 1, 6);
}

TEST_CASE("a wrong rule is found and shrunk: unmapping that forgets a page", "[random][shrink]") {
  check_shrinking(reference::Flaw::UnmapKeepsLastPage, 2, 6);
}

TEST_CASE("a wrong rule is found and shrunk: tokens that don't block deletion", "[random][shrink]") {
  check_shrinking(reference::Flaw::TokensDontBlockDeletion, 3, 4);
}

TEST_CASE("shrink() keeps what matters and nothing else", "[shrink]") {
  Sequence sequence = sequence::draw(4, 1000);
  for (std::size_t i = 0; i < sequence.size(); ++i) sequence[i].probes = i;
  // The failure needs operations 17, 500 and 999, in this order.
  const auto fails = [](const Sequence& candidate) {
    std::size_t next = 0;
    constexpr std::array<std::uint64_t, 3> kNeeded = {17, 500, 999};
    for (const sequence::Operation& operation : candidate) {
      if (next < kNeeded.size() && operation.probes == kNeeded[next]) ++next;
    }
    return next == kNeeded.size();
  };
  const Sequence shorter = sequence::shrink(sequence, fails);
  REQUIRE(shorter.size() == 3);
  CHECK(shorter[0].probes == 17);
  CHECK(shorter[1].probes == 500);
  CHECK(shorter[2].probes == 999);
}

// ---- Two systems ------------------------------------------------------------------------------------------------

// Two machines in one process whose calls alternate do what each does alone, to the address.
TEST_CASE("two machines at random, their calls interleaved", "[random][systems]") {
  const Configuration first = modeled();
  const Configuration second = modeled_small();
  const std::size_t steps = 2000 / kShare;
  const Sequence a = sequence::draw(5, steps);
  const Sequence b = sequence::draw(6, steps);
  std::cout << "seeds 5 and 6, " << steps << " steps each" << std::endl;
  const auto alone = [](const Configuration& configuration, const Sequence& sequence) {
    Player player(configuration);
    REQUIRE_FALSE(player.play(sequence));
    return player.trace();
  };
  const std::uint64_t trace_a = alone(first, a);
  const std::uint64_t trace_b = alone(second, b);
  CHECK(trace_a != trace_b);

  Player player_a(first);
  Player player_b(second);
  for (std::size_t i = 0; i < steps; ++i) {
    INFO("step " << i);
    REQUIRE(player_a.step(a[i]).empty());
    REQUIRE(player_b.step(b[i]).empty());
  }
  CHECK(player_a.finish().empty());
  CHECK(player_b.finish().empty());
  CHECK(player_a.trace() == trace_a);
  CHECK(player_b.trace() == trace_b);
}
