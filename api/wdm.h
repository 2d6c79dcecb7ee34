/*
 * The part of the Windows Driver Kit's wdm.h that DMA_IOMMU_INTERFACE_V2 needs, for C11 and C++17 on 64-bit hosts.
 *
 * What it does: declares the types, structures, constants and function types of the kernel's IOMMU interface with the
 * names, values and layouts that Windows documents, so that driver code written against the WDK compiles unchanged.
 * Windows is LLP64 (ULONG has 32 bits), Linux is LP64: every type here has the size that it has on Windows.
 * What it does not do: define any function (api/interface.cpp does). What else a small driver needs of wdm.h is in
 * wdm_driver.h, which this file includes. Source annotations (_In_ and its kin) are accepted and mean nothing.
 */
#ifndef IOMMU_VP_API_WDM_H
#define IOMMU_VP_API_WDM_H

#include <stddef.h>
#include <stdint.h>

/* ---- Source annotations ------------------------------------------------------------------------------------------ */

#ifndef _In_
#define _In_
#define _In_opt_
#define _Out_
#define _Out_opt_
#define _Inout_
#define _Inout_opt_
#define _Outptr_
#define _In_reads_(count)
#define _In_reads_opt_(count)
#define _In_reads_bytes_(count)
#define _Out_writes_(count)
#define _Out_writes_bytes_(count)
#define _Inout_updates_(count)
#define _Inout_updates_bytes_(count)
#define _Function_class_(name)
#define _IRQL_requires_(level)
#define _IRQL_requires_max_(level)
#define _IRQL_requires_same_
#define _Must_inspect_result_
#define _Use_decl_annotations_
#endif

#define NTAPI
#define NTKERNELAPI
#define FORCEINLINE static inline
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))

/* The name that wdm.h gives to unnamed members when NONAMELESSUNION is set; without it they stay unnamed. */
#define DUMMYSTRUCTNAME
#define DUMMYUNIONNAME

/* Enumerations are MSVC ints; C compilers choose 4 bytes for these by themselves. Unnamed members are extensions. */
#ifdef __cplusplus
#define WDM_ENUM_BASE : int
#else
#define WDM_ENUM_BASE
#endif
#define WDM_UNNAMED __extension__

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Basic types ------------------------------------------------------------------------------------------------- */

#define VOID void
typedef void* PVOID;
typedef void* HANDLE;
typedef int16_t SHORT, CSHORT;
typedef int32_t LONG, NTSTATUS;
typedef int64_t LONGLONG;
typedef uint8_t UCHAR, *PUCHAR, BOOLEAN, *PBOOLEAN;
typedef uint16_t USHORT, *PUSHORT;
typedef uint32_t ULONG, *PULONG, UINT32;
typedef uint64_t ULONGLONG, ULONG64, *PULONGLONG, *PULONG64;
typedef uint64_t SIZE_T, *PSIZE_T, ULONG_PTR, *PULONG_PTR;
typedef ULONG_PTR PFN_NUMBER, *PPFN_NUMBER;

#ifndef TRUE
#define FALSE 0
#define TRUE 1
#endif

typedef union _LARGE_INTEGER {
  WDM_UNNAMED struct {
    ULONG LowPart;
    LONG HighPart;
  };
  struct {
    ULONG LowPart;
    LONG HighPart;
  } u;
  LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER, PHYSICAL_ADDRESS, *PPHYSICAL_ADDRESS;

typedef struct _LIST_ENTRY {
  struct _LIST_ENTRY* Flink;
  struct _LIST_ENTRY* Blink;
} LIST_ENTRY, *PLIST_ENTRY;

#define PAGE_SIZE 0x1000
#define PAGE_SHIFT 12L

/* ---- NTSTATUS ---------------------------------------------------------------------------------------------------- */

#define NT_SUCCESS(status) (((NTSTATUS)(status)) >= 0)

#define STATUS_SUCCESS ((NTSTATUS)0x00000000)
#define STATUS_UNSUCCESSFUL ((NTSTATUS)0xC0000001)
#define STATUS_NOT_IMPLEMENTED ((NTSTATUS)0xC0000002)
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000D)
#define STATUS_ACCESS_DENIED ((NTSTATUS)0xC0000022)
#define STATUS_BUFFER_TOO_SMALL ((NTSTATUS)0xC0000023)
#define STATUS_INVALID_PARAMETER_MIX ((NTSTATUS)0xC0000030)
#define STATUS_NONE_MAPPED ((NTSTATUS)0xC0000073)
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#define STATUS_NOT_SUPPORTED ((NTSTATUS)0xC00000BB)
#define STATUS_INVALID_PARAMETER_1 ((NTSTATUS)0xC00000EF)
#define STATUS_INVALID_PARAMETER_2 ((NTSTATUS)0xC00000F0)
#define STATUS_INVALID_PARAMETER_3 ((NTSTATUS)0xC00000F1)
#define STATUS_INVALID_PARAMETER_4 ((NTSTATUS)0xC00000F2)
#define STATUS_INVALID_PARAMETER_5 ((NTSTATUS)0xC00000F3)
#define STATUS_INVALID_PARAMETER_6 ((NTSTATUS)0xC00000F4)
#define STATUS_INVALID_PARAMETER_7 ((NTSTATUS)0xC00000F5)
#define STATUS_NOT_FOUND ((NTSTATUS)0xC0000225)
#define STATUS_RESOURCE_IN_USE ((NTSTATUS)0xC0000708)
/* The documentation names STATUS_IN_USE, which ntstatus.h does not have: docs/ddi-decisions.md, OP-1. */
#define STATUS_IN_USE STATUS_RESOURCE_IN_USE

/* ---- Memory descriptor lists ------------------------------------------------------------------------------------- */

struct _EPROCESS;

