// Every fault reason of legacy mode, provoked by a DMA and read back from the fault record bit for bit; suppression by
// FPD; and which of two defects is reported. Sheet 6.2 (codes and the FPD column), 6.3, 6.4 (record), 7.1 (order).
#include <functional>
#include <string>

#include "testbench/vtd/rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;
using core::AccessKind;
using core::AddressType;

constexpr core::Address kInput = 0x12345000;
constexpr core::Address kHost = 0x900000;
// Record words of a fault of kSid: F = 63, T1 = 62, AT = 61:60, FR = 39:32, T2 = 28, SID = 15:0.
constexpr std::uint64_t read_record(std::uint64_t reason) { return 0xC000000000000310 | (reason << 32); }
constexpr std::uint64_t write_record(std::uint64_t reason) { return 0x8000000000000310 | (reason << 32); }
constexpr std::uint64_t atomic_record(std::uint64_t reason) { return 0xC000000010000310 | (reason << 32); }

/// A rig with one good 4 KiB mapping of kInput to kHost, translation on.
struct FaultRig : Rig {
  explicit FaultRig(const vtd::Capabilities& c = capabilities()) : Rig(c) {
    map(kInput, kHost);
    on();
  }
  core::Address context() { return tables.context_entry(kSid); }
  void context_lo(std::uint64_t value) { memory.put(context(), value); }
  void context_hi(std::uint64_t value) { memory.put(context() + 8, value); }
  void set_fpd() { memory.put(context(), memory.get(context()) | 2); }
};

struct Case {
  const char* name;
  std::uint8_t reason;
  bool suppressible;  // column FPD of sheet 6.2
  std::function<void(FaultRig&)> break_it;
  core::Address address = kInput;
};

const Case kCases[] = {
    {"root entry not present", 0x01, false, [](FaultRig& r) { r.memory.put(r.tables.root_entry(Rig::kSid), 0); }},
    {"context entry not present", 0x02, true, [](FaultRig& r) { r.context_lo(r.memory.get(r.context()) & ~1ull); }},
    {"AW 000", 0x03, true, [](FaultRig& r) { r.context_hi(0x500); }},
    {"AW 011 without 5-level support", 0x03, true, [](FaultRig& r) { r.context_hi(0x503); }},
    {"AW 100", 0x03, true, [](FaultRig& r) { r.context_hi(0x504); }},
    {"AW 101", 0x03, true, [](FaultRig& r) { r.context_hi(0x505); }},
    {"AW 111", 0x03, true, [](FaultRig& r) { r.context_hi(0x507); }},
    {"TT 01 without device TLBs", 0x03, true, [](FaultRig& r) { r.context_lo(r.table | 0x5); }},
    {"TT 11", 0x03, true, [](FaultRig& r) { r.context_lo(r.table | 0xD); }},
    {"top paging table can't be read", 0x03, true, [](FaultRig& r) { r.memory.refuse(r.table); }},
    {"address at 2^48", 0x04, true, [](FaultRig&) {}, 0x0001000000000000},
    {"address bit 63", 0x04, true, [](FaultRig&) {}, 0x8000000012345000},
    {"second table can't be read", 0x07, true, [](FaultRig& r) { r.memory.refuse(r.entry(kInput, 3)); }},
    {"lowest table can't be read", 0x07, true, [](FaultRig& r) { r.memory.refuse(r.entry(kInput, 1)); }},
    {"root table can't be read", 0x08, false, [](FaultRig& r) { r.memory.refuse(r.tables.root()); }},
    {"root table beyond the host address width", 0x08, false, [](FaultRig& r) { r.set_root(0x0000400000000000); }},
    {"context table can't be read", 0x09, false, [](FaultRig& r) { r.memory.refuse(r.context()); }},
    {"root entry, reserved bit 1", 0x0A, false,
     [](FaultRig& r) {
       r.memory.put(r.tables.root_entry(Rig::kSid), r.memory.get(r.tables.root_entry(Rig::kSid)) | 2);
     }},
    {"context entry, reserved bit 4", 0x0B, true, [](FaultRig& r) { r.context_lo(r.table | 0x11); }},
    {"paging entry, reserved bit 62", 0x0C, true,
     [](FaultRig& r) { r.memory.put(r.entry(kInput), kHost | kRW | (1ull << 62)); }},
    {"output in the interrupt range", 0x0E, true, [](FaultRig& r) { r.map(kInput, 0xFEE00000); }},
    {"access to the interrupt range that is no interrupt", 0x29, false, [](FaultRig&) {}, 0xFEE00000},
    {"TTM 10", 0x30, false, [](FaultRig& r) { r.set_root(r.tables.root() | 0x800); }},
    {"TTM 01 without scalable mode", 0x30, false, [](FaultRig& r) { r.set_root(r.tables.root() | 0x400); }},
    {"TTM 11 without abort-DMA mode", 0x30, false, [](FaultRig& r) { r.set_root(r.tables.root() | 0xC00); }},
};

