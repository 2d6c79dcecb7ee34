"""Drivers that the program loads: each one in testbench/platform/lab_drivers, and the example, in scenarios of their own.

usage: lab_drivers_test.py IOMMU_VP FOLDER_OF_DRIVERS SOURCE_FOLDER

Checks: mistakes that end the run have exit code 2, the exact message, and write nothing; what a driver does wrong or leaves behind is a
diagnostic each, with the exact text, and the run goes on; two devices share one image; a device can be taken out at any time; the example's own gcc command of docs/driver-lab.md
works; every function that api/wdm_driver.h declares is exported by the program."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

program, drivers, source = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
DEVICE = '[device.%s]\nkind = "nic"\ncapture = "c.pcap"\nlocal_address = "10.0.0.1"\nmax_packets = 40\ndriver = "%s"\n'
failures = []


def check(condition, title, found):
    if not condition:
        failures.append(title)
        print("FAILED %s\n  found: %s" % (title, found))


def run(folder, text, *arguments):
    (folder / "x.toml").write_text(text)
    return subprocess.run([str(program), *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# Driver -> what stands behind 'x.toml:6:10: device.n.driver = "<driver>": '; also of check: found before anything runs.
ERRORS = {
    "missing.so": ("there is no such file, and none of this name in drivers/ beside the program", True),
    "no/missing.so": ("there is no such file", True),
    "no_entry.so": ("has no function DriverEntry", True),
    "unresolved.so": ("can't be loaded: undefined symbol: IoInvalidateDeviceRelationsNow", True),
    "text.so": ("can't be loaded: invalid ELF header", True),
    "entry_fails.so": ("its DriverEntry returned status 0xC000009A", False),
    "no_add_device.so": ("its DriverEntry has set no DriverExtension->AddDevice", False),
    "add_device_fails.so": ("its AddDevice returned status 0xC000000E", False),
}

# Driver -> diagnostics: severity, function, message; the object is the driver unless a fourth says otherwise.
FREED = "is called for "
DIAGNOSTICS = {
    "services": [("note", "DbgPrint", "-1    42|ff  |00000ABC 123456789 7 c text wide % (nil)"), ("note", "DbgPrint", "200 W ab")],
    "start_fails": [("error", "IRP_MN_START_DEVICE", "device n: status 0xC0000182")],
    "leaks": [
        ("warning", "IRP_MN_REMOVE_DEVICE", "device n: the driver's device object is still attached"),
        ("warning", "IRP_MN_REMOVE_DEVICE", "device n: the interrupt was still connected"),
        ("warning", "DriverUnload", "left behind: 1 device object"),
        ("warning", "DriverUnload", "left behind: 2 pool blocks, 5100 bytes, tag 'Leak'"),
        ("warning", "DriverUnload", "left behind: 1 range of contiguous memory, 8192 bytes"),
        ("warning", "DriverUnload", "left behind: 1 MDL"),
        ("warning", "DriverUnload", "left behind: 1 mapping of registers"),
        ("warning", "DriverUnload", "left behind: 1 running thread"),
        ("warning", "teardown", "was not deleted", "device n"),
    ],
    "mistakes": [
        ("note", "DeleteDevice", "returned STATUS_INVALID_PARAMETER_1 at 1918.4 ns", ""),
        ("warning", "DeleteDevice", "parameter 1 was deleted before", "device"),
        ("warning", "ExFreePoolWithTag", "names tag 'Tag2' for a block of tag 'Tag1'"),
        ("warning", "ExFreePoolWithTag", FREED + "a block that is not allocated from pool"),
        ("warning", "MmFreeContiguousMemory", FREED + "memory that is not allocated by it"),
        ("warning", "MmBuildMdlForNonPagedPool",
         "describes memory without a physical address; contiguous memory and pool from a page on have one"),
        ("warning", "IoFreeMdl", FREED + "an MDL that IoAllocateMdl didn't make"),
        ("warning", "MmGetPhysicalAddress", FREED + "memory without a physical address"),
        ("warning", "READ_REGISTER_ULONG", FREED + "an address that MmMapIoSpace has not mapped"),
        ("warning", "WRITE_REGISTER_ULONG", FREED + "an address that MmMapIoSpace has not mapped"),
        ("warning", "MmMapIoSpace", "is asked for 4096 bytes at 0x100000, where no device registers are"),
        ("warning", "MmUnmapIoSpace", FREED + "a range that MmMapIoSpace didn't return, or of another length"),
        ("warning", "KeSetEvent", FREED + "an event that is not initialized"),
        ("warning", "KeWaitForSingleObject", FREED + "something that is neither an initialized event nor a thread"),
        ("warning", "ObDereferenceObject", FREED + "an object that is not there"),
        ("warning", "KeDelayExecutionThread", "waits above PASSIVE_LEVEL"),
        ("warning", "IoDeleteDevice", FREED + "a device object that IoCreateDevice didn't make, or that is deleted already"),
        ("warning", "IoDetachDevice", "finds nothing attached"),
    ],
    "odd_requests": [
        ("warning", "IRP_MN_QUERY_REMOVE_DEVICE", "device n: was refused; the device is taken out all the same"),
        ("warning", "IRP_MJ_PNP", "returned from IRP_MN_SURPRISE_REMOVAL without completing it or STATUS_PENDING"),
        ("warning", "IoCompleteRequest", FREED + "a request that is completed already"),
    ],
}


def test_errors(folder):
    (folder / "text.so").write_text("no shared object\n" * 10)
    (folder / "x.toml").touch()
    for driver, (reason, early) in ERRORS.items():
        message = 'x.toml:6:10: device.n.driver = "%s": %s\n' % (driver, reason)
        before = sorted(folder.iterdir())
        ended = run(folder, DEVICE % ("n", driver), "run", "x.toml", "--out", "results")
        check(ended.returncode == 2 and ended.stderr == message and ended.stdout == "", driver, ended)
        check(sorted(folder.iterdir()) == before, driver + " writes nothing", sorted(folder.iterdir()))
        checked = run(folder, DEVICE % ("n", driver), "check", "x.toml")
        check((checked.returncode, checked.stderr) == ((2, message) if early else (0, "")), driver + ", check", checked)


def result_of(folder, text, title):
    shutil.rmtree(folder / "results", ignore_errors=True)
    ended = run(folder, text, "run", "x.toml", "--quiet", "--out", "results")
    check(ended.returncode == 0 and ended.stderr == "", title, ended)
    return json.loads((folder / "results/result.json").read_text())


def diagnostics_of(result):
    return [(d["severity"], d["function"], d["message"], d["object"]) for d in result["diagnostics"]]


def test_diagnostics(folder):
    for driver, wanted in DIAGNOSTICS.items():
        result = result_of(folder, DEVICE % ("n", driver + ".so"), driver)
        wanted = [line if len(line) == 4 else line + ("driver %s.so" % driver,) for line in wanted]
        found = diagnostics_of(result)
        check(found == wanted, driver, [line for line in found if line not in wanted] or found)
        counts = {name + "s": sum(line[0] == name for line in wanted) for name in ("note", "warning", "error")}
        check(result["reported"] == counts, driver + ", counts", result["reported"])


def test_two_devices(folder):
    """One image, one DriverEntry, one set of static data; the notes count up. The example serves two NICs at once."""
    found = diagnostics_of(result_of(folder, DEVICE % ("a", "two_devices.so") + DEVICE % ("b", "two_devices.so"), "two_devices"))
    wanted = [("note", "DbgPrint", "device %d of \\Driver\\two_devices" % n, "driver two_devices.so") for n in (1, 2)]
    check(found == wanted, "two_devices", found)
    result = result_of(folder, DEVICE % ("a", "nic_driver.so") + DEVICE % ("b", "nic_driver.so"), "two example devices")
    check(result["diagnostics"] == [], "two example devices", result["diagnostics"])
    for name in "ab":
        master = result["masters"][name]
        check(0 < master["rx_packets"] == master["tx_packets"], "example device " + name, master["rx_packets"])


def test_surprise(folder):
    """Whenever the example's device is taken out: nothing faults, nothing is left behind, nothing hangs."""
    event = '[[event]]\nat_ns = %d\naction = "surprise_removal"\ndevice = "n"\n'
    for mode in ("at", "lt"):
        for at in (61000, 61750, 948000, 1166000, 1184200, 1195000, 1216300, 1231500):
            title = "taken out at %d, %s" % (at, mode)
            result = result_of(folder, 'mode = "%s"\n' % mode + DEVICE % ("n", "nic_driver.so") + event % at, title)
            found = (result["diagnostics"], result["faults"], result["payload"]["corrupted"], result["masters"]["n"]["removed"])
            check(found == ([], 0, 0, True), title, found)
    late = result_of(folder, DEVICE % ("n", "nic_driver.so") + event % 1, "taken out before the start")
    check([d["message"] for d in late["diagnostics"]] == ["a surprise_removal event found it not at work"], "early", late["diagnostics"])


