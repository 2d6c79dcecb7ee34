// Every register of the unit: reset value, what software can change, access width and alignment, absent features, warm
// and cold reset. Literals from sheet 1.1, 1.5 to 1.9, 5.1, 6.4.
#include <string>

#include "testbench/vtd/rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;

struct Expected {
  const char* name;
  std::uint32_t offset;
  unsigned bytes;
  std::uint64_t reset;
  std::uint64_t write;  // a value that starts nothing
  std::uint64_t read_back;
};

// Address fields are compared below the host address width of 46 bits: hardware need not implement the bits above.
constexpr std::uint64_t kBelowHaw = 0x00003FFFFFFFFFFF;

const Expected kRegisters[] = {
    {"VER", kVer, 4, 0x10, 0xFFFFFFFF, 0x10},
    {"CAP", kCap, 8, 0x00D2078C606F0666, ~0ull, 0x00D2078C606F0666},
    {"ECAP", kEcap, 8, 0x50C3, ~0ull, 0x50C3},
    {"GCMD", kGcmd, 4, 0, 0x007FFFFF, 0},  // write-only; its defined bits have tests of their own
    {"GSTS", kGsts, 4, 0, 0xFFFFFFFF, 0},
    {"RTADDR", kRtaddr, 8, 0, ~0ull, 0x00003FFFFFFFFC00},
    {"CCMD", kCcmd, 8, 0, 0x7FFFFFFFFFFFFFFF, 0x600000000000FFFF},
    {"FSTS", kFsts, 4, 0, 0xFFFFFFFF, 0},
    {"FECTL", kFectl, 4, 0x80000000, 0x7FFFFFFF, 0},
    {"FECTL, masked", kFectl, 4, 0x80000000, 0xFFFFFFFF, 0x80000000},
    {"FEDATA", kFedata, 4, 0, 0xFFFFFFFF, 0x0000FFFF},
    {"FEADDR", kFeaddr, 4, 0, 0xFFFFFFFF, 0xFFFFFFFC},
    {"FEUADDR", kFeuaddr, 4, 0, 0xFFFFFFFF, 0},  // RsvdZ: ECAP.EIM is 0
    {"PMEN", kPmen, 4, 0, 0x7FFFFFFF, 0},
    {"PLMBASE", kPlmbase, 4, 0, 0xFFFFFFFF, 0xFFE00000},
    {"PLMLIMIT", kPlmlimit, 4, 0, 0xFFFFFFFF, 0xFFE00000},
    {"PHMBASE", kPhmbase, 8, 0, ~0ull, 0x00003FFFFFE00000},
    {"PHMLIMIT", kPhmlimit, 8, 0, ~0ull, 0x00003FFFFFE00000},
    {"IQH", kIqh, 8, 0, ~0ull, 0},
    {"IQT", kIqt, 8, 0, ~0ull, 0x7FFF0},
    {"IQA", kIqa, 8, 0, ~0ull, 0x00003FFFFFFFF807},
    {"ICS", kIcs, 4, 0, 0xFFFFFFFF, 0},
    {"IECTL", kIectl, 4, 0x80000000, 0x7FFFFFFF, 0},
    {"IECTL, masked", kIectl, 4, 0x80000000, 0xFFFFFFFF, 0x80000000},
    {"IEDATA", kIedata, 4, 0, 0xFFFFFFFF, 0x0000FFFF},
    {"IEADDR", kIeaddr, 4, 0, 0xFFFFFFFF, 0xFFFFFFFC},
    {"IEUADDR", kIeuaddr, 4, 0, 0xFFFFFFFF, 0},
    {"IQERCD", kIqercd, 8, 0, ~0ull, 0},
    {"IVA", kIva, 8, 0, ~0ull, 0},  // write-only
    {"IOTLB", kIotlb, 8, 0, 0x7FFFFFFFFFFFFFFF, 0x3003FFFF00000000},
    {"FRCD[0] low", kFrcd, 8, 0, ~0ull, 0},
    {"FRCD[0] high", kFrcd + 8, 8, 0, ~0ull, 0},
    {"FRCD[7] low", kFrcd + 0x70, 8, 0, ~0ull, 0},
    {"FRCD[7] high", kFrcd + 0x78, 8, 0, ~0ull, 0},
};

