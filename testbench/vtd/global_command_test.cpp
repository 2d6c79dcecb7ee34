// GCMD and GSTS: one-shot and level bits, the root pointer's latch, the order of the steps a command takes, and
// protected-memory enable. Sheet 1.4, 1.5, 1.8.
#include "testbench/vtd/rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;
using core::Command;

/// Carries out what the front end asks for and notes the kinds.
std::vector<Command::Kind> drain_commands(vtd::FrontEnd& front_end) {
  std::vector<Command::Kind> kinds;
  for (Command c = front_end.next_command(); c.kind != Command::Kind::Idle; c = front_end.next_command()) {
    kinds.push_back(c.kind);
  }
  return kinds;
}
using Kinds = std::vector<Command::Kind>;

TEST_CASE("TE: TES follows in both directions") {
  Rig rig;
  rig.set_root(rig.tables.root());
  CHECK(rig.r32(kGsts) == 0x40000000);
  rig.set_command(kTE);
  CHECK(rig.r32(kGsts) == 0xC0000000);
  rig.set_command(kTE);  // the present value: nothing happens
  CHECK(rig.r32(kGsts) == 0xC0000000);
  rig.clear_command(kTE);
  CHECK(rig.r32(kGsts) == 0x40000000);
}

TEST_CASE("QIE: QIES follows, IQH reads 0 afterwards in both directions") {
  Rig rig;
  rig.queue_on();
  CHECK(rig.r32(kGsts) == 0x04000000);
  rig.submit(0x45, 0);
  rig.submit(0x45, 0);
  CHECK(rig.r64(kIqh) == 0x20);
  rig.clear_command(kQIE);
  CHECK(rig.r32(kGsts) == 0);
  CHECK(rig.r64(kIqh) == 0);
  CHECK(rig.r64(kIqt) == 0x20);  // software's register stays
  rig.queue_on();
  CHECK(rig.r64(kIqh) == 0);
}

TEST_CASE("all bits that the unit has together read as on hardware, features it lacks stay 0") {
  Rig rig;
  rig.set_root(rig.tables.root());
  rig.set_command(kQIE);
  rig.set_command(kTE);
  CHECK(rig.r32(kGsts) == 0xC4000000);
  // IRE, SIRTP, CFI (no interrupt remapping), WBF (RWBF = 0), SFL and EAFL (removed in rev 4.0).
  for (const std::uint32_t bit : {0x02000000u, 0x01000000u, 0x00800000u, 0x08000000u, 0x20000000u, 0x10000000u}) {
    rig.set_command(bit);
    CHECK(rig.r32(kGsts) == 0xC4000000);
  }
}

TEST_CASE("SRTP: RTPS is cleared when the command is written and set on completion") {
  vtd::FrontEnd front_end(capabilities());
  front_end.write_register(kGcmd, 4, kSRTP);
  CHECK(drain_commands(front_end) == Kinds{Command::Kind::Decode});
  CHECK(front_end.read_register(kGsts, 4) == 0x40000000);
  front_end.write_register(kGcmd, 4, kSRTP);
  CHECK(front_end.read_register(kGsts, 4) == 0);  // not done yet
  CHECK(front_end.next_command().kind == Command::Kind::Decode);
  CHECK(front_end.read_register(kGsts, 4) == 0);
  CHECK(front_end.next_command().kind == Command::Kind::Idle);
  CHECK(front_end.read_register(kGsts, 4) == 0x40000000);
  // Writing 0 to the one-shot bit has no effect.
  front_end.write_register(kGcmd, 4, 0);
  CHECK(drain_commands(front_end).empty());
  CHECK(front_end.read_register(kGsts, 4) == 0x40000000);
}

TEST_CASE("TE takes effect after a drain, not with the write") {
  vtd::FrontEnd front_end(capabilities());
  front_end.write_register(kGcmd, 4, kTE);
  CHECK(front_end.read_register(kGsts, 4) == 0);
  CHECK(drain_commands(front_end) == Kinds{Command::Kind::Decode, Command::Kind::Drain});
  CHECK(front_end.read_register(kGsts, 4) == 0x80000000);
}

