/*
 * The device at work: registers, two rings of descriptors, an interrupt, and a thread that moves packets.
 *
 * Three levels, as in every driver: the interrupt routine only queues a DPC, the DPC only wakes the worker, and the
 * worker does the work at PASSIVE_LEVEL. For each packet that arrives the worker checks its bytes and sends a short
 * reply. The worker alone touches the rings while the device is started, so they need no lock.
 */
#include "nic_driver.h"

static KMESSAGE_SERVICE_ROUTINE NicInterrupt;
static KDEFERRED_ROUTINE NicDpc;
static KSTART_ROUTINE NicWorker;

/* ---- Registers --------------------------------------------------------------------------------------------------- */

static ULONG NicRead(const NIC* Nic, ULONG Offset) {
  return READ_REGISTER_ULONG((volatile ULONG*)(Nic->Registers + Offset));
}

static VOID NicWrite(const NIC* Nic, ULONG Offset, ULONG Value) {
  WRITE_REGISTER_ULONG((volatile ULONG*)(Nic->Registers + Offset), Value);
}

static VOID NicWrite64(const NIC* Nic, ULONG Offset, ULONG64 Value) {
  WRITE_REGISTER_ULONG64((volatile ULONG64*)(Nic->Registers + Offset), Value);
}

/* Waits until a bit of STATUS is set; at most 10 ms. A device that was taken out reads as all ones: every bit seems to
 * be set, and only the value as a whole gives it away. */
static NTSTATUS NicWaitStatus(const NIC* Nic, ULONG Bit) {
  ULONG Tries;
  for (Tries = 0; Tries < 10000; ++Tries) {
    const ULONG Value = NicRead(Nic, NIC_STATUS);
    if (Value == NIC_GONE) return STATUS_DEVICE_REMOVED;
    if ((Value & Bit) != 0) return STATUS_SUCCESS;
    KeStallExecutionProcessor(1);
  }
  return STATUS_DEVICE_NOT_READY;
}

static NTSTATUS NicFindResources(NIC* Nic, PCM_RESOURCE_LIST Resources) {
  ULONG i;
  const CM_PARTIAL_RESOURCE_LIST* List;
  if (Resources == NULL || Resources->Count == 0) return STATUS_DEVICE_CONFIGURATION_ERROR;
  List = &Resources->List[0].PartialResourceList;
  for (i = 0; i < List->Count; ++i) {
    const CM_PARTIAL_RESOURCE_DESCRIPTOR* Resource = &List->PartialDescriptors[i];
    if (Resource->Type != CmResourceTypeMemory || Nic->Registers != NULL) continue;
    Nic->RegisterBytes = Resource->u.Memory.Length;
    Nic->Registers =
        (PUCHAR)MmMapIoSpaceEx(Resource->u.Memory.Start, Resource->u.Memory.Length, PAGE_READWRITE | PAGE_NOCACHE);
  }
  return Nic->Registers == NULL ? STATUS_DEVICE_CONFIGURATION_ERROR : STATUS_SUCCESS;
}

/* ---- Payloads: what every packet of number n holds (models/core/payload_pattern.h) ------------------------------- */

static ULONG64 NicMix(ULONG64 Value) {
  Value = (Value ^ (Value >> 30)) * 0xbf58476d1ce4e5b9u;
  Value = (Value ^ (Value >> 27)) * 0x94d049bb133111ebu;
  return Value ^ (Value >> 31);
}

static UCHAR NicPayloadByte(ULONG64 Key, ULONG Offset) {
  const ULONG64 Word = NicMix(Key + (Offset / 8) * 0x9e3779b97f4a7c15u);
  return (UCHAR)(Word >> (8 * (Offset % 8)));
}

static VOID NicFillPayload(ULONG Number, PUCHAR Data, ULONG Length) {
  const ULONG64 Key = NicMix(Number ^ 0x696f6d6d752d7670u);
  ULONG i;
  for (i = 0; i < Length; ++i) Data[i] = NicPayloadByte(Key, i);
}

static BOOLEAN NicPayloadIsRight(ULONG Number, const UCHAR* Data, ULONG Length) {
  const ULONG64 Key = NicMix(Number ^ 0x696f6d6d752d7670u);
  ULONG i;
  for (i = 0; i < Length; ++i) {
    if (Data[i] != NicPayloadByte(Key, i)) return FALSE;
  }
  return TRUE;
}

/* ---- Packets ----------------------------------------------------------------------------------------------------- */

