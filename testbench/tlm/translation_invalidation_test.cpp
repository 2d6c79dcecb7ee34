// Invalidations against DMA that is under way, drains, messages, probes and direct memory: what only the timed unit can
// get wrong.
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
using test::Access;
using test::Rig;
using test::RigConfig;
using test::simulate;

namespace {

constexpr core::RequesterId kDevice = 0x18;
constexpr std::uint64_t kIotlbGlobal = 0x12;         // type 2, G = 01
constexpr std::uint64_t kIotlbDomain5 = 0x00050022;  // G = 10, DID 5
constexpr std::uint64_t kIotlbDomain6 = 0x00060022;
constexpr std::uint64_t kIotlbPageDomain5 = 0x00050032;  // G = 11
constexpr std::uint64_t kContextGlobal = 0x11;           // type 1, G = 01

Access access_of(core::Address address, bool write = false) {
  Access access;
  access.address = address;
  access.requester = kDevice;
  access.write = write;
  return access;
}

// Page 0x400000 -> 0x200000; returns the address of its leaf entry.
core::Address set_up(Rig& rig) {
  rig.enable();
  const core::Address table = rig.new_table();
  rig.context(kDevice, table, 5);
  rig.memory.bytes[0x200000] = 0xAA;
  rig.memory.bytes[0x300000] = 0xBB;
  return rig.map(table, 0x400000, 0x200000, 3);
}

// Starts a walk, changes the leaf entry after it has been read, invalidates while the access is not translated yet, and
// reads again.
void overtake(std::uint64_t lo, std::uint64_t hi, bool covered) {
  Access first = access_of(0x400000);
  Access second = access_of(0x400000);
  std::uint64_t retries = 0;
  RigConfig config;
  config.unit.decode = 1000;
  simulate(config, [&](Rig& rig) {
    const core::Address leaf = set_up(rig);
    // Software is fast here: the entry changes the moment after hardware has read it, and the invalidation is under way
    // by then. The leaf is read at 1 + 100 + 2 + 1 + 3 x 52 + 2 = 262 ns and its data arrives at 312 ns.
    rig.memory.on_access = [&rig, leaf, changed = false](core::Address address, bool) mutable {
      if (address == leaf && !changed) {
        changed = true;
        sc_core::sc_spawn([&rig, leaf] { rig.memory.write64(leaf, 0x300003); });
      }
    };
    rig.initiator.at(first);
    wait(sc_core::sc_time(200, sc_core::SC_NS));
    // The doorbell at 210 ns; fetch 50 ns, decode 1 ns: the invalidation happens at 270 ns or later.
    rig.memory.write64(test::kStatus, 0);
    rig.submit({{lo, hi}});
    rig.initiator.wait_all();
    rig.initiator.at(second);
    rig.initiator.wait_all();
    retries = rig.unit.counters().retries;
  });
  CHECK(second.status == tlm::TLM_OK_RESPONSE);
  if (covered) {
    CHECK(retries == 1);
    CHECK(first.data[0] == 0xBB);  // translated anew
    CHECK(first.stages.of(Stage::Retry) > 0);
    CHECK(second.data[0] == 0xBB);  // and nothing stale was left behind
  } else {
    CHECK(retries == 0);
    CHECK(first.data[0] == 0xAA);
    CHECK(second.data[0] == 0xAA);  // allowed: nobody has invalidated this page
    CHECK(second.outcome == OutcomeClass::Hit);
  }
  CHECK(first.stages.total() == first.ended - first.issued);
}

}  // namespace

