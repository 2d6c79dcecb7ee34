#include "testbench/api/modeled_machine.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace modeled {

namespace core = iommu::core;

// ---- Memory -----------------------------------------------------------------------------------------------------

std::uint64_t Memory::pattern(std::uint64_t address) {
  std::uint64_t x = (address >> 3) * 0x9E3779B97F4A7C15ull;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
  return x ^ x >> 27;
}

Memory::Page& Memory::page(std::uint64_t address) {
  std::unique_ptr<Page>& place = pages_[address >> 12];
  if (!place) {
    place = std::make_unique<Page>();
    const std::uint64_t first = address & ~std::uint64_t{0xFFF};
    for (std::size_t i = 0; i < place->size(); ++i) (*place)[i] = pattern(first + 8 * i);
  }
  return *place;
}

std::uint64_t Memory::get(std::uint64_t address) const {
  const auto found = pages_.find(address >> 12);
  return found == pages_.end() ? pattern(address) : (*found->second)[(address & 0xFFF) >> 3];
}

void Memory::write64(std::uint64_t address, std::uint64_t value) {
  ++stores;
  page(address)[(address & 0xFFF) >> 3] = value;
}

void Memory::zero_page(std::uint64_t frame) {
  ++stores;
  page(frame).fill(0);
}

bool Memory::read(core::Address address, void* data, std::size_t bytes) {
  if (address >= limit_ || bytes > limit_ - address) return false;
  auto* out = static_cast<std::uint8_t*>(data);
  for (std::size_t i = 0; i < bytes;) {
    const std::uint64_t at = address + i;
    const std::uint64_t word = get(at & ~std::uint64_t{7});
    const std::size_t skip = at & 7;
    const std::size_t part = std::min(8 - skip, bytes - i);
    std::memcpy(out + i, reinterpret_cast<const std::uint8_t*>(&word) + skip, part);
    i += part;
  }
  return true;
}

bool Memory::write(core::Address address, const void* data, std::size_t bytes) {
  if (address >= limit_ || bytes > limit_ - address) return false;
  const auto* in = static_cast<const std::uint8_t*>(data);
  for (std::size_t i = 0; i < bytes;) {
    const std::uint64_t at = address + i;
    const std::size_t part = std::min<std::size_t>(4096 - (at & 0xFFF), bytes - i);
    std::memcpy(reinterpret_cast<std::uint8_t*>(page(at).data()) + (at & 0xFFF), in + i, part);
    i += part;
  }
  return true;
}

// ---- Unit -------------------------------------------------------------------------------------------------------

Unit::Unit(const iommu::vtd::Capabilities& capabilities, Memory& memory, const core::CacheConfig& caches,
           unsigned index)
    : model_(capabilities, memory, caches), message_data_(0x30 + index) {
  model_.on_message = [this](core::Address address, std::uint32_t data) {
    if (address == kMessageAddress && data == message_data_) ++messages_;
  };
}

std::uint32_t Unit::read32(std::uint32_t offset) { return static_cast<std::uint32_t>(model_.read_register(offset, 4)); }

std::uint64_t Unit::read64(std::uint32_t offset) { return model_.read_register(offset, 8); }

void Unit::write32(std::uint32_t offset, std::uint32_t value) {
  ++register_writes;
  model_.write_register(offset, 4, value);
}

void Unit::write64(std::uint32_t offset, std::uint64_t value) {
  ++register_writes;
  model_.write_register(offset, 8, value);
}

bool Unit::deliver() {
  if (messages_ == 0) return false;
  --messages_;
  if (handler_) handler_();
  return true;
}

bool Unit::dma(unsigned requester, std::uint64_t address, core::AccessKind kind, void* data, std::uint32_t bytes) {
  core::Request request;
  request.address = address;
  request.length = bytes;
  request.kind = kind;
  request.requester = static_cast<core::RequesterId>(requester);
  const bool completed = model_.dma(request, data).completed;
  if (!completed) ++blocked;
  return completed;
}

std::optional<std::uint64_t> Unit::read(unsigned requester, std::uint64_t address) {
  std::uint64_t value = 0;
  if (!dma(requester, address, core::AccessKind::Read, &value, sizeof value)) return std::nullopt;
  return value;
}

bool Unit::write(unsigned requester, std::uint64_t address, std::uint64_t value) {
  return dma(requester, address, core::AccessKind::Write, &value, sizeof value);
}

// ---- Machine ----------------------------------------------------------------------------------------------------

core::CacheConfig small_caches() {
  core::CacheConfig caches;
  caches.context_entries = 2;
  caches.iotlb.sets = 2;
  caches.iotlb.ways = 2;
  caches.walk.entries = {0, 0, 2, 1, 1, 1};
  return caches;
}

iommu::vtd::Capabilities default_capabilities() { return {}; }

Machine::Machine(const Options& options)
    : host(breaches), memory(options.units.front().host_address_bits), frames(breaches) {
  description.policy = options.policy;
  description.memory = &memory;
  description.frames = &frames;
  description.host = &host;
  for (std::size_t i = 0; i < options.units.size(); ++i) {
    units.push_back(std::make_unique<Unit>(options.units[i], memory, options.caches, static_cast<unsigned>(i)));
    iommu::api::UnitDescription unit;
    unit.name = "iommu" + std::to_string(i);
    unit.registers = units.back().get();
    unit.register_base = 0xFED90000 + 0x2000 * i;
    unit.host_address_bits = options.units[i].host_address_bits;
    unit.invalidation = options.path;
    unit.fault_interrupt = units.back().get();
    unit.pci_segment = static_cast<std::uint16_t>(i);
    description.units.push_back(unit);
  }
  add_devices(options.units.size(), options.extra_devices);
  make_system();
}

Machine::~Machine() { close(); }

bool Machine::run_interrupts() {
  bool any = false;
  const fake::Host::Level before = std::exchange(host.level, fake::Host::Interrupt);
  for (const std::unique_ptr<Unit>& unit : units) {
    while (unit->deliver()) any = true;
  }
  host.level = before;
  return any;
}

void Machine::settle() {
  while (run_interrupts() || host.run_work_item()) continue;
}

}  // namespace modeled
