// Translation through second-stage tables: every depth and leaf size, index bits, permissions of each level,
// zero-length reads, reserved bits of each level, large pages at levels without them, snoop, pass-through, DMAs over
// several pages. Sheet 2.3 to 2.6, 3.10, 7.1 steps 12 to 19, 7.3.
#include <string>

#include "testbench/vtd/rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;
using core::AccessKind;

constexpr std::uint64_t kLeafBytes[] = {0, 0x1000, 0x200000, 0x40000000};

vtd::Capabilities with_levels(unsigned levels) {
  auto c = capabilities();
  c.levels = {levels};
  const unsigned widths[] = {0, 0, 0, 39, 48, 57};
  c.mgaw_bits = widths[levels];
  c.host_address_bits = 39;
  return c;
}

// An input address whose index differs at every level: 0x55 at PML5, 0x1AA, 0x33, 0x155, 0xCC, offset 0x678.
constexpr core::Address kAllIndices =
    (0x55ull << 48) | (0x1AAull << 39) | (0x33ull << 30) | (0x155ull << 21) | (0xCCull << 12) | 0x678;
constexpr std::uint64_t kWidthMask[] = {0, 0, 0, 0x7FFFFFFFFF, 0xFFFFFFFFFFFF, 0x1FFFFFFFFFFFFFF};

TEST_CASE("every depth with every leaf size: the right host address, and only the entries of the walk are read") {
  for (unsigned levels = 3; levels <= 5; ++levels) {
    for (unsigned leaf = 1; leaf <= 3; ++leaf) {
      INFO(levels << " levels, leaf at level " << leaf);
      Rig rig(with_levels(levels));
      const core::Address input = kAllIndices & kWidthMask[levels];
      const core::Address page = 0x1240000000;  // aligned to 1 GiB
      rig.map(input, page, leaf);
      const core::Address host = page + (input & (kLeafBytes[leaf] - 1));
      rig.memory.put(host, 0x0123456789ABCDEF);
      std::vector<SparseMemory::Read> expected;
      expected.push_back({rig.tables.root_entry(Rig::kSid), 16});
      expected.push_back({rig.tables.context_entry(Rig::kSid), 16});
      for (unsigned level = levels; level >= leaf; --level) expected.push_back({rig.entry(input, level), 8});
      expected.push_back({host, 8});
      rig.on();
      rig.memory.reads.clear();
      CHECK(rig.value_at(input) == 0x0123456789ABCDEF);
      CHECK(rig.memory.reads == expected);
      // The second time it comes from the caches.
      rig.memory.reads.clear();
      CHECK(rig.value_at(input) == 0x0123456789ABCDEF);
      CHECK(rig.memory.reads == std::vector<SparseMemory::Read>{{host, 8}});
      CHECK(rig.no_fault());
    }
  }
}

TEST_CASE("where the entries stand, spelled out once for 4 levels") {
  Rig rig;
  rig.on();
  // PML4[0x1AA] -> 0x7000000, PDP[0x33] -> 0x7001000, PD[0x155] -> 0x7002000, PT[0xCC] -> 0x345678000.
  rig.memory.put(rig.table + 0xD50, 0x7000003);
  rig.memory.put(0x7000198, 0x7001003);
  rig.memory.put(0x7001AA8, 0x7002003);
  rig.memory.put(0x7002660, 0x345678003);
  rig.memory.put(0x345678678, 77);
  CHECK(rig.value_at(0xD50CEAACC678) == 77);
}

TEST_CASE("the first and the last page of a space, and the first and last byte of a large page") {
  Rig rig;
  rig.map(0, 0x900000);
  rig.map(0xFFFFFFFFF000, 0x901000);
  rig.map(0x80000000, 0x40000000, 3);
  rig.map(0x200000, 0x600000, 2);
  rig.on();
  rig.memory.put(0x900000, 1);
  rig.memory.put(0x901FF8, 2);
  rig.memory.put(0x40000000, 3);
  rig.memory.put(0x7FFFFFF8, 4);
  rig.memory.put(0x600000, 5);
  rig.memory.put(0x7FFFF8, 6);
  CHECK(rig.value_at(0) == 1);
  CHECK(rig.value_at(0xFFFFFFFFFFF8) == 2);
  CHECK(rig.value_at(0x80000000) == 3);
  CHECK(rig.value_at(0xBFFFFFF8) == 4);
  CHECK(rig.value_at(0x200000) == 5);
  CHECK(rig.value_at(0x3FFFF8) == 6);
  CHECK_FALSE(rig.reads(0x1000));
  CHECK_FALSE(rig.reads(0xC0000000));
  CHECK_FALSE(rig.reads(0x400000));
}

