/*
 * The part of the Windows Driver Kit's wdm.h that a small Plug and Play driver needs beside the IOMMU interface.
 *
 * What it does: declares driver, device and interrupt objects, requests (IRPs), registers, memory, events, threads and
 * time with the names and documented meanings of wdm.h, for drivers that iommu-vp loads (docs/driver-lab.md). wdm.h
 * includes this file: drivers write `#include <wdm.h>`. What it does not do: define the functions (platform/driver_lab
 * does; the program exports them), or promise Windows' binary layout for what the system makes (DRIVER_OBJECT,
 * DEVICE_OBJECT, IRP, IO_STACK_LOCATION have only the members named here, in Windows' order). What a driver makes or
 * parses itself (UNICODE_STRING, KEVENT, CM_RESOURCE_LIST, the interrupt structures) is laid out as on Windows x64.
 *
 * What differs from Windows, in short:
 * - Time passes only in register accesses, IOMMU calls, KeStallExecutionProcessor, KeDelayExecutionThread, waits and
 *   spin locks that somebody else holds. Plain loads, stores and computation take none: a loop that waits for memory to
 *   change must wait for an event or delay.
 * - Threads give way to each other only at these points.
 * - Registers are reached by READ_REGISTER_* and WRITE_REGISTER_* only; dereferencing what MmMapIoSpace returned is a
 *   segmentation fault.
 * - Memory with a physical address is what MmAllocateContiguousMemory*, and ExAllocatePool2 from PAGE_SIZE bytes on,
 *   return. Smaller pool blocks, stacks and static data have none.
 * - IRQL is tracked per thread (passive in threads, DISPATCH_LEVEL in DPCs, device level in interrupt routines) and
 *   interrupts nothing; waiting above passive level is reported.
 * - Paging, security, names of devices, cancelling and power management are not there.
 */
#ifndef IOMMU_VP_API_WDM_DRIVER_H
#define IOMMU_VP_API_WDM_DRIVER_H

#include <string.h>

#include "wdm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- More basic types -------------------------------------------------------------------------------------------- */

typedef char CHAR, *PCHAR;
typedef const char* PCSTR;
typedef CHAR CCHAR;
typedef LONG* PLONG;
typedef USHORT WCHAR, *PWCH, *PWSTR; /* string literals L"..." need -fshort-wchar */
typedef const WCHAR* PCWSTR;
typedef HANDLE* PHANDLE;
typedef ULONG_PTR KAFFINITY;
typedef UCHAR KIRQL, *PKIRQL;
typedef CCHAR KPROCESSOR_MODE;
typedef LONG KPRIORITY;
typedef ULONG DEVICE_TYPE;
typedef ULONG64 POOL_FLAGS;
typedef ULONG ACCESS_MASK;
typedef ULONG_PTR KSPIN_LOCK, *PKSPIN_LOCK;

