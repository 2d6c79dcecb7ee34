"""The two sides: QEMU's VT-d with edu devices, and the model's vtd_server. Both take the commands of plan.py.

Both are driven over QEMU's qtest text protocol: one command a line, one reply a line. No guest code runs in QEMU: its firmware halts, and
devices, registers and memory are reached through a socket. Debian's QEMU has no qtest accelerator; `-icount shift=0,sleep=off` lets virtual
time jump to the next timer, so that edu's DMA, which takes 100 ms, is over at once.
"""
import base64
import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import time

from layout import BEHIND_BUS, BUFFER_BYTES, BUFFER_WRITES, GIB, PATTERN, REGISTER_BASE, SIDS, WINDOWS, pattern, write_bytes

# Registers at fixed offsets (1.1); the others are found through CAP.FRO and ECAP.IRO.
OFFSETS = {"VER": 0x00, "CAP": 0x08, "ECAP": 0x10, "GCMD": 0x18, "GSTS": 0x1C, "RTADDR": 0x20, "CCMD": 0x28, "FSTS": 0x34, "FECTL": 0x38,
           "IQH": 0x80, "IQT": 0x88, "IQA": 0x90, "ICS": 0x9C, "IECTL": 0xA0}

MEMORY_BYTES = 3 * GIB  # q35 puts 2 GiB below 4 GiB and the rest above: layout.RAM
SILENCE_S = 180  # a side that says nothing for so long hangs
POLL_PAUSE_S = 60e-6  # between looks whether edu is done: lets QEMU run on a shared core
CHUNK_BYTES = 30000  # commands sent before replies are read: neither side blocks on a full buffer

BARS = {0x0020: 0xFE200000, 0x0021: 0xFE300000, 0x0028: 0xFE400000, BEHIND_BUS << 8: 0xFE100000}


class SideError(Exception):
    """A side ended, or answered something that is no answer."""


class SideHangs(SideError):
    """A side does not answer."""


def end_with_parent(number=signal.SIGKILL):
    """In a child: it gets this signal when its parent ends, however that happens."""
    ctypes.CDLL(None).prctl(1, number)  # PR_SET_PDEATHSIG


class TextClient:
    """Sends commands over a socket, gathers replies."""

    def __init__(self, name, connection, post_mortem):
        self.name = name
        connection.settimeout(SILENCE_S)
        self._connection, self._read, self._post_mortem = connection, connection.makefile("rb"), post_mortem

    def close(self):
        self._read.close()
        self._connection.close()

    def batch(self, commands):
        """One list of reply words for each command."""
        replies = []
        first = 0
        while first < len(commands):
            size, last = 0, first
            while last < len(commands) and (size == 0 or size + len(commands[last]) < CHUNK_BYTES):
                size += len(commands[last]) + 1
                last += 1
            self._exchange(commands[first:last], replies)
            first = last
        return replies

    def _exchange(self, commands, replies):
        try:
            self._connection.sendall(("\n".join(commands) + "\n").encode())
            for command in commands:
                line = self._read.readline()
                while line.startswith(b"IRQ"):
                    line = self._read.readline()
                words = line.decode().split()
                if not words:
                    raise SideError(f"{self.name} ended at '{command}': {self._post_mortem()}")
                if words[0] != "OK":
                    raise SideError(f"{self.name}: '{command}' gave '{line.decode().strip()}'")
                replies.append(words[1:])
        except TimeoutError as error:
            raise SideHangs(f"{self.name} has not answered for {SILENCE_S} s; first command of the batch: '{commands[0]}'") from error
        except OSError as error:
            raise SideError(f"{self.name} ended ({error}): {self._post_mortem()}") from error


