#include "models/tlm/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "models/tlm/dma_extension.h"

namespace iommu::sim {

Memory::Memory(sc_core::sc_module_name name, const MemoryConfig& config)
    : sc_module(name), socket("socket"), config_(config), kernel_time_(*this), channels_(config.channels) {
  require_picosecond_resolution();
  if (config.cache.size_bytes != 0) {
    const char* problem = core::LastLevelCache::find_problem(config.cache);
    if (problem != nullptr) SC_REPORT_ERROR("iommu-vp", (std::string(this->name()) + ": " + problem).c_str());
    if (problem == nullptr) cache_ = std::make_unique<core::LastLevelCache>(config.cache);
  }
  reserve();
  prepare_usual(entry_, 8);
  prepare_usual(line_, 64);
  socket.bind(*this);
}

Memory::~Memory() {
  if (bytes_ != nullptr) ::munmap(bytes_, config_.size_bytes);
}

// Reports come last: they may throw, and when they don't, every access is an address error.
void Memory::reserve() {
  const std::uint64_t size = config_.size_bytes;
  const std::string who = std::string("memory '") + this->name() + "'";
  if (size == 0 || config_.base + (size - 1) < config_.base) {
    config_.size_bytes = 0;
    const std::string what =
        size == 0 ? " has no bytes; set size_bytes to at least 1"
                  : " goes beyond the last address: lower base or size_bytes (" + std::to_string(size) + ")";
    SC_REPORT_ERROR("iommu-vp", (who + what).c_str());
    return;
  }
  void* mapping = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    const std::string reason = std::strerror(errno);
    config_.size_bytes = 0;
    SC_REPORT_ERROR("iommu-vp", (who + ": this host can't reserve " + std::to_string(size) +
                                 " bytes of address space (" + reason + "); lower memory.size_bytes")
                                    .c_str());
    return;
  }
  bytes_ = static_cast<unsigned char*>(mapping);
  // A touched byte costs one small page, not a huge one; core dumps leave the mapping out. Both are only wishes.
  ::madvise(mapping, size, MADV_NOHUGEPAGE);
  ::madvise(mapping, size, MADV_DONTDUMP);
}

bool Memory::contains(core::Address address, std::uint64_t bytes) const {
  const std::uint64_t offset = address - config_.base;
  return address >= config_.base && offset < config_.size_bytes && bytes <= config_.size_bytes - offset;
}

unsigned char* Memory::host_pointer(core::Address address) const {
  return contains(address, 1) ? bytes_ + (address - config_.base) : nullptr;
}

bool Memory::read(core::Address address, void* data, std::size_t bytes) {
  if (!contains(address, bytes)) return false;
  std::memcpy(data, host_pointer(address), bytes);
  return true;
}

bool Memory::write(core::Address address, const void* data, std::size_t bytes) {
  if (!contains(address, bytes)) return false;
  std::memcpy(host_pointer(address), data, bytes);
  return true;
}

::tlm::tlm_response_status Memory::check(const ::tlm::tlm_generic_payload& payload) const {
  if (!payload.is_read() && !payload.is_write()) return ::tlm::TLM_COMMAND_ERROR_RESPONSE;
  const unsigned length = payload.get_data_length();
  const unsigned width = payload.get_streaming_width();
  if (length == 0 || width == 0) return ::tlm::TLM_BURST_ERROR_RESPONSE;
  if (payload.get_byte_enable_ptr() != nullptr && payload.get_byte_enable_length() == 0) {
    return ::tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  }
  if (!contains(payload.get_address(), std::min(length, width))) return ::tlm::TLM_ADDRESS_ERROR_RESPONSE;
  return ::tlm::TLM_OK_RESPONSE;
}

void Memory::move(::tlm::tlm_generic_payload& payload) const {
  unsigned char* memory = host_pointer(payload.get_address());
  unsigned char* data = payload.get_data_ptr();
  const unsigned length = payload.get_data_length();
  const unsigned width = payload.get_streaming_width();
  const unsigned char* enables = payload.get_byte_enable_ptr();
  if (enables == nullptr && width >= length) {
    std::memcpy(payload.is_read() ? data : memory, payload.is_read() ? memory : data, length);
    return;
  }
  const unsigned period = payload.get_byte_enable_length();
  for (unsigned i = 0; i < length; ++i) {
    if (enables != nullptr && enables[i % period] == TLM_BYTE_DISABLED) continue;
    (payload.is_read() ? data[i] : memory[i % width]) = payload.is_read() ? memory[i % width] : data[i];
  }
}

