"""Mistakes of users, with the exact message of `run`, the same from `check`, exit code 2, and nothing written.

usage: mistakes.py IOMMU_VP CONFIGS"""
import pathlib
import subprocess
import sys
import tempfile

program, configs = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2])
NIC = '[device.n]\nkind = "nic"\nlocal_address = "10.0.0.1"\ncapture = "%s"\n'
GENERATOR = '[device.g]\nkind = "generator"\ncount = 10\n'
CASES = [
    ("unknown key", "[iommu.0]\niotlb.wayz = 3\n" + GENERATOR,
     'x.toml:2:7: unknown key "iommu.0.iotlb.wayz"; did you mean "iommu.0.iotlb.ways"?'),
    ("wrong type", '[memory]\nlatency_ns = "fast"\n' + GENERATOR,
     'x.toml:2:14: memory.latency_ns = "fast": malformed; allowed: ns from 0 to 1000000000, or text such as "1.5us"'),
    ("out of range", "[iommu.0]\nwalker.slots = 0\n" + GENERATOR,
     "x.toml:2:16: iommu.0.walker.slots = 0: out of range; allowed: an integer from 1 to 4096"),
    ("duplicate key", "[memory]\nlatency_ns = 3\nlatency_ns = 4\n" + GENERATOR,
     "x.toml:3:14: not valid TOML: Error while parsing key-value pair: cannot redefine existing integer 'latency_ns'"),
    ("missing file", NIC % "nowhere.pcap",
     'x.toml:4:11: device.n.capture = "nowhere.pcap": can\'t be read: No such file or directory'),
    ("truncated capture", NIC % "cut.pcap",
     'x.toml:4:11: device.n.capture = "cut.pcap": packet 62: truncated dump file; tried to read 16 header bytes, only got 6'),
    ("no capture at all", NIC % "text.pcap",
     'x.toml:4:11: device.n.capture = "text.pcap": not a readable pcap or pcapng capture: unknown file format'),
    ("packet too long", NIC % "good.pcap" + "buffer_bytes = 1024\n",
     'x.toml:4:11: device.n.capture = "good.pcap": packet 10 has 1514 bytes, more than buffer_bytes = 1024'),
    ("registers outside their place", "[iommu.0]\nbase_address = 0x1000\n" + GENERATOR,
     "x.toml:2:16: iommu.0.base_address = 0x1000: no place for registers; allowed: 0xc0000000 to 0xfffff000"),
    ("registers over a device's", "[iommu.0]\nbase_address = 0xFEB00000\n" + GENERATOR,
     "x.toml:2:16: iommu.0.base_address = 0xfeb00000: in the range of device registers, one page for each device from 0xfeb00000 on"),
    ("no device", "", "x.toml: a scenario needs at least one device, such as [device.dma0]"),
]

failed = 0
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    capture = (configs / "captures/tcp-bulk-and-requests.pcap").read_bytes()
    (folder / "good.pcap").write_bytes(capture)
    (folder / "cut.pcap").write_bytes(capture[:5000])
    (folder / "text.pcap").write_text("hello\n")
    for title, text, message in CASES:
        (folder / "x.toml").write_text(text)
        before = sorted(folder.iterdir())
        for command in (["run", "x.toml", "--out", "results"], ["check", "x.toml"]):
            ended = subprocess.run([program] + command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            ok = ended.returncode == 2 and ended.stderr == message + "\n" and ended.stdout == "" and sorted(folder.iterdir()) == before
            if not ok:
                failed += 1
                print("FAILED %s, %s: exit %d\n  wanted: %s\n  found:  %s" % (title, command[0], ended.returncode, message, ended.stderr + ended.stdout))
print("%d mistakes, %d failed" % (len(CASES), failed))
sys.exit(1 if failed else 0)
