// VER, CAP and ECAP of several configurations against literals, what a configuration may be, and that what is absent is
// reserved. Sheet 1.2 and 1.3; published values: timing sheet 3.1.
#include "testbench/vtd/rig.h"

namespace {

using namespace iommu;
using test::capabilities;
using test::Rig;

// Sheet 1.2, bits outside FRO (33:24), which this model places at 0x600 or 0x1000.
constexpr std::uint64_t kWithoutFro = 0xFFFFFFFC00FFFFFF;

TEST_CASE("VER has the major version in bits 7:4 and nothing else") {
  for (unsigned major = 1; major <= 7; ++major) {
    auto c = capabilities();
    c.version_major = major;
    CHECK(Rig(c).r32(0x000) == major * 0x10);
  }
}

TEST_CASE("CAP of the base configuration") {
  // ND=6, PLMR, PHMR, SAGAW = 3 and 4 levels, MGAW=47, ZLR, FRO=0x60, SSLPS=3, PSI, NFR=7, MAMV=18, DWD, DRD.
  CHECK(Rig().r64(0x008) == 0x00D2078C606F0666);
}

TEST_CASE("CAP comes out as published machines have it, the place of the fault records apart") {
  auto c = capabilities();
  c.levels = {4};
  SECTION("Haswell E5: 0x00d2078c106f0466") {
    CHECK((vtd::cap_value(c) & kWithoutFro) == (0x00D2078C106F0466 & kWithoutFro));
  }
  SECTION("Broadwell E5: the same with posted interrupts (bit 59), which are not modeled") {
    CHECK((vtd::cap_value(c) & kWithoutFro) == (0x08D2078C106F0466 & kWithoutFro & ~(std::uint64_t{1} << 59)));
  }
  SECTION("Sandy Bridge E5: 0x00d2078c106f0462, 256 domains") {
    c.domain_bits = 8;
    CHECK((vtd::cap_value(c) & kWithoutFro) == (0x00D2078C106F0462 & kWithoutFro));
  }
  SECTION("Haswell E3, graphics unit: 0x00c0000020660462, 39 bits, no page-selective invalidation, one record") {
    c.domain_bits = 8;
    c.host_address_bits = 39;
    c.mgaw_bits = 39;
    c.large_page_level = 1;
    c.page_selective = false;
    c.fault_records = 1;
    CHECK((vtd::cap_value(c) & kWithoutFro) == (0x00C0000020660462 & kWithoutFro));
  }
  SECTION("Haswell E3, the other unit: 0x00d2008020660462") {
    c.domain_bits = 8;
    c.host_address_bits = 39;
    c.mgaw_bits = 39;
    c.large_page_level = 1;
    c.fault_records = 1;
    CHECK((vtd::cap_value(c) & kWithoutFro) == (0x00D2008020660462 & kWithoutFro));
  }
}

TEST_CASE("each capability has its bit in CAP") {
  const std::uint64_t base = 0x00D2078C606F0666;
  auto c = capabilities();
  SECTION("ND is (bits - 4) / 2") {
    const std::uint64_t nd[] = {0, 1, 2, 3, 4, 5, 6};
    for (unsigned i = 0; i <= 6; ++i) {
      c.domain_bits = 4 + 2 * i;
      CHECK(vtd::cap_value(c) == ((base & ~std::uint64_t{7}) | nd[i]));
    }
  }
  SECTION("no PLMR") {
    c.plmr = false;
    CHECK(vtd::cap_value(c) == (base & ~std::uint64_t{0x20}));
  }
  SECTION("no PHMR") {
    c.phmr = false;
    CHECK(vtd::cap_value(c) == (base & ~std::uint64_t{0x40}));
  }
  SECTION("CM") {
    c.caching_mode = true;
    CHECK(vtd::cap_value(c) == (base | 0x80));
  }
  SECTION("SAGAW: 3, 4, 5 levels are bits 9, 10, 11") {
    c.levels = {3, 4, 5};
    CHECK((vtd::cap_value(c) & 0x1F00) == 0x0E00);
    c.levels = {5};
    CHECK((vtd::cap_value(c) & 0x1F00) == 0x0800);
    c.levels = {3};
    CHECK((vtd::cap_value(c) & 0x1F00) == 0x0200);
  }
  SECTION("MGAW is the width minus 1") {
    c.levels = {5};
    c.mgaw_bits = 57;
    CHECK(((vtd::cap_value(c) >> 16) & 0x3F) == 56);
  }
  SECTION("no ZLR") {
    c.zero_length_read = false;
    CHECK(vtd::cap_value(c) == (base & ~std::uint64_t{0x400000}));
  }
  SECTION("SSLPS is 0, 1 or 3") {
    c.large_page_level = 1;
    CHECK(((vtd::cap_value(c) >> 34) & 0xF) == 0);
    c.large_page_level = 2;
    CHECK(((vtd::cap_value(c) >> 34) & 0xF) == 1);
    c.large_page_level = 3;
    CHECK(((vtd::cap_value(c) >> 34) & 0xF) == 3);
  }
  SECTION("without PSI there is no MAMV either") {
    c.page_selective = false;
    CHECK(vtd::cap_value(c) == 0x00C0070C606F0666);
  }
  SECTION("MAMV") {
    c.max_address_mask = 0x1E;
    CHECK(((vtd::cap_value(c) >> 48) & 0x3F) == 0x1E);
  }
  SECTION("ESRTPS") {
    c.esrtps = true;
    CHECK(vtd::cap_value(c) == (base | 0x8000000000000000));
  }
}

TEST_CASE("NFR counts the fault records, and FRO moves behind 4 KiB when they need it") {
  auto c = capabilities();
  c.fault_records = 1;
  CHECK(vtd::cap_value(c) == 0x00D2008C606F0666);
  CHECK(vtd::window_bytes(c) == 0x1000);
  c.fault_records = 160;  // 0x600 + 160 * 16 = 0x1000
  CHECK(((vtd::cap_value(c) >> 40) & 0xFF) == 159);
  CHECK(vtd::fault_records_offset(c) == 0x600);
  CHECK(vtd::window_bytes(c) == 0x1000);
  c.fault_records = 161;
  CHECK(vtd::fault_records_offset(c) == 0x1000);
  CHECK(vtd::window_bytes(c) == 0x2000);
  c.fault_records = 256;
  CHECK(((vtd::cap_value(c) >> 40) & 0xFF) == 255);
  CHECK(((vtd::cap_value(c) >> 24) & 0x3FF) == 0x100);
  CHECK(vtd::window_bytes(c) == 0x2000);
}

TEST_CASE("ECAP: C, QI, PT, SC and the place of the IOTLB registers, everything else is absent") {
  auto c = capabilities();
  CHECK(Rig(c).r64(0x010) == 0x50C3);  // IRO = 0x50
  SECTION("C") {
    c.coherent_walk = false;
    CHECK(vtd::ecap_value(c) == 0x50C2);
  }
  SECTION("QI") {
    c.queued_invalidation = false;
    CHECK(vtd::ecap_value(c) == 0x50C1);
  }
  SECTION("PT") {
    c.pass_through = false;
    CHECK(vtd::ecap_value(c) == 0x5083);
  }
  SECTION("SC") {
    c.snoop_control = false;
    CHECK(vtd::ecap_value(c) == 0x5043);
  }
}

TEST_CASE("capabilities that do not fit together are refused by name, value and range") {
  auto c = capabilities();
  REQUIRE(vtd::validate(c).empty());
  SECTION("version 0") {
    c.version_major = 0;
    CHECK(vtd::validate(c) == "version_major is 0: 1 to 7 are allowed");
  }
  SECTION("version 8") {
    c.version_major = 8;
    CHECK(vtd::validate(c) == "version_major is 8: 1 to 7 are allowed");
  }
  SECTION("HAW 31 and 53") {
    c.host_address_bits = 31;
    CHECK(vtd::validate(c) == "host_address_bits is 31: 32 to 52 are allowed");
    c.host_address_bits = 53;
    CHECK(vtd::validate(c) == "host_address_bits is 53: 32 to 52 are allowed");
  }
  SECTION("no levels, 2 levels, 6 levels") {
    c.levels = {};
    CHECK(vtd::validate(c) == "levels is empty: at least one of 3, 4, 5 is needed");
    c.levels = {2};
    CHECK(vtd::validate(c) == "levels has 2: 3, 4 and 5 are allowed");
    c.levels = {3, 6};
    CHECK(vtd::validate(c) == "levels has 6: 3, 4 and 5 are allowed");
  }
  SECTION("MGAW below HAW, beyond 57, beyond the tables") {
    c.mgaw_bits = 45;
    CHECK(vtd::validate(c) == "mgaw_bits is 45: host_address_bits (46) to 57 are allowed");
    c.levels = {5};
    c.mgaw_bits = 58;
    CHECK(vtd::validate(c) == "mgaw_bits is 58: host_address_bits (46) to 57 are allowed");
    c.levels = {3, 4};
    c.mgaw_bits = 49;
    CHECK(vtd::validate(c) == "mgaw_bits is 49: the deepest table of levels reaches 48 bits");
    c.levels = {4};
    c.mgaw_bits = 48;
    CHECK(vtd::validate(c).empty());
  }
  SECTION("large pages") {
    c.large_page_level = 0;
    CHECK(vtd::validate(c) == "large_page_level is 0: 1 to 3 are allowed");
    c.large_page_level = 4;
    CHECK(vtd::validate(c) == "large_page_level is 4: 1 to 3 are allowed");
  }
  SECTION("domain bits") {
    for (const unsigned wrong : {0u, 3u, 5u, 17u, 18u}) {
      c.domain_bits = wrong;
      CHECK(vtd::validate(c) == "domain_bits is " + std::to_string(wrong) + ": 4, 6, 8, 10, 12, 14 and 16 are allowed");
    }
  }
  SECTION("fault records") {
    c.fault_records = 0;
    CHECK(vtd::validate(c) == "fault_records is 0: 1 to 256 are allowed");
    c.fault_records = 257;
    CHECK(vtd::validate(c) == "fault_records is 257: 1 to 256 are allowed");
  }
  SECTION("address mask") {
    c.max_address_mask = 64;
    CHECK(vtd::validate(c) == "max_address_mask is 64: 0 to 63 are allowed");
  }
  SECTION("no invalidation at all from version 6 on") {
    c.queued_invalidation = false;
    c.version_major = 5;
    CHECK(vtd::validate(c).empty());
    c.version_major = 6;
    CHECK(vtd::validate(c) == "queued_invalidation is false: from version_major 6 on there is no other invalidation");
  }
}

}  // namespace
