// regs: fields, access rules of one write, well-formedness of maps, and the bank's access shapes, on registers made up
// here.
#include "models/regs/register_bank.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace {

using namespace iommu::regs;

constexpr Field kRo{"RO", 0, 4, Access::ReadOnly};
constexpr Field kRw{"RW", 8, 8, Access::ReadWrite};
constexpr Field kW1c{"W1C", 16, 4, Access::WriteOneToClear};
constexpr Field kWo{"WO", 24, 4, Access::WriteOnly};
constexpr Field kMixed[] = {kRo, kRw, kW1c, kWo};
constexpr Register kSmall{"SMALL", 0x10, 32, 0x000F0A05, kMixed, 0x000F0000};

constexpr Field kWideRw{"WIDE", 0, 64};
constexpr Field kWideFields[] = {kWideRw};
constexpr Register kWide{"WIDE", 0x20, 64, 0x1122334455667788, kWideFields};

RegisterBank bank() { return RegisterBank(0x40, {{&kSmall, 0x10, 0}, {&kWide, 0x20, 0}, {&kWide, 0x28, 1}}); }

TEST_CASE("a field gets, sets and masks its bits, at both ends of a word too") {
  CHECK(kRw.mask() == 0xFF00);
  CHECK(kRw.get(0x12345678) == 0x56);
  CHECK(kRw.set(0x12345678, 0xAB) == 0x1234AB78);
  CHECK(kRw.set(0, 0x1FF) == 0xFF00);  // bits beyond the field are dropped
  CHECK(kRw.of(0x7) == 0x700);
  CHECK(kWideRw.mask() == 0xFFFFFFFFFFFFFFFF);
  constexpr Field top{"TOP", 63, 1};
  CHECK(top.mask() == 0x8000000000000000);
  CHECK(top.get(0x8000000000000000) == 1);
  CHECK(top.set(0xFFFFFFFFFFFFFFFF, 0) == 0x7FFFFFFFFFFFFFFF);
}

TEST_CASE("one write by the rules of each access") {
  SECTION("all ones: RO stays, RW follows, W1C clears, reserved bits stay 0") {
    CHECK(apply_write(kSmall, 0x000F0A05, 0xFFFFFFFF) == 0x0F00FF05);
  }
  SECTION("zero: W1C keeps") { CHECK(apply_write(kSmall, 0x000F0A05, 0) == 0x000F0005); }
  SECTION("only the bits written as one are cleared") {
    CHECK(apply_write(kSmall, 0x000F0A05, 0x00050A00) == 0x000A0A05);
  }
  SECTION("lanes that are not written keep everything") {
    CHECK(apply_write(kSmall, 0x000F0A05, 0xFFFFFFFF, 0x0000FFFF) == 0x000FFF05);
    CHECK(apply_write(kSmall, 0x000F0A05, 0xFFFFFFFF, 0) == 0x000F0A05);
  }
}

TEST_CASE("well_formed refuses what would be a mistake in a map") {
  CHECK(well_formed(kSmall));
  CHECK(well_formed(kWide));
  constexpr Field overlap[] = {{"A", 0, 4}, {"B", 3, 2}};
  CHECK_FALSE(well_formed(Register{"R", 0, 32, 0, overlap}));
  constexpr Field outside[] = {{"A", 30, 4}};
  CHECK_FALSE(well_formed(Register{"R", 0, 32, 0, outside}));
  CHECK(well_formed(Register{"R", 0, 64, 0, outside}));
  constexpr Field empty[] = {{"A", 3, 0}};
  CHECK_FALSE(well_formed(Register{"R", 0, 32, 0, empty}));
  static constexpr Field one[] = {{"A", 0, 1}};
  CHECK_FALSE(well_formed(Register{"R", 0, 16, 0, one}));
  CHECK_FALSE(well_formed(Register{"R", 4, 64, 0, one}));
  CHECK_FALSE(well_formed(Register{"R", 2, 32, 0, one}));
  CHECK_FALSE(well_formed(Register{"R", 0, 32, 2, one}));     // reset value in reserved bits
  CHECK_FALSE(well_formed(Register{"R", 0, 32, 0, one, 2}));  // sticky reserved bit
  static constexpr Register at0{"R0", 0, 64, 0, one};
  static constexpr Register at4{"R4", 4, 32, 0, one};
  static constexpr Register at8{"R8", 8, 32, 0, one};
  constexpr const Register* apart[] = {&at0, &at8};
  constexpr const Register* overlapping[] = {&at0, &at4};
  CHECK(well_formed(apart));
  CHECK_FALSE(well_formed(overlapping));
}

