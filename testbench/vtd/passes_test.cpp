// FrontEnd::passes() says in one what gate() and check_input() say, for ordinary requests; whatever it says yes to, both
// let pass. Sheet 7.0, 9.4.
#include "testbench/vtd/rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;
using core::AccessKind;

core::AddressSpace space_of(unsigned input_bits) {
  core::AddressSpace space;
  space.levels = 4;
  space.input_bits = static_cast<std::uint8_t>(input_bits);
  space.output_bits = 46;
  return space;
}

bool passes(const Rig& rig, const core::Request& request, const core::AddressSpace& space) {
  const bool both = rig.unit.front_end().gate(request).kind == core::Gate::Kind::Translate &&
                    !rig.unit.front_end().check_input(request, space);
  const bool said = rig.unit.front_end().passes(request, space);
  if (said) CHECK(both);
  return said;
}

TEST_CASE("ordinary requests pass where translation is on") {
  Rig rig;
  const core::AddressSpace space = space_of(48);
  for (const AccessKind kind : {AccessKind::Read, AccessKind::Write, AccessKind::Atomic}) {
    CHECK_FALSE(passes(rig, Rig::request(kind, 0x400000), space));
  }
  rig.on();
  for (const AccessKind kind : {AccessKind::Read, AccessKind::Write, AccessKind::Atomic}) {
    CHECK(passes(rig, Rig::request(kind, 0), space));
    CHECK(passes(rig, Rig::request(kind, 0x400000), space));
  }
  rig.clear_command(kTE);
  CHECK_FALSE(passes(rig, Rig::request(AccessKind::Read, 0x400000), space));
}

TEST_CASE("the interrupt range does not pass, to the byte") {
  Rig rig;
  rig.on();
  const core::AddressSpace space = space_of(48);
  for (const AccessKind kind : {AccessKind::Read, AccessKind::Write}) {
    CHECK(passes(rig, Rig::request(kind, 0xFEDFFFFC, 4), space));
    CHECK_FALSE(passes(rig, Rig::request(kind, 0xFEE00000, 4), space));
    CHECK_FALSE(passes(rig, Rig::request(kind, 0xFEEFFFFC, 4), space));
    CHECK_FALSE(passes(rig, Rig::request(kind, 0xFEEFFFFF, 1), space));
    CHECK(passes(rig, Rig::request(kind, 0xFEF00000, 4), space));
    CHECK(passes(rig, Rig::request(kind, 0x1FEE00000, 4), space));
  }
}

TEST_CASE("an address beyond the width does not pass") {
  Rig rig;
  rig.on();
  for (const unsigned bits : {39u, 48u, 57u}) {
    const core::AddressSpace space = space_of(bits);
    CHECK(passes(rig, Rig::request(AccessKind::Read, (std::uint64_t{1} << bits) - 64), space));
    CHECK_FALSE(passes(rig, Rig::request(AccessKind::Read, std::uint64_t{1} << bits), space));
    CHECK_FALSE(passes(rig, Rig::request(AccessKind::Read, std::uint64_t{1} << 63), space));
  }
}

TEST_CASE("requests of other kinds, spaces without tables and other modes are left to the checks") {
  Rig rig;
  rig.on();
  core::AddressSpace space = space_of(48);
  core::Request request = Rig::request(AccessKind::Read, 0x400000);
  request.has_pasid = true;
  CHECK_FALSE(passes(rig, request, space));
  request.has_pasid = false;
  request.address_type = core::AddressType::Translated;
  CHECK_FALSE(passes(rig, request, space));
  request.address_type = core::AddressType::TranslationRequest;
  CHECK_FALSE(passes(rig, request, space));
  request.address_type = core::AddressType::Untranslated;
  space.pass_through = true;
  CHECK_FALSE(passes(rig, request, space));
  space.pass_through = false;
  CHECK(passes(rig, request, space));
  // RTADDR.TTM (11:10) is not legacy from the next SRTP on.
  rig.set_root(rig.tables.root() | 0x400);
  CHECK_FALSE(passes(rig, request, space));
}

}  // namespace