TEST_CASE("each reason that depends on tables alone: record of a read, a write and an AtomicOp") {
  for (const Case& c : kCases) {
    INFO(c.name);
    FaultRig rig;
    c.break_it(rig);
    // FI: bits 47:12, since the largest AGAW is 48 bits.
    const std::uint64_t info = c.address & 0x0000FFFFFFFFF000;
    rig.buffer.fill(0xEE);
    const auto read = rig.run(Rig::request(AccessKind::Read, c.address + 0x18));
    CHECK_FALSE(read.completed);
    CHECK(read.fault.reason == c.reason);
    CHECK(rig.buffer[0] == 0xEE);  // no data
    CHECK_FALSE(rig.writes(c.address + 0x20));
    CHECK_FALSE(rig.atomics(c.address + 0x28));
    CHECK(rig.record_lo(0) == info);
    CHECK(rig.record_hi(0) == read_record(c.reason));
    CHECK(rig.record_lo(1) == info);
    CHECK(rig.record_hi(1) == write_record(c.reason));
    CHECK(rig.record_lo(2) == info);
    CHECK(rig.record_hi(2) == atomic_record(c.reason));
    CHECK(rig.record_hi(3) == 0);
    CHECK(rig.r32(kFsts) == 0x2);              // PPF, FRI = 0
    CHECK(rig.memory.get(kHost + 0x20) == 0);  // the write was dropped
  }
}

TEST_CASE("FPD suppresses the reasons that the specification lists, and no others") {
  for (const Case& c : kCases) {
    INFO(c.name);
    FaultRig rig;
    rig.set_fpd();
    const core::Address entry = rig.context();
    c.break_it(rig);
    rig.memory.put(entry, rig.memory.get(entry) | 2);
    const auto result = rig.run(Rig::request(AccessKind::Read, c.address));
    CHECK_FALSE(result.completed);  // blocked in any case
    CHECK(result.fault.recorded == !c.suppressible);
    CHECK(rig.record_hi(0) == (c.suppressible ? 0 : read_record(c.reason)));
    CHECK(rig.r32(kFsts) == (c.suppressible ? 0u : 2u));
  }
}

TEST_CASE("05h and 06h: the missing permission is named, the write permission first") {
  struct {
    const char* name;
    std::uint64_t bits;
    std::uint64_t read, write, atomic;  // 0: allowed
  } const cases[] = {{"not present", 0, 0x06, 0x05, 0x05},
                     {"read-only", kR, 0, 0x05, 0x05},
                     {"write-only", kW, 0x06, 0, 0x06},
                     {"read and write", kRW, 0, 0, 0}};
  for (const auto& c : cases) {
    INFO(c.name);
    FaultRig rig;
    std::uint32_t record = 0;
    rig.map(kInput, kHost, 1, c.bits);
    CHECK(rig.reads(kInput) == (c.read == 0));
    if (c.read != 0) CHECK(rig.record_hi(record++) == read_record(c.read));
    CHECK(rig.writes(kInput) == (c.write == 0));
    if (c.write != 0) CHECK(rig.record_hi(record++) == write_record(c.write));
    CHECK(rig.atomics(kInput) == (c.atomic == 0));
    if (c.atomic != 0) CHECK(rig.record_hi(record++) == atomic_record(c.atomic));
    CHECK(rig.record_hi(record) == 0);
  }
}

