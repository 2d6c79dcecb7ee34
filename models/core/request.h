// One access of a device, as the translation machine sees it.
//
// What it does: carries who accesses what and how, as a value. What it does not do: data, time, or anything that
// changes on the way.
#pragma once

#include "models/core/types.h"

namespace iommu::core {

enum class AccessKind : std::uint8_t { Read, Write, Atomic };

/// PCIe's AT field.
enum class AddressType : std::uint8_t { Untranslated = 0, TranslationRequest = 1, Translated = 2 };

/// What an access to memory is for: a device's data, the unit's own structures, or the processors' programs.
enum class Traffic : std::uint8_t { Dma, Structure, Host };

struct Request {
  Address address = 0;       ///< first byte, input address
  std::uint32_t length = 0;  ///< bytes; never crosses a 4 KiB page in the translation machine
  AccessKind kind = AccessKind::Read;
  bool zero_length = false;  ///< a read of one dword with no byte enabled: permissions are checked, no data moves
  RequesterId requester = 0;
  AddressType address_type = AddressType::Untranslated;
  bool has_pasid = false;
  std::uint32_t pasid = 0;

  /// The permissions that this access needs on every level of the tables.
  [[nodiscard]] constexpr Permissions wanted() const {
    switch (kind) {
      case AccessKind::Read:
        return Permissions::Read;
      case AccessKind::Write:
        return Permissions::Write;
      case AccessKind::Atomic:
        break;
    }
    return Permissions::ReadWrite;
  }
};

}  // namespace iommu::core
