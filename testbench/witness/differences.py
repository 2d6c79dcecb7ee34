"""Where QEMU 7.2's VT-d is known to depart from the specification.

Each entry of TABLE names the departure with the sections of the project's VT-d fact sheet that it is about. The functions and classes below
are the predicates: they say exactly when an entry applies and what QEMU then shows. Where one applies, QEMU must show precisely that and
the model precisely what the specification says; everywhere else the two must agree. Nothing is filtered.

Departures that the cases can't meet (scalable mode, interrupt remapping, caching mode, draining and others of section 12.1) have no entry.
"""
from typing import NamedTuple

from layout import INTERRUPT_FIRST, INTERRUPT_LAST
from outcome import (BEYOND_WIDTH, CONTEXT_INVALID, CONTEXT_RESERVED, ENTRY_ACCESS, ENTRY_RESERVED, INPUT_INTERRUPT, NO_READ, NO_WRITE,
                     OUTPUT_INTERRUPT, Outcome, fault)


class Difference(NamedTuple):
    sections: str
    specification: str
    qemu: str


TABLE = {
    "context-reserved-fpd": Difference(
        "6.2, 12.1", "FPD=1 suppresses 0Bh (context entry reserved bits)", "0Bh is recorded whatever FPD says"),
    "pass-through-pointer": Difference(
        "2.2, 7.1 step 8", "SSPTPTR is ignored for TT=10, address bits beyond HAW included", "such bits give 0Bh"),
    "pass-through-width": Difference(
        "7.1 step 12, 12.1", "a pass-through request at or above 2^HAW is blocked, 04h", "no check; the address is used as it is"),
    "all-ones-entry": Difference(
        "2.6, 7.1 steps 14 to 17", "a paging entry of all ones has reserved bits set, 0Ch",
        "all ones stand for an unreadable entry: 03h at the top level, else 07h"),
    "interrupt-range-superpage": Difference(
        "9.4, 12.1", "0Eh when the accessed address is translated into FEEx_xxxx", "0Eh when any byte of the large page would be"),
    "interrupt-range-read": Difference(
        "9.4, 12.1", "a read of FEEx_xxxx is blocked and recorded, 29h", "it returns zeros, nothing is recorded"),
    "iotlb-permission": Difference(
        "4.4, 12.1", "a permission that an IOTLB entry lacks is a fault like that of a walk", "blocked, nothing is recorded"),
    "fault-collapse": Difference(
        "6.5, 12.1", "a fault of a requester that already has a record pending may be dropped; without that it sets PFO",
        "always dropped, PFO stays clear"),
    "fault-info-width": Difference(
        "6.4, 12.1", "FI bits at or above the largest supported address width read 0", "FI has all bits of the request"),
    "fault-record-pasid": Difference(
        "6.4, 12.1", "PV is meaningful with PP=1 only, and reads 0 without ECAP.PASID",
        "a fault of the walk leaves FFFFh in the low bits of PV, with PP=0"),
    "context-domain-granularity": Difference(
        "5.1, 12.1", "a domain-selective context invalidation reports CAIG=10 (or coarser)", "it is done and reported as global, CAIG=01"),
    "queue-error-recovery": Difference(
        "5.5.4, 12.1", "clearing IQE makes the queue go on at IQH at once", "it goes on at the next write of IQT"),
}


# --- Departures that show in one walk: each takes the specification's outcome and returns it with what QEMU does instead. ----------------

def at_input(outcome):
    """A read whose address is in the interrupt range."""
    assert outcome.code == INPUT_INTERRUPT
    return outcome._replace(witness=fault(INPUT_INTERRUPT, recorded=False), difference="interrupt-range-read")


def at_context(outcome, context, width):
    """`outcome`: of the checks of a context entry, or of a pass-through request."""
    lo, _ = context
    fpd, pass_through = lo >> 1 & 1, lo >> 2 & 3 == 2
    beyond = lo >> width != 0 and lo & 1
    if outcome.code == CONTEXT_RESERVED:
        if fpd:
            return outcome._replace(witness=fault(CONTEXT_RESERVED), difference="context-reserved-fpd")
    elif pass_through and beyond:
        return outcome._replace(witness=fault(CONTEXT_RESERVED), difference="pass-through-pointer")
    return outcome