TEST_CASE("reset value and what software can change, register by register") {
  for (const Expected& e : kRegisters) {
    INFO(e.name);
    Rig rig;
    CHECK(rig.unit.read_register(e.offset, e.bytes) == e.reset);
    rig.unit.write_register(e.offset, e.bytes, e.write);
    CHECK((rig.unit.read_register(e.offset, e.bytes) & kBelowHaw) == (e.read_back & kBelowHaw));
    // Writing zero takes every plain bit away again.
    rig.unit.write_register(e.offset, e.bytes, 0);
    const bool constant = e.offset <= kEcap + 4;
    CHECK(rig.unit.read_register(e.offset, e.bytes) == (constant ? e.reset : 0));
  }
}

TEST_CASE("64-bit registers are readable and writable in halves") {
  for (const Expected& e : kRegisters) {
    if (e.bytes != 8) continue;
    INFO(e.name);
    Rig rig;
    CHECK(rig.r32(e.offset) == static_cast<std::uint32_t>(e.reset));
    CHECK(rig.r32(e.offset + 4) == static_cast<std::uint32_t>(e.reset >> 32));
    rig.w32(e.offset, static_cast<std::uint32_t>(e.write));
    rig.w32(e.offset + 4, static_cast<std::uint32_t>(e.write >> 32));
    CHECK((rig.r64(e.offset) & kBelowHaw) == (e.read_back & kBelowHaw));
    // A half leaves the other half alone.
    rig.w32(e.offset, 0);
    const std::uint64_t constant_low = e.offset <= kEcap ? e.reset & 0xFFFFFFFF : 0;
    CHECK((rig.r64(e.offset) & kBelowHaw) == ((e.read_back & kBelowHaw & ~std::uint64_t{0xFFFFFFFF}) | constant_low));
  }
}

TEST_CASE("the halves keep CCMD's and IOTLB's top bytes as well") {
  Rig rig;
  rig.w32(kCcmd, 0xFFFFFFFF);
  CHECK(rig.r64(kCcmd) == 0x000000000000FFFF);
  rig.w32(kCcmd + 4, 0x7FFFFFFF);
  CHECK(rig.r64(kCcmd) == 0x600000000000FFFF);
  rig.w32(kIotlb + 4, 0x7FFFFFFF);
  CHECK(rig.r64(kIotlb) == 0x3003FFFF00000000);
}

TEST_CASE("8-byte accesses that touch a 32-bit register are refused") {
  // 0x00 VER, 0x18 GCMD/GSTS, 0x30 FSTS in its upper half, 0x38 FECTL/FEDATA, 0x40 FEADDR/FEUADDR, 0x60 PMEN, 0x68
  // PLM*, 0x98 ICS, 0xA0 IECTL/IEDATA, 0xA8 IEADDR/IEUADDR.
  for (const std::uint32_t offset : {0x00u, 0x18u, 0x30u, 0x38u, 0x40u, 0x60u, 0x68u, 0x98u, 0xA0u, 0xA8u}) {
    INFO("offset " << offset);
    Rig rig;
    rig.set_root(rig.tables.root());
    const std::uint32_t low = rig.r32(offset);
    const std::uint32_t high = rig.r32(offset + 4);
    CHECK(rig.r64(offset) == 0xFFFFFFFFFFFFFFFF);
    rig.w64(offset, 0x1234567812345678);
    CHECK(rig.r32(offset) == low);
    CHECK(rig.r32(offset + 4) == high);
  }
}