class Side:
    """What is common: registers, memory, the batching of commands between DMAs."""

    def __init__(self):
        self.client = None
        self.registers = {}
        self._pending, self._results = [], []  # (command, what takes the reply's words or None)

    def _locate_registers(self):
        cap, ecap = self._now(f"readq {REGISTER_BASE + 8:#x}"), self._now(f"readq {REGISTER_BASE + 16:#x}")
        self.registers = {name: REGISTER_BASE + offset for name, offset in OFFSETS.items()}
        records = REGISTER_BASE + (cap >> 24 & 0x3FF) * 16
        iotlb = REGISTER_BASE + (ecap >> 8 & 0x3FF) * 16
        self.registers.update(FRCD_LO=records, FRCD_HI=records + 8, IVA=iotlb, IOTLB=iotlb + 8)
        self.cap, self.ecap, self.ver = cap, ecap, self._now(f"readl {REGISTER_BASE:#x}")

    def capabilities(self):
        """The fields that have to be the same on both sides (1.2, 1.3)."""
        cap, ecap = self.cap, self.ecap
        return {"VER": self.ver, "CAP.ND": cap & 7, "CAP.RWBF": cap >> 4 & 1, "CAP.CM": cap >> 7 & 1, "CAP.SAGAW": cap >> 8 & 31,
                "CAP.MGAW": cap >> 16 & 63, "CAP.ZLR": cap >> 22 & 1, "CAP.SSLPS": cap >> 34 & 15, "CAP.PSI": cap >> 39 & 1,
                "CAP.NFR": cap >> 40 & 255, "CAP.MAMV": cap >> 48 & 63, "CAP.ESRTPS": cap >> 63, "ECAP.C": ecap & 1,
                "ECAP.QI": ecap >> 1 & 1, "ECAP.DT": ecap >> 2 & 1, "ECAP.PT": ecap >> 6 & 1, "ECAP.SC": ecap >> 7 & 1,
                "ECAP.SMTS": ecap >> 43 & 1}

    def _now(self, command):
        words = self.client.batch([command])[0]
        return int(words[0], 16) if words else None

    def run(self, commands):
        """Carries out a plan's commands; returns the observations in order."""
        self._results = []
        for command in commands:
            getattr(self, "_do_" + command[0])(*command[1:])
        self._send()
        return self._results

    def _queue(self, text, take=None):
        self._pending.append((text, take))

    def _send(self):
        pending, self._pending = self._pending, []
        if not pending:
            return
        for words, (_, take) in zip(self.client.batch([text for text, _ in pending]), pending):
            if take is not None:
                take(words)

    def _observe(self, text, decode):
        self._queue(text, lambda words: self._results.append(decode(words[0])))

    def _do_write(self, register, size, value):
        self._queue(f"write{'l' if size == 4 else 'q'} {self.registers[register]:#x} {value:#x}")

    def _do_read(self, register, size):
        self._observe(f"read{'l' if size == 4 else 'q'} {self.registers[register]:#x}", lambda word: int(word, 16))

    def _do_store(self, address, data):
        if len(data) == 8:
            self._queue(f"writeq {address:#x} {int.from_bytes(data, 'little'):#x}")
        else:
            self._queue(f"write {address:#x} {len(data):#x} 0x{data.hex()}")

    def _do_load(self, address, length):
        self._observe(f"b64read {address:#x} {length:#x}", base64.b64decode)

    def _do_zero(self, address, length):
        self._queue(f"memset {address:#x} {length:#x} 0x0")

    def fill_windows(self):
        """Makes the pages that DMAs may reach hold what plan.py takes for granted."""
        self.run([("store", first, pattern(first, size)) for first, size in WINDOWS])


