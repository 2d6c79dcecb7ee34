// What the interface has to do, in the simplest terms: the reference that random calls are compared with.
//
// What it does: keeps, for each domain, a map from page to page with permissions and owner, and predicts each call's
// status by the rules of the interface's fact sheet and docs/ddi-decisions.md. Written from those, without a look at
// api/: one loop a page where api/ has trees and intervals. What it does not do: choose addresses (an allocator's choice
// is only checked: size, alignment, bounds, nobody else's), know hardware, handles or memory.
//
// Functions that begin with may_ predict a status and change nothing; those that begin with did_ take note of a success.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/ports.h"
#include "api/wdm.h"

namespace reference {

/// All in pages of 4 KiB unless a name says otherwise.
using PageNumber = std::uint64_t;
using Index = std::size_t;

enum class Owner : std::uint8_t { Mapping, Identity, Token };

struct Page {
  Owner owner = Owner::Mapping;
  bool mapped = false;  ///< false: of a token, and not mapped in it
  PageNumber physical = 0;
  unsigned permissions = 0;
  Index token = 0;
};

struct Region {
  PageNumber first = 0;
  PageNumber pages = 0;
  bool mapped = false;
};

/// A block of a domain's allocator; `live` of its pages have an owner.
struct Block {
  PageNumber pages = 0;
  PageNumber live = 0;
};

struct Domain {
  IOMMU_DMA_DOMAIN_TYPE type = DomainTypeTranslate;
  bool buddy = false;
  unsigned width_bits = 0;
  bool alive = true;
  unsigned attached = 0;
  unsigned tokens = 0;
  std::map<PageNumber, Page> pages;
  std::vector<Region> regions;  ///< of the caller
  std::map<PageNumber, Block> blocks;
};

/// A token of a reserved range, and its segments: offset in pages -> pages.
struct Range {
  Index domain = 0;
  PageNumber first = 0;
  PageNumber pages = 0;
  bool alive = true;
  std::map<PageNumber, PageNumber> segments;
};

/// The hardware behind a physical device object.
struct Device {
  std::string name;
  bool behind_unit = true;
  unsigned unit = 0;
  std::vector<unsigned> requesters;
  iommu::api::RemappingOptIn opt_in = iommu::api::RemappingOptIn::Yes;
  bool external = false;
  std::optional<Index> domain;       ///< attached to
  std::optional<Index> attached_by;  ///< handle; none: by version 1
  bool reports_faults = false;       ///< its driver has a handler
};

/// A device handle of CreateDevice.
struct Handle {
  Index device = 0;
  bool alive = true;
  std::optional<Index> callback;  ///< which function is registered
  unsigned announced = 0;
};

struct Limits {
  unsigned space_bits = 48;     ///< widest logical address
  unsigned physical_bits = 46;  ///< widest physical address
  std::size_t domains = 0;      ///< at a time
  std::size_t handles = 0;      ///< at a time
  bool modeled = true;          ///< profile
  bool pass_through = true;     ///< the hardware has it
  iommu::api::UnattachedState unattached = iommu::api::UnattachedState::Blocked;
  iommu::api::DmaGuard guard;
};

/// Rules that a reference can be given wrong on purpose, to see that a difference is found and shrunk.
enum class Flaw : std::uint8_t {
  None,
  WriteOnlyIsReadable,     ///< write permission includes reading
  UnmapKeepsLastPage,      ///< UnmapLogicalRange of several pages leaves the last one
  TokensDontBlockDeletion  ///< DeleteDomain does not look at tokens
};

/// Where a caller wants a range.
struct Wish {
  std::optional<std::uint64_t> explicit_address;  ///< bytes
  std::optional<std::uint64_t> min, max;          ///< bytes, inclusive
};

class Model {
 public:
  explicit Model(const Limits& limits, Flaw flaw = Flaw::None) : limits_(limits), flaw_(flaw) {}

  std::vector<Device> devices;
  std::vector<Handle> handles;
  std::vector<Domain> domains;
  std::vector<Range> ranges;

  [[nodiscard]] const Limits& limits() const { return limits_; }
  [[nodiscard]] std::size_t live_domains() const;
  [[nodiscard]] std::size_t live_handles() const;
  [[nodiscard]] std::size_t live_ranges() const;

  // Which of the optional objects is nothing, is none: a handle that is NULL, stale or made up.
  using Object = std::optional<Index>;
  /// The pages of a descriptor; nothing when it is malformed.
  using Pages = std::optional<std::vector<PageNumber>>;

  // Devices and policy
  [[nodiscard]] NTSTATUS may_create_device(const Object& device, bool configuration, bool output) const;
  void did_create_device(Index device) { handles.push_back({device, true, std::nullopt, 0}); }
  [[nodiscard]] NTSTATUS may_delete_device(const Object& handle) const;
  [[nodiscard]] unsigned available_types(const Object& handle) const;
  [[nodiscard]] unsigned types_of(const Device& device) const;
  [[nodiscard]] NTSTATUS may_query_mappings(const Object& device, bool buffer, std::uint32_t bytes,
                                            std::uint32_t& length) const;
  [[nodiscard]] NTSTATUS may_register(bool callback, const Object& handle, bool fields) const;
  [[nodiscard]] NTSTATUS may_unregister(Index callback, const Object& handle) const;
  void set_screen_locked(bool locked) { limits_.guard.screen_locked = locked; }
  /// Handles whose mask changes now, with the new one.
  [[nodiscard]] std::vector<std::pair<Index, unsigned>> announce();

