// The machine of the tests of api/ on modeled hardware: VT-d units of models/vtd without time, and memory with bytes in
// it, so that a DMA shows what a call did.
//
// What it does: stands under the API layer like fake_machine.h, whose host services and frame allocator it uses; moves
// real bytes; delivers fault messages. Memory that nobody has written reads as a pattern of its addresses: where a read
// came from shows in its data, and tables in fresh frames begin with garbage. What it does not do: time (every
// consequence of a register write is carried out at once), SystemC.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "models/core/physical_memory.h"
#include "models/vtd/functional_unit.h"
#include "testbench/api/fake_machine.h"

namespace modeled {

/// Physical memory for CPU and units alike.
class Memory final : public iommu::api::MemoryPort, public iommu::core::PhysicalMemory {
 public:
  explicit Memory(unsigned address_bits) : limit_(std::uint64_t{1} << address_bits) {}

  std::uint64_t read64(std::uint64_t address) override { return get(address); }
  void write64(std::uint64_t address, std::uint64_t value) override;
  void zero_page(std::uint64_t frame) override;
  bool read(iommu::core::Address address, void* data, std::size_t bytes) override;
  bool write(iommu::core::Address address, const void* data, std::size_t bytes) override;

  /// The 8 bytes at a multiple of 8.
  [[nodiscard]] std::uint64_t get(std::uint64_t address) const;
  /// What memory holds before anybody writes it.
  [[nodiscard]] static std::uint64_t pattern(std::uint64_t address);
  /// Gives a page its pattern back.
  void forget(std::uint64_t frame) { pages_.erase(frame >> 12); }
  [[nodiscard]] std::size_t pages() const { return pages_.size(); }

  std::uint64_t stores = 0;  ///< by the CPU: words and zeroed pages

 private:
  using Page = std::array<std::uint64_t, 512>;
  [[nodiscard]] Page& page(std::uint64_t address);

  std::uint64_t limit_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Page>> pages_;
};

/// One VT-d unit: its registers, its devices' DMA, and its fault interrupt.
class Unit final : public iommu::api::RegisterPort, public iommu::api::InterruptPort {
 public:
  Unit(const iommu::vtd::Capabilities& capabilities, Memory& memory, const iommu::core::CacheConfig& caches,
       unsigned index);

  std::uint32_t read32(std::uint32_t offset) override;
  std::uint64_t read64(std::uint32_t offset) override;
  void write32(std::uint32_t offset, std::uint32_t value) override;
  void write64(std::uint32_t offset, std::uint64_t value) override;

  [[nodiscard]] Message message() const override { return {kMessageAddress, message_data_}; }
  void connect(std::function<void()> handler) override { handler_ = std::move(handler); }
  /// Runs the handler for a message that the unit has sent; false when there is none.
  bool deliver();

  /// A device's access of `bytes` bytes.
  bool dma(unsigned requester, std::uint64_t address, iommu::core::AccessKind kind, void* data, std::uint32_t bytes);
  /// The 8 bytes that a read of a device returns; nothing when it is blocked.
  [[nodiscard]] std::optional<std::uint64_t> read(unsigned requester, std::uint64_t address);
  /// False when the write of 8 bytes is blocked.
  [[nodiscard]] bool write(unsigned requester, std::uint64_t address, std::uint64_t value);

  [[nodiscard]] iommu::vtd::FunctionalUnit& model() { return model_; }

  std::uint64_t register_writes = 0;
  std::uint64_t blocked = 0;  ///< DMA of devices that did not complete

 private:
  static constexpr std::uint64_t kMessageAddress = 0xFEE00000;

  iommu::vtd::FunctionalUnit model_;
  std::uint32_t message_data_;
  std::function<void()> handler_;
  unsigned messages_ = 0;  // sent and not delivered
};

/// Caches of a few entries, so that they are full and replace.
[[nodiscard]] iommu::core::CacheConfig small_caches();
/// What the registers say by default: queue and registers, 3 and 4 levels, leaves up to 1 GiB.
[[nodiscard]] iommu::vtd::Capabilities default_capabilities();

struct Options {
  std::vector<iommu::vtd::Capabilities> units = {default_capabilities()};
  iommu::core::CacheConfig caches;
  iommu::api::Policy policy;
  iommu::api::InvalidationPath path = iommu::api::InvalidationPath::Queue;
  unsigned extra_devices = 0;
};

/// Devices as InterfaceUser::add_devices() says. All units have one host address width.
class Machine : public testing_api::InterfaceUser {
 public:
  explicit Machine(const Options& options = {});
  ~Machine() override;

  fake::Breaches breaches;
  fake::Host host;
  Memory memory;
  fake::Frames frames;
  std::vector<std::unique_ptr<Unit>> units;

  /// Lets the handlers run of messages that were sent; false when there was none.
  bool run_interrupts();
  /// Interrupts and passive-level work, until there is nothing left of both.
  void settle();
};

}  // namespace modeled
