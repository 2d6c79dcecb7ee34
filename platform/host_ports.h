// The API layer's ports, carried out by the modeled host: every access is a TLM transaction that takes its time.
//
// What it does: adapts sim::Host. What it does not do: anything of its own.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "api/ports.h"
#include "models/tlm/host.h"

namespace iommu::platform {

class HostRegisterPort final : public api::RegisterPort {
 public:
  HostRegisterPort(sim::Host& host, core::Address base) : host_(host), base_(base) {}
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) override {
    return host_.read<std::uint32_t>(base_ + offset);
  }
  [[nodiscard]] std::uint64_t read64(std::uint32_t offset) override {
    return host_.read<std::uint64_t>(base_ + offset);
  }
  void write32(std::uint32_t offset, std::uint32_t value) override {
    host_.write<std::uint32_t>(base_ + offset, value);
  }
  void write64(std::uint32_t offset, std::uint64_t value) override {
    host_.write<std::uint64_t>(base_ + offset, value);
  }

 private:
  sim::Host& host_;
  core::Address base_;
};

class HostMemoryPort final : public api::MemoryPort {
 public:
  explicit HostMemoryPort(sim::Host& host) : host_(host) {}
  [[nodiscard]] std::uint64_t read64(core::Address address) override { return host_.read<std::uint64_t>(address); }
  void write64(core::Address address, std::uint64_t value) override { host_.write<std::uint64_t>(address, value); }
  /// One transaction of 4 KiB.
  void zero_page(core::Address frame) override {
    static const unsigned char kZeros[core::kPageBytes] = {};
    host_.write_block(frame, kZeros, core::kPageBytes);
  }

 private:
  sim::Host& host_;
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
  [[nodiscard]] const void* current_thread() const override {
    return sc_core::sc_get_current_process_handle().get_process_object();
  }
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
