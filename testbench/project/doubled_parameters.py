"""Every parameter that is a number has a test that doubles it, or is named here with what it does instead.

usage: doubled_parameters.py ROOT

The parameters are those of docs/parameters.md. A file of tests has to have the text that stands beside a parameter."""
import pathlib
import re
import sys

TIMING = "testbench/platform/timing_parameters_test.cpp"
STREAM = "testbench/platform/stream_parameters_test.cpp"
LINK = "testbench/tlm/pcie_link_test.cpp"
LIMIT = "testbench/tlm/translation_order_limit_test.cpp"
INVALIDATION = "testbench/tlm/translation_invalidation_test.cpp"
MEMORY = "testbench/tlm/memory_test.cpp"
CACHE = "testbench/tlm/memory_cache_test.cpp"

# Tests of whole scenarios say the parameter's name, with a device's or an IOMMU's in it.
IN_SCENARIOS = {
    TIMING: """memory.latency_ns memory.bandwidth_gbytes_per_s bus.latency_ns llc.latency_ns iommu.*.clock_mhz iommu.*.context_cache.entries
        iommu.*.context_cache.latency_cycles iommu.*.iotlb.sets iommu.*.iotlb.ways iommu.*.iotlb.ports iommu.*.iotlb.latency_cycles
        iommu.*.walk_cache.l2_entries iommu.*.walk_cache.l3_entries iommu.*.walk_cache.l4_entries iommu.*.walk_cache.l5_entries
        iommu.*.walk_cache.latency_cycles iommu.*.walker.slots iommu.*.walker.cycles_per_level iommu.*.walker.reply_cycles device.*.outstanding
        device.*.gap_ns device.*.transfer_bytes device.*.warmup_count device.*.link.propagation_ns device.*.link.root_complex_ns""",
    STREAM: " ".join("device.*.stream." + name for name in """rings ring_pages packet_bytes buffer_bytes offered_gbit_per_s nic_buffer_bytes cpu_threads
        descriptor_read_bytes completion_write_bytes iova_area_bytes refill_pages invalidate_pages flush_unmaps flush_ns unmap_cpu_ns""".split()),
}
# Tests of a module say it in the module's words.
IN_MODULES = {
    "memory.channels": (MEMORY, "memory: channels doubled"),
    "memory.refresh_interval_ns": (MEMORY, "from one refresh to the next, doubled"),
    "memory.refresh_ns": (MEMORY, "for (const core::Tick refresh : {core::Tick{350'000}, core::Tick{700'000}})"),
    "memory.ranks": (MEMORY, "memory: ranks doubled"),
    "llc.size_bytes": (CACHE, "its size and ways doubled"),
    "llc.ways": (CACHE, "its size and ways doubled"),
    "llc.write_ways": (CACHE, "the ways of DMA writes doubled"),
    "host.access_ns": (STREAM, '"host.access_ns", "2", "4"'),
    "iommu.*.order_reads": (LIMIT, "{1u, 3u, 6u}"),
    "iommu.*.order_writes": (LIMIT, "Places of writes doubled"),
    "iommu.*.walker.recovery_cycles": (LIMIT, "for (const Tick recovery : {Tick{5000}, Tick{10000}})"),
    "iommu.*.invalidation.decode_cycles": (INVALIDATION, "fetch and decoding of each descriptor"),
    "iommu.*.invalidation.iotlb_busy_cycles": (INVALIDATION, "twice as long when that is doubled"),
    "iommu.*.register_latency_cycles": (INVALIDATION, "What a command takes: the register access"),
    "device.*.link.generation": (LINK, "changed.pcie.generation"),
    "device.*.link.lanes": (LINK, "changed.pcie.lanes"),
    "device.*.link.max_payload_bytes": (LINK, "max_payload"),
    "device.*.link.max_read_request_bytes": (LINK, "changed.pcie.max_read_request_bytes"),
    "device.*.link.completion_boundary_bytes": (LINK, "changed.pcie.completion_boundary_bytes"),
    "device.*.link.ack_interval_bytes": (LINK, "changed.pcie.ack_interval_bytes"),
    "device.*.link.tags": (LINK, "changed.tags"),
    "device.*.link.posted_credits": (LINK, "changed.posted_credits"),
    "device.*.quantum_ns": ("testbench/tlm/dma_master_test.cpp", "{2000, 3},  // 0, 2100, 4200"),
}
# What a scenario does, or what hardware can do: nothing of these takes time by itself.
NO_TIME = {
    "what is accessed": "device.*.window_bytes device.*.mapped_bytes device.*.stride_bytes device.*.write_percent device.*.escape_percent",
    "how much of it, and from when to when": """duration_ns device.*.count device.*.start_ns device.*.stream.count device.*.stream.warmup_count device.*.max_packets
        device.*.time_scale event.*.at_ns""",
    "a NIC's buffers, whose sizes decide what is dropped": "device.*.rx_ring device.*.tx_ring device.*.buffer_bytes",
    "a number to draw from": "seed",
    "widths and counts of the architecture": """memory.size_bytes ddi.address_width_bits iommu.*.host_address_bits iommu.*.mgaw_bits iommu.*.domain_bits iommu.*.fault_records
        iommu.*.max_address_mask iommu.*.version_major""",
}

root = pathlib.Path(sys.argv[1])
wrong = []
numbers = set()
for line in (root / "docs/parameters.md").read_text().splitlines():
    row = re.match(r"\| `([^`]+)` \| ([^|]*) \|", line)
    if row and re.match(r"(an integer|a number|ns|MHz|bytes) |\d+[ ,]", row.group(2)):
        numbers.add(row.group(1))

named = []
for file, keys in IN_SCENARIOS.items():
    text = (root / file).read_text()
    for key in keys.split():
        named.append(key)
        name = key.split("stream.")[-1] if file == STREAM else key.replace("iommu.*", "iommu.0").replace("device.*", "device.a")
        quoted = r'KEY\("%s"\)' if file == STREAM else '"%s[="]'
        if not re.search(quoted % re.escape(name), text):
            wrong.append("%s: no test doubles %s" % (file, key))
for key, (file, text) in IN_MODULES.items():
    named.append(key)
    if text not in (root / file).read_text():
        wrong.append("%s: nothing says '%s' for %s" % (file, text, key))
for keys in NO_TIME.values():
    named += keys.split()

wrong += ["%s is named twice" % key for key in set(named) if named.count(key) > 1]
wrong += ["%s is not named: double it in a test" % key for key in sorted(numbers - set(named))]
wrong += ["%s is no parameter that is a number" % key for key in sorted(set(named) - numbers)]
for line in wrong:
    print(line)
print("%d parameters, %d wrong" % (len(numbers), len(wrong)))
sys.exit(1 if wrong else 0)
