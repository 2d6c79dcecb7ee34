"""Every test that docs/ddi-compliance.md and docs/ddi-decisions.md name has to exist.

usage: named_tests.py ROOT

A table row names files as `test_x.cpp` and their tests in double quotes; "..." at the end of a name stands for the rest of it. Quoted names belong to
the last file named before them, in the row or in the heading above the table."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
wrong = 0
named = 0


def tests_of(file):
    paths = list((root / "testbench").glob("*/" + file))
    if not paths:
        return None
    text = re.sub(r'"\s*\n\s*"', "", paths[0].read_text())
    return re.findall(r'TEST_CASE\(\s*"((?:[^"\\]|\\.)*)"', text)


for page in ("docs/ddi-compliance.md", "docs/ddi-decisions.md"):
    file = None
    for number, line in enumerate((root / page).read_text().splitlines(), 1):
        heading = re.match(r"#+ .*`(test_\w+\.cpp)`", line)
        if heading:
            file = in_heading = heading.group(1)
            continue
        if line.startswith("#"):
            in_heading = None
        if not line.startswith("|") or line.startswith("|--"):
            continue
        file = in_heading
        cell = line.rstrip(" |").rsplit(" | ", 1)[-1]
        # A file that stands behind its quoted names belongs to those before it: `"name" in \`file\``.
        cell = re.sub(r'("[^"]*") in (`\w+\.(?:cpp|h)`)', r"\2: \1", cell)
        for part in re.finditer(r'`(\w+\.(?:cpp|h))`|"([^"]*)"', cell):
            if part.group(1):
                file = part.group(1)
                if not list((root / "testbench").glob("*/" + file)):
                    print("%s:%d: there is no %s" % (page, number, file))
                    wrong += 1
                continue
            name = part.group(2)
            tests = tests_of(file) if file else None
            if tests is None:
                print("%s:%d: \"%s\" in no file" % (page, number, name))
                wrong += 1
                continue
            named += 1
            wanted = name[:-3] if name.endswith("...") else name
            if not any(wanted in test for test in tests):
                print("%s:%d: %s has no test \"%s\"" % (page, number, file, name))
                wrong += 1
print("%d names, %d wrong" % (named, wrong))
sys.exit(1 if wrong else 0)
