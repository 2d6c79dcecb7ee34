// A device port, a link and a small memory behind it.
//
// What it does: issues operations at given times and keeps them. What it does not do: check.
#pragma once

#include <deque>
#include <memory>

#include "models/tlm/pcie_link.h"
#include "testbench/platform/new_simulation.h"
#include "testbench/tlm/device_target.h"

namespace iommu::sim::testing {

using test::new_simulation;

/// 8 GT/s, 8 lanes, MPS 256, MRRS 512: a byte takes 138.20561 ps. No latencies, no limits.
inline PcieLinkConfig plain_link() { return {}; }

struct LinkOp : DmaOperation {
  std::vector<unsigned char> buffer;
  LinkOp(core::Address where, std::uint32_t bytes, bool writes, unsigned char fill = 0) : buffer(bytes, fill) {
    address = where;
    data = buffer.data();
    length = bytes;
    write = writes;
  }
};

struct LinkBench : DmaClient {
  DmaPort port;
  PcieLink link;
  DeviceTarget target{"target"};
  Script script{"script"};
  std::deque<LinkOp> ops;
  std::vector<core::Tick> done_at;
  std::vector<core::Tick> accepted_at;
  std::function<void(DmaOperation&)> on_done;
  std::function<void(DmaOperation&)> on_accepted;

  LinkBench(TransportMode mode, const PcieLinkConfig& config, std::uint32_t outstanding = 64)
      : port("port", DmaPortConfig{mode, 0x0018, outstanding}, *this), link("link", config) {
    port.socket.bind(link.device);
    link.host.bind(target.socket);
    target.latency = [](core::Address) { return core::Tick{0}; };
  }
  LinkOp& add(core::Address address, std::uint32_t bytes, bool write, unsigned char fill = 0) {
    return ops.emplace_back(address, bytes, write, fill);
  }
  void issue_at(core::Tick at, LinkOp& op) {
    script.at(at, [this, &op] {
      op.ready_at = now_ticks();
      port.issue(op);
    });
  }
  void dma_done(DmaOperation& operation) override {
    done_at.push_back(now_ticks());
    CHECK(operation.end == now_ticks());
    CHECK(operation.stages.total() == operation.end - operation.ready_at);
    if (on_done) on_done(operation);
  }
  void dma_accepted(DmaOperation& operation) override {
    accepted_at.push_back(now_ticks());
    CHECK(operation.freed_at == now_ticks());
    if (on_accepted) on_accepted(operation);
  }
};

}  // namespace iommu::sim::testing