/* The page frame numbers of the described pages follow the header. */
typedef struct _MDL {
  struct _MDL* Next;
  CSHORT Size;
  CSHORT MdlFlags;
  struct _EPROCESS* Process;
  PVOID MappedSystemVa;
  PVOID StartVa;
  ULONG ByteCount;
  ULONG ByteOffset;
} MDL, *PMDL;

#define MDL_MAPPED_TO_SYSTEM_VA 0x0001
#define MDL_PAGES_LOCKED 0x0002
#define MDL_SOURCE_IS_NONPAGED_POOL 0x0004
#define MDL_ALLOCATED_FIXED_SIZE 0x0008
#define MDL_PARTIAL 0x0010
#define MDL_IO_SPACE 0x0800

#define BYTE_OFFSET(Va) ((ULONG)((ULONG_PTR)(Va) & (PAGE_SIZE - 1)))
#define PAGE_ALIGN(Va) ((PVOID)((ULONG_PTR)(Va) & ~(ULONG_PTR)(PAGE_SIZE - 1)))
#define BYTES_TO_PAGES(Size) (((Size) >> PAGE_SHIFT) + (((Size) & (PAGE_SIZE - 1)) != 0))
#define ROUND_TO_PAGES(Size) (((ULONG_PTR)(Size) + PAGE_SIZE - 1) & ~(ULONG_PTR)(PAGE_SIZE - 1))
/* Pages that a buffer touches. */
#define ADDRESS_AND_SIZE_TO_SPAN_PAGES(Va, Size) \
  ((ULONG)((BYTE_OFFSET(Va) + (SIZE_T)(Size) + (PAGE_SIZE - 1)) >> PAGE_SHIFT))

FORCEINLINE PPFN_NUMBER MmGetMdlPfnArray(_In_ MDL* Mdl) { return (PPFN_NUMBER)(Mdl + 1); }
FORCEINLINE PVOID MmGetMdlVirtualAddress(_In_ const MDL* Mdl) {
  return (PVOID)((ULONG_PTR)Mdl->StartVa + Mdl->ByteOffset);
}
FORCEINLINE PVOID MmGetMdlBaseVa(_In_ const MDL* Mdl) { return Mdl->StartVa; }
FORCEINLINE ULONG MmGetMdlByteCount(_In_ const MDL* Mdl) { return Mdl->ByteCount; }
FORCEINLINE ULONG MmGetMdlByteOffset(_In_ const MDL* Mdl) { return Mdl->ByteOffset; }

/* Bytes of header and page frame array for a buffer. */
FORCEINLINE SIZE_T MmSizeOfMdl(_In_opt_ PVOID Base, _In_ SIZE_T Length) {
  return sizeof(MDL) + sizeof(PFN_NUMBER) * ADDRESS_AND_SIZE_TO_SPAN_PAGES(Base, Length);
}

/* Fills the header for a buffer; the page frame array stays unset. Size is meaningless beyond 4089 pages (16 bits). */
FORCEINLINE VOID MmInitializeMdl(_Out_ MDL* Mdl, _In_ PVOID BaseVa, _In_ SIZE_T Length) {
  Mdl->Next = (MDL*)0;
  Mdl->Size = (CSHORT)MmSizeOfMdl(BaseVa, Length);
  Mdl->MdlFlags = 0;
  Mdl->StartVa = PAGE_ALIGN(BaseVa);
  Mdl->ByteOffset = BYTE_OFFSET(BaseVa);
  Mdl->ByteCount = (ULONG)Length;
}

/* ---- Handles: opaque, never dereferenced by a driver ---------------------------------------------------------------
 */

typedef struct _DEVICE_OBJECT DEVICE_OBJECT, *PDEVICE_OBJECT;
typedef struct _IOMMU_DMA_DOMAIN IOMMU_DMA_DOMAIN, *PIOMMU_DMA_DOMAIN;
typedef struct _IOMMU_DMA_DEVICE IOMMU_DMA_DEVICE, *PIOMMU_DMA_DEVICE;
typedef struct _IOMMU_DMA_PASID_DEVICE IOMMU_DMA_PASID_DEVICE, *PIOMMU_DMA_PASID_DEVICE;

/* ---- Domains ----------------------------------------------------------------------------------------------------- */

typedef enum _IOMMU_DMA_DOMAIN_TYPE WDM_ENUM_BASE {
  DomainTypeTranslate = 0,
  DomainTypePassThrough = 1,
  DomainTypeUnmanaged = 2,
  DomainTypeTranslateS1 = 3,
  DomainTypeMax = 4
} IOMMU_DMA_DOMAIN_TYPE,
    *PIOMMU_DMA_DOMAIN_TYPE;

/* All bits must be zero. Travels by value. */
typedef union _IOMMU_DMA_DOMAIN_CREATION_FLAGS {
  WDM_UNNAMED struct { WDM_UNNAMED ULONGLONG Reserved : 64; };
  ULONGLONG AsUlonglong;
} IOMMU_DMA_DOMAIN_CREATION_FLAGS, *PIOMMU_DMA_DOMAIN_CREATION_FLAGS;

/* A byte address in a domain's space. */
typedef ULONGLONG IOMMU_DMA_LOGICAL_ADDRESS, *PIOMMU_DMA_LOGICAL_ADDRESS;

typedef enum _IOMMU_DMA_LOGICAL_ALLOCATOR_TYPE WDM_ENUM_BASE {
  IommuDmaLogicalAllocatorNone = 0,
  IommuDmaLogicalAllocatorBuddy = 1,
  IommuDmaLogicalAllocatorMax = 2
} IOMMU_DMA_LOGICAL_ALLOCATOR_TYPE,
    *PIOMMU_DMA_LOGICAL_ALLOCATOR_TYPE;

/* AddressWidth: bits of the logical space, at most 63. */
typedef struct _IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG {
  IOMMU_DMA_LOGICAL_ALLOCATOR_TYPE LogicalAllocatorType;
  WDM_UNNAMED union {
    struct {
      ULONG AddressWidth;
    } BuddyAllocatorConfig;
  };
} IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG, *PIOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG;

