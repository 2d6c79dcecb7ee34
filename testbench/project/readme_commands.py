"""Runs every iommu-vp command that stands in the README, and sees that its scripts are run by .ci/run.

usage: readme_commands.py IOMMU_VP ROOT

A command is a line of a ```sh block. Lines that begin with build/release/iommu-vp are run here, in a copy of configs/, with the program given;
each must exit as the README says ("# exits N" at the end of the line; 0 without). Lines that begin with scripts/ have to be in .ci/run."""
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

program, root = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
lines = []
inside = False
for line in (root / "README.md").read_text().splitlines():
    if line.startswith("```"):
        inside = line.strip() == "```sh"
    elif inside and line.strip():
        lines.append(line.strip())
ci = (root / ".ci/run").read_text()

failed = 0
with tempfile.TemporaryDirectory() as folder:
    shutil.copytree(root / "configs", pathlib.Path(folder) / "configs")
    for line in lines:
        wanted = int(re.search(r"# exits (\d+)", line).group(1)) if "# exits" in line else 0
        command = line.split("#")[0].strip()
        if command.startswith("scripts/"):
            ok = command.split()[0] in ci
            print("%s %s (run by .ci/run)" % ("ok    " if ok else "FAILED", command))
        elif command.startswith("build/release/iommu-vp"):
            words = shlex.split(command)
            ended = subprocess.run([str(program)] + words[1:], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            ok = ended.returncode == wanted
            print("%s %s -> exit %d" % ("ok    " if ok else "FAILED", command, ended.returncode))
            if not ok:
                print(ended.stdout)
        else:
            ok = False
            print("FAILED %s: neither a script nor iommu-vp; nobody runs it" % command)
        failed += not ok
if not lines:
    print("FAILED no command found")
    failed = 1
sys.exit(1 if failed else 0)
