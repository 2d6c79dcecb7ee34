// Which field of Config holds which parameter: one visitor for reading, writing and comparing.
//
// Does: name each pair of key and field once, in the table's order. Does not: know types or values; a test holds that
// the keys here are exactly those of the parameter table.
#pragma once

#include "platform/config.h"

namespace iommu::platform {

/// Calls visit(key, field) for each parameter outside [iommu.*], [device.*] and [[event]]. `C` is Config or const
/// Config, and likewise below.
template <class C, class Visit>
void visit_platform(C& c, Visit&& visit) {
  visit("name", c.name);
  visit("description", c.description);
  visit("seed", c.seed);
  visit("mode", c.mode);
  visit("duration_ns", c.duration_ns);
  visit("memory.size_bytes", c.memory.size_bytes);
  visit("memory.latency_ns", c.memory.latency_ns);
  visit("memory.bandwidth_gbytes_per_s", c.memory.bandwidth_gbytes_per_s);
  visit("memory.channels", c.memory.channels);
  visit("memory.refresh_interval_ns", c.memory.refresh_interval_ns);
  visit("memory.refresh_ns", c.memory.refresh_ns);
  visit("memory.ranks", c.memory.ranks);
  visit("llc.size_bytes", c.llc.size_bytes);
  visit("llc.ways", c.llc.ways);
  visit("llc.latency_ns", c.llc.latency_ns);
  visit("llc.dma_reads", c.llc.dma_reads);
  visit("llc.dma_writes", c.llc.dma_writes);
  visit("llc.walks", c.llc.walks);
  visit("llc.write_ways", c.llc.write_ways);
  visit("bus.latency_ns", c.bus.latency_ns);
  visit("host.access_ns", c.host.access_ns);
  visit("host.store_buffer", c.host.store_buffer);
  visit("ddi.max_leaf", c.ddi.max_leaf);
  visit("ddi.address_width_bits", c.ddi.address_width_bits);
  visit("ddi.invalidation", c.ddi.invalidation);
  visit("ddi.profile", c.ddi.profile);
  visit("ddi.unattached", c.ddi.unattached);
  visit("ddi.dma_guard", c.ddi.dma_guard);
  visit("ddi.dma_guard_policy", c.ddi.dma_guard_policy);
  visit("ddi.screen_locked", c.ddi.screen_locked);
  visit("statistics.latencies", c.statistics.latencies);
  visit("statistics.histograms", c.statistics.histograms);
}

template <class C, class Visit>
void visit_iommu(C& c, Visit&& visit) {
  visit("model", c.model);
  visit("base_address", c.base_address);
  visit("clock_mhz", c.clock_mhz);
  visit("host_address_bits", c.host_address_bits);
  visit("mgaw_bits", c.mgaw_bits);
  visit("levels", c.levels);
  visit("large_pages", c.large_pages);
  visit("domain_bits", c.domain_bits);
  visit("fault_records", c.fault_records);
  visit("max_address_mask", c.max_address_mask);
  visit("queued_invalidation", c.queued_invalidation);
  visit("pass_through", c.pass_through);
  visit("zero_length_read", c.zero_length_read);
  visit("caching_mode", c.caching_mode);
  visit("page_selective", c.page_selective);
  visit("plmr", c.plmr);
  visit("phmr", c.phmr);
  visit("snoop_control", c.snoop_control);
  visit("coherent_walk", c.coherent_walk);
  visit("esrtps", c.esrtps);
  visit("version_major", c.version_major);
  visit("order", c.order);
  visit("order_reads", c.order_reads);
  visit("order_writes", c.order_writes);
  visit("early_hits", c.early_hits);
  visit("context_cache.entries", c.context_cache.entries);
  visit("context_cache.latency_cycles", c.context_cache.latency_cycles);
  visit("iotlb.sets", c.iotlb.sets);
  visit("iotlb.ways", c.iotlb.ways);
  visit("iotlb.policy", c.iotlb.policy);
  visit("iotlb.ports", c.iotlb.ports);
  visit("iotlb.latency_cycles", c.iotlb.latency_cycles);
  visit("iotlb.superpage_pieces", c.iotlb.superpage_pieces);
  visit("walk_cache.l2_entries", c.walk_cache.l2_entries);
  visit("walk_cache.l3_entries", c.walk_cache.l3_entries);
  visit("walk_cache.l4_entries", c.walk_cache.l4_entries);
  visit("walk_cache.l5_entries", c.walk_cache.l5_entries);
  visit("walk_cache.latency_cycles", c.walk_cache.latency_cycles);
  visit("walker.slots", c.walker.slots);
  visit("walker.cycles_per_level", c.walker.cycles_per_level);
  visit("walker.reply_cycles", c.walker.reply_cycles);
  visit("walker.recovery_cycles", c.walker.recovery_cycles);
  visit("walker.one_walk_per_superpage", c.walker.one_walk_per_superpage);
  visit("walker.dmi", c.walker.dmi);
  visit("invalidation.decode_cycles", c.invalidation.decode_cycles);
  visit("invalidation.iotlb_busy_cycles", c.invalidation.iotlb_busy_cycles);
  visit("register_latency_cycles", c.register_latency_cycles);
}

template <class C, class Visit>
void visit_device(C& c, Visit&& visit) {
  visit("kind", c.kind);
  visit("iommu", c.iommu);
  visit("requester", c.requester);
  visit("external", c.external);
  visit("remapping_opt_in", c.remapping_opt_in);
  visit("report_faults", c.report_faults);
  visit("outstanding", c.outstanding);
  visit("link.generation", c.link.generation);
  visit("link.lanes", c.link.lanes);
  visit("link.max_payload_bytes", c.link.max_payload_bytes);
  visit("link.max_read_request_bytes", c.link.max_read_request_bytes);
  visit("link.completion_boundary_bytes", c.link.completion_boundary_bytes);
  visit("link.ack_interval_bytes", c.link.ack_interval_bytes);
  visit("link.tags", c.link.tags);
  visit("link.posted_credits", c.link.posted_credits);
  visit("link.propagation_ns", c.link.propagation_ns);
  visit("link.root_complex_ns", c.link.root_complex_ns);
  visit("pattern", c.generator.pattern);
  visit("window_bytes", c.generator.window_bytes);
  visit("mapped_bytes", c.generator.mapped_bytes);
  visit("transfer_bytes", c.generator.transfer_bytes);
  visit("stride_bytes", c.generator.stride_bytes);
  visit("count", c.generator.count);
  visit("warmup_count", c.generator.warmup_count);
  visit("gap_ns", c.generator.gap_ns);
  visit("write_percent", c.generator.write_percent);
  visit("start_ns", c.generator.start_ns);
  visit("mapping", c.generator.mapping);
  visit("permissions", c.generator.permissions);
  visit("escape_percent", c.generator.escape_percent);
  visit("quantum_ns", c.generator.quantum_ns);
  visit("dmi", c.generator.dmi);
  visit("window_cache", c.generator.window_cache);
  visit("capture", c.nic.capture);
  visit("driver", c.nic.driver);
  visit("local_address", c.nic.local_address);
  visit("policy", c.nic.policy);
  visit("rx_ring", c.nic.rx_ring);
  visit("tx_ring", c.nic.tx_ring);
  visit("max_packets", c.nic.max_packets);
  visit("time_scale", c.nic.time_scale);
  visit("buffer_bytes", c.nic.buffer_bytes);
  visit("stream.rings", c.stream.rings);
  visit("stream.ring_pages", c.stream.ring_pages);
  visit("stream.packet_bytes", c.stream.packet_bytes);
  visit("stream.buffer_bytes", c.stream.buffer_bytes);
  visit("stream.ring_order", c.stream.ring_order);
  visit("stream.offered_gbit_per_s", c.stream.offered_gbit_per_s);
  visit("stream.nic_buffer_bytes", c.stream.nic_buffer_bytes);
  visit("stream.descriptor_read_bytes", c.stream.descriptor_read_bytes);
  visit("stream.completion_write_bytes", c.stream.completion_write_bytes);
  visit("stream.count", c.stream.count);
  visit("stream.warmup_count", c.stream.warmup_count);
  visit("stream.mapping", c.stream.mapping);
  visit("stream.iova", c.stream.iova);
  visit("stream.iova_area_bytes", c.stream.iova_area_bytes);
  visit("stream.leaf", c.stream.leaf);
  visit("stream.refill_pages", c.stream.refill_pages);
  visit("stream.invalidate_pages", c.stream.invalidate_pages);
  visit("stream.leaf_only", c.stream.leaf_only);
  visit("stream.flush_unmaps", c.stream.flush_unmaps);
  visit("stream.flush_ns", c.stream.flush_ns);
  visit("stream.unmap_cpu_ns", c.stream.unmap_cpu_ns);
  visit("stream.stale_probe", c.stream.stale_probe);
  visit("stream.cpu_threads", c.stream.cpu_threads);
}

template <class C, class Visit>
void visit_event(C& c, Visit&& visit) {
  visit("at_ns", c.at_ns);
  visit("action", c.action);
  visit("device", c.device);
}

/// Calls visit(dotted key, field) for everything, in the order in which scenarios are written out.
template <class C, class Visit>
void visit_config(C& c, Visit&& visit) {
  const auto below = [&visit](const std::string& prefix) {
    return [&visit, prefix](const char* key, auto& field) { visit(prefix + key, field); };
  };
  visit_platform(c, below(""));
  for (auto& iommu : c.iommus) visit_iommu(iommu, below("iommu." + iommu.name + "."));
  for (auto& device : c.devices) visit_device(device, below("device." + device.name + "."));
  std::size_t index = 0;
  for (auto& event : c.events) visit_event(event, below("event." + std::to_string(index++) + "."));
}

}  // namespace iommu::platform
