"""Where things are in the machine that both sides simulate: RAM, tables, pages that devices reach, devices, registers.

Physical addresses are the same on both sides. Everything that a case writes lies in RAM; the holes hold no memory and no device, so that an
access there fails on both sides.
"""

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGE = 4 * KIB

RAM = ((0, 2 * GIB), (4 * GIB, 5 * GIB))
HOLE_LOW = 0xC8000000  # 2 MiB aligned, below the interrupt range
HOLE_HIGH = 0x2000000000  # 128 GiB: inside a host address width of 39 bits

# Pages for root, context and paging tables, for the invalidation queue and for wait descriptors. None is aligned to 2 MiB: a table that is
# mistaken for a large page has reserved address bits set.
_TABLES = 0x02101000
TABLE_FRAMES = [_TABLES + i * PAGE for i in range(96)]
QUEUE = 0x02301000
STATUS = 0x02302000
DUMP = 0x02303000  # a device buffer is written here to be looked at
PATTERN = 0x02304000  # and loaded from here

# Pages that tables may map, by leaf level, and the part of each that DMAs go to (start, bytes).
DATA_PAGES = {
    1: [0x03001000 + i * PAGE for i in range(8)],
    2: [0x08000000, 0x08200000, 0x08600000, 0x100600000],
    3: [0x00000000, 0x40000000, 0x100000000],
}
WINDOWS = [
    (0x03001000, 8 * PAGE),
    (0x08003000, 2 * PAGE),
    (0x08345000, 2 * PAGE),
    (0x087FE000, 2 * PAGE),
    (0x100701000, 2 * PAGE),
    (0x12345000, 2 * PAGE),
    (0x52ABC000, 2 * PAGE),
    (0x123456000, 2 * PAGE),
]

INTERRUPT_FIRST, INTERRUPT_LAST = 0xFEE00000, 0xFEEFFFFF

# Requesters. The bus behind the root port is BEHIND_BUS.
BEHIND_BUS = 5
SIDS = (0x0020, 0x0021, 0x0028, BEHIND_BUS << 8)

# The device buffer of edu: reads of memory land in the lower half, writes to memory come from the upper half, whose content never changes.
# edu refuses a DMA that ends at the end of its 4 KiB.
BUFFER_BYTES = 4088
BUFFER_WRITES = 2048

REGISTER_BASE = 0xFED90000


def is_ram(address, length=1):
    """True when all bytes are memory: not the PC's legacy region below 1 MiB, which is more than that."""
    return any(first <= address and address + length <= end for first, end in RAM) and not 0xA0000 - length < address < MIB


def is_hole(address, length=1):
    """True when no byte is memory or a device's registers: the two holes and everything above RAM."""
    return HOLE_LOW <= address and address + length <= HOLE_LOW + 64 * MIB or address >= RAM[-1][1]


def in_window(address, length=1):
    return any(first <= address and address + length <= first + size for first, size in WINDOWS)


def pattern(address, length):
    """What a window holds before a case: depends on the address, so that a byte from elsewhere is recognised."""
    first = address & ~7
    words = b"".join((((a * 0x9E3779B97F4A7C15) ^ (a >> 7)) & (1 << 64) - 1).to_bytes(8, "little")
                     for a in range(first, address + length, 8))
    return words[address - first:address - first + length]


def write_bytes(sid):
    """The upper half of a device's buffer. The last four bytes are interrupt data that QEMU's halted CPU ignores: fixed, vector 30h."""
    return pattern(0x7700000000 + (sid << 16), BUFFER_BYTES - BUFFER_WRITES - 4) + b"\x30\0\0\0"
