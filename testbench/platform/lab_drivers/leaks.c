/* Leaves one of everything behind. */
#define BASE_KEEPS_DEVICE
#include "base.h"

static VOID Sleeper(PVOID Context) {
  LARGE_INTEGER Forever;
  UNREFERENCED_PARAMETER(Context);
  Forever.QuadPart = -36000000000ll;
  KeDelayExecutionThread(KernelMode, FALSE, &Forever);
}

static BOOLEAN Interrupt(PKINTERRUPT Object, PVOID Context, ULONG Message) {
  UNREFERENCED_PARAMETER(Object);
  UNREFERENCED_PARAMETER(Context);
  UNREFERENCED_PARAMETER(Message);
  return TRUE;
}

static NTSTATUS AtStart(BASE* Base) {
  DMA_IOMMU_INTERFACE_EX Iommu;
  PIOMMU_DMA_DEVICE Token;
  PIO_INTERRUPT_MESSAGE_INFO Messages;
  IO_CONNECT_INTERRUPT_PARAMETERS Parameters;
  PHYSICAL_ADDRESS Highest;
  HANDLE Thread;
  PVOID Buffer;
  Highest.QuadPart = -1;
  if (!NT_SUCCESS(IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_2, 0, &Iommu))) return STATUS_UNSUCCESSFUL;
  if (!NT_SUCCESS(Iommu.V2.CreateDevice(Base->Pdo, NULL, &Token))) return STATUS_UNSUCCESSFUL;
  ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, 0x6B61654Cu);
  ExAllocatePool2(POOL_FLAG_NON_PAGED, 5000, 0x6B61654Cu);
  Buffer = MmAllocateContiguousMemory(8192, Highest);
  IoAllocateMdl(Buffer, 8192, FALSE, FALSE, NULL);
  MmMapIoSpace(Base->Registers, Base->RegisterBytes, MmNonCached);
  RtlZeroMemory(&Parameters, sizeof(Parameters));
  Parameters.Version = CONNECT_MESSAGE_BASED;
  Parameters.MessageBased.PhysicalDeviceObject = Base->Pdo;
  Parameters.MessageBased.ConnectionContext.InterruptMessageTable = &Messages;
  Parameters.MessageBased.MessageServiceRoutine = Interrupt;
  if (!NT_SUCCESS(IoConnectInterruptEx(&Parameters))) return STATUS_UNSUCCESSFUL;
  return PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, Sleeper, NULL);
}
static VOID AtRemove(BASE* Base) { UNREFERENCED_PARAMETER(Base); }