TEST_CASE("permissions are the AND over all levels") {
  for (unsigned levels = 3; levels <= 5; ++levels) {
    for (unsigned leaf = 1; leaf <= 3; ++leaf) {
      for (unsigned weak = leaf; weak <= levels; ++weak) {
        for (std::uint64_t bits = 0; bits <= 3; ++bits) {
          INFO(levels << " levels, leaf at " << leaf << ", level " << weak << " has R/W bits " << bits);
          Rig rig(with_levels(levels));
          rig.map(0x40000000, 0x40000000, leaf);
          const core::Address entry = rig.entry(0x40000000, weak);
          rig.memory.put(entry, (rig.memory.get(entry) & ~3ull) | bits);
          rig.on();
          CHECK(rig.reads(0x40000000) == ((bits & kR) != 0));
          CHECK(rig.writes(0x40000000) == ((bits & kW) != 0));
          CHECK(rig.atomics(0x40000000) == (bits == kRW));
        }
      }
    }
  }
}

TEST_CASE("read permission at one level and write permission at another give neither") {
  Rig rig;
  rig.map(0x1000, 0x900000, 1, kW);
  const core::Address upper = rig.entry(0x1000, 3);
  rig.memory.put(upper, rig.memory.get(upper) & ~kW);
  rig.on();
  CHECK_FALSE(rig.reads(0x1000));
  CHECK(rig.record_hi(0) == 0xC000000600000310);
  CHECK_FALSE(rig.writes(0x1000));
  CHECK(rig.record_hi(1) == 0x8000000500000310);
  CHECK_FALSE(rig.zero_length_read(0x1000));
  CHECK(rig.record_hi(2) == 0xC000000600000310);
}

TEST_CASE("zero-length reads: content with write permission alone where CAP.ZLR says so, and without data") {
  for (const bool zlr : {true, false}) {
    for (std::uint64_t bits = 0; bits <= 3; ++bits) {
      INFO("CAP.ZLR " << zlr << ", R/W bits " << bits);
      auto c = capabilities();
      c.zero_length_read = zlr;
      Rig rig(c);
      rig.map(0x1000, 0x900000, 1, bits);
      rig.on();
      rig.buffer.fill(0xEE);
      rig.memory.reads.clear();
      const bool allowed = bits == kR || bits == kRW || (zlr && bits == kW);
      CHECK(rig.zero_length_read(0x1000) == allowed);
      CHECK(rig.buffer[0] == 0xEE);
      for (const auto& read : rig.memory.reads) CHECK(read.address != 0x900000);
      CHECK(rig.record_hi(0) == (allowed ? 0 : 0xC000000600000310));
      // The same from the IOTLB, filled by a write where that is possible.
      if ((bits & kW) != 0) {
        REQUIRE(rig.writes(0x1000));
        CHECK(rig.zero_length_read(0x1000) == allowed);
      }
    }
  }
}

TEST_CASE("a zero-length read does not make a write-only page readable") {
  Rig rig;
  rig.map(0x1000, 0x900000, 1, kW);
  rig.on();
  CHECK(rig.zero_length_read(0x1000));
  CHECK_FALSE(rig.reads(0x1000));
  CHECK(rig.record_hi(0) == 0xC000000600000310);
}

/// What each bit of an entry is (sheet 2.4), for HAW 39.
enum class Bit { Ignored, Reserved, Meaning };

Bit meaning(unsigned bit, unsigned level, bool leaf, bool snoop_control) {
  if (bit <= 1) return Bit::Meaning;
  if (bit == 7) return level == 1 ? Bit::Ignored : Bit::Meaning;
  if (bit == 11) return leaf && snoop_control ? Bit::Meaning : Bit::Reserved;
  if (bit == 62) return Bit::Reserved;
  if (bit >= 39 && bit <= 51) return Bit::Reserved;  // beyond HAW
  if (leaf && level == 2 && bit >= 12 && bit <= 20) return Bit::Reserved;
  if (leaf && level == 3 && bit >= 12 && bit <= 29) return Bit::Reserved;
  if (bit >= 12 && bit <= 38) return Bit::Meaning;
  return Bit::Ignored;  // 2 (X), 6:3 (EMT, IPAT), 8, 9 (A, D), 10, 61:52, 63
}