TEST_CASE("05h and 06h are suppressed by FPD") {
  FaultRig rig;
  rig.set_fpd();
  rig.map(kInput, kHost, 1, kR);
  CHECK_FALSE(rig.writes(kInput));
  rig.map(kInput + 0x1000, kHost, 1, kW);
  CHECK_FALSE(rig.reads(kInput + 0x1000));
  CHECK(rig.no_fault());
}

TEST_CASE("03h: pass-through where the unit does not support it") {
  auto c = capabilities();
  c.pass_through = false;
  FaultRig rig(c);
  rig.context_lo(0x9);
  CHECK_FALSE(rig.reads(kInput));
  CHECK(rig.record_hi(0) == read_record(0x03));
}

TEST_CASE("03h: an AW that SAGAW does not list, each way round") {
  auto c = capabilities();
  SECTION("3 levels on a 4-level unit") {
    c.levels = {4};
    FaultRig rig(c);
    rig.context_hi(0x501);
    CHECK_FALSE(rig.reads(kInput));
    CHECK(rig.record_hi(0) == read_record(0x03));
  }
  SECTION("for pass-through as well") {
    FaultRig rig;
    rig.context_lo(0x9);
    rig.context_hi(0x503);
    CHECK_FALSE(rig.reads(kInput));
    CHECK(rig.record_hi(0) == read_record(0x03));
  }
}

TEST_CASE("0Ah: each reserved bit of a root entry") {
  FaultRig rig;
  const core::Address entry = rig.tables.root_entry(Rig::kSid);
  const std::uint64_t good = rig.memory.get(entry);
  unsigned tried = 0;
  for (unsigned bit = 0; bit < 128; ++bit) {
    const bool reserved = (bit >= 1 && bit <= 11) || bit >= 46;  // 63:46 lie beyond HAW, 127:64 are reserved
    if (!reserved) continue;
    INFO("bit " << bit);
    rig.memory.put(entry, bit < 64 ? good | (1ull << bit) : good);
    rig.memory.put(entry + 8, bit < 64 ? 0 : 1ull << (bit - 64));
    CHECK(rig.run(Rig::request(AccessKind::Read, kInput)).fault.reason == 0x0A);
    ++tried;
  }
  CHECK(tried == 11 + 18 + 64);
  rig.memory.put(entry + 8, 0);
  rig.memory.put(entry, good);
  CHECK(rig.reads(kInput));
}

TEST_CASE("0Bh: each reserved bit of a context entry, and the bits that are ignored") {
  auto c = capabilities();
  c.domain_bits = 8;
  FaultRig rig(c);
  const std::uint64_t lo = rig.memory.get(rig.context());
  const std::uint64_t hi = rig.memory.get(rig.context() + 8);
  unsigned tried = 0;
  for (unsigned bit = 4; bit < 128; ++bit) {
    // 11:4; 63:46 beyond HAW; 71; DID bits 87:80 beyond 8 bits of domain; 127:88. Bits 70:67 are ignored.
    const bool reserved = bit <= 11 || (bit >= 46 && bit <= 63) || bit == 71 || bit >= 80;
    const bool ignored = bit >= 67 && bit <= 70;
    if (!reserved && !ignored) continue;
    INFO("bit " << bit);
    rig.context_lo(bit < 64 ? lo | (1ull << bit) : lo);
    rig.context_hi(bit < 64 ? hi : hi | (1ull << (bit - 64)));
    rig.w64(kCcmd, 0xA000000000000000);
    const auto result = rig.run(Rig::request(AccessKind::Read, kInput));
    CHECK(result.completed == ignored);
    CHECK(result.fault.reason == (ignored ? 0x00 : 0x0B));
    ++tried;
  }
  CHECK(tried == 8 + 18 + 1 + 48 + 4);
}