/* ShouldMap: identity-map the range; else keep it out of the page table. */
typedef struct _IOMMU_DMA_RESERVED_REGION {
  struct _IOMMU_DMA_RESERVED_REGION* RegionNext;
  IOMMU_DMA_LOGICAL_ADDRESS Base;
  SIZE_T NumberOfPages;
  BOOLEAN ShouldMap;
} IOMMU_DMA_RESERVED_REGION, *PIOMMU_DMA_RESERVED_REGION;

/* ---- Mapping ----------------------------------------------------------------------------------------------------- */

/* Permissions: what the device may do with the memory. Bits 31:2 must be zero. */
#define IOMMU_ACCESS_NONE 0
#define IOMMU_ACCESS_READ 1
#define IOMMU_ACCESS_WRITE 2

typedef enum _IOMMU_MAP_PHYSICAL_ADDRESS_TYPE WDM_ENUM_BASE {
  MapPhysicalAddressTypeMdl = 0,
  MapPhysicalAddressTypeContiguousRange = 1,
  MapPhysicalAddressTypePfn = 2,
  MapPhysicalAddressTypeMax = 3
} IOMMU_MAP_PHYSICAL_ADDRESS_TYPE,
    *PIOMMU_MAP_PHYSICAL_ADDRESS_TYPE;

/* Whole 4 KiB pages. Size in bytes; PageFrame holds page numbers, not addresses. */
typedef struct _IOMMU_MAP_PHYSICAL_ADDRESS {
  IOMMU_MAP_PHYSICAL_ADDRESS_TYPE MapType;
  WDM_UNNAMED union {
    struct {
      PMDL Mdl;
    } Mdl;
    struct {
      PHYSICAL_ADDRESS Base;
      SIZE_T Size;
    } ContiguousRange;
    struct {
      PPFN_NUMBER PageFrame;
      SIZE_T NumberOfPages;
    } PfnArray;
  };
} IOMMU_MAP_PHYSICAL_ADDRESS, *PIOMMU_MAP_PHYSICAL_ADDRESS;

typedef struct _IOMMU_DMA_LOGICAL_ADDRESS_TOKEN {
  IOMMU_DMA_LOGICAL_ADDRESS LogicalAddressBase;
  SIZE_T Size;
} IOMMU_DMA_LOGICAL_ADDRESS_TOKEN, *PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN;

typedef struct _IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT {
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN OwningToken;
  SIZE_T Offset;
  SIZE_T Size;
} IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT, *PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT;

/* ---- Devices ----------------------------------------------------------------------------------------------------- */

typedef struct _INPUT_MAPPING_ELEMENT {
  ULONG InputMappingId;
} INPUT_MAPPING_ELEMENT, *PINPUT_MAPPING_ELEMENT;

typedef enum _IOMMU_DEVICE_CREATION_CONFIGURATION_TYPE WDM_ENUM_BASE {
  IommuDeviceCreationConfigTypeNone = 0,
  IommuDeviceCreationConfigTypeAcpi = 1,
  IommuDeviceCreationConfigTypeDeviceId = 2,
  IommuDeviceCreationConfigTypePasid = 3,
  IommuDeviceCreationConfigTypeMax = 4
} IOMMU_DEVICE_CREATION_CONFIGURATION_TYPE,
    *PIOMMU_DEVICE_CREATION_CONFIGURATION_TYPE;

typedef struct _IOMMU_DEVICE_CREATION_CONFIGURATION_ACPI {
  UINT32 InputMappingBase;
  UINT32 MappingsCount;
} IOMMU_DEVICE_CREATION_CONFIGURATION_ACPI, *PIOMMU_DEVICE_CREATION_CONFIGURATION_ACPI;

typedef enum _IOMMU_PASID_CONFIGURATION_TYPE WDM_ENUM_BASE {
  PasidConfigTypeDefaultPasidOnly = 0,
  PasidConfigTypePasidTaggedDma = 1,
  PasidConfigTypeMax = 2
} IOMMU_PASID_CONFIGURATION_TYPE,
    *PIOMMU_PASID_CONFIGURATION_TYPE;

typedef struct _IOMMU_DEVICE_CREATION_CONFIGURATION_PASID {
  IOMMU_PASID_CONFIGURATION_TYPE ConfigType;
  BOOLEAN SuppressPasidFaults;
} IOMMU_DEVICE_CREATION_CONFIGURATION_PASID, *PIOMMU_DEVICE_CREATION_CONFIGURATION_PASID;

typedef struct _IOMMU_DEVICE_CREATION_CONFIGURATION {
  LIST_ENTRY NextConfiguration;
  IOMMU_DEVICE_CREATION_CONFIGURATION_TYPE ConfigType;
  WDM_UNNAMED union {
    IOMMU_DEVICE_CREATION_CONFIGURATION_ACPI Acpi;
    PVOID DeviceId;
    IOMMU_DEVICE_CREATION_CONFIGURATION_PASID Pasid;
  };
} IOMMU_DEVICE_CREATION_CONFIGURATION, *PIOMMU_DEVICE_CREATION_CONFIGURATION;

/* ---- Caller-managed tables --------------------------------------------------------------------------------------- */

/* Zero is Arm64, not "invalid"; FAULT_INFORMATION_ARCH counts differently. */
typedef enum _DOMAIN_CONFIGURATION_ARCH WDM_ENUM_BASE {
  DomainConfigurationArm64 = 0,
  DomainConfigurationX64 = 1,
  DomainConfigurationInvalid = 2
} DOMAIN_CONFIGURATION_ARCH,
    *PDOMAIN_CONFIGURATION_ARCH;

typedef struct _DOMAIN_CONFIGURATION_ARM64 {
  PHYSICAL_ADDRESS Ttbr0;
  PHYSICAL_ADDRESS Ttbr1;
  ULONG Mair0;
  ULONG Mair1;
  UCHAR InputSize0;
  UCHAR InputSize1;
  BOOLEAN CoherentTableWalks;
  BOOLEAN TranslationEnabled;
} DOMAIN_CONFIGURATION_ARM64, *PDOMAIN_CONFIGURATION_ARM64;

