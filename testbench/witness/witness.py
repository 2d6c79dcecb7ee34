#!/usr/bin/env python3
"""Runs random VT-d cases on the model and on QEMU's intel-iommu with edu devices, and compares what both show.

  witness.py --server PATH [--cases N] [--seed S] [--jobs J]     N cases: seeds S, S + 1, ...
  witness.py --server PATH --replay SEED                         one case, with all that happens in it

Compared are the bytes that DMAs move, the fault registers after each DMA, and the registers of every invalidation. Where QEMU is known to
depart from the specification, differences.py says when and how; any other disagreement is a failure: its seed is printed and a smaller case
that fails too. Exit code 0: agreed, with the coverage demanded; 1: a disagreement, or coverage missing; 2: wrong usage; 77: no QEMU here.
"""
import argparse
import collections
import multiprocessing
import os
import shutil
import signal
import sys
import time

import report
from cases import make_case, width_of
from plan import make_plan
from shrink import shrink
from sides import ModelSide, QemuSide, SideError, SideHangs, end_with_parent

MAX_FAILURES = 3
CHUNK = 1000  # cases between two starts of QEMU


class Disagreement:
    """`what`: the observation that differs, by which a smaller case is recognised as the same failure."""

    def __init__(self, what, text):
        self.what, self.text = what, text


class Bench:
    """QEMU and two models of one width, started when first needed and again after a failure."""

    def __init__(self, width, server):
        self.width, self.server = width, server
        self.models, self.qemu = {}, None  # models: small caches or not -> ModelSide

    def start(self):
        self.close()
        self.qemu = QemuSide(self.width)
        theirs = self.qemu.capabilities()
        for small in (False, True):
            self.models[small] = ModelSide(self.width, self.server, small)
            ours = self.models[small].capabilities()
            if ours != theirs:
                raise SideError("capabilities differ: " + ", ".join(
                    f"{field} model {ours[field]} QEMU {theirs[field]}" for field in ours if ours[field] != theirs[field]))

    def close(self):
        for side in list(self.models.values()) + [self.qemu] * (self.qemu is not None):
            side.close()
        self.models, self.qemu = {}, None

    def run(self, case):
        """(plan, disagreement or None, Counter of the differences met)."""
        plan = make_plan(case)
        if self.qemu is None:
            self.start()
        model = self.models[case["small_caches"]]
        try:
            shown = [side.run(plan.commands) for side in (model, self.qemu)]
        except SideError as error:
            self.close()
            what = "hang" if isinstance(error, SideHangs) else "end"
            return plan, Disagreement(what, str(error)), collections.Counter()
        problem, met = compare(plan, *shown)
        if problem:
            self.recover(model)
        return plan, problem, met

    def recover(self, model):
        """Both sides go on only if they are as a case leaves them; memory is filled again."""
        try:
            for side in (model, self.qemu):
                if side.run([("read", "GSTS", 4), ("read", "FSTS", 4)]) != [1 << 30, 0]:
                    self.close()
                    return
                side.fill_windows()
        except SideError:
            self.close()


def compare(plan, model, qemu):
    met = collections.Counter()
    steps = set()
    for expected, ours, theirs in zip(plan.observations, model, qemu):
        if expected.model is None and expected.witness is None:
            continue
        if expected.model is None or expected.witness is None or expected.model != expected.witness:
            good = expected.model in (None, ours) and expected.witness in (None, theirs)
            if good:
                if (expected.step, expected.difference) not in steps:
                    steps.add((expected.step, expected.difference))
                    met[expected.difference] += 1
                continue
            return Disagreement(expected.what, report.explain(expected, ours, theirs)), met
        if ours != theirs:
            return Disagreement(expected.what, report.explain(expected, ours, theirs)), met
        if ours != expected.model:
            text = "both sides agree, but reference.py does not: " + report.explain(expected, ours, theirs)
            return Disagreement(expected.what, text), met
    return None, met