TEST_CASE("unaligned accesses, other sizes, and accesses behind the window are refused") {
  Rig rig;
  rig.w64(kRtaddr, 0x123456789000);
  struct {
    std::uint32_t offset, bytes;
    std::uint64_t ones;
  } const refused[] = {{kRtaddr, 1, 0xFF},      {kRtaddr, 2, 0xFFFF},    {kRtaddr + 2, 4, 0xFFFFFFFF},
                       {kRtaddr + 4, 8, ~0ull}, {kRtaddr - 4, 8, ~0ull}, {kRtaddr + 1, 4, 0xFFFFFFFF},
                       {0x1000, 4, 0xFFFFFFFF}, {0x1000, 8, ~0ull},      {0xFFC, 8, ~0ull},
                       {0xFFFFFFF8, 8, ~0ull}};
  for (const auto& access : refused) {
    INFO("offset " << access.offset << ", bytes " << access.bytes);
    CHECK(rig.unit.read_register(access.offset, access.bytes) == access.ones);
    rig.unit.write_register(access.offset, access.bytes, 0);
    CHECK(rig.r64(kRtaddr) == 0x123456789000);
  }
}

TEST_CASE("every offset that no register has reads 0 and ignores writes") {
  Rig rig;
  for (std::uint32_t offset = 0; offset < 0x1000; offset += 4) {
    bool listed = false;
    for (const Expected& e : kRegisters) listed = listed || (offset >= e.offset && offset < e.offset + e.bytes);
    listed = listed || (offset >= kFrcd && offset < kFrcd + 8 * 16);
    if (listed) continue;
    INFO("offset " << offset);
    CHECK(rig.r32(offset) == 0);
    rig.w32(offset, 0xFFFFFFFF);
    CHECK(rig.r32(offset) == 0);
  }
  CHECK(rig.r32(kGsts) == 0);
}

TEST_CASE("what CAP and ECAP report as absent is a reserved offset") {
  auto c = capabilities();
  SECTION("no queue: 0x80 to 0xB7 are reserved") {
    c.queued_invalidation = false;
    Rig rig(c);
    for (std::uint32_t offset = 0x80; offset < 0xB8; offset += 4) {
      rig.w32(offset, 0xFFFFFFFF);
      CHECK(rig.r32(offset) == 0);
    }
    rig.w32(kGcmd, kQIE);
    CHECK(rig.r32(kGsts) == 0);  // and QIE is not taken
    // Requests of the register interface still complete.
    rig.w64(kCcmd, 0xA000000000000000);
    CHECK(rig.r64(kCcmd) == 0x2800000000000000);
  }
  SECTION("no protected low memory") {
    c.plmr = false;
    Rig rig(c);
    rig.w32(kPlmbase, ~0u);
    rig.w32(kPlmlimit, ~0u);
    CHECK(rig.r32(kPlmbase) == 0);
    CHECK(rig.r32(kPlmlimit) == 0);
    rig.w32(kPmen, 0x80000000);
    CHECK(rig.r32(kPmen) == 0x80000001);  // the high region is there
  }
  SECTION("no protected high memory") {
    c.phmr = false;
    Rig rig(c);
    rig.w64(kPhmbase, ~0ull);
    rig.w64(kPhmlimit, ~0ull);
    CHECK(rig.r64(kPhmbase) == 0);
    CHECK(rig.r64(kPhmlimit) == 0);
    rig.w32(kPmen, 0x80000000);
    CHECK(rig.r32(kPmen) == 0x80000001);
  }
  SECTION("neither: PMEN is not there either") {
    c.plmr = c.phmr = false;
    Rig rig(c);
    rig.w32(kPmen, 0x80000000);
    CHECK(rig.r32(kPmen) == 0);
    CHECK(rig.writes(0x1000));
  }
}

TEST_CASE("256 fault records fill the second page of an 8 KiB window") {
  auto c = capabilities();
  c.fault_records = 256;
  Rig rig(c);
  CHECK(rig.unit.front_end().register_window_bytes() == 0x2000);
  CHECK(rig.r64(0x600) == 0);     // reserved now
  CHECK(rig.r64(0x1FF8) == 0);    // FRCD[255]
  CHECK(rig.r32(0x2000) == ~0u);  // behind the window
  rig.on();
  for (unsigned i = 0; i < 256; ++i) CHECK_FALSE(rig.reads(0x1000 * (i + 1)));
  CHECK(rig.r64(0x1000) == 0x1000);
  CHECK(rig.r64(0x1008) == 0xC000000600000310);
  CHECK(rig.r64(0x1FF0) == 0x100000);
  CHECK(rig.r64(0x1FF8) == 0xC000000600000310);
  CHECK(rig.r32(kFsts) == 0x0002);
  CHECK_FALSE(rig.reads(0x101000));
  CHECK(rig.r32(kFsts) == 0x0003);  // the 257th does not fit
}

