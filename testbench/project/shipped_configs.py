"""Runs one shipped scenario as a user would, and again with the feature that it is about switched off.

usage: shipped_configs.py IOMMU_VP SCENARIO.toml

Checks: `check` accepts it; it passes its own expectations; twice the same gives the same bytes; the other transaction mode (LT or AT) gives the
same functional results; each of the expectations below fails when its feature is off, with exit code 1 and the path in the message."""
import json
import pathlib
import subprocess
import sys
import tempfile

# Scenario -> (what is switched off, the expectations that must then fail).
SWITCHED_OFF = {
    "nic-static": [(["device.nic0.policy=per_packet"], ["iommu.0.invalidation.iotlb_page"]),
                   (["device.nic0.max_packets=100"], ["payload.checked"])],
    "nic-per-packet": [(["device.nic0.policy=static"], ["ddi.MapLogicalRangeEx.calls", "iommu.0.invalidation.iotlb_page"])],
    "nic-reserved": [(["device.nic0.policy=static"], ["ddi.ReserveLogicalAddressRange.calls", "iommu.0.invalidation.iotlb_page"]),
                     (["device.nic0.policy=per_packet"], ["ddi.MapReservedLogicalRange.calls", "ddi.MapLogicalRangeEx.calls"])],
    "random-4kib": [(["ddi.max_leaf=2MiB"], ["iommu.0.iotlb.hit_ratio"])],
    "random-2mib": [(["ddi.max_leaf=4KiB"], ["iommu.0.iotlb.hit_ratio", "latency.p50_ns"])],
    "iotlb-thrash": [(["iommu.0.iotlb.ways=65"], ["iommu.0.iotlb.hits", "iommu.0.iotlb.evictions"])],
    "walker-contention": [(["iommu.0.walker.slots=16"], ["iommu.0.walker.waited_for_slot", "latency.p50_ns"])],
    "in-order": [(["iommu.0.order=out_of_order"], ["masters.gen0.outcomes.hit.p90_ns", "masters.gen0.outcomes.hit.mean_ns"])],
    "last-level-cache": [(["llc.dma_reads=false"], ["llc.dma_read.hits", "masters.warm.stages.downstream.max_ns"]),
                         (["llc.dma_writes=false"], ["llc.dma_write.hits"]),
                         (["llc.walks=false"], ["llc.structure.hits"]),
                         (["llc.write_ways=1"], ["llc.dma_write.evictions", "llc.dma_write.hits"]),
                         (["llc.latency_ns=30"], ["masters.warm.stages.downstream.max_ns"]),
                         (["llc.ways=2", "llc.size_bytes=1MiB"], ["llc.dma_read.hits"]),
                         (["device.warm.window_cache=cold"], ["llc.dma_read.hits"]),
                         (["device.cold.window_cache=warm"], ["llc.dma_read.misses", "masters.cold.stages.downstream.min_ns"])],
    "forbidden-access": [(["device.stray.escape_percent=0"], ["masters.stray.faults"]),
                         (["device.writer.permissions=read_write"], ["masters.writer.faults"]),
                         (["device.detached.mapping=translate"], ["masters.detached.faults"]),
                         (["device.good.mapping=none"], ["masters.good.faults"])],
    "fault-storm": [(["device.stray.report_faults=false"],
                     ["masters.stray.faults_reported.delivered", "masters.stray.faults_reported.by_type.TranslationFault"]),
                    (["device.writer.permissions=read_write"],
                     ["masters.writer.faults", "masters.writer.faults_reported.by_type.PermissionFault"]),
                    (["device.flood.escape_percent=0"], ["masters.flood.faults", "iommu.0.fault_records.overflowed"]),
                    (["ddi.profile=as_documented"], ["masters.stray.faults_reported.delivered", "masters.flood.faults_reported.delivered"])],
    "revoked-mapping": [(["device.gen0.count=1000"], ["masters.gen0.faults"])],
    "nic-detached": [(["device.nic0.max_packets=100"],
                      ["masters.nic0.driver_receive_errors", "masters.nic0.driver_transmit_errors", "masters.nic0.driver_received"])],
    "dma-guard": [(["ddi.dma_guard=false", "ddi.unattached=blocked"], ["ddi.AttachDeviceEx.failures", "masters.dock.state_changes"]),
                  (["ddi.screen_locked=false"], ["ddi.AttachDeviceEx.failures"])],
    "driver-lab": [(["device.nic0.max_packets=100"], ["masters.nic0.rx_packets", "payload.checked", "ddi.MapReservedLogicalRange.calls"])],
    "driver-lab-surprise": [(["device.nic0.max_packets=100"], ["masters.nic0.removed", "masters.nic0.rx_packets"])],
    "pcie-link": [(["device.reader.link.tags=0"], ["masters.reader.link.waited_for_tag"]),
                  (["device.reader.link.max_read_request_bytes=1024"], ["masters.reader.link.read_requests", "masters.reader.link.up_bytes"]),
                  (["device.reader.link.completion_boundary_bytes=128"], ["masters.reader.link.completions", "masters.reader.link.down_bytes"]),
                  (["device.reader.link.propagation_ns=260"], ["masters.reader.stages.link_latency.p50_ns"]),
                  (["device.reader.link.root_complex_ns=200"], ["masters.reader.stages.root_complex.p50_ns"]),
                  (["device.writer.link.max_payload_bytes=512"], ["masters.writer.link.writes", "masters.writer.link.up_bytes"]),
                  (["device.writer.link.posted_credits=0"], ["masters.writer.link.waited_for_credits"]),
                  (["device.writer.link.generation=5"], ["masters.writer.stages.link_wire.p50_ns"]),
                  (["device.writer.link.lanes=8"], ["masters.writer.stages.link_wire.p50_ns"]),
                  (["device.writer.link.ack_interval_bytes=1000"], ["masters.writer.stages.link_wire.p50_ns"])],
    "page-stream-strict": [(["device.nic0.stream.leaf_only=false"], ["masters.nic0.stream.l3_reads_per_page", "masters.nic0.stream.l4_reads_per_page"]),
                           (["device.nic0.stream.invalidate_pages=1", "device.nic0.stream.iova=scattered"],
                            ["masters.nic0.stream.l2_reads_per_page"])],
    "page-stream-deferred": [(["device.nic0.stream.mapping=strict"],
                              ["masters.nic0.stream.stale_accesses", "iommu.0.invalidation.iotlb_page"]),
                             (["device.nic0.stream.flush_unmaps=250"], ["masters.nic0.stream.flushes_by_count"])],
    "iotlb-wall": [(["device.dma.stream.leaf=2MiB"], ["masters.dma.stream.gbit_per_s", "masters.dma.stream.iotlb_misses_per_mib", "masters.dma.stream.packets_dropped"])],
    "pass-through": [(["device.direct.mapping=translate"], ["masters.direct.outcomes.pass_through.count", "masters.direct.latency.p50_ns"]),
                     (["ddi.max_leaf=2MiB"], ["masters.translated.latency.p50_ns"])],
}
# What software does at a time of its own meets the DMA at another moment in the other mode.
RACES = {"revoked-mapping", "nic-detached", "driver-lab-surprise", "iotlb-wall"}


