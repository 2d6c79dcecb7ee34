// The API layer's ports, carried out by the modeled host: every access is a TLM transaction that takes its time.
//
// What it does: adapts sim::Host, and tells the interface monitor of each access. What it does not do: anything of its own.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "api/ports.h"
#include "models/tlm/host.h"
#include "models/tlm/running_process.h"
#include "platform/interface_monitor.h"

namespace iommu::platform {

/// Registers of one IOMMU. `unit` is its number in the scenario.
class HostRegisterPort final : public api::RegisterPort {
 public:
  HostRegisterPort(sim::Host& host, core::Address base, std::size_t unit, InterfaceMonitor& monitor)
      : host_(host), base_(base), unit_(unit), monitor_(monitor) {}
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) override { return read<std::uint32_t>(offset); }
  [[nodiscard]] std::uint64_t read64(std::uint32_t offset) override { return read<std::uint64_t>(offset); }
  void write32(std::uint32_t offset, std::uint32_t value) override { write(offset, value); }
  void write64(std::uint32_t offset, std::uint64_t value) override { write(offset, value); }

 private:
  template <class T>
  T read(std::uint32_t offset) {
    const core::Tick begin = host_.now();
    const T value = host_.read<T>(base_ + offset);
    monitor_.accessed({Access::Space::Registers, false, unit_, offset, sizeof(T), value, begin, host_.now()});
    return value;
  }
  template <class T>
  void write(std::uint32_t offset, T value) {
    const core::Tick begin = host_.now();
    host_.write<T>(base_ + offset, value);
    monitor_.accessed({Access::Space::Registers, true, unit_, offset, sizeof(T), value, begin, host_.now()});
  }

  sim::Host& host_;
  core::Address base_;
  std::size_t unit_;
  InterfaceMonitor& monitor_;
};

class HostMemoryPort final : public api::MemoryPort {
 public:
  HostMemoryPort(sim::Host& host, InterfaceMonitor& monitor) : host_(host), monitor_(monitor) {}
  [[nodiscard]] std::uint64_t read64(core::Address address) override {
    const core::Tick begin = host_.now();
    const auto value = host_.read<std::uint64_t>(address);
    tell(false, address, sizeof value, value, begin);
    return value;
  }
  void write64(core::Address address, std::uint64_t value) override {
    const core::Tick begin = host_.now();
    host_.write<std::uint64_t>(address, value);
    tell(true, address, sizeof value, value, begin);
  }
  /// One transaction of 4 KiB.
  void zero_page(core::Address frame) override {
    static const unsigned char kZeros[core::kPageBytes] = {};
    const core::Tick begin = host_.now();
    host_.write_block(frame, kZeros, core::kPageBytes);
    tell(true, frame, core::kPageBytes, 0, begin);
  }

 private:
  void tell(bool write, core::Address address, std::uint32_t bytes, std::uint64_t value, core::Tick begin) {
    monitor_.accessed({Access::Space::Memory, write, 0, address, bytes, value, begin, host_.now()});
  }

  sim::Host& host_;
  InterfaceMonitor& monitor_;
};

class PlatformServices final : public api::HostServices {
 public:
  PlatformServices(sim::Host& host, std::vector<api::Diagnostic>& diagnostics)
      : host_(host), diagnostics_(diagnostics) {}

  [[nodiscard]] std::unique_ptr<api::Mutex> make_mutex() override { return std::make_unique<Lock>(); }
  /// Polls follow each other as fast as their accesses: nothing to add.
  void relax() override {}
  /// The worker is a host thread that is there while there is work.
  void queue_work(std::function<void()> work) override {
    work_.push_back(std::move(work));
    if (working_) return;
    working_ = true;
    host_.spawn("passive_worker", [this] {
      for (; !work_.empty(); work_.pop_front()) work_.front()();
      working_ = false;
    });
  }
  [[nodiscard]] const void* current_thread() const override { return sim::running_process(); }
  void report(const api::Diagnostic& diagnostic) override { diagnostics_.push_back(diagnostic); }

 private:
  class Lock final : public api::Mutex {
   public:
    void lock() override { mutex_.lock(); }
    void unlock() override { mutex_.unlock(); }

   private:
    sim::HostMutex mutex_;
  };
  sim::Host& host_;
  std::vector<api::Diagnostic>& diagnostics_;
  std::deque<std::function<void()>> work_;
  bool working_ = false;
};

/// A message to the host's interrupt socket.
class HostInterruptPort final : public api::InterruptPort {
 public:
  HostInterruptPort(sim::Host& host, std::uint8_t vector) : host_(host), vector_(vector) {}
  [[nodiscard]] Message message() const override { return {sim::Host::kInterruptBase, vector_}; }
  void connect(std::function<void()> handler) override { host_.on_interrupt(vector_, std::move(handler)); }

 private:
  sim::Host& host_;
  std::uint8_t vector_;
};

}  // namespace iommu::platform