typedef struct _DOMAIN_CONFIGURATION_X64 {
  PHYSICAL_ADDRESS FirstLevelPageTableRoot;
  BOOLEAN TranslationEnabled;
} DOMAIN_CONFIGURATION_X64, *PDOMAIN_CONFIGURATION_X64;

typedef struct _DOMAIN_CONFIGURATION {
  DOMAIN_CONFIGURATION_ARCH Type;
  WDM_UNNAMED union {
    DOMAIN_CONFIGURATION_ARM64 Arm64;
    DOMAIN_CONFIGURATION_X64 X64;
  };
} DOMAIN_CONFIGURATION, *PDOMAIN_CONFIGURATION;

/* ---- Faults ------------------------------------------------------------------------------------------------------ */

typedef enum _FAULT_INFORMATION_ARCH WDM_ENUM_BASE {
  FaultInformationInvalid = 0,
  FaultInformationArm64 = 1,
  FaultInformationX64 = 2
} FAULT_INFORMATION_ARCH,
    *PFAULT_INFORMATION_ARCH;

typedef enum _FAULT_INFORMATION_ARM64_TYPE WDM_ENUM_BASE {
  UnsupportedUpstreamTransaction = 0,
  AddressSizeFault = 1,
  TlbMatchConflict = 2,
  ExternalFault = 3,
  PermissionFault = 4,
  AccessFlagFault = 5,
  TranslationFault = 6,
  MaxFaultType = 7
} FAULT_INFORMATION_ARM64_TYPE,
    *PFAULT_INFORMATION_ARM64_TYPE, FAULT_INFORMATION_X64_TYPE, *PFAULT_INFORMATION_X64_TYPE;

typedef struct _FAULT_INFORMATION_ARM64_FLAGS {
  ULONG WriteNotRead : 1;
  ULONG InstructionNotData : 1;
  ULONG Privileged : 1;
  ULONG FaultAddressValid : 1;
  ULONG Reserved : 28;
} FAULT_INFORMATION_ARM64_FLAGS, *PFAULT_INFORMATION_ARM64_FLAGS;

typedef struct _FAULT_INFORMATION_ARM64 {
  PVOID DomainHandle;
  PVOID FaultAddress;
  PDEVICE_OBJECT PhysicalDeviceObject;
  ULONG InputMappingId;
  FAULT_INFORMATION_ARM64_FLAGS Flags;
  FAULT_INFORMATION_ARM64_TYPE Type;
  ULONG64 IommuBaseAddress;
} FAULT_INFORMATION_ARM64, *PFAULT_INFORMATION_ARM64;

typedef struct _FAULT_INFORMATION_X64_FLAGS {
  ULONG FaultAddressValid : 1;
  ULONG Reserved : 31;
} FAULT_INFORMATION_X64_FLAGS, *PFAULT_INFORMATION_X64_FLAGS;

typedef struct _FAULT_INFORMATION_X64 {
  PVOID DomainHandle;
  PVOID FaultAddress;
  FAULT_INFORMATION_X64_FLAGS Flags;
  FAULT_INFORMATION_X64_TYPE Type;
  ULONG64 IommuBaseAddress;
  ULONG PciSegment;
} FAULT_INFORMATION_X64, *PFAULT_INFORMATION_X64;

typedef struct _FAULT_INFORMATION {
  FAULT_INFORMATION_ARCH Type;
  BOOLEAN IsStage1;
  WDM_UNNAMED union {
    FAULT_INFORMATION_ARM64 Arm64;
    FAULT_INFORMATION_X64 X64;
  };
} FAULT_INFORMATION, *PFAULT_INFORMATION;

/* The driver's handler; runs at PASSIVE_LEVEL. Context comes first here, last in the state-change callback. */
typedef VOID IOMMU_DEVICE_FAULT_HANDLER(_In_ PVOID Context, _In_ PFAULT_INFORMATION FaultInformation);
typedef IOMMU_DEVICE_FAULT_HANDLER* PIOMMU_DEVICE_FAULT_HANDLER;

typedef struct _DEVICE_FAULT_CONFIGURATION {
  PIOMMU_DEVICE_FAULT_HANDLER FaultHandler;
  PVOID FaultContext;
} DEVICE_FAULT_CONFIGURATION, *PDEVICE_FAULT_CONFIGURATION;

/* ---- State changes ----------------------------------------------------------------------------------------------- */

typedef union _IOMMU_INTERFACE_STATE_CHANGE_FIELDS {
  WDM_UNNAMED struct {
    ULONG AvailableDomainTypes : 1;
    ULONG Reserved : 31;
  } DUMMYSTRUCTNAME;
  ULONG AsULONG;
} IOMMU_INTERFACE_STATE_CHANGE_FIELDS, *PIOMMU_INTERFACE_STATE_CHANGE_FIELDS;

/* AvailableDomainTypes: a mask of 1 << IOMMU_DMA_DOMAIN_TYPE. */
typedef struct _IOMMU_INTERFACE_STATE_CHANGE {
  IOMMU_INTERFACE_STATE_CHANGE_FIELDS PresentFields;
  ULONG AvailableDomainTypes;
} IOMMU_INTERFACE_STATE_CHANGE, *PIOMMU_INTERFACE_STATE_CHANGE;

typedef VOID IOMMU_INTERFACE_STATE_CHANGE_CALLBACK(_In_ PIOMMU_INTERFACE_STATE_CHANGE StateChange,
                                                   _In_opt_ PVOID Context);
typedef IOMMU_INTERFACE_STATE_CHANGE_CALLBACK* PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK;

/* ---- Function types of version 2 --------------------------------------------------------------------------------- */

