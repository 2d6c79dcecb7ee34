// 0xFEE0_0000 to 0xFEEF_FFFF: interrupts on the way in, a fault on the way out. Sheet 7.0, 9.4.
#include "testbench/vtd/rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;
using core::AccessKind;

core::Request dword_write(core::Address address) { return Rig::request(AccessKind::Write, address, 4); }

TEST_CASE("a dword write to the range is an interrupt: not translated, reported as address and data") {
  Rig rig;
  rig.on();
  // Even a mapping of the range, or no context entry at all, has no effect.
  rig.map(0xFEE00000, 0x900000);
  rig.buffer = {0x31, 0x40, 0, 0};
  core::Request r = dword_write(0xFEE01004);
  CHECK(rig.run(r).completed);
  r.requester = 0x7777;
  CHECK(rig.run(r).completed);
  CHECK(rig.messages ==
        std::vector<std::pair<core::Address, std::uint32_t>>{{0xFEE01004, 0x4031}, {0xFEE01004, 0x4031}});
  CHECK(rig.memory.writes.empty());
  CHECK(rig.no_fault());
}

TEST_CASE("with translation off a dword write to the range is an interrupt too") {
  Rig rig;
  rig.buffer = {0x31, 0x40, 0, 0};
  CHECK(rig.run(dword_write(0xFEEFFFFC)).completed);
  CHECK(rig.messages == std::vector<std::pair<core::Address, std::uint32_t>>{{0xFEEFFFFC, 0x4031}});
}

TEST_CASE("the range begins at FEE0_0000 and ends at FEEF_FFFF") {
  Rig rig;
  rig.map(0xFEDFF000, 0x900000);
  rig.map(0xFEF00000, 0x901000);
  rig.map(0x1FEE00000, 0x902000);
  rig.on();
  CHECK(rig.run(dword_write(0xFEDFFFFC)).completed);
  CHECK(rig.run(dword_write(0xFEF00000)).completed);
  CHECK(rig.run(dword_write(0x1FEE00000)).completed);
  CHECK(rig.messages.empty());
  CHECK(rig.run(dword_write(0xFEE00000)).completed);
  CHECK(rig.run(dword_write(0xFEEFFFFC)).completed);
  CHECK(rig.messages.size() == 2);
}

TEST_CASE("everything else to the range is 29h, never suppressed") {
  struct {
    const char* name;
    core::Request request;
    std::uint64_t record;
  } const cases[] = {{"read", Rig::request(AccessKind::Read, 0xFEE00000, 4), 0xC000002900000310},
                     {"long read", Rig::request(AccessKind::Read, 0xFEE00000, 64), 0xC000002900000310},
                     {"8-byte write", Rig::request(AccessKind::Write, 0xFEE00000, 8), 0x8000002900000310},
                     {"1-byte write", Rig::request(AccessKind::Write, 0xFEE00000, 1), 0x8000002900000310},
                     {"2-byte write", Rig::request(AccessKind::Write, 0xFEE00002, 2), 0x8000002900000310},
                     {"unaligned 4-byte write", Rig::request(AccessKind::Write, 0xFEE00002, 4), 0x8000002900000310},
                     {"AtomicOp of a dword", Rig::request(AccessKind::Atomic, 0xFEE00000, 4), 0xC000002910000310},
                     {"AtomicOp of a quadword", Rig::request(AccessKind::Atomic, 0xFEE00000, 8), 0xC000002910000310}};
  for (const auto& c : cases) {
    INFO(c.name);
    Rig rig;
    rig.tables.context(Rig::kSid, kTtTable, rig.table, 2, 5, 0x3);  // FPD
    rig.on();
    rig.memory.reads.clear();
    const auto result = rig.run(c.request);
    CHECK_FALSE(result.completed);
    CHECK(result.fault.reason == 0x29);
    CHECK(rig.record_hi(0) == c.record);
    CHECK(rig.messages.empty());
    CHECK(rig.memory.reads.empty());
    CHECK(rig.memory.writes.empty());
  }
}

TEST_CASE("a zero-length read of the range succeeds without data, also where nothing is mapped") {
  Rig rig;
  rig.on();
  rig.memory.reads.clear();
  CHECK(rig.zero_length_read(0xFEE00000));
  CHECK(rig.zero_length_read(0xFEE00000, 0x7777));
  CHECK(rig.memory.reads.empty());
  CHECK(rig.no_fault());
}

TEST_CASE("a pass-through requester's accesses to the range are the same interrupts and faults") {
  Rig rig;
  rig.tables.context(Rig::kSid, kTtPass, 0, 2, 5);
  rig.on();
  CHECK(rig.run(dword_write(0xFEE00000)).completed);
  CHECK(rig.messages.size() == 1);
  CHECK(rig.run(Rig::request(AccessKind::Write, 0xFEE00000, 8)).fault.reason == 0x29);
}

TEST_CASE("a DMA that runs into the range is an interrupt or a fault piece by piece") {
  Rig rig;
  rig.map(0xFEDFF000, 0x900000);
  rig.on();
  rig.buffer.fill(0x22);
  SECTION("eight bytes behind the border") {
    CHECK(rig.run(Rig::request(AccessKind::Write, 0xFEDFFFF8, 16)).fault.reason == 0x29);
    CHECK(rig.memory.get(0x900FF8) == 0x2222222222222222);
    CHECK(rig.record_lo(0) == 0xFEE00000);
  }
  SECTION("a dword behind the border") {
    CHECK(rig.run(Rig::request(AccessKind::Write, 0xFEDFFFF8, 12)).completed);
    CHECK(rig.messages.size() == 1);
  }
}

TEST_CASE("a translation into the range is 0Eh, judged by the accessed address and not by the page") {
  Rig rig;
  rig.map(0x1000, 0xFEE00000);
  rig.map(0x2000, 0xFEEFF000);
  rig.map(0x3000, 0xFEDFF000);
  rig.map(0x4000, 0xFEF00000);
  rig.map(0x40000000, 0xC0000000, 3);  // the 1 GiB that has the range in it
  rig.map(0x80000000, 0xFEE00000, 2);
  rig.on();
  for (const core::Address input : {0x1000ull, 0x2FF8ull, 0x7EE00000ull, 0x7EEFFFF8ull, 0x80000000ull, 0x800FFFF8ull}) {
    INFO(input);
    CHECK(rig.run(Rig::request(AccessKind::Write, input, 4)).fault.reason == 0x0E);
    CHECK(rig.run(Rig::request(AccessKind::Read, input, 4)).fault.reason == 0x0E);
  }
  for (const core::Address input : {0x3FF8ull, 0x4000ull, 0x40000000ull, 0x7EDFFFF8ull, 0x7EF00000ull, 0x80100000ull}) {
    INFO(input);
    CHECK(rig.writes(input));
  }
  CHECK(rig.messages.empty());
}

TEST_CASE("the rest of a large page works before and after an access to its part in the range") {
  Rig rig;
  rig.map(0x40000000, 0xC0000000, 3);
  rig.on();
  CHECK(rig.run(Rig::request(AccessKind::Write, 0x7EE00000, 4)).fault.reason == 0x0E);
  CHECK(rig.writes(0x40000000));
  CHECK(rig.run(Rig::request(AccessKind::Write, 0x7EE00000, 4)).fault.reason == 0x0E);  // from the IOTLB now
}

}  // namespace