// `now`, or the end of the refresh of this address that is under way then.
core::Tick Memory::after_refresh(core::Address address, core::Tick now) {
  if (config_.refresh_interval == 0) return now;
  const core::Tick first = config_.refresh_interval +
                           (address >> core::kPageShift) % config_.ranks * config_.refresh_interval / config_.ranks;
  if (now < first) return now;
  const core::Tick into = (now - first) % config_.refresh_interval;
  if (into >= config_.refresh) return now;
  ++counters_.refresh_waits;
  return now + (config_.refresh - into);
}

// How many bytes have to be moved from or to memory itself.
std::uint64_t Memory::look_up(const ::tlm::tlm_generic_payload& payload, core::Traffic traffic) {
  const unsigned length = payload.get_data_length();
  const unsigned width = payload.get_streaming_width();
  const std::uint64_t missing =
      cache_->access(traffic, payload.is_write(), payload.get_address(), std::min(length, width));
  return width < length && missing != 0 ? length : missing;
}

// What nearly every access is, at once: a whole line or entry where memory is, and a channel free. Nothing here calls
// anything, which saves registers; all else goes on in access().
void Memory::b_transport(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const unsigned length = payload.get_data_length();
  const std::uint64_t offset = payload.get_address() - config_.base;
  Usual& usual = length == 64 ? line_ : entry_;
  if (usual.length != length || offset > usual.last_offset) return access(payload, delay);
  if (payload.get_byte_enable_ptr() != nullptr || payload.get_streaming_width() < length) return access(payload, delay);
  if (payload.get_command() == ::tlm::TLM_IGNORE_COMMAND) return access(payload, delay);
  if (!channels_.take_at_once(kernel_time_.now(delay), usual.occupancy)) return access_later(payload, delay, usual);
  delay += usual.time;
  move_usual(payload, usual);
}

// The same where a channel may have to be waited for.
void Memory::access_later(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay, Usual& usual) {
  const core::Tick now = kernel_time_.now(delay);
  const core::Tick wait = channels_.reserve(now, usual.occupancy) - now;
  delay += usual.time;
  if (wait != 0) add_wait(payload, delay, wait);
  move_usual(payload, usual);
}

inline void Memory::move_usual(::tlm::tlm_generic_payload& payload, Usual& usual) {
  unsigned char* const memory = bytes_ + (payload.get_address() - config_.base);
  const unsigned char* from = memory;
  unsigned char* to = payload.get_data_ptr();
  if (payload.is_read()) {
    ++usual.reads;
  } else {
    ++usual.writes;
    to = memory;
    from = payload.get_data_ptr();
  }
  usual.length == 64 ? static_cast<void>(std::memcpy(to, from, 64)) : static_cast<void>(std::memcpy(to, from, 8));
  payload.set_dmi_allowed(true);
  payload.set_response_status(::tlm::TLM_OK_RESPONSE);
}

MemoryCounters Memory::counters() const {
  MemoryCounters sum = counters_;
  for (const Usual* usual : {&entry_, &line_}) {
    sum.reads += usual->reads;
    sum.writes += usual->writes;
    sum.bytes_read += usual->reads * usual->length;
    sum.bytes_written += usual->writes * usual->length;
    sum.busy += (usual->reads + usual->writes) * usual->occupancy;
  }
  return sum;
}

// The time of a transaction of this length that need not wait. The ones asked for last are kept: neither divisions nor
// conversions of time on the way.
const Memory::Duration& Memory::duration_of(std::uint64_t length) {
  Duration& known = durations_[length == 8 ? 0 : 1];
  if (known.length != length) {
    known.length = length;
    const std::uint64_t rate = config_.bandwidth_mbytes_per_s;
    // A byte takes 10^6 / rate picoseconds; 2^32 bytes times 10^6 stay below 2^64.
    known.occupancy = rate == 0 ? 0 : (length * 1'000'000 - 1) / rate + 1;
    known.time = to_sc_time(config_.latency + known.occupancy);
  }
  return known;
}