typedef NTSTATUS IOMMU_DOMAIN_CREATE_EX(_In_ IOMMU_DMA_DOMAIN_TYPE DomainType,
                                        _In_ IOMMU_DMA_DOMAIN_CREATION_FLAGS Flags,
                                        _In_opt_ PIOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG LogicalAllocatorConfig,
                                        _In_opt_ PIOMMU_DMA_RESERVED_REGION ReservedRegions,
                                        _Out_ PIOMMU_DMA_DOMAIN* DomainOut);
typedef IOMMU_DOMAIN_CREATE_EX* PIOMMU_DOMAIN_CREATE_EX;

typedef NTSTATUS IOMMU_DOMAIN_DELETE(_In_ PIOMMU_DMA_DOMAIN Domain);
typedef IOMMU_DOMAIN_DELETE* PIOMMU_DOMAIN_DELETE;

typedef NTSTATUS IOMMU_DOMAIN_ATTACH_DEVICE_EX(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ PIOMMU_DMA_DEVICE DmaDevice);
typedef IOMMU_DOMAIN_ATTACH_DEVICE_EX* PIOMMU_DOMAIN_ATTACH_DEVICE_EX;

typedef NTSTATUS IOMMU_DOMAIN_DETACH_DEVICE_EX(_In_ PIOMMU_DMA_DEVICE DmaDevice);
typedef IOMMU_DOMAIN_DETACH_DEVICE_EX* PIOMMU_DOMAIN_DETACH_DEVICE_EX;

typedef NTSTATUS IOMMU_FLUSH_DOMAIN(_In_ PIOMMU_DMA_DOMAIN Domain);
typedef IOMMU_FLUSH_DOMAIN* PIOMMU_FLUSH_DOMAIN;

typedef NTSTATUS IOMMU_FLUSH_DOMAIN_VA_LIST(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ BOOLEAN LastLevel, _In_ ULONG Number,
                                            _In_reads_(Number) PVOID VaList);
typedef IOMMU_FLUSH_DOMAIN_VA_LIST* PIOMMU_FLUSH_DOMAIN_VA_LIST;

typedef NTSTATUS IOMMU_QUERY_INPUT_MAPPINGS(_In_ PDEVICE_OBJECT PhysicalDeviceObject,
                                            _Inout_updates_bytes_(BufferLength) PINPUT_MAPPING_ELEMENT Buffer,
                                            _In_ ULONG BufferLength, _Out_opt_ PULONG ReturnLength);
typedef IOMMU_QUERY_INPUT_MAPPINGS* PIOMMU_QUERY_INPUT_MAPPINGS;

typedef NTSTATUS IOMMU_MAP_LOGICAL_RANGE_EX(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ ULONG Permissions,
                                            _In_ PIOMMU_MAP_PHYSICAL_ADDRESS PhysicalAddressToMap,
                                            _In_opt_ PIOMMU_DMA_LOGICAL_ADDRESS ExplicitLogicalAddress,
                                            _In_opt_ PIOMMU_DMA_LOGICAL_ADDRESS MinLogicalAddress,
                                            _In_opt_ PIOMMU_DMA_LOGICAL_ADDRESS MaxLogicalAddress,
                                            _Out_ PIOMMU_DMA_LOGICAL_ADDRESS LogicalAddressOut);
typedef IOMMU_MAP_LOGICAL_RANGE_EX* PIOMMU_MAP_LOGICAL_RANGE_EX;

typedef NTSTATUS IOMMU_UNMAP_LOGICAL_RANGE(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ ULONGLONG LogicalAddress,
                                           _In_ ULONGLONG NumberOfPages);
typedef IOMMU_UNMAP_LOGICAL_RANGE* PIOMMU_UNMAP_LOGICAL_RANGE;

typedef NTSTATUS IOMMU_MAP_IDENTITY_RANGE_EX(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ ULONG Permissions,
                                             _In_ PIOMMU_MAP_PHYSICAL_ADDRESS PhysicalAddressToMap);
typedef IOMMU_MAP_IDENTITY_RANGE_EX* PIOMMU_MAP_IDENTITY_RANGE_EX;

typedef NTSTATUS IOMMU_UNMAP_IDENTITY_RANGE_EX(_In_ PIOMMU_DMA_DOMAIN Domain,
                                               _In_ PIOMMU_MAP_PHYSICAL_ADDRESS MappedPhysicalAddress);
typedef IOMMU_UNMAP_IDENTITY_RANGE_EX* PIOMMU_UNMAP_IDENTITY_RANGE_EX;

typedef NTSTATUS IOMMU_SET_DEVICE_FAULT_REPORTING_EX(_In_ PIOMMU_DMA_DEVICE DmaDevice, _In_ ULONG InputMappingIdBase,
                                                     _In_ BOOLEAN Enable,
                                                     _In_opt_ PDEVICE_FAULT_CONFIGURATION FaultConfig);
typedef IOMMU_SET_DEVICE_FAULT_REPORTING_EX* PIOMMU_SET_DEVICE_FAULT_REPORTING_EX;

typedef NTSTATUS IOMMU_DOMAIN_CONFIGURE(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ PDOMAIN_CONFIGURATION Configuration);
typedef IOMMU_DOMAIN_CONFIGURE* PIOMMU_DOMAIN_CONFIGURE;

typedef VOID IOMMU_DEVICE_QUERY_DOMAIN_TYPES(_In_ PIOMMU_DMA_DEVICE DmaDevice, _Out_ PULONG AvailableDomains);
typedef IOMMU_DEVICE_QUERY_DOMAIN_TYPES* PIOMMU_DEVICE_QUERY_DOMAIN_TYPES;

typedef NTSTATUS IOMMU_REGISTER_INTERFACE_STATE_CHANGE_CALLBACK(
    _In_ PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK StateChangeCallback, _In_opt_ PVOID Context,
    _In_ PIOMMU_DMA_DEVICE DmaDevice, _In_ PIOMMU_INTERFACE_STATE_CHANGE_FIELDS StateFields);