  // Domains
  struct DomainWish {
    int type = 0;
    bool flags = false;  ///< some bit is set
    std::optional<IOMMU_DMA_LOGICAL_ALLOCATOR_CONFIG> allocator;
    std::vector<IOMMU_DMA_RESERVED_REGION> regions;  ///< as linked
    bool output = true;
  };
  [[nodiscard]] NTSTATUS may_create_domain(const DomainWish& wish) const;
  void did_create_domain(const DomainWish& wish);
  [[nodiscard]] NTSTATUS may_delete_domain(const Object& domain) const;
  void did_delete_domain(Index domain);
  [[nodiscard]] NTSTATUS may_flush(const Object& domain) const;
  [[nodiscard]] NTSTATUS may_flush_pages(const Object& domain, std::uint32_t number, bool list) const;

  // Attaching; `by` is the handle, or nothing for version 1
  [[nodiscard]] NTSTATUS may_attach(const Object& domain, const Object& handle) const;
  [[nodiscard]] NTSTATUS may_attach_v1(const Object& domain, const Object& device, unsigned base, unsigned count) const;
  void did_attach(Index domain, Index device, const Object& by);
  [[nodiscard]] NTSTATUS may_detach(const Object& handle) const;
  [[nodiscard]] NTSTATUS may_detach_v1(const Object& domain, const Object& device, unsigned id) const;
  void did_detach(Index device);

  // Faults; `by` as for attaching
  [[nodiscard]] NTSTATUS may_report_faults(const Object& handle, unsigned base, bool enable, bool handler) const;
  [[nodiscard]] NTSTATUS may_report_faults_v1(const Object& device, unsigned base, bool enable, bool handler) const;
  /// What a handler is told of a blocked access to a page by an attached device.
  [[nodiscard]] FAULT_INFORMATION_X64_TYPE fault_type(const Device& device, PageNumber page) const;

  // Mappings
  [[nodiscard]] NTSTATUS may_map(const Object& domain, unsigned permissions, const Pages& physical, const Wish& wish,
                                 bool output) const;
  /// What is wrong with the address that a successful call gave; empty when nothing is.
  [[nodiscard]] std::string did_map(Index domain, unsigned permissions, const std::vector<PageNumber>& physical,
                                    const Wish& wish, std::uint64_t address);
  [[nodiscard]] NTSTATUS may_unmap(const Object& domain, std::uint64_t address, std::uint64_t pages) const;
  void did_unmap(Index domain, PageNumber first, PageNumber pages);
  [[nodiscard]] NTSTATUS may_map_identity(const Object& domain, unsigned permissions, const Pages& physical) const;
  void did_map_identity(Index domain, unsigned permissions, const std::vector<PageNumber>& physical);
  [[nodiscard]] NTSTATUS may_unmap_identity(const Object& domain, const Pages& physical) const;
  void did_unmap_identity(Index domain, const std::vector<PageNumber>& physical);

  // Reserved ranges
  [[nodiscard]] NTSTATUS may_reserve(const Object& domain, std::uint64_t bytes, const Wish& wish, bool output) const;
  [[nodiscard]] std::string did_reserve(Index domain, std::uint64_t bytes, const Wish& wish, std::uint64_t address);
  [[nodiscard]] NTSTATUS may_free(const Object& range) const;
  void did_free(Index range);
  [[nodiscard]] NTSTATUS may_map_reserved(const Object& range, std::uint64_t offset, unsigned permissions,
                                          const Pages& physical, bool segment) const;
  void did_map_reserved(Index range, std::uint64_t offset, unsigned permissions,
                        const std::vector<PageNumber>& physical);
  [[nodiscard]] NTSTATUS may_unmap_reserved(const Object& range, std::uint64_t offset, std::uint64_t bytes) const;
  void did_unmap_reserved(Index range, std::uint64_t offset);

  /// What a device reaches at a logical page; nothing: its access faults.
  [[nodiscard]] std::optional<PageNumber> reach(const Device& device, PageNumber page, bool write) const;

 private:
  [[nodiscard]] const Domain* translating(const Object& domain) const;
  [[nodiscard]] static PageNumber space_pages(const Domain& domain) {
    return PageNumber{1} << (domain.width_bits - 12);
  }
  [[nodiscard]] static bool reserved(const Domain& domain, PageNumber page);
  [[nodiscard]] static bool taken(const Domain& domain, PageNumber page);
  [[nodiscard]] static bool inside(const Domain& domain, const std::vector<PageNumber>& pages);
  [[nodiscard]] static bool explicit_fits(const Domain& domain, const Wish& wish, PageNumber pages);
  [[nodiscard]] static NTSTATUS may_place(const Domain& domain, const Wish& wish, PageNumber pages);
  [[nodiscard]] static bool room(const Domain& domain, const Wish& wish, PageNumber pages);
  [[nodiscard]] static std::string placed(Domain& domain, const Wish& wish, std::uint64_t address, PageNumber pages);
  static void give_up(Domain& domain, PageNumber page);
  [[nodiscard]] bool regions_right(const DomainWish& wish, unsigned width_bits) const;
  [[nodiscard]] unsigned width_of(const DomainWish& wish) const;
  [[nodiscard]] NTSTATUS may_attach_to(const Domain& domain, const Device& device) const;
  [[nodiscard]] NTSTATUS may_report(const Device& device, const Object& by, unsigned base, bool enable,
                                    bool handler) const;

  Limits limits_;
  Flaw flaw_;
};

}  // namespace reference
