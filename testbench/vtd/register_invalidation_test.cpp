// What is particular to the register interface: when a command starts, what CAIG and IAIG say, requests that are
// ignored, drains. Sheet 5.1, 5.4, 1.9, 0.3.
#include "testbench/vtd/invalidation_rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;
using core::Command;

constexpr auto kA = InvalidationRig::kA;

/// A rig with one cached context entry and one cached translation of domain 5.
struct CachedRig : InvalidationRig {
  explicit CachedRig(const vtd::Capabilities& c = capabilities()) : InvalidationRig(Interface::Registers, c) {
    map(0x1000, 0x900000);
    REQUIRE(reads(0x1000));
  }
  bool context() { return context_cached(kA); }
  bool translation() { return cached(kA, 0x1000); }
};

TEST_CASE("CCMD: ICC reads 0 when done, CAIG what was done, CIRG and DID what was asked") {
  CachedRig rig;
  rig.w64(kCcmd, 0xA000000000000000);
  CHECK(rig.r64(kCcmd) == 0x2800000000000000);
  rig.w64(kCcmd, 0xC000000000000005);
  CHECK(rig.r64(kCcmd) == 0x5000000000000005);
  rig.w64(kCcmd, 0xE000000303100005);  // device 0x0310, FM 3: SID and FM are write-only
  CHECK(rig.r64(kCcmd) == 0x7800000000000005);
}

TEST_CASE("IOTLB: IVT reads 0 when done, IAIG what was done") {
  CachedRig rig;
  rig.w64(kIotlb, 0x9000000000000000);
  CHECK(rig.r64(kIotlb) == 0x1200000000000000);
  rig.w64(kIotlb, 0xA000000500000000);
  CHECK(rig.r64(kIotlb) == 0x2400000500000000);
  rig.w64(kIotlb, 0xB003000500000000);
  CHECK(rig.r64(kIotlb) == 0x3603000500000000);
}

TEST_CASE("CCMD starts with the write of the top byte, IOTLB as well: low half first, high half last") {
  CachedRig rig;
  rig.w32(kCcmd, 0x03100005);
  CHECK(rig.context());
  rig.w32(kCcmd + 4, 0xE0000000);
  CHECK_FALSE(rig.context());
  CHECK(rig.r64(kCcmd) == 0x7800000000000005);
  rig.w32(kIva, 0x1000);
  rig.w32(kIva + 4, 0);
  rig.w32(kIotlb, 0);
  CHECK(rig.translation());
  rig.w32(kIotlb + 4, 0xB0000005);
  CHECK_FALSE(rig.translation());
}

TEST_CASE("without the trigger bit nothing starts") {
  CachedRig rig;
  rig.w64(kCcmd, 0x2000000000000000);
  rig.w64(kIotlb, 0x1000000000000000);
  CHECK(rig.context());
  CHECK(rig.translation());
  CHECK(rig.unit.front_end().command_counters().register_commands == 0);
}

TEST_CASE("ICC and IVT read 1 while the command is under way") {
  vtd::FrontEnd front_end(capabilities());
  front_end.write_register(kCcmd, 8, 0xA000000000000000);
  CHECK(front_end.read_register(kCcmd, 8) == 0xA000000000000000);
  CHECK(front_end.next_command().kind == Command::Kind::Decode);
  CHECK(front_end.next_command().kind == Command::Kind::InvalidateContext);
  CHECK(front_end.read_register(kCcmd, 8) == 0xA000000000000000);
  CHECK(front_end.next_command().kind == Command::Kind::Idle);
  CHECK(front_end.read_register(kCcmd, 8) == 0x2800000000000000);
}