TEST_CASE("A walk that a global invalidation overtakes leaves nothing stale") { overtake(kIotlbGlobal, 0, true); }
TEST_CASE("A walk that a domain invalidation overtakes leaves nothing stale") { overtake(kIotlbDomain5, 0, true); }
TEST_CASE("A walk that a page invalidation overtakes leaves nothing stale") {
  overtake(kIotlbPageDomain5, 0x400000, true);
}
TEST_CASE("A walk that a masked page invalidation overtakes leaves nothing stale") {
  overtake(kIotlbPageDomain5, 0x407000 | 3, true);  // AM = 3: 0x400000 to 0x407FFF
}
TEST_CASE("A walk that a context invalidation overtakes is begun anew") { overtake(kContextGlobal, 0, true); }
TEST_CASE("An invalidation of another domain does not disturb a walk") { overtake(kIotlbDomain6, 0, false); }
TEST_CASE("An invalidation of another page does not disturb a walk") { overtake(kIotlbPageDomain5, 0x401000, false); }

namespace {

// The same in LT, where only a memory that waits lets an invalidation come in between: it does so once, at the first
// entry of a walk.
void overtake_blocking(std::uint64_t lo, std::uint64_t hi, bool covered) {
  Access first = access_of(0x400040);
  Access second = access_of(0x400000);
  std::uint64_t retries = 0;
  std::uint64_t requests = 0;
  std::uint64_t lookups = 0;
  simulate({}, [&](Rig& rig) {
    set_up(rig);
    Access other = access_of(0x600000);  // nothing there: the context is cached, the tables of 0x400000 are not
    rig.initiator.lt(other);
    const std::uint64_t requests_before = rig.unit.counters().requests;
    const std::uint64_t lookups_before = rig.unit.context_counters().lookups;
    rig.memory.on_access = [&, waited = false](core::Address, bool) mutable {
      if (waited) return;
      waited = true;
      rig.submit_and_wait({{lo, hi}});
    };
    rig.initiator.lt(first);
    retries = rig.unit.counters().retries;
    requests = rig.unit.counters().requests - requests_before;
    lookups = rig.unit.context_counters().lookups - lookups_before;
    rig.initiator.lt(second);
  });
  CHECK(first.status == tlm::TLM_OK_RESPONSE);
  CHECK(first.data[0] == 0);
  CHECK(first.stages.total() == first.ended - first.issued);
  CHECK(retries == (covered ? 1 : 0));
  CHECK((first.stages.of(Stage::Retry) > 0) == covered);
  CHECK(lookups == (covered ? 2 : 1));
  CHECK(requests == 1);
  CHECK(second.data[0] == 0xAA);
  CHECK(second.outcome == OutcomeClass::Hit);
}

}  // namespace

TEST_CASE("LT: a walk that a domain invalidation overtakes is begun anew") {
  overtake_blocking(kIotlbDomain5, 0, true);
}
TEST_CASE("LT: a walk that a page invalidation overtakes is begun anew") {
  overtake_blocking(kIotlbPageDomain5, 0x400000, true);
}
TEST_CASE("LT: a walk that a context invalidation overtakes is begun anew") {
  overtake_blocking(kContextGlobal, 0, true);
}
TEST_CASE("LT: an invalidation of another domain does not disturb a walk") {
  overtake_blocking(kIotlbDomain6, 0, false);
}
TEST_CASE("LT: an invalidation of another page does not disturb a walk") {
  overtake_blocking(kIotlbPageDomain5, 0x401000, false);
}

TEST_CASE("Requests that wait for a walk which an invalidation prevents from beginning look for themselves") {
  std::vector<Access> done(4, access_of(0x400000));
  std::uint64_t retries = 0;
  RigConfig config;
  config.unit.decode = 1000;
  config.iotlb.latency = 300000;  // the walk begins 300 ns after its look-up has missed
  config.iotlb.ports = 0;
  simulate(config, [&](Rig& rig) {
    set_up(rig);
    Access warm = access_of(0x400000);  // the context entry is cached then
    rig.initiator.at(warm);
    rig.initiator.wait_all();
    rig.submit_and_wait({{kIotlbGlobal, 0}});
    for (Access& access : done) rig.initiator.at(access);
    wait(sc_core::sc_time(50, sc_core::SC_NS));
    rig.submit({{kIotlbPageDomain5, 0x400000}});
    rig.initiator.wait_all();
    retries = rig.unit.counters().retries;
  });
  for (const Access& access : done) {
    CHECK(access.status == tlm::TLM_OK_RESPONSE);
    CHECK(access.data[0] == 0xAA);
    CHECK(access.stages.total() == access.ended - access.issued);
  }
  CHECK(retries == 4);
}

