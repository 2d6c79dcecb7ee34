/* Answers requests in all ways: later, not at all, with a veto, twice. */
#define BASE_ADD_DEVICE AddDevice
#include "base.h"

static PIRP Later;
static DRIVER_DISPATCH OddPnp;

static VOID Complete(PVOID Context) {
  LARGE_INTEGER Delay;
  UNREFERENCED_PARAMETER(Context);
  Delay.QuadPart = -20; /* 2 us */
  KeDelayExecutionThread(KernelMode, FALSE, &Delay);
  Later->IoStatus.Status = STATUS_SUCCESS;
  IoCompleteRequest(Later, IO_NO_INCREMENT);
}

static NTSTATUS OddPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp) {
  BASE* Base = (BASE*)DeviceObject->DeviceExtension;
  HANDLE Thread;
  switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE: /* pending, completed by a thread */
      IoForwardIrpSynchronously(Base->Lower, Irp);
      Later = Irp;
      IoMarkIrpPending(Irp);
      if (!NT_SUCCESS(PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, Complete, NULL))) {
        DbgPrint("PsCreateSystemThread\n");
      }
      ZwClose(Thread);
      return STATUS_PENDING;
    case IRP_MN_QUERY_REMOVE_DEVICE: /* a veto */
      Irp->IoStatus.Status = STATUS_UNSUCCESSFUL;
      IoCompleteRequest(Irp, IO_NO_INCREMENT);
      return STATUS_UNSUCCESSFUL;
    case IRP_MN_SURPRISE_REMOVAL: /* never completed */
      return STATUS_SUCCESS;
    case IRP_MN_REMOVE_DEVICE: { /* completed twice */
      const PDEVICE_OBJECT Lower = Base->Lower;
      Irp->IoStatus.Status = STATUS_SUCCESS;
      IoSkipCurrentIrpStackLocation(Irp);
      IoCallDriver(Lower, Irp);
      IoCompleteRequest(Irp, IO_NO_INCREMENT);
      IoDetachDevice(Lower);
      IoDeleteDevice(DeviceObject);
      return STATUS_SUCCESS;
    }
    default:
      IoSkipCurrentIrpStackLocation(Irp);
      return IoCallDriver(Base->Lower, Irp);
  }
}

static NTSTATUS AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject) {
  DriverObject->MajorFunction[IRP_MJ_PNP] = OddPnp;
  return BaseAddDevice(DriverObject, PhysicalDeviceObject);
}
static NTSTATUS AtStart(BASE* Base) {
  UNREFERENCED_PARAMETER(Base);
  return STATUS_SUCCESS;
}
static VOID AtRemove(BASE* Base) { UNREFERENCED_PARAMETER(Base); }
