// Which memory is what: the structures of VT-d found in a log of accesses.
//
// What it does: follows the pointers that system software wrote: RTADDR to the root table, its entries to context tables, theirs to page
// tables, table by table; IQA to the invalidation queue, its wait descriptors to their status word. A frame has a role from
// when it was filled with zeros to the next time, so that a table that was written before anything pointed to it is known, too.
// What it does not do: read memory, or know about structures that nothing in the log points to. Scalable mode is unknown to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "models/vtd/records.h"
#include "platform/interface_monitor.h"

namespace iommu::platform {

struct MemoryRole {
  enum class Kind : std::uint8_t { RootTable, ContextTable, PageTable, InvalidationQueue, StatusPage };
  Kind kind{};
  unsigned bus = 0;             ///< ContextTable
  unsigned level = 0;           ///< PageTable
  std::uint16_t domain_id = 0;  ///< PageTable
  core::Address logical = 0;    ///< PageTable: what its first entry translates
  unsigned page = 0;            ///< InvalidationQueue: which page of the queue
};

class MemoryRoles {
 public:
  explicit MemoryRoles(const std::vector<LoggedAccess>& accesses);

  /// The role that the frame of `address` has at the time of access number `position` of the log; null: none is known.
  [[nodiscard]] const MemoryRole* at(core::Address address, std::size_t position) const;
  /// True for the word that wait descriptors write their status to.
  [[nodiscard]] bool is_status_word(core::Address address) const { return status_words_.count(address) != 0; }

 private:
  struct Write {
    std::uint32_t offset = 0;
    std::uint64_t value = 0;
    std::size_t position = 0;
  };
  struct Life {
    std::size_t from = 0;  // position of the zeros that begin it
    std::vector<Write> writes;
    std::optional<MemoryRole> role;
  };

  void collect(const Access& access, std::size_t position);
  void follow_register(const Access& access, std::size_t position);
  void assign(core::Address frame, std::size_t position, const MemoryRole& role);
  void follow(const Life& life);
  void follow_root(const Life& life);
  void follow_context(const Life& life);
  void follow_page_table(const Life& life);
  void follow_queue(const Life& life);
  /// Index of the life that runs at `position`; nothing when the first one begins later.
  [[nodiscard]] static std::optional<std::size_t> life_at(const std::vector<Life>& lives, std::size_t position);

  std::map<core::Address, std::vector<Life>> frames_;
  std::vector<Life*> to_follow_;
  std::set<core::Address> status_words_;
};

}  // namespace iommu::platform
