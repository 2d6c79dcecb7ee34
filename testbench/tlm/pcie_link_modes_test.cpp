// With one DMA in flight, LT and AT agree to the picosecond on the link too: random DMA, with fewer tags and credits
// than a DMA has parts, and with a translation unit behind it.
#include <random>

#include "models/tlm/pcie_link.h"
#include "testbench/tlm/link_bench.h"
#include "testbench/tlm/translation_rig.h"

namespace {

using namespace iommu;
using namespace iommu::sim;
using core::Tick;

PcieLinkConfig random_link(std::mt19937_64& random) {
  const auto one_of = [&random](std::initializer_list<std::uint32_t> values) {
    return values.begin()[random() % values.size()];
  };
  PcieLinkConfig config;
  config.pcie.generation = one_of({1, 2, 3, 4, 5});
  config.pcie.lanes = one_of({1, 4, 8, 16});
  config.pcie.max_payload_bytes = one_of({128, 256, 512, 4096});
  config.pcie.max_read_request_bytes = one_of({128, 256, 512, 4096});
  config.pcie.completion_boundary_bytes = one_of({64, 128});
  config.pcie.ack_interval_bytes = one_of({0, 32, 1000});
  config.tags = one_of({0, 1, 2, 3, 32});
  config.posted_credits = one_of({0, 1, 4, 5, 64});
  config.propagation = one_of({0, 1, 100'000});
  config.root_complex = one_of({0, 7, 50'000});
  return config;
}

std::string text_of(const PcieLinkConfig& config) {
  std::string text;
  for (const std::uint64_t value :
       {std::uint64_t{config.pcie.generation}, std::uint64_t{config.pcie.lanes},
        std::uint64_t{config.pcie.max_payload_bytes}, std::uint64_t{config.pcie.max_read_request_bytes},
        std::uint64_t{config.pcie.completion_boundary_bytes}, std::uint64_t{config.tags},
        std::uint64_t{config.posted_credits}, config.propagation, config.root_complex}) {
    text += " " + std::to_string(value);
  }
  return text;
}

std::string text_of(const core::StageTimes& stages) {
  std::string text;
  for (std::size_t i = 0; i < core::kStageCount; ++i) {
    const auto stage = static_cast<core::Stage>(i);
    if (stages.of(stage) != 0)
      text += std::string(" ") + core::stage_name(stage) + " " + std::to_string(stages.of(stage));
  }
  return text;
}

struct Ended {
  Tick issued, freed, end;
  tlm::tlm_response_status status;
  std::uint8_t reason;
  core::StageTimes stages;
  std::vector<unsigned char> data;
};

/// One random operation after the other; an address decides how long it takes, so that parts overtake each other.
std::vector<Ended> run_alone(TransportMode mode, const PcieLinkConfig& config, std::uint64_t seed, unsigned count,
                             testing::Answer answer = testing::Answer::Early) {
  testing::new_simulation();
  testing::LinkBench bench(mode, config);
  bench.target.answer = answer;
  bench.target.accept = 1;
  bench.target.linger = 1;
  bench.target.latency = [](core::Address address) { return 3 + (address / 64) * 2654435761 % 1'000'003; };
  bench.target.before = testing::DeviceTarget::block(0x30000, 0x31000, 6);
  std::vector<Ended> results;
  std::mt19937_64 random(seed);
  const auto next = [&] {
    testing::LinkOp& op = bench.add(random() % 0x38000, static_cast<std::uint32_t>(1 + random() % 5000),
                                    random() % 2 == 0, static_cast<unsigned char>(random()));
    if (random() % 16 == 0) op.zero_length = true;
    if (random() % 16 == 0) {
      op.atomic = true;
      op.length = std::min<std::uint32_t>(op.length, 8);
    }
    op.ready_at = now_ticks();
    bench.port.issue(op);
  };
  bench.on_done = [&](DmaOperation& done) {
    const auto& op = static_cast<const testing::LinkOp&>(done);
    results.push_back({op.issued_at, op.freed_at, op.end, op.status, op.fault_reason, op.stages, op.buffer});
    if (results.size() < count) bench.script.at(now_ticks() + random() % 100'000, next);
  };
  bench.script.at(10, next);
  sc_core::sc_start();
  return results;
}

void compare(const std::vector<Ended>& lt, const std::vector<Ended>& at) {
  REQUIRE(lt.size() == at.size());
  for (std::size_t i = 0; i < lt.size(); ++i) {
    INFO("operation " << i);
    REQUIRE(lt[i].issued == at[i].issued);
    REQUIRE(lt[i].freed == at[i].freed);
    REQUIRE(lt[i].end == at[i].end);
    REQUIRE(lt[i].status == at[i].status);
    REQUIRE(lt[i].reason == at[i].reason);
    REQUIRE(lt[i].data == at[i].data);
    REQUIRE(lt[i].stages.all() == at[i].stages.all());
  }
}

}  // namespace

TEST_CASE("Link: LT = AT over random DMA and links, in front of a plain target", "[pcie]") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    std::mt19937_64 random(seed);
    const PcieLinkConfig config = random_link(random);
    INFO("seed " << seed << ":" << text_of(config));
    compare(run_alone(TransportMode::Lt, config, seed, 40), run_alone(TransportMode::At, config, seed, 40));
  }
}

TEST_CASE("Link: LT = AT when the target answers at once, or in four phases", "[pcie]") {
  for (std::uint64_t seed = 201; seed <= 230; ++seed) {
    std::mt19937_64 random(seed);
    const PcieLinkConfig config = random_link(random);
    INFO("seed " << seed << ":" << text_of(config));
    const auto lt = run_alone(TransportMode::Lt, config, seed, 40);
    compare(lt, run_alone(TransportMode::At, config, seed, 40, testing::Answer::UpdatedResponse));
    compare(lt, run_alone(TransportMode::At, config, seed, 40, testing::Answer::FourPhase));
  }
}

namespace {

/// A device, a link, a translation unit and memory. Tables with pages of 4 KiB and no paging-structure caches, the
/// context cache warm: what the parts of one DMA leave to each other otherwise is there at once in LT and after the walk
/// in AT.
std::vector<test::Access> run_translated(bool at, const PcieLinkConfig& config, std::uint64_t seed, unsigned count) {
  testing::new_simulation();
  std::vector<test::Access> accesses(count + 1);
  test::RigConfig rig_config;
  rig_config.iotlb.array.sets = 1;
  rig_config.iotlb.array.ways = 64;  // all pages: in LT a fill would throw out what in AT is still there for a while
  rig_config.walker.cache.entries = {0, 0, 0, 0, 0, 0};
  rig_config.walker.slots = static_cast<std::uint32_t>(seed % 3);
  test::Rig* rig = nullptr;
  test::Initiator* device = nullptr;
  test::Rig made("rig", rig_config, [&] {
    rig->enable();
    const core::Address table = rig->new_table();
    rig->context(0x18, table, 1);
    for (core::Address page = 0; page < 64; ++page) {
      rig->map(table, page * 0x1000, 0x800000 + (page * 37 % 64) * 0x1000, page % 16 == 15 ? 1 : 3);
    }
    std::mt19937_64 random(seed);
    for (test::Access& access : accesses) {
      access.address = random() % 0x40000;
      access.length = static_cast<std::uint32_t>(1 + random() % 4096);
      access.write = random() % 2 == 0;
      const bool first = &access == &accesses.front();
      const bool may_fault = access.write || access.address + access.length > 0x40000;
      if (first || random() % 8 == 0) {
        access.length = 16;  // one part, which may fault: in LT each part of a DMA that faults walks, in AT they share
        access.address = random() % 0x50000 & ~core::Address{63};
      } else if (may_fault) {
        access.address = random() % 0xE000;
        access.length = static_cast<std::uint32_t>(1 + random() % 4096);
      }
      if (first) access.address = 0x1000;
      if (access.write) {
        for (std::uint32_t i = 0; i < access.length; ++i) access.data.push_back(static_cast<std::uint8_t>(random()));
      }
      if (at) {
        device->at(access);
        device->wait_all();
      } else {
        device->lt(access);
      }
    }
  });
  test::Initiator initiator("device");
  PcieLink link("link", config);
  initiator.socket.bind(link.device);
  link.host.bind(made.unit.dma);
  rig = &made;
  device = &initiator;
  sc_core::sc_start();
  return accesses;
}

/// A look-up that ends no sooner than the walk of its page is a hit in LT. In AT it is known as merged, without waiting.
core::OutcomeClass what_it_took(const test::Access& access) {
  const bool waited = access.stages.of(core::Stage::MergeWait) != 0;
  return access.outcome == core::OutcomeClass::Merged && !waited ? core::OutcomeClass::Hit : access.outcome;
}

}  // namespace

TEST_CASE("Link: LT = AT over random DMA with a translation unit behind it", "[pcie]") {
  std::array<unsigned, core::kOutcomeCount> outcomes{};
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    std::mt19937_64 random(seed + 1000);
    const PcieLinkConfig config = random_link(random);
    INFO("seed " << seed << ":" << text_of(config));
    const auto lt = run_translated(false, config, seed, 60);
    const auto at = run_translated(true, config, seed, 60);
    for (std::size_t i = 0; i < lt.size(); ++i) {
      INFO("request " << i << " address 0x" << std::hex << lt[i].address << std::dec << " length " << lt[i].length
                      << (lt[i].write ? " write" : " read") << text_of(lt[i].stages) << " |" << text_of(at[i].stages));
      ++outcomes[static_cast<std::size_t>(lt[i].outcome)];
      REQUIRE(lt[i].issued == at[i].issued);
      REQUIRE(lt[i].ended == at[i].ended);
      REQUIRE(lt[i].status == at[i].status);
      REQUIRE(lt[i].outcome == what_it_took(at[i]));
      REQUIRE(lt[i].reason == at[i].reason);
      REQUIRE(lt[i].data == at[i].data);
      REQUIRE(lt[i].stages.all() == at[i].stages.all());
      REQUIRE(lt[i].stages.total() == lt[i].ended - lt[i].issued);
    }
  }
  using core::OutcomeClass;
  for (const OutcomeClass outcome :
       {OutcomeClass::Hit, OutcomeClass::Merged, OutcomeClass::Walk4, OutcomeClass::Fault}) {
    INFO(core::outcome_name(outcome));
    CHECK(outcomes[static_cast<std::size_t>(outcome)] > 20);
  }
}