def fail(text):
    print("FAILED: " + text)
    sys.exit(1)


def run(program, scenario, out=None, settings=()):
    argv = [program, "run", str(scenario), "--quiet"]
    for setting in settings:
        argv += ["--set", setting]
    if out:
        argv += ["--out", str(out)]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def functional(result):
    """What LT and AT agree on: data and faults, not times and not what depends on who came first."""
    masters = {name: {key: master[key] for key in ("requests", "faults", "faults_by_reason", "bytes")
                      if not (key in ("requests", "bytes") and "rx_packets" in master)}
               for name, master in result["masters"].items()}
    for name, master in result["masters"].items():
        if "rx_packets" in master:
            masters[name].update({key: master[key] for key in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "tx_corrupted", "rx_errors")})
    return {"masters": masters, "payload": result["payload"], "stage_sum_mismatches": result["stage_sum_mismatches"]}


def main(program, scenario):
    name = scenario.stem
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        checked = subprocess.run([program, "check", str(scenario)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if checked.returncode != 0:
            fail("check: " + checked.stdout)
        for out in ("first", "second"):
            ended = run(program, scenario, folder / out)
            if ended.returncode != 0:
                fail("exit %d: %s" % (ended.returncode, ended.stdout))
        for file in ("result.json", "latency.csv"):
            if (folder / "first" / file).read_bytes() != (folder / "second" / file).read_bytes():
                fail(file + " differs between two runs")
        result = json.loads((folder / "first" / "result.json").read_text())
        if result["stage_sum_mismatches"] != 0:
            fail("stages don't sum to the latency of %d requests" % result["stage_sum_mismatches"])
        errors = [d for d in result["diagnostics"] if d["severity"] == "error"]
        if errors:
            fail("diagnostics: %s" % errors)
        if any("had not happened" in d["message"] for d in result["diagnostics"]):
            fail("events come after the end: %s" % result["diagnostics"])

        other = "at" if result["mode"] == "lt" else "lt"
        run(program, scenario, folder / "other", ["mode=" + other])
        other_result = json.loads((folder / "other" / "result.json").read_text())
        if name not in RACES and functional(result) != functional(other_result):
            fail("LT and AT differ:\n%s\n%s" % (functional(result), functional(other_result)))

        if name not in SWITCHED_OFF:
            fail("no entry in SWITCHED_OFF for " + name)
        for settings, paths in SWITCHED_OFF[name]:
            ended = run(program, scenario, settings=settings)
            if ended.returncode != 1:
                fail("with %s: exit %d instead of 1\n%s" % (settings, ended.returncode, ended.stdout))
            for path in paths:
                if path not in ended.stdout:
                    fail("with %s: %s should be violated:\n%s" % (settings, path, ended.stdout))
    print(name + ": as expected")


main(sys.argv[1], pathlib.Path(sys.argv[2]))
