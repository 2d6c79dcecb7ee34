/* AddDevice does not want the device. */
#include <wdm.h>

DRIVER_INITIALIZE DriverEntry;

static NTSTATUS AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  UNREFERENCED_PARAMETER(PhysicalDeviceObject);
  return STATUS_NO_SUCH_DEVICE;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverExtension->AddDevice = AddDevice;
  return STATUS_SUCCESS;
}