static ULONG NicNext(ULONG Index) { return (Index + 1) % NIC_RING_SIZE; }

/* Every free receive descriptor gets its buffer, mapped, and goes to the device. */
static NTSTATUS NicGiveReceiveBuffers(NIC* Nic) {
  NIC_RING* Ring = &Nic->Rx;
  NTSTATUS Status = STATUS_SUCCESS;
  const ULONG Before = Ring->Tail;
  while (NicNext(Ring->Tail) != Ring->Head) {
    IOMMU_DMA_LOGICAL_ADDRESS Logical;
    Status = NicDmaMapReceive(Nic, Ring->Tail, &Logical);
    if (!NT_SUCCESS(Status)) break;
    Ring->Descriptors[Ring->Tail].Buffer = Logical;
    Ring->Descriptors[Ring->Tail].Word = NIC_RX_BUFFER_BYTES;
    Ring->Tail = NicNext(Ring->Tail);
  }
  KeMemoryBarrier(); /* the descriptors are in memory before the device hears of them */
  if (Ring->Tail != Before) NicWrite(Nic, NIC_RX_TAIL, Ring->Tail);
  return Status;
}

/* A reply of 64 bytes. When the ring is full, or nothing can be mapped, there is none: a network may lose packets. */
static VOID NicReply(NIC* Nic, ULONG Number) {
  NIC_RING* Ring = &Nic->Tx;
  IOMMU_DMA_LOGICAL_ADDRESS Logical;
  const ULONG Index = Ring->Tail;
  if (NicNext(Index) == Ring->Head) return;
  NicFillPayload(Number, Ring->Buffers + (SIZE_T)Index * PAGE_SIZE, NIC_REPLY_BYTES);
  if (!NT_SUCCESS(NicDmaMapTransmit(Nic, Index, &Logical))) return;
  Ring->Descriptors[Index].Buffer = Logical;
  Ring->Descriptors[Index].Word = NIC_REPLY_BYTES | NIC_END_OF_PACKET | NIC_WITH_TAG(Number);
  Ring->Tail = NicNext(Index);
  KeMemoryBarrier();
  NicWrite(Nic, NIC_TX_TAIL, Ring->Tail);
}

static VOID NicTakeReceived(NIC* Nic) {
  NIC_RING* Ring = &Nic->Rx;
  while (Ring->Head != Ring->Tail) {
    const ULONG Index = Ring->Head;
    const ULONG64 Word = *(volatile ULONG64*)&Ring->Descriptors[Index].Word;
    if ((Word & NIC_DONE) == 0) return;
    NicDmaUnmapReceive(Nic, Index); /* before the first look at the bytes */
    if ((Word & NIC_ERROR) != 0) {
      DbgPrint("packet %u was lost to a failed DMA\n", NIC_TAG(Word));
    } else if (!NicPayloadIsRight(NIC_TAG(Word), Ring->Buffers + (SIZE_T)Index * PAGE_SIZE, NIC_LENGTH(Word))) {
      DbgPrint("packet %u has wrong bytes\n", NIC_TAG(Word));
    } else {
      NicReply(Nic, NIC_TAG(Word));
    }
    Ring->Head = NicNext(Index);
  }
}

static VOID NicTakeTransmitted(NIC* Nic) {
  NIC_RING* Ring = &Nic->Tx;
  while (Ring->Head != Ring->Tail) {
    const ULONG64 Word = *(volatile ULONG64*)&Ring->Descriptors[Ring->Head].Word;
    if ((Word & NIC_DONE) == 0) return;
    NicDmaUnmapTransmit(Nic, Ring->Head);
    if ((Word & NIC_ERROR) != 0) DbgPrint("reply %u was not sent: a DMA failed\n", NIC_TAG(Word));
    Ring->Head = NicNext(Ring->Head);
  }
}

/* ---- Interrupt, DPC, worker -------------------------------------------------------------------------------------- */

static BOOLEAN NicInterrupt(PKINTERRUPT Interrupt, PVOID ServiceContext, ULONG MessageID) {
  NIC* Nic = (NIC*)ServiceContext;
  UNREFERENCED_PARAMETER(Interrupt);
  UNREFERENCED_PARAMETER(MessageID);
  KeInsertQueueDpc(&Nic->Dpc, NULL, NULL);
  return TRUE; /* a message is never shared: it was ours */
}