TEST_CASE("0Bh: a domain id that needs more bits than CAP.ND gives") {
  auto c = capabilities();
  for (const unsigned bits : {4u, 6u, 8u, 10u, 12u, 14u}) {
    INFO("domain bits " << bits);
    c.domain_bits = bits;
    FaultRig rig(c);
    rig.context_hi(2 | (((1ull << bits) - 1) << 8));
    CHECK(rig.reads(kInput));
    rig.w64(kCcmd, 0xA000000000000000);
    rig.context_hi(2 | ((1ull << bits) << 8));
    CHECK_FALSE(rig.reads(kInput));
    CHECK(rig.record_hi(0) == read_record(0x0B));
  }
  c.domain_bits = 16;
  FaultRig rig(c);
  rig.context_hi(2 | (0xFFFFull << 8));
  CHECK(rig.reads(kInput));
}

TEST_CASE("a pass-through entry's table pointer is ignored, the bits beyond HAW too") {
  FaultRig rig;
  rig.context_lo(0xFFFFFFFFFFFFF009);
  rig.memory.put(0x5000, 0xABCD);
  CHECK(rig.value_at(0x5000) == 0xABCD);
  CHECK(rig.no_fault());
}

TEST_CASE("04h: the limit is the smaller of MGAW and the table's width, pass-through has HAW alone") {
  auto c = capabilities();
  SECTION("3 levels: 2^39") {
    FaultRig rig;
    rig.context_hi(0x501);
    rig.tables.map(rig.table, 3, 0x7FFFFFF000, kHost);
    CHECK(rig.reads(0x7FFFFFF000));
    CHECK_FALSE(rig.reads(0x8000000000));
    CHECK(rig.record_lo(0) == 0x8000000000);
    CHECK(rig.record_hi(0) == read_record(0x04));
  }
  SECTION("MGAW below the table's width: 2^47") {
    c.mgaw_bits = 47;
    FaultRig rig(c);
    rig.map(0x7FFFFFFFF000, kHost);
    CHECK(rig.reads(0x7FFFFFFFF000));
    CHECK_FALSE(rig.reads(0x800000000000));
    CHECK(rig.record_hi(0) == read_record(0x04));
  }
  SECTION("5 levels: 2^57, and FI has 57 bits") {
    c.levels = {4, 5};
    c.mgaw_bits = 57;
    FaultRig rig(c);
    rig.map(0x01FFFFFFFFFFF000, kHost);
    CHECK(rig.reads(0x01FFFFFFFFFFF000));
    CHECK_FALSE(rig.reads(0x0300000000001000));
    CHECK(rig.record_lo(0) == 0x0100000000001000);  // bit 57 reads 0
    CHECK(rig.record_hi(0) == read_record(0x04));
  }
  SECTION("pass-through: 2^46, whatever AW says") {
    FaultRig rig;
    rig.context_lo(0x9);
    rig.context_hi(0x501);
    CHECK(rig.writes(0x3FFFFFFFFFF8));
    CHECK_FALSE(rig.writes(0x400000000000));
    CHECK(rig.record_hi(0) == write_record(0x04));
    CHECK(rig.record_lo(0) == 0x400000000000);
  }
  SECTION("pass-through faults are suppressed by FPD") {
    FaultRig rig;
    rig.context_lo(0xB);
    CHECK_FALSE(rig.writes(0x400000000000));
    CHECK(rig.no_fault());
  }
}

TEST_CASE("0Dh: translated and translation requests are blocked, TT being 00 or 10, AT reads 0 without device TLBs") {
  for (const std::uint64_t tt : {kTtTable, kTtPass}) {
    for (const AddressType type : {AddressType::TranslationRequest, AddressType::Translated}) {
      FaultRig rig;
      rig.tables.context(Rig::kSid, tt, rig.table, 2, 5);
      core::Request r = Rig::request(AccessKind::Read, kInput);
      r.address_type = type;
      CHECK(rig.run(r).fault.reason == 0x0D);
      CHECK(rig.record_lo(0) == kInput);
      CHECK(rig.record_hi(0) == read_record(0x0D));
      rig.set_fpd();
      rig.w64(kCcmd, 0xA000000000000000);
      CHECK_FALSE(rig.run(r).completed);
      CHECK(rig.record_hi(1) == 0);
    }
  }
}

