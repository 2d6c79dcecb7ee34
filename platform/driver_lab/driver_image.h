// A driver's shared object, opened, with the driver object that its code is given.
//
// What it does: dlopen, DriverEntry's address, which addresses are its code and data. What it does not do: call it.
// The object stays open as long as the image lives: code that a thread may still be in is never taken away.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "api/wdm.h"

namespace iommu::platform::lab {

/// Why a file can't be used as a driver: a clause without a full stop.
class LoadError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class DriverImage {
 public:
  /// `file` is absolute. Throws LoadError: not an object for this machine, a symbol that nobody has, no DriverEntry.
  explicit DriverImage(const std::filesystem::path& file);
  ~DriverImage();
  DriverImage(const DriverImage&) = delete;
  DriverImage& operator=(const DriverImage&) = delete;

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  [[nodiscard]] std::string name() const { return file_.filename().string(); }
  [[nodiscard]] PDRIVER_INITIALIZE entry() const { return entry_; }
  [[nodiscard]] bool contains(const void* address) const;

  DRIVER_OBJECT object{};
  DRIVER_EXTENSION extension{};
  PUNICODE_STRING registry_path() { return &registry_path_; }

  // The lives of its devices; lab_driver.cpp.
  enum class State { Loaded, Entering, Entered, Failed };
  State state = State::Loaded;
  NTSTATUS entry_status = STATUS_SUCCESS;
  unsigned devices = 0;  ///< that the scenario gives to it and that have not ended

 private:
  void find_segments();

  std::filesystem::path file_;
  void* handle_ = nullptr;
  PDRIVER_INITIALIZE entry_ = nullptr;
  std::vector<std::pair<std::uintptr_t, std::uintptr_t>> segments_;  // begin and end
  std::u16string service_;
  std::u16string registry_;
  std::u16string driver_name_;
  UNICODE_STRING registry_path_{};
};

}  // namespace iommu::platform::lab
