/*
 * What the device may reach: all calls of DMA_IOMMU_INTERFACE_V2.
 *
 * A device token stands for the device, a domain for an address space. The device is attached to the domain, and from
 * then on sees what is mapped there and nothing else. Three ways of mapping, each where it fits:
 *   rings     MapLogicalRangeEx once, described by an MDL, as long as the device is started
 *   transmit  MapLogicalRangeEx and UnmapLogicalRange for each packet: simple, but each call may need memory for page
 *             tables, and so may fail
 *   receive   a range that is reserved once, with all its page tables: MapReservedLogicalRange then never allocates and
 *             can't fail for want of memory
 * A mapping is taken back before the CPU looks at what the device has written: until then the device could still
 * change it. Taking back includes the IOMMU's caches: when an unmap returns, no DMA reaches the page any more.
 */
#include "nic_driver.h"

static IOMMU_INTERFACE_STATE_CHANGE_CALLBACK NicStateChanged;

/* ---- The token --------------------------------------------------------------------------------------------------- */

/* Called at once by the registration, and then at every change; at PASSIVE_LEVEL, and maybe at the same time as anything
 * else in this driver. It looks at what it is given and assumes nothing. */
static VOID NicStateChanged(PIOMMU_INTERFACE_STATE_CHANGE StateChange, PVOID Context) {
  NIC* Nic = (NIC*)Context;
  if (!StateChange->PresentFields.AvailableDomainTypes) return;
  InterlockedExchange(&Nic->DomainTypes, (LONG)StateChange->AvailableDomainTypes);
  /* The worker decides what follows. */
  KeSetEvent(&Nic->Work, IO_NO_INCREMENT, FALSE);
}

NTSTATUS NicDmaCreateDevice(NIC* Nic) {
  IOMMU_INTERFACE_STATE_CHANGE_FIELDS Fields;
  NTSTATUS Status = IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_2, 0, &Nic->Iommu);
  if (!NicOk(Status, "IoGetIommuInterfaceEx")) return Status;

  /* STATUS_NOT_FOUND would mean that the device is behind no IOMMU; this driver does not drive such a one. */
  Status = Nic->Iommu.V2.CreateDevice(Nic->Pdo, NULL, &Nic->DmaDevice);
  if (!NicOk(Status, "CreateDevice")) return Status;

  KeInitializeEvent(&Nic->Work, SynchronizationEvent, FALSE); /* the callback sets it */
  Fields.AsULONG = 0;
  Fields.AvailableDomainTypes = 1;
  Status = Nic->Iommu.V2.RegisterInterfaceStateChangeCallback(NicStateChanged, Nic, Nic->DmaDevice, &Fields);
  if (!NicOk(Status, "RegisterInterfaceStateChangeCallback")) {
    NicDmaDeleteDevice(Nic);
    return Status;
  }
  Nic->CallbackRegistered = TRUE;
  return STATUS_SUCCESS;
}

VOID NicDmaDeleteDevice(NIC* Nic) {
  /* After Unregister has returned the callback does not run and will not run: Nic may go. */
  if (Nic->CallbackRegistered) {
    NicOk(Nic->Iommu.V2.UnregisterInterfaceStateChangeCallback(NicStateChanged, Nic->DmaDevice),
          "UnregisterInterfaceStateChangeCallback");
    Nic->CallbackRegistered = FALSE;
  }
  if (Nic->DmaDevice != NULL) {
    NicOk(Nic->Iommu.V2.DeleteDevice(Nic->DmaDevice), "DeleteDevice");
    Nic->DmaDevice = NULL;
  }
}

/* ---- The domain -------------------------------------------------------------------------------------------------- */

/* An empty address space with an allocator for logical addresses, and the device in it. The device must be silent. */
NTSTATUS NicDmaCreateDomain(NIC* Nic) {
  IOMMU_DMA_DOMAIN_CREATION_FLAGS Flags;
  IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG Allocator;
  NTSTATUS Status;
  if ((Nic->DomainTypes & (1 << DomainTypeTranslate)) == 0) {
    DbgPrint("no translated domain is available for the device now\n");
    return STATUS_NOT_SUPPORTED;
  }
  Flags.AsUlonglong = 0;
  Allocator.LogicalAllocatorType = IommuDmaLogicalAllocatorBuddy;
  Allocator.BuddyAllocatorConfig.AddressWidth = NIC_ADDRESS_BITS;
  Status = Nic->Iommu.V2.CreateDomainEx(DomainTypeTranslate, Flags, &Allocator, NULL, &Nic->Domain);
  if (!NicOk(Status, "CreateDomainEx")) return Status;

  Status = Nic->Iommu.V2.AttachDeviceEx(Nic->Domain, Nic->DmaDevice);
  if (!NicOk(Status, "AttachDeviceEx")) {
    NicDmaDeleteDomain(Nic);
    return Status;
  }
  Nic->Attached = TRUE;
  return STATUS_SUCCESS;
}

/* The order is the documented one: everything in the domain is unmapped and free, then detach, then delete. */
VOID NicDmaDeleteDomain(NIC* Nic) {
  if (Nic->Attached) {
    NicOk(Nic->Iommu.V2.DetachDeviceEx(Nic->DmaDevice), "DetachDeviceEx");
    Nic->Attached = FALSE;
  }
  if (Nic->Domain != NULL) {
    NicOk(Nic->Iommu.V2.DeleteDomain(Nic->Domain), "DeleteDomain");
    Nic->Domain = NULL;
  }
}

/* ---- Rings: mapped once, by MDL ---------------------------------------------------------------------------------- */