typedef struct _UNICODE_STRING {
  USHORT Length;        /* bytes in use */
  USHORT MaximumLength; /* bytes of Buffer */
  PWCH Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef const UNICODE_STRING* PCUNICODE_STRING;

/* Modes: everything here is the kernel's own. */
typedef enum _MODE WDM_ENUM_BASE { KernelMode = 0, UserMode = 1, MaximumMode = 2 } MODE;

#define PASSIVE_LEVEL 0
#define APC_LEVEL 1
#define DISPATCH_LEVEL 2

#define STATUS_PENDING ((NTSTATUS)0x00000103)
#define STATUS_TIMEOUT ((NTSTATUS)0x00000102)
#define STATUS_INVALID_HANDLE ((NTSTATUS)0xC0000008)
#define STATUS_INVALID_DEVICE_REQUEST ((NTSTATUS)0xC0000010)
#define STATUS_MORE_PROCESSING_REQUIRED ((NTSTATUS)0xC0000016)
#define STATUS_NO_SUCH_DEVICE ((NTSTATUS)0xC000000E)
#define STATUS_OBJECT_TYPE_MISMATCH ((NTSTATUS)0xC0000024)
#define STATUS_DATA_ERROR ((NTSTATUS)0xC000003E)
#define STATUS_DEVICE_CONFIGURATION_ERROR ((NTSTATUS)0xC0000182)
#define STATUS_DEVICE_NOT_READY ((NTSTATUS)0xC00000A3)
#define STATUS_DELETE_PENDING ((NTSTATUS)0xC0000056)
#define STATUS_DEVICE_REMOVED ((NTSTATUS)0xC00002B6)

#define RtlZeroMemory(Destination, Length) memset((Destination), 0, (Length))
#define RtlFillMemory(Destination, Length, Fill) memset((Destination), (Fill), (Length))
#define RtlCopyMemory(Destination, Source, Length) memcpy((Destination), (Source), (Length))
#define RtlMoveMemory(Destination, Source, Length) memmove((Destination), (Source), (Length))
#define FIELD_OFFSET(type, field) ((LONG)offsetof(type, field))
#define CONTAINING_RECORD(address, type, field) ((type*)(PVOID)((PCHAR)(address)-offsetof(type, field)))

/* ---- Objects that threads wait for ------------------------------------------------------------------------------- */

typedef struct _DISPATCHER_HEADER {
  UCHAR Type;
  UCHAR Signalling;
  UCHAR Size;
  UCHAR Reserved1;
  LONG SignalState;
  LIST_ENTRY WaitListHead;
} DISPATCHER_HEADER;

/* A NotificationEvent stays signaled until it is cleared; a SynchronizationEvent lets one waiting thread go. */
typedef enum _EVENT_TYPE WDM_ENUM_BASE { NotificationEvent = 0, SynchronizationEvent = 1 } EVENT_TYPE;

typedef struct _KEVENT {
  DISPATCHER_HEADER Header;
} KEVENT, *PKEVENT, *PRKEVENT;

typedef enum _KWAIT_REASON WDM_ENUM_BASE { Executive = 0, DelayExecution = 4, UserRequest = 6 } KWAIT_REASON;
#define IO_NO_INCREMENT 0

NTKERNELAPI VOID KeInitializeEvent(_Out_ PRKEVENT Event, _In_ EVENT_TYPE Type, _In_ BOOLEAN State);
/* Both return the state before the call. Wait must be FALSE. */
NTKERNELAPI LONG KeSetEvent(_Inout_ PRKEVENT Event, _In_ KPRIORITY Increment, _In_ BOOLEAN Wait);
NTKERNELAPI LONG KeResetEvent(_Inout_ PRKEVENT Event);
NTKERNELAPI VOID KeClearEvent(_Inout_ PRKEVENT Event);
NTKERNELAPI LONG KeReadStateEvent(_In_ PRKEVENT Event);

/* Waits for an event or a thread object. Timeout in 100 ns: negative from now, positive on the clock of
 * KeQueryInterruptTime, zero: only looks, NULL: forever. STATUS_SUCCESS or STATUS_TIMEOUT. Passive level, except with a
 * zero timeout. */
NTKERNELAPI NTSTATUS KeWaitForSingleObject(_In_ PVOID Object, _In_ KWAIT_REASON WaitReason,
                                           _In_ KPROCESSOR_MODE WaitMode, _In_ BOOLEAN Alertable,
                                           _In_opt_ PLARGE_INTEGER Timeout);

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

typedef struct _KTHREAD *PKTHREAD, *PETHREAD;
typedef struct _OBJECT_ATTRIBUTES* POBJECT_ATTRIBUTES;
typedef struct _CLIENT_ID* PCLIENT_ID;
typedef struct _OBJECT_TYPE* POBJECT_TYPE;
typedef struct _OBJECT_HANDLE_INFORMATION* POBJECT_HANDLE_INFORMATION;

typedef VOID KSTART_ROUTINE(_In_ PVOID StartContext);
typedef KSTART_ROUTINE* PKSTART_ROUTINE;

#define SYNCHRONIZE 0x00100000
#define THREAD_ALL_ACCESS 0x001FFFFF

/* A thread of the modeled host. ObjectAttributes, ProcessHandle and ClientId must be NULL. The thread ends when its
 * routine returns or calls PsTerminateSystemThread. To wait for its end: ObReferenceObjectByHandle(...,
 * *PsThreadType, ...), KeWaitForSingleObject on the object, ObDereferenceObject; ZwClose gives the handle back. */
NTKERNELAPI NTSTATUS PsCreateSystemThread(_Out_ PHANDLE ThreadHandle, _In_ ULONG DesiredAccess,
                                          _In_opt_ POBJECT_ATTRIBUTES ObjectAttributes, _In_opt_ HANDLE ProcessHandle,
                                          _Out_opt_ PCLIENT_ID ClientId, _In_ PKSTART_ROUTINE StartRoutine,
                                          _In_opt_ PVOID StartContext);
/* Does not return in a thread of PsCreateSystemThread; STATUS_INVALID_PARAMETER elsewhere. */
NTKERNELAPI NTSTATUS PsTerminateSystemThread(_In_ NTSTATUS ExitStatus);
extern POBJECT_TYPE* PsThreadType;
NTKERNELAPI NTSTATUS ObReferenceObjectByHandle(_In_ HANDLE Handle, _In_ ACCESS_MASK DesiredAccess,
                                               _In_opt_ POBJECT_TYPE ObjectType, _In_ KPROCESSOR_MODE AccessMode,
                                               _Out_ PVOID* Object,
                                               _Out_opt_ POBJECT_HANDLE_INFORMATION HandleInformation);
NTKERNELAPI VOID ObfDereferenceObject(_In_ PVOID Object);
#define ObDereferenceObject(Object) ObfDereferenceObject(Object)
NTKERNELAPI NTSTATUS ZwClose(_In_ HANDLE Handle);

NTKERNELAPI KIRQL KeGetCurrentIrql(void);
/* Time of the calling thread; others go on. */
NTKERNELAPI VOID KeStallExecutionProcessor(_In_ ULONG MicroSeconds);
/* Interval in 100 ns, as Timeout above. Exact: there is no clock tick that it is rounded to. */
NTKERNELAPI NTSTATUS KeDelayExecutionThread(_In_ KPROCESSOR_MODE WaitMode, _In_ BOOLEAN Alertable,
                                            _In_ PLARGE_INTEGER Interval);
/* Simulated time since the start: in 100 ns, and in 1 ns (frequency 10^9 Hz). */
NTKERNELAPI ULONGLONG KeQueryInterruptTime(void);
NTKERNELAPI LARGE_INTEGER KeQueryPerformanceCounter(_Out_opt_ PLARGE_INTEGER PerformanceFrequency);

/* Spin locks: time passes until the lock is free. Not recursive; held for short only, and never across a wait. */
NTKERNELAPI VOID KeInitializeSpinLock(_Out_ PKSPIN_LOCK SpinLock);
NTKERNELAPI KIRQL KeAcquireSpinLockRaiseToDpc(_Inout_ PKSPIN_LOCK SpinLock);
NTKERNELAPI VOID KeReleaseSpinLock(_Inout_ PKSPIN_LOCK SpinLock, _In_ KIRQL NewIrql);
#define KeAcquireSpinLock(SpinLock, OldIrql) *(OldIrql) = KeAcquireSpinLockRaiseToDpc(SpinLock)

/* ---- Driver and device objects ----------------------------------------------------------------------------------- */

struct _DRIVER_OBJECT;
struct _IRP;

typedef NTSTATUS DRIVER_INITIALIZE(_In_ struct _DRIVER_OBJECT* DriverObject, _In_ PUNICODE_STRING RegistryPath);
typedef DRIVER_INITIALIZE* PDRIVER_INITIALIZE;
typedef NTSTATUS DRIVER_ADD_DEVICE(_In_ struct _DRIVER_OBJECT* DriverObject,
                                   _In_ struct _DEVICE_OBJECT* PhysicalDeviceObject);
typedef DRIVER_ADD_DEVICE* PDRIVER_ADD_DEVICE;
typedef VOID DRIVER_UNLOAD(_In_ struct _DRIVER_OBJECT* DriverObject);
typedef DRIVER_UNLOAD* PDRIVER_UNLOAD;
typedef NTSTATUS DRIVER_DISPATCH(_In_ struct _DEVICE_OBJECT* DeviceObject, _Inout_ struct _IRP* Irp);
typedef DRIVER_DISPATCH* PDRIVER_DISPATCH;

#define IRP_MJ_CREATE 0x00
#define IRP_MJ_CLOSE 0x02
#define IRP_MJ_DEVICE_CONTROL 0x0e
#define IRP_MJ_POWER 0x16
#define IRP_MJ_SYSTEM_CONTROL 0x17
#define IRP_MJ_PNP 0x1b
#define IRP_MJ_MAXIMUM_FUNCTION 0x1b

typedef struct _DRIVER_EXTENSION {
  struct _DRIVER_OBJECT* DriverObject;
  PDRIVER_ADD_DEVICE AddDevice;
  ULONG Count; /* calls of AddDevice */
  UNICODE_STRING ServiceKeyName;
} DRIVER_EXTENSION, *PDRIVER_EXTENSION;

/* One for each shared object, however many devices it drives: as on Windows. */
typedef struct _DRIVER_OBJECT {
  CSHORT Type;
  CSHORT Size;
  struct _DEVICE_OBJECT* DeviceObject; /* first of the driver's, linked by NextDevice */
  ULONG Flags;
  PVOID DriverStart;
  PDRIVER_EXTENSION DriverExtension;
  UNICODE_STRING DriverName;
  PDRIVER_INITIALIZE DriverInit;
  PDRIVER_UNLOAD DriverUnload;
  PDRIVER_DISPATCH MajorFunction[IRP_MJ_MAXIMUM_FUNCTION + 1];
} DRIVER_OBJECT, *PDRIVER_OBJECT;

struct _DEVICE_OBJECT {
  CSHORT Type;
  USHORT Size;
  LONG ReferenceCount;
  struct _DRIVER_OBJECT* DriverObject;
  struct _DEVICE_OBJECT* NextDevice;
  struct _DEVICE_OBJECT* AttachedDevice; /* the one above it in the stack */
  struct _IRP* CurrentIrp;
  ULONG Flags;
  ULONG Characteristics;
  PVOID DeviceExtension;
  DEVICE_TYPE DeviceType;
  CCHAR StackSize;
  ULONG AlignmentRequirement;
};

#define DO_BUFFERED_IO 0x00000004
#define DO_DIRECT_IO 0x00000010
#define DO_DEVICE_INITIALIZING 0x00000080
#define DO_POWER_PAGABLE 0x00002000
#define FILE_DEVICE_SECURE_OPEN 0x00000100
#define FILE_DEVICE_NETWORK 0x00000012
#define FILE_DEVICE_PHYSICAL_NETCARD 0x00000017
#define FILE_DEVICE_UNKNOWN 0x00000022

/* The extension is zeroed and lives as long as the device object. DeviceName must be NULL. */
NTKERNELAPI NTSTATUS IoCreateDevice(_In_ PDRIVER_OBJECT DriverObject, _In_ ULONG DeviceExtensionSize,
                                    _In_opt_ PUNICODE_STRING DeviceName, _In_ DEVICE_TYPE DeviceType,
                                    _In_ ULONG DeviceCharacteristics, _In_ BOOLEAN Exclusive,
                                    _Out_ PDEVICE_OBJECT* DeviceObject);
NTKERNELAPI VOID IoDeleteDevice(_In_ PDEVICE_OBJECT DeviceObject);
/* Returns the device object that SourceDevice now stands on, the top of TargetDevice's stack so far; NULL: not
 * attached. */
NTKERNELAPI PDEVICE_OBJECT IoAttachDeviceToDeviceStack(_In_ PDEVICE_OBJECT SourceDevice,
                                                       _In_ PDEVICE_OBJECT TargetDevice);
/* Takes away what is attached on top of TargetDevice. */
NTKERNELAPI VOID IoDetachDevice(_Inout_ PDEVICE_OBJECT TargetDevice);

/* ---- Hardware resources, as IRP_MN_START_DEVICE brings them ------------------------------------------------------ */

#define CmResourceTypeInterrupt 2
#define CmResourceTypeMemory 3
#define CM_RESOURCE_MEMORY_READ_WRITE 0x0000
#define CM_RESOURCE_INTERRUPT_LATCHED 0x0001
#define CM_RESOURCE_INTERRUPT_MESSAGE 0x0002

typedef enum _INTERFACE_TYPE WDM_ENUM_BASE { InterfaceTypeUndefined = -1, Internal = 0, PCIBus = 5 } INTERFACE_TYPE;

#pragma pack(push, 4)
typedef struct _CM_PARTIAL_RESOURCE_DESCRIPTOR {
  UCHAR Type;
  UCHAR ShareDisposition;
  USHORT Flags;
  union {
    struct {
      PHYSICAL_ADDRESS Start;
      ULONG Length;
    } Generic;
    struct {
      ULONG Level;
      ULONG Vector;
      KAFFINITY Affinity;
    } Interrupt;
    struct {
      WDM_UNNAMED union {
        struct {
          USHORT Reserved;
          USHORT MessageCount;
          ULONG Vector;
          KAFFINITY Affinity;
        } Raw;
        struct {
          ULONG Level;
          ULONG Vector;
          KAFFINITY Affinity;
        } Translated;
      } DUMMYUNIONNAME;
    } MessageInterrupt;
    struct {
      PHYSICAL_ADDRESS Start;
      ULONG Length;
    } Memory;
  } u;
} CM_PARTIAL_RESOURCE_DESCRIPTOR, *PCM_PARTIAL_RESOURCE_DESCRIPTOR;

typedef struct _CM_PARTIAL_RESOURCE_LIST {
  USHORT Version;
  USHORT Revision;
  ULONG Count;
  CM_PARTIAL_RESOURCE_DESCRIPTOR PartialDescriptors[1];
} CM_PARTIAL_RESOURCE_LIST, *PCM_PARTIAL_RESOURCE_LIST;

typedef struct _CM_FULL_RESOURCE_DESCRIPTOR {
  INTERFACE_TYPE InterfaceType;
  ULONG BusNumber;
  CM_PARTIAL_RESOURCE_LIST PartialResourceList;
} CM_FULL_RESOURCE_DESCRIPTOR, *PCM_FULL_RESOURCE_DESCRIPTOR;

typedef struct _CM_RESOURCE_LIST {
  ULONG Count;
  CM_FULL_RESOURCE_DESCRIPTOR List[1];
} CM_RESOURCE_LIST, *PCM_RESOURCE_LIST;
#pragma pack(pop)

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

#define IRP_MN_START_DEVICE 0x00
#define IRP_MN_QUERY_REMOVE_DEVICE 0x01
#define IRP_MN_REMOVE_DEVICE 0x02
#define IRP_MN_CANCEL_REMOVE_DEVICE 0x03
#define IRP_MN_STOP_DEVICE 0x04
#define IRP_MN_QUERY_STOP_DEVICE 0x05
#define IRP_MN_CANCEL_STOP_DEVICE 0x06
#define IRP_MN_QUERY_CAPABILITIES 0x09
#define IRP_MN_SURPRISE_REMOVAL 0x17

#define SL_PENDING_RETURNED 0x01
#define SL_INVOKE_ON_CANCEL 0x20
#define SL_INVOKE_ON_SUCCESS 0x40
#define SL_INVOKE_ON_ERROR 0x80

typedef struct _IO_STATUS_BLOCK {
  WDM_UNNAMED union {
    NTSTATUS Status;
    PVOID Pointer;
  } DUMMYUNIONNAME;
  ULONG_PTR Information;
} IO_STATUS_BLOCK, *PIO_STATUS_BLOCK;

typedef NTSTATUS IO_COMPLETION_ROUTINE(_In_ PDEVICE_OBJECT DeviceObject, _In_ struct _IRP* Irp, _In_opt_ PVOID Context);
typedef IO_COMPLETION_ROUTINE* PIO_COMPLETION_ROUTINE;

typedef struct _IO_STACK_LOCATION {
  UCHAR MajorFunction;
  UCHAR MinorFunction;
  UCHAR Flags;
  UCHAR Control;
  union {
    struct {
      PCM_RESOURCE_LIST AllocatedResources;
      PCM_RESOURCE_LIST AllocatedResourcesTranslated;
    } StartDevice;
    struct {
      PVOID Argument1;
      PVOID Argument2;
      PVOID Argument3;
      PVOID Argument4;
    } Others;
  } Parameters;
  PDEVICE_OBJECT DeviceObject;
  PIO_COMPLETION_ROUTINE CompletionRoutine;
  PVOID Context;
} IO_STACK_LOCATION, *PIO_STACK_LOCATION;

typedef struct _IRP {
  CSHORT Type;
  USHORT Size;
  PMDL MdlAddress;
  ULONG Flags;
  IO_STATUS_BLOCK IoStatus;
  KPROCESSOR_MODE RequestorMode;
  BOOLEAN PendingReturned;
  CHAR StackCount;
  CHAR CurrentLocation;
  BOOLEAN Cancel;
  union {
    struct {
      PIO_STACK_LOCATION CurrentStackLocation;
    } Overlay;
  } Tail;
} IRP, *PIRP;

FORCEINLINE PIO_STACK_LOCATION IoGetCurrentIrpStackLocation(_In_ PIRP Irp) {
  return Irp->Tail.Overlay.CurrentStackLocation;
}
FORCEINLINE PIO_STACK_LOCATION IoGetNextIrpStackLocation(_In_ PIRP Irp) {
  return Irp->Tail.Overlay.CurrentStackLocation - 1;
}
/* The next driver sees this driver's own location. */
FORCEINLINE VOID IoSkipCurrentIrpStackLocation(_Inout_ PIRP Irp) {
  ++Irp->CurrentLocation;
  ++Irp->Tail.Overlay.CurrentStackLocation;
}
FORCEINLINE VOID IoCopyCurrentIrpStackLocationToNext(_Inout_ PIRP Irp) {
  const PIO_STACK_LOCATION from = IoGetCurrentIrpStackLocation(Irp);
  const PIO_STACK_LOCATION to = IoGetNextIrpStackLocation(Irp);
  memcpy(to, from, offsetof(IO_STACK_LOCATION, CompletionRoutine));
  to->Control = 0;
}
FORCEINLINE VOID IoSetCompletionRoutine(_In_ PIRP Irp, _In_opt_ PIO_COMPLETION_ROUTINE CompletionRoutine,
                                        _In_opt_ PVOID Context, _In_ BOOLEAN InvokeOnSuccess,
                                        _In_ BOOLEAN InvokeOnError, _In_ BOOLEAN InvokeOnCancel) {
  const PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(Irp);
  next->CompletionRoutine = CompletionRoutine;
  next->Context = Context;
  next->Control = (UCHAR)((InvokeOnSuccess ? SL_INVOKE_ON_SUCCESS : 0) | (InvokeOnError ? SL_INVOKE_ON_ERROR : 0) |
                          (InvokeOnCancel ? SL_INVOKE_ON_CANCEL : 0));
}
FORCEINLINE VOID IoMarkIrpPending(_Inout_ PIRP Irp) {
  const PIO_STACK_LOCATION current = IoGetCurrentIrpStackLocation(Irp);
  current->Control = (UCHAR)(current->Control | SL_PENDING_RETURNED);
}

NTKERNELAPI NTSTATUS IofCallDriver(_In_ PDEVICE_OBJECT DeviceObject, _Inout_ PIRP Irp);
#define IoCallDriver(DeviceObject, Irp) IofCallDriver(DeviceObject, Irp)
NTKERNELAPI VOID IofCompleteRequest(_In_ PIRP Irp, _In_ CCHAR PriorityBoost);
#define IoCompleteRequest(Irp, PriorityBoost) IofCompleteRequest(Irp, PriorityBoost)
/* Copies the stack location, sends the request down and waits until the drivers below have completed it; the caller
 * completes it afterwards. FALSE: no stack location is left, nothing was sent. */
NTKERNELAPI BOOLEAN IoForwardIrpSynchronously(_In_ PDEVICE_OBJECT DeviceObject, _In_ PIRP Irp);

/* ---- Registers --------------------------------------------------------------------------------------------------- */

typedef enum _MEMORY_CACHING_TYPE WDM_ENUM_BASE {
  MmNonCached = 0,
  MmCached = 1,
  MmWriteCombined = 2
} MEMORY_CACHING_TYPE;

#define PAGE_READONLY 0x02
#define PAGE_READWRITE 0x04
#define PAGE_NOCACHE 0x200

/* For a range of device registers. The result serves READ_REGISTER_* and WRITE_REGISTER_* only. NULL: no such
 * registers. */
NTKERNELAPI PVOID MmMapIoSpace(_In_ PHYSICAL_ADDRESS PhysicalAddress, _In_ SIZE_T NumberOfBytes,
                               _In_ MEMORY_CACHING_TYPE CacheType);
/* Protect: PAGE_READWRITE or PAGE_READONLY, with PAGE_NOCACHE. */
NTKERNELAPI PVOID MmMapIoSpaceEx(_In_ PHYSICAL_ADDRESS PhysicalAddress, _In_ SIZE_T NumberOfBytes, _In_ ULONG Protect);
NTKERNELAPI VOID MmUnmapIoSpace(_In_ PVOID BaseAddress, _In_ SIZE_T NumberOfBytes);

/* Each is one transaction and takes its time. A device that does not answer reads as all ones. */
NTKERNELAPI UCHAR READ_REGISTER_UCHAR(_In_ volatile UCHAR* Register);
NTKERNELAPI USHORT READ_REGISTER_USHORT(_In_ volatile USHORT* Register);
NTKERNELAPI ULONG READ_REGISTER_ULONG(_In_ volatile ULONG* Register);
NTKERNELAPI ULONG64 READ_REGISTER_ULONG64(_In_ volatile ULONG64* Register);
NTKERNELAPI VOID WRITE_REGISTER_UCHAR(_In_ volatile UCHAR* Register, _In_ UCHAR Value);
NTKERNELAPI VOID WRITE_REGISTER_USHORT(_In_ volatile USHORT* Register, _In_ USHORT Value);
NTKERNELAPI VOID WRITE_REGISTER_ULONG(_In_ volatile ULONG* Register, _In_ ULONG Value);
NTKERNELAPI VOID WRITE_REGISTER_ULONG64(_In_ volatile ULONG64* Register, _In_ ULONG64 Value);

/* Orders accesses to memory that a device sees. Simulated memory is ordered anyway. */
#define KeMemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define InterlockedIncrement(Addend) __atomic_add_fetch((Addend), 1, __ATOMIC_SEQ_CST)
#define InterlockedDecrement(Addend) __atomic_sub_fetch((Addend), 1, __ATOMIC_SEQ_CST)
#define InterlockedExchange(Target, Value) __atomic_exchange_n((Target), (Value), __ATOMIC_SEQ_CST)

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

#define POOL_FLAG_UNINITIALIZED 0x0000000000000002ULL
#define POOL_FLAG_NON_PAGED 0x0000000000000040ULL
#define POOL_FLAG_PAGED 0x0000000000000100ULL

/* Zeroed unless POOL_FLAG_UNINITIALIZED. From PAGE_SIZE bytes on: whole pages of simulated memory, contiguous. NULL:
 * none left, no bytes, or a tag of 0. */
NTKERNELAPI PVOID ExAllocatePool2(_In_ POOL_FLAGS Flags, _In_ SIZE_T NumberOfBytes, _In_ ULONG Tag);
NTKERNELAPI VOID ExFreePoolWithTag(_In_ PVOID P, _In_ ULONG Tag);
NTKERNELAPI VOID ExFreePool(_In_ PVOID P);

/* Whole pages of simulated memory, contiguous and page-aligned; contents are arbitrary. NULL: none left. */
NTKERNELAPI PVOID MmAllocateContiguousMemory(_In_ SIZE_T NumberOfBytes, _In_ PHYSICAL_ADDRESS HighestAcceptableAddress);
NTKERNELAPI PVOID MmAllocateContiguousMemorySpecifyCache(_In_ SIZE_T NumberOfBytes,
                                                         _In_ PHYSICAL_ADDRESS LowestAcceptableAddress,
                                                         _In_ PHYSICAL_ADDRESS HighestAcceptableAddress,
                                                         _In_opt_ PHYSICAL_ADDRESS BoundaryAddressMultiple,
                                                         _In_ MEMORY_CACHING_TYPE CacheType);
NTKERNELAPI VOID MmFreeContiguousMemory(_In_ PVOID BaseAddress);
NTKERNELAPI VOID MmFreeContiguousMemorySpecifyCache(_In_ PVOID BaseAddress, _In_ SIZE_T NumberOfBytes,
                                                    _In_ MEMORY_CACHING_TYPE CacheType);
/* Zero, and reported, for an address that is not in simulated memory. */
NTKERNELAPI PHYSICAL_ADDRESS MmGetPhysicalAddress(_In_ PVOID BaseAddress);

/* SecondaryBuffer and ChargeQuota must be FALSE, Irp NULL. */
NTKERNELAPI PMDL IoAllocateMdl(_In_opt_ PVOID VirtualAddress, _In_ ULONG Length, _In_ BOOLEAN SecondaryBuffer,
                               _In_ BOOLEAN ChargeQuota, _Inout_opt_ PIRP Irp);
NTKERNELAPI VOID IoFreeMdl(_In_ PMDL Mdl);
/* Fills the page frame array of an MDL that describes simulated memory. */
NTKERNELAPI VOID MmBuildMdlForNonPagedPool(_Inout_ PMDL Mdl);

/* ---- Interrupts -------------------------------------------------------------------------------------------------- */

typedef struct _KINTERRUPT* PKINTERRUPT;
typedef enum _KINTERRUPT_MODE WDM_ENUM_BASE { LevelSensitive = 0, Latched = 1 } KINTERRUPT_MODE;
typedef enum _KINTERRUPT_POLARITY WDM_ENUM_BASE {
  InterruptPolarityUnknown = 0,
  InterruptActiveHigh = 1,
  InterruptActiveLow = 2
} KINTERRUPT_POLARITY;

/* Runs on the host's interrupt thread, above DISPATCH_LEVEL: reads and writes registers, queues a DPC, waits for
 * nothing. TRUE: the interrupt was this device's. */
typedef BOOLEAN KMESSAGE_SERVICE_ROUTINE(_In_ PKINTERRUPT Interrupt, _In_ PVOID ServiceContext, _In_ ULONG MessageID);
typedef KMESSAGE_SERVICE_ROUTINE* PKMESSAGE_SERVICE_ROUTINE;
typedef BOOLEAN KSERVICE_ROUTINE(_In_ PKINTERRUPT Interrupt, _In_ PVOID ServiceContext);
typedef KSERVICE_ROUTINE* PKSERVICE_ROUTINE;

typedef struct _IO_INTERRUPT_MESSAGE_INFO_ENTRY {
  PHYSICAL_ADDRESS MessageAddress; /* where the device writes ... */
  KAFFINITY TargetProcessorSet;
  PKINTERRUPT InterruptObject;
  ULONG MessageData; /* ... what */
  ULONG Vector;
  KIRQL Irql;
  KINTERRUPT_MODE Mode;
  KINTERRUPT_POLARITY Polarity;
} IO_INTERRUPT_MESSAGE_INFO_ENTRY, *PIO_INTERRUPT_MESSAGE_INFO_ENTRY;

typedef struct _IO_INTERRUPT_MESSAGE_INFO {
  KIRQL UnifiedIrql;
  ULONG MessageCount;
  IO_INTERRUPT_MESSAGE_INFO_ENTRY MessageInfo[1];
} IO_INTERRUPT_MESSAGE_INFO, *PIO_INTERRUPT_MESSAGE_INFO;

#define CONNECT_FULLY_SPECIFIED 0x1
#define CONNECT_LINE_BASED 0x2
#define CONNECT_MESSAGE_BASED 0x3

typedef struct _IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS {
  _In_ PDEVICE_OBJECT PhysicalDeviceObject;
  union {
    _Out_ PVOID* Generic;
    _Out_ PIO_INTERRUPT_MESSAGE_INFO* InterruptMessageTable;
    _Out_ PKINTERRUPT* InterruptObject;
  } ConnectionContext;
  _In_ PKMESSAGE_SERVICE_ROUTINE MessageServiceRoutine;
  _In_ PVOID ServiceContext;
  _In_opt_ PKSPIN_LOCK SpinLock;
  _In_opt_ KIRQL SynchronizeIrql;
  _In_ BOOLEAN FloatingSave;
  _In_opt_ PKSERVICE_ROUTINE FallBackServiceRoutine;
} IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS, *PIO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS;

typedef struct _IO_CONNECT_INTERRUPT_PARAMETERS {
  ULONG Version;
  WDM_UNNAMED union { IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS MessageBased; };
} IO_CONNECT_INTERRUPT_PARAMETERS, *PIO_CONNECT_INTERRUPT_PARAMETERS;

typedef struct _IO_DISCONNECT_INTERRUPT_PARAMETERS {
  _In_ ULONG Version;
  union {
    _In_ PVOID Generic;
    _In_ PKINTERRUPT InterruptObject;
    _In_ PIO_INTERRUPT_MESSAGE_INFO InterruptMessageTable;
  } ConnectionContext;
} IO_DISCONNECT_INTERRUPT_PARAMETERS, *PIO_DISCONNECT_INTERRUPT_PARAMETERS;

/* Version CONNECT_MESSAGE_BASED only; others answer STATUS_NOT_SUPPORTED. The table stays valid until the
 * disconnection; a device of this platform has its message registers in its own window, and its driver writes address
 * and data there. */
NTKERNELAPI NTSTATUS IoConnectInterruptEx(_Inout_ PIO_CONNECT_INTERRUPT_PARAMETERS Parameters);
/* Returns when a routine that runs has returned; none begins afterwards. */
NTKERNELAPI VOID IoDisconnectInterruptEx(_In_ PIO_DISCONNECT_INTERRUPT_PARAMETERS Parameters);

struct _KDPC;
typedef VOID KDEFERRED_ROUTINE(_In_ struct _KDPC* Dpc, _In_opt_ PVOID DeferredContext, _In_opt_ PVOID SystemArgument1,
                               _In_opt_ PVOID SystemArgument2);
typedef KDEFERRED_ROUTINE* PKDEFERRED_ROUTINE;

typedef struct _KDPC {
  PKDEFERRED_ROUTINE DeferredRoutine;
  PVOID DeferredContext;
  PVOID SystemArgument1;
  PVOID SystemArgument2;
  BOOLEAN Queued;
} KDPC, *PKDPC, *PRKDPC;

/* DPCs run one at a time, in the order of queueing, on a host thread at DISPATCH_LEVEL. */
NTKERNELAPI VOID KeInitializeDpc(_Out_ PRKDPC Dpc, _In_ PKDEFERRED_ROUTINE DeferredRoutine,
                                 _In_opt_ PVOID DeferredContext);
/* FALSE: it is queued already. */
NTKERNELAPI BOOLEAN KeInsertQueueDpc(_Inout_ PRKDPC Dpc, _In_opt_ PVOID SystemArgument1,
                                     _In_opt_ PVOID SystemArgument2);
/* TRUE: it was queued and is no longer. */
NTKERNELAPI BOOLEAN KeRemoveQueueDpc(_Inout_ PRKDPC Dpc);
/* Waits until all DPCs queued before have run. */
NTKERNELAPI VOID KeFlushQueuedDpcs(void);

/* ---- Messages ---------------------------------------------------------------------------------------------------- */

/* A note among the run's diagnostics, without its line end. %d %i %u %x %X %o %c %s %p with h, l, ll, I64; %wZ for a
 * PUNICODE_STRING, %ws for UTF-16. l means 32 bits, as on Windows. */
NTKERNELAPI ULONG DbgPrint(_In_ PCSTR Format, ...);
NTKERNELAPI ULONG DbgPrintEx(_In_ ULONG ComponentId, _In_ ULONG Level, _In_ PCSTR Format, ...);
#define DPFLTR_IHVDRIVER_ID 77
#define DPFLTR_ERROR_LEVEL 0
#define DPFLTR_WARNING_LEVEL 1
#define DPFLTR_TRACE_LEVEL 2
#define DPFLTR_INFO_LEVEL 3
#define KdPrint(_x_) DbgPrint _x_

#ifdef __cplusplus
}
#endif

#endif
