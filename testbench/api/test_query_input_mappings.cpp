// QueryInputMappings (sheet 3.10, OP-14, OP-31).
//
//   condition                                               status                      *ReturnLength
//   ------------------------------------------------------  --------------------------  -------------
//   as_documented, whatever the arguments (not Arm64)       STATUS_UNSUCCESSFUL         0
//   PDO NULL or unknown                                     STATUS_INVALID_PARAMETER_1  0, diagnostic
//   Buffer NULL, BufferLength > 0                           STATUS_INVALID_PARAMETER_2  0
//   the device is behind no IOMMU, or has no requester id   STATUS_UNSUCCESSFUL         0
//   BufferLength too small, Buffer NULL with 0 included     STATUS_BUFFER_TOO_SMALL     bytes needed, nothing written
//   else                                                    STATUS_SUCCESS              bytes written, 4 for each id
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/api/fake_machine.h"

TEST_CASE("QueryInputMappings writes the requester ids, aliases included", "[query_input]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  const auto accesses = machine.units[0]->accesses;
  INPUT_MAPPING_ELEMENT ids[3] = {{0x77}, {0x77}, {0x77}};
  ULONG length = 0x99;
  CHECK(v2.QueryInputMappings(machine.pdo("gpu0"), ids, sizeof ids, &length) == STATUS_SUCCESS);
  CHECK(length == 8);
  CHECK(ids[0].InputMappingId == 0x0200);
  CHECK(ids[1].InputMappingId == 0x0210);
  CHECK(ids[2].InputMappingId == 0x77);
  CHECK(v2.QueryInputMappings(machine.pdo("nic0"), ids, 4, nullptr) == STATUS_SUCCESS);
  CHECK(ids[0].InputMappingId == 0x0018);
  CHECK(machine.units[0]->accesses == accesses);
  CHECK(machine.host.diagnostics.empty());
}

TEST_CASE("QueryInputMappings with a buffer that is too small writes nothing", "[query_input]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  INPUT_MAPPING_ELEMENT ids[2] = {{0x77}, {0x77}};
  for (const ULONG bytes : {0u, 4u, 7u}) {
    ULONG length = 0x99;
    CHECK(v2.QueryInputMappings(machine.pdo("gpu0"), ids, bytes, &length) == STATUS_BUFFER_TOO_SMALL);
    CHECK(length == 8);
  }
  CHECK(ids[0].InputMappingId == 0x77);
  ULONG length = 0x99;
  CHECK(v2.QueryInputMappings(machine.pdo("gpu0"), nullptr, 0, &length) == STATUS_BUFFER_TOO_SMALL);
  CHECK(length == 8);
  CHECK(v2.QueryInputMappings(machine.pdo("gpu0"), nullptr, 0, nullptr) == STATUS_BUFFER_TOO_SMALL);
}

TEST_CASE("QueryInputMappings with bad arguments", "[query_input]") {
  fake::Machine machine;
  const auto& v2 = machine.v2();
  INPUT_MAPPING_ELEMENT id{0x77};
  ULONG length = 0x99;
  CHECK(v2.QueryInputMappings(nullptr, &id, 4, &length) == STATUS_INVALID_PARAMETER_1);
  CHECK(length == 0);
  CHECK(machine.host.reported("QueryInputMappings", "device object: parameter 1 is NULL") == 1);
  CHECK(v2.QueryInputMappings(reinterpret_cast<PDEVICE_OBJECT>(&id), nullptr, 4, &length) ==
        STATUS_INVALID_PARAMETER_1);
  CHECK(machine.host.reported("QueryInputMappings", "no physical device object") == 1);
  CHECK(v2.QueryInputMappings(machine.pdo("usb0"), nullptr, 4, &length) == STATUS_INVALID_PARAMETER_2);
  length = 0x99;
  CHECK(v2.QueryInputMappings(machine.pdo("usb0"), &id, 4, &length) == STATUS_UNSUCCESSFUL);
  CHECK(length == 0);
  CHECK(v2.QueryInputMappings(machine.pdo("odd0"), &id, 4, &length) == STATUS_UNSUCCESSFUL);
  CHECK(id.InputMappingId == 0x77);
}

TEST_CASE("QueryInputMappings as documented works on Arm64 only", "[query_input]") {
  fake::Options options;
  options.policy.profile = iommu::api::Profile::AsDocumented;
  fake::Machine machine(options);
  const auto& v2 = machine.v2();
  INPUT_MAPPING_ELEMENT id{0x77};
  ULONG length = 0x99;
  CHECK(v2.QueryInputMappings(machine.pdo("nic0"), &id, 4, &length) == STATUS_UNSUCCESSFUL);
  CHECK(length == 0);
  CHECK(id.InputMappingId == 0x77);
  CHECK(v2.QueryInputMappings(nullptr, nullptr, 4, nullptr) == STATUS_UNSUCCESSFUL);
  CHECK(machine.host.diagnostics.empty());
}
