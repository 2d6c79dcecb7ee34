/* Static data belong to the driver, not to a device. */
#define BASE_ADD_DEVICE CountingAddDevice
#include "base.h"

static ULONG Devices;

static NTSTATUS CountingAddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject) {
  ++Devices;
  DbgPrint("device %u of %wZ\n", Devices, &DriverObject->DriverName);
  return BaseAddDevice(DriverObject, PhysicalDeviceObject);
}

static NTSTATUS AtStart(BASE* Base) {
  UNREFERENCED_PARAMETER(Base);
  return STATUS_SUCCESS;
}
static VOID AtRemove(BASE* Base) { UNREFERENCED_PARAMETER(Base); }
