/* Can't start its device. */
#include "base.h"

static NTSTATUS AtStart(BASE* Base) {
  UNREFERENCED_PARAMETER(Base);
  return STATUS_DEVICE_CONFIGURATION_ERROR;
}
static VOID AtRemove(BASE* Base) { UNREFERENCED_PARAMETER(Base); }
