// Each function finds its machine by the running host thread, and hands over to that machine's kernel. Outside of any
// host thread (in constructors of a shared object, for instance) they fail or do nothing.
#include "platform/driver_lab/exports.h"

#include <cstdarg>

#include "platform/driver_lab/debug_print.h"
#include "platform/driver_lab/kernel.h"

using iommu::platform::lab::DriverImage;
using iommu::platform::lab::Kernel;
using iommu::platform::lab::ThreadServices;

namespace {

namespace core = iommu::core;

/// The kernel, and whose code has called.
struct Call {
  explicit Call(const void* caller)
      : kernel(Kernel::current()), image(kernel == nullptr ? nullptr : kernel->image_of(caller)) {}
  explicit operator bool() const { return kernel != nullptr; }
  Kernel* operator->() const { return kernel; }
  Kernel* kernel;
  DriverImage* image;
};

template <class T>
T read_register(const char* function, const volatile T* address, const Call& call) {
  T value = static_cast<T>(~T{0});
  if (!call) return value;
  const auto at = call->memory.register_at(function, address, sizeof(T), call.image);
  return at ? call->machine.host->read<T>(*at) : value;
}

template <class T>
void write_register(const char* function, const volatile T* address, T value, const Call& call) {
  if (!call) return;
  const auto at = call->memory.register_at(function, address, sizeof(T), call.image);
  if (at) call->machine.host->write<T>(*at, value);
}

PVOID allocate_contiguous(SIZE_T bytes, PHYSICAL_ADDRESS lowest, PHYSICAL_ADDRESS highest, PHYSICAL_ADDRESS boundary,
                          const Call& call) {
  const auto address = [](PHYSICAL_ADDRESS value) { return static_cast<core::Address>(value.QuadPart); };
  if (!call || highest.QuadPart == 0) return nullptr;
  return call->memory.allocate_contiguous(bytes, address(lowest), address(highest), address(boundary), call.image);
}

ULONG print(const char* format, std::va_list arguments, const Call& call) {
  if (!call || format == nullptr) return static_cast<ULONG>(STATUS_UNSUCCESSFUL);
  const std::string text = iommu::platform::lab::format_message(format, arguments);
  if (!text.empty()) call->report(iommu::api::Severity::Note, "DbgPrint", call.image, text);
  return static_cast<ULONG>(STATUS_SUCCESS);
}

}  // namespace

#define CALLER Call(__builtin_return_address(0))

extern "C" {

// ---- Events and waiting.

VOID KeInitializeEvent(PRKEVENT Event, EVENT_TYPE Type, BOOLEAN State) {
  ThreadServices::initialize_event(Event, Type, State != FALSE);
}

LONG KeSetEvent(PRKEVENT Event, KPRIORITY, BOOLEAN) {
  const Call call = CALLER;
  return call ? call->threads.set_event("KeSetEvent", Event, true, call.image) : 0;
}

LONG KeResetEvent(PRKEVENT Event) {
  const Call call = CALLER;
  return call ? call->threads.set_event("KeResetEvent", Event, false, call.image) : 0;
}

VOID KeClearEvent(PRKEVENT Event) {
  const Call call = CALLER;
  if (call) call->threads.set_event("KeClearEvent", Event, false, call.image);
}

LONG KeReadStateEvent(PRKEVENT Event) { return Event->Header.SignalState; }

NTSTATUS KeWaitForSingleObject(PVOID Object, KWAIT_REASON, KPROCESSOR_MODE, BOOLEAN, PLARGE_INTEGER Timeout) {
  const Call call = CALLER;
  return call ? call->threads.wait_for(Object, Timeout, call.image) : STATUS_UNSUCCESSFUL;
}

// ---- Threads.

struct _OBJECT_TYPE {
  int unused;
};
static struct _OBJECT_TYPE thread_type = {0};
static POBJECT_TYPE thread_type_pointer = &thread_type;
POBJECT_TYPE* PsThreadType = &thread_type_pointer;

NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG, POBJECT_ATTRIBUTES ObjectAttributes, HANDLE ProcessHandle,
                              PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine, PVOID StartContext) {
  const Call call = CALLER;
  if (!call) return STATUS_UNSUCCESSFUL;
  if (ThreadHandle == nullptr || StartRoutine == nullptr) return STATUS_INVALID_PARAMETER;
  if (ObjectAttributes != nullptr || ProcessHandle != nullptr || ClientId != nullptr) return STATUS_NOT_SUPPORTED;
  return call->threads.create_thread(ThreadHandle, StartRoutine, StartContext, call.image);
}