static VOID NicDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2) {
  NIC* Nic = (NIC*)DeferredContext;
  UNREFERENCED_PARAMETER(Dpc);
  UNREFERENCED_PARAMETER(SystemArgument1);
  UNREFERENCED_PARAMETER(SystemArgument2);
  KeSetEvent(&Nic->Work, IO_NO_INCREMENT, FALSE);
}

static VOID NicWorker(PVOID StartContext) {
  NIC* Nic = (NIC*)StartContext;
  for (;;) {
    KeWaitForSingleObject(&Nic->Work, Executive, KernelMode, FALSE, NULL);
    if (Nic->Stopping) break;
    NicTakeReceived(Nic);
    NicTakeTransmitted(Nic);
    /* An attachment outlives a change of policy, but this driver does not insist: the device gets no new buffers. */
    if ((Nic->DomainTypes & (1 << DomainTypeTranslate)) == 0) continue;
    NicGiveReceiveBuffers(Nic);
  }
  PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS NicStartWorker(NIC* Nic) {
  HANDLE Handle;
  NTSTATUS Status = PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, NicWorker, Nic);
  if (!NicOk(Status, "PsCreateSystemThread")) return Status;
  /* The object is what can be waited for; with it the handle is not needed any more. */
  Status = ObReferenceObjectByHandle(Handle, SYNCHRONIZE, *PsThreadType, KernelMode, &Nic->Worker, NULL);
  if (!NicOk(Status, "ObReferenceObjectByHandle")) Nic->Worker = NULL;
  ZwClose(Handle);
  return Status;
}

static NTSTATUS NicConnectInterrupt(NIC* Nic) {
  IO_CONNECT_INTERRUPT_PARAMETERS Parameters;
  NTSTATUS Status;
  KeInitializeDpc(&Nic->Dpc, NicDpc, Nic);
  RtlZeroMemory(&Parameters, sizeof(Parameters));
  Parameters.Version = CONNECT_MESSAGE_BASED;
  Parameters.MessageBased.PhysicalDeviceObject = Nic->Pdo;
  Parameters.MessageBased.ConnectionContext.InterruptMessageTable = &Nic->Messages;
  Parameters.MessageBased.MessageServiceRoutine = NicInterrupt;
  Parameters.MessageBased.ServiceContext = Nic;
  Status = IoConnectInterruptEx(&Parameters);
  if (!NicOk(Status, "IoConnectInterruptEx")) {
    Nic->Messages = NULL;
    return Status;
  }
  /* This device keeps its message's address and data in its own registers. */
  NicWrite64(Nic, NIC_INT_ADDRESS, (ULONG64)Nic->Messages->MessageInfo[0].MessageAddress.QuadPart);
  NicWrite(Nic, NIC_INT_DATA, Nic->Messages->MessageInfo[0].MessageData);
  NicWrite(Nic, NIC_INT_CTRL, 1);
  return STATUS_SUCCESS;
}

/* ---- Start and stop ---------------------------------------------------------------------------------------------- */

static NTSTATUS NicAllocateRing(NIC_RING* Ring) {
  PHYSICAL_ADDRESS Lowest;
  PHYSICAL_ADDRESS Highest;
  PHYSICAL_ADDRESS Boundary;
  Lowest.QuadPart = 0;
  Highest.QuadPart = -1; /* the IOMMU brings every page within the device's reach */
  Boundary.QuadPart = 0;
  Ring->Descriptors =
      (NIC_DESCRIPTOR*)MmAllocateContiguousMemorySpecifyCache(NIC_RING_BYTES, Lowest, Highest, Boundary, MmCached);
  Ring->Buffers = (PUCHAR)MmAllocateContiguousMemorySpecifyCache((SIZE_T)NIC_RING_SIZE * PAGE_SIZE, Lowest, Highest,
                                                                 Boundary, MmCached);
  if (Ring->Descriptors == NULL || Ring->Buffers == NULL) return STATUS_INSUFFICIENT_RESOURCES;
  RtlZeroMemory(Ring->Descriptors, NIC_RING_BYTES);
  Ring->Head = 0;
  Ring->Tail = 0;
  return STATUS_SUCCESS;
}

static VOID NicFreeRing(NIC_RING* Ring) {
  if (Ring->Descriptors != NULL) MmFreeContiguousMemory(Ring->Descriptors);
  if (Ring->Buffers != NULL) MmFreeContiguousMemory(Ring->Buffers);
  Ring->Descriptors = NULL;
  Ring->Buffers = NULL;
}

