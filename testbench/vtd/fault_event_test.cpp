// The fault event and the invalidation-completion event: what is a condition, masking, pending, and clearing.
// Sheet 1.7, its five points in their order, and 6.5.
#include "testbench/vtd/rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;

using Messages = std::vector<std::pair<core::Address, std::uint32_t>>;

/// Translation on, no mapping: every read is a fault.
Rig& faulting(Rig& rig, std::uint32_t fectl) {
  rig.on();
  rig.w32(kFedata, 0x41);
  rig.w32(kFeaddr, 0xFEE0300C);
  rig.w32(kFectl, fectl);
  return rig;
}

void queue_error(Rig& rig) {
  if ((rig.r32(kGsts) & kQIE) == 0) rig.queue_on();
  rig.submit(0, 0);
}
/// The bad descriptor is overwritten by a fence, then IQE is cleared.
void repair_queue(Rig& rig) {
  rig.memory.put(Rig::kQueue + rig.r64(kIqh), 0x45);
  rig.w32(kFsts, 0x10);
}

TEST_CASE("unmasked: a fault sends one message at once and leaves IP clear") {
  Rig rig;
  faulting(rig, 0);
  CHECK_FALSE(rig.reads(0x1000));
  CHECK(rig.messages == Messages{{0xFEE0300C, 0x41}});
  CHECK(rig.r32(kFectl) == 0);
}

TEST_CASE("point 1: while a status bit of the group is set, a new one is no condition") {
  Rig rig;
  faulting(rig, 0);
  SECTION("a second fault after PPF") {
    CHECK_FALSE(rig.reads(0x1000));
    CHECK_FALSE(rig.reads(0x2000));
    CHECK(rig.messages.size() == 1);
  }
  SECTION("IQE after PPF") {
    CHECK_FALSE(rig.reads(0x1000));
    queue_error(rig);
    CHECK(rig.r32(kFsts) == 0x12);
    CHECK(rig.messages.size() == 1);
  }
  SECTION("PPF after IQE") {
    queue_error(rig);
    CHECK(rig.messages.size() == 1);
    CHECK_FALSE(rig.reads(0x1000));
    CHECK(rig.r32(kFsts) == 0x12);
    CHECK(rig.messages.size() == 1);
  }
  SECTION("PPF after PFO, which raises nothing itself but counts as pending") {
    for (int i = 0; i < 9; ++i) CHECK_FALSE(rig.reads(0x1000));
    CHECK(rig.messages.size() == 1);
    for (std::uint32_t i = 0; i < 8; ++i) rig.clear_record(i);
    CHECK(rig.r32(kFsts) == 0x01);  // PFO alone
    queue_error(rig);
    CHECK(rig.r32(kFsts) == 0x11);
    CHECK(rig.messages.size() == 1);
  }
  SECTION("when everything was cleared the next one is a condition again") {
    CHECK_FALSE(rig.reads(0x1000));
    rig.clear_record(0);
    CHECK_FALSE(rig.reads(0x1000));
    CHECK(rig.messages.size() == 2);
    rig.clear_record(1);
    queue_error(rig);
    CHECK(rig.messages.size() == 3);
  }
}

TEST_CASE("point 2: masked, a condition holds IP and sends nothing") {
  Rig rig;
  faulting(rig, 0x80000000);
  CHECK_FALSE(rig.reads(0x1000));
  CHECK(rig.r32(kFectl) == 0xC0000000);
  CHECK(rig.messages.empty());
}

TEST_CASE("point 3: clearing IM with IP set sends the message and clears IP") {
  Rig rig;
  faulting(rig, 0x80000000);
  CHECK_FALSE(rig.reads(0x1000));
  SECTION("with the message registers as they are then") {
    rig.w32(kFedata, 0x52);
    rig.w32(kFeaddr, 0xFEE07000);
    rig.w32(kFectl, 0);
    CHECK(rig.messages == Messages{{0xFEE07000, 0x52}});
    CHECK(rig.r32(kFectl) == 0);
    rig.w32(kFectl, 0);  // once only
    CHECK(rig.messages.size() == 1);
  }
  SECTION("a write that leaves IM set sends nothing, and IP can't be written") {
    rig.w32(kFectl, 0x80000000);
    CHECK(rig.messages.empty());
    CHECK(rig.r32(kFectl) == 0xC0000000);
    rig.w32(kFectl, 0xC0000000);
    CHECK(rig.r32(kFectl) == 0xC0000000);
  }
}

TEST_CASE("software can't set IP") {
  Rig rig;
  faulting(rig, 0x80000000);
  rig.w32(kFectl, 0xC0000000);
  CHECK(rig.r32(kFectl) == 0x80000000);
  rig.w32(kFectl, 0x40000000);
  CHECK(rig.r32(kFectl) == 0);
  CHECK(rig.messages.empty());
}