typedef IOMMU_REGISTER_INTERFACE_STATE_CHANGE_CALLBACK* PIOMMU_REGISTER_INTERFACE_STATE_CHANGE_CALLBACK;

typedef NTSTATUS IOMMU_UNREGISTER_INTERFACE_STATE_CHANGE_CALLBACK(
    _In_ PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK StateChangeCallback, _In_ PIOMMU_DMA_DEVICE DmaDevice);
typedef IOMMU_UNREGISTER_INTERFACE_STATE_CHANGE_CALLBACK* PIOMMU_UNREGISTER_INTERFACE_STATE_CHANGE_CALLBACK;

typedef NTSTATUS IOMMU_RESERVE_LOGICAL_ADDRESS_RANGE(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ SIZE_T Size,
                                                     _In_opt_ PIOMMU_DMA_LOGICAL_ADDRESS ExplicitLogicalAddress,
                                                     _In_opt_ PIOMMU_DMA_LOGICAL_ADDRESS MinLogicalAddress,
                                                     _In_opt_ PIOMMU_DMA_LOGICAL_ADDRESS MaxLogicalAddress,
                                                     _Out_ PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN* LogicalAddressToken);
typedef IOMMU_RESERVE_LOGICAL_ADDRESS_RANGE* PIOMMU_RESERVE_LOGICAL_ADDRESS_RANGE;

typedef NTSTATUS IOMMU_FREE_RESERVED_LOGICAL_ADDRESS_RANGE(_In_ PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN LogicalAddressToken);
typedef IOMMU_FREE_RESERVED_LOGICAL_ADDRESS_RANGE* PIOMMU_FREE_RESERVED_LOGICAL_ADDRESS_RANGE;

typedef NTSTATUS IOMMU_MAP_RESERVED_LOGICAL_RANGE(_Inout_ PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN LogicalAddressToken,
                                                  _In_ SIZE_T Offset, _In_ ULONG Permissions,
                                                  _In_ PIOMMU_MAP_PHYSICAL_ADDRESS PhysicalAddressToMap,
                                                  _Out_ PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT MappedSegment);
typedef IOMMU_MAP_RESERVED_LOGICAL_RANGE* PIOMMU_MAP_RESERVED_LOGICAL_RANGE;

typedef NTSTATUS IOMMU_UNMAP_RESERVED_LOGICAL_RANGE(
    _Inout_ PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT MappedSegment);
typedef IOMMU_UNMAP_RESERVED_LOGICAL_RANGE* PIOMMU_UNMAP_RESERVED_LOGICAL_RANGE;

typedef NTSTATUS IOMMU_DEVICE_CREATE(_In_ PDEVICE_OBJECT DeviceObject,
                                     _In_opt_ PIOMMU_DEVICE_CREATION_CONFIGURATION DeviceConfig,
                                     _Out_ PIOMMU_DMA_DEVICE* DmaDeviceOut);
typedef IOMMU_DEVICE_CREATE* PIOMMU_DEVICE_CREATE;

typedef NTSTATUS IOMMU_DEVICE_DELETE(_In_ PIOMMU_DMA_DEVICE DmaDevice);
typedef IOMMU_DEVICE_DELETE* PIOMMU_DEVICE_DELETE;

/* ---- Function types that only version 1 has ------------------------------------------------------------------------
 */

typedef NTSTATUS IOMMU_DOMAIN_CREATE(_In_ BOOLEAN OsManagedPageTable, _Out_ PIOMMU_DMA_DOMAIN* DomainOut);
typedef IOMMU_DOMAIN_CREATE* PIOMMU_DOMAIN_CREATE;

typedef NTSTATUS IOMMU_DOMAIN_ATTACH_DEVICE(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ PDEVICE_OBJECT PhysicalDeviceObject,
                                            _In_ ULONG InputMappingIdBase, _In_ ULONG MappingCount);
typedef IOMMU_DOMAIN_ATTACH_DEVICE* PIOMMU_DOMAIN_ATTACH_DEVICE;

typedef NTSTATUS IOMMU_DOMAIN_DETACH_DEVICE(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ PDEVICE_OBJECT PhysicalDeviceObject,
                                            _In_ ULONG InputMappingId);
typedef IOMMU_DOMAIN_DETACH_DEVICE* PIOMMU_DOMAIN_DETACH_DEVICE;

typedef NTSTATUS IOMMU_MAP_LOGICAL_RANGE(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ ULONG Permissions, _In_ PMDL Mdl,
                                         _In_ ULONGLONG LogicalAddress);
typedef IOMMU_MAP_LOGICAL_RANGE* PIOMMU_MAP_LOGICAL_RANGE;

typedef NTSTATUS IOMMU_MAP_IDENTITY_RANGE(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ ULONG Permissions, _In_ PMDL Mdl);
typedef IOMMU_MAP_IDENTITY_RANGE* PIOMMU_MAP_IDENTITY_RANGE;

typedef NTSTATUS IOMMU_UNMAP_IDENTITY_RANGE(_In_ PIOMMU_DMA_DOMAIN Domain, _In_ PMDL Mdl);
typedef IOMMU_UNMAP_IDENTITY_RANGE* PIOMMU_UNMAP_IDENTITY_RANGE;

typedef NTSTATUS IOMMU_SET_DEVICE_FAULT_REPORTING(_In_ PDEVICE_OBJECT PhysicalDeviceObject,
                                                  _In_ ULONG InputMappingIdBase, _In_ BOOLEAN Enable,
                                                  _In_opt_ PDEVICE_FAULT_CONFIGURATION FaultConfig);
typedef IOMMU_SET_DEVICE_FAULT_REPORTING* PIOMMU_SET_DEVICE_FAULT_REPORTING;

/* ---- Types and function types that only version 3 has --------------------------------------------------------------
 */

typedef struct _IOMMU_DMA_DEVICE_INFORMATION {
  BOOLEAN DefaultPasidEnabled;
  BOOLEAN PasidTaggedDmaEnabled;
  BOOLEAN PasidFaultsSuppressed;
} IOMMU_DMA_DEVICE_INFORMATION, *PIOMMU_DMA_DEVICE_INFORMATION;

