// Hits that complete within their request's call (TranslationUnitConfig::early_hits): the same times without contention,
// and what is different when something comes in between.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/platform/new_simulation.h"
#include "testbench/tlm/translation_rig.h"

using namespace iommu;
using core::OutcomeClass;
using core::Stage;
using core::Tick;
using test::Access;
using test::Rig;
using test::RigConfig;
using test::simulate;

namespace {

constexpr core::RequesterId kDevice = 0x18;

RigConfig early() {
  RigConfig config;
  config.unit.early_hits = true;
  return config;
}

Access access_of(core::Address address, std::uint32_t length = 64, bool write = false) {
  Access access;
  access.address = address;
  access.requester = kDevice;
  access.length = length;
  access.write = write;
  return access;
}

// 0x400000 and 0x401000 for reads and writes, 0x402000 for reads only.
void set_up(Rig& rig) {
  rig.enable();
  const core::Address table = rig.new_table();
  rig.context(kDevice, table, 5);
  rig.map(table, 0x400000, 0x200000, 3);
  rig.map(table, 0x401000, 0x205000, 3);
  rig.map(table, 0x402000, 0x207000, 1);
  rig.memory.bytes[0x200000] = 0xAA;
}

void run_to_end(Rig& rig, Access& access) {
  rig.initiator.at(access);
  rig.initiator.wait_all();
}

// A read of 64 bytes, sent to the unit by hand.
struct Call {
  tlm::tlm_generic_payload payload;
  sim::DmaExtension extension;
  std::array<unsigned char, 64> data{};
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_core::sc_time delay;
  tlm::tlm_sync_enum status = tlm::TLM_ACCEPTED;

  Call(Rig& rig, core::Address address) {
    payload.set_read();
    payload.set_address(address);
    payload.set_data_ptr(data.data());
    payload.set_data_length(64);
    payload.set_streaming_width(64);
    extension.requester = kDevice;
    payload.set_extension(&extension);
    status = rig.initiator.socket->nb_transport_fw(payload, phase, delay);
  }
  ~Call() { payload.clear_extension(&extension); }
};

}  // namespace

TEST_CASE("Early hits: a hit completes within its request's call, at the time of its end") {
  simulate(early(), [](Rig& rig) {
    set_up(rig);
    Access cold = access_of(0x400000);
    run_to_end(rig, cold);
    CHECK(cold.ended - cold.issued == 362000);
    const std::uint64_t accesses = rig.memory.accesses;
    const Call hit(rig, 0x400000);
    CHECK(hit.status == tlm::TLM_COMPLETED);
    CHECK(sim::to_ticks(hit.delay) == 53000);  // 1 + 2 + 50 ns
    CHECK(hit.payload.is_response_ok());
    CHECK(hit.data[0] == 0xAA);
    CHECK(hit.extension.outcome == OutcomeClass::Hit);
    CHECK(hit.extension.stages.of(Stage::ContextCache) == 1000);
    CHECK(hit.extension.stages.of(Stage::Iotlb) == 2000);
    CHECK(hit.extension.stages.of(Stage::Downstream) == 50000);
    CHECK(hit.extension.stages.total() == 53000);
    CHECK(rig.memory.accesses == accesses + 1);
    const Call second(rig, 0x400040);  // the one port of the IOTLB is taken for a nanosecond
    CHECK(second.status == tlm::TLM_COMPLETED);
    CHECK(sim::to_ticks(second.delay) == 54000);
    CHECK(second.extension.stages.of(Stage::IotlbPortWait) == 1000);
    CHECK(rig.unit.counters().outcomes[static_cast<std::size_t>(OutcomeClass::Hit)] == 2);
  });
}