NTSTATUS PsTerminateSystemThread(NTSTATUS) {
  const Call call = CALLER;
  return call ? call->threads.terminate_thread() : STATUS_INVALID_PARAMETER;
}

NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK, POBJECT_TYPE ObjectType, KPROCESSOR_MODE, PVOID* Object,
                                   POBJECT_HANDLE_INFORMATION) {
  const Call call = CALLER;
  if (!call || Object == nullptr) return STATUS_INVALID_PARAMETER;
  return call->threads.reference(Handle, ObjectType, Object);
}

VOID ObfDereferenceObject(PVOID Object) {
  const Call call = CALLER;
  if (call) call->threads.dereference(Object, call.image);
}

NTSTATUS ZwClose(HANDLE Handle) {
  const Call call = CALLER;
  return call ? call->threads.close(Handle) : STATUS_INVALID_HANDLE;
}

KIRQL KeGetCurrentIrql(void) {
  const Call call = CALLER;
  return call ? call->threads.irql() : KIRQL{PASSIVE_LEVEL};
}

// ---- Time.

VOID KeStallExecutionProcessor(ULONG MicroSeconds) {
  const Call call = CALLER;
  if (call && MicroSeconds != 0) call->machine.host->delay(core::Tick{MicroSeconds} * 1'000'000);
}

NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE, BOOLEAN, PLARGE_INTEGER Interval) {
  const Call call = CALLER;
  if (!call || Interval == nullptr) return STATUS_INVALID_PARAMETER;
  call->threads.delay(*Interval, call.image);
  return STATUS_SUCCESS;
}

ULONGLONG KeQueryInterruptTime(void) {
  const Call call = CALLER;
  return call ? call->machine.host->now() / 100'000 : 0;
}

LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER PerformanceFrequency) {
  const Call call = CALLER;
  if (PerformanceFrequency != nullptr) PerformanceFrequency->QuadPart = 1'000'000'000;
  LARGE_INTEGER counter{};
  if (call) counter.QuadPart = static_cast<LONGLONG>(call->machine.host->now() / 1000);
  return counter;
}

// ---- Spin locks.

VOID KeInitializeSpinLock(PKSPIN_LOCK SpinLock) { *SpinLock = 0; }

KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock) {
  const Call call = CALLER;
  if (!call) return PASSIVE_LEVEL;
  call->threads.acquire(SpinLock);
  return call->threads.raise(DISPATCH_LEVEL);
}

VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql) {
  const Call call = CALLER;
  if (!call) return;
  call->threads.lower(NewIrql);
  call->threads.release(SpinLock, call.image);
}

// ---- Deferred procedure calls.

VOID KeInitializeDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext) {
  *Dpc = KDPC{};
  Dpc->DeferredRoutine = DeferredRoutine;
  Dpc->DeferredContext = DeferredContext;
}

BOOLEAN KeInsertQueueDpc(PRKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2) {
  const Call call = CALLER;
  return call && call->threads.queue_dpc(Dpc, SystemArgument1, SystemArgument2) ? TRUE : FALSE;
}

BOOLEAN KeRemoveQueueDpc(PRKDPC Dpc) {
  const Call call = CALLER;
  return call && call->threads.remove_dpc(Dpc) ? TRUE : FALSE;
}

VOID KeFlushQueuedDpcs(void) {
  const Call call = CALLER;
  if (call) call->threads.flush_dpcs();
}

// ---- Device objects and requests.

NTSTATUS IoCreateDevice(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize, PUNICODE_STRING DeviceName,
                        DEVICE_TYPE DeviceType, ULONG DeviceCharacteristics, BOOLEAN, PDEVICE_OBJECT* DeviceObject) {
  const Call call = CALLER;
  if (!call) return STATUS_UNSUCCESSFUL;
  if (DeviceName != nullptr) return STATUS_NOT_SUPPORTED;
  return call->devices.create(DriverObject, DeviceExtensionSize, DeviceType, DeviceCharacteristics, DeviceObject,
                              call.image);
}