TEST_CASE("each reserved bit of each kind of entry is 0Ch, each ignored bit is ignored") {
  for (const bool snoop_control : {true, false}) {
    for (unsigned leaf = 1; leaf <= 3; ++leaf) {
      auto c = with_levels(5);
      c.snoop_control = snoop_control;
      Rig rig(c);
      rig.map(0x40000000, 0x40000000, leaf);
      rig.on();
      for (unsigned level = leaf; level <= 5; ++level) {
        const core::Address entry = rig.entry(0x40000000, level);
        const std::uint64_t good = rig.memory.get(entry);
        unsigned reserved = 0, ignored = 0;
        for (unsigned bit = 0; bit < 64; ++bit) {
          const Bit kind = meaning(bit, level, level == leaf, snoop_control);
          if (kind == Bit::Meaning) continue;
          INFO("leaf at " << leaf << ", level " << level << ", bit " << bit << ", SC " << snoop_control);
          rig.memory.put(entry, good | (1ull << bit));
          rig.w64(kIotlb, 0x9000000000000000);
          const auto result = rig.run(Rig::request(AccessKind::Read, 0x40000000));
          CHECK(result.completed == (kind == Bit::Ignored));
          CHECK(result.fault.reason == (kind == Bit::Ignored ? 0x00 : 0x0C));
          ++(kind == Bit::Reserved ? reserved : ignored);
        }
        rig.memory.put(entry, good);
        CHECK(reserved == 14u + (level == leaf && snoop_control ? 0 : 1) + (level == leaf && level == 2 ? 9 : 0) +
                              (level == leaf && level == 3 ? 18 : 0));
        CHECK(ignored == 19u + (level == 1 ? 1 : 0));
      }
      // A not-present entry may hold anything: it is 06h, not 0Ch.
      rig.w64(kIotlb, 0x9000000000000000);
      rig.memory.put(rig.entry(0x40000000, leaf), 0xFFFFFFFFFFFFFFFC);
      CHECK(rig.run(Rig::request(AccessKind::Read, 0x40000000)).fault.reason == 0x06);
    }
  }
}

TEST_CASE("PS where the unit has no such leaf is a reserved bit") {
  for (unsigned largest = 1; largest <= 3; ++largest) {
    auto c = with_levels(5);
    c.large_page_level = largest;
    for (unsigned level = 2; level <= 5; ++level) {
      INFO("largest leaf at level " << largest << ", PS at level " << level);
      Rig rig(c);
      rig.memory.put(rig.entry(0x40000000, level), 0x40000000 | kRW | kPS);
      rig.on();
      const auto result = rig.run(Rig::request(AccessKind::Read, 0x40000000));
      CHECK(result.completed == (level <= largest));
      CHECK(result.fault.reason == (level <= largest ? 0x00 : 0x0C));
    }
  }
}

TEST_CASE("PS is ignored in the lowest table") {
  Rig rig;
  rig.map(0x1000, 0x900000, 1, kRW | kPS);
  rig.on();
  CHECK(rig.reads(0x1000));
}

TEST_CASE("host address width: the highest address works, one bit above is reserved, for 32 to 52 bits") {
  for (const unsigned haw : {32u, 39u, 46u, 48u, 52u}) {
    INFO("HAW " << haw);
    auto c = capabilities();
    c.levels = {5};
    c.mgaw_bits = 57;
    c.host_address_bits = haw;
    Rig rig(c);
    const core::Address top = (1ull << haw) - 0x1000;
    rig.map(0x1000, top);
    rig.on();
    rig.memory.put(top, 0x55);
    CHECK(rig.value_at(0x1000) == 0x55);
    if (haw == 52) continue;  // bits above 51 are ignored, not reserved
    rig.map(0x2000, 1ull << haw);
    CHECK(rig.run(Rig::request(AccessKind::Read, 0x2000)).fault.reason == 0x0C);
  }
}

TEST_CASE("bits 61:52 and 63 of an entry do not reach the output address") {
  Rig rig;
  rig.map(0x1000, 0x900000, 1, kRW | 0xBFF0000000000000);
  rig.on();
  rig.memory.put(0x900000, 0x66);
  CHECK(rig.value_at(0x1000) == 0x66);
}