TEST_CASE("incorrect requests complete, do nothing, and say so: CAIG and IAIG are 00") {
  auto c = capabilities();
  SECTION("CIRG 00, IIRG 00") {
    CachedRig rig;
    rig.w64(kCcmd, 0x8000000000000000);
    CHECK(rig.r64(kCcmd) == 0);
    rig.w64(kIotlb, 0x8000000000000000);
    CHECK(rig.r64(kIotlb) == 0);
    CHECK(rig.context());
    CHECK(rig.translation());
  }
  SECTION("an earlier CAIG and IAIG do not remain") {
    CachedRig rig;
    rig.w64(kCcmd, 0xA000000000000000);
    rig.w64(kCcmd, 0x8000000000000000);
    CHECK(rig.r64(kCcmd) == 0);
    rig.w64(kIotlb, 0x9000000000000000);
    rig.w64(kIotlb, 0x8000000000000000);
    CHECK(rig.r64(kIotlb) == 0);
  }
  SECTION("AM above MAMV") {
    c.max_address_mask = 9;
    CachedRig rig(c);
    rig.w64(kIva, 0x1000 | 10);
    rig.w64(kIotlb, 0xB000000500000000);
    CHECK(rig.r64(kIotlb) == 0x3000000500000000);
    CHECK(rig.translation());
    rig.w64(kIva, 0x1000 | 9);
    rig.w64(kIotlb, 0xB000000500000000);
    CHECK(rig.r64(kIotlb) == 0x3600000500000000);
    CHECK_FALSE(rig.translation());
  }
  SECTION("page-selective without PSI; domain-selective works") {
    c.page_selective = false;
    CachedRig rig(c);
    rig.w64(kIva, 0x1000);
    rig.w64(kIotlb, 0xB000000500000000);
    CHECK(rig.r64(kIotlb) == 0x3000000500000000);
    CHECK(rig.translation());
    rig.w64(kIotlb, 0xA000000500000000);
    CHECK(rig.r64(kIotlb) == 0x2400000500000000);
    CHECK_FALSE(rig.translation());
  }
  SECTION("while the queue is enabled") {
    CachedRig rig;
    rig.queue_on();
    rig.w64(kCcmd, 0xA000000000000000);
    rig.w64(kIotlb, 0x9000000000000000);
    CHECK(rig.r64(kCcmd) == 0x2000000000000000);
    CHECK(rig.r64(kIotlb) == 0x1000000000000000);
    CHECK(rig.context());
    CHECK(rig.translation());
    rig.clear_command(kQIE);
    rig.w64(kCcmd, 0xA000000000000000);
    CHECK_FALSE(rig.context());
  }
  SECTION("from major version 6 on") {
    for (const unsigned version : {6u, 7u}) {
      c.version_major = version;
      CachedRig rig(c);
      rig.w64(kCcmd, 0xA000000000000000);
      rig.w64(kIotlb, 0x9000000000000000);
      CHECK(rig.r64(kCcmd) == 0x2000000000000000);
      CHECK(rig.r64(kIotlb) == 0x1000000000000000);
      CHECK(rig.context());
      CHECK(rig.translation());
    }
    c.version_major = 5;
    CachedRig rig(c);
    rig.w64(kCcmd, 0xA000000000000000);
    CHECK_FALSE(rig.context());
  }
  SECTION("outside legacy mode") {
    for (const std::uint64_t ttm : {1ull, 2ull, 3ull}) {
      CachedRig rig;
      rig.set_root(rig.tables.root() | (ttm << 10));
      rig.w64(kCcmd, 0xA000000000000000);
      rig.w64(kIotlb, 0x9000000000000000);
      CHECK(rig.r64(kCcmd) == 0x2000000000000000);
      CHECK(rig.r64(kIotlb) == 0x1000000000000000);
      CHECK(rig.context());
      CHECK(rig.translation());
    }
  }
}

TEST_CASE("commands work whether translation is on or off") {
  CachedRig rig;
  rig.clear_command(kTE);
  rig.w64(kCcmd, 0xA000000000000000);
  rig.w64(kIotlb, 0x9000000000000000);
  CHECK_FALSE(rig.context());
  CHECK_FALSE(rig.translation());
}

TEST_CASE("a change of TTM that was not latched does not disturb commands") {
  CachedRig rig;
  rig.w64(kRtaddr, 0x800);
  rig.w64(kCcmd, 0xA000000000000000);
  CHECK(rig.r64(kCcmd) == 0x2800000000000000);
}

TEST_CASE(
    "drains: DR or DW below major version 2, always from then on, none for the context cache or an ignored request") {
  struct {
    unsigned version;
    std::uint64_t value;
    bool drains;
  } const cases[] = {{1, 0x9000000000000000, false}, {1, 0x9001000000000000, true}, {1, 0x9002000000000000, true},
                     {1, 0x9003000000000000, true},  {2, 0x9000000000000000, true}, {2, 0x9003000000000000, true},
                     {5, 0xA000000500000000, true},  {1, 0xB001000500000000, true}, {1, 0x8003000000000000, false},
                     {2, 0x8000000000000000, false}, {6, 0x9003000000000000, false}};
  for (const auto& c : cases) {
    INFO("version " << c.version << ", IOTLB " << c.value);
    auto capable = capabilities();
    capable.version_major = c.version;
    vtd::FrontEnd front_end(capable);
    front_end.write_register(kIotlb, 8, c.value);
    std::vector<Command::Kind> kinds;
    for (Command command = front_end.next_command(); command.kind != Command::Kind::Idle;
         command = front_end.next_command()) {
      kinds.push_back(command.kind);
    }
    const bool done = (c.value & 0x3000000000000000) != 0 && c.version < 6;
    std::vector<Command::Kind> expected = {Command::Kind::Decode};
    if (done) expected.push_back(Command::Kind::InvalidateTranslation);
    if (c.drains) expected.push_back(Command::Kind::Drain);  // after the invalidation, before IVT reads 0
    CHECK(kinds == expected);
    CHECK((front_end.read_register(kIotlb, 8) >> 63) == 0);
  }
}

TEST_CASE("both commands given before either is carried out: the context cache comes first") {
  vtd::FrontEnd front_end(capabilities());
  front_end.write_register(kIotlb, 8, 0x9000000000000000);
  front_end.write_register(kCcmd, 8, 0xA000000000000000);
  std::vector<Command::Kind> kinds;
  for (Command c = front_end.next_command(); c.kind != Command::Kind::Idle; c = front_end.next_command()) {
    if (c.kind != Command::Kind::Decode) kinds.push_back(c.kind);
  }
  CHECK(kinds == std::vector<Command::Kind>{Command::Kind::InvalidateContext, Command::Kind::InvalidateTranslation});
}

}  // namespace
