"""Predicts a few rows of docs/predictions.csv anew: they have to be the same.

usage: predictions.py IOMMU_VP ROOT"""
import pathlib
import subprocess
import sys

program, root = sys.argv[1], pathlib.Path(sys.argv[2])
SYSTEMS = ("ivb-e5-2620v2=ivb-e5v2", "hsw-e5-2637v3=hsw-e5v3-2637")
short = subprocess.run([sys.executable, str(root / "scripts/predict-bandwidth"), "--short", program, *SYSTEMS], check=True, stdout=subprocess.PIPE,
                       text=True).stdout.splitlines()
predicted = (root / "docs/predictions.csv").read_text().splitlines()
missing = [row for row in short if row not in predicted]
if len(short) != 33 or len(predicted) != 417 or missing:
    print("FAILED %d rows instead of 33, %d in the file instead of 417, not in the file:\n%s" % (len(short), len(predicted), "\n".join(missing)))
    sys.exit(1)
print("ok     %d rows" % (len(short) - 1))
