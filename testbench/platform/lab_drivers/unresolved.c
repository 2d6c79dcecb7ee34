/* Calls a function of Windows that this platform does not have. */
#include "base.h"

NTSTATUS IoInvalidateDeviceRelationsNow(PDEVICE_OBJECT DeviceObject);

static NTSTATUS AtStart(BASE* Base) { return IoInvalidateDeviceRelationsNow(Base->Pdo); }
static VOID AtRemove(BASE* Base) { UNREFERENCED_PARAMETER(Base); }