// Where requests come at a steady rate, they all wait for the same time: its conversion is kept.
inline void Memory::add_wait(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay, core::Tick wait) {
  if (wait != last_wait_) {
    last_wait_ = wait;
    last_wait_time_ = to_sc_time(wait);
  }
  delay += last_wait_time_;
  if (auto* extension = payload.get_extension<DmaExtension>()) extension->wait += wait;
  counters_.wait += wait;
}

void Memory::prepare_usual(Usual& usual, unsigned length) {
  if (cache_ != nullptr || config_.refresh_interval != 0 || config_.size_bytes < length) return;
  const Duration& duration = duration_of(length);
  usual = {config_.size_bytes - length, length, duration.occupancy, duration.time, 0, 0};
}

void Memory::access(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  // Behind a cache an access has no fixed time that a direct one could take.
  payload.set_dmi_allowed(bytes_ != nullptr && cache_ == nullptr);
  if (payload.get_command() == ::tlm::TLM_IGNORE_COMMAND) {
    payload.set_response_status(::tlm::TLM_OK_RESPONSE);
    return;
  }
  const ::tlm::tlm_response_status status = check(payload);
  payload.set_response_status(status);
  if (status != ::tlm::TLM_OK_RESPONSE) {
    ++counters_.refused;
    delay += to_sc_time(config_.latency);
    return;
  }
  const std::uint64_t length = payload.get_data_length();
  std::uint64_t moved = length;
  if (cache_ != nullptr) {
    const auto* extension = payload.get_extension<DmaExtension>();
    moved = look_up(payload, extension != nullptr ? extension->traffic : core::Traffic::Dma);
  }
  if (moved == 0) {
    delay += to_sc_time(config_.cache_latency);
  } else {
    const Duration& duration = duration_of(moved);
    const core::Tick now = kernel_time_.now(delay);
    const core::Tick wait = channels_.reserve(after_refresh(payload.get_address(), now), duration.occupancy) - now;
    delay += duration.time;
    if (wait != 0) add_wait(payload, delay, wait);
    counters_.busy += duration.occupancy;
  }
  const bool read = payload.is_read();
  ++(read ? counters_.reads : counters_.writes);
  (read ? counters_.bytes_read : counters_.bytes_written) += length;
  move(payload);
}

::tlm::tlm_sync_enum Memory::nb_transport_fw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                             sc_core::sc_time& delay) {
  if (phase != ::tlm::BEGIN_REQ) return ::tlm::TLM_ACCEPTED;
  b_transport(payload, delay);
  return ::tlm::TLM_COMPLETED;
}

unsigned Memory::transport_dbg(::tlm::tlm_generic_payload& payload) {
  const core::Address address = payload.get_address();
  if (!contains(address, 1)) return 0;
  const std::uint64_t left = config_.size_bytes - (address - config_.base);
  const auto bytes = static_cast<unsigned>(std::min<std::uint64_t>(payload.get_data_length(), left));
  if (payload.is_read()) {
    std::memcpy(payload.get_data_ptr(), host_pointer(address), bytes);
  } else if (payload.is_write()) {
    std::memcpy(host_pointer(address), payload.get_data_ptr(), bytes);
  } else {
    return 0;
  }
  return bytes;
}

bool Memory::get_direct_mem_ptr(::tlm::tlm_generic_payload& payload, ::tlm::tlm_dmi& dmi) {
  if (!contains(payload.get_address(), 1)) {
    dmi.allow_none();
    dmi.set_start_address(payload.get_address());
    dmi.set_end_address(payload.get_address());
    return false;
  }
  dmi.allow_read_write();
  dmi.set_dmi_ptr(bytes_);
  dmi.set_start_address(config_.base);
  dmi.set_end_address(config_.base + (config_.size_bytes - 1));
  dmi.set_read_latency(to_sc_time(config_.latency));
  dmi.set_write_latency(to_sc_time(config_.latency));
  return true;
}

}  // namespace iommu::sim