NTSTATUS NicDmaMapRing(NIC* Nic, NIC_RING* Ring) {
  IOMMU_MAP_PHYSICAL_ADDRESS Physical;
  NTSTATUS Status;
  Ring->Mdl = IoAllocateMdl(Ring->Descriptors, NIC_RING_BYTES, FALSE, FALSE, NULL);
  if (Ring->Mdl == NULL) return STATUS_INSUFFICIENT_RESOURCES;
  MmBuildMdlForNonPagedPool(Ring->Mdl); /* contiguous memory is non-paged */

  RtlZeroMemory(&Physical, sizeof(Physical));
  Physical.MapType = MapPhysicalAddressTypeMdl;
  Physical.Mdl.Mdl = Ring->Mdl;
  /* The device reads descriptors and writes them back. */
  Status = Nic->Iommu.V2.MapLogicalRangeEx(Nic->Domain, IOMMU_ACCESS_READ | IOMMU_ACCESS_WRITE, &Physical, NULL, NULL,
                                           NULL, &Ring->Logical);
  if (!NicOk(Status, "MapLogicalRangeEx of a ring")) {
    IoFreeMdl(Ring->Mdl);
    Ring->Mdl = NULL;
    return Status;
  }
  Ring->Mapped = TRUE;
  return STATUS_SUCCESS;
}

VOID NicDmaUnmapRing(NIC* Nic, NIC_RING* Ring) {
  if (Ring->Mapped) {
    NicOk(Nic->Iommu.V2.UnmapLogicalRange(Nic->Domain, Ring->Logical, BYTES_TO_PAGES(NIC_RING_BYTES)),
          "UnmapLogicalRange of a ring");
    Ring->Mapped = FALSE;
  }
  /* The MDL, and the memory, outlive the mapping. */
  if (Ring->Mdl != NULL) {
    IoFreeMdl(Ring->Mdl);
    Ring->Mdl = NULL;
  }
}

/* ---- Buffers ----------------------------------------------------------------------------------------------------- */

/* The page that buffer `Index` of a ring is. */
static VOID NicDescribeBuffer(const NIC_RING* Ring, ULONG Index, PIOMMU_MAP_PHYSICAL_ADDRESS Physical) {
  RtlZeroMemory(Physical, sizeof(*Physical));
  Physical->MapType = MapPhysicalAddressTypeContiguousRange;
  Physical->ContiguousRange.Base = MmGetPhysicalAddress(Ring->Buffers + (SIZE_T)Index * PAGE_SIZE);
  Physical->ContiguousRange.Size = PAGE_SIZE;
}

/* Transmit: any logical address that the allocator has. */
NTSTATUS NicDmaMapTransmit(NIC* Nic, ULONG Index, IOMMU_DMA_LOGICAL_ADDRESS* Logical) {
  IOMMU_MAP_PHYSICAL_ADDRESS Physical;
  NTSTATUS Status;
  NicDescribeBuffer(&Nic->Tx, Index, &Physical);
  Status = Nic->Iommu.V2.MapLogicalRangeEx(Nic->Domain, IOMMU_ACCESS_READ, &Physical, NULL, NULL, NULL,
                                           &Nic->TxLogical[Index]);
  if (!NicOk(Status, "MapLogicalRangeEx of a packet")) return Status;
  Nic->TxMapped[Index] = TRUE;
  *Logical = Nic->TxLogical[Index];
  return STATUS_SUCCESS;
}

VOID NicDmaUnmapTransmit(NIC* Nic, ULONG Index) {
  if (!Nic->TxMapped[Index]) return;
  NicOk(Nic->Iommu.V2.UnmapLogicalRange(Nic->Domain, Nic->TxLogical[Index], 1), "UnmapLogicalRange of a packet");
  Nic->TxMapped[Index] = FALSE;
}

/* Receive: buffer i always appears at page i of the reserved range. */
NTSTATUS NicDmaReserve(NIC* Nic) {
  const NTSTATUS Status = Nic->Iommu.V2.ReserveLogicalAddressRange(Nic->Domain, (SIZE_T)NIC_RING_SIZE * PAGE_SIZE, NULL,
                                                                   NULL, NULL, &Nic->RxToken);
  NicOk(Status, "ReserveLogicalAddressRange");
  return Status;
}

NTSTATUS NicDmaMapReceive(NIC* Nic, ULONG Index, IOMMU_DMA_LOGICAL_ADDRESS* Logical) {
  const SIZE_T Offset = (SIZE_T)Index * PAGE_SIZE;
  IOMMU_MAP_PHYSICAL_ADDRESS Physical;
  NTSTATUS Status;
  NicDescribeBuffer(&Nic->Rx, Index, &Physical);
  Status = Nic->Iommu.V2.MapReservedLogicalRange(Nic->RxToken, Offset, IOMMU_ACCESS_WRITE, &Physical,
                                                 &Nic->RxSegments[Index]);
  if (!NicOk(Status, "MapReservedLogicalRange")) return Status;
  *Logical = Nic->RxToken->LogicalAddressBase + Offset;
  return STATUS_SUCCESS;
}

VOID NicDmaUnmapReceive(NIC* Nic, ULONG Index) {
  /* A successful unmap clears the segment. */
  if (Nic->RxSegments[Index].OwningToken == NULL) return;
  NicOk(Nic->Iommu.V2.UnmapReservedLogicalRange(&Nic->RxSegments[Index]), "UnmapReservedLogicalRange");
}

VOID NicDmaFreeReserved(NIC* Nic) {
  if (Nic->RxToken == NULL) return;
  NicOk(Nic->Iommu.V2.FreeReservedLogicalAddressRange(Nic->RxToken), "FreeReservedLogicalAddressRange");
  Nic->RxToken = NULL;
}
