"""Turns a case into the commands that both sides carry out and what each must show.

A case is plain data (see cases.py). What it does: follows the case with `Reference`, leaves out the DMAs whose outcome the architecture
does not determine or that would leave the pages meant for them, and predicts every observation for a unit that follows the specification
and for QEMU with its table of differences. What it does not do: run anything.

Commands, for sides.py:
  ("write", register, bytes, value), ("read", register, bytes)     registers; "read" yields an observation
  ("store", address, bytes), ("load", address, length)              memory; "load" yields an observation
  ("zero", address, length)
  ("dma", sid, is_write, address, length, buffer offset)            a DMA of that requester's device
"""
import struct
from typing import NamedTuple

from differences import FaultLog, QemuIotlb
from layout import (BUFFER_BYTES, BUFFER_WRITES, DUMP, INTERRUPT_FIRST, INTERRUPT_LAST, PAGE, QUEUE, STATUS, WINDOWS, in_window, is_hole,
                    pattern, write_bytes)
from outcome import NOT_COMPARABLE
from reference import Reference, leaf_level_bits

QUEUE_SLOTS = 256
MAX_ADDRESS_MASK = 18

TE, SRTP, QIE = 1 << 31, 1 << 30, 1 << 26
RTPS = 1 << 30


class Observation(NamedTuple):
    what: str
    step: int  # index into the case's ops; -1 before, -2 after them
    model: object  # what a unit that follows the specification shows; None: not looked at
    witness: object  # what QEMU shows; None: not looked at
    difference: str  # name of the entry of the table that makes them differ


class Plan:
    def __init__(self):
        self.commands = []
        self.observations = []
        self.events = []  # what was covered: tuples
        self.dmas = 0
        self.skipped = 0
        self.faulted = False


def make_plan(case):
    planner = _Planner(case)
    planner.run()
    return planner.plan


class _Side:
    """What one side's memory and device buffers hold."""

    def __init__(self):
        self.windows = {}  # first address -> bytearray, made at the first write
        self.buffers = {}  # sid -> bytearray of the lower half

    def window(self, address):
        for first, size in WINDOWS:
            if first <= address < first + size:
                return first, self.windows.get(first), size
        return None, None, 0

    def load(self, address, length):
        first, content, _ = self.window(address)
        if first is None:
            return bytes(length)
        if content is None:
            return pattern(address, length)
        return bytes(content[address - first:address - first + length])

    def store(self, address, data):
        first, content, size = self.window(address)
        if first is None:
            return
        if content is None:
            content = self.windows[first] = bytearray(pattern(first, size))
        content[address - first:address - first + len(data)] = data


