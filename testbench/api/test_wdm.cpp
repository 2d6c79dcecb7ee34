// api/wdm.h in C++17: layouts at compile time (wdm_layout.h), signatures, bit positions and the MDL helpers, each also
// from C (wdm_layout.c). Literals are of the fact sheet's sections 1 and 2.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <array>
#include <type_traits>

#include "testbench/api/wdm_driver_layout.h"
#include "testbench/api/wdm_layout.h"

extern "C" {
ULONG wdm_c_call_back(void);
ULONG wdm_c_fields_bit(void);
ULONGLONG wdm_c_flags(void);
ULONG wdm_c_mdl(PFN_NUMBER* first_pfn);
}

namespace {

// Section 1.1: parameters in order and return types.
template <typename Function, typename Expected>
constexpr bool kSame = std::is_same_v<Function, Expected>;

using Domain = PIOMMU_DMA_DOMAIN;
using Device = PIOMMU_DMA_DEVICE;
using LogicalIn = std::uint64_t*;
using Physical = PIOMMU_MAP_PHYSICAL_ADDRESS;
using Token = PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN;

static_assert(kSame<IOMMU_DOMAIN_CREATE_EX,
                    std::int32_t(IOMMU_DMA_DOMAIN_TYPE, IOMMU_DMA_DOMAIN_CREATION_FLAGS,
                                 PIOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG, PIOMMU_DMA_RESERVED_REGION, Domain*)>);
static_assert(kSame<IOMMU_DOMAIN_DELETE, std::int32_t(Domain)>);
static_assert(kSame<IOMMU_DOMAIN_ATTACH_DEVICE_EX, std::int32_t(Domain, Device)>);
static_assert(kSame<IOMMU_DOMAIN_DETACH_DEVICE_EX, std::int32_t(Device)>);
static_assert(kSame<IOMMU_FLUSH_DOMAIN, std::int32_t(Domain)>);
static_assert(kSame<IOMMU_FLUSH_DOMAIN_VA_LIST, std::int32_t(Domain, std::uint8_t, std::uint32_t, void*)>);
static_assert(kSame<IOMMU_QUERY_INPUT_MAPPINGS,
                    std::int32_t(PDEVICE_OBJECT, PINPUT_MAPPING_ELEMENT, std::uint32_t, std::uint32_t*)>);
static_assert(kSame<IOMMU_MAP_LOGICAL_RANGE_EX,
                    std::int32_t(Domain, std::uint32_t, Physical, LogicalIn, LogicalIn, LogicalIn, std::uint64_t*)>);
static_assert(kSame<IOMMU_UNMAP_LOGICAL_RANGE, std::int32_t(Domain, std::uint64_t, std::uint64_t)>);
static_assert(kSame<IOMMU_MAP_IDENTITY_RANGE_EX, std::int32_t(Domain, std::uint32_t, Physical)>);
static_assert(kSame<IOMMU_UNMAP_IDENTITY_RANGE_EX, std::int32_t(Domain, Physical)>);
static_assert(kSame<IOMMU_SET_DEVICE_FAULT_REPORTING_EX,
                    std::int32_t(Device, std::uint32_t, std::uint8_t, PDEVICE_FAULT_CONFIGURATION)>);
static_assert(kSame<IOMMU_DOMAIN_CONFIGURE, std::int32_t(Domain, PDOMAIN_CONFIGURATION)>);
static_assert(kSame<IOMMU_DEVICE_QUERY_DOMAIN_TYPES, void(Device, std::uint32_t*)>);
static_assert(
    kSame<IOMMU_REGISTER_INTERFACE_STATE_CHANGE_CALLBACK,
          std::int32_t(PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK, void*, Device, PIOMMU_INTERFACE_STATE_CHANGE_FIELDS)>);
static_assert(kSame<IOMMU_UNREGISTER_INTERFACE_STATE_CHANGE_CALLBACK,
                    std::int32_t(PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK, Device)>);
static_assert(kSame<IOMMU_RESERVE_LOGICAL_ADDRESS_RANGE,
                    std::int32_t(Domain, std::uint64_t, LogicalIn, LogicalIn, LogicalIn, Token*)>);
static_assert(kSame<IOMMU_FREE_RESERVED_LOGICAL_ADDRESS_RANGE, std::int32_t(Token)>);
static_assert(kSame<IOMMU_MAP_RESERVED_LOGICAL_RANGE, std::int32_t(Token, std::uint64_t, std::uint32_t, Physical,
                                                                   PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT)>);
static_assert(kSame<IOMMU_UNMAP_RESERVED_LOGICAL_RANGE, std::int32_t(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT)>);
static_assert(kSame<IOMMU_DEVICE_CREATE, std::int32_t(PDEVICE_OBJECT, PIOMMU_DEVICE_CREATION_CONFIGURATION, Device*)>);
static_assert(kSame<IOMMU_DEVICE_DELETE, std::int32_t(Device)>);
static_assert(kSame<IOMMU_INTERFACE_STATE_CHANGE_CALLBACK, void(PIOMMU_INTERFACE_STATE_CHANGE, void*)>);
static_assert(kSame<IOMMU_DEVICE_FAULT_HANDLER, void(void*, PFAULT_INFORMATION)>);

// Sections 2.5 and 2.6.
static_assert(kSame<IOMMU_DOMAIN_CREATE, std::int32_t(std::uint8_t, Domain*)>);
static_assert(kSame<IOMMU_DOMAIN_ATTACH_DEVICE, std::int32_t(Domain, PDEVICE_OBJECT, std::uint32_t, std::uint32_t)>);
static_assert(kSame<IOMMU_DOMAIN_DETACH_DEVICE, std::int32_t(Domain, PDEVICE_OBJECT, std::uint32_t)>);
static_assert(kSame<IOMMU_MAP_LOGICAL_RANGE, std::int32_t(Domain, std::uint32_t, PMDL, std::uint64_t)>);
static_assert(kSame<IOMMU_MAP_IDENTITY_RANGE, std::int32_t(Domain, std::uint32_t, PMDL)>);
static_assert(kSame<IOMMU_UNMAP_IDENTITY_RANGE, std::int32_t(Domain, PMDL)>);
static_assert(kSame<IOMMU_SET_DEVICE_FAULT_REPORTING,
                    std::int32_t(PDEVICE_OBJECT, std::uint32_t, std::uint8_t, PDEVICE_FAULT_CONFIGURATION)>);
static_assert(kSame<IOMMU_PASID_DEVICE_CREATE, std::int32_t(Device, PIOMMU_DMA_PASID_DEVICE*, std::uint32_t*)>);
static_assert(kSame<IOMMU_PASID_DEVICE_DELETE, std::int32_t(PIOMMU_DMA_PASID_DEVICE)>);
static_assert(kSame<IOMMU_DOMAIN_ATTACH_PASID_DEVICE, std::int32_t(Domain, PIOMMU_DMA_PASID_DEVICE)>);
static_assert(kSame<IOMMU_DOMAIN_DETACH_PASID_DEVICE, std::int32_t(PIOMMU_DMA_PASID_DEVICE)>);
static_assert(kSame<IOMMU_DEVICE_QUERY_INFORMATION,
                    std::int32_t(Device, std::uint32_t, std::uint32_t*, PIOMMU_DMA_DEVICE_INFORMATION)>);

// Section 2.4.
static_assert(
    kSame<decltype(IoGetIommuInterfaceEx), std::int32_t(std::uint32_t, std::uint64_t, PDMA_IOMMU_INTERFACE_EX)>);
static_assert(std::is_same_v<PIOMMU_DOMAIN_CREATE_EX, IOMMU_DOMAIN_CREATE_EX*>);
static_assert(std::is_same_v<decltype(DMA_IOMMU_INTERFACE_V2::CreateDomainEx), PIOMMU_DOMAIN_CREATE_EX>);

template <typename Bits>
std::uint32_t as_ulong(const Bits& bits) {
  static_assert(sizeof(Bits) == 4);
  std::uint32_t word = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&bits);
  for (unsigned i = 0; i < 4; ++i) word |= static_cast<std::uint32_t>(bytes[i]) << (8 * i);
  return word;
}

}  // namespace

