// The driver of the NIC: keeps its rings filled, maps buffers by policy, checks every byte that arrived.
//
// What it does: `static`: all buffers are mapped when the driver starts; `per_packet`: each buffer is mapped before it is given to the NIC and
// unmapped when it comes back, before its bytes are looked at; `reserved`: the same, in a logical range that is reserved for all buffers of a
// ring when the driver starts. Received payloads are compared with what their packet must hold. What it
// does not do: a network stack, several queues, time for touching payloads (descriptors, registers and the interface cost what they cost).
#pragma once

#include <vector>

#include "models/tlm/nic.h"
#include "platform/device_driver.h"

namespace iommu::platform {

class NicDriver final : public DeviceDriver {
 public:
  /// Opens the capture. Throws ConfigError for one that can't be used, for packets that don't fit into a buffer, and when memory has no room.
  NicDriver(Machine& machine, std::size_t index);

  [[nodiscard]] std::uint64_t work_done() const override { return device().nic->handled() + transmitted_; }
  [[nodiscard]] std::uint64_t work_total() const override { return received_total_ + to_transmit_.size(); }
  void add_results(nlohmann::ordered_json& of_master, nlohmann::ordered_json& payload) const override;

 private:
  struct Buffer {
    core::Address physical = 0;
    IOMMU_DMA_LOGICAL_ADDRESS logical = 0;
    bool mapped = false;
    IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT segment{};  // reserved
  };
  struct Ring {
    core::Address physical = 0;  // of the descriptors
    IOMMU_DMA_LOGICAL_ADDRESS logical = 0;
    bool mapped = false;
    std::uint32_t size = 0;
    std::uint32_t tail = 0;  // next descriptor to give to the NIC
    std::uint32_t head = 0;  // next descriptor to come back
    std::vector<Buffer> buffers;
    core::Address buffers_physical = 0;
    IOMMU_DMA_LOGICAL_ADDRESS buffers_logical = 0;
    bool buffers_mapped = false;                                  // all of them by one call
    PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN buffers_reserved = nullptr;  // the range for all of them
    [[nodiscard]] std::uint32_t next(std::uint32_t i) const { return i + 1 == size ? 0 : i + 1; }
    [[nodiscard]] bool empty() const { return head == tail; }
    [[nodiscard]] bool full() const { return next(tail) == head; }
  };

  void work() override;
  void unmap_window() override;

  void read_capture();
  void allocate(Ring& ring, std::uint32_t size);
  bool map_ring(Ring& ring, ULONG buffer_permissions);
  void unmap_ring(Ring& ring);
  void start_device();
  void stop_device();
  bool give_receive_buffers();
  void take_received();
  bool transmit_due(core::Tick origin);
  void take_transmitted();
  void skip_lost();
  bool map_buffer(Ring& ring, Buffer& buffer, ULONG permissions);
  void release_buffer(Buffer& buffer);
  void write_register(const regs::Register& reg, std::uint64_t value);
  [[nodiscard]] const NicConfig& settings() const { return device().config->nic; }
  [[nodiscard]] bool per_packet() const { return settings().policy != MappingPolicy::Static; }

  struct Outgoing {
    core::Tick at = 0;
    std::uint32_t length = 0;
    std::uint32_t number = 0;
  };
  std::vector<Outgoing> to_transmit_;
  std::size_t next_outgoing_ = 0;
  std::uint64_t received_total_ = 0;  // packets that will arrive
  std::uint64_t buffer_stride_ = 0;   // bytes from one buffer to the next: whole pages
  Ring rx_;
  Ring tx_;

  std::uint64_t transmitted_ = 0;
  std::uint64_t transmit_errors_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t receive_errors_ = 0;
  std::uint64_t corrupted_ = 0;
  bool broken_ = false;  // the interface refused something: wind down
};

}  // namespace iommu::platform
