// What system software did to an IOMMU, said in the architecture's words.
//
// What it does: turns the accesses of one call into lines, with the names of registers, tables, entries, descriptors and their fields. What a
// piece of memory is follows from the whole log (memory_roles.h), so that later accesses explain earlier ones. What it
// does not do: judge whether the accesses are right, or know the interface's functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "platform/interface_monitor.h"
#include "platform/memory_roles.h"
#include "platform/record_text.h"

namespace iommu::platform {

/// One line: an access, a read that was repeated with the same answer, or the two writes of one record.
struct Transaction {
  Access::Space space = Access::Space::Memory;
  bool write = false;
  std::uint64_t accesses = 1;
  core::Tick begin = 0;  ///< of the first access
  core::Tick end = 0;    ///< of the last one
  std::string text;
};

class TransactionDecoder {
 public:
  /// `log` outlives the decoder and is complete. Names are shown when there is more than one unit.
  TransactionDecoder(const AccessLog& log, std::vector<std::string> unit_names);

  /// The accesses of call number `call` of the log, or those outside of calls, in order.
  [[nodiscard]] std::vector<Transaction> decode(std::optional<std::size_t> call) const;

 private:
  struct State;
  [[nodiscard]] std::string text_of(std::size_t position, State& state) const;
  [[nodiscard]] std::string register_line(const Access& access) const;
  [[nodiscard]] std::string memory_line(const Access& access, std::size_t position, State& state) const;
  [[nodiscard]] std::optional<std::string> record_line(std::size_t first, std::size_t second, State& state) const;
  [[nodiscard]] std::string half_record_line(const MemoryRole& role, const Access& access, State& state) const;

  const AccessLog& log_;
  std::vector<std::string> unit_names_;
  std::vector<FloatingRegisters> floating_;  // by unit
  MemoryRoles roles_;
};

}  // namespace iommu::platform