TEST_CASE("Early hits: misses, faults and DMA that crosses pages take their events, and exactly as long") {
  std::vector<Access> done{access_of(0x400000),           access_of(0x400040),      access_of(0x401000),
                           access_of(0x402000, 64, true), access_of(0x400FC0, 128), access_of(0x402000)};
  simulate(early(), [&](Rig& rig) {
    set_up(rig);
    for (Access& access : done) run_to_end(rig, access);
  });
  const std::vector<Tick> latencies{362000, 53000, 106000, 56000, 56000, 106000};
  for (std::size_t i = 0; i < done.size(); ++i) {
    INFO("access " << i);
    CHECK(done[i].ended - done[i].issued == latencies[i]);
    CHECK(done[i].stages.total() == latencies[i]);
  }
  CHECK(done[3].reason == 0x05);
  CHECK(done[4].stages.of(Stage::SplitWait) == 3000);
}

TEST_CASE("Early hits: a page that is known is checked anew after a change of registers, contexts or tables") {
  std::vector<Access> done;
  const auto read = [&done](Rig& rig, core::Address address, bool write = false) {
    Access access = access_of(address, 64, write);
    run_to_end(rig, access);
    done.push_back(access);
  };
  const auto thrice = [&read](Rig& rig) {
    for (int i = 0; i < 3; ++i) read(rig, 0x402000);
  };
  simulate(early(), [&](Rig& rig) {
    rig.enable();
    const core::Address table = rig.new_table();
    rig.context(kDevice, table, 5);
    const core::Address entry = rig.map(table, 0x402000, 0x200000, 1);
    thrice(rig);
    read(rig, 0x402000, true);
    // Another page of memory for the same page.
    rig.memory.write64(entry, 0x300000 | 1);
    rig.memory.bytes[0x300000] = 0xA5;
    rig.submit_and_wait({{0x32 | (std::uint64_t{5} << 16), 0x402000}});
    thrice(rig);
    rig.memory.write64(entry, 0);
    rig.submit_and_wait({{0x32 | (std::uint64_t{5} << 16), 0x402000}});
    read(rig, 0x402000);
    // The context is gone.
    rig.memory.write64(entry, 0x200000 | 1);
    thrice(rig);
    rig.memory.write64(test::kContextTable + 16u * kDevice, 0);
    rig.submit_and_wait({{0x11, 0}});
    read(rig, 0x402000);
    // Translation off.
    rig.memory.write64(test::kContextTable + 16u * kDevice, table | 1);
    thrice(rig);
    rig.write(0x18, 0x04000000, 4);
    while ((rig.read(0x1C, 4) & 0x80000000) != 0) continue;
    rig.memory.bytes[0x402000] = 0x5A;
    read(rig, 0x402000);
  });
  REQUIRE(done.size() == 16);
  for (const std::size_t i : {1u, 2u, 5u, 6u, 9u, 10u, 13u, 14u}) {
    INFO("access " << i);
    CHECK(done[i].outcome == OutcomeClass::Hit);
    CHECK(done[i].ended - done[i].issued == 53000);
  }
  CHECK(done[3].reason == 0x05);
  CHECK(done[6].data[0] == 0xA5);
  CHECK(done[7].reason == 0x06);
  CHECK(done[11].reason == 0x02);
  CHECK(done[15].outcome == OutcomeClass::Untranslated);
  CHECK(done[15].data[0] == 0x5A);
}

TEST_CASE("Early hits: a context that has made room for another is read anew") {
  std::vector<Access> done;
  RigConfig config = early();
  config.unit.context_entries = 1;
  simulate(config, [&](Rig& rig) {
    set_up(rig);
    const core::Address table = rig.new_table();
    rig.context(0x20, table, 6);
    rig.map(table, 0x400000, 0x300000, 3);
    for (const core::RequesterId requester : std::array<core::RequesterId, 6>{0x18, 0x18, 0x18, 0x20, 0x18, 0x18}) {
      Access access = access_of(0x400000);
      access.requester = requester;
      run_to_end(rig, access);
      done.push_back(access);
    }
    CHECK(rig.unit.context_counters().lookups == 6);
    CHECK(rig.unit.context_counters().hits == 3);
  });
  CHECK(done[2].ended - done[2].issued == 53000);
  CHECK(done[4].outcome == OutcomeClass::Hit);
  CHECK(done[4].ended - done[4].issued == 153000);  // and two reads of 50 ns
  CHECK(done[4].stages.of(Stage::ContextRead) == 100000);
  CHECK(done[5].ended - done[5].issued == 53000);
}

