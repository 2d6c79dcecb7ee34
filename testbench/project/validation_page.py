"""Compares docs/validation.md, .csv, .json and the plots with the program.

usage: validation_page.py IOMMU_VP ROOT [--full]

Without --full nothing is simulated: experiments, points, published values and tolerances have to be those of the program, and the page's verdicts those of its
own CSV file. With --full everything is measured anew, which takes minutes, and has to be the same to the byte. To make the page anew:
build/release/iommu-vp validate --out docs"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

program, root = sys.argv[1], pathlib.Path(sys.argv[2])
docs = root / "docs"
AGAIN = "FAILED %s; when the change is intended:\n  build/release/iommu-vp validate --out docs"


def output(*arguments):
    ended = subprocess.run([program, "validate", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ended.returncode not in (0, 1):
        print("FAILED validate %s -> exit %d\n%s" % (" ".join(arguments), ended.returncode, ended.stdout))
        sys.exit(1)
    return ended.stdout


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes()
            for pattern in ("validation.*", "validation/*.svg") for path in folder.glob(pattern)}


def compare(found, wanted, what):
    if found != wanted:
        for item in sorted(set(found) ^ set(wanted))[:20]:
            print("  only %s: %s" % ("in docs" if item in found else "in the program", item))
        print(AGAIN % what)
        sys.exit(1)
    print("ok     %s" % what)


if "--full" in sys.argv[3:]:
    with tempfile.TemporaryDirectory() as name:
        output("--out", name)
        found, wanted = files(docs), files(pathlib.Path(name))
        compare(sorted(found), sorted(wanted), "the files of docs/validation.md")
        different = [path for path in found if found[path] != wanted[path]]
        if different:
            print(AGAIN % ("measured anew, these differ: %s" % different))
            sys.exit(1)
        print("ok     %d files, measured anew" % len(found))
    sys.exit(0)

ids = [line.split()[0] for line in output("--list").splitlines()]
listed = output("--list", *ids).splitlines()[1:]
rows = list(csv.DictReader((docs / "validation.csv").open()))
# Columns of the list are at least two spaces apart.
wanted = [tuple(part for part in line.replace("  ", "\t").split("\t") if part.strip()) for line in listed]
wanted = [tuple(part.strip() for part in row) for row in wanted]
found = [(row["experiment"], row["series"], row["point"], row["published"] or "-", row["unit"], row["tolerance"]) for row in rows]
compare(found, wanted, "%d points with their published values and tolerances" % len(wanted))

result = json.loads((docs / "validation.json").read_text())
of_json = [(e["id"], s["key"], p["name"], p["verdict"]) for e in result["experiments"] for s in e["series"] for p in s["points"]]
compare(of_json, [(row["experiment"], row["series"], row["point"], row["verdict"]) for row in rows], "the same verdicts in CSV and JSON")

page = (docs / "validation.md").read_text().splitlines()
table = [line.strip("| ").split(" | ") for line in page if line.startswith("| ") and line.count("|") == 7 and not line.startswith("| point |")]
compare([(row[0], row[2], row[5].strip("*")) for row in table], [(row["point"], row["published"] or "-", row["verdict"]) for row in rows],
        "the page's tables")
plots = sorted(line.split("](")[1].rstrip(")") for line in page if line.startswith("!["))
compare(plots, sorted("validation/" + path.name for path in (docs / "validation").glob("*.svg")), "the page's plots")
