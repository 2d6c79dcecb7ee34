"""Checks who includes whom: the layers of docs/architecture.md, by reading every #include. Exit 1 and a line for each violation.

On Debian `#include <systemc>` compiles without linking anything, so the build alone doesn't notice."""
import pathlib
import re
import sys

# Folder -> folders it may include from (besides itself).
ALLOWED = {
    "models/core": [],
    "models/regs": [],
    "models/vtd": ["models/core", "models/regs"],
    "models/tlm": ["models/core", "models/regs"],
    "api": ["models/core", "models/regs", "models/vtd"],
    "platform": ["models/core", "models/regs", "models/vtd", "models/tlm", "api"],
    "testbench": ["models/core", "models/regs", "models/vtd", "models/tlm", "api", "platform"],
}
# Pattern of an external header -> folders that may include it.
EXTERNAL = {
    r"<(systemc|tlm|tlm_utils/|sysc/)": ["models/tlm", "platform", "testbench"],
    r"<boost/": ["platform"],
    r"<(toml|nlohmann/|pcap)": ["platform", "testbench"],
    r"<catch2/": ["testbench"],
}
# The API layer builds on register maps, records and page formats, not on how the model works.
API_MAY_SEE = re.compile(r"models/(core/(types|page_format)|regs/register|vtd/(register_map|records|second_stage|fault_reason))\.h")
NAMES = re.compile(r"\b(sc_core|sc_dt|tlm_utils)::|\bboost::")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"][^>"]+[>"])')


def layer_of(path):
    text = path.as_posix()
    return max((layer for layer in ALLOWED if text.startswith(layer + "/")), key=len, default=None)


def check_file(root, path):
    relative = path.relative_to(root)
    layer = layer_of(relative)
    if layer is None:
        return
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = "%s:%d" % (relative.as_posix(), number)
        if not (layer in ("models/tlm", "platform", "testbench")) and NAMES.search(line.split("//")[0]):
            yield "%s: %s uses a name of SystemC or Boost" % (where, layer)
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        for pattern, layers in EXTERNAL.items():
            if re.match(pattern, header) and layer not in layers:
                yield "%s: %s includes %s" % (where, layer, header)
        target = layer_of(pathlib.PurePosixPath(header.strip('"')))
        if header.startswith('"') and target not in (None, layer) and target not in ALLOWED[layer]:
            yield "%s: %s includes %s of %s" % (where, layer, header, target)
        if layer == "api" and header.startswith('"models/') and not API_MAY_SEE.fullmatch(header.strip('"')):
            yield "%s: api includes %s, which is the model's inside" % (where, header)


def violations(root):
    for folder in ("models", "api", "platform", "testbench"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cpp", ".c"):
                yield from check_file(root, path)


if __name__ == "__main__":
    found = list(violations(pathlib.Path(sys.argv[1]).resolve()))
    print("\n".join(found) if found else "layering: no violations")
    sys.exit(1 if found else 0)