TEST_CASE("accessed and dirty bits are never written in legacy mode") {
  Rig rig;
  rig.map(0x1000, 0x900000);
  rig.on();
  rig.memory.writes.clear();
  REQUIRE(rig.writes(0x1000));
  CHECK(rig.memory.writes == std::vector<SparseMemory::Read>{{0x900000, 8}});
  CHECK(rig.memory.get(rig.entry(0x1000)) == 0x900003);
}

TEST_CASE("SNP of the leaf is part of the translation where the unit has snoop control, upper entries have none") {
  for (unsigned leaf = 1; leaf <= 3; ++leaf) {
    for (const bool snp : {false, true}) {
      Rig rig;
      rig.map(0x40000000, 0x40000000, leaf, kRW | (snp ? kSNP : 0));
      rig.on();
      REQUIRE(rig.reads(0x40000000));
      const core::IotlbEntry* entry = rig.unit.iotlb().peek(Rig::kSid, 0x40000000);
      REQUIRE(entry != nullptr);
      CHECK(entry->mapping.snoop == snp);
      CHECK(entry->mapping.level == leaf);
      CHECK(entry->mapping.input_page == 0x40000000);
      CHECK(entry->mapping.output_page == 0x40000000);
      CHECK(entry->mapping.domain == 5);
    }
  }
}

TEST_CASE(
    "pass-through: output is input, everything permitted, no paging structure is read, nothing is cached in the "
    "IOTLB") {
  Rig rig;
  rig.tables.context(Rig::kSid, kTtPass, 0, 2, 5);
  rig.on();
  rig.memory.put(0x12345008, 0x99);
  rig.memory.reads.clear();
  CHECK(rig.value_at(0x12345008) == 0x99);
  CHECK(rig.memory.reads == std::vector<SparseMemory::Read>{{rig.tables.root_entry(Rig::kSid), 16},
                                                            {rig.tables.context_entry(Rig::kSid), 16},
                                                            {0x12345008, 8}});
  CHECK(rig.writes(0x12345008));
  CHECK(rig.atomics(0x12345008));
  CHECK(rig.zero_length_read(0x12345008));
  CHECK(rig.unit.iotlb().size() == 0);
}

TEST_CASE("a DMA over several pages: each piece is translated on its own, to pages that are nowhere near each other") {
  Rig rig;
  rig.map(0x1000, 0x900000);
  rig.map(0x2000, 0x70000000);
  rig.map(0x3000, 0x100000000);
  rig.on();
  for (std::size_t i = 0; i < 0x1010; ++i) rig.buffer[i] = static_cast<std::uint8_t>(i * 7);
  REQUIRE(rig.run(Rig::request(AccessKind::Write, 0x1FF8, 0x1010)).completed);
  CHECK(rig.memory.get(0x900FF8) == 0x312A231C150E0700);
  CHECK(rig.memory.get(0x70000000) == 0x69625B544D463F38);  // bytes 8 to 15
  CHECK((rig.memory.get(0x100000000) & 0xFF) == 0x38);      // byte 0x1008
  const auto written = rig.buffer;
  rig.buffer.fill(0);
  REQUIRE(rig.run(Rig::request(AccessKind::Read, 0x1FF8, 0x1010)).completed);
  CHECK(std::memcmp(rig.buffer.data(), written.data(), 0x1010) == 0);
}

TEST_CASE("a DMA over several pages with a hole: what is mapped is carried out, the first fault is the result") {
  Rig rig;
  rig.map(0x1000, 0x900000);
  rig.map(0x3000, 0x902000);
  rig.map(0x4000, 0x903000, 1, kR);
  rig.on();
  rig.buffer.fill(0x11);
  const auto result = rig.run(Rig::request(AccessKind::Write, 0x1FF8, 0x3000));
  CHECK_FALSE(result.completed);
  CHECK(result.fault.reason == 0x05);
  CHECK(rig.memory.get(0x900FF8) == 0x1111111111111111);
  CHECK(rig.memory.get(0x902000) == 0x1111111111111111);
  CHECK(rig.memory.get(0x903000) == 0);
  CHECK(rig.record_lo(0) == 0x2000);
  CHECK(rig.record_lo(1) == 0x4000);
}