TEST_CASE(
    "Requests that wait for a walk are served although the one that was to walk finds its page cached after all") {
  // B and A are pages of one 2 MiB leaf. B's walk fills the leaf while A, begun later and overtaken by an invalidation, has yet to begin anew.
  Access b = access_of(0x601000);
  std::vector<Access> a(3, access_of(0x600000));
  RigConfig config;
  config.unit.decode = 1000;
  config.iotlb.latency = 300000;
  config.iotlb.ports = 0;
  simulate(config, [&](Rig& rig) {
    set_up(rig);
    const core::Address table = rig.memory.read64(test::kContextTable + 16 * kDevice) & ~core::Address{0xFFF};
    rig.map(table, 0x600000, 0x400000, 3, 2);
    rig.memory.bytes[0x400000] = 0xCC;
    Access warm = access_of(0x400000);
    rig.initiator.at(warm);
    rig.initiator.wait_all();
    rig.initiator.at(b);
    wait(sc_core::sc_time(200, sc_core::SC_NS));
    for (Access& access : a) rig.initiator.at(access);
    wait(sc_core::sc_time(20, sc_core::SC_NS));
    rig.submit({{kIotlbPageDomain5, 0x600000}});
    rig.initiator.wait_all();
  });
  CHECK(b.outcome == OutcomeClass::Walk3);  // the invalidation (IH = 0) has taken the upper levels away
  for (const Access& access : a) {
    CHECK(access.status == tlm::TLM_OK_RESPONSE);
    CHECK(access.data[0] == 0xCC);
    CHECK(access.outcome == OutcomeClass::Hit);
    CHECK(access.stages.of(Stage::Retry) > 0);
  }
}

TEST_CASE("A wait after a draining invalidation completes only when translated writes are in memory") {
  // A slow write is under way; IOTLB invalidation with DW = 1 (bit 6), then a wait with status write.
  for (const bool drain : {true, false}) {
    sc_core::sc_curr_simcontext = sc_core::sc_default_global_context = new sc_core::sc_simcontext;
    Access write = access_of(0x400000, true);
    core::Tick status_seen = 0;
    simulate({}, [&](Rig& rig) {
      set_up(rig);
      Access warm = access_of(0x400000);
      rig.initiator.at(warm);
      rig.initiator.wait_all();
      rig.memory.on_access = [&](core::Address address, bool is_write) {
        if (is_write && address == test::kStatus) status_seen = sim::now_ticks();
        rig.memory.latency = address == 0x200000 ? 900000 : 50000;
      };
      rig.initiator.at(write);
      wait(sc_core::sc_time(100, sc_core::SC_NS));
      rig.submit_and_wait({{kIotlbGlobal | (drain ? 0x40u : 0u), 0}});
      rig.initiator.wait_all();
    });
    INFO("drain " << drain);
    CHECK(write.ended > write.issued + 900000);
    if (drain) {
      CHECK(status_seen == write.ended);
    } else {
      CHECK(status_seen < write.ended);
    }
  }
}

TEST_CASE("A draining invalidation waits for accesses of foreign memory too") {
  Access write = access_of(0x400000, true);
  core::Tick status_seen = 0;
  simulate({}, [&](Rig& rig) {
    set_up(rig);
    Access warm = access_of(0x400000);
    rig.initiator.at(warm);
    rig.initiator.wait_all();
    rig.memory.four_phases = true;
    rig.memory.latency = 900000;
    rig.memory.on_access = [&](core::Address address, bool is_write) {
      if (is_write && address == test::kStatus) status_seen = sim::now_ticks();
    };
    rig.initiator.at(write);
    wait(sc_core::sc_time(100, sc_core::SC_NS));
    rig.memory.latency = 50000;
    rig.submit_and_wait({{kIotlbGlobal | 0x40u, 0}});
    rig.initiator.wait_all();
  });
  CHECK(status_seen == write.ended);
}

