#include "platform/driver_lab/kernel.h"

#include "platform/driver_lab/exports.h"

namespace iommu::platform::lab {

Kernel::Kernel(Machine& the_machine)
    : machine(the_machine), memory(*this), threads(*this), interrupts(*this), devices(*this) {
  keep_exports();
  machine.host->kernel = this;
}

Kernel::~Kernel() { machine.host->kernel = nullptr; }

Kernel* Kernel::current() {
  auto* host = dynamic_cast<PlatformHost*>(sim::Host::current());
  return host == nullptr ? nullptr : host->kernel;
}

DriverImage& Kernel::load(const std::filesystem::path& file) {
  const std::filesystem::path canonical = std::filesystem::canonical(file);
  for (const auto& image : images_) {
    if (image->file() == canonical) return *image;
  }
  images_.push_back(std::make_unique<DriverImage>(canonical));
  devices.prepare(*images_.back());
  return *images_.back();
}

DriverImage* Kernel::image_of(const void* code) const {
  for (const auto& image : images_) {
    if (image->contains(code)) return image.get();
  }
  return nullptr;
}

void Kernel::report(api::Severity severity, const char* function, const DriverImage* image,
                    const std::string& message) {
  machine.diagnostics.push_back({severity, function, image == nullptr ? "" : "driver " + image->name(), message});
}

void Kernel::report_once(api::Severity severity, const char* function, const DriverImage* image,
                         const std::string& message) {
  const std::string key = std::string(function) + '\n' + (image == nullptr ? "" : image->name()) + '\n' + message;
  if (reported_.insert(key).second) report(severity, function, image, message);
}

void Kernel::report_leaks(DriverImage& image) {
  for (const std::string& leak :
       {devices.leaks(image), memory.leaks(image, MemoryKind::Pool), memory.leaks(image, MemoryKind::Contiguous),
        memory.mdl_leaks(image), memory.register_leaks(image), interrupts.leaks(image), threads.leaks(image)}) {
    if (!leak.empty()) report(api::Severity::Warning, "DriverUnload", &image, "left behind: " + leak);
  }
}

}  // namespace iommu::platform::lab