TEST_CASE("bit fields stand where the sheet says", "[wdm]") {
  FAULT_INFORMATION_ARM64_FLAGS arm{};
  arm.WriteNotRead = 1;
  CHECK(as_ulong(arm) == 0x1);
  arm = {};
  arm.InstructionNotData = 1;
  CHECK(as_ulong(arm) == 0x2);
  arm = {};
  arm.Privileged = 1;
  CHECK(as_ulong(arm) == 0x4);
  arm = {};
  arm.FaultAddressValid = 1;
  CHECK(as_ulong(arm) == 0x8);
  FAULT_INFORMATION_X64_FLAGS x64{};
  x64.FaultAddressValid = 1;
  CHECK(as_ulong(x64) == 0x1);
  IOMMU_INTERFACE_STATE_CHANGE_FIELDS fields{};
  fields.AvailableDomainTypes = 1;
  CHECK(fields.AsULONG == 0x1);
  CHECK(wdm_c_fields_bit() == 0x1);
  CHECK(wdm_c_flags() == 0x8000000000000001);
}

TEST_CASE("a physical address is read as one signed quantity and as two halves", "[wdm]") {
  PHYSICAL_ADDRESS address{};
  address.QuadPart = 0x123456789AB;
  CHECK(address.LowPart == 0x456789AB);
  CHECK(address.HighPart == 0x123);
  CHECK(address.u.LowPart == 0x456789AB);
}