TEST_CASE("A draining invalidation does not wait for accesses that come after it") {
  // A write of 900 ns; while it runs the drain begins, and from then on a read of 500 ns begins every 100 ns for 5 us.
  for (const bool blocking : {false, true}) {
    sc_core::sc_curr_simcontext = sc_core::sc_default_global_context = new sc_core::sc_simcontext;
    Access write = access_of(0x400000, true);
    std::vector<Access> later(50, access_of(0x400000));
    core::Tick status_seen = 0;
    simulate({}, [&](Rig& rig) {
      set_up(rig);
      Access warm = access_of(0x400000);
      rig.initiator.at(warm);
      rig.initiator.wait_all();
      rig.memory.on_access = [&](core::Address address, bool is_write) {
        if (is_write && address == test::kStatus) status_seen = sim::now_ticks();
        rig.memory.latency = address != 0x200000 ? 50000 : is_write ? 900000 : 500000;
      };
      rig.initiator.at(write);
      sc_core::sc_spawn([&] {
        wait(sc_core::sc_time(150, sc_core::SC_NS));
        for (Access& access : later) {
          if (blocking) {
            sc_core::sc_spawn([&] { rig.initiator.lt(access); });
          } else {
            rig.initiator.at(access);
          }
          wait(sc_core::sc_time(100, sc_core::SC_NS));
        }
      });
      wait(sc_core::sc_time(100, sc_core::SC_NS));
      rig.submit_and_wait({{kIotlbGlobal | 0x40u, 0}});
      wait(sc_core::sc_time(10, sc_core::SC_US));
    });
    INFO("blocking " << blocking);
    CHECK(later.back().ended > write.ended + 3000000);
    CHECK(status_seen == write.ended);
  }
}

// Doorbell, 10 ns of the register access, 50 of the fetch, 10 of the decoding: carried out at 70 ns. A read of a page that is
// cached comes at `read_at`, is to be looked up 1 ns later and takes 53 ns otherwise. Nothing that it needs is invalidated.
void invalidation_takes_ports(bool at, core::Tick busy, const std::vector<std::uint64_t>& commands, core::Tick waits,
                              core::Tick read_at = 100000) {
  test::new_simulation();
  RigConfig config;
  config.unit.invalidation_busy = busy;
  Access before = access_of(0x400000);
  Access read = access_of(0x400000);
  Access after = access_of(0x400000);
  simulate(config, [&](Rig& rig) {
    set_up(rig);
    const auto perform = [&](Access& access) {
      if (at) {
        rig.initiator.at(access);
        rig.initiator.wait_all();
      } else {
        rig.initiator.lt(access);
      }
    };
    perform(before);
    std::vector<std::array<std::uint64_t, 2>> descriptors;
    for (const std::uint64_t command : commands) descriptors.push_back({command, 0});
    rig.submit(descriptors);
    wait(sim::to_sc_time(read_at - 10000));
    perform(read);
    wait(sc_core::sc_time(10, sc_core::SC_US));
    perform(after);
  });
  CHECK(read.outcome == OutcomeClass::Hit);
  CHECK(read.stages.of(Stage::IotlbPortWait) == waits);
  CHECK(read.stages.total() == 53000 + waits);
  CHECK(read.ended - read.issued == 53000 + waits);
  CHECK(after.ended - after.issued == 53000);
}

TEST_CASE("An invalidation takes the IOTLB's ports for its time, and for twice as long when that is doubled") {
  constexpr std::uint64_t kContextDomain6 = 0x00060021;  // type 1, G = 10, DID 6
  for (const bool at : {false, true}) {
    invalidation_takes_ports(at, 0, {kIotlbDomain6}, 0);
    invalidation_takes_ports(at, 100000, {kIotlbDomain6}, 69000);
    invalidation_takes_ports(at, 200000, {kIotlbDomain6}, 169000);
    invalidation_takes_ports(at, 100000, {kContextDomain6}, 69000);
    invalidation_takes_ports(at, 31000, {kIotlbDomain6}, 0);  // over at 101 ns
    invalidation_takes_ports(at, 32000, {kIotlbDomain6}, 1000);
  }
}

