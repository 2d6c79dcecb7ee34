// The fault recording registers as a circular array: index, overflow, FRI, clearing. Sheet 6.4, 6.5.
#include "testbench/vtd/rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;

vtd::Capabilities with_records(unsigned count) {
  auto c = capabilities();
  c.fault_records = count;
  return c;
}

/// One recorded fault; its FI tells which one it was.
void fault_at(Rig& rig, core::Address address) { CHECK_FALSE(rig.reads(address)); }

TEST_CASE("FI is the page, SID the requester, whatever the offset and the length") {
  Rig rig;
  rig.on();
  core::Request r = Rig::request(core::AccessKind::Write, 0xABCDE123, 1, 0xFFFF);
  CHECK_FALSE(rig.run(r).completed);
  CHECK(rig.record_lo(0) == 0xABCDE000);
  CHECK(rig.record_hi(0) == 0x800000010000FFFF);  // bus 255 has no root entry
  r.requester = 0;
  CHECK_FALSE(rig.run(r).completed);
  CHECK(rig.record_hi(1) == 0x8000000100000000);
}

TEST_CASE("each faulting piece of a DMA over several pages has its own record") {
  Rig rig;
  rig.map(0x2000, 0x900000);
  rig.on();
  CHECK_FALSE(rig.run(Rig::request(core::AccessKind::Read, 0x1800, 0x2000)).completed);  // pages 1, 2, 3
  CHECK(rig.record_lo(0) == 0x1000);
  CHECK(rig.record_lo(1) == 0x3000);
  CHECK(rig.record_hi(1) == 0xC000000600000310);
  CHECK(rig.record_hi(2) == 0);
}

TEST_CASE("the index is circular, FRI is the record that took PPF from 0 to 1") {
  Rig rig(with_records(3));
  rig.on();
  fault_at(rig, 0x1000);
  fault_at(rig, 0x2000);
  CHECK(rig.r32(kFsts) == 0x0002);
  rig.clear_record(0);
  CHECK(rig.r32(kFsts) == 0x0002);  // record 1 is pending: FRI stays as it was captured
  rig.clear_record(1);
  CHECK((rig.r32(kFsts) & 2) == 0);
  fault_at(rig, 0x3000);
  CHECK(rig.record_lo(2) == 0x3000);
  CHECK(rig.r32(kFsts) == 0x0202);  // FRI = 2
  fault_at(rig, 0x4000);
  CHECK(rig.record_lo(0) == 0x4000);  // wrapped
  CHECK(rig.r32(kFsts) == 0x0202);
  rig.clear_record(2);
  rig.clear_record(0);
  fault_at(rig, 0x5000);
  CHECK(rig.r32(kFsts) == 0x0102);
}

TEST_CASE("a record that is still in use makes an overflow, wherever it is") {
  Rig rig(with_records(3));
  rig.on();
  fault_at(rig, 0x1000);
  fault_at(rig, 0x2000);
  fault_at(rig, 0x3000);
  CHECK(rig.r32(kFsts) == 0x0002);
  fault_at(rig, 0x4000);
  CHECK(rig.r32(kFsts) == 0x0003);
  CHECK(rig.record_lo(0) == 0x1000);
  SECTION("while PFO is set nothing is recorded, free records or not") {
    for (std::uint32_t i = 0; i < 3; ++i) rig.clear_record(i);
    CHECK(rig.r32(kFsts) == 0x0001);
    fault_at(rig, 0x5000);
    CHECK(rig.r32(kFsts) == 0x0001);
    CHECK(rig.record_hi(0) >> 63 == 0);
    rig.w32(kFsts, 1);
    CHECK((rig.r32(kFsts) & 3) == 0);
    fault_at(rig, 0x6000);
    CHECK(rig.record_lo(0) == 0x6000);  // the dropped ones did not move the index
    CHECK(rig.r32(kFsts) == 0x0002);
  }
  SECTION("PFO cleared while the next record is busy: the next fault sets it again") {
    rig.w32(kFsts, 1);
    CHECK(rig.r32(kFsts) == 0x0002);
    fault_at(rig, 0x5000);
    CHECK(rig.r32(kFsts) == 0x0003);
  }
  SECTION("another record than the next one is free: overflow all the same") {
    rig.w32(kFsts, 1);
    rig.clear_record(1);
    fault_at(rig, 0x5000);
    CHECK(rig.r32(kFsts) == 0x0003);
    CHECK(rig.record_hi(1) >> 63 == 0);
  }
}