TEST_CASE("bits() collects the fields of one access") {
  CHECK(kSmall.bits(Access::ReadOnly) == 0xF);
  CHECK(kSmall.bits(Access::ReadWrite) == 0xFF00);
  CHECK(kSmall.bits(Access::WriteOneToClear) == 0xF0000);
  CHECK(kSmall.bits(Access::WriteOnly) == 0xF000000);
}

TEST_CASE("the bank reads and writes whole registers and halves") {
  RegisterBank b = bank();
  CHECK(b.read(0x10, 4) == 0x000F0A05);
  CHECK(b.read(0x20, 8) == 0x1122334455667788);
  CHECK(b.read(0x20, 4) == 0x55667788);
  CHECK(b.read(0x24, 4) == 0x11223344);
  const WriteEffect effect = b.write(0x24, 4, 0xAABBCCDD);
  CHECK(b.read(0x20, 8) == 0xAABBCCDD55667788);
  REQUIRE(effect.where != nullptr);
  CHECK(effect.where->definition == &kWide);
  CHECK(effect.where->instance == 0);
  CHECK(effect.old_value == 0x1122334455667788);
  CHECK(effect.new_value == 0xAABBCCDD55667788);
  CHECK(effect.written == 0xAABBCCDD00000000);
  CHECK(effect.lanes == 0xFFFFFFFF00000000);
  CHECK(b.write(0x2C, 4, 1).where->instance == 1);
  CHECK(b.read(0x20, 8) == 0xAABBCCDD55667788);  // the neighbour of the same definition has its own value
  CHECK(b.read(0x28, 8) == 0x0000000155667788);
}

TEST_CASE("the bank hides write-only bits from readers and shows them to the hardware side") {
  RegisterBank b = bank();
  b.write(0x10, 4, 0x05000000);
  CHECK(b.read(0x10, 4) == 0x000F0005);
  CHECK(b.get(0x10) == 0x050F0005);
}

TEST_CASE("the bank refuses undefined accesses: reads give all ones, writes change nothing") {
  RegisterBank b = bank();
  CHECK(b.read(0x10, 8) == 0xFFFFFFFFFFFFFFFF);  // a 32-bit register and its neighbour
  CHECK(b.read(0x22, 4) == 0xFFFFFFFF);          // unaligned
  CHECK(b.read(0x24, 8) == 0xFFFFFFFFFFFFFFFF);
  CHECK(b.read(0x20, 1) == 0xFF);
  CHECK(b.read(0x20, 2) == 0xFFFF);
  CHECK(b.read(0x40, 4) == 0xFFFFFFFF);  // behind the window
  CHECK(b.read(0x40, 8) == 0xFFFFFFFFFFFFFFFF);
  CHECK(b.write(0x10, 8, 0).where == nullptr);
  CHECK(b.write(0x22, 4, 0).where == nullptr);
  CHECK(b.write(0x24, 8, 0).where == nullptr);
  CHECK(b.write(0x20, 2, 0).where == nullptr);
  CHECK(b.write(0x40, 4, 0).where == nullptr);
  CHECK(b.read(0x10, 4) == 0x000F0A05);
  CHECK(b.read(0x20, 8) == 0x1122334455667788);
}

TEST_CASE("reserved offsets read 0 and ignore writes, in both widths") {
  RegisterBank b = bank();
  CHECK(b.write(0x00, 8, ~0ull).where == nullptr);
  CHECK(b.write(0x3C, 4, ~0ull).where == nullptr);
  CHECK(b.read(0x00, 8) == 0);
  CHECK(b.read(0x3C, 4) == 0);
  CHECK(b.read(0x14, 4) == 0);
}

TEST_CASE("a warm reset keeps sticky bits only, a cold one nothing") {
  RegisterBank b = bank();
  b.write(0x10, 4, 0x00030000 | 0x7700);  // clears two of the sticky bits
  b.write(0x20, 8, 1);
  b.reset(true);
  CHECK(b.read(0x10, 4) == 0x000C0A05);
  CHECK(b.read(0x20, 8) == 0x1122334455667788);
  b.reset(false);
  CHECK(b.read(0x10, 4) == 0x000F0A05);
}

}  // namespace
