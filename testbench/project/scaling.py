#!/usr/bin/env python3
"""That scripts/measure-scaling --short prints every row with positive numbers. What they are is not looked at.

usage: scaling.py PROGRAM PROJECT"""
import pathlib
import re
import subprocess
import sys

ROWS = ["1 device and domain", "64 devices and domains", "64 devices and domains, in turn", "1024 devices and domains", "1 device, 1024 pages of 4 KiB",
        "1 device, 1 MiB mapped, 2 MiB leaves", "1 device, 64 MiB mapped, 2 MiB leaves", "1 device, 1 GiB mapped, 2 MiB leaves",
        "1 device, 1 TiB mapped, 2 MiB leaves", "10^5 DMAs, start-up included", "10^6 DMAs, start-up included"]
OTHERS = [r"start-up, one DMA and the end: (\d+) ms", r"the same with 1024 devices: ([\d.]+) s", r"bytes for each device with its domain: (\d+)",
          r"bytes for each mapped 4 KiB page, its table entry included: ([\d.]+)"]
program, project = sys.argv[1:]
run = subprocess.run([sys.executable, str(pathlib.Path(project) / "scripts/measure-scaling"), "--short", program], stdout=subprocess.PIPE, text=True)
print(run.stdout)
problems = [] if run.returncode == 0 else ["it failed"]
found = {}
for line in run.stdout.splitlines():
    row = re.fullmatch(r"(\S.*?)  +(-?\d+) +(-?[\d.]+)(   \d+ KiB)?", line)
    if row:
        found[row[1]] = row[2], row[3]
if list(found) != ROWS:
    problems.append("rows are %s" % list(found))
problems += ["%s: %s" % (name, numbers) for name, numbers in found.items() if not all(float(number) > 0 for number in numbers)]
for pattern in OTHERS:
    number = re.search("(?m)^" + pattern + "$", run.stdout)
    if not number or not float(number[1]) > 0:
        problems.append("no positive number in \"%s\"" % pattern)
sys.exit("\n".join(problems) or 0)
