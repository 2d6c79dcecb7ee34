#include "api/vtd_driver.h"

#include <algorithm>

#include "models/vtd/register_map.h"
#include "models/vtd/second_stage.h"

namespace iommu::api {

namespace {

/// 0xFEE00000 to 0xFEEFFFFF: requests there are interrupts and never translated (specification 3.15).
constexpr UntranslatedRange kInterruptRange{vtd::kInterruptRangeBase >> core::kPageShift,
                                            vtd::kInterruptRangeBytes >> core::kPageShift};

}  // namespace

VtdDriver::VtdDriver(const UnitDescription& description, const SystemDescription& system, std::size_t unit_index)
    : unit_(description, *system.memory, *system.host, system.policy.poll_limit),
      faults_(unit_, description, unit_index),
      frames_(*system.frames),
      memory_(*system.memory),
      path_(description.invalidation),
      max_leaf_level_(system.policy.max_leaf_level),
      tables_mutex_(system.host->make_mutex()) {}

VtdDriver::~VtdDriver() = default;

std::vector<UntranslatedRange> VtdDriver::untranslated_ranges() const { return {kInterruptRange}; }

// ---- Bringing the unit up ---------------------------------------------------------------------------------------

NTSTATUS VtdDriver::read_features() {
  unit_.read_capabilities();
  const auto refuse = [&](const std::string& message) {
    unit_.report(Severity::Error, "start", message);
    return STATUS_NOT_SUPPORTED;
  };
  const bool queue = unit_.ecap(vtd::ecap::QI) != 0;
  if (path_ == InvalidationPath::Registers && !unit_.has_register_invalidation()) {
    return refuse("invalidation registers are asked for, but VER.MAX is " + std::to_string(unit_.ver(vtd::ver::MAX)) +
                  ": they exist below 6 only");
  }
  if (!queue && !unit_.has_register_invalidation()) {
    return refuse("the unit has neither invalidation queue (ECAP.QI = 0) nor registers (VER.MAX >= 6)");
  }
  if (!queue) path_ = InvalidationPath::Registers;

  const std::uint64_t sagaw = unit_.cap(vtd::cap::SAGAW);
  for (unsigned levels = 3; levels <= core::kMaxLevels; ++levels) {
    if ((sagaw >> vtd::address_width_code(levels) & 1u) != 0) features_.levels_mask |= 1u << levels;
  }
  if (features_.levels_mask == 0) return refuse("CAP.SAGAW names no supported table depth");
  features_.input_bits = static_cast<unsigned>(unit_.cap(vtd::cap::MGAW)) + 1;
  features_.output_bits = unit_.host_address_bits();
  const std::uint64_t large = unit_.cap(vtd::cap::SSLPS);
  const unsigned hardware_leaf = (large & 1u) == 0 ? 1 : (large & 2u) == 0 ? 2 : 3;
  features_.max_leaf_level = std::min(max_leaf_level_, hardware_leaf);
  features_.pass_through = unit_.ecap(vtd::ecap::PT) != 0;
  features_.format = vtd::second_stage_format(features_.output_bits, hardware_leaf, unit_.ecap(vtd::ecap::SC) != 0);
  domain_id_limit_ = 1u << (4 + 2 * unit_.cap(vtd::cap::ND));
  return STATUS_SUCCESS;
}

// Firmware or an earlier kernel may have left the unit running.
bool VtdDriver::quiesce() {
  const std::uint64_t status = unit_.read(vtd::GSTS);
  if (vtd::gsts::TES.get(status) != 0 && !unit_.set_control(vtd::gcmd::TE, vtd::gsts::TES, false)) return false;
  if (vtd::gsts::QIES.get(status) == 0) return true;
  const bool drained = unit_.poll("IQH = IQT", [&] { return unit_.read(vtd::IQH) == unit_.read(vtd::IQT); });
  return drained && unit_.set_control(vtd::gcmd::QIE, vtd::gsts::QIES, false);
}

bool VtdDriver::take_frames(std::size_t count) {
  while (own_frames_.size() < count) {
    const std::optional<core::Address> frame = frames_.allocate();
    if (!frame) return false;
    own_frames_.push_back(*frame);
  }
  return true;
}

void VtdDriver::give_frames_back() {
  for (const core::Address frame : own_frames_) frames_.free(frame);
  own_frames_.clear();
  for (std::optional<core::Address>& table : context_table_) {
    if (table) frames_.free(*table);
    table.reset();
  }
  bound_.clear();
  unattached_binding_.reset();
}

NTSTATUS VtdDriver::start(const std::vector<core::RequesterId>& requesters, UnattachedState unattached) {
  if (const NTSTATUS status = read_features(); !NT_SUCCESS(status)) return status;
  const bool pass_through = unattached == UnattachedState::PassThrough;
  if (pass_through && !features_.pass_through) {
    unit_.report(Severity::Error, "start", "unattached devices are to pass through, but ECAP.PT = 0");
    return STATUS_NOT_SUPPORTED;
  }
  const std::size_t frames = path_ == InvalidationPath::Queue ? 3 : 1;
  if (!take_frames(frames)) {
    give_frames_back();
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  memory_.zero_page(own_frames_[0]);
  if (pass_through && !make_context_tables(requesters)) {
    give_frames_back();
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  if (pass_through) {
    unattached_binding_ = AddressSpaceBinding{*acquire_domain_id(), true, 0, 0};
    for (const core::RequesterId requester : requesters) write_present(requester, *unattached_binding_);
  }
  return enable() ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

// The flows of specification 11.4.4 in order: invalidation, root table, global invalidation, translation, protected
// memory off.
bool VtdDriver::enable() {
  if (!quiesce()) return false;
  if (path_ == InvalidationPath::Queue) {
    auto queued = std::make_unique<VtdQueuedInvalidation>(unit_, own_frames_[1], own_frames_[2]);
    if (!queued->start()) return false;
    invalidation_ = std::move(queued);
  } else {
    invalidation_ = std::make_unique<VtdRegisterInvalidation>(unit_);
  }
  unit_.write(vtd::RTADDR,
              vtd::rtaddr::TTM.of(vtd::rtaddr::kLegacy) | vtd::rtaddr::RTA.of(own_frames_[0] >> core::kPageShift));
  const bool write_buffer = unit_.cap(vtd::cap::RWBF) != 0;
  if (write_buffer && !unit_.flush_write_buffer()) return false;
  if (!unit_.set_root_pointer()) return false;
  if (unit_.cap(vtd::cap::ESRTPS) == 0) {
    if (!execute({Invalidation::context_global(), Invalidation::iotlb_global()})) return false;
  }
  if (!unit_.set_control(vtd::gcmd::TE, vtd::gsts::TES, true)) return false;
  if (unit_.cap(vtd::cap::PLMR) == 0 && unit_.cap(vtd::cap::PHMR) == 0) return true;
  if (vtd::pmen::PRS.get(unit_.read(vtd::PMEN)) == 0) return true;
  unit_.write(vtd::PMEN, vtd::pmen::EPM.of(0));
  return unit_.poll("PMEN.PRS = 0", [&] { return vtd::pmen::PRS.get(unit_.read(vtd::PMEN)) == 0; });
}

// ---- Domain ids -------------------------------------------------------------------------------------------------

std::optional<std::uint16_t> VtdDriver::acquire_domain_id() {
  if (!free_domain_ids_.empty()) {
    const std::uint16_t id = *free_domain_ids_.begin();
    free_domain_ids_.erase(free_domain_ids_.begin());
    return id;
  }
  if (next_domain_id_ >= domain_id_limit_) return std::nullopt;
  return static_cast<std::uint16_t>(next_domain_id_++);
}

void VtdDriver::release_domain_id(std::uint16_t domain_id) { free_domain_ids_.insert(domain_id); }

// ---- Invalidation -----------------------------------------------------------------------------------------------

bool VtdDriver::execute(const Invalidation* requests, std::size_t count) {
  using Result = VtdInvalidation::Result;
  if (unit_.given_up()) return false;
  Result result = invalidation_->execute(requests, count);
  if (result == Result::Refused) {
    // Over-invalidation is always legal.
    const Invalidation everything[] = {Invalidation::context_global(), Invalidation::iotlb_global()};
    result = invalidation_->execute(everything, 2);
  }
  if (result == Result::Refused) {
    unit_.report(Severity::Error, "invalidation", "global invalidation was refused: the unit is given up");
    unit_.give_up();
  }
  return result == Result::Done;
}

NTSTATUS VtdDriver::publish(std::uint16_t domain_id, std::uint64_t first_page, std::uint64_t pages) {
  if (unit_.given_up()) return STATUS_UNSUCCESSFUL;
  // Caching mode keeps entries that are not present, intermediate ones too.
  if (unit_.cap(vtd::cap::CM) != 0) return invalidate(domain_id, first_page, pages, false);
  if (unit_.cap(vtd::cap::RWBF) == 0) return STATUS_SUCCESS;
  return unit_.flush_write_buffer() ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

// The smallest naturally aligned power of two that covers the range, or the whole domain.
Invalidation VtdDriver::request_for(std::uint16_t domain_id, std::uint64_t first_page, std::uint64_t pages,
                                    bool leaf_only) const {
  unsigned mask = 0;
  const std::uint64_t last_page = first_page + pages - 1;
  while ((first_page >> mask) != (last_page >> mask)) ++mask;
  const bool selective = unit_.cap(vtd::cap::PSI) != 0 && mask <= unit_.cap(vtd::cap::MAMV);
  return selective ? Invalidation::iotlb_pages(domain_id, first_page >> mask << mask, mask, leaf_only)
                   : Invalidation::iotlb_domain(domain_id);
}

NTSTATUS VtdDriver::invalidate(std::uint16_t domain_id, std::uint64_t first_page, std::uint64_t pages, bool leaf_only) {
  const Invalidation request = request_for(domain_id, first_page, pages, leaf_only);
  return execute(&request, 1) ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

NTSTATUS VtdDriver::invalidate(std::uint16_t domain_id, const std::vector<PageRange>& ranges, bool leaf_only) {
  std::vector<Invalidation> requests;
  for (const PageRange& range : ranges) {
    requests.push_back(request_for(domain_id, range.first_page, range.pages, leaf_only));
    if (requests.back().kind != Invalidation::Kind::IotlbDomain) continue;
    requests = {requests.back()};  // it covers all the others
    break;
  }
  if (requests.empty()) return STATUS_SUCCESS;
  return execute(requests.data(), requests.size()) ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

NTSTATUS VtdDriver::invalidate_all() {
  return execute({Invalidation::context_global(), Invalidation::iotlb_global()}) ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

}  // namespace iommu::api