class Totals:
    """What a run adds up."""

    def __init__(self):
        self.cases = self.faulted = self.dmas = self.skipped = 0
        self.widths = collections.Counter()
        self.events = collections.Counter()
        self.differences = collections.Counter()
        self.failures = []  # (seed, text, minimal case, text of that)

    def add(self, case, plan, met):
        self.cases += 1
        self.faulted += plan.faulted
        self.dmas += plan.dmas
        self.skipped += plan.skipped
        self.widths[case["width"]] += 1
        self.events.update(plan.events)
        self.differences.update(met)

    def merge(self, other):
        for name in ("cases", "faulted", "dmas", "skipped"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("widths", "events", "differences"):
            getattr(self, name).update(getattr(other, name))
        self.failures += other.failures


def same_failure(disagreement, other):
    return disagreement is not None and disagreement.what == other.what


def run_seeds(seeds, server):
    totals = Totals()
    benches = {width: Bench(width, server) for width in (39, 48)}
    try:
        for seed in seeds:
            case = make_case(seed)
            bench = benches[case["width"]]
            plan, problem, met = bench.run(case)
            totals.add(case, plan, met)
            if problem:
                # Each try at a case that hangs takes minutes: such a one stays as it is.
                minimal = case if problem.what == "hang" else shrink(
                    case, lambda smaller: same_failure(bench.run(smaller)[1], problem))
                again = problem if problem.what == "hang" else bench.run(minimal)[1]
                totals.failures.append((seed, problem.text, minimal, again.text if again else "no longer fails"))
                if len(totals.failures) >= MAX_FAILURES:
                    break
    finally:
        for bench in benches.values():
            bench.close()
    return totals


_busy = False  # in a worker: at a job


def _worker(job):
    global _busy
    _busy = True
    try:
        return run_seeds(*job)
    finally:
        _busy = False


def _end(*_):
    # At a job: unwind, so that no files are left behind. Between jobs there are none, and the pool's lock may be held: unwinding could wait for it.
    if _busy:
        sys.exit(1)
    os._exit(1)


def _start_worker(started):
    """A worker, its QEMU and its models take turns: on one core they do so three times faster than on several."""
    end_with_parent(signal.SIGTERM)
    signal.signal(signal.SIGTERM, _end)
    with started.get_lock():
        started.value += 1
        number = started.value
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})


def shares(seeds, jobs):
    """Splits seeds into what one worker does in one go: of one width, so that it starts one QEMU only, where there are several workers."""
    groups = [list(seeds)] if jobs == 1 else [[seed for seed in seeds if width_of(seed) == width] for width in (39, 48)]
    workers = max(1, jobs // len(groups))
    result = []
    for group in groups:
        size = min(CHUNK, -(-len(group) // workers))
        result += [group[at:at + size] for at in range(0, len(group), size or 1)]
    # Of both widths in turn: the first shares are under way at the same time.
    return sorted(result, key=lambda share: share[0])


def run_all(seeds, server, jobs):
    totals = Totals()
    work = [(share, server) for share in shares(seeds, jobs)]
    with multiprocessing.Pool(min(jobs, len(work)), _start_worker, (multiprocessing.Value("i", 0),)) as pool:
        for part in pool.imap_unordered(_worker, work):
            totals.merge(part)
            if sys.stderr.isatty():
                print(f"\r{totals.cases} of {len(seeds)} cases", end="", file=sys.stderr, flush=True)
            if len(totals.failures) >= MAX_FAILURES:
                break
        else:
            # Idle workers end by themselves; a signal could catch them with the queue's lock held.
            pool.close()
            pool.join()
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return totals


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", required=True, help="the vtd_server program")
    parser.add_argument("--cases", type=int, default=2000, help="how many cases (default 2000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first case (default 1)")
    parser.add_argument("--jobs", type=int, default=2, help="how many pairs of QEMU and model side by side (default 2)")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one case and show it")
    options = parser.parse_args(arguments)
    for name in ("cases", "jobs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}: at least 1 is needed")
    if not os.access(options.server, os.X_OK):
        parser.error(f"--server {options.server}: no such program")
    return options


def replay(seed, server):
    case = make_case(seed)
    bench = Bench(case["width"], server)
    try:
        plan, problem, met = bench.run(case)
    finally:
        bench.close()
    print(report.describe(case))
    print(f"{plan.dmas} DMAs compared, {plan.skipped} left out as not determined; differences met: {dict(met) or 'none'}")
    print("disagreement: " + problem.text if problem else "both sides agree")
    return 1 if problem else 0


def main(arguments=None):
    options = parse(arguments)
    if shutil.which("qemu-system-x86_64") is None:
        print("skipped: qemu-system-x86_64 is not installed (Debian: qemu-system-x86)")
        return 77
    if options.replay is not None:
        return replay(options.replay, options.server)
    start = time.monotonic()
    seeds = range(options.seed, options.seed + options.cases)
    totals = run_all(seeds, options.server, options.jobs)
    missing = report.print_totals(totals)
    print(f"{time.monotonic() - start:.1f} s")
    report.print_failures(totals.failures)
    for line in missing:
        print("coverage missing: " + line)
    return 1 if totals.failures or missing else 0


if __name__ == "__main__":
    sys.exit(main())
