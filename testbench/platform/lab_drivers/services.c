/* Every service, used as documented; a note names each line where something else comes out. */
#include "base.h"

#define CHECK(condition)                                               \
  do {                                                                 \
    if (!(condition)) DbgPrint("line %d: %s\n", __LINE__, #condition); \
  } while (0)

#define TAG 0x74736554u
#define US(count) (-10ll * (count)) /* microseconds from now, in 100 ns */

typedef struct _WORLD {
  KEVENT Go;
  KEVENT Done;
  KSPIN_LOCK Lock;
  ULONG Inside;
  ULONG Runs;
  ULONGLONG Ended;
} WORLD;

static VOID Sleep(LONGLONG Interval) {
  LARGE_INTEGER Time;
  Time.QuadPart = Interval;
  KeDelayExecutionThread(KernelMode, FALSE, &Time);
}

static VOID Waiter(PVOID Context) {
  WORLD* World = (WORLD*)Context;
  CHECK(KeWaitForSingleObject(&World->Go, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
  ++World->Runs;
  Sleep(US(7));
  World->Ended = KeQueryInterruptTime();
  PsTerminateSystemThread(STATUS_SUCCESS);
  CHECK(!"PsTerminateSystemThread returned");
}

static VOID Locker(PVOID Context) {
  WORLD* World = (WORLD*)Context;
  KIRQL Irql;
  CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
  KeAcquireSpinLock(&World->Lock, &Irql);
  CHECK(Irql == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL);
  CHECK(World->Inside == 0);
  World->Inside = 1;
  KeStallExecutionProcessor(3);
  World->Inside = 0;
  KeReleaseSpinLock(&World->Lock, Irql);
  CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
  KeSetEvent(&World->Done, IO_NO_INCREMENT, FALSE);
}

static VOID Deferred(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2) {
  WORLD* World = (WORLD*)Context;
  CHECK(Dpc != NULL && Argument1 == (PVOID)1 && Argument2 == (PVOID)2);
  CHECK(KeGetCurrentIrql() == DISPATCH_LEVEL);
  KeStallExecutionProcessor(1);
  ++World->Runs;
}

static VOID Time(void) {
  LARGE_INTEGER Frequency;
  const LARGE_INTEGER Before = KeQueryPerformanceCounter(&Frequency);
  const ULONGLONG Coarse = KeQueryInterruptTime();
  CHECK(Frequency.QuadPart == 1000000000);
  KeStallExecutionProcessor(5);
  CHECK(KeQueryPerformanceCounter(NULL).QuadPart - Before.QuadPart == 5000);
  Sleep(US(100));
  CHECK(KeQueryInterruptTime() - Coarse == 1050);
  Sleep((LONGLONG)Coarse); /* over already */
  CHECK(KeQueryInterruptTime() - Coarse == 1050);
  Sleep((LONGLONG)Coarse + 1060);
  CHECK(KeQueryInterruptTime() - Coarse == 1060);
}

static VOID Events(void) {
  KEVENT Notification;
  KEVENT Synchronization;
  LARGE_INTEGER Zero;
  LARGE_INTEGER Some;
  ULONGLONG Before;
  Zero.QuadPart = 0;
  Some.QuadPart = US(20);
  KeInitializeEvent(&Notification, NotificationEvent, TRUE);
  KeInitializeEvent(&Synchronization, SynchronizationEvent, FALSE);
  CHECK(KeWaitForSingleObject(&Notification, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
  CHECK(KeReadStateEvent(&Notification) != 0);
  CHECK(KeResetEvent(&Notification) != 0 && KeReadStateEvent(&Notification) == 0);
  CHECK(KeSetEvent(&Synchronization, IO_NO_INCREMENT, FALSE) == 0);
  CHECK(KeSetEvent(&Synchronization, IO_NO_INCREMENT, FALSE) != 0);
  CHECK(KeWaitForSingleObject(&Synchronization, Executive, KernelMode, FALSE, &Zero) == STATUS_SUCCESS);
  CHECK(KeWaitForSingleObject(&Synchronization, Executive, KernelMode, FALSE, &Zero) == STATUS_TIMEOUT);
  Before = KeQueryInterruptTime();
  CHECK(KeWaitForSingleObject(&Synchronization, Executive, KernelMode, FALSE, &Some) == STATUS_TIMEOUT);
  CHECK(KeQueryInterruptTime() - Before == 200);
  KeSetEvent(&Notification, IO_NO_INCREMENT, FALSE);
  KeClearEvent(&Notification);
  CHECK(KeReadStateEvent(&Notification) == 0);
}

static VOID Threads(WORLD* World) {
  HANDLE Handle;
  PVOID Thread;
  LARGE_INTEGER Short;
  const ULONGLONG Before = KeQueryInterruptTime();
  Short.QuadPart = US(2);
  KeInitializeEvent(&World->Go, SynchronizationEvent, FALSE);
  CHECK(PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Waiter, World) == STATUS_SUCCESS);
  CHECK(ObReferenceObjectByHandle(Handle, SYNCHRONIZE, *PsThreadType, KernelMode, &Thread, NULL) == STATUS_SUCCESS);
  CHECK(ZwClose(Handle) == STATUS_SUCCESS);
  CHECK(ZwClose(Handle) == STATUS_INVALID_HANDLE);
  CHECK(ObReferenceObjectByHandle(Handle, SYNCHRONIZE, NULL, KernelMode, &Thread, NULL) == STATUS_INVALID_HANDLE);
  CHECK(KeWaitForSingleObject(Thread, Executive, KernelMode, FALSE, &Short) == STATUS_TIMEOUT && World->Runs == 0);
  KeSetEvent(&World->Go, IO_NO_INCREMENT, FALSE);
  CHECK(KeWaitForSingleObject(Thread, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
  CHECK(World->Runs == 1 && World->Ended - Before == 90 && KeQueryInterruptTime() == World->Ended);
  ObDereferenceObject(Thread);
  CHECK(PsTerminateSystemThread(STATUS_SUCCESS) == STATUS_INVALID_PARAMETER); /* not in a thread of ours */
}

static VOID Locks(WORLD* World) {
  HANDLE Handle;
  ULONG i;
  KeInitializeSpinLock(&World->Lock);
  KeInitializeEvent(&World->Done, SynchronizationEvent, FALSE);
  for (i = 0; i < 2; ++i) {
    CHECK(PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Locker, World) == STATUS_SUCCESS);
    ZwClose(Handle);
  }
  for (i = 0; i < 2; ++i) KeWaitForSingleObject(&World->Done, Executive, KernelMode, FALSE, NULL);
}

static VOID Dpcs(WORLD* World) {
  KDPC First;
  KDPC Second;
  KeInitializeDpc(&First, Deferred, World);
  KeInitializeDpc(&Second, Deferred, World);
  World->Runs = 0;
  CHECK(KeInsertQueueDpc(&First, (PVOID)1, (PVOID)2));
  CHECK(!KeInsertQueueDpc(&First, (PVOID)1, (PVOID)2));
  CHECK(KeInsertQueueDpc(&Second, (PVOID)1, (PVOID)2));
  CHECK(KeRemoveQueueDpc(&Second));
  CHECK(!KeRemoveQueueDpc(&Second));
  KeFlushQueuedDpcs();
  CHECK(World->Runs == 1);
}

static BOOLEAN IsZero(const UCHAR* Block, SIZE_T Bytes) {
  SIZE_T i;
  for (i = 0; i < Bytes; ++i) {
    if (Block[i] != 0) return FALSE;
  }
  return TRUE;
}

static VOID Memory(void) {
  PHYSICAL_ADDRESS Lowest;
  PHYSICAL_ADDRESS Highest;
  PHYSICAL_ADDRESS Boundary;
  PMDL Mdl;
  PUCHAR Block = (PUCHAR)ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, TAG);
  PUCHAR Page;
  ULONG Round;
  CHECK(Block != NULL && IsZero(Block, 100));
  ExFreePoolWithTag(Block, TAG);
  CHECK(ExAllocatePool2(POOL_FLAG_NON_PAGED, 0, TAG) == NULL);
  CHECK(ExAllocatePool2(POOL_FLAG_NON_PAGED, 1, 0) == NULL);
  for (Round = 0; Round < 2; ++Round) { /* the second time it is memory that was used before */
    Page = (PUCHAR)ExAllocatePool2(POOL_FLAG_NON_PAGED, 5000, TAG);
    CHECK(Page != NULL && BYTE_OFFSET(Page) == 0 && IsZero(Page, 5000));
    CHECK(MmGetPhysicalAddress(Page + 5).QuadPart % PAGE_SIZE == 5);
    CHECK(MmGetPhysicalAddress(Page + PAGE_SIZE).QuadPart == MmGetPhysicalAddress(Page).QuadPart + PAGE_SIZE);
    Mdl = IoAllocateMdl(Page + 100, 4096, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(Mdl);
    CHECK(MmGetMdlPfnArray(Mdl)[0] == (PFN_NUMBER)MmGetPhysicalAddress(Page).QuadPart >> PAGE_SHIFT);
    CHECK(MmGetMdlPfnArray(Mdl)[1] == MmGetMdlPfnArray(Mdl)[0] + 1);
    CHECK((Mdl->MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL) != 0 && MmGetMdlByteOffset(Mdl) == 100);
    IoFreeMdl(Mdl);
    memset(Page, 0xEE, 5000);
    ExFreePool(Page);
  }
  Lowest.QuadPart = 0;
  Highest.QuadPart = 0xFFFFFFFFll;
  Boundary.QuadPart = 0x10000;
  Block = (PUCHAR)MmAllocateContiguousMemorySpecifyCache(3 * PAGE_SIZE, Lowest, Highest, Boundary, MmCached);
  CHECK(Block != NULL && MmGetPhysicalAddress(Block).QuadPart + 3 * PAGE_SIZE <= 0x100000000ll);
  CHECK(MmGetPhysicalAddress(Block).QuadPart % 0x4000 == 0);
  MmFreeContiguousMemorySpecifyCache(Block, 3 * PAGE_SIZE, MmCached);
  CHECK(MmAllocateContiguousMemorySpecifyCache(0x20000, Lowest, Highest, Boundary, MmCached) == NULL);
}

/* CTRL, STATUS and INT_ADDRESS of the NIC. */
static VOID Registers(const BASE* Base) {
  PUCHAR Window = (PUCHAR)MmMapIoSpaceEx(Base->Registers, Base->RegisterBytes, PAGE_READWRITE | PAGE_NOCACHE);
  ULONGLONG Before = (ULONGLONG)KeQueryPerformanceCounter(NULL).QuadPart;
  CHECK(Base->RegisterBytes == 0x1000 && Window != NULL);
  CHECK(READ_REGISTER_ULONG((volatile ULONG*)(Window + 4)) == 2);
  CHECK((ULONGLONG)KeQueryPerformanceCounter(NULL).QuadPart > Before); /* it took time */
  WRITE_REGISTER_ULONG64((volatile ULONG64*)(Window + 0x10), 0x123456789ABCDEF0ull);
  CHECK(READ_REGISTER_ULONG64((volatile ULONG64*)(Window + 0x10)) == 0x123456789ABCDEF0ull);
  WRITE_REGISTER_ULONG((volatile ULONG*)(Window + 0x18), 0x77);
  CHECK(READ_REGISTER_ULONG((volatile ULONG*)(Window + 0x18)) == 0x77);
  WRITE_REGISTER_ULONG64((volatile ULONG64*)(Window + 0x10), 0);
  MmUnmapIoSpace(Window, Base->RegisterBytes);
}

/* Every byte of a device extension begins as zero, on memory that was used before, too. */
static VOID Devices(const BASE* Base) {
  ULONG Round;
  for (Round = 0; Round < 4; ++Round) {
    PDEVICE_OBJECT Device;
    CHECK(IoCreateDevice(Base->Self->DriverObject, 1001, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device) ==
          STATUS_SUCCESS);
    CHECK(IsZero((const UCHAR*)Device->DeviceExtension, 1001));
    CHECK(Base->Self->DriverObject->DeviceObject == Device && Device->NextDevice == Base->Self);
    memset(Device->DeviceExtension, 0xEE, 1001);
    IoDeleteDevice(Device);
    CHECK(Base->Self->DriverObject->DeviceObject == Base->Self);
  }
}

static NTSTATUS AtStart(BASE* Base) {
  static WORLD World;
  const UCHAR Byte = 200;
  Time();
  Events();
  Threads(&World);
  Locks(&World);
  Dpcs(&World);
  Memory();
  Registers(Base);
  Devices(Base);
  DbgPrint("%d %5u|%-4x|%08lX %I64x %llu %c %s %ws %% %p\n", -1, 42u, 255u, 0xABCu, 0x123456789ull, 7ull, 'c', "text",
           L"wide", NULL);
  DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "%hhu %S %.*s", Byte, L"W", 2, "abc");
  return STATUS_SUCCESS;
}
static VOID AtRemove(BASE* Base) { UNREFERENCED_PARAMETER(Base); }
