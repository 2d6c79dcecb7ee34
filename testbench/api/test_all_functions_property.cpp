// Random sequences of all the interface's functions, version 1's included, beside a reference: after every call the
// status is the predicted one, a failed call has changed nothing, and DMA of every device reaches exactly the data that
// the reference says, or is blocked. Seeds are fixed and printed; a sequence that fails is made shorter first.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <iostream>
#include <sstream>

#include "testbench/api/sequence_player.h"

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kShare = 10;  // sanitizers make a step ten times as slow
#else
constexpr std::size_t kShare = 1;
#endif

namespace {

using sequence::Configuration;
using sequence::Failure;
using sequence::Hardware;
using sequence::Player;
using sequence::Sequence;

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

void run(const Configuration& configuration, std::uint64_t seed, std::size_t steps) {
  std::cout << configuration.name << ": seed " << seed << ", " << steps << " steps\n";
  const Sequence sequence = sequence::draw(seed, steps);
  Player player(configuration);
  const std::optional<Failure> failure = player.play(sequence);
  if (failure) {
    const Sequence shorter = shortened(configuration, sequence, reference::Flaw::None);
    FAIL(configuration.name << ", seed " << seed << ", step " << failure->step << ": " << failure->what
                            << "\nshrunk to " << shorter.size() << " steps:\n"
                            << in_words(configuration, shorter, reference::Flaw::None));
  }
  // The run was worth something: functions succeeded, devices reached memory and were blocked.
  std::cout << "  " << player.accesses() << " accesses, " << player.completed() << " completed\n";
  for (std::size_t f = 0; f < iommu::api::kFunctions; ++f) {
    std::cout << "    " << iommu::api::function_name(static_cast<iommu::api::Function>(f)) << " " << player.successes()[f] << "\n";
  }
  CHECK(player.completed() > player.accesses() / 20);
  CHECK(player.completed() < player.accesses() / 10 * 9);
}

/// Some sequences of 2,500 steps each: everything is taken down and made anew between them.
void run_many(const Configuration& configuration, std::uint64_t first_seed, std::size_t sequences) {
  for (std::size_t i = 0; i < sequences; ++i) run(configuration, first_seed + i, 2500 / kShare);
}

}  // namespace

TEST_CASE("all functions at random: modeled hardware", "[random]") {
  Configuration configuration;
  configuration.name = "modeled";
  configuration.hardware = Hardware::Modeled;
  run_many(configuration, 1, 8);
}

TEST_CASE("all functions at random: modeled hardware with small caches, two units", "[random]") {
  Configuration configuration;
  configuration.name = "modeled, small caches, two units";
  configuration.hardware = Hardware::ModeledSmall;
  configuration.two_units = true;
  run_many(configuration, 101, 6);
}

TEST_CASE("all functions at random: modeled hardware with invalidation registers", "[random]") {
  Configuration configuration;
  configuration.name = "modeled, registers, unattached devices pass through";
  configuration.hardware = Hardware::Modeled;
  configuration.registers = true;
  configuration.unattached_pass_through = true;
  configuration.guard = iommu::api::EnumerationPolicy::BlockAlways;
  run_many(configuration, 201, 4);
}

TEST_CASE("all functions at random: modeled hardware with caching mode", "[random]") {
  Configuration configuration;
  configuration.name = "modeled, caching mode, as documented";
  configuration.hardware = Hardware::Modeled;
  configuration.caching_mode = true;
  configuration.as_documented = true;
  run_many(configuration, 301, 4);
}

TEST_CASE("all functions at random: modeled hardware with 4 KiB pages and three levels", "[random]") {
  Configuration configuration;
  configuration.name = "modeled, 4 KiB pages, three levels";
  configuration.hardware = Hardware::ModeledSmall;
  configuration.small_pages = true;
  configuration.three_levels = true;
  configuration.guard = iommu::api::EnumerationPolicy::AllowAll;
  run_many(configuration, 401, 4);
}

TEST_CASE("all functions at random: caches that never forget", "[random]") {
  Configuration configuration;
  configuration.name = "fake";
  run_many(configuration, 1001, 6);
}

TEST_CASE("all functions at random: caches that never forget, invalidation registers, two units", "[random]") {
  Configuration configuration;
  configuration.name = "fake, registers, two units";
  configuration.registers = true;
  configuration.two_units = true;
  run_many(configuration, 1101, 4);
}

TEST_CASE("all functions at random: caches that never forget, caching mode and write buffers", "[random]") {
  Configuration configuration;
  configuration.name = "fake, caching mode, write buffers";
  configuration.caching_mode = true;
  configuration.write_buffers = true;
  run_many(configuration, 1201, 4);
}

TEST_CASE("all functions at random: caches that never forget, 4 KiB pages, three levels, a small mask", "[random]") {
  Configuration configuration;
  configuration.name = "fake, 4 KiB pages, three levels";
  configuration.small_pages = true;
  configuration.three_levels = true;
  run_many(configuration, 1301, 4);
}
