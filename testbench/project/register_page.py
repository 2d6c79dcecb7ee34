"""Compares docs/v2-to-registers.md with what the program prints.

usage: register_page.py IOMMU_VP ROOT

The page holds times and numbers of polls, so that it changes with timing parameters, defaults, and what system software does: that is intended. To
make it anew: build/release/iommu-vp explain --markdown > docs/v2-to-registers.md"""
import difflib
import pathlib
import subprocess
import sys

program, root = sys.argv[1], pathlib.Path(sys.argv[2])
page = root / "docs" / "v2-to-registers.md"
ended = subprocess.run([program, "explain", "--markdown"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
if ended.returncode != 0:
    print("FAILED explain --markdown -> exit %d\n%s" % (ended.returncode, ended.stdout))
    sys.exit(1)
found = page.read_text() if page.exists() else ""
if found == ended.stdout:
    print("ok     %s" % page.name)
    sys.exit(0)
changes = difflib.unified_diff(found.splitlines(), ended.stdout.splitlines(), "docs/v2-to-registers.md", "iommu-vp explain --markdown", lineterm="")
for line in list(changes)[:60]:
    print(line)
print("FAILED docs/v2-to-registers.md is not what the program prints; when the change is intended:\n"
      "  build/release/iommu-vp explain --markdown > docs/v2-to-registers.md")
sys.exit(1)
