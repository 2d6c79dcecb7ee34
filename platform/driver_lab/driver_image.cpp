#include "platform/driver_lab/driver_image.h"

#include <dlfcn.h>
#include <link.h>

namespace iommu::platform::lab {

namespace {

UNICODE_STRING unicode(std::u16string& text) {
  static_assert(sizeof(WCHAR) == sizeof(char16_t));
  const auto bytes = static_cast<USHORT>(text.size() * sizeof(WCHAR));
  return {bytes, bytes, reinterpret_cast<PWCH>(text.data())};
}

std::u16string widened(const std::string& text) { return {text.begin(), text.end()}; }

/// What dlopen says, without the path, which differs from machine to machine.
std::string loader_message(const std::filesystem::path& file) {
  const char* text = dlerror();
  std::string message = text == nullptr ? "unknown reason" : text;
  const std::string prefix = file.string() + ": ";
  if (message.rfind(prefix, 0) == 0) message.erase(0, prefix.size());
  return message;
}

}  // namespace

DriverImage::DriverImage(const std::filesystem::path& file)
    : file_(file), handle_(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) throw LoadError("can't be loaded: " + loader_message(file));
  entry_ = reinterpret_cast<PDRIVER_INITIALIZE>(dlsym(handle_, "DriverEntry"));
  if (entry_ != nullptr) find_segments();
  // A symbol of another object that this one depends on is not this driver's.
  if (entry_ == nullptr || !contains(reinterpret_cast<const void*>(entry_))) {
    dlclose(handle_);
    throw LoadError("has no function DriverEntry");
  }
  service_ = widened(file.stem().string());
  registry_ = u"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\" + service_;
  driver_name_ = u"\\Driver\\" + service_;
  registry_path_ = unicode(registry_);
  extension.DriverObject = &object;
  extension.ServiceKeyName = unicode(service_);
  object.Type = 4;
  object.Size = static_cast<CSHORT>(sizeof object);
  object.DriverStart = reinterpret_cast<PVOID>(segments_.front().first);
  object.DriverExtension = &extension;
  object.DriverName = unicode(driver_name_);
  object.DriverInit = entry_;
}

DriverImage::~DriverImage() { dlclose(handle_); }

bool DriverImage::contains(const void* address) const {
  const auto value = reinterpret_cast<std::uintptr_t>(address);
  for (const auto& [begin, end] : segments_) {
    if (value >= begin && value < end) return true;
  }
  return false;
}

void DriverImage::find_segments() {
  struct link_map* map = nullptr;
  if (dlinfo(handle_, RTLD_DI_LINKMAP, &map) != 0) return;
  struct Search {
    const struct link_map* map;
    DriverImage* image;
  } search{map, this};
  dl_iterate_phdr(
      [](struct dl_phdr_info* info, std::size_t, void* context) {
        const auto& wanted = *static_cast<Search*>(context);
        if (info->dlpi_addr != wanted.map->l_addr) return 0;
        for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
          const auto& header = info->dlpi_phdr[i];
          if (header.p_type != PT_LOAD) continue;
          const std::uintptr_t begin = info->dlpi_addr + header.p_vaddr;
          wanted.image->segments_.emplace_back(begin, begin + header.p_memsz);
        }
        return 1;
      },
      &search);
}

}  // namespace iommu::platform::lab
