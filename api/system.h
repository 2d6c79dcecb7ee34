// One machine's IOMMU interface: the functions of DMA_IOMMU_INTERFACE_V2 over one SystemDescription.
//
// What it does: checks arguments in the documented order, keeps devices and domains, and has page tables and remapping
// drivers do the rest. Caller's mistakes that Windows leaves undefined are answered with an error status and reported
// as a diagnostic that names function and object. Where the documentation is silent, docs/ddi-decisions.md says what
// holds. What it does not do: reach hardware except through the ports of the description, keep global state (see
// api/interface.h for the one exception), or know threads: see api/ports.h.
//
// Version 1 of the interface acts on the same objects. What a machine's owner and its user change while it runs (DMA
// Guard's inputs) are functions of System, too, and no part of the interface.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/fault_delivery.h"
#include "api/handle_table.h"
#include "api/map_arguments.h"
#include "api/objects.h"
#include "api/ports.h"
#include "api/remapping_driver.h"
#include "api/token_table.h"

namespace iommu::api {

class System {
 public:
  /// Throws std::invalid_argument when the description contradicts itself: a missing port, a device behind a unit that
  /// does not exist, one object or requester id given to two devices, a policy value out of range.
  explicit System(SystemDescription description);
  ~System();
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  /// Brings every unit up, as the operating system does before it starts drivers: translation is on afterwards and
  /// every device is in its unattached state. Idempotent; called by the first get_interface() at the latest. Needs a
  /// host thread. STATUS_NOT_SUPPORTED: no unit, or one that can't do what policy asks (reported).
  [[nodiscard]] NTSTATUS start();

  // Not part of the interface: what an operator does to a running system. maintenance_functions.cpp
  /// Every unit drops all that it has cached.
  [[nodiscard]] NTSTATUS invalidate_all();
  /// The device's unit drops all translations of the domain that the device is attached to.
  [[nodiscard]] NTSTATUS invalidate_device(PIOMMU_DMA_DEVICE dma_device);
  /// The driver of a device's unit, for system software that makes mappings beside the interface; such a device is not
  /// given to CreateDevice. Units are started. Null: there is no such device, or it is behind no unit.
  [[nodiscard]] RemappingDriver* remapping_driver(PDEVICE_OBJECT physical_device_object);
  /// Reports everything that drivers have left: device tokens, callbacks, domains.
  void report_leftovers() const;

  // DMA Guard's inputs, as they change while the machine runs; drivers hear of what that changes for them through their
  // state-change callbacks, on the passive-level worker. A device that is not there is ignored. policy_functions.cpp
  void set_screen_locked(bool locked);
  void set_external(PDEVICE_OBJECT physical_device_object, bool external);
  void set_opt_in(PDEVICE_OBJECT physical_device_object, RemappingOptIn opt_in);

