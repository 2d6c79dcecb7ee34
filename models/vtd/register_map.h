// The VT-d registers that this model has: offsets, fields, access (Intel VT-d specification, chapter 11).
//
// What it does: the one place where a register offset or field position of the architecture stands; used by the model,
// by system software that programs it, and by dumps. What it does not do: hold values. Interrupt remapping, page
// requests, performance monitoring, enhanced commands and MTRRs are not modeled; their offsets are reserved and
// CAP/ECAP say so.
#pragma once

#include <cstdint>

#include "models/regs/register.h"

namespace iommu::vtd {

using regs::Access;
using regs::Field;
using regs::Register;

namespace ver {
inline constexpr Field MIN{"MIN", 0, 4, Access::ReadOnly};
inline constexpr Field MAX{"MAX", 4, 4, Access::ReadOnly};
inline constexpr Field kFields[] = {MIN, MAX};
}  // namespace ver
inline constexpr Register VER{"VER", 0x000, 32, 0, ver::kFields};

namespace cap {
inline constexpr Field ND{"ND", 0, 3, Access::ReadOnly};
inline constexpr Field AFL{"AFL", 3, 1, Access::ReadOnly};
inline constexpr Field RWBF{"RWBF", 4, 1, Access::ReadOnly};
inline constexpr Field PLMR{"PLMR", 5, 1, Access::ReadOnly};
inline constexpr Field PHMR{"PHMR", 6, 1, Access::ReadOnly};
inline constexpr Field CM{"CM", 7, 1, Access::ReadOnly};
inline constexpr Field SAGAW{"SAGAW", 8, 5, Access::ReadOnly};
inline constexpr Field MGAW{"MGAW", 16, 6, Access::ReadOnly};
inline constexpr Field ZLR{"ZLR", 22, 1, Access::ReadOnly};
inline constexpr Field FRO{"FRO", 24, 10, Access::ReadOnly};
inline constexpr Field SSLPS{"SSLPS", 34, 4, Access::ReadOnly};
inline constexpr Field PSI{"PSI", 39, 1, Access::ReadOnly};
inline constexpr Field NFR{"NFR", 40, 8, Access::ReadOnly};
inline constexpr Field MAMV{"MAMV", 48, 6, Access::ReadOnly};
inline constexpr Field DWD{"DWD", 54, 1, Access::ReadOnly};
inline constexpr Field DRD{"DRD", 55, 1, Access::ReadOnly};
inline constexpr Field FL1GP{"FL1GP", 56, 1, Access::ReadOnly};
inline constexpr Field PI{"PI", 59, 1, Access::ReadOnly};
inline constexpr Field FL5LP{"FL5LP", 60, 1, Access::ReadOnly};
inline constexpr Field ECMDS{"ECMDS", 61, 1, Access::ReadOnly};
inline constexpr Field ESIRTPS{"ESIRTPS", 62, 1, Access::ReadOnly};
inline constexpr Field ESRTPS{"ESRTPS", 63, 1, Access::ReadOnly};
inline constexpr Field kFields[] = {ND,  AFL, RWBF, PLMR, PHMR, CM,    SAGAW, MGAW,  ZLR,   FRO,     SSLPS,
                                    PSI, NFR, MAMV, DWD,  DRD,  FL1GP, PI,    FL5LP, ECMDS, ESIRTPS, ESRTPS};
}  // namespace cap
inline constexpr Register CAP{"CAP", 0x008, 64, 0, cap::kFields};

namespace ecap {
inline constexpr Field C{"C", 0, 1, Access::ReadOnly};
inline constexpr Field QI{"QI", 1, 1, Access::ReadOnly};
inline constexpr Field DT{"DT", 2, 1, Access::ReadOnly};
inline constexpr Field IR{"IR", 3, 1, Access::ReadOnly};
inline constexpr Field EIM{"EIM", 4, 1, Access::ReadOnly};
inline constexpr Field PT{"PT", 6, 1, Access::ReadOnly};
inline constexpr Field SC{"SC", 7, 1, Access::ReadOnly};
inline constexpr Field IRO{"IRO", 8, 10, Access::ReadOnly};
inline constexpr Field MHMV{"MHMV", 20, 4, Access::ReadOnly};
inline constexpr Field PASID{"PASID", 40, 1, Access::ReadOnly};
inline constexpr Field SMTS{"SMTS", 43, 1, Access::ReadOnly};
inline constexpr Field ADMS{"ADMS", 52, 1, Access::ReadOnly};
inline constexpr Field kFields[] = {C, QI, DT, IR, EIM, PT, SC, IRO, MHMV, PASID, SMTS, ADMS};
}  // namespace ecap
inline constexpr Register ECAP{"ECAP", 0x010, 64, 0, ecap::kFields};

/// GCMD: a command register; see gsts for the status that follows.
namespace gcmd {
inline constexpr Field CFI{"CFI", 23, 1, Access::WriteOnly};
inline constexpr Field SIRTP{"SIRTP", 24, 1, Access::WriteOnly};
inline constexpr Field IRE{"IRE", 25, 1, Access::WriteOnly};
inline constexpr Field QIE{"QIE", 26, 1, Access::WriteOnly};
inline constexpr Field WBF{"WBF", 27, 1, Access::WriteOnly};
inline constexpr Field SRTP{"SRTP", 30, 1, Access::WriteOnly};
inline constexpr Field TE{"TE", 31, 1, Access::WriteOnly};
inline constexpr Field kFields[] = {CFI, SIRTP, IRE, QIE, WBF, SRTP, TE};
/// GSTS bits that software carries into its next GCMD write: one-shot bits 30, 29, 27 and 24 are dropped (11.4.4).
inline constexpr std::uint32_t kLevelBits = 0x96FFFFFF;
}  // namespace gcmd
inline constexpr Register GCMD{"GCMD", 0x018, 32, 0, gcmd::kFields};

namespace gsts {
inline constexpr Field CFIS{"CFIS", 23, 1, Access::ReadOnly};
inline constexpr Field IRTPS{"IRTPS", 24, 1, Access::ReadOnly};
inline constexpr Field IRES{"IRES", 25, 1, Access::ReadOnly};
inline constexpr Field QIES{"QIES", 26, 1, Access::ReadOnly};
inline constexpr Field WBFS{"WBFS", 27, 1, Access::ReadOnly};
inline constexpr Field RTPS{"RTPS", 30, 1, Access::ReadOnly};
inline constexpr Field TES{"TES", 31, 1, Access::ReadOnly};
inline constexpr Field kFields[] = {CFIS, IRTPS, IRES, QIES, WBFS, RTPS, TES};
}  // namespace gsts
inline constexpr Register GSTS{"GSTS", 0x01C, 32, 0, gsts::kFields};

namespace rtaddr {
inline constexpr Field TTM{"TTM", 10, 2};
inline constexpr Field RTA{"RTA", 12, 52};
inline constexpr Field kFields[] = {TTM, RTA};
inline constexpr std::uint64_t kLegacy = 0;
inline constexpr std::uint64_t kScalable = 1;
inline constexpr std::uint64_t kAbortDma = 3;
}  // namespace rtaddr
inline constexpr Register RTADDR{"RTADDR", 0x020, 64, 0, rtaddr::kFields};

namespace ccmd {
inline constexpr Field DID{"DID", 0, 16};
inline constexpr Field SID{"SID", 16, 16, Access::WriteOnly};
inline constexpr Field FM{"FM", 32, 2, Access::WriteOnly};
inline constexpr Field CAIG{"CAIG", 59, 2, Access::ReadOnly};
inline constexpr Field CIRG{"CIRG", 61, 2};
inline constexpr Field ICC{"ICC", 63, 1};
inline constexpr Field kFields[] = {DID, SID, FM, CAIG, CIRG, ICC};
inline constexpr std::uint64_t kGlobal = 1;
inline constexpr std::uint64_t kDomain = 2;
inline constexpr std::uint64_t kDevice = 3;
}  // namespace ccmd
inline constexpr Register CCMD{"CCMD", 0x028, 64, 0, ccmd::kFields};

namespace fsts {
inline constexpr Field PFO{"PFO", 0, 1, Access::WriteOneToClear};
inline constexpr Field PPF{"PPF", 1, 1, Access::ReadOnly};
inline constexpr Field IQE{"IQE", 4, 1, Access::WriteOneToClear};
inline constexpr Field ICE{"ICE", 5, 1, Access::WriteOneToClear};
inline constexpr Field ITE{"ITE", 6, 1, Access::WriteOneToClear};
inline constexpr Field FRI{"FRI", 8, 8, Access::ReadOnly};
inline constexpr Field kFields[] = {PFO, PPF, IQE, ICE, ITE, FRI};
}  // namespace fsts
inline constexpr Register FSTS{"FSTS", 0x034, 32, 0, fsts::kFields, 0xFF73};

/// The control register of an event: FECTL and IECTL alike.
namespace ectl {
inline constexpr Field IP{"IP", 30, 1, Access::ReadOnly};
inline constexpr Field IM{"IM", 31, 1};
inline constexpr Field kFields[] = {IP, IM};
}  // namespace ectl
namespace edata {
inline constexpr Field DATA{"DATA", 0, 16};
inline constexpr Field kFields[] = {DATA};
}  // namespace edata
namespace eaddr {
inline constexpr Field ADDR{"ADDR", 2, 30};
inline constexpr Field kFields[] = {ADDR};
}  // namespace eaddr
/// Upper message address: reserved, since ECAP.EIM is 0 (no interrupt remapping).
namespace euaddr {
inline constexpr Field UADDR{"UADDR", 0, 32, Access::ReadOnly};
inline constexpr Field kFields[] = {UADDR};
}  // namespace euaddr
inline constexpr Register FECTL{"FECTL", 0x038, 32, 0x80000000, ectl::kFields};
inline constexpr Register FEDATA{"FEDATA", 0x03C, 32, 0, edata::kFields};
inline constexpr Register FEADDR{"FEADDR", 0x040, 32, 0, eaddr::kFields};
inline constexpr Register FEUADDR{"FEUADDR", 0x044, 32, 0, euaddr::kFields};

namespace pmen {
inline constexpr Field PRS{"PRS", 0, 1, Access::ReadOnly};
inline constexpr Field EPM{"EPM", 31, 1};
inline constexpr Field kFields[] = {PRS, EPM};
}  // namespace pmen
inline constexpr Register PMEN{"PMEN", 0x064, 32, 0, pmen::kFields};

/// Protected memory has a granularity of 2 MiB here: bits 20:0 of base and limit are not implemented and read 0
/// (11.4.8).
inline constexpr unsigned kProtectedMemoryShift = 21;
namespace plm {
inline constexpr Field ADDR{"ADDR", kProtectedMemoryShift, 32 - kProtectedMemoryShift};
inline constexpr Field kFields[] = {ADDR};
}  // namespace plm
namespace phm {
inline constexpr Field ADDR{"ADDR", kProtectedMemoryShift, 64 - kProtectedMemoryShift};
inline constexpr Field kFields[] = {ADDR};
}  // namespace phm
inline constexpr Register PLMBASE{"PLMBASE", 0x068, 32, 0, plm::kFields};
inline constexpr Register PLMLIMIT{"PLMLIMIT", 0x06C, 32, 0, plm::kFields};
inline constexpr Register PHMBASE{"PHMBASE", 0x070, 64, 0, phm::kFields};
inline constexpr Register PHMLIMIT{"PHMLIMIT", 0x078, 64, 0, phm::kFields};

namespace iqh {
inline constexpr Field QH{"QH", 4, 15, Access::ReadOnly};
inline constexpr Field kFields[] = {QH};
}  // namespace iqh
inline constexpr Register IQH{"IQH", 0x080, 64, 0, iqh::kFields};
namespace iqt {
inline constexpr Field QT{"QT", 4, 15};
inline constexpr Field kFields[] = {QT};
}  // namespace iqt
inline constexpr Register IQT{"IQT", 0x088, 64, 0, iqt::kFields};
namespace iqa {
inline constexpr Field QS{"QS", 0, 3};
inline constexpr Field DW{"DW", 11, 1};
inline constexpr Field IQA{"IQA", 12, 52};
inline constexpr Field kFields[] = {QS, DW, IQA};
}  // namespace iqa
inline constexpr Register IQA{"IQA", 0x090, 64, 0, iqa::kFields};
namespace ics {
inline constexpr Field IWC{"IWC", 0, 1, Access::WriteOneToClear};
inline constexpr Field kFields[] = {IWC};
}  // namespace ics
inline constexpr Register ICS{"ICS", 0x09C, 32, 0, ics::kFields, 0x1};
inline constexpr Register IECTL{"IECTL", 0x0A0, 32, 0x80000000, ectl::kFields};
inline constexpr Register IEDATA{"IEDATA", 0x0A4, 32, 0, edata::kFields};
inline constexpr Register IEADDR{"IEADDR", 0x0A8, 32, 0, eaddr::kFields};
inline constexpr Register IEUADDR{"IEUADDR", 0x0AC, 32, 0, euaddr::kFields};
namespace iqercd {
inline constexpr Field IQEI{"IQEI", 0, 4, Access::ReadOnly};
inline constexpr Field ITESID{"ITESID", 32, 16, Access::ReadOnly};
inline constexpr Field ICESID{"ICESID", 48, 16, Access::ReadOnly};
inline constexpr Field kFields[] = {IQEI, ITESID, ICESID};
}  // namespace iqercd
inline constexpr Register IQERCD{"IQERCD", 0x0B0, 64, 0, iqercd::kFields, 0xFFFFFFFF0000000F};

/// IVA and IOTLB stand at ECAP.IRO * 16 and eight bytes further; `offset` here is relative to that.
namespace iva {
inline constexpr Field AM{"AM", 0, 6, Access::WriteOnly};
inline constexpr Field IH{"IH", 6, 1, Access::WriteOnly};
inline constexpr Field ADDR{"ADDR", 12, 52, Access::WriteOnly};
inline constexpr Field kFields[] = {AM, IH, ADDR};
}  // namespace iva
inline constexpr Register IVA{"IVA", 0x000, 64, 0, iva::kFields};
namespace iotlb {
inline constexpr Field DID{"DID", 32, 16};
inline constexpr Field DW{"DW", 48, 1};
inline constexpr Field DR{"DR", 49, 1};
inline constexpr Field IAIG{"IAIG", 57, 2, Access::ReadOnly};
inline constexpr Field IIRG{"IIRG", 60, 2};
inline constexpr Field IVT{"IVT", 63, 1};
inline constexpr Field kFields[] = {DID, DW, DR, IAIG, IIRG, IVT};
inline constexpr std::uint64_t kGlobal = 1;
inline constexpr std::uint64_t kDomain = 2;
inline constexpr std::uint64_t kPage = 3;
}  // namespace iotlb
inline constexpr Register IOTLB{"IOTLB", 0x008, 64, 0, iotlb::kFields};

/// A fault record stands at CAP.FRO * 16 + 16 * i; these are its two halves, `offset` relative to that.
namespace frcd {
inline constexpr Field FI{"FI", 12, 52, Access::ReadOnly};
inline constexpr Field kLowFields[] = {FI};
inline constexpr Field SID{"SID", 0, 16, Access::ReadOnly};
inline constexpr Field T2{"T2", 28, 1, Access::ReadOnly};
inline constexpr Field PRIV{"PRIV", 29, 1, Access::ReadOnly};
inline constexpr Field EXE{"EXE", 30, 1, Access::ReadOnly};
inline constexpr Field PP{"PP", 31, 1, Access::ReadOnly};
inline constexpr Field FR{"FR", 32, 8, Access::ReadOnly};
inline constexpr Field PV{"PV", 40, 20, Access::ReadOnly};
inline constexpr Field AT{"AT", 60, 2, Access::ReadOnly};
inline constexpr Field T1{"T1", 62, 1, Access::ReadOnly};
inline constexpr Field F{"F", 63, 1, Access::WriteOneToClear};
inline constexpr Field kHighFields[] = {SID, T2, PRIV, EXE, PP, FR, PV, AT, T1, F};
inline constexpr std::uint32_t kBytes = 16;
}  // namespace frcd
inline constexpr Register FRCD_LO{"FRCD_LO", 0x000, 64, 0, frcd::kLowFields, ~std::uint64_t{0xFFF}};
inline constexpr Register FRCD_HI{"FRCD_HI", 0x008, 64, 0, frcd::kHighFields, 0xFFFFFFFFF000FFFF};

/// The registers at fixed offsets.
inline constexpr const Register* MAP[] = {&VER,      &CAP,     &ECAP,     &GCMD,    &GSTS,    &RTADDR, &CCMD,
                                          &FSTS,     &FECTL,   &FEDATA,   &FEADDR,  &FEUADDR, &PMEN,   &PLMBASE,
                                          &PLMLIMIT, &PHMBASE, &PHMLIMIT, &IQH,     &IQT,     &IQA,    &ICS,
                                          &IECTL,    &IEDATA,  &IEADDR,   &IEUADDR, &IQERCD};
static_assert(regs::well_formed(MAP));
static_assert(regs::well_formed(IVA) && regs::well_formed(IOTLB));
static_assert(regs::well_formed(FRCD_LO) && regs::well_formed(FRCD_HI));

}  // namespace iommu::vtd
