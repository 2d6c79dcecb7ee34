// The driver of one VT-d unit in legacy mode, as system software has it: registers and memory, nothing else.
//
// What it does: brings a unit up by the flows of the specification (root table, invalidation queue or registers,
// translation enable), writes context entries, hands out domain ids, and invalidates in the required order: context
// cache, then IOTLB, then wait. It reads VER, CAP and ECAP and obeys them: domain ids (ND), table depths (SAGAW),
// widths (MGAW), large pages (SSLPS), pass-through (PT), page-selective invalidation (PSI, MAMV), draining (DRD, DWD),
// caching mode (CM), write buffers (RWBF), implied invalidation (ESRTPS), queue (QI). A request that the unit refuses
// is reported and replaced by a global invalidation. What it does not do: page tables (PageTable), scalable mode,
// device TLBs, interrupt remapping, faults (VtdFaults), cache flushes of the CPU (ECAP.C is ignored: simulated memory is coherent).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "api/remapping_driver.h"
#include "api/vtd_faults.h"
#include "api/vtd_invalidation.h"
#include "api/vtd_unit.h"
#include "models/vtd/records.h"

namespace iommu::api {

class VtdDriver final : public RemappingDriver {
 public:
  /// @param unit_index  of `description` in `system`
  VtdDriver(const UnitDescription& description, const SystemDescription& system, std::size_t unit_index);
  ~VtdDriver() override;

  [[nodiscard]] NTSTATUS start(const std::vector<core::RequesterId>& requesters, UnattachedState unattached) override;
  [[nodiscard]] const UnitFeatures& features() const override { return features_; }
  [[nodiscard]] std::vector<UntranslatedRange> untranslated_ranges() const override;

  [[nodiscard]] std::optional<std::uint16_t> acquire_domain_id() override;
  void release_domain_id(std::uint16_t domain_id) override;

  [[nodiscard]] NTSTATUS attach(const std::vector<core::RequesterId>& requesters,
                                const AddressSpaceBinding& binding) override;
  [[nodiscard]] NTSTATUS detach(const std::vector<core::RequesterId>& requesters) override;

  [[nodiscard]] NTSTATUS publish(std::uint16_t domain_id, std::uint64_t first_page, std::uint64_t pages) override;
  [[nodiscard]] NTSTATUS invalidate(std::uint16_t domain_id, std::uint64_t first_page, std::uint64_t pages,
                                    bool leaf_only) override;
  [[nodiscard]] NTSTATUS invalidate(std::uint16_t domain_id, const std::vector<PageRange>& ranges,
                                    bool leaf_only) override;
  [[nodiscard]] NTSTATUS invalidate_all() override;

  [[nodiscard]] NTSTATUS start_fault_reporting(FaultSink& sink) override { return faults_.start(sink); }
  void stop_fault_reporting() override { faults_.stop(); }

 private:
  // vtd_driver.cpp: bringing the unit up, and invalidation.
  [[nodiscard]] NTSTATUS read_features();
  [[nodiscard]] bool quiesce();
  [[nodiscard]] bool take_frames(std::size_t count);
  [[nodiscard]] bool enable();
  void give_frames_back();
  [[nodiscard]] Invalidation request_for(std::uint16_t domain_id, std::uint64_t first_page, std::uint64_t pages,
                                         bool leaf_only) const;
  [[nodiscard]] bool execute(const Invalidation* requests, std::size_t count);
  template <std::size_t Count>
  [[nodiscard]] bool execute(const Invalidation (&requests)[Count]) {
    return execute(requests, Count);
  }

  // vtd_context.cpp: root and context tables.
  [[nodiscard]] bool make_context_tables(const std::vector<core::RequesterId>& requesters);
  [[nodiscard]] vtd::Record128 context_entry(const AddressSpaceBinding& binding) const;
  void write_present(core::RequesterId requester, const AddressSpaceBinding& binding);
  [[nodiscard]] bool bind(const std::vector<core::RequesterId>& requesters, const AddressSpaceBinding& binding);
  [[nodiscard]] bool unbind(const std::vector<core::RequesterId>& requesters);
  [[nodiscard]] core::Address context_address(core::RequesterId requester) const;

  VtdUnit unit_;
  VtdFaults faults_;
  FrameAllocator& frames_;
  MemoryPort& memory_;
  InvalidationPath path_;
  unsigned max_leaf_level_;
  UnitFeatures features_;
  std::unique_ptr<VtdInvalidation> invalidation_;
  std::unique_ptr<Mutex> tables_mutex_;  // root and context tables

  std::vector<core::Address> own_frames_;                        // root table, queue, status word
  std::array<std::optional<core::Address>, 256> context_table_;  // by bus
  std::map<core::RequesterId, std::uint16_t> bound_;             // requesters with a present entry -> domain id
  std::optional<AddressSpaceBinding> unattached_binding_;        // with UnattachedState::PassThrough

  std::uint32_t domain_id_limit_ = 0;  // one past the largest
  std::uint32_t next_domain_id_ = 1;   // 0 is reserved for what caching mode caches of entries that are not present
  std::set<std::uint16_t> free_domain_ids_;
};

}  // namespace iommu::api
