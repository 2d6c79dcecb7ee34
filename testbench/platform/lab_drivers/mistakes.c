/* What a driver does wrong and this platform notices: a diagnostic for each line, and no crash. */
#include "base.h"

static KDPC Dpc;

static VOID WaitingDpc(PKDPC Object, PVOID Context, PVOID Argument1, PVOID Argument2) {
  LARGE_INTEGER Short;
  UNREFERENCED_PARAMETER(Object);
  UNREFERENCED_PARAMETER(Context);
  UNREFERENCED_PARAMETER(Argument1);
  UNREFERENCED_PARAMETER(Argument2);
  Short.QuadPart = -10;
  KeDelayExecutionThread(KernelMode, FALSE, &Short);
}

static VOID StaleHandles(BASE* Base) {
  DMA_IOMMU_INTERFACE_EX Iommu;
  PIOMMU_DMA_DEVICE Token;
  if (!NT_SUCCESS(IoGetIommuInterfaceEx(DMA_IOMMU_INTERFACE_EX_VERSION_2, 0, &Iommu))) return;
  if (!NT_SUCCESS(Iommu.V2.CreateDevice(Base->Pdo, NULL, &Token))) return;
  if (Iommu.V2.DeleteDevice(Token) != STATUS_SUCCESS) DbgPrint("DeleteDevice\n");
  if (Iommu.V2.DeleteDevice(Token) != STATUS_INVALID_PARAMETER_1) DbgPrint("second DeleteDevice\n");
}

static NTSTATUS AtStart(BASE* Base) {
  ULONG OnStack = 0;
  KEVENT NoEvent;
  PHYSICAL_ADDRESS Memory;
  LARGE_INTEGER Now;
  PVOID Block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 64, 0x31676154u);
  PMDL Mdl = IoAllocateMdl(&OnStack, sizeof(OnStack), FALSE, FALSE, NULL);
  StaleHandles(Base);
  ExFreePoolWithTag(Block, 0x32676154u); /* another tag */
  ExFreePoolWithTag(Block, 0x31676154u); /* twice */
  MmFreeContiguousMemory(&OnStack);
  MmBuildMdlForNonPagedPool(Mdl); /* of the stack */
  IoFreeMdl(Mdl);
  IoFreeMdl(Mdl); /* twice */
  if (MmGetPhysicalAddress(&OnStack).QuadPart != 0) DbgPrint("MmGetPhysicalAddress\n");
  if (READ_REGISTER_ULONG(&OnStack) != 0xFFFFFFFF) DbgPrint("READ_REGISTER_ULONG\n");
  WRITE_REGISTER_ULONG(&OnStack, 1);
  if (OnStack != 0) DbgPrint("WRITE_REGISTER_ULONG\n");
  Memory.QuadPart = 0x100000;
  if (MmMapIoSpace(Memory, PAGE_SIZE, MmNonCached) != NULL) DbgPrint("MmMapIoSpace\n");
  MmUnmapIoSpace(&OnStack, 4);
  memset(&NoEvent, 0xAB, sizeof(NoEvent));
  Now.QuadPart = 0;
  KeSetEvent(&NoEvent, 0, FALSE);
  if (KeWaitForSingleObject(&NoEvent, Executive, KernelMode, FALSE, &Now) != STATUS_INVALID_PARAMETER_1) {
    DbgPrint("KeWaitForSingleObject\n");
  }
  ObDereferenceObject(&NoEvent);
  KeInitializeDpc(&Dpc, WaitingDpc, NULL);
  KeInsertQueueDpc(&Dpc, NULL, NULL);
  KeFlushQueuedDpcs();
  IoDeleteDevice(Base->Pdo); /* the bus driver's */
  return STATUS_SUCCESS;
}
static VOID AtRemove(BASE* Base) {
  IoDetachDevice(Base->Lower);
  IoDetachDevice(Base->Lower); /* twice */
  IoAttachDeviceToDeviceStack(Base->Self, Base->Pdo);
}