TEST_CASE("31h: a request with PASID, PP and PV read 0 without ECAP.PASID, FPD does not matter") {
  FaultRig rig;
  rig.set_fpd();
  core::Request r = Rig::request(AccessKind::Write, kInput);
  r.has_pasid = true;
  r.pasid = 0xABCDE;
  CHECK(rig.run(r).fault.reason == 0x31);
  CHECK(rig.record_lo(0) == kInput);
  CHECK(rig.record_hi(0) == write_record(0x31));
  // Also to the interrupt range: only requests without PASID are interrupts (sheet 7.0, 9.4).
  r.address = 0xFEE00000;
  r.length = 4;
  CHECK(rig.run(r).fault.reason == 0x31);
  CHECK(rig.messages.empty());
}

// --- Order: two defects at once, the earlier step of sheet 7.1 is reported.

struct Order {
  const char* name;
  std::uint8_t reason;
  std::function<void(FaultRig&, core::Request&)> break_both;
};

const Order kOrders[] = {
    {"TTM invalid (30h) before PASID (31h)", 0x30,
     [](FaultRig& r, core::Request& q) {
       r.set_root(0x800);
       q.has_pasid = true;
     }},
    {"TTM invalid (30h) before the root table is read", 0x30,
     [](FaultRig& r, core::Request&) {
       r.set_root(r.tables.root() | 0x800);
       r.memory.refuse(r.tables.root());
     }},
    {"PASID (31h) before root access (08h)", 0x31,
     [](FaultRig& r, core::Request& q) {
       q.has_pasid = true;
       r.memory.refuse(r.tables.root());
     }},
    {"interrupt range (29h) before the root entry (01h)", 0x29,
     [](FaultRig& r, core::Request& q) {
       q.address = 0xFEE01000;
       r.memory.put(r.tables.root_entry(Rig::kSid), 0);
     }},
    {"root P (01h) before its reserved bits (0Ah)", 0x01,
     [](FaultRig& r, core::Request&) { r.memory.put(r.tables.root_entry(Rig::kSid), 0xFFFFFFFFFFFFFFFE); }},
    {"root reserved (0Ah) before context access (09h)", 0x0A,
     [](FaultRig& r, core::Request&) {
       r.memory.refuse(r.context());
       r.memory.put(r.tables.root_entry(Rig::kSid) + 8, 1);
     }},
    {"context P (02h) before its reserved bits (0Bh)", 0x02,
     [](FaultRig& r, core::Request&) { r.context_lo(0xFFFFFFFFFFFFFFFC); }},
    {"context reserved (0Bh) before TT (03h)", 0x0B, [](FaultRig& r, core::Request&) { r.context_lo(0x1D); }},
    {"context reserved (0Bh) before AW (03h)", 0x0B, [](FaultRig& r, core::Request&) { r.context_hi(0x1000007); }},
    {"pointer beyond HAW with TT=11: 0Bh, only pass-through ignores it", 0x0B,
     [](FaultRig& r, core::Request&) { r.context_lo(0x800000000000000D); }},
    {"TT (03h) before AT (0Dh)", 0x03,
     [](FaultRig& r, core::Request& q) {
       r.context_lo(r.table | 0xD);
       q.address_type = AddressType::Translated;
     }},
    {"AW (03h) before AT (0Dh)", 0x03,
     [](FaultRig& r, core::Request& q) {
       r.context_hi(0x507);
       q.address_type = AddressType::TranslationRequest;
     }},
    {"AT (0Dh) before the address width (04h)", 0x0D,
     [](FaultRig&, core::Request& q) {
       q.address = 0x8000000000000000;
       q.address_type = AddressType::Translated;
     }},
    {"AT (0Dh) before pass-through's width (04h)", 0x0D,
     [](FaultRig& r, core::Request& q) {
       r.context_lo(0x9);
       q.address = 0x8000000000000000;
       q.address_type = AddressType::Translated;
     }},
    {"AW (03h) before the address width (04h)", 0x03,
     [](FaultRig& r, core::Request& q) {
       r.context_hi(0x503);
       q.address = 0x8000000000000000;
     }},
    {"address width (04h) before the top table (03h)", 0x04,
     [](FaultRig& r, core::Request& q) {
       r.memory.refuse(r.table);
       q.address = 0x0001000000000000;
     }},
    {"permission (06h) before reserved bits of one entry (0Ch)", 0x06,
     [](FaultRig& r, core::Request&) { r.memory.put(r.entry(kInput), ~3ull); }},
    {"permission of an upper entry (06h) before reserved bits of a lower one", 0x06,
     [](FaultRig& r, core::Request&) {
       r.memory.put(r.entry(kInput), ~0ull);
       r.memory.put(r.entry(kInput, 3), r.memory.get(r.entry(kInput, 3)) & ~kR);
     }},
    {"reserved bits of an upper entry (0Ch) before permission of a lower one", 0x0C,
     [](FaultRig& r, core::Request&) {
       r.memory.put(r.entry(kInput), 0);
       r.memory.put(r.entry(kInput, 2), r.memory.get(r.entry(kInput, 2)) | (1ull << 62));
     }},
    {"reserved bits of an upper entry (0Ch) before access to the table below (07h)", 0x0C,
     [](FaultRig& r, core::Request&) {
       r.memory.refuse(r.entry(kInput));
       r.memory.put(r.entry(kInput, 2), r.memory.get(r.entry(kInput, 2)) | (1ull << 62));
     }},
    {"permission of the leaf (06h) before its output (0Eh)", 0x06,
     [](FaultRig& r, core::Request&) { r.map(kInput, 0xFEE00000, 1, kW); }},
    {"reserved bits of the leaf (0Ch) before its output (0Eh)", 0x0C,
     [](FaultRig& r, core::Request&) { r.map(kInput, 0xFEE00000, 1, kRW | (1ull << 62)); }},
};

