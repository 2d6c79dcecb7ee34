/* A shared object that is no driver. */
#include <wdm.h>

NTSTATUS SomethingElse(void);
NTSTATUS SomethingElse(void) { return STATUS_SUCCESS; }