TEST_CASE("Invalidations that follow each other take the ports one after the other") {
  for (const bool at : {false, true}) {
    // Carried out at 70 and 130 ns: the ports are taken until 170, and then until 270 ns.
    invalidation_takes_ports(at, 100000, {kIotlbDomain6, kIotlbDomain6}, 129000, 140000);
    invalidation_takes_ports(at, 100000, {kIotlbDomain6}, 29000, 140000);
    // The second finds them free.
    invalidation_takes_ports(at, 20000, {kIotlbDomain6, kIotlbDomain6}, 9000, 140000);
  }
}

TEST_CASE("What a command takes: the register access, and fetch and decoding of each descriptor") {
  // From the doorbell to the wait's status write: 10 + 2 x (50 + 10) ns.
  const auto status_after = [](core::Tick register_latency, core::Tick decode, core::Tick memory) {
    test::new_simulation();
    RigConfig config;
    config.unit.register_latency = register_latency;
    config.unit.decode = decode;
    core::Tick doorbell = 0;
    core::Tick status = 0;
    core::Tick register_read = 0;
    simulate(config, [&](Rig& rig) {
      set_up(rig);
      rig.memory.latency = memory;
      rig.memory.on_access = [&](core::Address address, bool) {
        if (address == test::kStatus) status = sim::now_ticks();
      };
      doorbell = sim::now_ticks();
      rig.submit_and_wait({{kIotlbDomain6, 0}});
      register_read = sim::now_ticks();
      static_cast<void>(rig.read(0x1C, 4));
      register_read = sim::now_ticks() - register_read;
    });
    CHECK(register_read == register_latency);
    return status - doorbell;
  };
  CHECK(status_after(10000, 10000, 50000) == 130000);
  CHECK(status_after(20000, 10000, 50000) == 140000);
  CHECK(status_after(10000, 20000, 50000) == 150000);
  CHECK(status_after(10000, 10000, 100000) == 230000);
}

TEST_CASE("The fault event's message reaches memory as a write of its data") {
  RigConfig config;
  std::vector<std::uint64_t> records;
  std::uint32_t message = 0;
  simulate(config, [&](Rig& rig) {
    set_up(rig);
    rig.write(0x40, 0x14000, 4);  // FEADDR: the rig's memory stands in for the interrupt fabric
    rig.write(0x3C, 0x4041, 4);   // FEDATA
    rig.write(0x38, 0, 4);        // FECTL.IM = 0
    Access bad = access_of(0x999000, true);
    rig.initiator.lt(bad);
    wait(sc_core::sc_time(1, sc_core::SC_US));
    message = static_cast<std::uint32_t>(rig.memory.read64(0x14000));
    records.push_back(rig.read(0x600, 8));
    records.push_back(rig.read(0x608, 8));
    records.push_back(rig.read(0x34, 4));
  });
  CHECK(message == 0x4041);
  CHECK(records[0] == 0x999000);
  CHECK(records[1] == 0x8000000500000018);  // F, write, reason 05h, 00:03.0
  CHECK(records[2] == 0x2);                 // PPF
}