class QemuSide(Side):
    """q35 with an intel-iommu and four edu devices: 00:04.0, 00:04.1, 00:05.0 and 05:00.0 behind a root port."""

    def __init__(self, width):
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="iommu-witness-")
        folder = self._folder.name
        firmware = bytearray(b"\xf4" * 65536)
        firmware[0xFFF0:0xFFF4] = b"\xfa\xf4\xeb\xfd"  # cli; hlt; jmp to hlt
        with open(os.path.join(folder, "halt.bin"), "wb") as rom:
            rom.write(firmware)
        path = os.path.join(folder, "qtest")
        edu = "dma_mask=0xffffffffffffffff"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen(1)
            server.settimeout(0.5)
            self._errors = open(os.path.join(folder, "errors"), "w+", encoding="utf-8")
            self._process = subprocess.Popen(
                ["qemu-system-x86_64", "-accel", "tcg", "-icount", "shift=0,sleep=off", "-bios", os.path.join(folder, "halt.bin"),
                 "-object", f"memory-backend-ram,id=ram,size={MEMORY_BYTES},reserve=off", "-m", str(MEMORY_BYTES >> 20),
                 "-machine", "q35,memory-backend=ram", "-nodefaults", "-no-reboot", "-display", "none",
                 "-device", f"intel-iommu,intremap=off,caching-mode=off,aw-bits={width}",
                 "-device", f"edu,addr=04.0,multifunction=on,{edu}", "-device", f"edu,addr=04.1,{edu}",
                 "-device", f"edu,addr=05.0,{edu}", "-device", "pcie-root-port,id=root0,addr=06.0,chassis=1",
                 "-device", f"edu,bus=root0,addr=00.0,{edu}", "-qtest", "unix:" + path, "-qtest-log", "/dev/null"],
                stdin=subprocess.DEVNULL, stderr=self._errors, preexec_fn=end_with_parent)
            self.client = TextClient("QEMU", self._accept(server), self._post_mortem)
        self._set_up_pci()
        self._locate_registers()
        self.fill_windows()
        for sid in SIDS:  # the half of each device's buffer that DMA writes come from
            data = write_bytes(sid)
            self.run([("store", PATTERN, data)])
            self._edu(sid, PATTERN, 0x40000 + BUFFER_WRITES, len(data), 1)

    def _accept(self, server):
        while True:
            try:
                return server.accept()[0]
            except TimeoutError:
                if self._process.poll() is not None:
                    raise SideError("QEMU did not start: " + self._post_mortem()) from None

    def _post_mortem(self):
        self._process.wait(10)
        self._errors.seek(0)
        return f"exit code {self._process.returncode}, {self._errors.read().strip()}"

    def _configure(self, sid, offset, value):
        self.client.batch([f"outl 0xcf8 {0x80000000 | sid << 8 | offset:#x}", f"outl 0xcfc {value:#x}"])

    def _set_up_pci(self):
        port = 0x0030
        self._configure(port, 0x18, BEHIND_BUS << 16 | BEHIND_BUS << 8)
        self._configure(port, 0x20, 0xFE10FE10)  # forwards FE10_0000 to FE1F_FFFF
        self._configure(port, 0x04, 7)
        for sid, bar in BARS.items():
            self._configure(sid, 0x10, bar)
            self._configure(sid, 0x04, 6)  # memory, bus master

    def _do_dma(self, sid, is_write, address, length, offset):
        device = 0x40000 + offset
        source, destination = (device, address) if is_write else (address, device)
        self._edu(sid, source, destination, length, 3 if is_write else 1)

    def _edu(self, sid, source, destination, length, command):
        bar = BARS[sid]
        for register, value in ((0x80, source), (0x88, destination), (0x90, length), (0x98, command)):
            self._queue(f"writeq {bar + register:#x} {value:#x}")
        self._send()
        while True:
            time.sleep(POLL_PAUSE_S)
            if not self._now(f"readq {bar + 0x98:#x}") & 1:
                return

    def close(self):
        self.client.close()
        self._process.terminate()
        self._process.wait()
        self._errors.close()
        self._folder.cleanup()


class ModelSide(Side):
    """vtd_server, and the devices' buffers, which QEMU has in edu."""

    def __init__(self, width, server, small_caches):
        super().__init__()
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen([server, str(width), "small" if small_caches else "default"], stdin=theirs, stdout=theirs,
                                         preexec_fn=end_with_parent)
        theirs.close()
        self.client = TextClient("the model", ours, self._post_mortem)
        self._buffers = {sid: bytearray(BUFFER_WRITES) + write_bytes(sid) for sid in SIDS}
        assert all(len(buffer) == BUFFER_BYTES for buffer in self._buffers.values())
        self._locate_registers()
        self.fill_windows()

    def _post_mortem(self):
        return f"exit code {self._process.wait(10)}"

    def _do_dma(self, sid, is_write, address, length, offset):
        buffer = self._buffers[sid]
        if is_write:
            if offset < BUFFER_WRITES:
                self._send()  # what earlier reads brought
            self._queue(f"dma_write {sid:#x} {address:#x} 0x{buffer[offset:offset + length].hex()}")
            return

        def take(words):
            data = bytes.fromhex(words[1][2:])
            if len(data) != length:
                raise SideError(f"the model: a DMA read of {length} bytes gave {len(data)}")
            buffer[offset:offset + length] = data

        self._queue(f"dma_read {sid:#x} {address:#x} {length:#x}", take)

    def close(self):
        self.client.close()
        self._process.kill()
        self._process.wait()
