"""`iommu-vp validate` as a user sees it: lists, mistakes, one fast experiment with its files, scenarios that reproduce its points.

usage: validate_test.py IOMMU_VP"""
import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

program = pathlib.Path(sys.argv[1]).resolve()
failed = 0


def check(holds, what):
    global failed
    print("%s %s" % ("ok    " if holds else "FAILED", what))
    failed += not holds


def run(*arguments, folder=None, binary=program, environment=None):
    return subprocess.run([str(binary), *map(str, arguments)], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def mistake(arguments, *words):
    ended = run("validate", *arguments)
    ok = ended.returncode == 2 and ended.stdout == "" and all(word in ended.stderr for word in words)
    check(ok, "validate %s -> exit %d: %s" % (" ".join(arguments), ended.returncode, ended.stderr.strip()))


listed = run("validate", "--list")
ids = [line.split()[0] for line in listed.stdout.splitlines()]
check(listed.returncode == 0 and "V3" in ids and ids == sorted(ids, key=lambda name: int(name[1:])), "--list names %s" % ids)
points = run("validate", "v3", "--list")
check(points.returncode == 0 and any(
    line.split() == ["V3", "gen3x8-mps256-write", "64", "B", "42.1", "Gb/s", "±1", "%"] for line in points.stdout.splitlines()), "--list of one experiment has its points")

mistake(["W3"], 'unknown experiment "W3"; did you mean "V3"?', "allowed: ", "V3")
mistake(["V3", "x"], 'unknown experiment "x"', "allowed: ")
mistake(["--sort"], 'unknown option "--sort"; did you mean "--short"?')
mistake(["V3", "--jobs", "0"], '--jobs = "0": allowed: 1 to 9999')
mistake(["V3", "--jobs", "two"], '--jobs = "two": allowed: 1 to 9999')
mistake(["V3", "--out", ""], "--out needs the name of a folder")
mistake(["--list", "--markdown"], "--list goes with names of experiments and --short only")
mistake(["--list", "--scenarios", "x"], "--list goes with names of experiments and --short only")
mistake(["--scenarios", "x", "--jobs", "2"], "--scenarios goes with names of experiments and --short only")
mistake(["V3", "--short", "--out", "/dev/null/x"], "can't be made")

with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    first = run("validate", "V3", "--short", "--out", "out", "--jobs", "1", folder=folder)
    second = run("validate", "v3", "--short", folder=folder)
    check(first.returncode == 0 and first.stderr == "", "V3 --short -> exit %d %s" % (first.returncode, first.stderr))
    check(first.stdout == second.stdout, "the same whatever runs at the same time")
    files = sorted(str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*") if path.is_file())
    plots = [path for path in files if path.endswith(".svg")]
    check(set(files) == {"validation.csv", "validation.json", "validation.md", *plots}, "files: %s" % files)
    check("validation/v3-gen3x8-mps256-write.svg" in plots, "a plot for each series")

    rows = list(csv.DictReader((folder / "out/validation.csv").open()))
    result = json.loads((folder / "out/validation.json").read_text())
    of_json = [(experiment["id"], series["key"], point["name"], point["measured"])
               for experiment in result["experiments"] for series in experiment["series"] for point in series["points"]]
    of_csv = [(row["experiment"], row["series"], row["point"], float(row["measured"])) for row in rows]
    check(len(of_csv) >= 10 and of_csv == of_json, "%d points, the same in CSV and JSON" % len(of_csv))
    # Published: 42.1 Gb/s; the rate is not the published value itself, so that something was measured.
    known = [row for row in rows if row["series"] == "gen3x8-mps256-write" and row["point"] == "64 B"][0]
    check(known["published"] == "42.1" and known["low"] == "41.679" and known["high"] == "42.521" and known["verdict"] == "ok", "a known point: %s" % known)
    check(41.679 <= float(known["measured"]) <= 42.521 and known["measured"] != "42.1", "its measured value %s" % known["measured"])
    for plot in plots:
        tree = xml.parse(folder / "out" / plot)
        texts = [node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")]
        check("Gb/s" in texts and "measured in the model" in texts, "%s is XML with its labels" % plot)
    page = run("validate", "V3", "--short", "--markdown", folder=folder)
    check(page.returncode == 0 and page.stdout == (folder / "out/validation.md").read_text(), "--markdown is the page of --out")

    made = run("validate", "V3", "--short", "--scenarios", "made", folder=folder)
    scenarios = sorted((folder / "made").glob("*.toml"))
    check(made.returncode == 0 and len(scenarios) == len(rows), "%d scenarios" % len(scenarios))
    alone = run("run", "made/v3-gen3x8-mps256-write-64-b.toml", "--out", "alone", "--quiet", folder=folder)
    own = json.loads((folder / "alone/result.json").read_text())
    check(alone.returncode == 0 and own["bytes"] == 64 * own["config"]["device"]["dma"]["count"], "a scenario runs on its own")

    # A program without its presets: the runs that need them fail.
    lonely = folder / "lonely"
    lonely.mkdir()
    shutil.copy(program, lonely / "iommu-vp")
    if "V1" in ids:
        ended = run("validate", "V1", "--short", binary=lonely / "iommu-vp", folder=folder)
        check(ended.returncode == 2 and ended.stdout == "" and "V1 bdw 256KiB: the run ended with exit code 2" in ended.stderr and
              '/presets/bdw-e5v4.toml": can\'t be read' in ended.stderr and "device.dma.window_bytes = 262144" in ended.stderr,
              "a run that fails -> exit %d: %s" % (ended.returncode, ended.stderr.strip().splitlines()[:2]))
    environment = dict(os.environ, TMPDIR=str(folder / "nowhere"))
    ended = run("validate", "V3", "--short", folder=folder, environment=environment)
    check(ended.returncode == 2 and "TMPDIR" in ended.stderr and ended.stdout == "", "no folder for the runs -> exit %d: %s" % (ended.returncode, ended.stderr.strip()))

    # What a user names beside no scenario is found beside the program; a name that is nowhere is told with those that are.
    for preset in sorted((program.parent / "presets").glob("*.toml")):
        (folder / "mine.toml").write_text('base = "presets/%s"\n' % preset.name)
        ended = run("check", "mine.toml", folder=folder)
        check(ended.returncode == 0, "base = presets/%s, from any folder: %s" % (preset.name, ended.stderr.strip()))
    (folder / "mine.toml").write_text('base = "presets/bdw-e5v44.toml"\n')
    ended = run("check", "mine.toml", folder=folder)
    check(ended.returncode == 2 and 'mine.toml:1:8: base = "presets/bdw-e5v44.toml": can\'t be read' in ended.stderr, ended.stderr.strip())

sys.exit(1 if failed else 0)