VOID IoDeleteDevice(PDEVICE_OBJECT DeviceObject) {
  const Call call = CALLER;
  if (call) call->devices.destroy(DeviceObject, call.image);
}

PDEVICE_OBJECT IoAttachDeviceToDeviceStack(PDEVICE_OBJECT SourceDevice, PDEVICE_OBJECT TargetDevice) {
  const Call call = CALLER;
  return call ? call->devices.attach(SourceDevice, TargetDevice) : nullptr;
}

VOID IoDetachDevice(PDEVICE_OBJECT TargetDevice) {
  const Call call = CALLER;
  if (call) call->devices.detach(TargetDevice, call.image);
}

NTSTATUS IofCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp) {
  const Call call = CALLER;
  return call ? call->devices.call(DeviceObject, Irp, call.image) : STATUS_UNSUCCESSFUL;
}

VOID IofCompleteRequest(PIRP Irp, CCHAR) {
  const Call call = CALLER;
  if (call) call->devices.complete(Irp, call.image);
}

BOOLEAN IoForwardIrpSynchronously(PDEVICE_OBJECT DeviceObject, PIRP Irp) {
  const Call call = CALLER;
  return call && call->devices.forward_and_wait(DeviceObject, Irp, call.image) ? TRUE : FALSE;
}

// ---- Registers.

PVOID MmMapIoSpace(PHYSICAL_ADDRESS PhysicalAddress, SIZE_T NumberOfBytes, MEMORY_CACHING_TYPE) {
  const Call call = CALLER;
  if (!call) return nullptr;
  return call->memory.map_registers("MmMapIoSpace", static_cast<core::Address>(PhysicalAddress.QuadPart), NumberOfBytes,
                                    call.image);
}

PVOID MmMapIoSpaceEx(PHYSICAL_ADDRESS PhysicalAddress, SIZE_T NumberOfBytes, ULONG) {
  const Call call = CALLER;
  if (!call) return nullptr;
  return call->memory.map_registers("MmMapIoSpaceEx", static_cast<core::Address>(PhysicalAddress.QuadPart),
                                    NumberOfBytes, call.image);
}

VOID MmUnmapIoSpace(PVOID BaseAddress, SIZE_T NumberOfBytes) {
  const Call call = CALLER;
  if (call) call->memory.unmap_registers(BaseAddress, NumberOfBytes, call.image);
}

UCHAR READ_REGISTER_UCHAR(volatile UCHAR* Register) { return read_register(__func__, Register, CALLER); }
USHORT READ_REGISTER_USHORT(volatile USHORT* Register) { return read_register(__func__, Register, CALLER); }
ULONG READ_REGISTER_ULONG(volatile ULONG* Register) { return read_register(__func__, Register, CALLER); }
ULONG64 READ_REGISTER_ULONG64(volatile ULONG64* Register) { return read_register(__func__, Register, CALLER); }
VOID WRITE_REGISTER_UCHAR(volatile UCHAR* Register, UCHAR Value) { write_register(__func__, Register, Value, CALLER); }
VOID WRITE_REGISTER_USHORT(volatile USHORT* Register, USHORT Value) {
  write_register(__func__, Register, Value, CALLER);
}
VOID WRITE_REGISTER_ULONG(volatile ULONG* Register, ULONG Value) { write_register(__func__, Register, Value, CALLER); }
VOID WRITE_REGISTER_ULONG64(volatile ULONG64* Register, ULONG64 Value) {
  write_register(__func__, Register, Value, CALLER);
}

// ---- Memory.

PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag) {
  const Call call = CALLER;
  return call ? call->memory.allocate_pool(Flags, NumberOfBytes, Tag, call.image) : nullptr;
}

VOID ExFreePoolWithTag(PVOID P, ULONG Tag) {
  const Call call = CALLER;
  if (call) call->memory.free_pool("ExFreePoolWithTag", P, Tag, call.image);
}

VOID ExFreePool(PVOID P) {
  const Call call = CALLER;
  if (call) call->memory.free_pool("ExFreePool", P, 0, call.image);
}