  // The interface's functions, with the parameters and statuses of the fact sheet. interface.cpp
  NTSTATUS get_interface(ULONG version, ULONGLONG flags, PDMA_IOMMU_INTERFACE_EX interface_out);
  NTSTATUS get_old_interface(ULONG version, PDMA_IOMMU_INTERFACE interface_out);
  // device_functions.cpp
  NTSTATUS create_device(PDEVICE_OBJECT device_object, PIOMMU_DEVICE_CREATION_CONFIGURATION device_config,
                         PIOMMU_DMA_DEVICE* dma_device_out);
  NTSTATUS delete_device(PIOMMU_DMA_DEVICE dma_device);
  void query_available_domain_types(PIOMMU_DMA_DEVICE dma_device, PULONG available_domains);
  // domain_functions.cpp
  NTSTATUS create_domain_ex(IOMMU_DMA_DOMAIN_TYPE domain_type, IOMMU_DMA_DOMAIN_CREATION_FLAGS flags,
                            PIOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG allocator_config,
                            PIOMMU_DMA_RESERVED_REGION reserved_regions, PIOMMU_DMA_DOMAIN* domain_out);
  NTSTATUS delete_domain(PIOMMU_DMA_DOMAIN domain);
  // attach_functions.cpp
  NTSTATUS attach_device_ex(PIOMMU_DMA_DOMAIN domain, PIOMMU_DMA_DEVICE dma_device);
  NTSTATUS detach_device_ex(PIOMMU_DMA_DEVICE dma_device);
  // map_functions.cpp
  NTSTATUS map_logical_range_ex(PIOMMU_DMA_DOMAIN domain, ULONG permissions,
                                PIOMMU_MAP_PHYSICAL_ADDRESS physical_address_to_map,
                                PIOMMU_DMA_LOGICAL_ADDRESS explicit_logical_address,
                                PIOMMU_DMA_LOGICAL_ADDRESS min_logical_address,
                                PIOMMU_DMA_LOGICAL_ADDRESS max_logical_address,
                                PIOMMU_DMA_LOGICAL_ADDRESS logical_address_out);
  NTSTATUS unmap_logical_range(PIOMMU_DMA_DOMAIN domain, ULONGLONG logical_address, ULONGLONG number_of_pages);
  // flush_functions.cpp
  NTSTATUS flush_domain(PIOMMU_DMA_DOMAIN domain);
  NTSTATUS flush_domain_by_va_list(PIOMMU_DMA_DOMAIN domain, BOOLEAN last_level, ULONG number, PVOID va_list);
  // query_functions.cpp
  NTSTATUS query_input_mappings(PDEVICE_OBJECT physical_device_object, PINPUT_MAPPING_ELEMENT buffer,
                                ULONG buffer_length, PULONG return_length);
  // domain_functions.cpp
  NTSTATUS configure_domain(PIOMMU_DMA_DOMAIN domain, PDOMAIN_CONFIGURATION configuration);
  // identity_functions.cpp
  NTSTATUS map_identity_range_ex(PIOMMU_DMA_DOMAIN domain, ULONG permissions,
                                 PIOMMU_MAP_PHYSICAL_ADDRESS physical_address_to_map);
  NTSTATUS unmap_identity_range_ex(PIOMMU_DMA_DOMAIN domain, PIOMMU_MAP_PHYSICAL_ADDRESS mapped_physical_address);
  // fault_functions.cpp
  NTSTATUS set_device_fault_reporting_ex(PIOMMU_DMA_DEVICE dma_device, ULONG input_mapping_id_base, BOOLEAN enable,
                                         PDEVICE_FAULT_CONFIGURATION fault_config);
  // state_change_functions.cpp
  NTSTATUS register_interface_state_change_callback(PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK callback, PVOID context,
                                                    PIOMMU_DMA_DEVICE dma_device,
                                                    PIOMMU_INTERFACE_STATE_CHANGE_FIELDS state_fields);
  NTSTATUS unregister_interface_state_change_callback(PIOMMU_INTERFACE_STATE_CHANGE_CALLBACK callback,
                                                      PIOMMU_DMA_DEVICE dma_device);
  // reserved_functions.cpp
  NTSTATUS reserve_logical_address_range(PIOMMU_DMA_DOMAIN domain, SIZE_T size,
                                         PIOMMU_DMA_LOGICAL_ADDRESS explicit_logical_address,
                                         PIOMMU_DMA_LOGICAL_ADDRESS min_logical_address,
                                         PIOMMU_DMA_LOGICAL_ADDRESS max_logical_address,
                                         PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN* token);
  NTSTATUS free_reserved_logical_address_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token);
  NTSTATUS map_reserved_logical_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token, SIZE_T offset, ULONG permissions,
                                      PIOMMU_MAP_PHYSICAL_ADDRESS physical_address_to_map,
                                      PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT mapped_segment);
  NTSTATUS unmap_reserved_logical_range(PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT mapped_segment);
  // v1_functions.cpp: what only version 1 has
  NTSTATUS create_domain(BOOLEAN os_managed_page_table, PIOMMU_DMA_DOMAIN* domain_out);
  NTSTATUS attach_device(PIOMMU_DMA_DOMAIN domain, PDEVICE_OBJECT physical_device_object, ULONG input_mapping_id_base,
                         ULONG mapping_count);
  NTSTATUS detach_device(PIOMMU_DMA_DOMAIN domain, PDEVICE_OBJECT physical_device_object, ULONG input_mapping_id);
  NTSTATUS map_logical_range(PIOMMU_DMA_DOMAIN domain, ULONG permissions, PMDL mdl, ULONGLONG logical_address);
  NTSTATUS map_identity_range(PIOMMU_DMA_DOMAIN domain, ULONG permissions, PMDL mdl);
  NTSTATUS unmap_identity_range(PIOMMU_DMA_DOMAIN domain, PMDL mdl);
  NTSTATUS set_device_fault_reporting(PDEVICE_OBJECT physical_device_object, ULONG input_mapping_id_base,
                                      BOOLEAN enable, PDEVICE_FAULT_CONFIGURATION fault_config);

  [[nodiscard]] CallObserver* observer() const { return description_.observer; }
  [[nodiscard]] std::size_t device_count() const { return devices_.size(); }
  [[nodiscard]] std::size_t domain_count() const { return domains_.size(); }
  [[nodiscard]] std::size_t token_count() const { return tokens_.size(); }

 private:
  /// What the units have in common; domains are made of it, so that every domain fits every unit.
  struct Platform {
    core::PageFormat format;
    std::uint32_t levels_mask = 0;
    unsigned input_bits = 64;
    unsigned output_bits = 64;
    unsigned max_leaf_level = core::kMaxLevels;
    bool pass_through = false;  ///< at least one unit has it
    std::vector<UntranslatedRange> untranslated;
  };

  // system.cpp
  void check_description() const;
  [[nodiscard]] NTSTATUS start_units();
  [[nodiscard]] NTSTATUS merge_features();
  void report(Severity severity, const char* function, const std::string& object, const std::string& message) const;
  [[nodiscard]] std::shared_ptr<Domain> find_domain(const char* function, unsigned position,
                                                    PIOMMU_DMA_DOMAIN handle) const;
  [[nodiscard]] std::shared_ptr<DeviceToken> find_device(const char* function, unsigned position,
                                                         PIOMMU_DMA_DEVICE handle) const;
  /// What has to go before the domain can: attached devices and reserved ranges, by name; empty when there is nothing.
  [[nodiscard]] std::string holders(const Domain& domain) const;
  [[nodiscard]] Requester* find_requester(const PDEVICE_OBJECT object) const;
  [[nodiscard]] bool modeled() const { return description_.policy.profile == Profile::Modeled; }
  void report_handle(const char* function, unsigned position, const char* kind, HandleState state) const;
  /// True, and reported, when the place for a result is NULL.
  [[nodiscard]] bool missing(const char* function, unsigned position, const void* output) const;
  /// True, and reported, when another thread deleted the object while this one waited for it.
  template <typename Object>
  [[nodiscard]] bool lost(const char* function, const Object& object) const;
  void enter_requester(const char* function, Requester& requester, const std::string& device);
  void leave_requester(Requester& requester);

  // domain_functions.cpp
  struct DomainShape {
    unsigned width_bits = 0;
    unsigned levels = 0;
  };
  [[nodiscard]] DomainShape shape_for(unsigned wanted_bits) const;
  [[nodiscard]] NTSTATUS build_space(Domain& domain, const DomainShape& shape, bool with_allocator,
                                     const std::vector<IOMMU_DMA_RESERVED_REGION>& regions);

  // attach_functions.cpp, with the requester's mutex held; `device` is null for version 1
  [[nodiscard]] NTSTATUS attach_locked(const char* function, const std::shared_ptr<Domain>& domain,
                                       Requester& requester, const std::shared_ptr<DeviceToken>& device);
  /// Callers that have left the requester then wait for its fault handler, which may still run.
  [[nodiscard]] NTSTATUS detach_locked(Requester& requester);

  // fault_functions.cpp
  /// SetDeviceFaultReporting(Ex) in the modeled profile, once the device is known. It must be attached through `token`;
  /// null: by version 1. Takes the requester's mutex itself.
  [[nodiscard]] NTSTATUS set_fault_reporting(const char* function, Requester& requester,
                                             const std::shared_ptr<DeviceToken>& token, ULONG input_mapping_id_base,
                                             BOOLEAN enable, const DEVICE_FAULT_CONFIGURATION* fault_config);
  [[nodiscard]] NTSTATUS set_fault_reporting_locked(const char* function, Requester& requester,
                                                    const std::shared_ptr<DeviceToken>& token,
                                                    ULONG input_mapping_id_base, BOOLEAN enable,
                                                    const DEVICE_FAULT_CONFIGURATION* fault_config);

  // v1_functions.cpp
  /// The device behind a PDO; null with the reason in `status`.
  [[nodiscard]] Requester* find_v1_device(const char* function, PDEVICE_OBJECT object, unsigned position,
                                          NTSTATUS& status) const;

  // policy_functions.cpp
  [[nodiscard]] ULONG available_domain_types(const Requester& requester) const;
  void announce_changes();

  // state_change_functions.cpp
  void deliver(StateChangeRegistration& registration, ULONG available_types);
  [[nodiscard]] bool inside_callback(const char* function, const std::string& object) const;

  // flush_functions.cpp
  void note_flush(const char* function, Domain& domain) const;

  // map_functions.cpp; with the domain's mutex held
  [[nodiscard]] std::optional<PhysicalPages> physical_pages(const IOMMU_MAP_PHYSICAL_ADDRESS* description) const;
  void explain_overlap(const char* function, const Domain& domain, std::uint64_t first_page, std::uint64_t pages) const;
  [[nodiscard]] NTSTATUS claim_range(const char* function, Domain& domain, std::uint64_t pages,
                                     const Placement& placement, LogicalSpace::Owner owner, std::uint64_t& first_page);
  void return_claim(Domain& domain, std::uint64_t first_page, std::uint64_t pages);
  [[nodiscard]] NTSTATUS publish(const Domain& domain, std::uint64_t first_page, std::uint64_t pages);
  [[nodiscard]] NTSTATUS invalidate(const Domain& domain, std::uint64_t first_page, std::uint64_t pages,
                                    bool leaf_only);
  [[nodiscard]] NTSTATUS finish_removal(const Domain& domain, const PageTable::Removal& removal);
  [[nodiscard]] NTSTATUS unmap_ranges(Domain& domain, const std::vector<PageRange>& ranges);

  // reserved_functions.cpp
  [[nodiscard]] std::shared_ptr<ReservedRange> find_token(const char* function, PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token);
  [[nodiscard]] NTSTATUS free_locked(ReservedRange& range);
  [[nodiscard]] NTSTATUS map_segment(ReservedRange& range, std::uint64_t first, const PhysicalPages& physical,
                                     core::Permissions permissions);

  // interface.cpp
  [[nodiscard]] NTSTATUS take_slot(const char* function);
  void refuse_version(const char* function, ULONG version, const char* offered) const;

  SystemDescription description_;
  std::vector<std::unique_ptr<RemappingDriver>> drivers_;  // by unit
  std::vector<std::unique_ptr<Requester>> requesters_;     // by PDO
  FaultDelivery faults_;
  Platform platform_;
  std::unique_ptr<Mutex> start_mutex_;
  std::optional<NTSTATUS> started_;
  std::optional<std::size_t> slot_;  // of interface.h
  std::uint16_t serial_ = 0;         // distinguishes handles of systems that had a slot
  std::uint64_t domains_made_ = 0;
  std::vector<const void*> in_callback_;  // threads that run a state-change callback
  std::uint64_t tokens_made_ = 0;

  HandleTable<Domain, IOMMU_DMA_DOMAIN> domains_;
  HandleTable<DeviceToken, IOMMU_DMA_DEVICE> devices_;
  TokenTable tokens_;
};

template <typename Object>
bool System::lost(const char* function, const Object& object) const {
  if (!object.deleted) return false;
  report(Severity::Warning, function, object.name, "was deleted by another thread while this call waited for it");
  return true;
}

}  // namespace iommu::api
