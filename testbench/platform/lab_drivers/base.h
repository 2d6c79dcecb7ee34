/*
 * The least that a driver needs: AddDevice attaches, Plug and Play requests go down, the removal deletes the device object.
 * A test driver includes it and does what it is about in AtStart and AtRemove.
 */
#ifndef LAB_DRIVERS_BASE_H
#define LAB_DRIVERS_BASE_H

#include <wdm.h>

typedef struct _BASE {
  PDEVICE_OBJECT Self;
  PDEVICE_OBJECT Pdo;
  PDEVICE_OBJECT Lower;
  PHYSICAL_ADDRESS Registers;
  ULONG RegisterBytes;
} BASE;

DRIVER_INITIALIZE DriverEntry;
static NTSTATUS AtStart(BASE* Base);
static VOID AtRemove(BASE* Base);

static NTSTATUS BaseAddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject) {
  PDEVICE_OBJECT Device;
  BASE* Base;
  const NTSTATUS Status = IoCreateDevice(DriverObject, sizeof(BASE), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
  if (!NT_SUCCESS(Status)) return Status;
  Base = (BASE*)Device->DeviceExtension;
  Base->Self = Device;
  Base->Pdo = PhysicalDeviceObject;
  Base->Lower = IoAttachDeviceToDeviceStack(Device, PhysicalDeviceObject);
  Device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
  return STATUS_SUCCESS;
}

static NTSTATUS BasePnp(PDEVICE_OBJECT DeviceObject, PIRP Irp) {
  BASE* Base = (BASE*)DeviceObject->DeviceExtension;
  const PIO_STACK_LOCATION Here = IoGetCurrentIrpStackLocation(Irp);
  const PDEVICE_OBJECT Lower = Base->Lower;
  NTSTATUS Status;
  if (Here->MinorFunction == IRP_MN_START_DEVICE) {
    const CM_PARTIAL_RESOURCE_LIST* List =
        &Here->Parameters.StartDevice.AllocatedResourcesTranslated->List[0].PartialResourceList;
    Base->Registers = List->PartialDescriptors[0].u.Memory.Start;
    Base->RegisterBytes = List->PartialDescriptors[0].u.Memory.Length;
    IoForwardIrpSynchronously(Lower, Irp);
    Status = AtStart(Base);
    Irp->IoStatus.Status = Status;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
  }
  Irp->IoStatus.Status = STATUS_SUCCESS;
  if (Here->MinorFunction != IRP_MN_REMOVE_DEVICE) {
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Lower, Irp);
  }
  AtRemove(Base);
  IoSkipCurrentIrpStackLocation(Irp);
  Status = IoCallDriver(Lower, Irp);
#ifndef BASE_KEEPS_DEVICE
  IoDetachDevice(Lower);
  IoDeleteDevice(DeviceObject);
#endif
  return Status;
}

/* A test driver may name another AddDevice. */
#ifdef BASE_ADD_DEVICE
static DRIVER_ADD_DEVICE BASE_ADD_DEVICE;
#else
#define BASE_ADD_DEVICE BaseAddDevice
#endif

static VOID BaseUnload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverExtension->AddDevice = BASE_ADD_DEVICE;
  DriverObject->DriverUnload = BaseUnload;
  DriverObject->MajorFunction[IRP_MJ_PNP] = BasePnp;
  return STATUS_SUCCESS;
}

#endif
