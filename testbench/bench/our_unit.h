// The translation unit with its parts, set up by its registers and tables as software would.
//
// What it does: binds a VT-d unit, IOTLB and walker, maps a window of 4 KiB pages for one device in a table of four levels, switches
// translation on. What it does not do: use the API layer, or map anything later.
#pragma once

#include <memory>

#include "models/tlm/memory.h"
#include "models/tlm/translation_unit.h"
#include "models/vtd/front_end.h"

namespace iommu::bench {

inline constexpr core::RequesterId kRequester = 0x18;
inline constexpr core::Address kRootTable = 0x10000;
inline constexpr core::Address kContextTable = 0x11000;
inline constexpr core::Address kTopTable = 0x12000;    ///< of the window's page table
inline constexpr core::Address kInput = 0x4000'0000;   ///< where the window begins as the device sees it
inline constexpr core::Address kFrames = 0x1000'0000;  ///< and in memory: the pages in order
inline constexpr std::uint64_t kMemoryBytes = 0x4000'0000;

struct OurUnitConfig {
  sim::TranslationUnitConfig unit;
  sim::IotlbModuleConfig iotlb;
  sim::WalkerConfig walker;
};

/// Every look-up misses and every walk reads four entries, given a window of more pages than the IOTLB has entries that are used in turn.
inline OurUnitConfig always_walks() {
  OurUnitConfig config;
  config.walker.cache.entries = {};
  return config;
}

/// Tables for `pages` pages from kInput on, at most 2^18, in the 16 MiB from kTopTable on.
inline void write_tables(sim::Memory& memory, std::uint64_t pages) {
  const auto store = [&](core::Address address, std::uint64_t value) { memory.write(address, &value, sizeof value); };
  store(kRootTable, kContextTable | 1);
  store(kContextTable + 16u * kRequester, kTopTable | 1);
  store(kContextTable + 16u * kRequester + 8, 2 | (std::uint64_t{1} << 8));  // four levels, domain 1
  constexpr core::Address kThird = kTopTable + 0x1000;
  constexpr core::Address kSecond = kTopTable + 0x2000;
  constexpr core::Address kFirst = kTopTable + 0x3000;
  store(kTopTable + 8 * ((kInput >> 39) & 511), kThird | 3);
  store(kThird + 8 * ((kInput >> 30) & 511), kSecond | 3);
  for (std::uint64_t page = 0; page < pages; ++page) {
    const core::Address table = kFirst + 0x1000 * (page / 512);
    if (page % 512 == 0) store(kSecond + 8 * (page / 512), table | 3);
    store(table + 8 * (page % 512), (kFrames + page * core::kPageBytes) | 3);
  }
}

struct OurUnit : sc_core::sc_module {
  sim::Iotlb iotlb;
  sim::PageTableWalker walker;
  sim::TranslationUnit unit;
  tlm_utils::simple_initiator_socket<OurUnit, sim::kSocketWidthBits> cpu;

  OurUnit(sc_core::sc_module_name name, const OurUnitConfig& config)
      : sc_module(name),
        iotlb("iotlb", config.iotlb),
        walker("walker", config.walker),
        unit("unit", config.unit, std::make_unique<vtd::FrontEnd>(vtd::Capabilities())),
        cpu("cpu"),
        register_base_(config.unit.register_base) {
    cpu.bind(unit.registers);
    unit.iotlb(iotlb);
    unit.walker(walker);
  }

  /// After elaboration, outside of processes: root pointer, then translation on. Lets a little time pass.
  void enable() {
    write(0x20, kRootTable, 8);
    write(0x18, 0x40000000, 4);
    sc_core::sc_start(sim::to_sc_time(1'000'000));
    write(0x18, 0x80000000, 4);
    sc_core::sc_start(sim::to_sc_time(1'000'000));
  }

 private:
  void write(std::uint32_t offset, std::uint64_t value, unsigned bytes) {
    ::tlm::tlm_generic_payload payload;
    payload.set_write();
    payload.set_address(register_base_ + offset);
    payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
    payload.set_data_length(bytes);
    payload.set_streaming_width(bytes);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    cpu->b_transport(payload, delay);
  }
  core::Address register_base_;
};

}  // namespace iommu::bench