static NTSTATUS NicEnable(NIC* Nic) {
  NTSTATUS Status;
  NicWrite64(Nic, NIC_RX_BASE, Nic->Rx.Logical);
  NicWrite(Nic, NIC_RX_SIZE, NIC_RING_SIZE);
  NicWrite64(Nic, NIC_TX_BASE, Nic->Tx.Logical);
  NicWrite(Nic, NIC_TX_SIZE, NIC_RING_SIZE);
  NicWrite(Nic, NIC_CTRL, 1);
  Status = NicWaitStatus(Nic, NIC_STATUS_ENABLED);
  if (!NicOk(Status, "enabling the device")) return Status;
  return NicGiveReceiveBuffers(Nic);
}

/* In the order in which things need each other. NicStop undoes whatever is there, in the opposite order. */
NTSTATUS NicStart(NIC* Nic, PCM_RESOURCE_LIST Resources) {
  NTSTATUS Status = NicFindResources(Nic, Resources);
  Nic->Stopping = FALSE;
  if (NT_SUCCESS(Status) && NicRead(Nic, NIC_STATUS) == NIC_GONE) Status = STATUS_NO_SUCH_DEVICE;
  if (NT_SUCCESS(Status)) Status = NicAllocateRing(&Nic->Rx);
  if (NT_SUCCESS(Status)) Status = NicAllocateRing(&Nic->Tx);
  if (NT_SUCCESS(Status)) Status = NicDmaCreateDomain(Nic);
  if (NT_SUCCESS(Status)) Status = NicDmaMapRing(Nic, &Nic->Rx);
  if (NT_SUCCESS(Status)) Status = NicDmaMapRing(Nic, &Nic->Tx);
  if (NT_SUCCESS(Status)) Status = NicDmaReserve(Nic);
  if (NT_SUCCESS(Status)) Status = NicConnectInterrupt(Nic);
  if (NT_SUCCESS(Status)) Status = NicEnable(Nic);
  if (NT_SUCCESS(Status)) Status = NicStartWorker(Nic);
  if (!NT_SUCCESS(Status)) {
    NicStop(Nic);
    return Status;
  }
  return STATUS_SUCCESS;
}

/* The device first: as long as it may do DMA nothing may be taken from it. Idle, it has ended all that it had begun. */
static VOID NicSilence(NIC* Nic) {
  if (Nic->Registers == NULL || Nic->Gone) return;
  NicWrite(Nic, NIC_CTRL, 0);
  NicWrite(Nic, NIC_INT_CTRL, 0);
  NicOk(NicWaitStatus(Nic, NIC_STATUS_IDLE), "waiting until the device is idle");
}

static VOID NicStopInterrupt(NIC* Nic) {
  IO_DISCONNECT_INTERRUPT_PARAMETERS Parameters;
  if (Nic->Messages == NULL) return;
  Parameters.Version = CONNECT_MESSAGE_BASED;
  Parameters.ConnectionContext.InterruptMessageTable = Nic->Messages;
  IoDisconnectInterruptEx(&Parameters);
  Nic->Messages = NULL;
  KeFlushQueuedDpcs(); /* the last interrupt may have left one */
}

static VOID NicStopWorker(NIC* Nic) {
  if (Nic->Worker == NULL) return;
  InterlockedExchange(&Nic->Stopping, TRUE);
  KeSetEvent(&Nic->Work, IO_NO_INCREMENT, FALSE);
  KeWaitForSingleObject(Nic->Worker, Executive, KernelMode, FALSE, NULL);
  ObDereferenceObject(Nic->Worker);
  Nic->Worker = NULL;
}

/* From any state, and more than once. */
VOID NicStop(NIC* Nic) {
  ULONG i;
  NicSilence(Nic);
  NicStopInterrupt(Nic);
  NicStopWorker(Nic);
  /* Now nobody but this thread has anything to do with the device. */
  for (i = 0; i < NIC_RING_SIZE; ++i) {
    NicDmaUnmapReceive(Nic, i);
    NicDmaUnmapTransmit(Nic, i);
  }
  NicDmaFreeReserved(Nic);
  NicDmaUnmapRing(Nic, &Nic->Tx);
  NicDmaUnmapRing(Nic, &Nic->Rx);
  NicDmaDeleteDomain(Nic);
  NicFreeRing(&Nic->Tx);
  NicFreeRing(&Nic->Rx);
  if (Nic->Registers != NULL) MmUnmapIoSpace(Nic->Registers, Nic->RegisterBytes);
  Nic->Registers = NULL;
}