typedef NTSTATUS IOMMU_PASID_DEVICE_CREATE(_In_ PIOMMU_DMA_DEVICE DmaDevice,
                                           _Out_ PIOMMU_DMA_PASID_DEVICE* PasidDeviceOut, _Out_ PULONG AsidOut);
typedef IOMMU_PASID_DEVICE_CREATE* PIOMMU_PASID_DEVICE_CREATE;

typedef NTSTATUS IOMMU_PASID_DEVICE_DELETE(_In_ PIOMMU_DMA_PASID_DEVICE PasidDevice);
typedef IOMMU_PASID_DEVICE_DELETE* PIOMMU_PASID_DEVICE_DELETE;

typedef NTSTATUS IOMMU_DOMAIN_ATTACH_PASID_DEVICE(_In_ PIOMMU_DMA_DOMAIN Domain,
                                                  _In_ PIOMMU_DMA_PASID_DEVICE PasidDevice);
typedef IOMMU_DOMAIN_ATTACH_PASID_DEVICE* PIOMMU_DOMAIN_ATTACH_PASID_DEVICE;

typedef NTSTATUS IOMMU_DOMAIN_DETACH_PASID_DEVICE(_In_ PIOMMU_DMA_PASID_DEVICE PasidDevice);
typedef IOMMU_DOMAIN_DETACH_PASID_DEVICE* PIOMMU_DOMAIN_DETACH_PASID_DEVICE;

typedef NTSTATUS IOMMU_DEVICE_QUERY_INFORMATION(_In_ PIOMMU_DMA_DEVICE DmaDevice, _In_ ULONG Size,
                                                _Out_ PULONG BytesWritten, _Out_ PIOMMU_DMA_DEVICE_INFORMATION Buffer);
typedef IOMMU_DEVICE_QUERY_INFORMATION* PIOMMU_DEVICE_QUERY_INFORMATION;

/* ---- The interface tables ---------------------------------------------------------------------------------------- */

typedef struct _DMA_IOMMU_INTERFACE_V1 {
  PIOMMU_DOMAIN_CREATE CreateDomain;
  PIOMMU_DOMAIN_DELETE DeleteDomain;
  PIOMMU_DOMAIN_ATTACH_DEVICE AttachDevice;
  PIOMMU_DOMAIN_DETACH_DEVICE DetachDevice;
  PIOMMU_FLUSH_DOMAIN FlushDomain;
  PIOMMU_FLUSH_DOMAIN_VA_LIST FlushDomainByVaList;
  PIOMMU_QUERY_INPUT_MAPPINGS QueryInputMappings;
  PIOMMU_MAP_LOGICAL_RANGE MapLogicalRange;
  PIOMMU_UNMAP_LOGICAL_RANGE UnmapLogicalRange;
  PIOMMU_MAP_IDENTITY_RANGE MapIdentityRange;
  PIOMMU_UNMAP_IDENTITY_RANGE UnmapIdentityRange;
  PIOMMU_SET_DEVICE_FAULT_REPORTING SetDeviceFaultReporting;
  PIOMMU_DOMAIN_CONFIGURE ConfigureDomain;
} DMA_IOMMU_INTERFACE_V1, *PDMA_IOMMU_INTERFACE_V1;

typedef struct _DMA_IOMMU_INTERFACE_V2 {
  PIOMMU_DOMAIN_CREATE_EX CreateDomainEx;
  PIOMMU_DOMAIN_DELETE DeleteDomain;
  PIOMMU_DOMAIN_ATTACH_DEVICE_EX AttachDeviceEx;
  PIOMMU_DOMAIN_DETACH_DEVICE_EX DetachDeviceEx;
  PIOMMU_FLUSH_DOMAIN FlushDomain;
  PIOMMU_FLUSH_DOMAIN_VA_LIST FlushDomainByVaList;
  PIOMMU_QUERY_INPUT_MAPPINGS QueryInputMappings;
  PIOMMU_MAP_LOGICAL_RANGE_EX MapLogicalRangeEx;
  PIOMMU_UNMAP_LOGICAL_RANGE UnmapLogicalRange;
  PIOMMU_MAP_IDENTITY_RANGE_EX MapIdentityRangeEx;
  PIOMMU_UNMAP_IDENTITY_RANGE_EX UnmapIdentityRangeEx;
  PIOMMU_SET_DEVICE_FAULT_REPORTING_EX SetDeviceFaultReportingEx;
  PIOMMU_DOMAIN_CONFIGURE ConfigureDomain;
  PIOMMU_DEVICE_QUERY_DOMAIN_TYPES QueryAvailableDomainTypes;
  PIOMMU_REGISTER_INTERFACE_STATE_CHANGE_CALLBACK RegisterInterfaceStateChangeCallback;
  PIOMMU_UNREGISTER_INTERFACE_STATE_CHANGE_CALLBACK UnregisterInterfaceStateChangeCallback;
  PIOMMU_RESERVE_LOGICAL_ADDRESS_RANGE ReserveLogicalAddressRange;
  PIOMMU_FREE_RESERVED_LOGICAL_ADDRESS_RANGE FreeReservedLogicalAddressRange;
  PIOMMU_MAP_RESERVED_LOGICAL_RANGE MapReservedLogicalRange;
  PIOMMU_UNMAP_RESERVED_LOGICAL_RANGE UnmapReservedLogicalRange;
  PIOMMU_DEVICE_CREATE CreateDevice;
  PIOMMU_DEVICE_DELETE DeleteDevice;
} DMA_IOMMU_INTERFACE_V2, *PDMA_IOMMU_INTERFACE_V2;