TEST_CASE("Early hits: memory may answer from within the call, keep the payload, or refuse") {
  simulate(early(), [](Rig& rig) {
    set_up(rig);
    rig.map(test::kTables, 0x403000, 0x3000000, 3);  // beyond the 16 MiB
    rig.memory.bytes[0x200040] = 0xBB;
    for (int i = 0; i < 2; ++i) {
      Access warm = access_of(0x400000);
      run_to_end(rig, warm);
      wait(sim::to_sc_time(1'000'000));
    }
    // Answers before it returns: as early as if the call had said so. With and without a record.
    rig.memory.within = true;
    for (const core::Address address : {0x400000u, 0x400040u}) {
      const Call call(rig, address);
      CHECK(call.status == tlm::TLM_COMPLETED);
      CHECK(sim::to_ticks(call.delay) == 53000);
      CHECK(call.data[0] == (address == 0x400000u ? 0xAA : 0xBB));
      CHECK(call.extension.stages.total() == 53000);
      wait(sim::to_sc_time(1'000'000));
    }
    rig.memory.within = false;
    // Keeps the payloads: each has its own.
    std::vector<tlm::tlm_generic_payload*> kept;
    rig.memory.kept = &kept;
    for (const core::Address address : {0x400000u, 0x400040u}) {
      const Call call(rig, address);
      CHECK(call.status == tlm::TLM_COMPLETED);
    }
    rig.memory.kept = nullptr;
    REQUIRE(kept.size() == 2);
    CHECK(kept[0] != kept[1]);
    CHECK(kept[0]->get_address() == 0x200000);
    CHECK(kept[1]->get_address() == 0x200040);
    for (auto* payload : kept) payload->release();
    wait(sim::to_sc_time(1'000'000));
    // Refused, known or not.
    for (int i = 0; i < 4; ++i) {
      Access refused = access_of(0x403000);
      run_to_end(rig, refused);
      CHECK(refused.status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
      CHECK(refused.outcome == OutcomeClass::Fault);
      CHECK(refused.reason == 0);
      CHECK(refused.stages.total() == refused.ended - refused.issued);
      wait(sim::to_sc_time(1'000'000));
    }
    CHECK(rig.unit.counters().requests == 10);
    CHECK(rig.unit.counters().pieces == 10);
    CHECK(rig.unit.counters().bytes == 640);
    CHECK(rig.unit.counters().outcomes[static_cast<std::size_t>(OutcomeClass::Hit)] == 5);
    CHECK(rig.unit.counters().outcomes[static_cast<std::size_t>(OutcomeClass::Fault)] == 4);
  });
}

TEST_CASE("Early hits: a target of four phases gets one request at a time, and the ends are the same") {
  for (const auto& which : {std::pair(true, false), {true, true}, {false, false}, {false, true}}) {
    const bool early_hits = which.first;
    const bool known = which.second;
    INFO("early hits " << early_hits << ", known " << known);
    std::vector<Access> done{access_of(0x400000), access_of(0x400040)};
    RigConfig config;
    config.unit.early_hits = early_hits;
    simulate(config, [&](Rig& rig) {
      set_up(rig);
      Access cold = access_of(0x400000);
      run_to_end(rig, cold);
      Access hit = access_of(0x400000);
      if (known) run_to_end(rig, hit);
      rig.memory.four_phases = true;
      rig.memory.request_phase = 5000;
      for (Access& access : done) rig.initiator.at(access);
      rig.initiator.wait_all();
    });
    CHECK(done[0].ended - done[0].issued == 53000);
    // Looked up at 4 ns, sent when the first one's request has ended at 3 + 5 ns.
    CHECK(done[1].ended - done[1].issued == 58000);
    for (const Access& access : done) CHECK(access.stages.total() == access.ended - access.issued);
  }
}

TEST_CASE("Early hits: what an invalidation finds in its look-up time passes, and a drain waits for it") {
  for (const auto& which : {std::pair(true, false), {true, true}, {false, false}, {false, true}}) {
    const bool early_hits = which.first;
    const bool known = which.second;
    INFO("early hits " << early_hits << ", known " << known);
    RigConfig config;
    config.unit.early_hits = early_hits;
    config.unit.decode = 1000;
    config.iotlb.latency = 300000;
    Access hit = access_of(0x400000);
    Access after = access_of(0x400000);
    std::uint64_t retries = 0;
    Tick invalidated = 0;
    simulate(config, [&](Rig& rig) {
      set_up(rig);
      Access cold = access_of(0x400000);
      run_to_end(rig, cold);
      Access before = access_of(0x400000);
      if (known) run_to_end(rig, before);
      rig.initiator.at(hit);
      rig.submit_and_wait(
          {{0x12 | 0xC0, 0}});  // IOTLB, global, drains reads and writes: without one done after some 160 ns
      invalidated = sim::now_ticks();
      rig.initiator.wait_all();
      run_to_end(rig, after);
      retries = rig.unit.counters().retries;
    });
    CHECK(retries == (early_hits ? 0U : 1U));
    if (early_hits) {
      CHECK(hit.ended - hit.issued == 351000);  // 1 + 300 + 50
      CHECK(invalidated > hit.ended);
    } else {
      CHECK(hit.stages.of(Stage::Retry) > 0);
    }
    CHECK(after.outcome == (early_hits ? OutcomeClass::Walk4 : OutcomeClass::Hit));
  }
}

TEST_CASE("Early hits: with many in flight and no contention beyond the unit, nothing but the calls differs") {
  std::array<std::vector<Access>, 2> runs;
  std::array<std::uint64_t, 2> memory_accesses{};
  for (const bool early_hits : {false, true}) {
    std::vector<Access>& accesses = runs[early_hits];
    for (unsigned i = 0; i < 600; ++i) {
      // Three mapped pages, one that isn't, and now and then a crossing.
      const core::Address page = 0x400000 + 0x1000 * (i * 7 % 11 % 4);
      accesses.push_back(access_of(page + (i % 5 == 0 ? 0xFE0 : 64 * (i % 60))));
    }
    RigConfig config;
    config.unit.early_hits = early_hits;
    config.iotlb.array.ways = 2;
    simulate(config, [&](Rig& rig) {
      set_up(rig);
      for (Access& access : accesses) {
        rig.initiator.at(access);
        wait(sim::to_sc_time(2003));  // nothing comes at the same picosecond as something else
      }
      rig.initiator.wait_all();
      memory_accesses[early_hits] = rig.memory.accesses;
    });
  }
  unsigned hits = 0;
  for (std::size_t i = 0; i < runs[0].size(); ++i) {
    INFO("access " << i);
    CHECK(runs[0][i].ended == runs[1][i].ended);
    CHECK(runs[0][i].status == runs[1][i].status);
    CHECK(runs[0][i].reason == runs[1][i].reason);
    CHECK(runs[0][i].outcome == runs[1][i].outcome);
    CHECK(runs[0][i].data == runs[1][i].data);
    CHECK(runs[0][i].stages.all() == runs[1][i].stages.all());
    if (runs[1][i].outcome == OutcomeClass::Hit) ++hits;
  }
  CHECK(hits > 50);
  CHECK(memory_accesses[0] == memory_accesses[1]);
}

TEST_CASE("Early hits and exact responses exclude each other") {
  test::new_simulation();
  RigConfig config = early();
  config.unit.exact_responses = true;
  CHECK_THROWS_AS(Rig("rig", config, [] {}), sc_core::sc_report);
}