TEST_CASE("one record only") {
  Rig rig(with_records(1));
  rig.on();
  fault_at(rig, 0x1000);
  fault_at(rig, 0x2000);
  CHECK(rig.r32(kFsts) == 0x0003);
  rig.clear_record(0);
  rig.w32(kFsts, 1);
  fault_at(rig, 0x3000);
  CHECK(rig.record_lo(0) == 0x3000);
  CHECK(rig.r32(kFsts) == 0x0002);
}

TEST_CASE("clearing: only a one on bit 127, by a 4- or an 8-byte access") {
  Rig rig;
  rig.on();
  fault_at(rig, 0x1000);
  rig.w32(kFrcd + 12, 0x7FFFFFFF);
  rig.w32(kFrcd + 8, 0xFFFFFFFF);
  rig.w32(kFrcd + 4, 0xFFFFFFFF);
  rig.w32(kFrcd, 0xFFFFFFFF);
  rig.w64(kFrcd, ~0ull);
  CHECK(rig.record_lo(0) == 0x1000);
  CHECK(rig.record_hi(0) == 0xC000000600000310);
  CHECK(rig.r32(kFsts) == 0x2);
  SECTION("the upper dword") { rig.w32(kFrcd + 12, 0x80000000); }
  SECTION("the upper quadword") { rig.w64(kFrcd + 8, 0x8000000000000000); }
  CHECK(rig.record_hi(0) == 0x4000000600000310);  // the rest stays until the record is used again
  CHECK(rig.record_lo(0) == 0x1000);
  CHECK((rig.r32(kFsts) & 2) == 0);
}

TEST_CASE("PPF is the OR of all records, recomputed with each write") {
  Rig rig;
  rig.on();
  for (core::Address page = 1; page <= 3; ++page) fault_at(rig, page << 12);
  rig.clear_record(2);
  CHECK(rig.r32(kFsts) == 0x2);
  rig.clear_record(0);
  CHECK(rig.r32(kFsts) == 0x2);
  rig.clear_record(1);
  CHECK((rig.r32(kFsts) & 2) == 0);
}

TEST_CASE("the index returns to 0 when translation goes off, the records stay") {
  Rig rig(with_records(4));
  rig.on();
  fault_at(rig, 0x1000);
  fault_at(rig, 0x2000);
  rig.clear_command(kTE);
  CHECK(rig.record_lo(1) == 0x2000);
  CHECK(rig.record_hi(1) == 0xC000000600000310);
  CHECK(rig.r32(kFsts) == 0x2);
  SECTION("record 0 is in use: overflow") {
    rig.set_command(kTE);
    fault_at(rig, 0x3000);
    CHECK(rig.r32(kFsts) == 0x3);
  }
  SECTION("record 0 is free: it is used") {
    rig.clear_record(0);
    rig.clear_record(1);
    rig.set_command(kTE);
    fault_at(rig, 0x3000);
    CHECK(rig.record_lo(0) == 0x3000);
    CHECK(rig.r32(kFsts) == 0x2);
  }
}

TEST_CASE("a new root pointer does not move the index") {
  Rig rig;
  rig.on();
  fault_at(rig, 0x1000);
  rig.set_root(rig.tables.root());
  fault_at(rig, 0x2000);
  CHECK(rig.record_lo(1) == 0x2000);
}

TEST_CASE("the counters tell recorded and dropped faults apart, suppressed ones are neither") {
  Rig rig(with_records(2));
  rig.on();
  for (int i = 0; i < 5; ++i) fault_at(rig, 0x1000);
  CHECK(rig.unit.front_end().fault_counters().recorded == 2);
  CHECK(rig.unit.front_end().fault_counters().overflowed == 3);
  rig.tables.context(Rig::kSid, kTtTable, rig.table, 2, 5, 0x3);
  rig.w64(kCcmd, 0xA000000000000000);
  fault_at(rig, 0x1000);
  CHECK(rig.unit.front_end().fault_counters().recorded == 2);
  CHECK(rig.unit.front_end().fault_counters().overflowed == 3);
}

}  // namespace