typedef struct _DMA_IOMMU_INTERFACE_V3 {
  PIOMMU_DOMAIN_CREATE_EX CreateDomainEx;
  PIOMMU_DOMAIN_DELETE DeleteDomain;
  PIOMMU_DOMAIN_ATTACH_DEVICE_EX AttachDeviceEx;
  PIOMMU_DOMAIN_DETACH_DEVICE_EX DetachDeviceEx;
  PIOMMU_FLUSH_DOMAIN FlushDomain;
  PIOMMU_FLUSH_DOMAIN_VA_LIST FlushDomainByVaList;
  PIOMMU_QUERY_INPUT_MAPPINGS QueryInputMappings;
  PIOMMU_MAP_LOGICAL_RANGE_EX MapLogicalRangeEx;
  PIOMMU_UNMAP_LOGICAL_RANGE UnmapLogicalRange;
  PIOMMU_MAP_IDENTITY_RANGE_EX MapIdentityRangeEx;
  PIOMMU_UNMAP_IDENTITY_RANGE_EX UnmapIdentityRangeEx;
  PIOMMU_SET_DEVICE_FAULT_REPORTING_EX SetDeviceFaultReportingEx;
  PIOMMU_DOMAIN_CONFIGURE ConfigureDomain;
  PIOMMU_DEVICE_QUERY_DOMAIN_TYPES QueryAvailableDomainTypes;
  PIOMMU_REGISTER_INTERFACE_STATE_CHANGE_CALLBACK RegisterInterfaceStateChangeCallback;
  PIOMMU_UNREGISTER_INTERFACE_STATE_CHANGE_CALLBACK UnregisterInterfaceStateChangeCallback;
  PIOMMU_RESERVE_LOGICAL_ADDRESS_RANGE ReserveLogicalAddressRange;
  PIOMMU_FREE_RESERVED_LOGICAL_ADDRESS_RANGE FreeReservedLogicalAddressRange;
  PIOMMU_MAP_RESERVED_LOGICAL_RANGE MapReservedLogicalRange;
  PIOMMU_UNMAP_RESERVED_LOGICAL_RANGE UnmapReservedLogicalRange;
  PIOMMU_DEVICE_CREATE CreateDevice;
  PIOMMU_DEVICE_DELETE DeleteDevice;
  PIOMMU_PASID_DEVICE_CREATE CreatePasidDevice;
  PIOMMU_PASID_DEVICE_DELETE DeletePasidDevice;
  PIOMMU_DOMAIN_ATTACH_PASID_DEVICE AttachPasidDevice;
  PIOMMU_DOMAIN_DETACH_PASID_DEVICE DetachPasidDevice;
  PIOMMU_DEVICE_QUERY_INFORMATION QueryDeviceInfo;
} DMA_IOMMU_INTERFACE_V3, *PDMA_IOMMU_INTERFACE_V3;

/* The older interface's table: version, then the members of version 1. */
typedef struct _DMA_IOMMU_INTERFACE {
  ULONG Version;
  PIOMMU_DOMAIN_CREATE CreateDomain;
  PIOMMU_DOMAIN_DELETE DeleteDomain;
  PIOMMU_DOMAIN_ATTACH_DEVICE AttachDevice;
  PIOMMU_DOMAIN_DETACH_DEVICE DetachDevice;
  PIOMMU_FLUSH_DOMAIN FlushDomain;
  PIOMMU_FLUSH_DOMAIN_VA_LIST FlushDomainByVaList;
  PIOMMU_QUERY_INPUT_MAPPINGS QueryInputMappings;
  PIOMMU_MAP_LOGICAL_RANGE MapLogicalRange;
  PIOMMU_UNMAP_LOGICAL_RANGE UnmapLogicalRange;
  PIOMMU_MAP_IDENTITY_RANGE MapIdentityRange;
  PIOMMU_UNMAP_IDENTITY_RANGE UnmapIdentityRange;
  PIOMMU_SET_DEVICE_FAULT_REPORTING SetDeviceFaultReporting;
  PIOMMU_DOMAIN_CONFIGURE ConfigureDomain;
} DMA_IOMMU_INTERFACE, *PDMA_IOMMU_INTERFACE;

typedef struct _DMA_IOMMU_INTERFACE_EX {
  SIZE_T Size;
  ULONG Version;
  WDM_UNNAMED union {
    DMA_IOMMU_INTERFACE_V1 V1;
    DMA_IOMMU_INTERFACE_V2 V2;
    DMA_IOMMU_INTERFACE_V3 V3;
  };
} DMA_IOMMU_INTERFACE_EX, *PDMA_IOMMU_INTERFACE_EX;

#define DMA_IOMMU_INTERFACE_VERSION_1 1
#define DMA_IOMMU_INTERFACE_VERSION DMA_IOMMU_INTERFACE_VERSION_1

#define DMA_IOMMU_INTERFACE_EX_VERSION_1 1
#define DMA_IOMMU_INTERFACE_EX_VERSION_2 2
#define DMA_IOMMU_INTERFACE_EX_VERSION_MIN DMA_IOMMU_INTERFACE_EX_VERSION_1
#define DMA_IOMMU_INTERFACE_EX_VERSION_MAX DMA_IOMMU_INTERFACE_EX_VERSION_2
/* Without a number it names version 1, as the WDK has it. */
#define DMA_IOMMU_INTERFACE_EX_VERSION DMA_IOMMU_INTERFACE_EX_VERSION_1

/* Fills the caller's structure with the functions of `Version`, which act on the machine that the calling thread runs
 * on. Only 16 bytes plus the size of that version's table are written. */
NTKERNELAPI NTSTATUS IoGetIommuInterfaceEx(_In_ ULONG Version, _In_ ULONGLONG Flags,
                                           _Out_ PDMA_IOMMU_INTERFACE_EX InterfaceOut);

/* The older way to version 1. */
NTKERNELAPI NTSTATUS IoGetIommuInterface(_In_ ULONG Version, _Out_ PDMA_IOMMU_INTERFACE InterfaceOut);

#ifdef __cplusplus
}
#endif

/* Drivers, devices, memory, threads. */
#include "wdm_driver.h"

#endif
