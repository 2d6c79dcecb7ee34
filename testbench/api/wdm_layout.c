/*
 * api/wdm.h in C11: layouts at compile time, and the members that a C driver reaches without naming inner types.
 */
#include "testbench/api/wdm_layout.h"
#include "testbench/api/wdm_driver_layout.h"

/* Function types, as a driver declares its callbacks with them (sheet 1.1). */
IOMMU_INTERFACE_STATE_CHANGE_CALLBACK wdm_c_state_change;
IOMMU_DEVICE_FAULT_HANDLER wdm_c_fault_handler;

void wdm_c_state_change(_In_ PIOMMU_INTERFACE_STATE_CHANGE StateChange, _In_opt_ PVOID Context) {
  *(ULONG*)Context = StateChange->PresentFields.AvailableDomainTypes ? StateChange->AvailableDomainTypes : 0;
}

void wdm_c_fault_handler(_In_ PVOID Context, _In_ PFAULT_INFORMATION FaultInformation) {
  *(ULONG*)Context = FaultInformation->Type == FaultInformationX64 ? FaultInformation->X64.PciSegment : 0;
}

ULONG wdm_c_call_back(void);
ULONG wdm_c_call_back(void) {
  const PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK callback = wdm_c_state_change;
  const PIOMMU_DEVICE_FAULT_HANDLER handler = wdm_c_fault_handler;
  IOMMU_INTERFACE_STATE_CHANGE change = {{{0, 0}}, 0};
  FAULT_INFORMATION fault;
  ULONG seen = 0;
  ULONG sum = 0;
  change.PresentFields.AvailableDomainTypes = 1;
  change.AvailableDomainTypes = 3;
  callback(&change, &seen);
  sum += seen;
  fault.Type = FaultInformationX64;
  fault.X64.PciSegment = 40;
  handler(&seen, &fault);
  sum += seen;
  return sum;
}

/* Bit positions (sheet 2.2), seen through memory. */
ULONG wdm_c_fields_bit(void);
ULONG wdm_c_fields_bit(void) {
  IOMMU_INTERFACE_STATE_CHANGE_FIELDS fields;
  fields.AsULONG = 0;
  fields.AvailableDomainTypes = 1;
  return fields.AsULONG;
}

ULONGLONG wdm_c_flags(void);
ULONGLONG wdm_c_flags(void) {
  IOMMU_DMA_DOMAIN_CREATION_FLAGS flags;
  flags.AsUlonglong = 0;
  flags.Reserved = 0x8000000000000001u;
  return flags.AsUlonglong;
}

/* The MDL helpers: a buffer of 0x2100 bytes at 0x7000F80 touches 4 pages (sheet 2.3). */
ULONG wdm_c_mdl(PFN_NUMBER* first_pfn);
ULONG wdm_c_mdl(PFN_NUMBER* first_pfn) {
  union {
    MDL mdl;
    unsigned char bytes[80];
  } storage;
  MmInitializeMdl(&storage.mdl, (PVOID)0x7000F80, 0x2100);
  MmGetMdlPfnArray(&storage.mdl)[0] = 0x1234;
  *first_pfn = *(PFN_NUMBER*)(void*)(storage.bytes + 48);
  if (MmGetMdlByteOffset(&storage.mdl) != 0xF80 || MmGetMdlByteCount(&storage.mdl) != 0x2100) return 0;
  if (MmGetMdlVirtualAddress(&storage.mdl) != (PVOID)0x7000F80 || MmGetMdlBaseVa(&storage.mdl) != (PVOID)0x7000000) {
    return 0;
  }
  if (storage.mdl.Next != NULL || storage.mdl.MdlFlags != 0 || storage.mdl.Size != 48 + 8 * 4) return 0;
  return ADDRESS_AND_SIZE_TO_SPAN_PAGES(MmGetMdlVirtualAddress(&storage.mdl), MmGetMdlByteCount(&storage.mdl));
}
