"""How one access of a device inside one page ends, and the fault reasons of legacy mode (section 6.2 of the VT-d fact sheet)."""
from typing import NamedTuple, Optional

ROOT_NOT_PRESENT, CONTEXT_NOT_PRESENT, CONTEXT_INVALID, BEYOND_WIDTH = 0x01, 0x02, 0x03, 0x04
NO_WRITE, NO_READ, ENTRY_ACCESS, ROOT_ACCESS, CONTEXT_ACCESS = 0x05, 0x06, 0x07, 0x08, 0x09
ROOT_RESERVED, CONTEXT_RESERVED, ENTRY_RESERVED, OUTPUT_INTERRUPT, INPUT_INTERRUPT = 0x0A, 0x0B, 0x0C, 0x0E, 0x29

REASONS = {
    ROOT_NOT_PRESENT: "root entry not present",
    CONTEXT_NOT_PRESENT: "context entry not present",
    CONTEXT_INVALID: "context entry invalid",
    BEYOND_WIDTH: "address beyond the width",
    NO_WRITE: "no write permission",
    NO_READ: "no read permission",
    ENTRY_ACCESS: "paging entry unreadable",
    ROOT_ACCESS: "root entry unreadable",
    CONTEXT_ACCESS: "context entry unreadable",
    ROOT_RESERVED: "root entry reserved bits",
    CONTEXT_RESERVED: "context entry reserved bits",
    ENTRY_RESERVED: "paging entry reserved bits",
    OUTPUT_INTERRUPT: "output in the interrupt range",
}


class Outcome(NamedTuple):
    """`code` 0 is a translation; one without `target` moves no memory (an interrupt message)."""
    code: int = 0
    recorded: bool = True  # of a fault: not suppressed by FPD
    target: Optional[int] = None  # host address of the first byte
    level: int = 0  # of the leaf: 1 to 3; 0: no leaf (pass-through, fault)
    permissions: int = 0  # 1 R, 2 W: accumulated over all levels
    domain: int = 0
    detail: str = ""  # which of several causes of the code it was, for coverage
    witness: Optional["Outcome"] = None  # what QEMU does instead, where it is known to differ
    difference: str = ""  # the entry of the table of differences that says so


def fault(code, recorded=True, detail=""):
    return Outcome(code=code, recorded=recorded, detail=detail)


# A structure would be read from a device's registers: the two sides have different devices.
NOT_COMPARABLE = Outcome(code=-1)