TEST_CASE("ESRTPS: setting the root pointer invalidates all caches, otherwise none") {
  auto c = capabilities();
  c.esrtps = true;
  vtd::FrontEnd front_end(c);
  front_end.write_register(kGcmd, 4, kSRTP);
  CHECK(front_end.next_command().kind == Command::Kind::Decode);
  const Command context = front_end.next_command();
  CHECK(context.kind == Command::Kind::InvalidateContext);
  CHECK(context.context.kind == core::ContextScope::Kind::Global);
  const Command translation = front_end.next_command();
  CHECK(translation.kind == Command::Kind::InvalidateTranslation);
  CHECK(translation.translation.kind == core::TranslationScope::Kind::Global);
  CHECK(front_end.next_command().kind == Command::Kind::Idle);
}

TEST_CASE("ESRTPS: what is looked up from the invalidation on uses the new root pointer") {
  // Otherwise a context entry of the old table could be cached again after the invalidation that was to remove it.
  auto c = capabilities();
  c.esrtps = true;
  vtd::FrontEnd front_end(c);
  front_end.write_register(kRtaddr, 8, 0x7000000);
  front_end.write_register(kGcmd, 4, kSRTP);
  CHECK(front_end.next_command().kind == Command::Kind::Decode);
  REQUIRE(front_end.next_command().kind == Command::Kind::InvalidateContext);
  core::ContextState state;
  core::Request request;
  request.requester = 0x0310;
  CHECK(front_end.begin_context(request, state).address == 0x7000030);
}

TEST_CASE("a new RTADDR has no effect before SRTP, and reads back at once") {
  Rig rig;
  rig.map(0x1000, 0x900000);
  rig.on();
  REQUIRE(rig.writes(0x1000));
  rig.w64(kRtaddr, 0x7777000);
  CHECK(rig.r64(kRtaddr) == 0x7777000);
  rig.w64(kCcmd, 0xA000000000000000);  // no cached context entry may hide it
  rig.w64(kIotlb, 0x9000000000000000);
  CHECK(rig.writes(0x1000));
  CHECK(rig.no_fault());
  rig.set_command(kSRTP);
  rig.w64(kCcmd, 0xA000000000000000);
  CHECK_FALSE(rig.writes(0x1000));
  CHECK(rig.record_hi(0) == 0x8000000100000310);  // 01h: the new root table is empty
}

TEST_CASE("without ESRTPS cached entries outlive a new root pointer until software invalidates") {
  Rig rig;
  rig.map(0x1000, 0x900000);
  rig.on();
  REQUIRE(rig.writes(0x1000));
  rig.set_root(0x7777000);
  CHECK(rig.writes(0x1000));
  rig.w64(kCcmd, 0xA000000000000000);
  CHECK_FALSE(rig.writes(0x1000));
}

TEST_CASE("with ESRTPS cached entries are gone with a new root pointer") {
  auto c = capabilities();
  c.esrtps = true;
  Rig rig(c);
  rig.map(0x1000, 0x900000);
  rig.on();
  REQUIRE(rig.writes(0x1000));
  rig.set_root(0x7777000);
  CHECK_FALSE(rig.writes(0x1000));
  CHECK(rig.record_hi(0) == 0x8000000100000310);
}

TEST_CASE("translation off: requests pass untranslated, tables are not looked at") {
  Rig rig;
  rig.set_root(rig.tables.root());
  rig.memory.put(0x5008, 0x1122334455667788);
  rig.memory.reads.clear();
  CHECK(rig.value_at(0x5008) == 0x1122334455667788);
  CHECK(rig.memory.reads == std::vector<SparseMemory::Read>{{0x5008, 8}});
  rig.on();
  CHECK_FALSE(rig.reads(0x5008));
  rig.clear_command(kTE);
  CHECK(rig.reads(0x5008));
}

TEST_CASE("PMEN: PRS follows EPM after a drain, on and off") {
  vtd::FrontEnd front_end(capabilities());
  front_end.write_register(kPmen, 4, 0x80000000);
  CHECK(front_end.read_register(kPmen, 4) == 0x80000000);
  CHECK(drain_commands(front_end) == Kinds{Command::Kind::Decode, Command::Kind::Drain});
  CHECK(front_end.read_register(kPmen, 4) == 0x80000001);
  front_end.write_register(kPmen, 4, 0);
  CHECK(front_end.read_register(kPmen, 4) == 0x00000001);
  drain_commands(front_end);
  CHECK(front_end.read_register(kPmen, 4) == 0);
}

}  // namespace