def test_keys(folder):
    """What the built-in driver is told, a loaded one is not; and the other way round."""
    ended = run(folder, DEVICE % ("n", "services.so") + 'policy = "static"\n', "check", "x.toml")
    check(ended.returncode == 2 and ended.stderr ==
          'x.toml:7:1: device.n.policy is for device.n.driver = "" only, here it is "services.so"\n', "policy", ended)
    event = '[[event]]\nat_ns = 5\naction = "%s"\ndevice = "n"\n'
    ended = run(folder, DEVICE % ("n", "services.so") + event % "detach", "check", "x.toml")
    check(ended.returncode == 2 and "its driver owns its domain; allowed: surprise_removal" in ended.stderr, "detach", ended)
    built_in = (DEVICE % ("n", "")).replace('driver = ""\n', "")
    ended = run(folder, built_in + event % "surprise_removal", "check", "x.toml")
    check(ended.returncode == 2 and "allowed: a nic with a driver" in ended.stderr, "surprise_removal", ended)
    resolved = run(folder, DEVICE % ("n", "services.so"), "check", "x.toml").stdout
    check(run(folder, resolved, "check", "x.toml").stdout == resolved, "the resolved scenario reads back", resolved)


def test_command_of_the_page(folder):
    page = (source / "docs/driver-lab.md").read_text()
    commands = re.findall(r"^gcc .*$", page, re.M)
    check(len(commands) == 1, "one gcc command in docs/driver-lab.md", commands)
    command = commands[0].split(" -o ")[0].replace("examples/", str(source) + "/examples/").replace("-Iapi", "-I" + str(source / "api"))
    built = subprocess.run(command + " -Wall -Wextra -Werror -o %s/own.so" % folder, shell=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    check(built.returncode == 0, commands[0], built.stdout)
    result = result_of(folder, DEVICE % ("n", "own.so"), "own.so")
    check(result["diagnostics"] == [] and result["masters"]["n"]["tx_packets"] > 0, "own.so", result["diagnostics"])


def test_exports():
    header = (source / "api/wdm_driver.h").read_text() + (source / "api/wdm.h").read_text()
    declared = set(re.findall(r"^NTKERNELAPI\s+\w+\s+(\w+)\(", header, re.M))
    listed = subprocess.run(["nm", "-D", "--defined-only", str(program)], stdout=subprocess.PIPE, text=True).stdout
    exported = {line.split()[-1] for line in listed.splitlines()}
    check(len(declared) > 55 and declared | {"PsThreadType"} <= exported, "exports", sorted(declared - exported))


with tempfile.TemporaryDirectory() as name:
    work = pathlib.Path(name)
    shutil.copy(source / "configs/captures/tcp-bulk-and-requests.pcap", work / "c.pcap")
    for driver in drivers.glob("*.so"):
        (work / driver.name).symlink_to(driver)
    test_errors(work)
    test_diagnostics(work)
    test_two_devices(work)
    test_surprise(work)
    test_keys(work)
    test_command_of_the_page(work)
    test_exports()
print("%d checks failed" % len(failures))
sys.exit(1 if failures else 0)