PVOID MmAllocateContiguousMemory(SIZE_T NumberOfBytes, PHYSICAL_ADDRESS HighestAcceptableAddress) {
  return allocate_contiguous(NumberOfBytes, PHYSICAL_ADDRESS{}, HighestAcceptableAddress, PHYSICAL_ADDRESS{}, CALLER);
}

PVOID MmAllocateContiguousMemorySpecifyCache(SIZE_T NumberOfBytes, PHYSICAL_ADDRESS LowestAcceptableAddress,
                                             PHYSICAL_ADDRESS HighestAcceptableAddress,
                                             PHYSICAL_ADDRESS BoundaryAddressMultiple, MEMORY_CACHING_TYPE) {
  return allocate_contiguous(NumberOfBytes, LowestAcceptableAddress, HighestAcceptableAddress, BoundaryAddressMultiple,
                             CALLER);
}

VOID MmFreeContiguousMemory(PVOID BaseAddress) {
  const Call call = CALLER;
  if (call) call->memory.free_contiguous("MmFreeContiguousMemory", BaseAddress, call.image);
}

VOID MmFreeContiguousMemorySpecifyCache(PVOID BaseAddress, SIZE_T, MEMORY_CACHING_TYPE) {
  const Call call = CALLER;
  if (call) call->memory.free_contiguous("MmFreeContiguousMemorySpecifyCache", BaseAddress, call.image);
}

PHYSICAL_ADDRESS MmGetPhysicalAddress(PVOID BaseAddress) {
  const Call call = CALLER;
  PHYSICAL_ADDRESS result{};
  if (!call) return result;
  if (const auto physical = call->memory.physical_of(BaseAddress)) {
    result.QuadPart = static_cast<LONGLONG>(*physical);
  } else {
    call->report_once(iommu::api::Severity::Warning, "MmGetPhysicalAddress", call.image,
                      "is called for memory without a physical address");
  }
  return result;
}

PMDL IoAllocateMdl(PVOID VirtualAddress, ULONG Length, BOOLEAN SecondaryBuffer, BOOLEAN ChargeQuota, PIRP Irp) {
  const Call call = CALLER;
  if (!call || SecondaryBuffer != FALSE || ChargeQuota != FALSE || Irp != nullptr) return nullptr;
  return call->memory.allocate_mdl(VirtualAddress, Length, call.image);
}

VOID IoFreeMdl(PMDL Mdl) {
  const Call call = CALLER;
  if (call) call->memory.free_mdl(Mdl, call.image);
}

VOID MmBuildMdlForNonPagedPool(PMDL Mdl) {
  const Call call = CALLER;
  if (call) call->memory.build_mdl(Mdl, call.image);
}

// ---- Interrupts.

NTSTATUS IoConnectInterruptEx(PIO_CONNECT_INTERRUPT_PARAMETERS Parameters) {
  const Call call = CALLER;
  if (!call || Parameters == nullptr) return STATUS_INVALID_PARAMETER;
  return call->interrupts.connect(*Parameters, call.image);
}

VOID IoDisconnectInterruptEx(PIO_DISCONNECT_INTERRUPT_PARAMETERS Parameters) {
  const Call call = CALLER;
  if (call && Parameters != nullptr) call->interrupts.disconnect(*Parameters, call.image);
}

// ---- Messages.

ULONG DbgPrint(PCSTR Format, ...) {
  const Call call = CALLER;
  std::va_list arguments;
  va_start(arguments, Format);
  const ULONG status = print(Format, arguments, call);
  va_end(arguments);
  return status;
}

ULONG DbgPrintEx(ULONG, ULONG, PCSTR Format, ...) {
  const Call call = CALLER;
  std::va_list arguments;
  va_start(arguments, Format);
  const ULONG status = print(Format, arguments, call);
  va_end(arguments);
  return status;
}

}  // extern "C"

namespace iommu::platform::lab {

namespace {

template <class... Functions>
std::size_t count(Functions... functions) {
  // Through volatile, so that nothing is optimised away.
  const volatile void* volatile kept = nullptr;
  ((kept = reinterpret_cast<const volatile void*>(functions)), ...);
  return kept == nullptr ? 0 : sizeof...(functions);
}

}  // namespace

std::size_t keep_exports() {
  // The interface itself stands in another library; everything above is kept with this function.
  return count(&IoGetIommuInterface, &IoGetIommuInterfaceEx);
}

}  // namespace iommu::platform::lab