TEST_CASE("point 4: clearing every status bit drops a held message") {
  Rig rig;
  faulting(rig, 0x80000000);
  CHECK_FALSE(rig.reads(0x1000));
  SECTION("the only record") {
    rig.clear_record(0);
    CHECK(rig.r32(kFectl) == 0x80000000);
    CHECK(rig.r32(kFsts) == 0);
    rig.w32(kFectl, 0);
    CHECK(rig.messages.empty());
  }
  SECTION("one of two records is not enough") {
    CHECK_FALSE(rig.reads(0x2000));
    rig.clear_record(0);
    CHECK(rig.r32(kFectl) == 0xC0000000);
    rig.clear_record(1);
    CHECK(rig.r32(kFectl) == 0x80000000);
  }
  SECTION("IQE counts too") {
    queue_error(rig);
    rig.clear_record(0);
    CHECK(rig.r32(kFectl) == 0xC0000000);
    repair_queue(rig);
    CHECK(rig.r32(kFsts) == 0);
    CHECK(rig.r32(kFectl) == 0x80000000);
  }
  SECTION("PFO counts too") {
    for (int i = 0; i < 8; ++i) CHECK_FALSE(rig.reads(0x1000));
    CHECK(rig.r32(kFsts) == 0x03);
    for (std::uint32_t i = 0; i < 8; ++i) rig.clear_record(i);
    CHECK(rig.r32(kFectl) == 0xC0000000);
    rig.w32(kFsts, 1);
    CHECK(rig.r32(kFsts) == 0);
    CHECK(rig.r32(kFectl) == 0x80000000);
  }
}

TEST_CASE("point 5: status survives a warm reset, IP and IM return to reset and nothing is sent") {
  Rig rig;
  faulting(rig, 0x80000000);
  CHECK_FALSE(rig.reads(0x1000));
  rig.unit.reset(true);
  CHECK(rig.r32(kFsts) == 0x2);
  CHECK(rig.r32(kFectl) == 0x80000000);
  rig.w32(kFectl, 0);
  CHECK(rig.messages.empty());
}

TEST_CASE("a suppressed fault raises no event") {
  Rig rig;
  faulting(rig, 0);
  rig.tables.context(Rig::kSid, kTtTable, rig.table, 2, 5, 0x3);  // P and FPD
  CHECK_FALSE(rig.reads(0x1000));
  CHECK(rig.messages.empty());
  CHECK(rig.no_fault());
}

TEST_CASE("a queue error raises the fault event by itself") {
  Rig rig;
  faulting(rig, 0x80000000);
  queue_error(rig);
  CHECK(rig.r32(kFsts) == 0x10);
  CHECK(rig.r32(kFectl) == 0xC0000000);
  CHECK(rig.r32(kIectl) == 0x80000000);  // not the completion event
  rig.w32(kFectl, 0);
  CHECK(rig.messages == Messages{{0xFEE0300C, 0x41}});
}

TEST_CASE("FSTS: RW1C acts on the bits written as one only, PPF and FRI are not writable") {
  Rig rig;
  faulting(rig, 0x80000000);
  for (int i = 0; i < 9; ++i) CHECK_FALSE(rig.reads(0x1000));
  queue_error(rig);
  CHECK(rig.r32(kFsts) == 0x13);
  rig.w32(kFsts, 0x10);
  CHECK(rig.r32(kFsts) == 0x13);  // cleared, and set again at once: the bad descriptor is still there
  repair_queue(rig);
  CHECK(rig.r32(kFsts) == 0x03);
  rig.w32(kFsts, 0xFFFFFF02);
  CHECK(rig.r32(kFsts) == 0x03);
  rig.w32(kFsts, 0x01);
  CHECK(rig.r32(kFsts) == 0x02);
}

// The completion event: the same rules with ICS.IWC as the only status bit.

Rig& waiting(Rig& rig, std::uint32_t iectl) {
  rig.w32(kIedata, 0x62);
  rig.w32(kIeaddr, 0xFEE05000);
  rig.w32(kIectl, iectl);
  rig.queue_on();
  return rig;
}

TEST_CASE("completion event, unmasked: IWC and one message, another wait before IWC is cleared is no condition") {
  Rig rig;
  waiting(rig, 0);
  rig.submit(0x15, 0);
  CHECK(rig.r32(kIcs) == 1);
  CHECK(rig.messages == Messages{{0xFEE05000, 0x62}});
  rig.submit(0x15, 0);
  CHECK(rig.messages.size() == 1);
  rig.w32(kIcs, 1);
  CHECK(rig.r32(kIcs) == 0);
  rig.submit(0x15, 0);
  CHECK(rig.messages.size() == 2);
  CHECK(rig.r32(kFsts) == 0);
}

TEST_CASE("completion event, masked: IP held, sent by clearing IM, dropped by clearing IWC") {
  Rig rig;
  waiting(rig, 0x80000000);
  rig.submit(0x15, 0);
  CHECK(rig.r32(kIectl) == 0xC0000000);
  CHECK(rig.messages.empty());
  SECTION("clearing IM") {
    rig.w32(kIectl, 0);
    CHECK(rig.messages == Messages{{0xFEE05000, 0x62}});
    CHECK(rig.r32(kIectl) == 0);
  }
  SECTION("clearing IWC") {
    rig.w32(kIcs, 0);  // a zero clears nothing
    CHECK(rig.r32(kIectl) == 0xC0000000);
    rig.w32(kIcs, 1);
    CHECK(rig.r32(kIectl) == 0x80000000);
    rig.w32(kIectl, 0);
    CHECK(rig.messages.empty());
  }
}

TEST_CASE("the two events don't touch each other") {
  Rig rig;
  faulting(rig, 0x80000000);
  waiting(rig, 0x80000000);
  rig.submit(0x15, 0);
  CHECK(rig.r32(kFectl) == 0x80000000);
  CHECK_FALSE(rig.reads(0x1000));
  CHECK(rig.r32(kFectl) == 0xC0000000);
  rig.w32(kFectl, 0);
  CHECK(rig.messages == Messages{{0xFEE0300C, 0x41}});
  CHECK(rig.r32(kIectl) == 0xC0000000);
}

}  // namespace
