#include "testbench/api/fake_machine.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "api/interface.h"
#include "testbench/api/cooperative_threads.h"

namespace fake {

// ---- Host -------------------------------------------------------------------------------------------------------

class HostMutex final : public iommu::api::Mutex {
 public:
  explicit HostMutex(Host& host) : host_(host) {}
  void lock() override {
    for (unsigned spins = 0; held_; ++spins) {
      if (host_.threads == nullptr || spins > 1'000'000)
        throw std::runtime_error("deadlock: a held lock is waited for");
      host_.threads->yield();
    }
    held_ = true;
    ++host_.locks_held;
    ++host_.locks_taken;
  }
  void unlock() override {
    if (!held_) host_.breaches_.push_back("a lock is released that nobody holds");
    held_ = false;
    --host_.locks_held;
  }

 private:
  Host& host_;
  bool held_ = false;
};

std::unique_ptr<iommu::api::Mutex> Host::make_mutex() { return std::make_unique<HostMutex>(*this); }

void Host::relax() {
  ++relaxed;
  for (const auto& hook : on_relax) hook();
  if (threads != nullptr) threads->yield();
}

const void* Host::current_thread() const {
  static const char kIds[3] = {};  // addresses only
  return threads == nullptr ? &kIds[level] : threads->current();
}

void Host::run_work() {
  while (run_work_item()) continue;
}

bool Host::run_work_item() {
  if (work.empty()) return false;
  const std::function<void()> item = std::move(work.front());
  work.pop_front();
  const Level before = std::exchange(level, Passive);
  item();
  level = before;
  return true;
}

std::size_t Host::reported(const std::string& function, const std::string& text) const {
  return static_cast<std::size_t>(std::count_if(diagnostics.begin(), diagnostics.end(), [&](const Diagnostic& d) {
    return d.function == function && (d.object + ": " + d.message).find(text) != std::string::npos;
  }));
}

// ---- Memory and frames ------------------------------------------------------------------------------------------

std::uint64_t Memory::read64(std::uint64_t address) {
  if (host_.threads != nullptr) host_.threads->yield();
  for (auto it = buffered_.rbegin(); it != buffered_.rend(); ++it) {
    if (it->first == address) return it->second;
  }
  return hardware_read64(address);
}

void Memory::write64(std::uint64_t address, std::uint64_t value) {
  if (host_.threads != nullptr) host_.threads->yield();
  ++writes;
  if (host_.locks_held == 0) unlocked_writes.insert(address);
  if (has_write_buffer) {
    buffered_.emplace_back(address, value);
  } else {
    words_[address] = value;
  }
}

void Memory::zero_page(std::uint64_t frame) {
  ++zeroed_pages;
  for (std::uint64_t offset = 0; offset < 4096; offset += 8) {
    if (has_write_buffer) buffered_.emplace_back(frame + offset, 0);
    if (!has_write_buffer) words_.erase(frame + offset);
  }
}

std::uint64_t Memory::hardware_read64(std::uint64_t address) const {
  const auto it = words_.find(address);
  return it == words_.end() ? 0 : it->second;
}

void Memory::hardware_write32(std::uint64_t address, std::uint32_t value) {
  const std::uint64_t old = hardware_read64(address & ~7ull);
  const unsigned shift = (address & 4) != 0 ? 32 : 0;
  words_[address & ~7ull] = (old & ~(0xFFFFFFFFull << shift)) | (std::uint64_t{value} << shift);
}

void Memory::flush_write_buffer() {
  for (const auto& [address, value] : buffered_) words_[address] = value;
  buffered_.clear();
}

std::map<std::uint64_t, std::uint64_t> Memory::contents() const {
  std::map<std::uint64_t, std::uint64_t> result;
  for (const auto& [address, value] : words_) {
    if (value != 0) result.emplace(address, value);
  }
  for (const auto& [address, value] : buffered_) {
    result.erase(address);
    if (value != 0) result[address] = value;
  }
  return result;
}

std::optional<std::uint64_t> Frames::allocate() {
  if (budget) {
    if (*budget == 0) return std::nullopt;
    --*budget;
  }
  std::uint64_t frame = next_;
  if (freed_.empty()) {
    next_ += 0x1000;
  } else {
    frame = freed_.back();
    freed_.pop_back();
  }
  used_.insert(frame);
  ++granted;
  return frame;
}

void Frames::free(std::uint64_t frame) {
  if (used_.erase(frame) == 0) breaches_.push_back("a frame is freed that is not in use");
  freed_.push_back(frame);
}

// ---- Descriptors ------------------------------------------------------------------------------------------------

IOMMU_MAP_PHYSICAL_ADDRESS contiguous(std::uint64_t base, std::uint64_t bytes) {
  IOMMU_MAP_PHYSICAL_ADDRESS physical{};
  physical.MapType = MapPhysicalAddressTypeContiguousRange;
  physical.ContiguousRange.Base.QuadPart = static_cast<LONGLONG>(base);
  physical.ContiguousRange.Size = bytes;
  return physical;
}

IOMMU_MAP_PHYSICAL_ADDRESS pfn_array(std::vector<PFN_NUMBER>& frames) {
  IOMMU_MAP_PHYSICAL_ADDRESS physical{};
  physical.MapType = MapPhysicalAddressTypePfn;
  physical.PfnArray.PageFrame = frames.data();
  physical.PfnArray.NumberOfPages = frames.size();
  return physical;
}

MdlBuffer::MdlBuffer(const std::vector<PFN_NUMBER>& frames) : storage_(6 + frames.size()) {
  MmInitializeMdl(mdl(), reinterpret_cast<PVOID>(std::uintptr_t{0x7F0000000000}), frames.size() * PAGE_SIZE);
  std::copy(frames.begin(), frames.end(), MmGetMdlPfnArray(mdl()));
}

IOMMU_MAP_PHYSICAL_ADDRESS MdlBuffer::descriptor() {
  IOMMU_MAP_PHYSICAL_ADDRESS physical{};
  physical.MapType = MapPhysicalAddressTypeMdl;
  physical.Mdl.Mdl = mdl();
  return physical;
}

// ---- Machine ----------------------------------------------------------------------------------------------------

Machine::Machine(const Options& options) : host(breaches), memory(host), frames(breaches) {
  description.policy = options.policy;
  description.memory = &memory;
  description.frames = &frames;
  description.host = &host;
  for (std::size_t i = 0; i < options.units.size(); ++i) {
    units.push_back(std::make_unique<Unit>(options.units[i], memory, host, breaches));
    iommu::api::UnitDescription unit;
    unit.name = "iommu" + std::to_string(i);
    unit.registers = units.back().get();
    unit.register_base = 0xFED90000 + 0x1000 * i;
    unit.host_address_bits = options.host_address_bits;
    unit.pci_segment = static_cast<std::uint16_t>(i);
    interrupts.push_back(std::make_unique<Interrupt>(0x30 + static_cast<std::uint32_t>(i)));
    if (options.fault_interrupts) unit.fault_interrupt = interrupts.back().get();
    unit.invalidation = options.path;
    description.units.push_back(unit);
    memory.has_write_buffer = memory.has_write_buffer || options.units[i].rwbf;
  }
  add_devices(options.units.size(), options.extra_devices);
  make_system();
}

// The system goes first: its drivers know the units.
Machine::~Machine() { close(); }

bool Machine::run_interrupts() {
  bool any = false;
  for (std::size_t i = 0; i < units.size(); ++i) {
    while (!units[i]->messages.empty()) {
      any = true;
      if (units[i]->messages.front() != std::make_pair(std::uint64_t{0xFEE00000}, std::uint32_t(0x30 + i))) {
        breaches.push_back("a message of a unit goes astray");
      }
      units[i]->messages.pop_front();
      const Host::Level before = std::exchange(host.level, Host::Interrupt);
      if (interrupts[i]->handler) interrupts[i]->handler();
      host.level = before;
    }
  }
  return any;
}

void Machine::settle() {
  while (run_interrupts() || host.run_work_item()) continue;
}

Snapshot snapshot(const Machine& machine) {
  Snapshot result;
  result.memory = machine.memory.contents();
  result.frames = machine.frames.in_use();
  result.devices = machine.system->device_count();
  result.domains = machine.system->domain_count();
  result.tokens = machine.system->token_count();
  for (const auto& unit : machine.units) result.invalidations.push_back(unit->seen.size());
  return result;
}

}  // namespace fake