class _Planner:
    def __init__(self, case):
        self.case = case
        self.plan = Plan()
        self.reference = Reference(case["width"], case["root_table"], dict(case["words"]))
        self.model, self.qemu = _Side(), _Side()
        self.model_log = FaultLog(case["width"])
        self.qemu_log = FaultLog(case["width"], qemu=True)
        self.qemu_iotlb = QemuIotlb()
        self.queued = case["queued"]
        self.descriptors = []  # not yet handed over
        self.tail = 0
        self.status = 0x5A000000
        self.step = -1
        self.used = {}  # sid -> bytes of the device buffer that reads filled
        self.written = set()  # (address, length) in windows
        self.last_difference = ""

    # --- The whole case ---------------------------------------------------------------------------------------------------------

    def run(self):
        case = self.case
        for address, value in sorted(case["words"]):
            self._store_word(address, value)
        self._write("RTADDR", 8, case["root_table"])
        self._write("GCMD", 4, SRTP)
        self._read("GSTS", 4, RTPS)
        if self.queued:
            fillers = case.get("queue_fill", 0)
            self.descriptors = [(0x12, 0)] * fillers
            self._write("IQT", 8, 0)
            self._write("IQA", 8, QUEUE)
            self._write("GCMD", 4, QIE)
            self._read("GSTS", 4, RTPS | QIE)
        self._op_invalidate_context(1, 0, 0, 0)
        self._op_invalidate_iotlb(1, 0, 0, 0, 0, 0)
        self._flush()
        self._write("GCMD", 4, TE | (QIE if self.queued else 0))
        self._read("GSTS", 4, TE | RTPS | (QIE if self.queued else 0))
        for self.step, op in enumerate(case["ops"]):
            getattr(self, "_op_" + op[0])(*op[1:])
        self.step = -2
        self._flush()
        self._finish()

    def _finish(self):
        self._write("GCMD", 4, QIE if self.queued else 0)
        for sid, used in sorted(self.used.items()):
            self._command("dma", sid, True, DUMP, used, 0)
            self._load(DUMP, used, f"bytes that {sid:04x} read", bytes(self.model.buffers[sid][:used]),
                       bytes(self.qemu.buffers[sid][:used]))
        if self.written:
            for first, size in WINDOWS:
                expected = [bytes(side.windows[first]) if first in side.windows else pattern(first, size)
                            for side in (self.model, self.qemu)]
                self._load(first, size, f"memory from {first:#x}", *expected)
        if self.queued:
            self._write("GCMD", 4, 0)
        self._read("GSTS", 4, RTPS)
        self._op_clear(3)
        self._write("ICS", 4, 1)
        for address, length in self.written:
            self._command("store", address, pattern(address, length))
        for frame in sorted({address & ~(PAGE - 1) for address in self.reference.words}):
            self._command("zero", frame, PAGE)

    # --- Commands and observations ----------------------------------------------------------------------------------------------

    def _command(self, *command):
        self.plan.commands.append(command)

    def _write(self, register, size, value):
        self._command("write", register, size, value)

    def _observe(self, what, model, witness, difference=""):
        if model != witness and not difference:
            difference = self.last_difference
        self.plan.observations.append(Observation(what, self.step, model, witness, difference))

    def _read(self, register, size, model, *witness):
        self._command("read", register, size)
        self._observe(register, model, *(witness or (model,)))

    def _load(self, address, length, what, model, *witness):
        self._command("load", address, length)
        self._observe(what, model, *(witness or (model,)))

    def _store_word(self, address, value):
        self._command("store", address, struct.pack("<Q", value))

    # --- DMA --------------------------------------------------------------------------------------------------------------------

    def _op_dma(self, sid, is_write, address, length):
        self._flush()
        pieces = self._pieces(sid, is_write, address, length)
        offset = self._buffer_offset(sid, is_write, address, length)
        if pieces is None or not is_write and offset + length > BUFFER_WRITES:
            self.plan.skipped += 1
            return
        self.plan.dmas += 1
        self._command("dma", sid, is_write, address, length, offset)
        moved_model, moved_qemu = [], []
        for at, size, outcome in pieces:
            silent = self.qemu_iotlb.access(sid, at, is_write, outcome)
            witness = outcome.witness or outcome
            difference = outcome.difference
            if silent:
                witness, difference = outcome._replace(recorded=False), "iotlb-permission"
            self._account(sid, at, is_write, outcome, witness, difference)
            moved_model.append((outcome, at, size))
            moved_qemu.append((witness, at, size))
        self._move(self.model, sid, is_write, offset, address, moved_model)
        self._move(self.qemu, sid, is_write, offset, address, moved_qemu)
        if not is_write:
            self.used[sid] = offset + length
        if len(pieces) > 1:
            self.plan.events.append(("crossing", bool(pieces[0][2].code), bool(pieces[1][2].code)))
        self._observe_faults()

    def _buffer_offset(self, sid, is_write, address, length):
        if not is_write:
            return self.used.get(sid, 0)
        if INTERRUPT_FIRST <= address <= INTERRUPT_LAST:
            return BUFFER_BYTES - 4
        return BUFFER_WRITES + address % (BUFFER_BYTES - BUFFER_WRITES - 4 - length)

    def _pieces(self, sid, is_write, address, length):
        """[(address, length, outcome)] per page, or None when the DMA is not comparable."""
        if self.reference.conflicting(sid):
            return None
        end = address + length
        pieces = []
        at = address
        while at < end:
            size = min(end, (at | PAGE - 1) + 1) - at
            outcomes = self.reference.outcomes(sid, at, is_write)
            if len(outcomes) != 1 or NOT_COMPARABLE in outcomes:
                return None
            outcome = next(iter(outcomes))
            for each in (outcome, outcome.witness or outcome):
                if each.code == 0 and each.target is not None:
                    if not (in_window(each.target, size) or is_hole(each.target, size)):
                        return None
            pieces.append((at, size, outcome))
            at += size
        inside = address <= INTERRUPT_LAST and end > INTERRUPT_FIRST
        if inside and (len(pieces) > 1 or is_write and (length != 4 or address % 4)):
            return None  # only a dword write is an interrupt request on both sides; QEMU cuts others into dwords
        return pieces

    def _account(self, sid, at, is_write, outcome, witness, difference):
        if outcome.code:
            self.plan.faulted = True
        recorded = outcome.code and outcome.recorded and self.model_log.record(sid, at, is_write, outcome)
        overflowed = outcome.code and outcome.recorded and not recorded
        witness_recorded = witness.code and witness.recorded and self.qemu_log.record(sid, at, is_write, witness)
        if difference:
            self.last_difference = difference
        elif overflowed and not witness_recorded and self.model_log.overflow != self.qemu_log.overflow:
            self.last_difference = "fault-collapse"
        elif recorded and self.model_log.low != self.qemu_log.low:
            self.last_difference = "fault-info-width"
        events = self.plan.events
        if not outcome.code:
            events.append(("leaf", outcome.level) if outcome.target is not None else ("interrupt message",))
        elif recorded and (witness_recorded or difference):
            events.append(("reason", outcome.code, outcome.detail, bool(witness_recorded)))
        elif not outcome.recorded:
            events.append(("suppressed", outcome.code))
        else:
            events.append(("overflow",))

    def _move(self, side, sid, is_write, offset, address, pieces):
        buffer = side.buffers.setdefault(sid, bytearray(BUFFER_WRITES))
        for outcome, at, size in pieces:
            first = offset + at - address
            reaches = outcome.code == 0 and outcome.target is not None
            if is_write:
                if reaches and in_window(outcome.target, size):
                    data = write_bytes(sid)[first - BUFFER_WRITES:first - BUFFER_WRITES + size]
                    side.store(outcome.target, data)
                    self.written.add((outcome.target, size))
            else:
                # The device of QEMU stores zeros for a read that failed.
                buffer[first:first + size] = side.load(outcome.target, size) if reaches else bytes(size)

    def _observe_faults(self):
        model, qemu = self.model_log, self.qemu_log
        self._read("FSTS", 4, model.fsts(), qemu.fsts())
        if model.high is not None or qemu.high is not None:
            only_pv = None not in (model.high, qemu.high) and model.high == qemu.high & ~(0xFFFF << 40)
            self._read("FRCD_HI", 8, model.high, qemu.high, "fault-record-pasid" if only_pv else "")
            self._read("FRCD_LO", 8, model.low, qemu.low)
        self._read("FECTL", 4, model.fectl(), qemu.fectl())

    def _op_clear(self, what):
        """Bit 0: the fault record, bit 1: the overflow. FSTS is written in any case: QEMU looks at FECTL.IP only then."""
        self._flush()
        if what & 1:
            self._write("FRCD_HI", 8, 1 << 63)
        self._write("FSTS", 4, 1 if what & 2 else 0)
        for log in (self.model_log, self.qemu_log):
            log.clear(what & 1, what & 2)
        self._read("FSTS", 4, self.model_log.fsts(), self.qemu_log.fsts())
        self._read("FECTL", 4, self.model_log.fectl(), self.qemu_log.fectl())

    # --- Changes of structures --------------------------------------------------------------------------------------------------

    def _op_entry(self, address, value):
        self._flush()
        self.reference.write_entry(address, value)
        self._store_word(address, value)

    def _op_context(self, address, low, high):
        self._flush()
        self.reference.write_context(address, (low, high))
        self._command("store", address, struct.pack("<QQ", low, high))

    def _op_root(self, bus, low, high):
        self._flush()
        self.reference.write_root(bus, (low, high))
        self._command("store", self.case["root_table"] + 16 * bus, struct.pack("<QQ", low, high))

    # --- Invalidation -----------------------------------------------------------------------------------------------------------

    def _op_invalidate_context(self, granularity, domain, sid, function_mask):
        """Granularity 0 is an incorrect request that the register interface ignores."""
        if self.queued and granularity == 0:
            return
        if granularity:
            self.reference.invalidate_context(granularity, domain, sid, function_mask)
        if self.queued:
            self.descriptors.append((1 | granularity << 4 | domain << 16 | sid << 32 | function_mask << 48, 0))
        else:
            value = granularity << 61 | function_mask << 32 | sid << 16 | domain
            self._write("CCMD", 8, 1 << 63 | value)
            shown = granularity << 61 | domain
            performed = 1 if granularity == 2 else granularity
            self._read("CCMD", 8, shown | granularity << 59, shown | performed << 59, "context-domain-granularity")
        self.plan.events.append(("context invalidation", self.queued, granularity))

    def _op_invalidate_iotlb(self, granularity, domain, address, mask_bits, leaf_only, drain):
        ignored = granularity == 0 or granularity == 3 and mask_bits > MAX_ADDRESS_MASK
        if self.queued and ignored:
            return
        if not ignored:
            self.reference.invalidate_iotlb(granularity, domain, address, mask_bits, leaf_only)
            self.qemu_iotlb.invalidate(granularity, domain, address, mask_bits)
        page = address & ~0xFFF | leaf_only << 6 | mask_bits
        if self.queued:
            page = page if granularity == 3 else 0
            self.descriptors.append((2 | granularity << 4 | drain << 6 | domain << 16, page))
        else:
            self._write("IVA", 8, page)
            value = granularity << 60 | drain << 48 | domain << 32
            self._write("IOTLB", 8, 1 << 63 | value)
            self._read("IOTLB", 8, value | (0 if ignored else granularity) << 57)
        self.plan.events.append(("IOTLB invalidation", self.queued, granularity))

    def _wait(self):
        self.status += 1
        return 0x25 | self.status << 32, STATUS

    def _put(self, descriptor):
        self._command("store", QUEUE + 16 * self.tail, struct.pack("<QQ", *descriptor))
        self.tail = (self.tail + 1) % QUEUE_SLOTS

    def _flush(self):
        """Hands the collected descriptors over, with a wait at the end."""
        if not self.descriptors:
            return
        for descriptor in self.descriptors:
            self._put(descriptor)
        self.descriptors = []
        self._put(self._wait())
        self._write("IQT", 8, 16 * self.tail)
        self._observe_wait()

    def _observe_wait(self):
        self._load(STATUS, 4, "wait status", struct.pack("<I", self.status))
        self._read("IQH", 8, 16 * self.tail)

    def _op_wait_interrupt(self):
        if not self.queued:
            return
        self.descriptors.append((0x15, 0))
        self._flush()
        self._read("ICS", 4, 1)
        self._read("IECTL", 4, 3 << 30)
        self._write("ICS", 4, 1)
        self._read("IECTL", 4, 1 << 31)
        self.plan.events.append(("wait interrupt",))

    def _op_bad_descriptor(self, low, high):
        """A descriptor that is an error on both sides, and the recovery of 5.5.4."""
        if not self.queued:
            return
        self._flush()
        head = 16 * self.tail
        slot = QUEUE + head
        self._put((low, high))
        self._write("IQT", 8, 16 * self.tail)
        logs = self.model_log, self.qemu_log
        for log in logs:
            log.set_queue_error()
        self._read("IQH", 8, head)
        self._read("FSTS", 4, *(log.fsts() for log in logs))
        self._read("FECTL", 4, *(log.fectl() for log in logs))
        self._command("store", slot, struct.pack("<QQ", *self._wait()))
        self._write("FSTS", 4, 1 << 4)
        for log in logs:
            log.clear(False, False, True)
        self._read("IQH", 8, 16 * self.tail, head, "queue-error-recovery")
        self._write("IQT", 8, 16 * self.tail)
        self._observe_wait()
        self._read("FSTS", 4, *(log.fsts() for log in logs))
        self.plan.events.append(("queue error",))