TEST_CASE("MDL helpers fill and read the header", "[wdm]") {
  PFN_NUMBER first = 0;
  CHECK(wdm_c_mdl(&first) == 4);
  CHECK(first == 0x1234);

  alignas(MDL) std::array<unsigned char, 48 + 8 * 2> storage{};
  auto* mdl = reinterpret_cast<MDL*>(storage.data());
  MmInitializeMdl(mdl, reinterpret_cast<void*>(0x10000), 0x2000);
  CHECK(mdl->Size == 48 + 16);
  CHECK(MmSizeOfMdl(reinterpret_cast<void*>(0x10000), 0x2000) == 64);
  CHECK(MmGetMdlByteOffset(mdl) == 0);
  CHECK(reinterpret_cast<unsigned char*>(MmGetMdlPfnArray(mdl)) == storage.data() + 48);
}

TEST_CASE("page arithmetic", "[wdm]") {
  CHECK(ADDRESS_AND_SIZE_TO_SPAN_PAGES(0, 0) == 0);
  CHECK(ADDRESS_AND_SIZE_TO_SPAN_PAGES(0, 1) == 1);
  CHECK(ADDRESS_AND_SIZE_TO_SPAN_PAGES(0xFFF, 1) == 1);
  CHECK(ADDRESS_AND_SIZE_TO_SPAN_PAGES(0xFFF, 2) == 2);
  CHECK(ADDRESS_AND_SIZE_TO_SPAN_PAGES(0x1000, 0x1001) == 2);
  CHECK(BYTES_TO_PAGES(SIZE_T{0x1001}) == 2);
  CHECK(ROUND_TO_PAGES(0x1001) == 0x2000);
  CHECK(BYTE_OFFSET(0x12345) == 0x345);
  CHECK(reinterpret_cast<std::uintptr_t>(PAGE_ALIGN(0x12345)) == 0x12000);
}

TEST_CASE("callbacks written in C are called with their arguments in the documented order", "[wdm]") {
  CHECK(wdm_c_call_back() == 43);
}
