// The fault reason codes of legacy mode (specification 7.1.3, appendix A).
//
// What it does: names the numbers. What it does not do: scalable mode, interrupt remapping.
#pragma once

#include <cstdint>

namespace iommu::vtd {

enum class FaultReason : std::uint8_t {
  RootNotPresent = 0x01,           ///< LRT.2
  ContextNotPresent = 0x02,        ///< LCT.2
  ContextInvalid = 0x03,           ///< LCT.4: AW or TT unsupported, or the top paging table can't be read
  AddressBeyondWidth = 0x04,       ///< LGN.1
  NoWritePermission = 0x05,        ///< LGN.2, not-present entries included
  NoReadPermission = 0x06,         ///< LGN.3, not-present entries included
  PagingEntryAccess = 0x07,        ///< LSL.1
  RootEntryAccess = 0x08,          ///< LRT.1
  ContextEntryAccess = 0x09,       ///< LCT.1
  RootReserved = 0x0A,             ///< LRT.3
  ContextReserved = 0x0B,          ///< LCT.3
  PagingEntryReserved = 0x0C,      ///< LSL.2
  TranslationTypeBlocked = 0x0D,   ///< LCT.5: translated or translation request while TT does not allow it
  OutputInInterruptRange = 0x0E,   ///< LGN.4
  IllegalInterruptRequest = 0x29,  ///< an access to 0xFEEx_xxxx that is no interrupt; never suppressed
  TranslationModeInvalid = 0x30,   ///< RTA.1: RTADDR.TTM reserved or not supported
  PasidInLegacyMode = 0x31,        ///< RTA.2
};

}  // namespace iommu::vtd
