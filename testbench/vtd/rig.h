// A unit without time on a sparse memory, driven as software would: registers by their offsets in the specification,
// tables and descriptors by hand.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "models/vtd/functional_unit.h"
#include "testbench/vtd/table_builder.h"

namespace iommu::test {

// Register offsets (sheet 1.1).
inline constexpr std::uint32_t kVer = 0x000, kCap = 0x008, kEcap = 0x010, kGcmd = 0x018, kGsts = 0x01C, kRtaddr = 0x020,
                               kCcmd = 0x028, kFsts = 0x034, kFectl = 0x038, kFedata = 0x03C, kFeaddr = 0x040,
                               kFeuaddr = 0x044, kPmen = 0x064, kPlmbase = 0x068, kPlmlimit = 0x06C, kPhmbase = 0x070,
                               kPhmlimit = 0x078, kIqh = 0x080, kIqt = 0x088, kIqa = 0x090, kIcs = 0x09C,
                               kIectl = 0x0A0, kIedata = 0x0A4, kIeaddr = 0x0A8, kIeuaddr = 0x0AC, kIqercd = 0x0B0;
// Where this model puts the movable ones (sheet 1.1: ECAP.IRO * 16, CAP.FRO * 16).
inline constexpr std::uint32_t kIva = 0x500, kIotlb = 0x508, kFrcd = 0x600;

// GCMD and GSTS bits (sheet 1.4).
inline constexpr std::uint32_t kTE = 0x80000000, kSRTP = 0x40000000, kQIE = 0x04000000;

/// A unit with every choice made here, so that a changed default changes no test.
inline vtd::Capabilities capabilities() {
  vtd::Capabilities c;
  c.version_major = 1;
  c.host_address_bits = 46;
  c.mgaw_bits = 48;
  c.levels = {3, 4};
  c.large_page_level = 3;
  c.domain_bits = 16;
  c.fault_records = 8;
  c.max_address_mask = 18;
  c.queued_invalidation = true;
  c.pass_through = true;
  c.zero_length_read = true;
  c.caching_mode = false;
  c.page_selective = true;
  c.plmr = true;
  c.phmr = true;
  c.snoop_control = true;
  c.coherent_walk = true;
  c.esrtps = false;
  return c;
}

struct Rig {
  static constexpr core::RequesterId kSid = 0x0310;  // bus 3, device 2, function 0
  static constexpr core::Address kQueue = 0x40000000;

  SparseMemory memory;
  TableBuilder tables{memory};
  vtd::FunctionalUnit unit;
  std::vector<std::pair<core::Address, std::uint32_t>> messages;
  core::Address table = tables.page();  ///< top paging table of kSid's domain 5

  explicit Rig(const vtd::Capabilities& c = capabilities(), const core::CacheConfig& caches = {})
      : memory(c.host_address_bits), unit(c, memory, caches), levels_(c.levels.back()) {
    unit.on_message = [this](core::Address address, std::uint32_t data) { messages.emplace_back(address, data); };
    tables.context(kSid, kTtTable, table, levels_ - 2, 5);
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  std::uint32_t r32(std::uint32_t offset) { return static_cast<std::uint32_t>(unit.read_register(offset, 4)); }
  std::uint64_t r64(std::uint32_t offset) { return unit.read_register(offset, 8); }
  void w32(std::uint32_t offset, std::uint32_t value) { unit.write_register(offset, 4, value); }
  void w64(std::uint32_t offset, std::uint64_t value) { unit.write_register(offset, 8, value); }

  /// One bit of GCMD changed by the rule of sheet 1.4.
  void set_command(std::uint32_t bit) { w32(kGcmd, (r32(kGsts) & 0x96FFFFFF) | bit); }
  void clear_command(std::uint32_t bit) { w32(kGcmd, r32(kGsts) & 0x96FFFFFF & ~bit); }

  void set_root(std::uint64_t rtaddr) {
    w64(kRtaddr, rtaddr);
    set_command(kSRTP);
  }
  /// Root pointer and translation on.
  Rig& on() {
    set_root(tables.root());
    set_command(kTE);
    return *this;
  }

  void map(core::Address input, core::Address host, unsigned level = 1, std::uint64_t bits = kRW) {
    tables.map(table, levels_, input, host, level, bits);
  }
  core::Address entry(core::Address input, unsigned level = 1) { return tables.entry(table, levels_, input, level); }

  // DMA. Data is 8 bytes unless a test says otherwise.
  static core::Request request(core::AccessKind kind, core::Address address, std::uint32_t length = 8,
                               core::RequesterId sid = kSid) {
    core::Request r;
    r.kind = kind;
    r.address = address;
    r.length = length;
    r.requester = sid;
    return r;
  }
  core::FunctionalRunner::DmaResult run(const core::Request& r) {
    REQUIRE(r.length <= buffer.size());
    return unit.dma(r, buffer.data());
  }
  bool reads(core::Address address, core::RequesterId sid = kSid) {
    return run(request(core::AccessKind::Read, address, 8, sid)).completed;
  }
  bool writes(core::Address address, core::RequesterId sid = kSid) {
    return run(request(core::AccessKind::Write, address, 8, sid)).completed;
  }
  bool atomics(core::Address address, core::RequesterId sid = kSid) {
    return run(request(core::AccessKind::Atomic, address, 8, sid)).completed;
  }
  bool zero_length_read(core::Address address, core::RequesterId sid = kSid) {
    core::Request r = request(core::AccessKind::Read, address, 4, sid);
    r.zero_length = true;
    return run(r).completed;
  }
  /// The 8 bytes that a read returns; the read must complete.
  std::uint64_t value_at(core::Address address, core::RequesterId sid = kSid) {
    buffer.fill(0xEE);
    REQUIRE(reads(address, sid));
    std::uint64_t value = 0;
    std::memcpy(&value, buffer.data(), 8);
    return value;
  }

  // Fault records (sheet 6.4): two quadwords each.
  std::uint64_t record_lo(std::uint32_t i) { return r64(kFrcd + 16 * i); }
  std::uint64_t record_hi(std::uint32_t i) { return r64(kFrcd + 16 * i + 8); }
  void clear_record(std::uint32_t i) { w32(kFrcd + 16 * i + 12, 0x80000000); }
  /// Nothing recorded, nothing pending.
  bool no_fault() { return r32(kFsts) == 0 && (record_hi(0) >> 63) == 0; }

  // The invalidation queue: 4 KiB at kQueue unless a test says otherwise.
  void queue_on(unsigned qs = 0) {
    w64(kIqt, 0);
    w64(kIqa, kQueue | qs);
    set_command(kQIE);
  }
  /// Writes a descriptor at the tail and moves the tail.
  void submit(std::uint64_t lo, std::uint64_t hi, std::uint64_t queue_bytes = 0x1000) {
    const std::uint64_t tail = r64(kIqt);
    memory.put(kQueue + tail, lo);
    memory.put(kQueue + tail + 8, hi);
    w64(kIqt, (tail + 16) % queue_bytes);
  }

  std::array<std::uint8_t, 0x4000> buffer{};

 private:
  unsigned levels_;
};

}  // namespace iommu::test
