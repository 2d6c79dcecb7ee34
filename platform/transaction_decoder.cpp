#include "platform/transaction_decoder.h"

#include <algorithm>
#include <utility>

#include "models/vtd/register_map.h"
#include "platform/units.h"

namespace iommu::platform {

namespace {

using Kind = MemoryRole::Kind;
using Space = Access::Space;

constexpr std::uint32_t kWordBytes = 8;
constexpr std::uint32_t kRecordBytes = 16;

std::uint64_t in_page(core::Address address) { return address & core::low_mask(core::kPageShift); }

const char* arrow(const Access& access) { return access.write ? " <- " : " -> "; }

bool of_records(const MemoryRole& role) {
  return role.kind == Kind::RootTable || role.kind == Kind::ContextTable || role.kind == Kind::InvalidationQueue;
}

std::string bus_text(unsigned bus) {
  // As in a requester id: two hexadecimal digits.
  return requester_text(static_cast<std::uint16_t>(bus << 8)).substr(0, 2);
}

std::string role_text(const MemoryRole& role) {
  switch (role.kind) {
    case Kind::RootTable:
      return "root table";
    case Kind::ContextTable:
      return "context table of bus " + bus_text(role.bus);
    case Kind::PageTable:
      return "page table level " + std::to_string(role.level) + " of domain id " + std::to_string(role.domain_id);
    case Kind::InvalidationQueue:
      return "invalidation queue";
    case Kind::StatusPage:
      break;
  }
  return "wait status word";
}

/// The name of the record at this address: "context entry 00:03.0".
std::string record_name(const MemoryRole& role, core::Address address) {
  const auto index = static_cast<unsigned>(in_page(address) / kRecordBytes);
  if (role.kind == Kind::RootTable) return "root entry of bus " + bus_text(index);
  if (role.kind == Kind::ContextTable) {
    return "context entry " + requester_text(static_cast<std::uint16_t>(role.bus << 8 | index));
  }
  const std::size_t descriptors = core::kPageBytes / kRecordBytes;
  return "invalidation queue[" + std::to_string(role.page * descriptors + index) + "]";
}

}  // namespace

/// What is remembered from line to line of one call.
struct TransactionDecoder::State {
  std::optional<std::uint32_t> awaited;  // status of the last wait descriptor
};

TransactionDecoder::TransactionDecoder(const AccessLog& log, std::vector<std::string> unit_names)
    : log_(log), unit_names_(std::move(unit_names)), floating_(unit_names_.size()), roles_(log.accesses) {
  for (const LoggedAccess& logged : log.accesses) {
    const Access& access = logged.access;
    if (access.space != Space::Registers || access.write || access.unit >= floating_.size()) continue;
    FloatingRegisters& floating = floating_[access.unit];
    if (access.address == vtd::ECAP.offset && access.bytes == kWordBytes) {
      floating.iotlb = static_cast<std::uint32_t>(vtd::ecap::IRO.get(access.value) * 16);
    } else if (access.address == vtd::CAP.offset && access.bytes == kWordBytes) {
      floating.fault_records = static_cast<std::uint32_t>(vtd::cap::FRO.get(access.value) * 16);
      floating.fault_record_count = static_cast<std::uint32_t>(vtd::cap::NFR.get(access.value) + 1);
    }
  }
}

std::vector<Transaction> TransactionDecoder::decode(std::optional<std::size_t> call) const {
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < log_.accesses.size(); ++i) {
    if (log_.accesses[i].call == call) positions.push_back(i);
  }
  const auto same_read = [&](std::size_t a, std::size_t b) {
    const Access& first = log_.accesses[a].access;
    const Access& second = log_.accesses[b].access;
    return !first.write && !second.write && first.space == second.space && first.unit == second.unit &&
           first.address == second.address && first.bytes == second.bytes && first.value == second.value;
  };
  State state;
  std::vector<Transaction> transactions;
  for (std::size_t i = 0; i < positions.size();) {
    std::size_t next = i + 1;
    std::optional<std::string> record;
    if (next < positions.size()) record = record_line(positions[i], positions[next], state);
    if (record) ++next;
    while (!record && next < positions.size() && same_read(positions[i], positions[next])) ++next;
    const Access& first = log_.accesses[positions[i]].access;
    Transaction transaction;
    transaction.space = first.space;
    transaction.write = first.write;
    transaction.accesses = next - i;
    transaction.begin = first.begin;
    transaction.end = log_.accesses[positions[next - 1]].access.end;
    transaction.text = record ? *record : text_of(positions[i], state);
    transactions.push_back(std::move(transaction));
    i = next;
  }
  return transactions;
}

