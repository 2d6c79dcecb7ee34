// V10, the part of VT-d: what strict invalidation costs, and what a deferred one leaves open.
#include "platform/validation/experiments.h"

namespace iommu::platform::validation {

namespace {

/// Map, one DMA of 4 KiB, unmap, repeated by one CPU. Two commands of 50 cycles, their fetches, the status write and the CPU's last poll are what a wait
/// costs: fit to 2,130 cycles at 3.1 GHz, as near as polls of 77 ns allow.
Scenario loop(const char* mapping, Form form) {
  return Scenario()
      .with("mode", "at")
      .with("iommu.0.invalidation.decode_cycles", 50)
      .with("device.dma.kind", "page_stream")
      .with("device.dma.stream.ring_pages", 1)
      .with("device.dma.stream.refill_pages", 1)
      .with("device.dma.stream.packet_bytes", 4096)
      .with("device.dma.stream.mapping", mapping)
      .with("device.dma.stream.stale_probe", "after_unmap")
      .with("device.dma.stream.count", form == Form::Short ? 1000 : 10'000);
}

const std::string kStream = "masters.dma.stream.";

}  // namespace

Experiment invalidation_policy(Form form) {
  Experiment experiment;
  experiment.id = "V10";
  experiment.title = "Invalidation policy, VT-d";
  experiment.source =
      "Malka et al., ASPLOS 2015 (2,130 cycles at 3.1 GHz for each unmap); deferred "
      "flushing of Linux";
  experiment.setup =
      "One CPU maps a page, the device writes it, the CPU unmaps it, repeated: invalidated and waited for each time, "
      "or once for 250 pages. After each "
      "unmapping the device reads the page once more, and again after the invalidation.";
  experiment.differences = {
      "No preset: no machine of the presets is the published one. Only the decoding time of commands is set.",
      "Several threads, and SMMUv3, are not there."};
  const Scenario strict = loop("strict", form);
  const Scenario deferred = loop("deferred", form);
  Series cost{"cost", "Invalidation for each unmapped page", "ns", no_axis(), {}, ""};
  cost.add({"strict", 0, {strict}, value_of(kStream + "invalidation_ns_per_unmap"), 690, percent(10), ""});
  cost.add({"deferred", 1, {deferred}, value_of(kStream + "invalidation_ns_per_unmap"), {}, at_most(10), ""});
  Series pages{"pages", "Pages for each invalidation", "pages", no_axis(), {}, ""};
  const Measure per_invalidation = [](const Results& results) {
    return results.number(kStream + "unmap.pages") / results.number(kStream + "invalidation.count");
  };
  pages.add({"strict", 0, {strict}, per_invalidation, 1, absolute(0), ""});
  pages.add({"deferred", 1, {deferred}, per_invalidation, 250, absolute(0), ""});
  Series stale{"stale", "Accesses to unmapped pages", "% pass", no_axis(), {}, ""};
  const auto share = [](const char* counter) -> Measure {
    return [counter](const Results& results) {
      return 100 * results.number(kStream + counter) / results.number(kStream + "unmap.pages");
    };
  };
  stale.add({"deferred, before the flush", 0, {deferred}, share("stale_accesses"), {}, at_least(1), ""});
  stale.add({"deferred, after the flush", 1, {deferred}, share("passed_after_flush"), 0, absolute(0), ""});
  stale.add({"strict, after the invalidation", 2, {strict}, share("passed_after_flush"), 0, absolute(0), ""});
  experiment.series = {cost, pages, stale};
  return experiment;
}

}  // namespace iommu::platform::validation