TEST_CASE("a DMA may cross from one leaf size into another, and inside a large page is no crossing") {
  Rig rig;
  rig.map(0x200000, 0x600000, 2);
  rig.map(0x400000, 0x900000);
  rig.on();
  rig.memory.put(0x7FFFF8, 0xAA);
  rig.memory.put(0x900000, 0xBB);
  REQUIRE(rig.run(Rig::request(AccessKind::Read, 0x3FFFF8, 16)).completed);
  CHECK(rig.buffer[0] == 0xAA);
  CHECK(rig.buffer[8] == 0xBB);
  rig.memory.put(0x601000, 0xCC);
  REQUIRE(rig.run(Rig::request(AccessKind::Read, 0x200FF8, 16)).completed);
  CHECK(rig.buffer[8] == 0xCC);
}

TEST_CASE("memory itself may refuse a translated access: no fault is recorded") {
  Rig rig;
  rig.map(0x1000, 0x900000);
  rig.on();
  rig.memory.refuse(0x900000);
  const auto result = rig.run(Rig::request(AccessKind::Read, 0x1000));
  CHECK_FALSE(result.completed);
  CHECK(result.fault.reason == 0);
  CHECK(rig.no_fault());
}

TEST_CASE("requesters of different domains see their own tables") {
  Rig rig;
  constexpr core::RequesterId other = 0x0311;
  const core::Address table = rig.tables.page();
  rig.tables.context(other, kTtTable, table, 2, 6);
  rig.map(0x1000, 0x900000);
  rig.tables.map(table, 4, 0x1000, 0x901000);
  rig.on();
  rig.memory.put(0x900000, 1);
  rig.memory.put(0x901000, 2);
  for (int i = 0; i < 2; ++i) {
    CHECK(rig.value_at(0x1000) == 1);
    CHECK(rig.value_at(0x1000, other) == 2);
  }
}

TEST_CASE("requesters of one domain share the paging-structure caches, not the IOTLB entries") {
  Rig rig;
  constexpr core::RequesterId other = 0x0420;
  rig.tables.context(other, kTtTable, rig.table, 2, 5);
  rig.map(0x1000, 0x900000);
  rig.on();
  REQUIRE(rig.reads(0x1000));
  rig.memory.reads.clear();
  REQUIRE(rig.reads(0x1000, other));
  // Looked up by SID (sheet 4.1), so the leaf is read again; the entries above it came from the cache.
  CHECK(rig.memory.reads == std::vector<SparseMemory::Read>{{rig.tables.root_entry(other), 16},
                                                            {rig.tables.context_entry(other), 16},
                                                            {rig.entry(0x1000), 8},
                                                            {0x900000, 8}});
}

TEST_CASE("faulting entries are cached nowhere: a mapping made later works without invalidation (CM = 0)") {
  Rig rig;
  rig.on();
  CHECK_FALSE(rig.reads(0x1000));
  rig.map(0x1000, 0x900000);
  CHECK(rig.reads(0x1000));
  constexpr core::RequesterId other = 0x0420;
  CHECK_FALSE(rig.reads(0x1000, other));  // no root entry
  rig.memory.put(rig.tables.context_entry(other), 0);
  CHECK_FALSE(rig.reads(0x1000, other));  // no context entry
  rig.tables.context(other, kTtTable, rig.table, 2, 5);
  CHECK(rig.reads(0x1000, other));
  rig.map(0x2000, 0xFEE00000);
  CHECK_FALSE(rig.writes(0x2000));
  rig.map(0x2000, 0x900000);
  CHECK(rig.writes(0x2000));
  rig.map(0x3000, 0x900000, 1, kR);
  CHECK_FALSE(rig.writes(0x3000));
  rig.map(0x3000, 0x900000, 1, kRW);
  CHECK(rig.writes(0x3000));
}

TEST_CASE("a stale translation stays until it is invalidated") {
  Rig rig;
  rig.map(0x1000, 0x900000);
  rig.on();
  REQUIRE(rig.writes(0x1000));
  rig.map(0x1000, 0x901000);
  rig.memory.put(0x900000, 1);
  rig.memory.put(0x901000, 2);
  CHECK(rig.value_at(0x1000) == 1);
  rig.w64(kIotlb, 0x9000000000000000);
  CHECK(rig.value_at(0x1000) == 2);
}

}  // namespace