TEST_CASE("of two defects the earlier check is reported") {
  for (const Order& o : kOrders) {
    INFO(o.name);
    FaultRig rig;
    core::Request r = Rig::request(AccessKind::Read, kInput);
    o.break_both(rig, r);
    CHECK(rig.run(r).fault.reason == o.reason);
    CHECK(((rig.record_hi(0) >> 32) & 0xFF) == o.reason);
  }
}

TEST_CASE("FPD of an entry that is not present is honoured, and one that can't be read has none") {
  FaultRig rig;
  rig.context_lo(0x2);  // P = 0, FPD = 1
  CHECK_FALSE(rig.reads(kInput));
  CHECK(rig.no_fault());
  rig.memory.refuse(rig.context());
  CHECK_FALSE(rig.reads(kInput));
  CHECK(rig.record_hi(0) == read_record(0x09));
}

TEST_CASE("a permission fault is the same on an IOTLB hit as on a walk") {
  FaultRig rig;
  rig.map(kInput, kHost, 1, kR);
  REQUIRE(rig.reads(kInput));
  rig.memory.reads.clear();
  CHECK_FALSE(rig.writes(kInput));
  CHECK(rig.memory.reads.empty());  // no walk: the cached entry said no
  CHECK(rig.record_lo(0) == kInput);
  CHECK(rig.record_hi(0) == write_record(0x05));
  CHECK_FALSE(rig.atomics(kInput));
  CHECK(rig.record_hi(1) == atomic_record(0x05));
}

TEST_CASE("a permission fault is the same below a cached upper part as on a whole walk") {
  FaultRig rig;
  const core::Address upper = rig.entry(kInput, 3);
  rig.memory.put(upper, rig.memory.get(upper) & ~kW);
  REQUIRE(rig.reads(kInput));
  rig.map(kInput + 0x1000, kHost);
  CHECK_FALSE(rig.writes(kInput + 0x1000));
  CHECK(rig.record_hi(0) == write_record(0x05));
}

}  // namespace
