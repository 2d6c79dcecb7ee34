"""What the run prints: coverage and its demands, cases, disagreements."""
from differences import TABLE
from outcome import REASONS

DEMANDED = 20  # occurrences of each kind
DEMANDED_FROM = 2000  # cases: smaller runs only print
DEMANDED_FAULTS = 0.30

_DETAILS = {0x03: ("AW", "TT", "table")}
_LEAVES = {1: "4 KiB", 2: "2 MiB", 3: "1 GiB", 0: "pass-through"}
_GRANULARITIES = {"context": ("ignored", "global", "domain", "device"), "IOTLB": ("ignored", "global", "domain", "page")}


def demands(totals):
    """[(name, occurrences, needed)]"""
    events = totals.events
    rows = []
    for code, name in sorted(REASONS.items()):
        for detail in _DETAILS.get(code, ("",)):
            count = events["reason", code, detail, True]
            rows.append((f"{code:02X}h {name}{' (' + detail + ')' if detail else ''}", count, DEMANDED))
    for level, name in _LEAVES.items():
        rows.append((f"translated, {name}", events["leaf", level], DEMANDED))
    rows += [(f"width {width}", totals.widths[width], DEMANDED) for width in (39, 48)]
    for queued, way in ((False, "registers"), (True, "queue")):
        for kind, names in _GRANULARITIES.items():
            for granularity in range(1 if queued else 0, 4):
                count = events[kind + " invalidation", queued, granularity]
                rows.append((f"{kind} invalidation, {names[granularity]}, by {way}", count, DEMANDED))
    for first, name in ((False, "translated"), (True, "blocked")):
        for second, other in ((False, "translated"), (True, "blocked")):
            rows.append((f"page crossing, {name} then {other}", events["crossing", first, second], DEMANDED))
    suppressed = sum(count for event, count in events.items() if event[0] == "suppressed")
    rows += [("fault suppressed by FPD", suppressed, DEMANDED), ("fault lost to overflow", events["overflow",], DEMANDED),
             ("queue error and recovery", events["queue error",], DEMANDED), ("wait with interrupt", events["wait interrupt",], 5),
             ("interrupt message", events["interrupt message",], 5)]
    return rows


def print_totals(totals):
    """Prints coverage and differences; returns what is missing."""
    share = totals.faulted / totals.cases if totals.cases else 0
    print(f"{totals.cases} cases, {totals.dmas} DMAs compared, {totals.skipped} left out as not determined or not comparable; "
          f"{share:.1%} of the cases fault")
    missing = []
    checked = totals.cases >= DEMANDED_FROM and not totals.failures
    if checked and share < DEMANDED_FAULTS:
        missing.append(f"{share:.1%} of the cases fault, {DEMANDED_FAULTS:.0%} are demanded")
    print("\ncovered:")
    for name, count, needed in demands(totals):
        print(f"  {count:7}  {name}")
        if checked and count < needed:
            missing.append(f"{name}: {count} times, {needed} are demanded")
    print("\nknown differences of QEMU, times met:")
    for name, difference in TABLE.items():
        print(f"  {totals.differences[name]:7}  {name} (section {difference.sections})")
        print(f"           specification: {difference.specification}")
        print(f"           QEMU: {difference.qemu}")
    print()
    return missing


def show(value):
    if isinstance(value, int):
        return f"{value:#x}"
    if isinstance(value, bytes):
        return value.hex() if len(value) <= 32 else f"{len(value)} bytes"
    return str(value)


def explain(expected, ours, theirs):
    where = {-1: "before the first op", -2: "after the last op"}.get(expected.step, f"op {expected.step}")
    text = f"{where}: {expected.what}: model {show(ours)}, QEMU {show(theirs)}"
    text += f"; expected of the model {show(expected.model)}, of QEMU {show(expected.witness)}"
    if isinstance(ours, bytes) and len(ours) > 32:
        pairs = [i for i in range(len(ours)) if len({ours[i], theirs[i], expected.model[i], expected.witness[i]}) > 1]
        if pairs:
            at = pairs[0]
            text += f"; first differing byte at {at:#x}: " + ", ".join(
                f"{name} {data[at:at + 8].hex()}" for name, data in
                (("model", ours), ("QEMU", theirs), ("expected", expected.model), ("expected of QEMU", expected.witness)))
    if expected.difference:
        text += f" (by difference {expected.difference})"
    return text


def describe(case):
    lines = [f"width {case['width']}, invalidation by {'queue' if case['queued'] else 'registers'}, "
             f"{'small' if case['small_caches'] else 'default'} caches, root table {case['root_table']:#x}, "
             f"queue_fill {case.get('queue_fill', 0)}"]
    lines += [f"  [{address:#x}] = {value:#018x}" for address, value in case["words"]]
    for index, op in enumerate(case["ops"]):
        lines.append(f"  op {index}: {op[0]} " + " ".join(
            str(argument) if isinstance(argument, bool) else f"{argument:#x}" for argument in op[1:]))
    return "\n".join(lines)


def print_failures(failures):
    for seed, text, minimal, again in failures:
        print(f"\nDISAGREEMENT, seed {seed}: {text}")
        print("smaller case:")
        print(describe(minimal))
        print("  -> " + again)
