// TranslationFlow: the order of its stages, every way it can end, and that nothing outside is called that has no business there.
#include "models/core/translation_flow.h"

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/core/fake_front_end.h"

namespace {

using namespace iommu::core;
using iommu::test::FakeFrontEnd;
using Need = TranslationFlow::Need;
using Route = TranslationFlow::Route;

Request request(AccessKind kind = AccessKind::Read, Address address = 0x12345678) {
  Request r;
  r.kind = kind;
  r.address = address;
  r.length = 4;
  r.requester = 0x0310;
  return r;
}

AddressSpace table_space() {
  AddressSpace space;
  space.levels = 4;
  space.tag = 0x0310;
  space.domain = 5;
  return space;
}

Mapping page(Permissions permissions) {
  Mapping m;
  m.input_page = 0x12345000;
  m.output_page = 0x900000;
  m.permissions = permissions;
  return m;
}

TEST_CASE("a request that the gate lets by, stops or completes never looks at a table") {
  FakeFrontEnd front_end;
  SECTION("bypass") {
    front_end.gate_result.kind = Gate::Kind::Bypass;
    TranslationFlow flow(front_end, request());
    CHECK(flow.start() == Need::Done);
    CHECK(flow.route() == Route::Memory);
    CHECK(flow.host_address() == 0x12345678);
    CHECK(front_end.outputs == std::vector<Address>{0x12345678});
    CHECK_FALSE(front_end.output_had_space.at(0));
    CHECK_FALSE(flow.interrupt());
  }
  SECTION("bypass of a zero-length read moves no data") {
    front_end.gate_result.kind = Gate::Kind::Bypass;
    Request r = request();
    r.zero_length = true;
    TranslationFlow flow(front_end, r);
    CHECK(flow.start() == Need::Done);
    CHECK(flow.route() == Route::NoData);
  }
  SECTION("bypass that the output check stops") {
    front_end.gate_result.kind = Gate::Kind::Bypass;
    front_end.output_fault = Fault{0, false};
    TranslationFlow flow(front_end, request());
    CHECK(flow.start() == Need::Done);
    CHECK(flow.route() == Route::Blocked);
    CHECK_FALSE(flow.fault().recorded);
  }
  SECTION("interrupt: to memory's side, unchecked") {
    front_end.gate_result.kind = Gate::Kind::Interrupt;
    front_end.output_fault = Fault{1, true};
    TranslationFlow flow(front_end, request(AccessKind::Write));
    CHECK(flow.start() == Need::Done);
    CHECK(flow.route() == Route::Memory);
    CHECK(flow.interrupt());
    CHECK(flow.host_address() == 0x12345678);
    CHECK(front_end.outputs.empty());
  }
  SECTION("completed without data") {
    front_end.gate_result.kind = Gate::Kind::NoData;
    TranslationFlow flow(front_end, request());
    CHECK(flow.start() == Need::Done);
    CHECK(flow.route() == Route::NoData);
  }
  SECTION("fault") {
    front_end.gate_result.kind = Gate::Kind::Fault;
    front_end.gate_result.fault = {0x31, true};
    TranslationFlow flow(front_end, request());
    CHECK(flow.start() == Need::Done);
    CHECK(flow.route() == Route::Blocked);
    CHECK(flow.fault().reason == 0x31);
  }
}

TEST_CASE("context from the cache, translation from the IOTLB") {
  FakeFrontEnd front_end;
  TranslationFlow flow(front_end, request());
  CHECK(flow.start() == Need::ContextLookup);
  CHECK_FALSE(flow.has_space());
  CHECK(flow.context_found(table_space()) == Need::IotlbLookup);
  CHECK(flow.has_space());
  CHECK(flow.space().tag == 0x0310);
  CHECK(flow.translation_found(page(Permissions::Read)) == Need::Done);
  CHECK(flow.need() == Need::Done);
  CHECK(flow.route() == Route::Memory);
  CHECK(flow.host_address() == 0x900678);
  CHECK(flow.used_table());
  CHECK(flow.mapping_valid());
  CHECK(flow.mapping().output_page == 0x900000);
  CHECK(front_end.output_had_space.at(0));
}

TEST_CASE("context read in two steps, translation walked") {
  FakeFrontEnd front_end;
  front_end.context_steps = {FakeFrontEnd::read(0x1030, 16), FakeFrontEnd::read(0x2100, 16),
                             FakeFrontEnd::resolved(table_space())};
  TranslationFlow flow(front_end, request());
  CHECK(flow.start() == Need::ContextLookup);
  CHECK(flow.context_missing() == Need::ContextRead);
  CHECK(flow.read_address() == 0x1030);
  CHECK(flow.read_bytes() == 16);
  CHECK(flow.context_read({true, {11, 12}}) == Need::ContextRead);
  CHECK(flow.read_address() == 0x2100);
  CHECK_FALSE(flow.has_space());
  CHECK(flow.context_read({true, {21, 22}}) == Need::IotlbLookup);
  CHECK(front_end.context_reads.at(0).words[1] == 12);
  CHECK(front_end.context_reads.at(1).words[0] == 21);
  CHECK(flow.translation_missing() == Need::Walk);
  CHECK(flow.walked(page(Permissions::ReadWrite)) == Need::Done);
  CHECK(flow.route() == Route::Memory);
  CHECK(flow.host_address() == 0x900678);
}

TEST_CASE("faults at each stage") {
  FakeFrontEnd front_end;
  TranslationFlow flow(front_end, request(AccessKind::Write));
  SECTION("context look-up, first step") {
    front_end.context_steps = {FakeFrontEnd::failed({0x08, true})};
    flow.start();
    CHECK(flow.context_missing() == Need::Done);
    CHECK(flow.fault().reason == 0x08);
    CHECK_FALSE(flow.has_space());
    CHECK_FALSE(flow.used_table());
  }
  SECTION("context look-up, a later step") {
    front_end.context_steps = {FakeFrontEnd::read(0x1000, 16), FakeFrontEnd::failed({0x02, false})};
    flow.start();
    flow.context_missing();
    CHECK(flow.context_read({}) == Need::Done);
    CHECK(flow.route() == Route::Blocked);
    CHECK(flow.fault().reason == 0x02);
    CHECK_FALSE(flow.fault().recorded);
  }
  SECTION("input check: before the IOTLB is asked, the space is known") {
    front_end.input_fault = Fault{0x04, true};
    flow.start();
    CHECK(flow.context_found(table_space()) == Need::Done);
    CHECK(flow.fault().reason == 0x04);
    CHECK(flow.has_space());
    CHECK_FALSE(flow.used_table());
  }
  SECTION("permission of a cached translation: the mapping stays valid") {
    flow.start();
    flow.context_found(table_space());
    CHECK(flow.translation_found(page(Permissions::Read)) == Need::Done);
    CHECK(flow.route() == Route::Blocked);
    CHECK(flow.fault().reason == 0x40 + static_cast<int>(FaultCause::NoWrite));
    CHECK(flow.mapping_valid());
    CHECK(front_end.outputs.empty());
  }
  SECTION("walk, with the suppression of the space") {
    AddressSpace space = table_space();
    space.suppress_faults = true;
    flow.start();
    flow.context_found(space);
    flow.translation_missing();
    CHECK(flow.walked(FaultCause::ReservedSet) == Need::Done);
    CHECK(flow.fault().reason == 0x40 + static_cast<int>(FaultCause::ReservedSet));
    CHECK_FALSE(flow.fault().recorded);
    CHECK_FALSE(flow.mapping_valid());
  }
  SECTION("output check after a walk: the mapping itself was fine") {
    front_end.output_fault = Fault{0x0E, true};
    flow.start();
    flow.context_found(table_space());
    flow.translation_missing();
    CHECK(flow.walked(page(Permissions::Write)) == Need::Done);
    CHECK(flow.route() == Route::Blocked);
    CHECK(flow.fault().reason == 0x0E);
    CHECK(flow.mapping_valid());
  }
}

TEST_CASE("pass-through and translated requests go around the tables, through the output check") {
  FakeFrontEnd front_end;
  Request r = request();
  AddressSpace space = table_space();
  SECTION("pass-through") { space.pass_through = true; }
  SECTION("translated") { r.address_type = AddressType::Translated; }
  TranslationFlow flow(front_end, r);
  flow.start();
  CHECK(flow.context_found(space) == Need::Done);
  CHECK(flow.route() == Route::Memory);
  CHECK(flow.host_address() == 0x12345678);
  CHECK_FALSE(flow.used_table());
  CHECK(front_end.outputs == std::vector<Address>{0x12345678});
  CHECK(front_end.output_had_space.at(0));
}

TEST_CASE("a zero-length read is translated and checked, and moves no data") {
  FakeFrontEnd front_end;
  Request r = request();
  r.zero_length = true;
  AddressSpace space = table_space();
  TranslationFlow flow(front_end, r);
  flow.start();
  flow.context_found(space);
  CHECK(flow.translation_found(page(Permissions::Read)) == Need::Done);
  CHECK(flow.route() == Route::NoData);
  flow.start();
  flow.context_found(space);
  flow.translation_found(page(Permissions::Write));
  CHECK(flow.route() == Route::Blocked);
  space.zero_length_read_any = true;
  flow.start();
  flow.context_found(space);
  flow.translation_found(page(Permissions::Write));
  CHECK(flow.route() == Route::NoData);
}

TEST_CASE("starting anew forgets everything") {
  FakeFrontEnd front_end;
  TranslationFlow flow(front_end, request());
  flow.start();
  flow.context_found(table_space());
  flow.translation_found(page(Permissions::Read));
  REQUIRE(flow.used_table());
  CHECK(flow.start() == Need::ContextLookup);
  CHECK_FALSE(flow.has_space());
  CHECK_FALSE(flow.used_table());
  CHECK_FALSE(flow.mapping_valid());
  front_end.context_steps = {FakeFrontEnd::read(0x1030, 16)};
  flow.context_missing();
  CHECK(flow.start() == Need::ContextLookup);  // in the middle of a context look-up as well
  front_end.gate_result.kind = Gate::Kind::Interrupt;
  flow.start();
  CHECK(flow.interrupt());
  front_end.gate_result.kind = Gate::Kind::Bypass;
  flow.start();
  CHECK_FALSE(flow.interrupt());
}

}  // namespace
