#include "platform/driver_lab/device_services.h"

#include <algorithm>
#include <cstring>

#include "platform/driver_lab/kernel.h"

namespace iommu::platform::lab {

namespace {

constexpr CSHORT kDeviceType = 3;
constexpr CSHORT kIrpType = 6;
constexpr CHAR kMostLocations = 16;

std::string minor_name(UCHAR minor) {
  switch (minor) {
    case IRP_MN_START_DEVICE:
      return "IRP_MN_START_DEVICE";
    case IRP_MN_QUERY_REMOVE_DEVICE:
      return "IRP_MN_QUERY_REMOVE_DEVICE";
    case IRP_MN_REMOVE_DEVICE:
      return "IRP_MN_REMOVE_DEVICE";
    case IRP_MN_SURPRISE_REMOVAL:
      return "IRP_MN_SURPRISE_REMOVAL";
    default:
      return "IRP_MJ_PNP, minor function " + std::to_string(minor);
  }
}

}  // namespace

struct DeviceServices::Device {
  DEVICE_OBJECT object{};
  std::vector<std::uint64_t> extension;  // aligned for everything: operator new's alignment
  DriverImage* image = nullptr;
};

struct DeviceServices::Request {
  IRP irp{};
  std::vector<IO_STACK_LOCATION> locations;  // the topmost driver's is the last
  bool completed = false;
};

DeviceServices::DeviceServices(Kernel& kernel) : kernel_(kernel) {
  for (PDRIVER_DISPATCH& dispatch : bus_driver_.MajorFunction) dispatch = &DeviceServices::refuse;
  bus_driver_.MajorFunction[IRP_MJ_PNP] = &DeviceServices::serve_bus;
}

DeviceServices::~DeviceServices() = default;

void DeviceServices::prepare(DriverImage& image) {
  for (PDRIVER_DISPATCH& dispatch : image.object.MajorFunction) dispatch = &DeviceServices::refuse;
}

NTSTATUS DeviceServices::refuse(PDEVICE_OBJECT, PIRP irp) {
  irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
  IoCompleteRequest(irp, IO_NO_INCREMENT);
  return STATUS_INVALID_DEVICE_REQUEST;
}

/// The bus has nothing to do for a device that is always powered; what it doesn't know it leaves as it came.
NTSTATUS DeviceServices::serve_bus(PDEVICE_OBJECT, PIRP irp) {
  switch (IoGetCurrentIrpStackLocation(irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
    case IRP_MN_REMOVE_DEVICE:
      irp->IoStatus.Status = STATUS_SUCCESS;
      break;
    default:
      break;
  }
  const NTSTATUS status = irp->IoStatus.Status;
  IoCompleteRequest(irp, IO_NO_INCREMENT);
  return status;
}

// ---- Device objects.

PDEVICE_OBJECT DeviceServices::enumerate(std::size_t index) {
  const PDEVICE_OBJECT pdo = kernel_.machine.pdo(index);
  pdo->Type = kDeviceType;
  pdo->Size = sizeof *pdo;
  pdo->DriverObject = &bus_driver_;
  pdo->StackSize = 1;
  return pdo;
}

std::optional<std::size_t> DeviceServices::device_index(const DEVICE_OBJECT* pdo) const {
  for (std::size_t i = 0; i < kernel_.machine.devices.size(); ++i) {
    if (kernel_.machine.pdo(i) == pdo) return i;
  }
  return std::nullopt;
}

NTSTATUS DeviceServices::create(PDRIVER_OBJECT driver, ULONG extension_bytes, DEVICE_TYPE type, ULONG characteristics,
                                PDEVICE_OBJECT* device, DriverImage* image) {
  if (driver == nullptr || device == nullptr) return STATUS_INVALID_PARAMETER;
  auto made = std::make_unique<Device>();
  made->image = image;
  made->extension.resize((extension_bytes + 7) / 8);
  DEVICE_OBJECT& object = made->object;
  object.Type = kDeviceType;
  object.Size = static_cast<USHORT>(sizeof object + extension_bytes);
  object.DriverObject = driver;
  object.NextDevice = driver->DeviceObject;
  object.Flags = DO_DEVICE_INITIALIZING;
  object.Characteristics = characteristics;
  object.DeviceExtension = extension_bytes == 0 ? nullptr : made->extension.data();
  object.DeviceType = type;
  object.StackSize = 1;
  driver->DeviceObject = &object;
  *device = &object;
  devices_.push_back(std::move(made));
  return STATUS_SUCCESS;
}

void DeviceServices::destroy(PDEVICE_OBJECT device, DriverImage* image) {
  const auto found =
      std::find_if(devices_.begin(), devices_.end(), [&](const auto& one) { return &one->object == device; });
  if (found == devices_.end()) {
    kernel_.report(api::Severity::Warning, "IoDeleteDevice", image,
                   "is called for a device object that IoCreateDevice didn't make, or that is deleted already");
    return;
  }
  for (PDEVICE_OBJECT* link = &device->DriverObject->DeviceObject; *link != nullptr; link = &(*link)->NextDevice) {
    if (*link != device) continue;
    *link = device->NextDevice;
    break;
  }
  const auto release_below = [&](DEVICE_OBJECT& below) {
    if (below.AttachedDevice != device) return;
    kernel_.report(api::Severity::Warning, "IoDeleteDevice", image, "is called for a device object that is attached");
    below.AttachedDevice = nullptr;
  };
  for (const auto& other : devices_) release_below(other->object);
  for (std::size_t i = 0; i < kernel_.machine.devices.size(); ++i) release_below(*kernel_.machine.pdo(i));
  devices_.erase(found);
}

PDEVICE_OBJECT DeviceServices::attach(PDEVICE_OBJECT source, PDEVICE_OBJECT target) {
  if (source == nullptr || target == nullptr) return nullptr;
  PDEVICE_OBJECT top = target;
  while (top->AttachedDevice != nullptr) top = top->AttachedDevice;
  if (top == source || top->StackSize >= kMostLocations) return nullptr;
  top->AttachedDevice = source;
  source->StackSize = static_cast<CCHAR>(top->StackSize + 1);
  return top;
}

void DeviceServices::detach(PDEVICE_OBJECT target, DriverImage* image) {
  if (target->AttachedDevice == nullptr) {
    kernel_.report(api::Severity::Warning, "IoDetachDevice", image, "finds nothing attached");
  }
  target->AttachedDevice = nullptr;
}

std::string DeviceServices::leaks(const DriverImage& image) const {
  const auto count =
      std::count_if(devices_.begin(), devices_.end(), [&](const auto& device) { return device->image == &image; });
  return count == 0 ? "" : std::to_string(count) + (count == 1 ? " device object" : " device objects");
}

// ---- Requests.

NTSTATUS DeviceServices::call(PDEVICE_OBJECT device, PIRP irp, DriverImage* image) {
  if (irp->CurrentLocation <= 1) {
    kernel_.report(api::Severity::Warning, "IoCallDriver", image, "finds no stack location left in the request");
    return STATUS_INVALID_DEVICE_REQUEST;
  }
  --irp->CurrentLocation;
  --irp->Tail.Overlay.CurrentStackLocation;
  const PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
  location->DeviceObject = device;
  return device->DriverObject->MajorFunction[location->MajorFunction](device, irp);
}

void DeviceServices::complete(PIRP irp, DriverImage* image) {
  const auto found =
      std::find_if(requests_.begin(), requests_.end(), [&](const Request* request) { return &request->irp == irp; });
  if (found == requests_.end() || (*found)->completed) {
    kernel_.report(api::Severity::Warning, "IoCompleteRequest", image,
                   "is called for a request that is completed already");
    return;
  }
  Request& request = **found;
  while (irp->CurrentLocation <= irp->StackCount) {
    const IO_STACK_LOCATION location = *IoGetCurrentIrpStackLocation(irp);
    IoGetCurrentIrpStackLocation(irp)->CompletionRoutine = nullptr;
    IoGetCurrentIrpStackLocation(irp)->Control = 0;
    ++irp->CurrentLocation;
    ++irp->Tail.Overlay.CurrentStackLocation;
    const bool top = irp->CurrentLocation > irp->StackCount;
    irp->PendingReturned = (location.Control & SL_PENDING_RETURNED) != 0 ? TRUE : FALSE;
    const UCHAR wanted = NT_SUCCESS(irp->IoStatus.Status) ? SL_INVOKE_ON_SUCCESS : SL_INVOKE_ON_ERROR;
    if (location.CompletionRoutine == nullptr || (location.Control & wanted) == 0) {
      if (irp->PendingReturned != FALSE && !top) IoMarkIrpPending(irp);
      continue;
    }
    const PDEVICE_OBJECT owner = top ? nullptr : IoGetCurrentIrpStackLocation(irp)->DeviceObject;
    if (location.CompletionRoutine(owner, irp, location.Context) == STATUS_MORE_PROCESSING_REQUIRED) return;
  }
  request.completed = true;
  completed_.notify(sc_core::SC_ZERO_TIME);
}

namespace {

NTSTATUS signal_and_keep(PDEVICE_OBJECT, PIRP, PVOID context) {
  KeSetEvent(static_cast<PKEVENT>(context), IO_NO_INCREMENT, FALSE);
  return STATUS_MORE_PROCESSING_REQUIRED;
}

}  // namespace

bool DeviceServices::forward_and_wait(PDEVICE_OBJECT device, PIRP irp, DriverImage* image) {
  if (irp->CurrentLocation <= 1) return false;
  KEVENT done;
  ThreadServices::initialize_event(&done, NotificationEvent, false);
  IoCopyCurrentIrpStackLocationToNext(irp);
  IoSetCompletionRoutine(irp, &signal_and_keep, &done, TRUE, TRUE, TRUE);
  call(device, irp, image);
  kernel_.threads.wait_for(&done, nullptr, image);
  return true;
}

NTSTATUS DeviceServices::send_pnp(PDEVICE_OBJECT pdo, UCHAR minor, PCM_RESOURCE_LIST resources) {
  PDEVICE_OBJECT top = pdo;
  while (top->AttachedDevice != nullptr) top = top->AttachedDevice;
  DriverImage* image = kernel_.image_of(reinterpret_cast<const void*>(top->DriverObject->MajorFunction[IRP_MJ_PNP]));

  Request request;
  request.locations.resize(static_cast<std::size_t>(top->StackSize));
  IRP& irp = request.irp;
  irp.Type = kIrpType;
  irp.Size = sizeof irp;
  irp.IoStatus.Status = STATUS_NOT_SUPPORTED;
  irp.StackCount = top->StackSize;
  irp.CurrentLocation = static_cast<CHAR>(irp.StackCount + 1);
  irp.Tail.Overlay.CurrentStackLocation = request.locations.data() + request.locations.size();
  IO_STACK_LOCATION& first = *IoGetNextIrpStackLocation(&irp);
  first.MajorFunction = IRP_MJ_PNP;
  first.MinorFunction = minor;
  first.Parameters.StartDevice.AllocatedResources = resources;
  first.Parameters.StartDevice.AllocatedResourcesTranslated = resources;

  requests_.push_back(&request);
  const NTSTATUS returned = call(top, &irp, image);
  if (!request.completed && returned != STATUS_PENDING) {
    kernel_.report(api::Severity::Warning, "IRP_MJ_PNP", image,
                   "returned from " + minor_name(minor) + " without completing it or STATUS_PENDING");
    request.completed = true;
  }
  while (!request.completed) sc_core::wait(completed_);
  requests_.erase(std::find(requests_.begin(), requests_.end(), &request));
  return irp.IoStatus.Status;
}

}  // namespace iommu::platform::lab