def at_pass_through_width(outcome, address, domain):
    through = Outcome(target=address, permissions=3, domain=domain)
    return outcome._replace(witness=through, difference="pass-through-width")


def at_entry(outcome, value, top_level, recorded):
    """`outcome`: a fault that this paging entry causes by itself."""
    if value != (1 << 64) - 1:
        return outcome
    witness = fault(CONTEXT_INVALID, recorded, "table") if top_level else fault(ENTRY_ACCESS, recorded)
    return outcome._replace(witness=witness, difference="all-ones-entry")


def at_leaf(outcome, page, last, recorded):
    """`outcome`: of a leaf without fault; page, last: first and last byte of the whole page."""
    if page > INTERRUPT_LAST or last < INTERRUPT_FIRST:
        return outcome
    return outcome._replace(witness=fault(OUTPUT_INTERRUPT, recorded), difference="interrupt-range-superpage")


# --- Departures that depend on what happened before. --------------------------------------------------------------------------------------

WALK_FAULTS = (BEYOND_WIDTH, NO_WRITE, NO_READ, ENTRY_ACCESS, ENTRY_RESERVED, OUTPUT_INTERRUPT)


class QemuIotlb:
    """Which translations QEMU's IOTLB holds (12.1): filled by every translated access, keyed by requester, level and page."""

    def __init__(self):
        self.entries = {}  # (sid, level, page number) -> (domain, permissions)

    def access(self, sid, address, write, outcome):
        """True when QEMU blocks the access without a record, because an entry that lacks the permission is hit."""
        for level in (1, 2, 3):
            entry = self.entries.get((sid, level, address >> 12 + 9 * (level - 1)))
            if entry:
                return outcome.code in (NO_WRITE, NO_READ) and not entry[1] & (2 if write else 1)
        if outcome.code == 0 and outcome.level and not outcome.witness:
            key = (sid, outcome.level, address >> 12 + 9 * (outcome.level - 1))
            self.entries[key] = (outcome.domain, outcome.permissions)
        return False

    def invalidate(self, granularity, domain, address, mask_bits):
        if granularity == 1:
            self.entries.clear()
            return
        page = address >> 12
        # QEMU compares no more than eight bits of the page number, so that more goes than has to, which software may not notice (4.1).
        mask = ~((1 << mask_bits) - 1) & 0xFF

        def goes(key, value):
            shift = 9 * (key[1] - 1)
            first = key[2] << shift
            return value[0] == domain and (granularity == 2 or (first ^ page) & mask == 0 or first >> shift == page >> shift)

        self.entries = {k: v for k, v in self.entries.items() if not goes(k, v)}


class FaultLog:
    """The fault registers of a unit with one record (6.5); `qemu`: with its collapsing, its unlimited FI and its PV."""

    def __init__(self, width, qemu=False):
        self.info_mask = (1 << (64 if qemu else width)) - 1 & ~0xFFF
        self.qemu = qemu
        self.low = self.high = None  # the record; None: whatever an earlier case left
        self.pending = self.overflow = self.queue_error = self.interrupt = False
        self.sid = None

    def record(self, sid, address, write, outcome):
        """True when the fault got into the record."""
        if self.overflow or self.pending and self.qemu and self.sid == sid:
            return False
        if self.pending:
            self.overflow = True
            return False
        if not self.queue_error:
            self.interrupt = True
        self.pending, self.sid = True, sid
        self.low = address & self.info_mask
        self.high = 1 << 63 | (0 if write else 1 << 62) | outcome.code << 32 | sid
        if self.qemu and (outcome.code in WALK_FAULTS or outcome.detail == "table"):
            self.high |= 0xFFFF << 40
        return True

    def set_queue_error(self):
        if not (self.pending or self.overflow or self.queue_error):
            self.interrupt = True
        self.queue_error = True

    def clear(self, record, overflow, queue_error=False):
        if record and self.pending:
            self.pending = False
            self.high &= (1 << 63) - 1
        if overflow:
            self.overflow = False
        if queue_error:
            self.queue_error = False
        if not (self.pending or self.overflow or self.queue_error):
            self.interrupt = False

    def fsts(self):
        return self.overflow | self.pending << 1 | self.queue_error << 4

    def fectl(self):
        return 1 << 31 | self.interrupt << 30
