/*
 * The driver's life with the system: DriverEntry, AddDevice, and the Plug and Play requests.
 *
 * The system calls DriverEntry once, AddDevice for each device, then sends requests (IRPs) to the device object that
 * AddDevice attaches on top of the device's stack. At the bottom of the stack is the PDO, the bus driver's: it must see
 * IRP_MN_START_DEVICE before we touch the device, and the requests for the removal after we are done with it.
 */
#include "nic_driver.h"

DRIVER_INITIALIZE DriverEntry;
static DRIVER_ADD_DEVICE NicAddDevice;
static DRIVER_UNLOAD NicUnload;
static DRIVER_DISPATCH NicPnp;
static DRIVER_DISPATCH NicPassOn;

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverExtension->AddDevice = NicAddDevice;
  DriverObject->DriverUnload = NicUnload;
  DriverObject->MajorFunction[IRP_MJ_PNP] = NicPnp;
  DriverObject->MajorFunction[IRP_MJ_POWER] = NicPassOn;
  DriverObject->MajorFunction[IRP_MJ_SYSTEM_CONTROL] = NicPassOn;
  return STATUS_SUCCESS;
}

/* Whatever belongs to a device went with it: there is nothing that belongs to the driver as a whole. */
static VOID NicUnload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

BOOLEAN NicOk(NTSTATUS Status, PCSTR What) {
  if (NT_SUCCESS(Status)) return TRUE;
  DbgPrint("%s: status 0x%08X\n", What, (ULONG)Status);
  return FALSE;
}

/* Makes the device's own object and its identity at the IOMMU. The device itself is not touched yet: it has no
 * resources before IRP_MN_START_DEVICE. */
static NTSTATUS NicAddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject) {
  PDEVICE_OBJECT Device;
  NIC* Nic;
  NTSTATUS Status =
      IoCreateDevice(DriverObject, sizeof(NIC), NULL, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, FALSE, &Device);
  if (!NicOk(Status, "IoCreateDevice")) return Status;

  Nic = (NIC*)Device->DeviceExtension; /* zeroed */
  Nic->Self = Device;
  Nic->Pdo = PhysicalDeviceObject;
  Nic->Lower = IoAttachDeviceToDeviceStack(Device, PhysicalDeviceObject);
  if (Nic->Lower == NULL) {
    IoDeleteDevice(Device);
    return STATUS_NO_SUCH_DEVICE;
  }

  Status = NicDmaCreateDevice(Nic);
  if (!NT_SUCCESS(Status)) {
    IoDetachDevice(Nic->Lower);
    IoDeleteDevice(Device);
    return Status;
  }
  Device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
  return STATUS_SUCCESS;
}

/* A request that does not concern us goes to the driver below, unchanged. */
static NTSTATUS NicPassOn(PDEVICE_OBJECT DeviceObject, PIRP Irp) {
  const NIC* Nic = (const NIC*)DeviceObject->DeviceExtension;
  IoSkipCurrentIrpStackLocation(Irp);
  return IoCallDriver(Nic->Lower, Irp);
}

static NTSTATUS NicPnpStart(NIC* Nic, PIRP Irp) {
  NTSTATUS Status;
  /* The bus first: without it the device may not even have power. */
  if (!IoForwardIrpSynchronously(Nic->Lower, Irp)) {
    Status = STATUS_UNSUCCESSFUL;
  } else {
    Status = Irp->IoStatus.Status;
    if (NT_SUCCESS(Status)) {
      Status = NicStart(Nic, IoGetCurrentIrpStackLocation(Irp)->Parameters.StartDevice.AllocatedResourcesTranslated);
    }
  }
  Irp->IoStatus.Status = Status;
  IoCompleteRequest(Irp, IO_NO_INCREMENT);
  return Status;
}

/* The end: comes after IRP_MN_SURPRISE_REMOVAL, too, and when the start has failed. */
static NTSTATUS NicPnpRemove(NIC* Nic, PIRP Irp) {
  const PDEVICE_OBJECT Self = Nic->Self;
  const PDEVICE_OBJECT Lower = Nic->Lower;
  NTSTATUS Status;
  NicStop(Nic);
  NicDmaDeleteDevice(Nic);
  Irp->IoStatus.Status = STATUS_SUCCESS;
  IoSkipCurrentIrpStackLocation(Irp);
  Status = IoCallDriver(Lower, Irp);
  IoDetachDevice(Lower);
  IoDeleteDevice(Self); /* Nic is gone with it */
  return Status;
}

static NTSTATUS NicPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp) {
  NIC* Nic = (NIC*)DeviceObject->DeviceExtension;
  switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
      return NicPnpStart(Nic, Irp);
    case IRP_MN_SURPRISE_REMOVAL:
      /* Somebody has pulled the device out. It reaches no memory any more, and no register of it answers: everything
       * goes, but nothing is asked of the device. The object stays until IRP_MN_REMOVE_DEVICE. */
      Nic->Gone = TRUE;
      NicStop(Nic);
      break;
    case IRP_MN_STOP_DEVICE:
      NicStop(Nic);
      break;
    case IRP_MN_REMOVE_DEVICE:
      return NicPnpRemove(Nic, Irp);
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
      break; /* nothing keeps the device from being stopped or removed */
    default:
      return NicPassOn(DeviceObject, Irp); /* with the status that it came with */
  }
  Irp->IoStatus.Status = STATUS_SUCCESS;
  return NicPassOn(DeviceObject, Irp);
}
