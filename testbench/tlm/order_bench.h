// Several DMAs of one port at the same time, in LT or AT, for tests of the order of translations. The rig's memory takes
// 50 ns an access, so that with warm context and paging-structure caches a look-up is over at 1 + 2 = 3 ns, a walk takes
// 1 + 2 + 50 = 53 ns, and the access itself 50 ns more.
//
// What it does: tables with warm and cold pages, calls, checks that stages sum. What it does not do: expectations.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <deque>

#include "testbench/tlm/translation_rig.h"

namespace iommu::test {

inline constexpr core::RequesterId kDevice = 0x18;
inline constexpr core::Address kHit = 0x400000;       // warm in every test
inline constexpr core::Address kReadOnly = 0x402000;  // warm too
inline constexpr core::Address kCold = 0x410000;      // pages in the same 2 MiB, never warm
inline constexpr core::Address kOtherRegion = 0x600000;
inline constexpr std::uint64_t kInvalidatePageDomain5 = 0x00050032;

inline Access read_of(core::Address address, std::uint32_t length = 64) {
  Access access;
  access.address = address;
  access.length = length;
  access.requester = kDevice;
  return access;
}
inline Access write_of(core::Address address) {
  Access access = read_of(address);
  access.write = true;
  return access;
}
inline core::Address cold(unsigned page) { return kCold + 0x1000 * core::Address{page}; }

inline RigConfig in_order() {
  RigConfig config;
  config.unit.in_order = true;
  return config;
}

inline core::Address set_up(Rig& rig, unsigned cold_pages) {
  rig.enable();
  const core::Address table = rig.new_table();
  rig.context(kDevice, table, 5);
  rig.map(table, kHit, 0x200000, 3);
  rig.map(table, kHit + 0x1000, 0x205000, 3);
  rig.map(table, kReadOnly, 0x207000, 1);
  rig.map(table, kOtherRegion, 0x208000, 3);
  for (unsigned page = 0; page < cold_pages; ++page) {
    rig.map(table, cold(page), 0x220000, 3);
    rig.map(table, kOtherRegion + 0x1000 * core::Address{page + 1}, 0x221000, 3);
  }
  return table;
}

// LT: one blocking call from the kernel's time on, without waiting for its end.
inline void call(Initiator& initiator, Access& access) {
  tlm::tlm_generic_payload payload;
  sim::DmaExtension extension;
  extension.requester = access.requester;
  payload.set_extension(&extension);
  access.data.resize(access.length);
  payload.set_command(access.write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
  payload.set_address(access.address);
  payload.set_data_ptr(access.data.data());
  payload.set_data_length(access.length);
  payload.set_streaming_width(access.length);
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  access.issued = sim::now_ticks();
  initiator.socket->b_transport(payload, delay);
  access.ended = sim::now_ticks(delay);
  access.status = payload.get_response_status();
  access.outcome = extension.outcome;
  access.stages = extension.stages;
  access.reason = extension.fault_reason;
  payload.clear_extension(&extension);
}

inline void one(Rig& rig, bool lt, Access& access) {
  if (lt) {
    rig.initiator.lt(access);
  } else {
    rig.initiator.at(access);
    rig.initiator.wait_all();
  }
}
inline void warm(Rig& rig, bool lt) {
  for (const core::Address page : {kHit, kReadOnly, kOtherRegion}) {
    static std::deque<Access> kept;  // until the simulation is over
    one(rig, lt, kept.emplace_back(read_of(page)));
  }
}

/// All at the same time on warm caches. Checks that the stages sum.
inline std::vector<Access> together(bool lt, const RigConfig& config, std::vector<Access> accesses,
                                    unsigned cold_pages = 8) {
  simulate(config, [&](Rig& rig) {
    set_up(rig, cold_pages);
    warm(rig, lt);
    for (Access& access : accesses) {
      if (lt) {
        call(rig.initiator, access);
      } else {
        rig.initiator.at(access);
      }
    }
    rig.initiator.wait_all();
  });
  for (const Access& access : accesses) REQUIRE(access.stages.total() == access.ended - access.issued);
  return accesses;
}
inline core::Tick took(const Access& access) { return access.ended - access.issued; }

}  // namespace iommu::test