TEST_CASE("Probes see what hardware would do and leave no trace") {
  simulate({}, [&](Rig& rig) {
    set_up(rig);
    const auto probe = [&](core::Address address, tlm::tlm_command command) {
      std::array<unsigned char, 4> data{};
      tlm::tlm_generic_payload payload;
      sim::DmaExtension extension;
      extension.requester = kDevice;
      payload.set_extension(&extension);
      payload.set_command(command);
      payload.set_address(address);
      payload.set_data_ptr(data.data());
      payload.set_data_length(4);
      payload.set_streaming_width(4);
      const unsigned n = rig.initiator.socket->transport_dbg(payload);
      payload.clear_extension(&extension);
      return n == 4 ? int{data[0]} : -1;
    };
    CHECK(probe(0x400000, tlm::TLM_READ_COMMAND) == 0xAA);
    CHECK(probe(0x999000, tlm::TLM_READ_COMMAND) == -1);
    CHECK(rig.iotlb.counters().lookups == 0);
    CHECK(rig.iotlb.counters().fills == 0);
    CHECK(rig.unit.context_counters().fills == 0);
    CHECK(rig.walker.counters().walks == 0);
    CHECK(rig.read(0x34, 4) == 0);  // no fault recorded
    CHECK(rig.read(0x608, 8) == 0);
    CHECK(rig.unit.counters().requests == 0);
  });
}

TEST_CASE("Direct memory is granted as the page allows and withdrawn by every invalidation that touches it") {
  simulate({}, [&](Rig& rig) {
    const core::Address leaf = set_up(rig);
    rig.memory.write64(leaf, 0x200001);  // read only
    tlm::tlm_generic_payload payload;
    sim::DmaExtension extension;
    extension.requester = kDevice;
    payload.set_extension(&extension);
    payload.set_command(tlm::TLM_READ_COMMAND);
    payload.set_address(0x400123);
    tlm::tlm_dmi dmi;
    REQUIRE(rig.initiator.socket->get_direct_mem_ptr(payload, dmi));
    CHECK(dmi.get_start_address() == 0x400000);
    CHECK(dmi.get_end_address() == 0x400FFF);
    CHECK(dmi.get_dmi_ptr() == rig.memory.bytes.data() + 0x200000);
    CHECK(dmi.is_read_allowed());
    CHECK_FALSE(dmi.is_write_allowed());
    payload.set_command(tlm::TLM_WRITE_COMMAND);
    CHECK_FALSE(rig.initiator.socket->get_direct_mem_ptr(payload, dmi));
    payload.set_address(0x999000);
    payload.set_command(tlm::TLM_READ_COMMAND);
    CHECK_FALSE(rig.initiator.socket->get_direct_mem_ptr(payload, dmi));
    payload.clear_extension(&extension);

    rig.initiator.dmi_withdrawn.clear();
    rig.submit_and_wait({{kIotlbPageDomain5, 0x400000}});
    REQUIRE(rig.initiator.dmi_withdrawn.size() == 1);
    CHECK(rig.initiator.dmi_withdrawn[0] == std::pair<core::Address, core::Address>{0x400000, 0x400FFF});
    rig.submit_and_wait({{kIotlbGlobal, 0}});
    REQUIRE(rig.initiator.dmi_withdrawn.size() == 2);
    CHECK(rig.initiator.dmi_withdrawn[1] == std::pair<core::Address, core::Address>{0, ~core::Address{0}});
  });
}

TEST_CASE("Payloads that can't be a DMA get a TLM error and count nowhere") {
  simulate({}, [&](Rig& rig) {
    set_up(rig);
    std::array<unsigned char, 8> data{};
    tlm::tlm_generic_payload payload;
    payload.set_address(0x400000);
    payload.set_data_ptr(data.data());
    payload.set_data_length(8);
    payload.set_streaming_width(4);
    payload.set_command(tlm::TLM_READ_COMMAND);
    sc_core::sc_time delay;
    rig.initiator.socket->b_transport(payload, delay);
    CHECK(payload.get_response_status() == tlm::TLM_BURST_ERROR_RESPONSE);
    payload.set_streaming_width(8);
    payload.set_data_length(0);
    rig.initiator.socket->b_transport(payload, delay);
    CHECK(payload.get_response_status() == tlm::TLM_BURST_ERROR_RESPONSE);
    payload.set_command(tlm::TLM_IGNORE_COMMAND);
    rig.initiator.socket->b_transport(payload, delay);
    CHECK(payload.get_response_status() == tlm::TLM_OK_RESPONSE);
    CHECK(delay == sc_core::SC_ZERO_TIME);
    CHECK(rig.unit.counters().requests == 0);
  });
}
