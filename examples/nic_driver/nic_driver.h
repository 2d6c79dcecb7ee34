/*
 * An example driver for the platform's NIC, built on wdm.h alone: what it knows of the device, and what it keeps for each.
 *
 *   nic_driver.c  DriverEntry, AddDevice, Plug and Play
 *   nic_dma.c     the IOMMU: token, domain, mappings
 *   nic_queues.c  the device: registers, rings, interrupt, worker thread
 */
#ifndef NIC_DRIVER_H
#define NIC_DRIVER_H

#include <wdm.h>

/* ---- The device (its registers, rings and rules: models/tlm/nic_registers.h) ------------------------------------- */

#define NIC_CTRL 0x000 /* bit 0: enable */
#define NIC_STATUS 0x004
#define NIC_STATUS_ENABLED 0x1u
#define NIC_STATUS_IDLE 0x2u
#define NIC_GONE 0xFFFFFFFFu /* what a register of a device that is not there reads as */
#define NIC_INT_ADDRESS 0x010
#define NIC_INT_DATA 0x018
#define NIC_INT_CTRL 0x01C /* bit 0: enable */
#define NIC_RX_BASE 0x100
#define NIC_RX_SIZE 0x108
#define NIC_RX_TAIL 0x110
#define NIC_TX_BASE 0x200
#define NIC_TX_SIZE 0x208
#define NIC_TX_TAIL 0x210

/* Buffer is an address as the device sees it: a logical address of the device's domain. */
typedef struct _NIC_DESCRIPTOR {
  ULONG64 Buffer;
  ULONG64 Word;
} NIC_DESCRIPTOR;

#define NIC_LENGTH(Word) ((ULONG)((Word)&0xFFFF))
#define NIC_DONE 0x10000ull
#define NIC_END_OF_PACKET 0x20000ull
#define NIC_ERROR 0x40000ull
#define NIC_TAG(Word) ((ULONG)((Word) >> 32))
#define NIC_WITH_TAG(Tag) ((ULONG64)(Tag) << 32)

/* Widest address that the device can emit. */
#define NIC_ADDRESS_BITS 39

/* ---- Rings ------------------------------------------------------------------------------------------------------- */

/* 256 descriptors fill one page. Every buffer has a page of its own: what the device may reach is mapped by the page,
 * and a page that is shared with something else is a hole. */
#define NIC_RING_SIZE 256
#define NIC_RING_BYTES (NIC_RING_SIZE * sizeof(NIC_DESCRIPTOR))
#define NIC_RX_BUFFER_BYTES 2048
#define NIC_REPLY_BYTES 64

typedef struct _NIC_RING {
  NIC_DESCRIPTOR* Descriptors;
  PMDL Mdl;
  IOMMU_DMA_LOGICAL_ADDRESS Logical; /* of the descriptors */
  BOOLEAN Mapped;
  PUCHAR Buffers; /* one page for each descriptor */
  ULONG Head;     /* next to come back from the device */
  ULONG Tail;     /* next to give to it; Head == Tail: it has none */
} NIC_RING;

/* ---- One device -------------------------------------------------------------------------------------------------- */

typedef struct _NIC {
  PDEVICE_OBJECT Self;
  PDEVICE_OBJECT Pdo;
  PDEVICE_OBJECT Lower; /* what we are attached to */
  BOOLEAN Gone;         /* taken out: there are no registers to touch */

  /* nic_dma.c */
  DMA_IOMMU_INTERFACE_EX Iommu;
  PIOMMU_DMA_DEVICE DmaDevice;
  BOOLEAN CallbackRegistered;
  volatile LONG DomainTypes; /* mask of 1 << IOMMU_DMA_DOMAIN_TYPE, as the callback last said */
  PIOMMU_DMA_DOMAIN Domain;
  BOOLEAN Attached;
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN RxToken;
  IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT RxSegments[NIC_RING_SIZE]; /* OwningToken NULL: not mapped */
  IOMMU_DMA_LOGICAL_ADDRESS TxLogical[NIC_RING_SIZE];
  BOOLEAN TxMapped[NIC_RING_SIZE];

  /* nic_queues.c */
  PUCHAR Registers;
  ULONG RegisterBytes;
  NIC_RING Rx;
  NIC_RING Tx;
  PIO_INTERRUPT_MESSAGE_INFO Messages; /* NULL: no interrupt connected */
  KDPC Dpc;
  KEVENT Work; /* something may have come back */
  volatile LONG Stopping;
  PVOID Worker; /* thread object */
} NIC;

/* True when Status is a success; says in the diagnostics what failed otherwise. */
BOOLEAN NicOk(NTSTATUS Status, PCSTR What);

/* nic_dma.c. Each undoes what it has done when it fails; each of the second group may be called when there is nothing to
 * do. */
NTSTATUS NicDmaCreateDevice(NIC* Nic);
NTSTATUS NicDmaCreateDomain(NIC* Nic);
NTSTATUS NicDmaMapRing(NIC* Nic, NIC_RING* Ring);
NTSTATUS NicDmaReserve(NIC* Nic);
NTSTATUS NicDmaMapReceive(NIC* Nic, ULONG Index, IOMMU_DMA_LOGICAL_ADDRESS* Logical);
NTSTATUS NicDmaMapTransmit(NIC* Nic, ULONG Index, IOMMU_DMA_LOGICAL_ADDRESS* Logical);

VOID NicDmaUnmapReceive(NIC* Nic, ULONG Index);
VOID NicDmaUnmapTransmit(NIC* Nic, ULONG Index);
VOID NicDmaFreeReserved(NIC* Nic);
VOID NicDmaUnmapRing(NIC* Nic, NIC_RING* Ring);
VOID NicDmaDeleteDomain(NIC* Nic);
VOID NicDmaDeleteDevice(NIC* Nic);

/* nic_queues.c */
NTSTATUS NicStart(NIC* Nic, PCM_RESOURCE_LIST Resources);
VOID NicStop(NIC* Nic);

#endif