// Two writes that make one record of 16 bytes.
std::optional<std::string> TransactionDecoder::record_line(std::size_t first, std::size_t second, State& state) const {
  const Access& a = log_.accesses[first].access;
  const Access& b = log_.accesses[second].access;
  if (a.space != Space::Memory || b.space != Space::Memory || !a.write || !b.write) return std::nullopt;
  if (a.bytes != kWordBytes || b.bytes != kWordBytes || (a.address ^ b.address) != kWordBytes) return std::nullopt;
  const MemoryRole* role = roles_.at(a.address, first);
  if (role == nullptr || !of_records(*role)) return std::nullopt;
  const bool low_first = a.address < b.address;
  const vtd::Record128 record{low_first ? a.value : b.value, low_first ? b.value : a.value};
  const std::string name = record_name(*role, a.address) + " <- ";
  if (role->kind == Kind::RootTable) return name + root_entry_text(record);
  if (role->kind == Kind::ContextTable) return name + context_entry_text(record);
  if (const auto data = wait_data(record.lo)) state.awaited = data;
  return name + descriptor_text(record);
}

std::string TransactionDecoder::text_of(std::size_t position, State& state) const {
  const Access& access = log_.accesses[position].access;
  return access.space == Space::Registers ? register_line(access) : memory_line(access, position, state);
}

std::string TransactionDecoder::register_line(const Access& access) const {
  const std::string unit =
      unit_names_.size() > 1 && access.unit < unit_names_.size() ? unit_names_[access.unit] + " " : "";
  const FloatingRegisters floating = access.unit < floating_.size() ? floating_[access.unit] : FloatingRegisters{};
  return unit +
         register_text(floating, static_cast<std::uint32_t>(access.address), access.bytes, access.write, access.value);
}

std::string TransactionDecoder::memory_line(const Access& access, std::size_t position, State& state) const {
  const MemoryRole* role = roles_.at(access.address, position);
  if (access.bytes == core::kPageBytes) {
    return "zero 4 KiB at " + hex_text(access.address) + (role == nullptr ? "" : " (" + role_text(*role) + ")");
  }
  if (roles_.is_status_word(access.address)) {
    const auto reached = static_cast<std::uint32_t>(access.value);
    std::string text = std::string("wait status word") + arrow(access) + std::to_string(reached);
    if (access.write || !state.awaited) return text;
    // Numbers of submissions wrap around.
    const bool completed = static_cast<std::int32_t>(reached - *state.awaited) >= 0;
    return text + (completed ? " (completed)" : " (waiting for " + std::to_string(*state.awaited) + ")");
  }
  if (role != nullptr && of_records(*role)) return half_record_line(*role, access, state);
  if (role != nullptr && role->kind == Kind::PageTable) {
    const std::uint64_t entry = in_page(access.address) / kWordBytes;
    return role_text(*role) + ", entry " + std::to_string(entry) + " (logical " +
           hex_text(role->logical + entry * core::level_bytes(role->level)) + ")" + arrow(access) +
           page_entry_text(access.value, role->level);
  }
  return "memory at " + hex_text(access.address) + arrow(access) + hex_text(access.value);
}

// One of the two words of a record, the other one is not written next to it.
std::string TransactionDecoder::half_record_line(const MemoryRole& role, const Access& access, State& state) const {
  const bool low = in_page(access.address) % kRecordBytes == 0;
  const std::string name = record_name(role, access.address) + (low ? ", bits 63:0" : ", bits 127:64") + arrow(access);
  if (low && access.write && role.kind == Kind::InvalidationQueue) {
    if (const auto data = wait_data(access.value)) state.awaited = data;
  }
  if (role.kind == Kind::ContextTable) return name + context_entry_half_text(access.value, low);
  if (role.kind == Kind::RootTable && low) return name + root_entry_text({access.value, 0});
  return name + hex_text(access.value);
}

}  // namespace iommu::platform