/// A unit with everything that survives a warm reset set, and much that does not.
void fill_state(Rig& rig) {
  rig.on();
  rig.w32(kFedata, 0x1234);
  rig.w32(kFeaddr, 0xFEE01000);
  CHECK_FALSE(rig.reads(0x5000));  // record 0, PPF
  rig.queue_on();
  rig.submit(0x25, 0);  // wait with SW
  rig.submit(0x15, 0);  // wait with IF: IWC
  rig.submit(0x0, 0);   // no such type: IQE, IQEI = 3
  CHECK(rig.r32(kFsts) == 0x0012);
  CHECK(rig.r32(kIcs) == 1);
  CHECK(rig.r32(kIectl) == 0xC0000000);
  rig.w32(kPmen, 0x80000000);
  rig.w32(kPlmbase, 0x40000000);
}

TEST_CASE("a warm reset keeps the sticky status and nothing else") {
  Rig rig;
  fill_state(rig);
  rig.unit.reset(true);
  CHECK(rig.r32(kFsts) == 0x0012);
  CHECK(rig.record_lo(0) == 0x5000);
  CHECK(rig.record_hi(0) == 0xC000000600000310);
  CHECK(rig.r32(kIcs) == 1);
  CHECK(rig.r64(kIqercd) == 3);
  CHECK(rig.r32(kVer) == 0x10);
  CHECK(rig.r64(kCap) == 0x00D2078C606F0666);
  CHECK(rig.r64(kEcap) == 0x50C3);
  CHECK(rig.r32(kGsts) == 0);
  CHECK(rig.r64(kRtaddr) == 0);
  CHECK(rig.r32(kFectl) == 0x80000000);  // IP and IM return to reset (sheet 1.7 point 5)
  CHECK(rig.r32(kIectl) == 0x80000000);
  CHECK(rig.r32(kFedata) == 0);
  CHECK(rig.r32(kFeaddr) == 0);
  CHECK(rig.r64(kIqa) == 0);
  CHECK(rig.r64(kIqt) == 0);
  CHECK(rig.r64(kIqh) == 0);
  CHECK(rig.r32(kPmen) == 0);
  CHECK(rig.r32(kPlmbase) == 0);
  CHECK(rig.messages.empty());
  CHECK(rig.writes(0x5000));  // translation is off
}

TEST_CASE("after a warm reset the next record is 0, which may still be in use") {
  Rig rig;
  fill_state(rig);
  rig.unit.reset(true);
  rig.on();
  CHECK_FALSE(rig.reads(0x6000));
  CHECK(rig.r32(kFsts) == 0x0013);  // PFO (sheet 6.5 step 4: the index is 0 after reset)
  CHECK(rig.record_lo(0) == 0x5000);
}

TEST_CASE("a cold reset clears everything") {
  Rig rig;
  fill_state(rig);
  rig.unit.reset(false);
  for (const Expected& e : kRegisters) {
    INFO(e.name);
    CHECK(rig.unit.read_register(e.offset, e.bytes) == e.reset);
  }
  CHECK(rig.messages.empty());
}

TEST_CASE("a reset forgets the latched root pointer, the caches and a half-done request") {
  Rig rig;
  rig.map(0x1000, 0x900000);
  rig.on();
  REQUIRE(rig.writes(0x1000));
  rig.unit.reset(true);
  rig.set_command(kTE);  // the latched root pointer is 0 now: nothing is there
  CHECK_FALSE(rig.writes(0x1000));
  CHECK(rig.record_hi(0) == 0x8000000100000310);
}

}  // namespace
