#!/usr/bin/env python3
"""Cuts and describes captures of scripts/record-capture (nanosecond pcap, little-endian, Ethernet, IPv4 or ARP).

  capture_file.py trim IN OUT            cut each packet after its TCP, UDP or ARP header; times count from the first packet
  capture_file.py summary FILE ADDRESS   packets, sizes and gaps per direction, seen from ADDRESS, as a Markdown table
"""
import socket
import struct
import sys

GLOBAL = struct.Struct("<IHHiIII")
RECORD = struct.Struct("<IIII")
MAGIC_NANO = 0xA1B23C4D
ETHERNET = 1


def read(path):
    """Yields (time in ns, original length, bytes kept) of each packet."""
    with open(path, "rb") as f:
        magic, _, _, _, _, _, link = GLOBAL.unpack(f.read(GLOBAL.size))
        if magic != MAGIC_NANO or link != ETHERNET:
            sys.exit(f"{path}: not a little-endian nanosecond Ethernet pcap")
        while head := f.read(RECORD.size):
            seconds, nanoseconds, kept, length = RECORD.unpack(head)
            yield seconds * 10**9 + nanoseconds, length, f.read(kept)


def header_bytes(packet):
    kind = packet[12:14]
    if kind == b"\x08\x06":
        return 14 + 28
    if kind != b"\x08\x00":
        sys.exit(f"a packet that is neither IPv4 nor ARP: {packet.hex()}")
    transport = 14 + 4 * (packet[14] & 15)
    if packet[23] == socket.IPPROTO_TCP:
        return transport + 4 * (packet[transport + 12] >> 4)
    if packet[23] == socket.IPPROTO_UDP:
        return transport + 8
    sys.exit(f"a packet that is neither TCP nor UDP: {packet.hex()}")


def trim(source, target):
    with open(target, "wb") as out:
        out.write(GLOBAL.pack(MAGIC_NANO, 2, 4, 0, 0, 96, ETHERNET))
        first = None
        for time, length, packet in read(source):
            first = time if first is None else first
            end = header_bytes(packet)
            if len(packet) < end:
                sys.exit(f"a packet's headers are {end} bytes, but only {len(packet)} were recorded")
            out.write(RECORD.pack(*divmod(time - first, 10**9), end, length) + packet[:end])


def source_address(packet):
    return packet[28:32] if packet[12:14] == b"\x08\x06" else packet[26:30]


def at(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0


def summary(path, address):
    local = socket.inet_aton(address)
    packets = sorted(read(path), key=lambda p: p[0])  # two processors stamp, so that a few are written out of order
    rows = {"all": packets, "receive": [p for p in packets if source_address(p[2]) != local],
            "transmit": [p for p in packets if source_address(p[2]) == local]}
    print("| seen from " + address + " | " + " | ".join(rows) + " |\n|---|" + "---:|" * len(rows))
    line = lambda name, value: print(f"| {name} | " + " | ".join(f"{value(r):,}" for r in rows.values()) + " |")
    line("packets", len)
    line("bytes on the wire", lambda r: sum(p[1] for p in r))
    for low, high in ((0, 79), (80, 159), (160, 639), (640, 1279), (1280, 1514)):
        line(f"of {low} to {high} bytes", lambda r: sum(low <= p[1] <= high for p in r))
    for name, share in (("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("longest", 1)):
        line(f"gap to the packet before, {name} (ns)", lambda r: at([b[0] - a[0] for a, b in zip(r, r[1:])], share))
    print(f"\n{packets[-1][0] - packets[0][0]:,} ns from the first packet to the last.")


if __name__ == "__main__":
    {"trim": trim, "summary": summary}[sys.argv[1]](*sys.argv[2:])
